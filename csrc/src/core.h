/* What the files of the core share and callers do not see: the loaded tape, the workspace, the
   kernels' signatures and the table of an instruction set.

   A loaded tape has two arrays.  `code` is what the sweep loop walks: the tape's instructions, `op`
   replaced by a dispatch number, with poll points put in where straight-line work adds up.  A
   scalar instruction is complete there.  An array instruction's `d` is the index of its record in
   `ops`, which holds the kernel chosen at load, and its operands and extents ready for use. */
#ifndef PBP_CORE_H
#define PBP_CORE_H

#include "pybackprop.h"

#include <stdbool.h>

/* ---- instructions ---- */

#define PBP_FLAG_SA 1u
#define PBP_FLAG_SB 2u
#define PBP_FLAG_SC 4u
#define PBP_FLAG_ACC 8u
#define PBP_FLAG_COLUMNS 16u
#define PBP_FLAG_REVERSE 32u
#define PBP_FLAG_DF 256u
#define PBP_FLAG_AF 512u
#define PBP_FLAG_BF 1024u
#define PBP_FLAG_CF 2048u
#define PBP_FLAG_SCALAR 32768u
#define PBP_FRAME_SHIFT 8

#define PBP_TRUTH (1u << PBP_BOOL)
#define PBP_INTEGERS 0x1FEu
#define PBP_INT64_ONLY (1u << PBP_INT64)
#define PBP_FLOAT64_ONLY (1u << PBP_FLOAT64)
#define PBP_FLOATS (1u << PBP_FLOAT32 | 1u << PBP_FLOAT64)
#define PBP_NUMERIC (PBP_INTEGERS | PBP_FLOATS)
#define PBP_ANY (PBP_NUMERIC | PBP_TRUTH)

enum pbp_row {
#define MAP1(name, dtypes, cost, expression, text) PBP_ROW_##name,
#define MAP2(name, dtypes, cost, expression, text) PBP_ROW_##name,
#define MAP3(name, dtypes, cost, expression, text) PBP_ROW_##name,
#define FUNCTION1(name, dtypes, function, cost, text) PBP_ROW_##name,
#define FUNCTION2(name, dtypes, function, cost, text) PBP_ROW_##name,
#define LOGIC1(name, dtypes, expression, text) PBP_ROW_##name,
#define LOGIC2(name, dtypes, expression, text) PBP_ROW_##name,
#define COMPARE1(name, dtypes, cost, expression, text) PBP_ROW_##name,
#define COMPARE2(name, dtypes, cost, expression, text) PBP_ROW_##name,
#define OTHER(name, group, arity, dtypes, scalar, text) PBP_ROW_##name,
#include "pybackprop_instr.def"
    PBP_ROW_COUNT
};

/* Dispatch numbers.  A scalar row has one number per choice of frame or arena for each operand: add
   flags >> PBP_FRAME_SHIFT, of which bit 0 is d, bit 1 a, bit 2 b, bit 3 c.  Those that end in _T take
   one operand from the instruction before: first those that take a, then b, then c; bit 0 is d, bits
   1 and 2 are the other operands in order. */
enum {
    PBP_PAIRS = 0
#define PAIR(number, row1, arity1, places1, row2, arity2, places2) +1
#include "scalar_pairs.def"
};
#define PBP_X4(name) PBP_OP_##name, PBP_OP_##name##_last = PBP_OP_##name + 3,
#define PBP_X8(name) PBP_OP_##name, PBP_OP_##name##_last = PBP_OP_##name + 7,
#define PBP_X16(name) PBP_OP_##name, PBP_OP_##name##_last = PBP_OP_##name + 15,
#define PBP_T(name, n) PBP_OP_##name##_T, PBP_OP_##name##_T_last = PBP_OP_##name##_T + n - 1,
enum pbp_op {
#define MAP1(name, dtypes, cost, expression, text) PBP_X4(name) PBP_T(name, 2)
#define MAP2(name, dtypes, cost, expression, text) PBP_X8(name) PBP_T(name, 8)
#define MAP3(name, dtypes, cost, expression, text) PBP_X16(name) PBP_T(name, 24)
#define FUNCTION1(name, dtypes, function, cost, text) PBP_X4(name)
#define FUNCTION2(name, dtypes, function, cost, text) PBP_X8(name)
#define LOGIC1(name, dtypes, expression, text) PBP_X4(name)
#define LOGIC2(name, dtypes, expression, text) PBP_X8(name)
#define COMPARE1(name, dtypes, cost, expression, text) PBP_X4(name)
#define COMPARE2(name, dtypes, cost, expression, text) PBP_X8(name)
#include "pybackprop_instr.def"
    PBP_X16(SELECT)
        PBP_OP_SLOAD, /* + 1 if the slot is in the frame; then the same for truth values */
    PBP_OP_SLOAD_TRUTH = PBP_OP_SLOAD + 2,
    PBP_OP_SSTORE = PBP_OP_SLOAD_TRUTH + 2,
    PBP_OP_SSTORE_TRUTH = PBP_OP_SSTORE + 2,
    PBP_OP_LOOP_BEGIN = PBP_OP_SSTORE_TRUTH + 2,
    PBP_OP_LOOP_END,
    PBP_OP_LOOP_END_POLL, /* of a loop with enough work to look at the clock */
    PBP_OP_LOOP_PARALLEL, /* begins a loop whose steps may run at the same time */
    PBP_OP_LOOP_PARALLEL_END,
    PBP_OP_POLL,
    PBP_OP_ARRAY1, /* d, a through a pbp_map_kernel: one row */
    PBP_OP_ARRAY2,
    PBP_OP_ARRAY3,
    PBP_OP_ARRAY_ROWS,   /* the same for many rows */
    PBP_OP_ARRAY_SHAPED, /* through a pbp_shaped_kernel */
    PBP_OP_ARRAY_BIG,    /* through either, cut into pieces, with polls */
    PBP_OP_ARRAY_SWEEP,  /* through a pbp_sweep_kernel */
    PBP_OP_STOP,
    PBP_OP_PAIRS, /* two scalar instructions as one, in the order of scalar_pairs.def */
    PBP_OP_PAIRS_END = PBP_OP_PAIRS + PBP_PAIRS,
    PBP_OP_COUNT = PBP_OP_PAIRS_END
};

typedef struct pbp_code {
    uint16_t op;
    uint16_t flags;
    uint32_t d, a, b, c;
} pbp_code;

/* ---- kernels ---- */

/* Extents and row strides (bytes) of an instruction; the inner stride is one item or, as the flags
 * say, 0. */
typedef struct pbp_shape {
    int64_t cols, rows;
    int64_t d_row, a_row, b_row, c_row;
    int64_t a_step, b_step, c_step; /* inner strides in items */
} pbp_shape;

typedef struct pbp_sweep pbp_sweep;
typedef struct pbp_array_op pbp_array_op;

/* Elementwise, one row of n, made for one choice of SA, SB, SC; cannot fail.  d may be the same
   memory as an operand, never overlaps one partially. */
typedef void (*pbp_map_kernel)(int64_t n, char *d, const char *a, const char *b, const char *c);

/* The same for rows and columns and any inner strides. */
typedef void (*pbp_shaped_kernel)(const pbp_shape *shape, char *d, const char *a, const char *b,
                                  const char *c);

/* Everything else.  Polls by itself when the work is large. */
typedef pbp_status (*pbp_sweep_kernel)(const pbp_array_op *op, pbp_sweep *sweep, char *d,
                                       const char *a, const char *b);

struct pbp_array_op {
    union {
        pbp_map_kernel map;
        pbp_shaped_kernel shaped;
        pbp_sweep_kernel sweep;
    } kernel;
    uint32_t d_base, a_base, b_base, c_base;
    int64_t d_offset, a_offset, b_offset, c_offset;
    pbp_shape shape; /* cols first: with the above one cache line */
    int64_t outer, d_outer, a_outer, b_outer, c_outer;
    const int64_t *params;
    const void *inner;    /* SCATTER, MATMUL, POW: what the kernel calls */
    uint32_t instruction; /* number in the file */
    uint16_t row, flags;
    uint16_t d_dtype, a_dtype; /* a: of b in SELECT */
    int64_t cost;              /* estimated nanoseconds */
    int64_t element_cost;      /* picoseconds per element */
    bool shaped;               /* which kind of elementwise kernel */
};

typedef void (*pbp_matmul_f64)(int64_t m, int64_t n, int64_t k, double *c, int64_t c_row,
                               int64_t c_col, const double *a, int64_t a_row, int64_t a_col,
                               const double *b, int64_t b_row, int64_t b_col, int accumulate,
                               void *scratch);
typedef void (*pbp_matmul_f32)(int64_t m, int64_t n, int64_t k, float *c, int64_t c_row,
                               int64_t c_col, const float *a, int64_t a_row, int64_t a_col,
                               const float *b, int64_t b_row, int64_t b_col, int accumulate,
                               void *scratch);
typedef size_t (*pbp_matmul_scratch)(int64_t m, int64_t n, int64_t k, int64_t c_row, int64_t c_col,
                                     int64_t a_row, int64_t a_col, int64_t b_row, int64_t b_col);

typedef void (*pbp_fft_f64)(const int64_t *params, int64_t first, int64_t end, double *d,
                            const double *a, const double *b, const double *table);
typedef void (*pbp_fft_f32)(const int64_t *params, int64_t first, int64_t end, float *d,
                            const float *a, const float *b, const float *table);

/* Rows of the result; returns whether c is finite. */
typedef bool (*pbp_sparse_f64)(const int64_t *params, int64_t first, int64_t end, double *d,
                               const double *values, const int64_t *pattern, const double *c,
                               void *scratch);
typedef bool (*pbp_sparse_f32)(const int64_t *params, int64_t first, int64_t end, float *d,
                               const float *values, const int64_t *pattern, const float *c,
                               void *scratch);

/* One instruction set.  The lookups return NULL where there is no kernel. `variant`: flags SA, SB,
 * SC. */
typedef struct pbp_isa {
    const char *name;
    pbp_status (*run)(pbp_sweep *sweep);
    pbp_map_kernel (*map)(uint32_t row, uint32_t dtype, uint32_t variant);
    pbp_map_kernel (*special)(uint32_t row, uint32_t dtype, uint32_t variant);
    pbp_sweep_kernel (*reduce)(uint32_t row, uint32_t dtype, bool columns);
    pbp_sweep_kernel (*linalg)(uint32_t row, uint32_t dtype);
    pbp_matmul_f64 matmul_f64;
    pbp_matmul_f32 matmul_f32;
    pbp_matmul_scratch scratch_f64, scratch_f32;
    pbp_fft_f64 fft_f64;
    pbp_fft_f32 fft_f32;
    pbp_sparse_f64 sparse_f64;
    pbp_sparse_f32 sparse_f32;
} pbp_isa;

/* cpu.c: the best of this processor, or the one that the environment variable PYBACKPROP_ISA names
 * (base, v3, v4). */
const pbp_isa *pbp_isa_choose(void);

/* What the per-instruction-set files export; the suffix is PBP_ISA. */
#define PBP_PASTE_(x, y) x##_##y
#define PBP_PASTE(x, y) PBP_PASTE_(x, y)
#define PBP_ISA_NAME(x) PBP_PASTE(x, PBP_ISA)
#define PBP_DECLARE_ISA(isa)                                                                       \
    pbp_status pbp_run_loop_##isa(pbp_sweep *sweep);                                               \
    pbp_map_kernel pbp_map_find_##isa(uint32_t row, uint32_t dtype, uint32_t variant);             \
    pbp_map_kernel pbp_special_find_##isa(uint32_t row, uint32_t dtype, uint32_t variant);         \
    pbp_sweep_kernel pbp_reduce_find_##isa(uint32_t row, uint32_t dtype, bool columns);            \
    pbp_sweep_kernel pbp_linalg_find_##isa(uint32_t row, uint32_t dtype);                          \
    void pbp_fft_f64_##isa(const int64_t *params, int64_t first, int64_t end, double *d,           \
                           const double *a, const double *b, const double *table);                 \
    void pbp_fft_f32_##isa(const int64_t *params, int64_t first, int64_t end, float *d,            \
                           const float *a, const float *b, const float *table);                    \
    bool pbp_sparse_f64_##isa(const int64_t *params, int64_t first, int64_t end, double *d,        \
                              const double *values, const int64_t *pattern, const double *c,       \
                              void *scratch);                                                      \
    bool pbp_sparse_f32_##isa(const int64_t *params, int64_t first, int64_t end, float *d,         \
                              const float *values, const int64_t *pattern, const float *c,         \
                              void *scratch);
PBP_DECLARE_ISA(base)
PBP_DECLARE_ISA(v3)
PBP_DECLARE_ISA(v4)

/* Kernels without an instruction set of their own, for integers and truth values; they heed the
 * inner strides. */
pbp_shaped_kernel pbp_int_find(uint32_t row, uint32_t dtype);
bool pbp_int_any_negative(uint32_t dtype, const pbp_shape *shape, const char *b);
pbp_shaped_kernel pbp_cast_find(uint32_t to, uint32_t from);
pbp_sweep_kernel pbp_int_reduce_find(uint32_t row, uint32_t dtype);
pbp_sweep_kernel pbp_cumulate_find(uint32_t row, uint32_t dtype);
pbp_sweep_kernel pbp_sort_find(uint32_t row, uint32_t dtype);

/* n elements d[i] += a[i]; strides in bytes. */
typedef void (*pbp_add_kernel)(int64_t n, char *d, int64_t d_stride, const char *a,
                               int64_t a_stride);
pbp_add_kernel pbp_add_find(uint32_t dtype);

pbp_status pbp_power_checked(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                             const char *b);
pbp_status pbp_fft_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                       const char *b);
pbp_status pbp_sparse_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b);
int64_t pbp_sparse_scratch_bytes(const int64_t *params, int64_t item);
/* The same from native code. */
pbp_status pbp_sparse_product(bool single, const int64_t *params, pbp_sweep *sweep, void *d,
                              const void *a, const void *b, const void *c);
pbp_status pbp_copy_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b);
pbp_status pbp_zero_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b);
pbp_status pbp_gather_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b);
pbp_status pbp_scatter_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                           const char *b);
pbp_status pbp_wrap_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b);
pbp_status pbp_matmul_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b);

/* ---- tape, workspace, run
 * ----------------------------------------------------------------------------------------- */

enum pbp_base_kind {
    PBP_BASE_ARENA,
    PBP_BASE_CONST,
    PBP_BASE_INPUT,
    PBP_BASE_OUTPUT,
    PBP_BASE_LOOP
};

typedef struct pbp_base {
    uint32_t kind, parent, loop;
    uint32_t root; /* the base of kind other than LOOP that it lies in */
    int64_t offset, bump, size;
    int64_t low, high; /* smallest and largest start over all steps, from the start of root */
    int64_t alignment; /* its address is a multiple of this */
} pbp_base;

typedef struct pbp_loop {
    int64_t trip, cost; /* cost: estimated nanoseconds of one step */
    uint32_t first_base, n_bases, frame;
    uint32_t begin, end; /* instruction numbers in the file */
    uint32_t code_begin, code_end;
    uint32_t parent;      /* enclosing loop or PBP_NONE */
    uint32_t inner_frame; /* frame base that is current inside, or PBP_NONE */
    uint32_t outer_frame; /* the same outside */
    bool dead;            /* never runs: trip 0, here or further out */
    bool parallel;        /* steps may run at the same time */
} pbp_loop;

typedef struct pbp_operand {
    uint32_t base, dtype;
    int64_t offset;
} pbp_operand;

/* An instruction as it is in the file, its op replaced by a row number. */
typedef struct pbp_instruction {
    uint16_t row, flags;
    uint32_t params, d, a, b, c;
} pbp_instruction;

struct pbp_tape {
    const pbp_isa *isa;
    pbp_tape_info info;
    uint32_t n_code, n_ops, n_operands, n_bases, n_aliases;
    int64_t n_params, image_bytes, consts_bytes, labels_bytes;
    int64_t scratch_bytes;
    bool polls; /* long enough to call the poll function at all */
    pbp_code *code;
    pbp_array_op *ops;
    pbp_instruction *instructions;
    pbp_operand *operands;
    pbp_base *bases;
    pbp_loop *loops;
    int64_t *params;
    int64_t *plans; /* of COPY: see kernels_copy.c */
    char *consts;
    pbp_array *arrays; /* inputs, then outputs */
    uint32_t *aliases; /* pairs: output, input */
    char *labels;      /* ends with a zero, or NULL */
    pbp_native native; /* runs instead of the sweep loop, or NULL */
    uint32_t *loop_of; /* per instruction: the innermost loop it lies in, or PBP_NONE */
};

struct pbp_workspace {
    const pbp_tape *tape;
    void *block; /* as allocated */
    char *arena;
    char **bases;
    int64_t *counters; /* per loop: steps left */
    char *scratch;
};

/* One run. */
struct pbp_sweep {
    const pbp_tape *tape;
    const pbp_workspace *workspace;
    char *const *bases;
    pbp_poll poll; /* NULL: never */
    void *poll_context;
    int64_t budget;       /* nanoseconds of work left until the next poll */
    uint32_t instruction; /* of a failure */
    int64_t values[2];
    const char *reason;
    pbp_pool *pool;          /* NULL: one thread */
    const pbp_code *start;   /* where the loop begins to walk */
    const char *start_frame; /* the frame there, or NULL */
};

/* What runs the steps of a parallel loop of native code. */
typedef struct pbp_native_steps {
    pbp_native_part part;
    const void *const *inputs;
    void *const *outputs;
    char *arena;
    const char *consts;
} pbp_native_steps;

/* pool.c: all steps of a parallel loop, on the threads of the sweep's pool; native: NULL, or what
 * runs them in place of the sweep loop. */
pbp_status pbp_parallel_run(pbp_sweep *sweep, uint32_t loop, int64_t trip,
                            const pbp_native_steps *native);

#define PBP_POLL_NANOSECONDS 10000000

/* Counts work; PBP_INTERRUPTED if it was time to poll and the caller wants to stop. */
pbp_status pbp_sweep_poll(pbp_sweep *sweep, int64_t nanoseconds);

/* ---- load ---- */

/* Fills the error, if any, and returns the status. */
pbp_status pbp_fail(pbp_error *error, pbp_status status, uint32_t instruction, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));

/* container.c: sections and tables as they are in the file. */
pbp_status pbp_container_read(pbp_tape *tape, const char *bytes, size_t size, pbp_error *error);

/* layout.c: loops and bases. */
pbp_status pbp_layout_check(pbp_tape *tape, pbp_error *error);

/* What one instruction touches of one operand: bytes [low, high) of its base's window, in pieces of
   `inner` bytes whose distances are multiples of `period` (0: one piece). */
typedef struct pbp_reach {
    const pbp_operand *operand;
    int64_t low, high, inner, period;
    bool some; /* false: nothing */
} pbp_reach;

/* overlap.c: whether two reaches can share a byte at any step of the loops; `*exact` is set if they
   start at the same byte at every step. */
bool pbp_reach_overlaps(const pbp_tape *tape, const pbp_reach *x, const pbp_reach *y, bool *exact);

/* validate.c: one instruction, into a record; `*runs` is false if it has nothing to do.  `plan`
 * takes the plan of a COPY. */
pbp_status pbp_instruction_check(const pbp_tape *tape, uint32_t number, pbp_array_op *op,
                                 int64_t *plan, bool *runs, pbp_error *error);
uint64_t pbp_workspace_bytes(const pbp_tape *tape);
int64_t pbp_matmul_scratch_bytes(const pbp_tape *tape, const pbp_array_op *op);

/* native.c: a run by the tape's native function. */
pbp_status pbp_native_run(pbp_sweep *sweep);
pbp_status pbp_native_step(const pbp_native_steps *steps, pbp_sweep *sweep, int64_t number);

/* instr.c: picoseconds per element. */
int64_t pbp_row_cost(uint32_t row);
const char *pbp_row_name(uint32_t row);

int64_t pbp_dtype_bytes(uint32_t dtype); /* 0 for an unknown one */
/* Of inputs and outputs, which may be complex: pairs of floats, and instructions see these. */
int64_t pbp_array_item_bytes(uint32_t dtype);
int64_t pbp_array_alignment(uint32_t dtype);
const char *pbp_dtype_name(uint32_t dtype);

/* Memory.  Built with PBP_TEST_ALLOC, a test decides which allocation fails. */
#ifdef PBP_TEST_ALLOC
void *pbp_test_alloc(size_t bytes);
#define pbp_alloc(bytes) pbp_test_alloc(bytes)
#else
#define pbp_alloc(bytes) malloc(bytes)
#endif

#endif
