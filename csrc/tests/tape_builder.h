/* Assembles tapes for the tests, in memory, without the compiler of the Python package: calls
   append instructions, operands, bases and loops in the order of docs/tape.md, and tape_bytes
   writes the container.  Fixed room, no error handling: a test that needs more changes the numbers
   here. */
#ifndef PBP_TAPE_BUILDER_H
#define PBP_TAPE_BUILDER_H

#include "pybackprop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SA 1u
#define SB 2u
#define SC 4u
#define ACC 8u
#define COLUMNS 16u
#define REVERSE 32u
#define DF 256u
#define AF 512u
#define BF 1024u
#define CF 2048u
#define SCALAR 32768u

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

#define TEST_UNUSED __attribute__((unused))

typedef struct builder {
    char names[4096];
    size_t names_bytes;
    uint16_t n_names;
    char instructions[24 * 256];
    uint32_t n_instructions, reverse_start;
    char operands[16 * 256];
    uint32_t n_operands;
    char bases[48 * 64];
    uint32_t n_bases;
    char loops[32 * 64];
    uint32_t n_loops;
    int64_t params[4096];
    uint32_t n_params;
    double consts[256];
    uint32_t n_consts, n_image;
    char arrays[4096];
    size_t arrays_bytes;
    uint32_t n_inputs, n_outputs;
    uint64_t arena_bytes;
    uint32_t aliases[16];
    uint32_t n_aliases;
    char bytes[1 << 16];
    size_t size;
} builder;

static void put(char *p, const void *x, size_t n)
{
    memcpy(p, x, n);
}

static void put_base(builder *b, uint32_t kind, uint32_t parent, uint32_t loop, int64_t offset,
                     int64_t bump, int64_t size)
{
    char *p = b->bases + 48 * b->n_bases++;
    const uint32_t words[4] = {kind, parent, loop, 0};
    const int64_t longs[4] = {offset, bump, size, 0};
    put(p, words, 16);
    put(p + 16, longs, 32);
}

/* arena_bytes and the image (scalar constants at slots 0 ...) come first, then inputs, then
 * outputs, then the rest. */
static TEST_UNUSED builder *builder_new(uint64_t arena_bytes, uint32_t n_image, const double *image)
{
    builder *b = calloc(1, sizeof *b);
    b->arena_bytes = arena_bytes;
    b->n_consts = b->n_image = n_image;
    if (n_image > 0) {
        memcpy(b->consts, image, n_image * sizeof *image);
    }
    put_base(b, 0, PBP_NONE, PBP_NONE, 0, 0, (int64_t)arena_bytes);
    put_base(b, 1, PBP_NONE, PBP_NONE, 0, 0, 0);
    return b;
}

static TEST_UNUSED uint32_t constant(builder *b, double value)
{
    b->consts[b->n_consts] = value;
    return 8 * b->n_consts++;
}

static TEST_UNUSED uint32_t array(builder *b, uint32_t kind, uint32_t dtype, int64_t n)
{
    static const int64_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    const uint32_t words[2] = {dtype, 1};
    put(b->arrays + b->arrays_bytes, words, 8);
    put(b->arrays + b->arrays_bytes + 8, &n, 8);
    b->arrays_bytes += 16;
    put_base(b, kind, PBP_NONE, PBP_NONE, 0, 0, n * bytes[dtype]);
    *(kind == 2 ? &b->n_inputs : &b->n_outputs) += 1;
    return b->n_bases - 1;
}
#define input(b, dtype, n) array(b, 2, dtype, n)
#define output(b, dtype, n) array(b, 3, dtype, n)

static TEST_UNUSED uint32_t operand(builder *b, uint32_t base, uint32_t dtype, int64_t offset)
{
    const uint32_t words[2] = {base, dtype};
    put(b->operands + 16 * b->n_operands, words, 8);
    put(b->operands + 16 * b->n_operands + 8, &offset, 8);
    return b->n_operands++;
}
#define f64(b, base, offset) operand(b, base, PBP_FLOAT64, offset)

static TEST_UNUSED uint32_t params(builder *b, uint32_t n, const int64_t *values)
{
    memcpy(b->params + b->n_params, values, n * sizeof *values);
    b->n_params += n;
    return b->n_params - n;
}
#define PARAMS(b, ...)                                                                             \
    params(b, (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[]){__VA_ARGS__})

/* One row of n items: the params of MAP and REDUCE. */
#define ROW(b, n) PARAMS(b, 1, 1, n, 0, 0, 0, 0, 0, 0, 0, 0)

static TEST_UNUSED uint32_t name_number(builder *b, const char *name)
{
    uint16_t number = 0;
    for (size_t i = 0; i < b->names_bytes; i += strlen(b->names + i) + 1, number++) {
        if (strcmp(b->names + i, name) == 0) {
            return number;
        }
    }
    strcpy(b->names + b->names_bytes, name);
    b->names_bytes += strlen(name) + 1;
    return b->n_names++;
}

static TEST_UNUSED uint32_t emit(builder *b, const char *name, uint32_t flags, uint32_t parameters,
                                 uint32_t d, uint32_t a, uint32_t bb, uint32_t c)
{
    char *p = b->instructions + 24 * b->n_instructions;
    const uint16_t halves[2] = {(uint16_t)name_number(b, name), (uint16_t)flags};
    const uint32_t words[5] = {parameters, d, a, bb, c};
    put(p, halves, 4);
    put(p + 4, words, 20);
    return b->n_instructions++;
}
#define emit1(b, name, flags, p, d, a) emit(b, name, flags, p, d, a, PBP_NONE, PBP_NONE)
#define emit2(b, name, flags, p, d, a, bb) emit(b, name, flags, p, d, a, bb, PBP_NONE)
/* Scalar class. */
#define scalar1(b, name, frames, d, a)                                                             \
    emit(b, name, SCALAR | (frames), PBP_NONE, d, a, PBP_NONE, PBP_NONE)
#define scalar2(b, name, frames, d, a, bb)                                                         \
    emit(b, name, SCALAR | (frames), PBP_NONE, d, a, bb, PBP_NONE)
#define scalar3(b, name, frames, d, a, bb, c)                                                      \
    emit(b, name, SCALAR | (frames), PBP_NONE, d, a, bb, c)

/* LOOP_BEGIN; its bases follow at once, with loop_base; `frame` counts them (PBP_NONE: none). */
static TEST_UNUSED uint32_t loop_begin(builder *b, int64_t trip, uint32_t n_bases, uint32_t frame)
{
    char *p = b->loops + 32 * b->n_loops;
    const uint32_t number = b->n_loops++;
    const uint32_t words[6] = {
        b->n_bases,        n_bases, frame == PBP_NONE ? PBP_NONE : b->n_bases + frame,
        b->n_instructions, 0,       0};
    put(p, &trip, 8);
    put(p + 8, words, 24);
    emit(b, "LOOP_BEGIN", 0, PBP_NONE, number, PBP_NONE, PBP_NONE, PBP_NONE);
    return number;
}
static TEST_UNUSED uint32_t loop_base(builder *b, uint32_t loop, uint32_t parent, int64_t offset,
                                      int64_t bump, int64_t size)
{
    put_base(b, 4, parent, loop, offset, bump, size);
    return b->n_bases - 1;
}
static TEST_UNUSED void loop_end(builder *b, uint32_t loop)
{
    const uint32_t at = b->n_instructions;
    put(b->loops + 32 * loop + 24, &at, 4);
    emit(b, "LOOP_END", 0, PBP_NONE, loop, PBP_NONE, PBP_NONE, PBP_NONE);
}

static TEST_UNUSED void put_section(builder *b, uint32_t number, const char *name, const void *data,
                                    size_t n)
{
    char *entry = b->bytes + 16 + 32 * number;
    const uint64_t offset = (b->size + 63) / 64 * 64, size = n;
    strncpy(entry, name, 16);
    put(entry + 16, &offset, 8);
    put(entry + 24, &size, 8);
    put(b->bytes + offset, data, n);
    b->size = offset + n;
}

static TEST_UNUSED void tape_bytes(builder *b)
{
    char header[32];
    const uint64_t sizes[2] = {b->arena_bytes, 8 * b->n_image};
    const uint32_t counts[4] = {b->n_inputs, b->n_outputs, b->n_instructions, b->reverse_start};
    const uint32_t start[2] = {1, 10};
    const int64_t consts = 8 * b->n_consts;
    put(header, sizes, 16);
    put(header + 16, counts, 16);
    put(b->bases + 48 + 32, &consts, 8);
    memset(b->bytes, 0, sizeof b->bytes);
    memcpy(b->bytes, "PBPTAPE", 8);
    put(b->bytes + 8, start, 8);
    b->size = 16 + 32 * 10;
    put_section(b, 0, "header", header, 32);
    put_section(b, 1, "names", b->names, b->names_bytes);
    put_section(b, 2, "instructions", b->instructions, 24 * b->n_instructions);
    put_section(b, 3, "operands", b->operands, 16 * b->n_operands);
    put_section(b, 4, "bases", b->bases, 48 * b->n_bases);
    put_section(b, 5, "loops", b->loops, 32 * b->n_loops);
    put_section(b, 6, "params", b->params, 8 * b->n_params);
    put_section(b, 7, "consts", b->consts, 8 * b->n_consts);
    put_section(b, 8, "arrays", b->arrays, b->arrays_bytes);
    put_section(b, 9, "aliases", b->aliases, 8 * b->n_aliases);
}

/* Writes, loads, frees the builder; fails the test with the message if the tape is refused. */
static TEST_UNUSED pbp_tape *load(builder *b)
{
    pbp_tape *tape = NULL;
    pbp_error error;
    tape_bytes(b);
    if (pbp_tape_load(b->bytes, b->size, &tape, &error) != PBP_OK) {
        fprintf(stderr, "refused: %s\n", error.message);
        failures++;
    }
    free(b);
    return tape;
}

/* The status of loading a tape that should be refused. */
static TEST_UNUSED pbp_status refused(builder *b, pbp_error *error)
{
    pbp_tape *tape = NULL;
    tape_bytes(b);
    const pbp_status status = pbp_tape_load(b->bytes, b->size, &tape, error);
    pbp_tape_free(tape);
    free(b);
    return status;
}

static TEST_UNUSED pbp_status run(const pbp_tape *tape, const void *const *inputs,
                                  void *const *outputs, pbp_error *error)
{
    pbp_workspace *workspace = NULL;
    pbp_status status = pbp_workspace_new(tape, &workspace, error);
    if (status == PBP_OK) {
        status = pbp_run(tape, workspace, inputs, outputs, NULL, error);
    }
    pbp_workspace_free(workspace);
    return status;
}

#endif
