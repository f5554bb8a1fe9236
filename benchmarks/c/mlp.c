/* One step of a ReLU network 64-128-64-10 with mean softmax cross-entropy, by tiles of 128 rows.

   The products are those of product.h: all sizes are multiples of its block; the ten classes are
   padded to sixteen columns, whose logits are set so low that they vanish.

   dims: batch.  in: W1[64][128], W2[128][64], W3[64][10], b1[128], b2[64], b3[10], X[batch][64],
   one_hot[batch][10].  out: value[1], and gradients in the order of the parameters.
   batch must be a multiple of 8. */

#include "bench.h"
#include "product.h"

#define N0 64
#define N1 128
#define N2 64
#define N3 10
#define P3 16
#define TILE 128

/* All of it is written before it is read in each run, but the products add: see memset below. */
typedef struct {
    REAL W2T[N2][N1], W3pad[N2][P3], W3T[N3][N2], b3pad[P3];
    REAL h1[TILE][N1], h2[TILE][N2], z[TILE][P3];
    REAL h1_bar[TILE][N1], h2_bar[TILE][N2];
    REAL dW1[N0][N1], dW2[N1][N2], dW3[N2][P3], db1[N1], db2[N2], db3[P3];
} scratch;

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return sizeof(scratch);
}

INLINE void set_rows(int m, int n, REAL *restrict h, const REAL *restrict bias)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            h[i * n + j] = bias[j];
}

INLINE void relu(int count, REAL *restrict h)
{
    for (int i = 0; i < count; i++)
        h[i] = h[i] > 0 ? h[i] : 0;
}

/* bar = 0 where the unit was off; db += the column sums of bar. */
INLINE void relu_back(int m, int n, const REAL *restrict h, REAL *restrict bar, REAL *restrict db)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            bar[i * n + j] = h[i * n + j] > 0 ? bar[i * n + j] : 0;
            db[j] += bar[i * n + j];
        }
}

/* z becomes its own adjoint, (softmax - one_hot) / batch; returns the sum of the losses. */
static REAL softmax_back(int m, REAL (*restrict z)[P3], const REAL *restrict one_hot, int64_t batch,
                         REAL *restrict db)
{
    REAL total = 0;
    for (int i = 0; i < m; i++) {
        REAL top = z[i][0];
        for (int j = 1; j < N3; j++)
            top = z[i][j] > top ? z[i][j] : top;
        for (int j = 0; j < N3; j++)
            total -= one_hot[i * N3 + j] * (z[i][j] - top);
        for (int j = 0; j < P3; j++)
            z[i][j] -= top;
    }
    for (int i = 0; i < m * P3; i++)
        z[0][i] = exp(z[0][i]);
    REAL sums[TILE];
    for (int i = 0; i < m; i++) {
        REAL sum = 0;
        for (int j = 0; j < P3; j++)
            sum += z[i][j];
        sums[i] = sum;
        for (int j = 0; j < P3; j++)
            z[i][j] *= 1 / sum;
        for (int j = 0; j < N3; j++)
            z[i][j] -= one_hot[i * N3 + j];
        for (int j = 0; j < P3; j++) {
            z[i][j] *= (REAL)1 / batch;
            db[j] += z[i][j];
        }
    }
    for (int i = 0; i < m; i++)
        total += log(sums[i]);
    return total;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t batch = dims[0];
    const REAL *W1 = in[0], *W2 = in[1], *W3 = in[2], *b1 = in[3], *b2 = in[4], *b3 = in[5];
    const REAL *X = in[6], *one_hot = in[7];
    scratch *s = work;
    REAL total = 0;

    for (int i = 0; i < N1; i++)
        for (int j = 0; j < N2; j++)
            s->W2T[j][i] = W2[i * N2 + j];
    for (int i = 0; i < N2; i++)
        for (int j = 0; j < P3; j++)
            s->W3pad[i][j] = j < N3 ? W3[i * N3 + j] : 0;
    for (int i = 0; i < N2; i++)
        for (int j = 0; j < N3; j++)
            s->W3T[j][i] = W3[i * N3 + j];
    for (int j = 0; j < P3; j++)
        s->b3pad[j] = j < N3 ? b3[j] : -80; /* exp(-80) adds nothing, and is no subnormal */
    memset(s->dW1, 0, sizeof(scratch) - offsetof(scratch, dW1));

    for (int64_t first = 0; first < batch; first += TILE) {
        const int m = (int)(batch - first < TILE ? batch - first : TILE);
        const REAL *x = X + first * N0;
        set_rows(m, N1, s->h1[0], b1);
        product(m, N1, N0, x, N0, 1, W1, N1, s->h1[0], N1);
        relu(m * N1, s->h1[0]);
        set_rows(m, N2, s->h2[0], b2);
        product(m, N2, N1, s->h1[0], N1, 1, W2, N2, s->h2[0], N2);
        relu(m * N2, s->h2[0]);
        set_rows(m, P3, s->z[0], s->b3pad);
        product(m, P3, N2, s->h2[0], N2, 1, s->W3pad[0], P3, s->z[0], P3);

        total += softmax_back(m, s->z, one_hot + first * N3, batch, s->db3);

        product(N2, P3, m, s->h2[0], 1, N2, s->z[0], P3, s->dW3[0], P3);
        memset(s->h2_bar, 0, (size_t)m * sizeof s->h2_bar[0]);
        product(m, N2, N3, s->z[0], P3, 1, s->W3T[0], N2, s->h2_bar[0], N2);
        relu_back(m, N2, s->h2[0], s->h2_bar[0], s->db2);
        product(N1, N2, m, s->h1[0], 1, N1, s->h2_bar[0], N2, s->dW2[0], N2);
        memset(s->h1_bar, 0, (size_t)m * sizeof s->h1_bar[0]);
        product(m, N1, N2, s->h2_bar[0], N2, 1, s->W2T[0], N1, s->h1_bar[0], N1);
        relu_back(m, N1, s->h1[0], s->h1_bar[0], s->db1);
        product(N0, N1, m, x, 1, N0, s->h1_bar[0], N1, s->dW1[0], N1);
    }

    *(REAL *)out[0] = total / batch;
    memcpy(out[1], s->dW1, sizeof s->dW1);
    memcpy(out[2], s->dW2, sizeof s->dW2);
    for (int i = 0; i < N2; i++)
        memcpy((REAL *)out[3] + i * N3, s->dW3[i], N3 * sizeof(REAL));
    memcpy(out[4], s->db1, sizeof s->db1);
    memcpy(out[5], s->db2, sizeof s->db2);
    memcpy(out[6], s->db3, N3 * sizeof(REAL));
}
