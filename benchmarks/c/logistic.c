/* Logistic regression with a ridge penalty, by tiles of rows: the matrix is read from memory once.

   dims: n, d.  in: w[d], X[n][d], y[n].  out: value[1], gradient[d]. */

#include "bench.h"

#define TILE 64
#define PENALTY 0.01
#define MAX_D 4096

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

/* Inlined with a constant d for the sizes measured, as a program for one model would have it. */
INLINE REAL tiles(int64_t n, int64_t d, const REAL *restrict w, const REAL *restrict X,
                  const REAL *restrict y, REAL *restrict g)
{
    REAL z[TILE], r[TILE];
    REAL total = 0;
    for (int64_t row = 0; row < n; row += TILE) {
        const int64_t m = n - row < TILE ? n - row : TILE;
        const REAL *restrict tile = X + row * d;
        for (int64_t i = 0; i < m; i++) {
            REAL dot = 0;
            for (int64_t j = 0; j < d; j++)
                dot += tile[i * d + j] * w[j];
            z[i] = dot;
        }
        for (int64_t i = 0; i < m; i++) {
            REAL e = exp(-fabs(z[i]));
            REAL positive = z[i] > 0 ? z[i] : 0;
            total += log(1 + e) + positive - y[row + i] * z[i];
            r[i] = (z[i] >= 0 ? 1 : e) / (1 + e) - y[row + i];
        }
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < d; j++)
                g[j] += r[i] * tile[i * d + j];
    }
    return total;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0], d = dims[1];
    const REAL *w = in[0];
    REAL sum[MAX_D];
    for (int64_t j = 0; j < d; j++)
        sum[j] = 0;
    REAL total = d == 5    ? tiles(n, 5, w, in[1], in[2], sum)
                 : d == 20 ? tiles(n, 20, w, in[1], in[2], sum)
                 : d == 50 ? tiles(n, 50, w, in[1], in[2], sum)
                           : tiles(n, d, w, in[1], in[2], sum);
    REAL *g = out[1];
    REAL square = 0;
    for (int64_t j = 0; j < d; j++) {
        g[j] = sum[j] / n + PENALTY * w[j];
        square += w[j] * w[j];
    }
    *(REAL *)out[0] = total / n + PENALTY / 2 * square;
}
