/* Bytes that are not a tape: truncations, odd addresses, thousands of mutations of a valid tape.
   Loading gives an error or a tape that can be run; run under sanitizers, this test shows that
   neither reads or writes outside its memory.  Then tapes with one fault each, which must be
   refused. */
#include "tape_builder.h"

static int stop(void *context)
{
    return --*(int *)context <= 0;
}

/* One of nearly everything. */
static builder *everything(void)
{
    builder *b = builder_new(4096, 2, (double[]){2.0, 0.5});
    const uint32_t in = input(b, PBP_FLOAT64, 24), at = input(b, PBP_INT64, 4),
                   in32 = input(b, PBP_FLOAT32, 24);
    const uint32_t o = output(b, PBP_FLOAT64, 24), o1 = output(b, PBP_FLOAT64, 4),
                   o32 = output(b, PBP_FLOAT32, 24);
    const uint32_t t = f64(b, 0, 512), u = f64(b, 0, 1024), x = f64(b, in, 0),
                   i = operand(b, at, PBP_INT64, 0);
    const uint32_t truth = operand(b, 0, PBP_BOOL, 2048), y = f64(b, o, 0), s = f64(b, o1, 0);
    const uint32_t x32 = operand(b, in32, PBP_FLOAT32, 0), y32 = operand(b, o32, PBP_FLOAT32, 0);
    const uint32_t j = operand(b, 0, PBP_INT64, 3072);
    const uint32_t grid = PARAMS(b, 2, 3, 4, 96, 32, 96, 32, 96, 32, 0, 0), row = ROW(b, 24);
    emit1(b, "EXP", 0, row, t, x);
    emit2(b, "ADD", SB, row, u, t, f64(b, 0, 0));
    emit(b, "FMA", SC, grid, u, t, x, f64(b, 1, constant(b, 3.0)));
    emit2(b, "LT", 0, row, truth, t, x);
    emit(b, "SELECT", 0, row, y, truth, t, u);
    emit1(b, "TANH", 0, row, y32, x32);
    emit1(b, "CAST", 0, row, u, x32);
    emit1(b, "CAST", 0, PARAMS(b, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0), j, x);
    emit2(b, "POW", 0, PARAMS(b, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0), j, j, i);
    emit1(b, "SUM", 0, PARAMS(b, 1, 4, 6, 0, 8, 0, 48, 0, 0, 0, 0), s, x);
    emit1(b, "SUM", COLUMNS | ACC, PARAMS(b, 1, 6, 4, 0, 0, 0, 32, 0, 0, 0, 0), s, x);
    emit2(b, "DOT", 0, PARAMS(b, 1, 4, 6, 0, 8, 0, 48, 0, 48, 0, 0), s, x, u);
    emit1(b, "ARGMAX", 0, PARAMS(b, 1, 4, 6, 0, 8, 0, 48, 0, 0, 0, 0), j, x);
    emit2(b, "MATMUL", ACC, PARAMS(b, 2, 2, 4, 2, 1, 4, 1, 1, 4, 1, 0, 0, 0), s, x, t);
    emit1(b, "COPY", 0, PARAMS(b, 3, 2, 3, 4, 96, 8, 24, 96, 32, 8), u, x);
    emit2(b, "GATHER", 0, PARAMS(b, 1, 4, 6, 4, 0), u, x, i);
    emit2(b, "SCATTER_ADD", 0, PARAMS(b, 2, 2, 6, 2, 2), y, u, i);
    emit1(b, "WRAP", 0, PARAMS(b, 4, 6), j, i);
    emit1(b, "ARGSORT", 0, PARAMS(b, 2, 3), j, x);
    emit2(b, "SEARCH", 0, PARAMS(b, 2, 3, 2, 1, 3), j, x, u);
    emit1(b, "CUMSUM", REVERSE, PARAMS(b, 2, 3, 4), u, x);
    emit2(b, "FFT_REAL", 0, PARAMS(b, 1, 4, 1, 1, 4, 1, 6, 4), u, x, t);
    emit(b, "FFT", 0, PARAMS(b, 2, 2, 2, 1, 2, 1, 2, 2), u, x, x, t);
    emit2(b, "FFT_REAL", 0, PARAMS(b, 1, 3, 1, 1, 8, 2, 36, 4, 2), u, x, t);
    for (int k = 0; k < 7; k++) {
        constant(b, 0.0);
    }
    memcpy(b->consts + b->n_consts - 7, (const int64_t[]){0, 1, 1, 3, 1, 0, 2}, 56);
    emit(b, "SPARSE_MATMUL", 0, PARAMS(b, 2, 3, 3, 2, 3, 6, 3, 6, 3), u, f64(b, 1, 0),
         operand(b, 1, PBP_INT64, 8 * (b->n_consts - 7)), x);
    emit1(b, "ZERO", 0, PARAMS(b, 64), t, PBP_NONE);
    const uint32_t outer = loop_begin(b, 3, 3, 0);
    loop_base(b, outer, 0, 3200, 64, 128);
    const uint32_t w = loop_base(b, outer, in, 0, 64, 64), v = loop_base(b, outer, o, 128, -64, 64);
    emit1(b, "SLOAD", DF, PBP_NONE, 0, f64(b, w, 8));
    scalar3(b, "FMA", DF | AF, 8, 0, 1, 0);
    scalar1(b, "SIN", DF | AF, 1, 8);
    scalar2(b, "LE", DF | AF | BF, 2, 1, 8);
    scalar3(b, "SELECT", DF | AF | BF, 3, 2, 1, 0);
    emit1(b, "SSTORE", AF, PBP_NONE, f64(b, v, 0), 3);
    const uint32_t inner = loop_begin(b, 4, 2, PBP_NONE);
    const uint32_t w2 = loop_base(b, inner, w, 0, 16, 16), v2 = loop_base(b, inner, v, 48, -16, 16);
    emit2(b, "MUL", 0, ROW(b, 2), f64(b, v2, 0), f64(b, w2, 0), f64(b, v2, 0));
    loop_end(b, inner);
    loop_end(b, outer);
    b->aliases[0] = 0, b->aliases[1] = 0;
    b->n_aliases = 1;
    tape_bytes(b);
    return b;
}

static void try_bytes(const char *bytes, size_t size)
{
    pbp_tape *tape = NULL;
    pbp_workspace *workspace = NULL;
    pbp_tape_info info;
    pbp_error error = {.message = ""};
    void *buffers[8] = {NULL};
    if (pbp_tape_load(bytes, size, &tape, &error) != PBP_OK) {
        CHECK(tape == NULL && error.message[0] != 0);
        return;
    }
    pbp_tape_info_get(tape, &info);
    uint64_t total = info.workspace_bytes;
    const uint32_t n = info.n_inputs + info.n_outputs;
    for (uint32_t i = 0; i < n && i < 8; i++) {
        pbp_array array;
        CHECK((i < info.n_inputs ? pbp_tape_input(tape, i, &array)
                                 : pbp_tape_output(tape, i - info.n_inputs, &array)) == PBP_OK);
        total += array.bytes;
        buffers[i] = total < 10000000 ? calloc(1, (size_t)array.bytes + 1) : NULL;
    }
    char text[4096];
    pbp_tape_print(tape, text, sizeof text);
    if (total < 10000000 && n <= 8 && pbp_workspace_new(tape, &workspace, NULL) == PBP_OK) {
        int count = 2;
        const pbp_run_options options = {stop, &count, NULL};
        const void *inputs[8];
        memcpy(inputs, buffers, sizeof inputs);
        pbp_run(tape, workspace, inputs, buffers + info.n_inputs, &options, &error);
    }
    for (int i = 0; i < 8; i++) {
        free(buffers[i]);
    }
    pbp_workspace_free(workspace);
    pbp_tape_free(tape);
}

static uint64_t state = 88172645463325252u;
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* A new value for one word: a flipped bit, a small number, an extreme one, a neighbour's. */
static void mutate(char *bytes, size_t size)
{
    static const int64_t extremes[] = {
        0, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT64_MAX / 8, (int64_t)1 << 40, 1, 2, 8};
    const size_t width = (size_t)4 << next_random() % 2,
                 at = next_random() % (size / width) * width;
    int64_t value = 0;
    switch (next_random() % 5) {
    case 0:
    case 1:
        bytes[next_random() % size] ^= (char)(1 << next_random() % 8);
        return;
    case 2:
        value = (int64_t)(next_random() % 64);
        break;
    case 3:
        value = extremes[next_random() % 10];
        break;
    default:
        memcpy(&value, bytes + next_random() % (size / width) * width, width);
    }
    memcpy(bytes + at, &value, width);
}

static void test_mutations(int rounds)
{
    builder *b = everything();
    pbp_tape *tape = load(b);
    CHECK(tape != NULL);
    pbp_tape_free(tape);
    b = everything();
    char *copy = malloc(b->size + 1);
    memcpy(copy + 1, b->bytes, b->size);
    try_bytes(copy + 1, b->size); /* at an odd address */
    free(copy);
    for (size_t size = 0; size < b->size; size += size < 500 ? 1 : 13) {
        copy = malloc(size + 1);
        memcpy(copy, b->bytes, size);
        try_bytes(copy, size);
        free(copy);
    }
    for (int i = 0; i < rounds; i++) {
        copy = malloc(b->size);
        memcpy(copy, b->bytes, b->size);
        const int changes = 1 + (int)(next_random() % 3);
        for (int j = 0; j < changes; j++) {
            mutate(copy, b->size);
        }
        try_bytes(copy, b->size);
        free(copy);
    }
    free(b);
}

#define REFUSED(text)                                                                              \
    do {                                                                                           \
        pbp_error error_ = {.message = ""};                                                        \
        CHECK(refused(b, &error_) == PBP_ERROR_FORMAT);                                            \
        if (strstr(error_.message, text) == NULL) {                                                \
            fprintf(stderr, "%s:%d: got '%s'\n", __FILE__, __LINE__, error_.message);              \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static void test_refusals(void)
{
    builder *b = builder_new(256, 2, (double[]){1, 2});
    uint32_t in = input(b, PBP_FLOAT64, 4), o;
    emit1(b, "NEG", 0, ROW(b, 4), f64(b, in, 0), f64(b, in, 0));
    REFUSED("writes to an input");
    b = builder_new(256, 2, (double[]){1, 2});
    emit1(b, "NEG", 0, ROW(b, 4), f64(b, 0, 0), f64(b, 0, 64));
    REFUSED("writes to the image");
    b = builder_new(256, 2, (double[]){1, 2});
    scalar2(b, "ADD", 0, 1, 0, 0);
    REFUSED("writes to the image");
    b = builder_new(256, 0, NULL);
    emit1(b, "NEG", 0, ROW(b, 4), f64(b, 0, 64), f64(b, 0, 72));
    REFUSED("overlaps operand a");
    b = builder_new(256, 0, NULL);
    emit1(b, "NEG", 0, ROW(b, 33), f64(b, 0, 0), f64(b, 0, 0));
    REFUSED("of a base of 256");
    b = builder_new(256, 0, NULL);
    emit1(b, "NEG", 0, ROW(b, 4), f64(b, 0, 4), f64(b, 0, 64));
    REFUSED("aligned");
    b = builder_new(512, 0, NULL);
    emit2(b, "FFT_REAL", 0, PARAMS(b, 1, 4, 1, 1, 4, 1, 5, 4), f64(b, 0, 256), f64(b, 0, 0),
          f64(b, 0, 64));
    REFUSED("the table has another size");
    b = builder_new(512, 0, NULL);
    emit2(b, "FFT_REAL", 0, PARAMS(b, 1, 4, 1, 1, 4, 1, 4, 2), f64(b, 0, 256), f64(b, 0, 0),
          f64(b, 0, 64));
    REFUSED("do not make up the length");
    b = builder_new(512, 0, NULL);
    emit2(b, "FFT_REAL", 0, PARAMS(b, 1, 4, 1, 1, 4, 1, 6, 4), f64(b, 0, 360), f64(b, 0, 0),
          f64(b, 0, 64));
    REFUSED("of a base of 512");
    b = builder_new(512, 0, NULL);
    emit(b, "SPARSE_MATMUL", 0, PARAMS(b, 1, 1, 0, 1, 1, 1, 1, 1, 1), f64(b, 0, 256), f64(b, 0, 0),
         operand(b, 0, PBP_INT64, 64), f64(b, 0, 128));
    REFUSED("not among the constants");
    b = builder_new(512, 3, (double[]){1.0, 0.0, 0.0});
    memcpy(b->consts + 1, (const int64_t[]){0, 1}, 16);
    emit(b, "SPARSE_MATMUL", 0, PARAMS(b, 1, 1, 0, 1, 1, 1, 1, 1, 1), f64(b, 0, 256), f64(b, 1, 0),
         operand(b, 1, PBP_INT64, 8), f64(b, 0, 128));
    REFUSED("its pattern does not fit");
    b = builder_new(256, 0, NULL);
    scalar1(b, "NEG", DF, 0, 0);
    REFUSED("frame");
    b = builder_new(256, 0, NULL);
    scalar1(b, "NEG", 0, 32, 0);
    REFUSED("outside the arena");
    b = builder_new(256, 0, NULL);
    emit1(b, "MAX_OF", 0, ROW(b, 0), f64(b, 0, 0), f64(b, 0, 8));
    REFUSED("extreme of nothing");
    b = builder_new(256, 0, NULL);
    emit1(b, "SQRT", 0, ROW(b, 1), operand(b, 0, PBP_INT64, 0), operand(b, 0, PBP_INT64, 8));
    REFUSED("dtype");
    /* Windows. */
    b = builder_new(256, 0, NULL);
    uint32_t loop = loop_begin(b, 5, 1, PBP_NONE);
    loop_base(b, loop, 0, 0, 64, 64);
    loop_end(b, loop);
    REFUSED("leaves base 0");
    b = builder_new(256, 0, NULL);
    loop = loop_begin(b, INT64_MAX, 1, PBP_NONE);
    loop_base(b, loop, 0, 0, INT64_MAX, 64);
    loop_end(b, loop);
    REFUSED("leaves base 0");
    b = builder_new(256, 0, NULL);
    loop = loop_begin(b, 2, 1, PBP_NONE);
    uint32_t w = loop_base(b, loop, 0, 0, 64, 64);
    loop_end(b, loop);
    emit1(b, "ZERO", 0, PARAMS(b, 8), f64(b, w, 0), PBP_NONE);
    REFUSED("outside its loop");
    /* d walks over what a walks over, one step behind: partial overlap at no step, the same
     * distance always. */
    b = builder_new(256, 0, NULL);
    loop = loop_begin(b, 3, 2, PBP_NONE);
    w = loop_base(b, loop, 0, 64, 32, 64);
    emit1(b, "NEG", 0, ROW(b, 2), f64(b, w, 0), f64(b, loop_base(b, loop, 0, 72, 32, 64), 0));
    loop_end(b, loop);
    REFUSED("overlaps operand a");
    /* Loops that cross. */
    b = builder_new(256, 0, NULL);
    const uint32_t l0 = loop_begin(b, 2, 0, PBP_NONE), l1 = loop_begin(b, 2, 0, PBP_NONE);
    loop_end(b, l0);
    loop_end(b, l1);
    REFUSED("loop");
    b = builder_new(256, 0, NULL);
    loop_begin(b, 2, 0, PBP_NONE);
    REFUSED("loop");
    /* Overflow of extents and strides. */
    b = builder_new(256, 0, NULL);
    o = PARAMS(b, (int64_t)1 << 40, (int64_t)1 << 40, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    emit1(b, "NEG", 0, o, f64(b, 0, 0), f64(b, 0, 64));
    REFUSED("extents");
    b = builder_new(256, 0, NULL);
    o = PARAMS(b, 1, 1 << 20, 1, 0, INT64_MAX - 7, 0, 0, 0, 0, 0, 0);
    emit1(b, "NEG", 0, o, f64(b, 0, 0), f64(b, 0, 64));
    REFUSED("extents");
}

/* What must be allowed: interleaved columns, in place, double buffers at a constant distance, deep
 * nests. */
static void test_allowed(void)
{
    builder *b = builder_new(1024, 0, NULL);
    emit1(b, "NEG", 0, PARAMS(b, 1, 4, 1, 0, 16, 0, 16, 0, 0, 0, 0), f64(b, 0, 8), f64(b, 0, 0));
    emit2(b, "ADD", 0, ROW(b, 4), f64(b, 0, 64), f64(b, 0, 64), f64(b, 0, 128));
    const uint32_t loop = loop_begin(b, 3, 2, PBP_NONE);
    const uint32_t from = loop_base(b, loop, 0, 256, 64, 64),
                   to = loop_base(b, loop, 0, 320, 64, 64);
    emit1(b, "NEG", 0, ROW(b, 8), f64(b, to, 0), f64(b, from, 0));
    loop_end(b, loop);
    uint32_t nest[40];
    for (int i = 0; i < 40; i++) {
        nest[i] = loop_begin(b, 1, 0, PBP_NONE);
    }
    for (int i = 40; i-- > 0;) {
        loop_end(b, nest[i]);
    }
    pbp_tape *tape = load(b);
    CHECK(tape != NULL && run(tape, NULL, NULL, NULL) == PBP_OK);
    pbp_tape_free(tape);
}

int main(int argc, char **argv)
{
    test_refusals();
    test_allowed();
    test_mutations(argc > 1 ? atoi(argv[1]) : 20000);
    return failures != 0;
}
