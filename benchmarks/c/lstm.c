/* ADBench's LSTM. Lanes are padded from b = 14 to 16, so that every line of a cell is two vectors.

   What depends on the input alone (two gates of the first layer) is computed for all steps at once;
   all gates are kept for the reverse sweep.

   dims: layers, length, b.  in: main[l][2][4][b], extra[3][b], state[l][2][b], sequence[length][b].
   out: value[1], gradients in that order. */

#include "bench.h"

#define LANES 16
#define MAX_LAYERS 4

typedef REAL lanes[LANES] __attribute__((aligned(64)));

typedef struct {
    lanes forget, enter, leave, change, memory, bent, hidden;
} cell;

typedef struct {
    lanes input, share; /* share: exp(guess) / (sum + 2) */
} ends;

static size_t work_bytes(const int64_t *dims)
{
    return (size_t)(dims[1] + 1) * ((size_t)dims[0] * sizeof(cell) + sizeof(ends));
}

INLINE REAL sigmoid(REAL z) { return 1 / (1 + exp(-z)); }
INLINE REAL bend(REAL z) { return 1 - 2 / (1 + exp(2 * z)); } /* tanh */

INLINE void load(REAL *restrict to, const REAL *restrict from, int b)
{
    for (int i = 0; i < LANES; i++)
        to[i] = i < b ? from[i] : 0;
}

static void forward(cell *restrict now, const cell *restrict last, lanes (*restrict w)[4],
                    const REAL *restrict below, int outer_gates)
{
    if (outer_gates)
        for (int i = 0; i < LANES; i++) {
            now->forget[i] = sigmoid(below[i] * w[0][0][i] + w[1][0][i]);
            now->leave[i] = sigmoid(below[i] * w[0][2][i] + w[1][2][i]);
        }
    for (int i = 0; i < LANES; i++) {
        now->enter[i] = sigmoid(last->hidden[i] * w[0][1][i] + w[1][1][i]);
        now->change[i] = bend(last->hidden[i] * w[0][3][i] + w[1][3][i]);
        now->memory[i] = last->memory[i] * now->forget[i] + now->enter[i] * now->change[i];
        now->bent[i] = bend(now->memory[i]);
        now->hidden[i] = now->leave[i] * now->bent[i];
    }
}

/* below_bar is what flows to the layer's input; hidden_bar and memory_bar move a step back. */
static void backward(const cell *restrict now, const cell *restrict last, lanes (*restrict w)[4],
                     lanes (*restrict w_bar)[4], const REAL *restrict below,
                     REAL *restrict hidden_bar, REAL *restrict memory_bar,
                     REAL *restrict below_bar)
{
    for (int i = 0; i < LANES; i++) {
        REAL f = now->forget[i], e = now->enter[i], l = now->leave[i], g = now->change[i];
        REAL t = now->bent[i], h = last->hidden[i], x = below[i];
        REAL c_bar = memory_bar[i] + hidden_bar[i] * l * (1 - t * t);
        REAL l_bar = hidden_bar[i] * t * l * (1 - l), f_bar = c_bar * last->memory[i] * f * (1 - f);
        REAL e_bar = c_bar * g * e * (1 - e), g_bar = c_bar * e * (1 - g * g);
        memory_bar[i] = c_bar * f;
        hidden_bar[i] = e_bar * w[0][1][i] + g_bar * w[0][3][i];
        below_bar[i] = f_bar * w[0][0][i] + l_bar * w[0][2][i];
        w_bar[0][0][i] += f_bar * x, w_bar[1][0][i] += f_bar;
        w_bar[0][1][i] += e_bar * h, w_bar[1][1][i] += e_bar;
        w_bar[0][2][i] += l_bar * x, w_bar[1][2][i] += l_bar;
        w_bar[0][3][i] += g_bar * h, w_bar[1][3][i] += g_bar;
    }
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int layers = (int)dims[0], b = (int)dims[2];
    const int64_t steps = dims[1] - 1;
    const REAL *restrict sequence = in[3];
    cell *restrict cells = work; /* cells[t * layers + k]; step 0 is the state before the first */
    ends *restrict end = (ends *)(cells + (dims[1] + 1) * layers);
    lanes w[MAX_LAYERS][2][4], w_bar[MAX_LAYERS][2][4], extra[3], extra_bar[3];
    memset(w_bar, 0, sizeof w_bar);
    memset(extra_bar, 0, sizeof extra_bar);
    for (int i = 0; i < layers * 8; i++)
        load(w[0][0][0] + i * LANES, (const REAL *)in[0] + i * b, b);
    for (int i = 0; i < 3; i++)
        load(extra[i], (const REAL *)in[1] + i * b, b);
    for (int k = 0; k < layers; k++) {
        load(cells[k].hidden, (const REAL *)in[2] + 2 * k * b, b);
        load(cells[k].memory, (const REAL *)in[2] + (2 * k + 1) * b, b);
    }
    for (int64_t t = 0; t < steps; t++) {
        cell *restrict now = cells + (t + 1) * layers;
        load(end[t].input, sequence + t * b, b);
        for (int i = 0; i < LANES; i++) {
            REAL x = end[t].input[i] *= extra[0][i];
            now->forget[i] = sigmoid(x * w[0][0][0][i] + w[0][1][0][i]);
            now->leave[i] = sigmoid(x * w[0][0][2][i] + w[0][1][2][i]);
        }
    }
    REAL total = 0;
    for (int64_t t = 0; t < steps; t++) {
        cell *now = cells + (t + 1) * layers, *last = now - layers;
        forward(now, last, w[0], end[t].input, 0);
        for (int k = 1; k < layers; k++)
            forward(now + k, last + k, w[k], now[k - 1].hidden, 1);
        const REAL *restrict hidden = now[layers - 1].hidden, *restrict next = sequence + t * b + b;
        REAL sum = 0, hits = 0, dot = 0;
        lanes guess;
        for (int i = 0; i < LANES; i++) {
            guess[i] = hidden[i] * extra[1][i] + extra[2][i];
            end[t].share[i] = exp(guess[i]);
        }
        for (int i = 0; i < b; i++) {
            sum += end[t].share[i];
            hits += next[i];
            dot += next[i] * guess[i];
        }
        total += dot - hits * log(sum + 2);
        for (int i = 0; i < LANES; i++)
            end[t].share[i] *= hits / (sum + 2);
    }
    const REAL scale = (REAL)-1 / (REAL)(steps * b);
    lanes hidden_bar[MAX_LAYERS], memory_bar[MAX_LAYERS];
    memset(hidden_bar, 0, sizeof hidden_bar);
    memset(memory_bar, 0, sizeof memory_bar);
    for (int64_t t = steps - 1; t >= 0; t--) {
        const cell *now = cells + (t + 1) * layers, *last = now - layers;
        const REAL *restrict hidden = now[layers - 1].hidden;
        lanes next, below_bar;
        load(next, sequence + t * b + b, b);
        for (int i = 0; i < LANES; i++) {
            REAL bar = scale * (next[i] - end[t].share[i]);
            extra_bar[1][i] += bar * hidden[i];
            extra_bar[2][i] += bar;
            below_bar[i] = bar * extra[1][i];
        }
        for (int k = layers - 1; k >= 0; k--) {
            for (int i = 0; i < LANES; i++)
                hidden_bar[k][i] += below_bar[i];
            const REAL *below = k ? now[k - 1].hidden : end[t].input;
            backward(now + k, last + k, w[k], w_bar[k], below, hidden_bar[k], memory_bar[k],
                     below_bar);
        }
        /* The input was multiplied by extra[0] in place: the sequence itself is what is wanted. */
        for (int i = 0; i < b; i++)
            extra_bar[0][i] += below_bar[i] * sequence[t * b + i];
    }
    *(REAL *)out[0] = total * scale;
    for (int i = 0; i < layers * 8; i++)
        memcpy((REAL *)out[1] + i * b, w_bar[0][0][0] + i * LANES, (size_t)b * sizeof(REAL));
    for (int i = 0; i < 3; i++)
        memcpy((REAL *)out[2] + i * b, extra_bar[i], (size_t)b * sizeof(REAL));
}
