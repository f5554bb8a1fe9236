/* A chain of ten transcendental functions, forward and backward in one pass by tiles in cache.

   One loop per function of a tile, and not one loop over all: each loop then is one call of the C
   library's vector function (glibc's libmvec) where there is one.

   dims: n.  in: x[n].  out: value[1], gradient[n]. */

#include "bench.h"

#define TILE 256

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static REAL tile_sum(int m, const REAL *restrict x, REAL *restrict g)
{
    REAL y2[TILE], y3[TILE], s4[TILE], c1[TILE], y6[TILE], y7[TILE], c6[TILE], y9[TILE];
    REAL t[TILE];
    REAL total = 0;
    for (int i = 0; i < m; i++)
        y2[i] = exp(sin(x[i]));
    for (int i = 0; i < m; i++)
        c1[i] = cos(x[i]);
    for (int i = 0; i < m; i++)
        y3[i] = tanh(y2[i]);
    for (int i = 0; i < m; i++)
        t[i] = log1p(y3[i]);
    for (int i = 0; i < m; i++)
        s4[i] = sin(t[i]);
    for (int i = 0; i < m; i++)
        y6[i] = exp(cos(t[i]));
    for (int i = 0; i < m; i++)
        y7[i] = sin(y6[i]);
    for (int i = 0; i < m; i++)
        c6[i] = cos(y6[i]);
    for (int i = 0; i < m; i++)
        t[i] = log1p(y7[i]);
    for (int i = 0; i < m; i++)
        y9[i] = tanh(t[i]);
    for (int i = 0; i < m; i++) {
        REAL y10 = exp(y9[i]);
        total += y10;
        REAL bar = y10 * (1 - y9[i] * y9[i]) * c6[i] * y6[i] * -s4[i];
        bar *= (1 - y3[i] * y3[i]) * y2[i] * c1[i];
        g[i] = bar / ((1 + y7[i]) * (1 + y3[i]));
    }
    return total;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0];
    const REAL *x = in[0];
    REAL *g = out[1];
    REAL total = 0;
    for (int64_t i = 0; i < n; i += TILE)
        total += tile_sum(n - i < TILE ? (int)(n - i) : TILE, x + i, g + i);
    *(REAL *)out[0] = total;
}
