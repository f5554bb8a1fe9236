/* Rosenbrock's function and its gradient in one pass.

   dims: n.  in: x[n].  out: value[1], gradient[n]. */

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
    const REAL *restrict x = in[0];
    REAL *restrict g = out[1];
    REAL total = 0;
    /* Every g[i] is gathered from its two terms, not scattered to, so that the loop is free of
       dependencies and the compiler can vectorise it. */
    for (int64_t i = 1; i < n - 1; i++) {
        REAL below = x[i] - x[i - 1] * x[i - 1];
        REAL t = x[i + 1] - x[i] * x[i];
        REAL s = 1 - x[i];
        total += 100 * t * t + s * s;
        g[i] = 200 * below - 400 * x[i] * t - 2 * s;
    }
    REAL t = x[1] - x[0] * x[0], s = 1 - x[0];
    g[0] = -400 * x[0] * t - 2 * s;
    g[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2]);
    *(REAL *)out[0] = total + 100 * t * t + s * s;
}
