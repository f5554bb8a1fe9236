/* Runs hand-assembled tapes: elementwise instructions with sums, scalar loops with frames forward
   and backward, nested loops and windows, gathers and scatters, products, reductions in their
   stated order, interruption. */
#include "tape_builder.h"

/* y = sum(exp(x) * 2 + x), and its gradient 2 exp(x) + 1. */
static void test_elementwise(void)
{
    enum { n = 1003 };
    static double x[n], gradient[n];
    double value, expected = 0;
    builder *b = builder_new(64 + 2 * 8 * 1008, 1, (double[]){2.0});
    const uint32_t in = input(b, PBP_FLOAT64, n), out = output(b, PBP_FLOAT64, 1),
                   out2 = output(b, PBP_FLOAT64, n);
    const uint32_t t = f64(b, 0, 64), u = f64(b, 0, 64 + 8 * 1008), two = f64(b, 0, 0),
                   ox = f64(b, in, 0);
    emit1(b, "EXP", 0, ROW(b, n), t, ox);
    emit2(b, "MUL", SB, ROW(b, n), t, t, two);
    emit2(b, "ADD", 0, ROW(b, n), u, t, ox);
    emit1(b, "SUM", 0, ROW(b, n), f64(b, out, 0), u);
    b->reverse_start = b->n_instructions;
    emit2(b, "ADD", SB, ROW(b, n), f64(b, out2, 0), t, f64(b, 1, constant(b, 1.0)));
    pbp_tape *tape = load(b);
    for (int i = 0; i < n; i++) {
        x[i] = sin(i);
        expected += 2 * exp(x[i]) + x[i];
    }
    CHECK(run(tape, (const void *[]){x}, (void *[]){&value, gradient}, NULL) == PBP_OK);
    CHECK(fabs(value - expected) < 1e-11 * fabs(expected));
    for (int i = 0; i < n; i++) {
        CHECK(fabs(gradient[i] - 2 * exp(x[i]) - 1) < 1e-14);
    }
    pbp_tape_free(tape);
}

/* Scan x_{t+1} = x_t * w + u_t over frames of one slot, then the reverse sweep: x_bar in the arena,
 * w_bar, u_bar. */
static void test_frames(int64_t steps)
{
    double w = 0.9, u[64], x0 = 1.5, value, w_bar, u_bar[64], x0_bar;
    builder *b = builder_new(8 * (8 + 65), 0, NULL);
    const uint32_t in_w = input(b, PBP_FLOAT64, 1), in_u = input(b, PBP_FLOAT64, steps),
                   in_x = input(b, PBP_FLOAT64, 1);
    const uint32_t out = output(b, PBP_FLOAT64, 1), out_w = output(b, PBP_FLOAT64, 1);
    const uint32_t out_u = output(b, PBP_FLOAT64, steps), out_x = output(b, PBP_FLOAT64, 1);
    /* Slots: 0 w, 1 x_bar, 2 w_bar, 3 u; frames of 8 bytes from 64. */
    emit1(b, "SLOAD", 0, PBP_NONE, 0, f64(b, in_w, 0));
    emit1(b, "SLOAD", 0, PBP_NONE, 8, f64(b, in_x, 0));
    const uint32_t forward = loop_begin(b, steps, 2, 0);
    loop_base(b, forward, 0, 64, 8, 16);
    const uint32_t u_at = loop_base(b, forward, in_u, 0, 8, 8);
    emit1(b, "SLOAD", 0, PBP_NONE, 3, f64(b, u_at, 0));
    scalar3(b, "FMA", DF | AF, 1, 0, 0, 3);
    loop_end(b, forward);
    emit1(b, "SSTORE", 0, PBP_NONE, f64(b, out, 0), 8 + (uint32_t)steps);
    b->reverse_start = b->n_instructions;
    emit1(b, "ZERO", 0, PARAMS(b, 8), f64(b, 0, 16), PBP_NONE);
    scalar2(b, "SUB", 0, 1, 0, 0);
    scalar1(b, "NOT", 0, 1, 1); /* 1.0 */
    const uint32_t reverse = loop_begin(b, steps, 2, 0);
    loop_base(b, reverse, 0, 64 + 8 * (steps > 0 ? steps - 1 : 0), -8, 8);
    const uint32_t ub = loop_base(b, reverse, out_u, steps > 0 ? 8 * (steps - 1) : 0, -8, 8);
    emit1(b, "SSTORE", 0, PBP_NONE, f64(b, ub, 0), 1);
    scalar3(b, "FMA", BF, 2, 1, 0, 2);
    scalar2(b, "MUL", 0, 1, 1, 0);
    loop_end(b, reverse);
    emit1(b, "SSTORE", 0, PBP_NONE, f64(b, out_w, 0), 2);
    emit1(b, "SSTORE", 0, PBP_NONE, f64(b, out_x, 0), 1);
    pbp_tape *tape = load(b);
    for (int i = 0; i < 64; i++) {
        u[i] = cos(i);
    }
    CHECK(run(tape, (const void *[]){&w, u, &x0}, (void *[]){&value, &w_bar, u_bar, &x0_bar},
              NULL) == PBP_OK);
    double x[65], x_bar = 1, expected_w = 0;
    x[0] = x0;
    for (int t = 0; t < steps; t++) {
        x[t + 1] = fma(x[t], w, u[t]);
    }
    CHECK(fabs(value - x[steps]) < 1e-13);
    for (int64_t t = steps - 1; t >= 0; t--) {
        CHECK(fabs(u_bar[t] - x_bar) < 1e-13);
        expected_w += x_bar * x[t];
        x_bar *= w;
    }
    CHECK(fabs(w_bar - expected_w) < 1e-12 && fabs(x0_bar - x_bar) < 1e-13);
    pbp_tape_free(tape);
}

/* Nested loops over tiles: out[i] += sum over j of a[i, j] for rows of 6 in tiles of 2 columns; a
 * trip of 0 skips. */
static void test_nested(void)
{
    double a[30], out[5];
    builder *b = builder_new(64, 0, NULL);
    const uint32_t in = input(b, PBP_FLOAT64, 30), o = output(b, PBP_FLOAT64, 5);
    emit1(b, "ZERO", 0, PARAMS(b, 40), f64(b, o, 0), PBP_NONE);
    const uint32_t rows = loop_begin(b, 5, 2, PBP_NONE);
    const uint32_t row = loop_base(b, rows, in, 0, 48, 48), o_row = loop_base(b, rows, o, 0, 8, 8);
    const uint32_t tiles = loop_begin(b, 3, 1, PBP_NONE);
    const uint32_t tile = loop_base(b, tiles, row, 0, 16, 16);
    emit1(b, "SUM", ACC, ROW(b, 2), f64(b, o_row, 0), f64(b, tile, 0));
    loop_end(b, tiles);
    const uint32_t never = loop_begin(b, 0, 1, PBP_NONE);
    const uint32_t nothing = loop_base(b, never, o_row, 0, 8, 8);
    emit1(b, "ZERO", 0, PARAMS(b, 8), f64(b, nothing, 0), PBP_NONE);
    loop_end(b, never);
    loop_end(b, rows);
    pbp_tape *tape = load(b);
    for (int i = 0; i < 30; i++) {
        a[i] = i;
    }
    CHECK(run(tape, (const void *[]){a}, (void *[]){out}, NULL) == PBP_OK);
    for (int i = 0; i < 5; i++) {
        CHECK(out[i] == 36 * i + 15);
    }
    pbp_tape_free(tape);
}

static void test_index(void)
{
    double a[12], taken[6], added[12];
    int64_t index[3] = {2, -1, 2};
    pbp_error error;
    builder *b = builder_new(64, 0, NULL);
    const uint32_t in = input(b, PBP_FLOAT64, 12), at = input(b, PBP_INT64, 3);
    const uint32_t o = output(b, PBP_FLOAT64, 6), o2 = output(b, PBP_FLOAT64, 12);
    const uint32_t p = PARAMS(b, 1, 3, 6, 2, 0), i = operand(b, at, PBP_INT64, 0);
    emit2(b, "GATHER", 0, p, f64(b, o, 0), f64(b, in, 0), i);
    emit1(b, "ZERO", 0, PARAMS(b, 96), f64(b, o2, 0), PBP_NONE);
    emit2(b, "SCATTER_ADD", 0, p, f64(b, o2, 0), f64(b, o, 0), i);
    pbp_tape *tape = load(b);
    for (int k = 0; k < 12; k++) {
        a[k] = k;
    }
    CHECK(run(tape, (const void *[]){a, index}, (void *[]){taken, added}, NULL) == PBP_OK);
    CHECK(taken[0] == 4 && taken[1] == 5 && taken[2] == 10 && taken[3] == 11 && taken[4] == 4);
    CHECK(added[4] == 8 && added[5] == 10 && added[10] == 10 && added[0] == 0);
    index[1] = 6;
    CHECK(run(tape, (const void *[]){a, index}, (void *[]){taken, added}, &error) ==
          PBP_ERROR_INDEX);
    CHECK(error.values[0] == 6 && error.values[1] == 6 && error.instruction == 0);
    index[1] = INT64_MIN;
    CHECK(run(tape, (const void *[]){a, index}, (void *[]){taken, added}, &error) ==
          PBP_ERROR_INDEX);
    pbp_tape_free(tape);
}

/* The order of sums, computed plainly. */
static double sum_block(const double *x, int64_t n)
{
    double lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        lane[n < 16 ? 0 : i % 16] += x[i];
    }
    for (int half = 8; half > 0; half /= 2) {
        for (int j = 0; j < half && n >= 16; j++) {
            lane[j] += lane[j + half];
        }
    }
    return lane[0];
}

static double sum_pairs(const double *x, int64_t n)
{
    double part[64], s;
    int top = 0;
    for (int64_t i = 0; i * 4096 < n; i++) {
        s = sum_block(x + i * 4096, n - i * 4096 < 4096 ? n - i * 4096 : 4096);
        for (int64_t bits = i; bits & 1; bits >>= 1) {
            s = part[--top] + s;
        }
        part[top++] = s;
    }
    s = top > 0 ? part[--top] : 0;
    while (top > 0) {
        s = part[--top] + s;
    }
    return s;
}

static void test_sums(void)
{
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 100, 4096, 4097, 12300, 50000};
    static double x[50000];
    for (int i = 0; i < 50000; i++) {
        x[i] = sin(i) * exp(cos(i) * 5);
    }
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int64_t n = sizes[k];
        double sum, max, columns[4], expected[4] = {0};
        builder *b = builder_new(64, 0, NULL);
        const uint32_t in = input(b, PBP_FLOAT64, n), o = output(b, PBP_FLOAT64, 1),
                       o4 = output(b, PBP_FLOAT64, 4);
        const uint32_t om = output(b, PBP_FLOAT64, 1);
        emit1(b, "SUM", 0, ROW(b, n), f64(b, o, 0), f64(b, in, 0));
        emit1(b, "SUM", COLUMNS, PARAMS(b, 1, n / 4, 4, 0, 0, 0, 32, 0, 0, 0, 0), f64(b, o4, 0),
              f64(b, in, 0));
        if (n > 0) {
            emit1(b, "MAX_OF", 0, ROW(b, n), f64(b, om, 0), f64(b, in, 0));
        }
        pbp_tape *tape = load(b);
        CHECK(run(tape, (const void *[]){x}, (void *[]){&sum, columns, &max}, NULL) == PBP_OK);
        CHECK(sum == sum_pairs(x, n));
        double largest = x[0];
        for (int64_t i = 0; i < n; i++) {
            largest = x[i] > largest ? x[i] : largest;
            expected[i % 4] += i < n / 4 * 4 ? x[i] : 0;
        }
        CHECK(n == 0 || max == largest);
        CHECK(memcmp(columns, expected, sizeof columns) == 0);
        pbp_tape_free(tape);
    }
}

static void test_matmul_and_copy(void)
{
    double a[6] = {1, 2, 3, 4, 5, 6}, c[4], t[6];
    builder *b = builder_new(64, 0, NULL);
    const uint32_t in = input(b, PBP_FLOAT64, 6), o = output(b, PBP_FLOAT64, 4),
                   ot = output(b, PBP_FLOAT64, 6);
    emit2(b, "MATMUL", 0, PARAMS(b, 2, 2, 3, 2, 1, 3, 1, 1, 3, 1, 0, 0, 0), f64(b, o, 0),
          f64(b, in, 0), f64(b, in, 0));
    emit1(b, "COPY", 0, PARAMS(b, 2, 3, 2, 16, 8, 8, 24), f64(b, ot, 0), f64(b, in, 0));
    pbp_tape *tape = load(b);
    CHECK(run(tape, (const void *[]){a}, (void *[]){c, t}, NULL) == PBP_OK);
    CHECK(c[0] == 14 && c[1] == 32 && c[2] == 32 && c[3] == 77);
    CHECK(t[0] == 1 && t[1] == 4 && t[2] == 2 && t[3] == 5 && t[4] == 3 && t[5] == 6);
    pbp_tape_free(tape);
}

/* A sparse matrix {{0, 2, 0}, {0, 0, 0}, {3, 0, 4}} times columns in groups;
   where the columns are not finite its zeros make NaN of them. */
static void test_sparse(void)
{
    const int64_t pattern[] = {0, 1, 1, 1, 1, 3, 1, 0, 2};
    for (int64_t n = 1; n <= 40; n++) {
        double consts[12] = {2, 3, 4}, x[3 * 2 * 40], y[3 * 2 * 40];
        memcpy(consts + 3, pattern, sizeof pattern);
        builder *b = builder_new(128, 12, consts);
        const uint32_t in = input(b, PBP_FLOAT64, (int)(6 * n)),
                       o = output(b, PBP_FLOAT64, (int)(6 * n));
        emit(b, "SPARSE_MATMUL", 0, PARAMS(b, 3, 3, 3, 2, n, 2 * n, n, n, 3 * n), f64(b, o, 0),
             f64(b, 1, 0), operand(b, 1, PBP_INT64, 24), f64(b, in, 0));
        pbp_tape *tape = load(b);
        for (int finite = 1; finite >= 0; finite--) {
            /* x[g][p][j] */
            for (int i = 0; i < 6 * n; i++) {
                x[i] = 1 + (i * 7) % 11;
            }
            x[n - 1] = finite ? 1 : INFINITY;
            CHECK(run(tape, (const void *[]){x}, (void *[]){y}, NULL) == PBP_OK);
            for (int g = 0; g < 2; g++) {
                for (int j = 0; j < n; j++) {
                    const double *c = x + g * 3 * n + j, *d = y + g * n + j;
                    const int spoilt = !finite && g == 0 && j == n - 1;
                    CHECK(spoilt ? isnan(d[0]) && isnan(d[2 * n]) && d[4 * n] == INFINITY
                                 : d[0] == 2 * c[n] && d[2 * n] == 0 &&
                                       d[4 * n] == 3 * c[0] + 4 * c[2 * n]);
                }
            }
        }
        pbp_tape_free(tape);
    }
}

static int stop_after(void *context)
{
    return --*(int *)context <= 0;
}

/* Long loops and long instructions stop when asked, and the workspace serves again. */
static void test_poll(void)
{
    builder *b = builder_new(64, 1, (double[]){1.0});
    const uint32_t o = output(b, PBP_FLOAT64, 1);
    emit1(b, "ZERO", 0, PARAMS(b, 8), f64(b, 0, 8), PBP_NONE);
    const uint32_t outer = loop_begin(b, 1000000, 0, PBP_NONE);
    const uint32_t inner = loop_begin(b, 1000000, 0, PBP_NONE);
    scalar2(b, "ADD", 0, 1, 1, 0);
    loop_end(b, inner);
    loop_end(b, outer);
    emit1(b, "SSTORE", 0, PBP_NONE, f64(b, o, 0), 1);
    pbp_tape *tape = load(b);
    pbp_workspace *workspace;
    double value;
    CHECK(pbp_workspace_new(tape, &workspace, NULL) == PBP_OK);
    for (int i = 0; i < 2; i++) {
        int count = 3;
        pbp_error error;
        const pbp_run_options options = {stop_after, &count, NULL};
        CHECK(pbp_run(tape, workspace, NULL, (void *[]){&value}, &options, &error) ==
              PBP_INTERRUPTED);
        CHECK(count == 0 && error.status == PBP_INTERRUPTED);
    }
    pbp_workspace_free(workspace);
    pbp_tape_free(tape);
}

int main(void)
{
    test_elementwise();
    test_frames(0);
    test_frames(1);
    test_frames(64);
    test_nested();
    test_index();
    test_sums();
    test_matmul_and_copy();
    test_sparse();
    test_poll();
    return failures != 0;
}
