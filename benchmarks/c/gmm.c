/* ADBench's Gaussian mixture, by tiles of points: one product with the triangles of all components,
   a log-sum-exp, and one product back.

   The products are those of product.h. Column r K + k of the tile belongs to row r of triangle k,
   so that sums over r are sums of lines of K; lines are padded from K D to W, points from D to D8.

   dims: n, D, K.  in: alphas[K], means[K][D], icf[K][D (D + 1) / 2], x[n][D], prior[3].
   out: value[1], gradients in that order. */

#include "bench.h"
#include "product.h"

#define TILE 64

/* A multiple of the blocks of product.h, in either type. */
#define ROUND(n) (((n) + 15) / 16 * 16)
#define ROUND8(n) (((n) + 7) / 8 * 8)

/* Columns of a product at a time: those of row r of the triangles need the first r + 1 coordinates,
   so that half of the work is saved. */
#define BLOCK 16

INLINE int rows(int column, int d, int K)
{
    const int last = (column + BLOCK - 1) / K;
    return last < d ? last + 1 : d;
}

static size_t work_bytes(const int64_t *dims)
{
    int64_t d = dims[1], k = dims[2], w = ROUND(k * d), d8 = ROUND8(d);
    return (size_t)(2 * d8 * w + TILE * (d8 + w + ROUND(k)) + 2 * w + 4 * ROUND(k)) * sizeof(REAL);
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t n = dims[0];
    const int d = (int)dims[1], K = (int)dims[2], below = d * (d - 1) / 2;
    const int w = ROUND(K * d), d8 = ROUND8(d), k8 = ROUND(K);
    const REAL *restrict alphas = in[0], *restrict means = in[1], *restrict icf = in[2];
    const REAL *restrict x = in[3], *restrict prior = in[4];
    /* Qt[c][r K + k] is entry (r, c) of triangle k. */
    REAL *restrict Qt = work, *restrict Q_bar = Qt + d8 * w, *restrict xt = Q_bar + d8 * w;
    REAL *restrict z = xt + TILE * d8, *restrict p = z + TILE * w;
    REAL *restrict shift = p + TILE * k8, *restrict shift_bar = shift + w;
    REAL *restrict base = shift_bar + w, *restrict share = base + k8;
    memset(Qt, 0, (size_t)(2 * d8 * w + TILE * d8) * sizeof(REAL));
    memset(shift, 0, (size_t)2 * w * sizeof(REAL));
    memset(share, 0, (size_t)K * sizeof(REAL));

    REAL squares = 0, logs = 0;
    for (int k = 0; k < K; k++) {
        const REAL *restrict q = icf + k * (d + below);
        REAL sum = 0;
        for (int r = 0; r < d; r++) {
            REAL diagonal = exp(q[r]);
            Qt[r * w + r * K + k] = diagonal;
            sum += q[r];
            squares += diagonal * diagonal;
        }
        for (int c = 0, at = d; c < d; c++)
            for (int r = c + 1; r < d; r++, at++) {
                Qt[c * w + r * K + k] = q[at];
                squares += q[at] * q[at];
            }
        base[k] = alphas[k] + sum;
        logs += sum;
        for (int c = 0; c < d; c++)
            for (int r = c; r < d; r++)
                shift[r * K + k] -= Qt[c * w + r * K + k] * means[k * d + c];
    }
    REAL total = 0;
    for (int64_t row = 0; row < n; row += TILE) {
        const int m = (int)(n - row < TILE ? n - row : TILE);
        for (int i = 0; i < TILE; i++)
            for (int c = 0; c < d; c++)
                xt[i * d8 + c] = i < m ? x[(row + i) * d + c] : 0;
        for (int i = 0; i < TILE; i++)
            memcpy(z + i * w, shift, (size_t)w * sizeof(REAL));
        for (int j = 0; j < w; j += BLOCK)
            product(TILE, BLOCK, rows(j, d, K), xt, d8, 1, Qt + j, w, z + j, w);
        for (int i = 0; i < m; i++) {
            const REAL *restrict zi = z + i * w;
            REAL *restrict pi = p + i * K;
            memcpy(pi, base, (size_t)K * sizeof(REAL));
            for (int r = 0; r < d; r++)
                for (int k = 0; k < K; k++)
                    pi[k] -= zi[r * K + k] * zi[r * K + k] / 2;
        }
        REAL sums[TILE];
        for (int i = 0; i < m; i++) {
            REAL *restrict pi = p + i * K, top = pi[0];
            for (int k = 1; k < K; k++)
                top = pi[k] > top ? pi[k] : top;
            for (int k = 0; k < K; k++)
                pi[k] -= top;
            total += top;
        }
        for (int i = 0; i < m * K; i++)
            p[i] = exp(p[i]);
        for (int i = 0; i < m; i++) {
            REAL *restrict pi = p + i * K, sum = 0;
            for (int k = 0; k < K; k++)
                sum += pi[k];
            sums[i] = sum;
            for (int k = 0; k < K; k++) {
                pi[k] *= 1 / sum;
                share[k] += pi[k];
            }
        }
        for (int i = 0; i < m; i++)
            total += log(sums[i]);
        for (int i = 0; i < m; i++)
            for (int r = 0; r < d; r++)
                for (int k = 0; k < K; k++)
                    z[i * w + r * K + k] *= -p[i * K + k];
        memset(z + m * w, 0, (size_t)(TILE - m) * w * sizeof(REAL));
        for (int i = 0; i < m; i++)
            for (int j = 0; j < K * d; j++)
                shift_bar[j] += z[i * w + j];
        for (int j = 0; j < w; j += BLOCK)
            product(ROUND8(rows(j, d, K)), BLOCK, TILE, xt, 1, d8, z + j, w, Q_bar + j, w);
    }
    REAL top = alphas[0], sum = 0;
    for (int k = 1; k < K; k++)
        top = alphas[k] > top ? alphas[k] : top;
    for (int k = 0; k < K; k++)
        sum += exp(alphas[k] - top);
    const REAL gamma = prior[0], wishart = prior[1], log_2_pi = (REAL)1.8378770664093454836;
    *(REAL *)out[0] = total - n * (top + log(sum)) - n * d * log_2_pi / 2 +
                      gamma * gamma * squares / 2 - wishart * logs - prior[2];
    REAL *restrict by_alpha = out[1], *restrict by_mean = out[2], *restrict by_icf = out[3];
    for (int k = 0; k < K; k++) {
        const REAL *restrict sb = shift_bar + k;
        REAL *restrict q = by_icf + k * (d + below);
        by_alpha[k] = share[k] - n * exp(alphas[k] - top) / sum;
        for (int c = 0; c < d; c++) {
            REAL bar = 0;
            for (int r = c; r < d; r++)
                bar -= Qt[c * w + r * K + k] * sb[r * K];
            by_mean[k * d + c] = bar;
        }
        for (int c = 0, at = d; c < d; c++) {
            REAL mean = means[k * d + c], diagonal = Qt[c * w + c * K + k];
            REAL bar = Q_bar[c * w + c * K + k] - sb[c * K] * mean + gamma * gamma * diagonal;
            q[c] = bar * diagonal + share[k] - wishart;
            for (int r = c + 1; r < d; r++, at++)
                q[at] = Q_bar[c * w + r * K + k] - sb[r * K] * mean +
                        gamma * gamma * Qt[c * w + r * K + k];
        }
    }
}
