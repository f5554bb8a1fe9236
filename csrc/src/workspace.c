/* The workspace: everything that a run writes besides outputs, in one block

     arena | base pointers | loop counters | scratch of products

   each part on a 64-byte boundary.  The arena begins with the image, copied here once. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Where the parts begin; the end is the size. */
typedef struct parts {
    uint64_t bases, counters, scratch, end;
} parts;

static parts lay_out(const pbp_tape *tape)
{
    parts p;
    p.bases = rounded(tape->info.arena_bytes);
    p.counters = p.bases + rounded((uint64_t)tape->n_bases * sizeof(char *));
    p.scratch = p.counters + rounded((uint64_t)tape->info.n_loops * sizeof(int64_t));
    p.end = p.scratch + rounded((uint64_t)tape->scratch_bytes);
    return p;
}

uint64_t pbp_workspace_bytes(const pbp_tape *tape)
{
    return sizeof(pbp_workspace) + lay_out(tape).end + 64;
}

pbp_status pbp_workspace_new(const pbp_tape *tape, pbp_workspace **out, pbp_error *error)
{
    if (tape == NULL || out == NULL) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE, "tape or out is NULL");
    }
    *out = NULL;
    const parts p = lay_out(tape);
    pbp_workspace *workspace = pbp_alloc(sizeof *workspace);
    char *block = p.end < SIZE_MAX - 64 ? pbp_alloc((size_t)p.end + 64) : NULL;
    if (workspace == NULL || block == NULL) {
        free(workspace);
        free(block);
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE,
                        "no memory for a workspace of %llu bytes", (unsigned long long)p.end);
    }
    char *start = block + (64 - (uintptr_t)block % 64) % 64;
    workspace->tape = tape;
    workspace->block = block;
    workspace->arena = start;
    workspace->bases = (char **)(void *)(start + p.bases);
    workspace->counters = (int64_t *)(void *)(start + p.counters);
    workspace->scratch = start + p.scratch;
    memcpy(workspace->arena, tape->consts, (size_t)tape->image_bytes);
    for (uint32_t i = 0; i < tape->n_bases; i++) {
        workspace->bases[i] = workspace->arena;
    }
    workspace->bases[1] = tape->consts;
    *out = workspace;
    return PBP_OK;
}

void pbp_workspace_free(pbp_workspace *workspace)
{
    if (workspace != NULL) {
        free(workspace->block);
        free(workspace);
    }
}
