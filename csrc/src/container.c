/* Reads the container of a tape: the directory of sections and the tables in them, into arrays of
   the tape's own.  Bytes may come from anywhere and lie anywhere: they are read with memcpy, and no
   count, offset or size is used before it was checked against the number of bytes there are.  What
   the tables mean is checked in layout.c and validate.c. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SECTIONS 64
#define DIRECTORY_START 16
#define DIRECTORY_ENTRY 32
#define MAX_BYTES ((uint64_t)1 << 47)

enum section_name {
    HEADER,
    NAMES,
    INSTRUCTIONS,
    OPERANDS,
    BASES,
    LOOPS,
    PARAMS,
    CONSTS,
    ARRAYS,
    ALIASES,
    LABELS,
    SECTION_COUNT
};

static const char section_names[SECTION_COUNT][16] = {
    "header", "names",  "instructions", "operands", "bases", "loops",
    "params", "consts", "arrays",       "aliases",  "labels"};

typedef struct section {
    uint64_t offset, size;
    bool present;
} section;

typedef struct reader {
    const char *bytes;
    uint64_t size;
    section sections[SECTION_COUNT];
    pbp_error *error;
} reader;

#define FAIL(...) return pbp_fail(r->error, PBP_ERROR_FORMAT, PBP_NONE, __VA_ARGS__)
#define TRY(call)                                                                                  \
    do {                                                                                           \
        const pbp_status status_ = (call);                                                         \
        if (status_ != PBP_OK) {                                                                   \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

static uint16_t u16_at(const char *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return x;
}
static uint32_t u32_at(const char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}
static uint64_t u64_at(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}
static int64_t i64_at(const char *p)
{
    int64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Room for `count` items, at least one byte. */
static pbp_status allocate(reader *r, void *out, uint64_t count, size_t bytes)
{
    void *block =
        count < MAX_BYTES / bytes ? pbp_alloc(count > 0 ? (size_t)count * bytes : 1) : NULL;
    memcpy(out, &block, sizeof block);
    return block != NULL ? PBP_OK
                         : pbp_fail(r->error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the tape");
}

static pbp_status read_directory(reader *r)
{
    if (r->bytes == NULL || r->size < DIRECTORY_START || memcmp(r->bytes, "PBPTAPE", 8) != 0) {
        FAIL("these bytes do not begin like a tape");
    }
    const uint32_t version = u32_at(r->bytes + 8), count = u32_at(r->bytes + 12);
    if (version != PBP_TAPE_VERSION) {
        return pbp_fail(r->error, PBP_ERROR_VERSION, PBP_NONE,
                        "the tape has version %u, this core reads version %d", version,
                        PBP_TAPE_VERSION);
    }
    const uint64_t end = DIRECTORY_START + (uint64_t)count * DIRECTORY_ENTRY;
    if (count > MAX_SECTIONS || end > r->size) {
        FAIL("the directory of %u sections does not fit", count);
    }
    uint64_t starts[MAX_SECTIONS], stops[MAX_SECTIONS];
    for (uint32_t i = 0; i < count; i++) {
        const char *entry = r->bytes + DIRECTORY_START + i * DIRECTORY_ENTRY;
        const uint64_t offset = u64_at(entry + 16), size = u64_at(entry + 24);
        if (offset % 64 != 0 || offset < end || offset > r->size || size > r->size - offset) {
            FAIL("section %u lies outside the file", i);
        }
        starts[i] = offset;
        stops[i] = offset + size;
        for (uint32_t j = 0; j < i; j++) {
            if (starts[j] < stops[i] && starts[i] < stops[j]) {
                FAIL("sections %u and %u overlap", j, i);
            }
        }
        for (int k = 0; k < SECTION_COUNT; k++) {
            if (strncmp(entry, section_names[k], 16) == 0) {
                if (r->sections[k].present) {
                    FAIL("section %s is there twice", section_names[k]);
                }
                r->sections[k] = (section){offset, size, true};
            }
        }
    }
    return PBP_OK;
}

/* The number of records of a section of equal ones. */
static pbp_status count_records(reader *r, int name, uint64_t bytes, uint64_t *count)
{
    *count = r->sections[name].size / bytes;
    if (r->sections[name].size % bytes != 0 || *count >= PBP_NONE) {
        FAIL("section %s has a size of %llu bytes, records there have %llu", section_names[name],
             (unsigned long long)r->sections[name].size, (unsigned long long)bytes);
    }
    return PBP_OK;
}

static const char *start_of(const reader *r, int name)
{
    return r->bytes + r->sections[name].offset;
}

static pbp_status read_header(reader *r, pbp_tape *tape)
{
    const char *p = start_of(r, HEADER);
    if (r->sections[HEADER].size < 32) {
        FAIL("the header is missing or too short");
    }
    tape->info.arena_bytes = u64_at(p);
    tape->image_bytes = i64_at(p + 8);
    tape->info.n_inputs = u32_at(p + 16);
    tape->info.n_outputs = u32_at(p + 20);
    tape->info.n_instructions = u32_at(p + 24);
    tape->info.reverse_start = u32_at(p + 28);
    tape->consts_bytes = (int64_t)r->sections[CONSTS].size;
    if (tape->info.arena_bytes > MAX_BYTES || tape->image_bytes < 0 ||
        tape->image_bytes > tape->consts_bytes ||
        (uint64_t)tape->image_bytes > tape->info.arena_bytes) {
        FAIL("the header's sizes of arena and image are impossible");
    }
    if (tape->info.reverse_start > tape->info.n_instructions) {
        FAIL("the reverse section starts after the last instruction");
    }
    TRY(allocate(r, &tape->consts, r->sections[CONSTS].size + 64, 1));
    /* Constants are read in place; the block's start is aligned for any item. */
    memcpy(tape->consts, start_of(r, CONSTS), r->sections[CONSTS].size);
    return PBP_OK;
}

/* The rows that the file's op numbers stand for, in a table that the caller frees. */
static pbp_status read_names(reader *r, uint16_t **rows, uint32_t *count)
{
    const char *p = start_of(r, NAMES);
    const uint64_t size = r->sections[NAMES].size;
    *count = 0;
    if (size > 0 && p[size - 1] != 0) {
        FAIL("the last instruction name does not end");
    }
    uint64_t names = 0;
    for (uint64_t i = 0; i < size; i++) {
        names += p[i] == 0;
    }
    if (names > UINT16_MAX) {
        FAIL("too many instruction names");
    }
    TRY(allocate(r, rows, names, sizeof **rows));
    for (uint64_t i = 0; i < size; i += strlen(p + i) + 1) {
        uint32_t row = 0;
        while (row < PBP_ROW_COUNT && strcmp(p + i, pbp_row_name(row)) != 0) {
            row++;
        }
        if (row == PBP_ROW_COUNT) {
            return pbp_fail(r->error, PBP_ERROR_VERSION, PBP_NONE,
                            "this core has no instruction '%.40s'", p + i);
        }
        (*rows)[(*count)++] = (uint16_t)row;
    }
    return PBP_OK;
}

static pbp_status read_instructions(reader *r, pbp_tape *tape)
{
    const char *p = start_of(r, INSTRUCTIONS);
    const uint32_t n = tape->info.n_instructions;
    uint64_t count;
    uint16_t *rows = NULL;
    uint32_t names = 0;
    pbp_status status = PBP_OK;
    TRY(count_records(r, INSTRUCTIONS, 24, &count));
    if (count != n || n > UINT32_MAX / 4) {
        FAIL("the header says %u instructions, the section has %llu", n, (unsigned long long)count);
    }
    TRY(allocate(r, &tape->instructions, n, sizeof *tape->instructions));
    status = read_names(r, &rows, &names);
    for (uint32_t i = 0; i < n && status == PBP_OK; i++, p += 24) {
        const uint16_t op = u16_at(p);
        if (op >= names) {
            status = pbp_fail(r->error, PBP_ERROR_FORMAT, i,
                              "instruction %u: number %u is not in the table of names", i, op);
            break;
        }
        tape->instructions[i] =
            (pbp_instruction){rows[op],       u16_at(p + 2),  u32_at(p + 4), u32_at(p + 8),
                              u32_at(p + 12), u32_at(p + 16), u32_at(p + 20)};
    }
    free(rows);
    return status;
}

static pbp_status read_tables(reader *r, pbp_tape *tape)
{
    uint64_t n;
    const char *p = start_of(r, OPERANDS);
    TRY(count_records(r, OPERANDS, 16, &n));
    tape->n_operands = (uint32_t)n;
    TRY(allocate(r, &tape->operands, n, sizeof *tape->operands));
    for (uint64_t i = 0; i < n; i++, p += 16) {
        tape->operands[i] = (pbp_operand){u32_at(p), u32_at(p + 4), i64_at(p + 8)};
    }
    p = start_of(r, BASES);
    TRY(count_records(r, BASES, 48, &n));
    tape->n_bases = (uint32_t)n;
    TRY(allocate(r, &tape->bases, n, sizeof *tape->bases));
    for (uint64_t i = 0; i < n; i++, p += 48) {
        tape->bases[i] = (pbp_base){.kind = u32_at(p),
                                    .parent = u32_at(p + 4),
                                    .loop = u32_at(p + 8),
                                    .offset = i64_at(p + 16),
                                    .bump = i64_at(p + 24),
                                    .size = i64_at(p + 32)};
    }
    p = start_of(r, LOOPS);
    TRY(count_records(r, LOOPS, 32, &n));
    tape->info.n_loops = (uint32_t)n;
    TRY(allocate(r, &tape->loops, n, sizeof *tape->loops));
    for (uint64_t i = 0; i < n; i++, p += 32) {
        tape->loops[i] = (pbp_loop){.trip = i64_at(p),
                                    .first_base = u32_at(p + 8),
                                    .n_bases = u32_at(p + 12),
                                    .frame = u32_at(p + 16),
                                    .begin = u32_at(p + 20),
                                    .end = u32_at(p + 24),
                                    .parallel = u32_at(p + 28) == 1};
        if (u32_at(p + 28) > 1) {
            FAIL("loop %llu has unknown flags", (unsigned long long)i);
        }
    }
    TRY(count_records(r, PARAMS, 8, &n));
    tape->n_params = (int64_t)n;
    TRY(allocate(r, &tape->params, n, sizeof *tape->params));
    memcpy(tape->params, start_of(r, PARAMS), n * 8);
    TRY(count_records(r, ALIASES, 8, &n));
    tape->n_aliases = (uint32_t)n;
    TRY(allocate(r, &tape->aliases, n, 8));
    memcpy(tape->aliases, start_of(r, ALIASES), n * 8);
    for (uint64_t i = 0; i < n; i++) {
        if (tape->aliases[2 * i] >= tape->info.n_outputs ||
            tape->aliases[2 * i + 1] >= tape->info.n_inputs) {
            FAIL("alias %llu names an output or input that is not there", (unsigned long long)i);
        }
    }
    return PBP_OK;
}

static pbp_status read_arrays(reader *r, pbp_tape *tape)
{
    const char *p = start_of(r, ARRAYS), *end = p + r->sections[ARRAYS].size;
    const uint64_t n = (uint64_t)tape->info.n_inputs + tape->info.n_outputs;
    if (n > r->sections[ARRAYS].size / 8) {
        FAIL("there are fewer array records than inputs and outputs");
    }
    TRY(allocate(r, &tape->arrays, n, sizeof *tape->arrays));
    for (uint64_t i = 0; i < n; i++) {
        pbp_array *array = &tape->arrays[i];
        if (end - p < 8) {
            FAIL("array record %llu is cut off", (unsigned long long)i);
        }
        memset(array, 0, sizeof *array);
        array->dtype = u32_at(p);
        array->ndim = u32_at(p + 4);
        p += 8;
        int64_t bytes = pbp_array_item_bytes(array->dtype);
        if (bytes == 0 || array->ndim > PBP_MAX_NDIM || end - p < 8 * (int64_t)array->ndim) {
            FAIL("array record %llu has an unknown dtype or too many axes", (unsigned long long)i);
        }
        for (uint32_t k = 0; k < array->ndim; k++, p += 8) {
            array->shape[k] = i64_at(p);
            if (array->shape[k] < 0 || __builtin_mul_overflow(bytes, array->shape[k], &bytes) ||
                bytes > (int64_t)MAX_BYTES) {
                FAIL("the shape of array record %llu is impossible", (unsigned long long)i);
            }
        }
        array->bytes = (uint64_t)bytes;
    }
    return PBP_OK;
}

/* Labels only serve the disassembly: a bad section is left out. */
static pbp_status read_labels(reader *r, pbp_tape *tape)
{
    const uint64_t size = r->sections[LABELS].size;
    if (size == 0 || start_of(r, LABELS)[size - 1] != 0) {
        return PBP_OK;
    }
    TRY(allocate(r, &tape->labels, size, 1));
    memcpy(tape->labels, start_of(r, LABELS), size);
    tape->labels_bytes = (int64_t)size;
    return PBP_OK;
}

pbp_status pbp_container_read(pbp_tape *tape, const char *bytes, size_t size, pbp_error *error)
{
    reader r = {.bytes = bytes, .size = size, .error = error};
    TRY(read_directory(&r));
    TRY(read_header(&r, tape));
    TRY(read_instructions(&r, tape));
    TRY(read_tables(&r, tape));
    TRY(read_arrays(&r, tape));
    return read_labels(&r, tape);
}
