/* Likelihood of an autoregression of order three: everything in one pass, which vectorises.

   dims: length.  in: x[5], y[length].  out: value[1], gradient[5]. */

#include "bench.h"

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0];
    const REAL *restrict x = in[0], *restrict y = in[1];
    REAL square = 0, sum = 0, first = 0, second = 0, third = 0;
    for (int64_t t = 3; t < n; t++) {
        REAL error = y[t] - (x[3] + x[0] * y[t - 1] + x[1] * y[t - 2] + x[2] * y[t - 3]);
        square += error * error;
        sum += error;
        first += error * y[t - 1];
        second += error * y[t - 2];
        third += error * y[t - 3];
    }
    REAL precision = exp(-2 * x[4]);
    *(REAL *)out[0] = square * precision / 2 + (n - 3) * x[4];
    REAL *g = out[1];
    g[0] = -first * precision;
    g[1] = -second * precision;
    g[2] = -third * precision;
    g[3] = -sum * precision;
    g[4] = (n - 3) - square * precision;
}
