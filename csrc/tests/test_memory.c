/* Allocation failure: loading and making a workspace with the first, second, ... allocation failing
   give PBP_ERROR_MEMORY and leave nothing behind.  The files that allocate are compiled into this
   test with an allocator that fails on demand. */
#define PBP_TEST_ALLOC

#include "core.h"

#include <stdlib.h>

static int until_failure = -1, allocations;

void *pbp_test_alloc(size_t bytes)
{
    allocations++;
    return until_failure >= 0 && until_failure-- == 0 ? NULL : malloc(bytes);
}

/* The sources each have their own macros of these names. */
#include "container.c"
#undef FAIL
#undef TRY
#include "layout.c"
#undef FAIL
#include "workspace.c"
#define builder tape_builder
#define emit emit_code
#undef TRY
#include "tape.c"
#undef builder
#undef emit
#undef BIG

#include "tape_builder.h"

int main(void)
{
    builder *b = builder_new(256, 1, (double[]){2.0});
    const uint32_t in = input(b, PBP_FLOAT64, 6), o = output(b, PBP_FLOAT64, 6);
    emit2(b, "MUL", SB, ROW(b, 6), f64(b, o, 0), f64(b, in, 0), f64(b, 0, 0));
    emit1(b, "COPY", 0, PARAMS(b, 2, 2, 3, 24, 8, 8, 16), f64(b, 0, 64), f64(b, in, 0));
    const uint32_t loop = loop_begin(b, 2, 1, PBP_NONE);
    emit1(b, "ZERO", 0, PARAMS(b, 8), f64(b, loop_base(b, loop, 0, 128, 8, 8), 0), PBP_NONE);
    loop_end(b, loop);
    tape_bytes(b);
    int done = 0;
    for (int i = 0; i < 100 && !done; i++) {
        pbp_tape *tape = NULL;
        pbp_workspace *workspace = NULL;
        pbp_error error = {.status = PBP_OK, .message = ""};
        until_failure = i;
        pbp_status status = pbp_tape_load(b->bytes, b->size, &tape, &error);
        if (status == PBP_OK) {
            status = pbp_workspace_new(tape, &workspace, &error);
        }
        CHECK(status == (until_failure >= 0 ? PBP_OK : PBP_ERROR_MEMORY));
        if (status != PBP_OK && status != PBP_ERROR_MEMORY) {
            fprintf(stderr, "%s\n", error.message);
            break;
        }
        CHECK(status == error.status && (status == PBP_OK) == (workspace != NULL));
        done = status == PBP_OK;
        pbp_workspace_free(workspace);
        pbp_tape_free(tape);
    }
    CHECK(done && allocations > 20);
    free(b);
    return failures != 0;
}
