/* A run: puts the caller's buffers among the base pointers, starts the sweep loop of the tape's
   instruction set, and turns a failure into an error.  Also what large instructions call on the
   way: the poll, and products in pieces. */
#include "core.h"

#include "kernels_matmul.h"

#include <string.h>

/* Counts work down; at 0 it is time to ask the caller. */
pbp_status pbp_sweep_poll(pbp_sweep *sweep, int64_t nanoseconds)
{
    sweep->budget -= nanoseconds;
    if (sweep->budget > 0) {
        return PBP_OK;
    }
    sweep->budget = PBP_POLL_NANOSECONDS;
    if (sweep->poll == NULL || sweep->poll(sweep->poll_context) == 0) {
        return PBP_OK;
    }
    return PBP_INTERRUPTED;
}

/* ---- products ---- */

enum { M, N, K, C_ROW, C_COL, A_ROW, A_COL, B_ROW, B_COL, BATCH, C_BATCH, A_BATCH, B_BATCH };

/* The largest pieces that a product is cut into so that each takes a few milliseconds.  Bits do not
   change: see kernels_matmul.h. */
static void piece_of(const int64_t *p, int64_t *m, int64_t *n, int64_t *k)
{
    const double work = (double)p[M] * (double)p[N] * (double)p[K];
    const double touched =
        (double)p[M] * (double)p[K] + (double)p[K] * (double)p[N] + (double)p[M] * (double)p[N];
    *m = p[M], *n = p[N], *k = p[K];
    if (work < 3e8 && touched < 1e7) {
        return;
    }
    if ((p[N] == 1 && p[A_COL] == 1) || (p[M] == 1 && p[B_ROW] == 1)) {
        const int64_t some = ((int64_t)1 << 22) / (p[K] + 1) + 1;
        *m = p[N] == 1 && p[A_COL] == 1 ? some : 1;
        *n = *m == 1 && p[M] == 1 ? some : 1;
    } else {
        *m = *n = *k = PBP_MATMUL_POLL;
    }
    *m = *m < p[M] ? *m : p[M];
    *n = *n < p[N] ? *n : p[N];
    *k = *k < p[K] ? *k : p[K];
}

/* A stack of narrow products of one matrix wastes lanes: as many as fill a tile are done as one,
   SHARED_ROWS rows at a time (one more at the end: a row alone would be summed in another order),
   and their columns then go where they belong.  Elements are the same chains. */
enum { SHARED_ROWS = 64, SHARED_COLUMNS = 24 };

/* How many products are done as one, or 0. */
static int64_t shared_products(const int64_t *p)
{
    if (p[BATCH] < 2 || p[A_BATCH] != 0 || p[N] < 2 || p[N] > 8 || p[M] < 16 || p[K] < 2 ||
        p[K] > 64 || p[C_COL] != 1) {
        return 0;
    }
    if (p[N] == p[K] && p[K] <= 4 && p[A_COL] == 1 && p[A_ROW] == p[K] && p[C_ROW] == p[N]) {
        return 0; /* rows times a small square matrix have a loop of their own, which is faster */
    }
    return p[BATCH] < SHARED_COLUMNS / p[N] ? p[BATCH] : SHARED_COLUMNS / p[N];
}

/* Bytes of scratch for rows of result and for the packed right sides; what the product itself needs
   follows. */
static int64_t shared_room(const int64_t *p, int64_t item)
{
    const int64_t bytes = item * shared_products(p) * p[N] * (SHARED_ROWS + 1 + p[K]);
    return (bytes + 63) / 64 * 64;
}

/* All bytes of scratch: the most that a block asks for, whole or the last of its axis. */
static int64_t shared_scratch(const int64_t *p, int64_t item, pbp_matmul_scratch scratch)
{
    const int64_t group = shared_products(p);
    if (group == 0) {
        return 0;
    }
    const int64_t last = p[M] <= SHARED_ROWS + 1 ? p[M] : (p[M] - 2) % SHARED_ROWS + 2;
    const int64_t ms[2] = {SHARED_ROWS, last}, ns[2] = {group * p[N], p[BATCH] % group * p[N]};
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        const int64_t m = ms[i % 2], n = ns[i / 2];
        const size_t bytes = scratch(m, n, p[K], n, 1, p[A_ROW], p[A_COL], n, 1);
        most = bytes > most ? bytes : most;
    }
    return shared_room(p, item) + (int64_t)most;
}

/* Scratch for the whole product and for its pieces. */
int64_t pbp_matmul_scratch_bytes(const pbp_tape *tape, const pbp_array_op *op)
{
    const pbp_matmul_scratch scratch =
        op->a_dtype == PBP_FLOAT64 ? tape->isa->scratch_f64 : tape->isa->scratch_f32;
    const int64_t *p = op->params;
    int64_t m, n, k;
    piece_of(p, &m, &n, &k);
    const int64_t ms[3] = {p[M], m, p[M] % (m > 0 ? m : 1)},
                  ns[3] = {p[N], n, p[N] % (n > 0 ? n : 1)};
    const int64_t ks[3] = {p[K], k, p[K] % (k > 0 ? k : 1)};
    size_t most = 0;
    for (int i = 0; i < 27; i++) {
        if (i == 0 || ((i % 3 == 0) == (i == 0) && i / 3 % 3 != 0 && i / 9 != 0)) {
            const size_t bytes = scratch(ms[i % 3], ns[i / 3 % 3], ks[i / 9], p[C_ROW], p[C_COL],
                                         p[A_ROW], p[A_COL], p[B_ROW], p[B_COL]);
            most = bytes > most ? bytes : most;
        }
    }
    const size_t shared = (size_t)shared_scratch(p, op->a_dtype == PBP_FLOAT64 ? 8 : 4, scratch);
    most = shared > most ? shared : most;
    return most < (size_t)1 << 40 ? (int64_t)most : (int64_t)1 << 40;
}

static void multiply(const pbp_array_op *op, const pbp_sweep *sweep, int64_t m, int64_t n,
                     int64_t k, char *d, const char *a, const char *b, int accumulate,
                     char *scratch)
{
    const int64_t *p = op->params;
    if (op->a_dtype == PBP_FLOAT64) {
        sweep->tape->isa->matmul_f64(m, n, k, (double *)(void *)d, p[C_ROW], p[C_COL],
                                     (const double *)(const void *)a, p[A_ROW], p[A_COL],
                                     (const double *)(const void *)b, p[B_ROW], p[B_COL],
                                     accumulate, scratch);
    } else {
        sweep->tape->isa->matmul_f32(m, n, k, (float *)(void *)d, p[C_ROW], p[C_COL],
                                     (const float *)(const void *)a, p[A_ROW], p[A_COL],
                                     (const float *)(const void *)b, p[B_ROW], p[B_COL], accumulate,
                                     scratch);
    }
}

/* Copies rows of so many bytes, each d_step and s_step after the one before.  Threes of float64 next
   to each other are copied as fours, whose last the next row replaces; s has room after its rows. */
static void spread_rows(int64_t rows, int64_t bytes, char *d, int64_t d_step, const char *s,
                        int64_t s_step)
{
#define SPREAD(n)                                                                                  \
    case n:                                                                                        \
        for (int64_t i = 0; i < rows; i++, d += d_step, s += s_step) {                             \
            memcpy(d, s, n);                                                                       \
        }                                                                                          \
        break
    if (bytes == 24 && d_step == 24) {
        for (; rows > 1; rows--, d += 24, s += s_step) {
            memcpy(d, s, 32);
        }
    }
    switch (bytes) {
        SPREAD(4);
        SPREAD(8);
        SPREAD(12);
        SPREAD(16);
        SPREAD(24);
        SPREAD(32);
        SPREAD(48);
        SPREAD(64);
    default:
        for (int64_t i = 0; i < rows; i++, d += d_step, s += s_step) {
            memcpy(d, s, (size_t)bytes);
        }
    }
#undef SPREAD
}

static pbp_status multiply_shared(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                                  const char *b)
{
    const int64_t *p = op->params, item = op->a_dtype == PBP_FLOAT64 ? 8 : 4;
    const int64_t group = shared_products(p);
    char *const c = sweep->workspace->scratch, *const scratch = c + shared_room(p, item);
    for (int64_t o = 0; o < p[BATCH]; o += group) {
        const int64_t count = p[BATCH] - o < group ? p[BATCH] - o : group, n = count * p[N];
        char *const packed = c + item * n * (SHARED_ROWS + 1);
        for (int64_t q = 0; q < count; q++) {
            for (int64_t j = 0; j < p[N]; j++) {
                spread_rows(p[K], item, packed + item * (q * p[N] + j), item * n,
                            b + item * ((o + q) * p[B_BATCH] + j * p[B_COL]), item * p[B_ROW]);
            }
        }
        const int64_t params[] = {0, n, p[K], n, 1, p[A_ROW], p[A_COL], n, 1};
        const pbp_array_op one = {.params = params, .a_dtype = op->a_dtype};
        int64_t m;
        for (int64_t i = 0; i < p[M]; i += m) {
            m = p[M] - i <= SHARED_ROWS + 1 ? p[M] - i : SHARED_ROWS;
            multiply(&one, sweep, m, n, p[K], c, a + item * i * p[A_ROW], packed, 0, scratch);
            for (int64_t q = 0; q < count; q++) {
                spread_rows(m, item * p[N], d + item * ((o + q) * p[C_BATCH] + i * p[C_ROW]),
                            item * p[C_ROW], c + item * q * p[N], item * n);
            }
            if (pbp_sweep_poll(sweep, m * n * p[K] / 10 + m * n) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
        }
    }
    return PBP_OK;
}

/* r[d] = r[a] @ r[b], or += with ACC, for each of the batch. */
pbp_status pbp_matmul_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b)
{
    const int64_t *p = op->params, item = op->a_dtype == PBP_FLOAT64 ? 8 : 4;
    const int accumulate = (op->flags & PBP_FLAG_ACC) != 0;
    if (!accumulate && shared_products(p) > 0) {
        return multiply_shared(op, sweep, d, a, b);
    }
    int64_t pm = p[M], pn = p[N], pk = p[K];
    if (sweep->poll != NULL) {
        piece_of(p, &pm, &pn, &pk);
    }
    if (pm == p[M] && pn == p[N] && pk == p[K] && p[BATCH] == 1) {
        multiply(op, sweep, pm, pn, pk, d, a, b, accumulate, sweep->workspace->scratch);
        return PBP_OK;
    }
    if (pm == p[M] && pn == p[N] && pk == p[K] && pm * pn * pk < 4096) {
        const int64_t each = pm * pn * pk / 10 + pm * pn + pk * (pm + pn);
        for (int64_t o = 0; o < p[BATCH]; o++) {
            multiply(op, sweep, pm, pn, pk, d + item * o * p[C_BATCH], a + item * o * p[A_BATCH],
                     b + item * o * p[B_BATCH], accumulate, sweep->workspace->scratch);
            if (o % 1024 == 1023 && pbp_sweep_poll(sweep, 1024 * each) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
        }
        return PBP_OK;
    }
    for (int64_t o = 0; o < p[BATCH]; o++) {
        for (int64_t i = 0; i < p[M]; i += pm) {
            for (int64_t j = 0; j < p[N]; j += pn) {
                int64_t l = 0;
                do {
                    const int64_t m = p[M] - i < pm ? p[M] - i : pm,
                                  n = p[N] - j < pn ? p[N] - j : pn;
                    const int64_t k = p[K] - l < pk ? p[K] - l : pk;
                    multiply(op, sweep, m, n, k,
                             d + item * (o * p[C_BATCH] + i * p[C_ROW] + j * p[C_COL]),
                             a + item * (o * p[A_BATCH] + i * p[A_ROW] + l * p[A_COL]),
                             b + item * (o * p[B_BATCH] + l * p[B_ROW] + j * p[B_COL]),
                             accumulate || l > 0, sweep->workspace->scratch);
                    l += pk;
                    if (pbp_sweep_poll(sweep, m * n * k / 10 + m * n + k * (m + n)) != PBP_OK) {
                        return PBP_INTERRUPTED;
                    }
                } while (l < p[K]);
            }
        }
    }
    return PBP_OK;
}

/* ---- runs ---- */

static pbp_status describe(const pbp_sweep *sweep, pbp_status status, pbp_error *error)
{
    const uint32_t number = sweep->instruction;
    if (status == PBP_INTERRUPTED) {
        return pbp_fail(error, status, PBP_NONE, "the run was interrupted");
    }
    const char *name = pbp_row_name(sweep->tape->instructions[number].row);
    if (status == PBP_ERROR_INDEX) {
        pbp_fail(error, status, number,
                 "index %lld is out of range for an axis of %lld (instruction %u, %s)",
                 (long long)sweep->values[0], (long long)sweep->values[1], number, name);
    } else if (status == PBP_ERROR_LINALG) {
        pbp_fail(error, status, number, "%s", sweep->reason != NULL ? sweep->reason : "failed");
    } else {
        pbp_fail(error, status, number, "%s (instruction %u, %s)",
                 sweep->reason != NULL ? sweep->reason : "the run failed", number, name);
    }
    if (error != NULL) {
        error->values[0] = sweep->values[0];
        error->values[1] = sweep->values[1];
    }
    return status;
}

pbp_status pbp_run(const pbp_tape *tape, pbp_workspace *workspace, const void *const *inputs,
                   void *const *outputs, const pbp_run_options *options, pbp_error *error)
{
    if (tape == NULL || workspace == NULL || workspace->tape != tape ||
        (inputs == NULL && tape->info.n_inputs > 0) ||
        (outputs == NULL && tape->info.n_outputs > 0)) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE,
                        "an argument is NULL, or the workspace is another tape's");
    }
    char **bases = workspace->bases + 2;
    for (uint32_t i = 0; i < tape->info.n_inputs; i++) {
        /* Inputs are not written: the loader refuses instructions that would. */
        *bases++ = (char *)(uintptr_t)inputs[i];
    }
    for (uint32_t i = 0; i < tape->info.n_outputs; i++) {
        *bases++ = outputs[i];
    }
    pbp_sweep sweep;
    sweep.tape = tape;
    sweep.workspace = workspace;
    sweep.bases = workspace->bases;
    sweep.poll = tape->polls && options != NULL ? options->poll : NULL;
    sweep.poll_context = options != NULL ? options->poll_context : NULL;
    sweep.budget = PBP_POLL_NANOSECONDS;
    sweep.instruction = 0;
    sweep.values[0] = sweep.values[1] = 0;
    sweep.reason = NULL;
    sweep.pool = options != NULL && pbp_pool_threads(options->pool) > 1 ? options->pool : NULL;
    sweep.start = tape->code;
    sweep.start_frame = NULL;
    const pbp_status status =
        tape->native != NULL ? pbp_native_run(&sweep) : tape->isa->run(&sweep);
    return status == PBP_OK ? PBP_OK : describe(&sweep, status, error);
}

/* ---- overlaps of the caller's buffers ---- */

static bool overlap(const char *x, uint64_t x_bytes, const char *y, uint64_t y_bytes)
{
    const uintptr_t p = (uintptr_t)x, q = (uintptr_t)y;
    return x_bytes > 0 && y_bytes > 0 && p < q + y_bytes && q < p + x_bytes;
}

static bool allowed(const pbp_tape *tape, uint32_t output, uint32_t input)
{
    for (uint32_t i = 0; i < tape->n_aliases; i++) {
        if (tape->aliases[2 * i] == output && tape->aliases[2 * i + 1] == input) {
            return true;
        }
    }
    return false;
}

pbp_status pbp_check_aliases(const pbp_tape *tape, const void *const *inputs, void *const *outputs,
                             pbp_error *error)
{
    if (tape == NULL || (inputs == NULL && tape->info.n_inputs > 0) ||
        (outputs == NULL && tape->info.n_outputs > 0)) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE, "an argument is NULL");
    }
    const pbp_array *out = tape->arrays + tape->info.n_inputs;
    for (uint32_t i = 0; i < tape->info.n_outputs; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (overlap(outputs[i], out[i].bytes, outputs[j], out[j].bytes)) {
                return pbp_fail(error, PBP_ERROR_ALIAS, PBP_NONE, "outputs %u and %u overlap", j,
                                i);
            }
        }
        for (uint32_t j = 0; j < tape->info.n_inputs; j++) {
            const bool same = outputs[i] == inputs[j] && out[i].bytes == tape->arrays[j].bytes;
            if (overlap(outputs[i], out[i].bytes, inputs[j], tape->arrays[j].bytes) &&
                !(same && allowed(tape, i, j))) {
                return pbp_fail(error, PBP_ERROR_ALIAS, PBP_NONE, "output %u overlaps input %u", i,
                                j);
            }
        }
    }
    return PBP_OK;
}
