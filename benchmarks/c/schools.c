/* The eight schools' log-density and its gradient.

   in: x[10], y[8], error[8].  out: value[1], gradient[10]. */

#include "bench.h"

#define SCHOOLS 8

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)dims, (void)work;
    const REAL *restrict x = in[0], *restrict y = in[1], *restrict error = in[2];
    const REAL mean = x[0], spread = exp(x[1]);
    REAL *restrict g = out[1];
    REAL squares = 0, mean_bar = 0, spread_bar = 0;
    for (int i = 0; i < SCHOOLS; i++) {
        REAL z = x[2 + i], r = (y[i] - mean - spread * z) / error[i], bar = r / error[i];
        squares += r * r + z * z;
        mean_bar += bar;
        spread_bar += bar * z;
        g[2 + i] = bar * spread - z;
    }
    REAL scaled = (REAL)0.04 * spread * spread;
    *(REAL *)out[0] = -squares / 2 - (REAL)0.02 * mean * mean + x[1] - log1p(scaled);
    g[0] = mean_bar - (REAL)0.04 * mean;
    g[1] = spread_bar * spread + 1 - 2 * scaled / (1 + scaled);
}
