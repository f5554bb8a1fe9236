/* Regression with Student-t errors of four degrees of freedom, by tiles of rows.

   dims: n.  in: log_spread[1], w[8], X[n][8], y[n].  out: value[1], gradients in that order. */

#include "bench.h"

#define TILE 128
#define COLUMNS 8
#define FREEDOM 4

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0];
    const REAL log_spread = *(const REAL *)in[0], inverse = exp(-log_spread);
    const REAL *restrict w = in[1], *restrict X = in[2], *restrict y = in[3];
    REAL g[COLUMNS] = {0}, square = 0, total = 0, spread_bar = 0, bar[TILE];
    for (int64_t row = 0; row < n; row += TILE) {
        const int m = (int)(n - row < TILE ? n - row : TILE);
        const REAL *restrict tile = X + row * COLUMNS;
        for (int i = 0; i < m; i++) {
            REAL z = y[row + i];
            for (int j = 0; j < COLUMNS; j++)
                z -= tile[i * COLUMNS + j] * w[j];
            bar[i] = z * inverse;
        }
        for (int i = 0; i < m; i++) {
            REAL z = bar[i], q = 1 + z * z / FREEDOM;
            total += log(q);
            bar[i] = z / q;
            spread_bar += z * z / q;
        }
        for (int i = 0; i < m; i++)
            for (int j = 0; j < COLUMNS; j++)
                g[j] += bar[i] * tile[i * COLUMNS + j];
    }
    const REAL weight = (REAL)(FREEDOM + 1) / FREEDOM;
    for (int j = 0; j < COLUMNS; j++) {
        square += w[j] * w[j];
        g[j] = g[j] * weight * inverse - w[j];
    }
    *(REAL *)out[0] = -(REAL)(FREEDOM + 1) / 2 * total - n * log_spread - square / 2;
    *(REAL *)out[1] = weight * spread_bar - n;
    memcpy(out[2], g, sizeof g);
}
