/* Native code in place of the sweep loop: a function that was emitted from the same tape (see
   docs/native.md), compiled and loaded by the caller.

   It gets the buffers of a run and a host, through which it polls, has large matrix products
   computed by the core's kernels, hands out the steps of parallel loops, and says which instruction
   failed.  Everything else it does by itself; the arena is its own to lay out, so the tape's image
   is not in it. */
#include "core.h"

#include <string.h>

/* The host that emitted code sees, and behind it the run. */
typedef struct native_run {
    pbp_native_host host;
    pbp_sweep *sweep;
} native_run;

static int native_poll(pbp_native_host *host, int64_t nanoseconds)
{
    return pbp_sweep_poll(((native_run *)(void *)host)->sweep, nanoseconds) != PBP_OK;
}

static int native_matmul(pbp_native_host *host, int single, const int64_t *params, void *c,
                         const void *a, const void *b, int accumulate)
{
    pbp_array_op op;
    memset(&op, 0, sizeof op);
    op.params = params;
    op.a_dtype = single ? PBP_FLOAT32 : PBP_FLOAT64;
    op.flags = accumulate ? PBP_FLAG_ACC : 0;
    return (int)pbp_matmul_run(&op, ((native_run *)(void *)host)->sweep, c, a, b);
}

static int native_sparse(pbp_native_host *host, int single, const int64_t *params, void *d,
                         const void *a, const void *b, const void *c)
{
    pbp_sweep *sweep = ((native_run *)(void *)host)->sweep;
    return (int)pbp_sparse_product(single, params, sweep, d, a, b, c);
}

static int native_linalg(pbp_native_host *host, uint32_t row, int single, const int64_t *params,
                         void *d, const void *a, const void *b)
{
    pbp_sweep *sweep = ((native_run *)(void *)host)->sweep;
    const uint32_t dtype = single ? PBP_FLOAT32 : PBP_FLOAT64;
    const pbp_sweep_kernel kernel = sweep->tape->isa->linalg(row, dtype);
    pbp_array_op op;
    memset(&op, 0, sizeof op);
    op.params = params;
    op.row = (uint16_t)row;
    op.a_dtype = op.d_dtype = (uint16_t)dtype;
    const pbp_status status = kernel != NULL ? kernel(&op, sweep, d, a, b) : PBP_ERROR_VERSION;
    host->values[0] = sweep->values[0];
    return (int)status;
}

static int native_parallel(pbp_native_host *host, pbp_native_part part, int64_t steps,
                           const void *const *inputs, void *const *outputs, char *arena,
                           const char *consts)
{
    pbp_sweep *sweep = ((native_run *)(void *)host)->sweep;
    if (sweep->pool == NULL) {
        return part(inputs, outputs, arena, consts, host, 0, steps);
    }
    const pbp_native_steps native = {part, inputs, outputs, arena, consts};
    const pbp_status status = pbp_parallel_run(sweep, PBP_NONE, steps, &native);
    host->instruction = sweep->instruction;
    host->values[0] = sweep->values[0];
    host->values[1] = sweep->values[1];
    return (int)status;
}

static native_run begin(pbp_sweep *sweep)
{
    native_run run;
    run.host.poll = native_poll;
    run.host.matmul = native_matmul;
    run.host.sparse = native_sparse;
    run.host.linalg = native_linalg;
    run.host.parallel = native_parallel;
    run.host.instruction = 0;
    run.host.values[0] = run.host.values[1] = 0;
    run.sweep = sweep;
    return run;
}

static pbp_status end(const native_run *run, int status)
{
    pbp_sweep *sweep = run->sweep;
    sweep->instruction =
        run->host.instruction < sweep->tape->info.n_instructions ? run->host.instruction : 0;
    sweep->values[0] = run->host.values[0];
    sweep->values[1] = run->host.values[1];
    if (status != PBP_ERROR_LINALG) {
        sweep->reason =
            status == PBP_ERROR_DOMAIN ? "an integer to a negative integer power" : NULL;
    }
    return (pbp_status)status;
}

pbp_status pbp_native_run(pbp_sweep *sweep)
{
    const pbp_tape *tape = sweep->tape;
    char *const *bases = sweep->workspace->bases + 2;
    native_run run = begin(sweep);
    return end(&run, tape->native((const void *const *)bases,
                                  (void *const *)(bases + tape->info.n_inputs),
                                  sweep->workspace->arena, tape->consts, &run.host));
}

pbp_status pbp_native_step(const pbp_native_steps *steps, pbp_sweep *sweep, int64_t number)
{
    native_run run = begin(sweep);
    return end(&run, steps->part(steps->inputs, steps->outputs, steps->arena, steps->consts,
                                 &run.host, number, number + 1));
}

pbp_status pbp_tape_set_native(pbp_tape *tape, pbp_native function, uint64_t arena_bytes)
{
    if (tape == NULL || function == NULL) {
        return PBP_ERROR_ARGUMENT;
    }
    tape->native = function;
    if (arena_bytes > tape->info.arena_bytes) {
        tape->info.arena_bytes = arena_bytes;
    }
    tape->info.workspace_bytes = pbp_workspace_bytes(tape);
    return PBP_OK;
}
