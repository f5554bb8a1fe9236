/* Backpropagation through time of a plain recurrent network, batch 16, width 32, eight inputs.

   All states are kept (400 kB for 100 steps), and so are the adjoints before tanh, from which the
   gradients of the matrices are two products over all steps and rows at the end.

   dims: steps.  in: U[8][32], W[32][32], b[32], c[1], v[32], sequence[steps][16][8], target[16].
   out: value[1], gradients in the order of the parameters. */

#include "bench.h"
#include "product.h"

#define BATCH 16
#define INPUTS 8
#define WIDTH 32

typedef REAL state[BATCH][WIDTH];

static size_t work_bytes(const int64_t *dims)
{
    return (size_t)(2 * dims[0] + 1) * sizeof(state);
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t steps = dims[0];
    const REAL *restrict U = in[0], *restrict W = in[1];
    const REAL *restrict b = in[2], *restrict v = in[4];
    const REAL c = *(const REAL *)in[3];
    const REAL(*restrict sequence)[BATCH][INPUTS] = in[5], *restrict target = in[6];
    state *restrict h = work, *restrict pre = h + steps + 1;
    memset(h[0], 0, sizeof(state));
    for (int64_t t = 0; t < steps; t++) {
        for (int i = 0; i < BATCH; i++)
            memcpy(h[t + 1][i], b, sizeof h[0][0]);
        product(BATCH, WIDTH, INPUTS, sequence[t][0], INPUTS, 1, U, WIDTH, h[t + 1][0], WIDTH);
        product(BATCH, WIDTH, WIDTH, h[t][0], WIDTH, 1, W, WIDTH, h[t + 1][0], WIDTH);
        for (int i = 0; i < BATCH; i++)
            for (int j = 0; j < WIDTH; j++)
                h[t + 1][i][j] = 1 - 2 / (1 + exp(2 * h[t + 1][i][j])); /* tanh */
    }
    REAL dU[INPUTS][WIDTH] = {{0}}, dW[WIDTH][WIDTH] = {{0}}, db[WIDTH] = {0}, dv[WIDTH] = {0};
    REAL dc = 0, total = 0, WT[WIDTH][WIDTH];
    state bar;
    for (int i = 0; i < WIDTH; i++)
        for (int j = 0; j < WIDTH; j++)
            WT[j][i] = W[i * WIDTH + j];
    for (int i = 0; i < BATCH; i++) {
        REAL error = c - target[i];
        for (int j = 0; j < WIDTH; j++)
            error += h[steps][i][j] * v[j];
        total += error * error;
        error *= (REAL)2 / BATCH;
        dc += error;
        for (int j = 0; j < WIDTH; j++) {
            dv[j] += error * h[steps][i][j];
            bar[i][j] = error * v[j];
        }
    }
    for (int64_t t = steps - 1; t >= 0; t--) {
        for (int i = 0; i < BATCH; i++)
            for (int j = 0; j < WIDTH; j++) {
                pre[t][i][j] = bar[i][j] * (1 - h[t + 1][i][j] * h[t + 1][i][j]);
                db[j] += pre[t][i][j];
            }
        memset(bar, 0, sizeof bar);
        product(BATCH, WIDTH, WIDTH, pre[t][0], WIDTH, 1, WT[0], WIDTH, bar[0], WIDTH);
    }
    const int all = (int)steps * BATCH;
    product(INPUTS, WIDTH, all, sequence[0][0], 1, INPUTS, pre[0][0], WIDTH, dU[0], WIDTH);
    product(WIDTH, WIDTH, all, h[0][0], 1, WIDTH, pre[0][0], WIDTH, dW[0], WIDTH);
    *(REAL *)out[0] = total / BATCH;
    memcpy(out[1], dU, sizeof dU);
    memcpy(out[2], dW, sizeof dW);
    memcpy(out[3], db, sizeof db);
    *(REAL *)out[4] = dc;
    memcpy(out[5], dv, sizeof dv);
}
