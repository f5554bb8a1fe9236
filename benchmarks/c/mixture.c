/* The mixture of three linear experts, by tiles of rows with one array for each expert.

   dims: n.  in: experts[4][3], gates[4][3], spreads[3], X[n][4], y[n].
   out: value[1], gradients in that order. */

#include "bench.h"

#define TILE 64
#define COLUMNS 4
#define EXPERTS 3

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0];
    const REAL *restrict experts = in[0], *restrict gates = in[1], *restrict spreads = in[2];
    const REAL *restrict X = in[3], *restrict y = in[4];
    REAL inverse[EXPERTS], factor[EXPERTS];
    REAL de[COLUMNS][EXPERTS] = {{0}}, dg[COLUMNS][EXPERTS] = {{0}}, ds[EXPERTS] = {0}, total = 0;
    for (int k = 0; k < EXPERTS; k++)
        inverse[k] = factor[k] = exp(-spreads[k]);
    for (int64_t row = 0; row < n; row += TILE) {
        const int m = (int)(n - row < TILE ? n - row : TILE);
        REAL x[COLUMNS][TILE], z[EXPERTS][TILE], a[EXPERTS][TILE], b[EXPERTS][TILE];
        for (int i = 0; i < m; i++)
            for (int j = 0; j < COLUMNS; j++)
                x[j][i] = X[(row + i) * COLUMNS + j];
        for (int k = 0; k < EXPERTS; k++)
            for (int i = 0; i < m; i++) {
                REAL gate = 0, mean = 0;
                for (int j = 0; j < COLUMNS; j++) {
                    gate += x[j][i] * gates[j * EXPERTS + k];
                    mean += x[j][i] * experts[j * EXPERTS + k];
                }
                z[k][i] = (y[row + i] - mean) * inverse[k];
                a[k][i] = gate;
                b[k][i] = gate - z[k][i] * z[k][i] / 2;
            }
        for (int i = 0; i < m; i++) {
            REAL top_a = a[0][i], top_b = b[0][i], sum_a = 0, sum_b = 0;
            for (int k = 1; k < EXPERTS; k++) {
                top_a = a[k][i] > top_a ? a[k][i] : top_a;
                top_b = b[k][i] > top_b ? b[k][i] : top_b;
            }
            for (int k = 0; k < EXPERTS; k++) {
                a[k][i] = exp(a[k][i] - top_a);
                b[k][i] = exp(b[k][i] - top_b) * factor[k];
                sum_a += a[k][i];
                sum_b += b[k][i];
            }
            total += log(sum_a / sum_b) + top_a - top_b;
            for (int k = 0; k < EXPERTS; k++) {
                a[k][i] /= sum_a;
                b[k][i] /= sum_b;
            }
        }
        for (int k = 0; k < EXPERTS; k++) {
            for (int i = 0; i < m; i++) {
                REAL share = b[k][i], r = z[k][i];
                a[k][i] -= share;
                ds[k] += share * (1 - r * r);
                z[k][i] = -share * r * inverse[k];
            }
            for (int j = 0; j < COLUMNS; j++)
                for (int i = 0; i < m; i++) {
                    de[j][k] += z[k][i] * x[j][i];
                    dg[j][k] += a[k][i] * x[j][i];
                }
        }
    }
    *(REAL *)out[0] = total / n;
    for (int j = 0; j < COLUMNS; j++)
        for (int k = 0; k < EXPERTS; k++) {
            ((REAL *)out[1])[j * EXPERTS + k] = de[j][k] / n;
            ((REAL *)out[2])[j * EXPERTS + k] = dg[j][k] / n;
        }
    for (int k = 0; k < EXPERTS; k++)
        ((REAL *)out[3])[k] = ds[k] / n;
}
