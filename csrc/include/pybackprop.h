/* pybackprop.h - the public interface of the tape core.

   A tape is a compiled function: a flat array of instructions over one block of memory (the arena).  It is loaded from
   bytes, validated once, and from then on immutable: any number of threads may run one tape at the same
   time, each with a workspace of its own.  docs/tape.md describes the layout of the bytes.  The core has no global mutable
   state, never aborts, and writes nothing to standard output or error.

   Functions that can fail return a pbp_status; where they take a pbp_error * it may be NULL, and is filled in on failure
   only.  Results go through out-pointers, which are set to NULL on failure. */

#ifndef PYBACKPROP_H
#define PYBACKPROP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PBP_TAPE_VERSION 1
#define PBP_NONE UINT32_MAX
#define PBP_MAX_NDIM 32

typedef enum pbp_status {
    PBP_OK = 0,
    PBP_ERROR_MEMORY = 1,   /* an allocation failed */
    PBP_ERROR_FORMAT = 2,   /* the bytes are not a valid tape */
    PBP_ERROR_VERSION = 3,  /* a version or an instruction that this core does not know */
    PBP_ERROR_ARGUMENT = 4, /* a call's argument is wrong */
    PBP_ERROR_INDEX = 5,    /* an index of a gather or scatter is out of range */
    PBP_ERROR_DOMAIN = 6,   /* an operation with no defined result, such as 2 ** -1 in integers */
    PBP_ERROR_ALIAS = 7,    /* buffers overlap in a way that the tape does not allow */
    PBP_INTERRUPTED = 8,    /* the poll callback asked to stop */
    PBP_ERROR_LINALG = 9    /* a singular or not positive definite matrix, or no convergence */
} pbp_status;

typedef struct pbp_error {
    pbp_status status;
    uint32_t instruction; /* the instruction concerned, or PBP_NONE */
    /* PBP_ERROR_INDEX: the index and the bound; PBP_ERROR_LINALG: which matrix of the batch. */
    int64_t values[2];
    char message[232]; /* zero-terminated English text */
} pbp_error;

typedef enum pbp_dtype {
    PBP_BOOL = 0,
    PBP_INT8,
    PBP_UINT8,
    PBP_INT16,
    PBP_UINT16,
    PBP_INT32,
    PBP_UINT32,
    PBP_INT64,
    PBP_UINT64,
    PBP_FLOAT32,
    PBP_FLOAT64,
    PBP_COMPLEX64,
    PBP_COMPLEX128
} pbp_dtype;

/* An input or output: C-contiguous, aligned to its item. */
typedef struct pbp_array {
    uint32_t dtype;
    uint32_t ndim;
    uint64_t bytes;
    int64_t shape[PBP_MAX_NDIM];
} pbp_array;

typedef struct pbp_tape_info {
    uint32_t n_inputs, n_outputs, n_instructions, n_loops;
    uint32_t reverse_start;   /* number of the first instruction of the reverse section */
    uint64_t arena_bytes;     /* what the plan needs */
    uint64_t workspace_bytes; /* what pbp_workspace_new allocates: arena, tables, scratch */
    uint64_t cost;            /* estimated nanoseconds of one run */
} pbp_tape_info;

typedef struct pbp_tape pbp_tape;
typedef struct pbp_workspace pbp_workspace;
typedef struct pbp_pool pbp_pool;

/* Called between instructions and loop steps at most every 50 ms of work or so, on the thread that
   called pbp_run.  A result other than 0 stops the run with PBP_INTERRUPTED; the workspace stays usable. */
typedef int (*pbp_poll)(void *context);

typedef struct pbp_run_options {
    pbp_poll poll; /* or NULL */
    void *poll_context;
    pbp_pool *pool; /* or NULL: one thread */
} pbp_run_options;

/* Copies what it needs; the bytes may be freed afterwards.  Free with pbp_tape_free once no run uses it. */
pbp_status pbp_tape_load(const void *bytes, size_t size, pbp_tape **out, pbp_error *error);
void pbp_tape_free(pbp_tape *tape);
void pbp_tape_info_get(const pbp_tape *tape, pbp_tape_info *out);
pbp_status pbp_tape_input(const pbp_tape *tape, uint32_t index, pbp_array *out);
pbp_status pbp_tape_output(const pbp_tape *tape, uint32_t index, pbp_array *out);

/* The disassembly as zero-terminated text; writes at most size bytes and returns the length it needs (without the zero),
   like snprintf. */
size_t pbp_tape_print(const pbp_tape *tape, char *text, size_t size);

/* A workspace belongs to one tape and to one thread at a time. */
pbp_status pbp_workspace_new(const pbp_tape *tape, pbp_workspace **out, pbp_error *error);
void pbp_workspace_free(pbp_workspace *workspace);

/* Runs the tape.  inputs and outputs are arrays of pointers in the tape's order; buffers have the sizes that
   pbp_tape_input and pbp_tape_output give.  Buffers must not overlap but as pbp_check_aliases allows (it is not called
   here).  Nothing is allocated.  On failure the outputs hold anything. */
pbp_status pbp_run(const pbp_tape *tape, pbp_workspace *workspace, const void *const *inputs,
                   void *const *outputs, const pbp_run_options *options, pbp_error *error);

/* What native code may ask of the core during a run, see pbp_tape_set_native. */
typedef struct pbp_native_host pbp_native_host;

/* Some steps of a parallel loop: those from first on, before last.  Returns a pbp_status. */
typedef int (*pbp_native_part)(const void *const *inputs, void *const *outputs, char *arena,
                               const char *consts, pbp_native_host *host, int64_t first,
                               int64_t last);

struct pbp_native_host {
    /* To be called after that much work; not 0: stop with PBP_INTERRUPTED. */
    int (*poll)(pbp_native_host *host, int64_t nanoseconds);
    /* As the instruction MATMUL: params as docs/tape.md lists them, float32 if single.  Returns a pbp_status. */
    int (*matmul)(pbp_native_host *host, int single, const int64_t *params, void *c, const void *a,
                  const void *b, int accumulate);
    /* As the instruction SPARSE_MATMUL: params as docs/tape.md lists them, float32 if single.  Returns a pbp_status. */
    int (*sparse)(pbp_native_host *host, int single, const int64_t *params, void *d, const void *a,
                  const void *b, const void *c);
    /* As the row of that number of pybackprop_instr.def, of the group "linalg"; params as docs/tape.md lists them.
       Returns a pbp_status. */
    int (*linalg)(pbp_native_host *host, uint32_t row, int single, const int64_t *params,
                  void *d, const void *a, const void *b);
    /* All steps of a parallel loop, on the threads of the run; each of them gets a host of its own.  Returns a
       pbp_status. */
    int (*parallel)(pbp_native_host *host, pbp_native_part part, int64_t steps,
                    const void *const *inputs, void *const *outputs, char *arena,
                    const char *consts);
    uint32_t instruction; /* set on failure: the instruction concerned */
    int64_t values[2];    /* set on PBP_ERROR_INDEX: the index and the bound */
};

/* Emitted code of a whole tape.  consts is the tape's section of that name; returns a pbp_status. */
typedef int (*pbp_native)(const void *const *inputs, void *const *outputs, void *arena,
                          const void *consts, pbp_native_host *host);

/* Has pbp_run call a function emitted from this very tape, which needs an arena of arena_bytes, instead of
   interpreting it.  To be called before the first workspace is made and before the tape is shared; the function must stay
   loaded as long as the tape.  The caller vouches for the function: nothing can be checked. */
pbp_status pbp_tape_set_native(pbp_tape *tape, pbp_native function, uint64_t arena_bytes);

/* PBP_ERROR_ALIAS if an output overlaps another output, or an input in a way that the tape does not list as allowed. */
pbp_status pbp_check_aliases(const pbp_tape *tape, const void *const *inputs, void *const *outputs,
                             pbp_error *error);

/* A pool of threads for tiles.  It remembers the process that made it: in a forked child it runs on
   the calling thread alone until it is made anew. */
pbp_status pbp_pool_new(uint32_t threads, pbp_pool **out, pbp_error *error);
void pbp_pool_free(pbp_pool *pool);
uint32_t pbp_pool_threads(const pbp_pool *pool);

/* The instruction table, for front ends: rows 0 .. count-1. */
typedef struct pbp_instruction_row {
    const char *name;
    const char *group;      /* "map", "compare", "reduce", ...: as in docs/tape.md */
    uint32_t arity;         /* number of operands besides d */
    uint32_t dtypes;        /* bit mask of 1 << pbp_dtype, of operand a (of b for select) */
    uint32_t scalar;        /* 1 if there is a scalar-class form */
    const char *text;       /* the effect, in register notation */
    const char *expression; /* C expression for emitted code, or NULL */
} pbp_instruction_row;

uint32_t pbp_instruction_count(void);
pbp_status pbp_instruction_get(uint32_t number, pbp_instruction_row *out);

const char *pbp_version(void);
/* The kernels in use: "x86-64", "x86-64-v3", "x86-64-v4" or "generic". */
const char *pbp_instruction_set(void);
const char *pbp_status_name(pbp_status status);

#ifdef __cplusplus
}
#endif

#endif
