/* Checks loops and bases: that LOOP_BEGIN and LOOP_END nest, that every window stays inside its
   parent at the first and the last step, and works out what instructions are checked against: which
   loop each lies in, and for each base its root, the range of its starts there and its alignment.
 */
#include "core.h"

#include <stdlib.h>

#define FAIL(instruction, ...) return pbp_fail(error, PBP_ERROR_FORMAT, instruction, __VA_ARGS__)

/* The largest power of two, up to 64, that divides x. */
static int64_t alignment_of(int64_t x)
{
    const uint64_t low = (uint64_t)x & (0 - (uint64_t)x);
    return low == 0 || low > 64 ? 64 : (int64_t)low;
}

static int64_t smaller(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* Bases 0, 1, inputs, outputs; then only LOOP. */
static pbp_status check_fixed_bases(pbp_tape *tape, pbp_error *error)
{
    const uint64_t fixed = 2 + (uint64_t)tape->info.n_inputs + tape->info.n_outputs;
    if (tape->n_bases < fixed) {
        FAIL(PBP_NONE, "there are %u bases, fewer than arena, constants, inputs and outputs",
             tape->n_bases);
    }
    for (uint32_t i = 0; i < tape->n_bases; i++) {
        pbp_base *base = &tape->bases[i];
        const uint32_t kind = i < 2                         ? i
                              : i < 2 + tape->info.n_inputs ? PBP_BASE_INPUT
                              : i < fixed                   ? PBP_BASE_OUTPUT
                                                            : PBP_BASE_LOOP;
        if (base->kind != kind) {
            FAIL(PBP_NONE, "base %u is of kind %u instead of %u", i, base->kind, kind);
        }
        if (kind == PBP_BASE_LOOP) {
            if (base->loop >= tape->info.n_loops || base->size < 0 ||
                i < tape->loops[base->loop].first_base ||
                i - tape->loops[base->loop].first_base >= tape->loops[base->loop].n_bases) {
                FAIL(PBP_NONE, "base %u belongs to no loop", i);
            }
            continue;
        }
        const int64_t size = i == 0   ? (int64_t)tape->info.arena_bytes
                             : i == 1 ? tape->consts_bytes
                                      : (int64_t)tape->arrays[i - 2].bytes;
        if (base->size != size) {
            FAIL(PBP_NONE, "base %u has %lld bytes instead of %lld", i, (long long)base->size,
                 (long long)size);
        }
        base->root = i;
        base->low = base->high = 0;
        base->offset = base->bump = 0;
        base->alignment = i < 2 ? 64 : pbp_array_alignment(tape->arrays[i - 2].dtype);
    }
    return PBP_OK;
}

/* One window; the parent's loop has been entered already. */
static pbp_status enter_base(pbp_tape *tape, uint32_t number, uint32_t in_loop, pbp_error *error)
{
    pbp_base *base = &tape->bases[number];
    const pbp_loop *loop = &tape->loops[in_loop];
    if (base->kind != PBP_BASE_LOOP || base->loop != in_loop) {
        FAIL(loop->begin, "base %u does not belong to loop %u", number, in_loop);
    }
    if (base->parent >= tape->n_bases) {
        FAIL(loop->begin, "base %u has an unknown parent", number);
    }
    const pbp_base *parent = &tape->bases[base->parent];
    if (parent->kind == PBP_BASE_LOOP) {
        const pbp_loop *outer = &tape->loops[parent->loop];
        /* Set at the outer loop's LOOP_BEGIN, of which code_begin is a mark here. */
        if (outer->code_begin == 0 || outer->begin >= loop->begin || outer->end <= loop->end) {
            FAIL(loop->begin,
                 "the parent of base %u belongs to a loop that does not enclose its own", number);
        }
    }
    base->root = parent->root;
    base->alignment =
        smaller(parent->alignment, smaller(alignment_of(base->offset), alignment_of(base->bump)));
    base->low = parent->low;
    base->high = parent->high;
    if (loop->dead) {
        return PBP_OK;
    }
    int64_t travel, low, high, end;
    if (__builtin_mul_overflow(loop->trip - 1, base->bump, &travel) ||
        __builtin_add_overflow(base->offset, travel < 0 ? travel : 0, &low) ||
        __builtin_add_overflow(base->offset, travel > 0 ? travel : 0, &high) ||
        __builtin_add_overflow(high, base->size, &end) || low < 0 || end > parent->size) {
        FAIL(loop->begin, "the window of base %u leaves base %u", number, base->parent);
    }
    /* Within the root's size, so no overflow. */
    base->low += low;
    base->high += high;
    return PBP_OK;
}

static pbp_status enter_loop(pbp_tape *tape, uint32_t number, uint32_t parent, uint32_t begin,
                             pbp_error *error)
{
    pbp_loop *loop = &tape->loops[number];
    if (loop->begin != begin || loop->end <= begin || loop->end >= tape->info.n_instructions ||
        loop->code_begin != 0) {
        FAIL(begin, "loop %u does not begin at instruction %u", number, begin);
    }
    if (parent != PBP_NONE && loop->end >= tape->loops[parent].end) {
        FAIL(begin, "loop %u ends after the loop around it", number);
    }
    if (loop->trip < 0 || loop->first_base > tape->n_bases ||
        loop->n_bases > tape->n_bases - loop->first_base) {
        FAIL(begin, "loop %u has an impossible number of steps or bases", number);
    }
    for (uint32_t outer = parent; loop->parallel && outer != PBP_NONE;) {
        if (tape->loops[outer].parallel) {
            FAIL(begin, "loop %u is parallel inside a parallel loop", number);
        }
        outer = tape->loops[outer].parent;
    }
    loop->parent = parent;
    loop->dead = loop->trip == 0 || (parent != PBP_NONE && tape->loops[parent].dead);
    loop->outer_frame = parent == PBP_NONE ? PBP_NONE : tape->loops[parent].inner_frame;
    for (uint32_t i = 0; i < loop->n_bases; i++) {
        const pbp_status status = enter_base(tape, loop->first_base + i, number, error);
        if (status != PBP_OK) {
            return status;
        }
    }
    loop->code_begin = 1;
    loop->inner_frame = loop->outer_frame;
    if (loop->frame != PBP_NONE) {
        const pbp_base *frame = loop->frame < tape->n_bases ? &tape->bases[loop->frame] : NULL;
        if (frame == NULL ||
            (frame->kind == PBP_BASE_LOOP &&
             (tape->loops[frame->loop].code_begin == 0 || tape->loops[frame->loop].begin > begin ||
              tape->loops[frame->loop].end < loop->end))) {
            FAIL(begin, "the frame of loop %u is no base of it or of a loop around it", number);
        }
        if (tape->bases[frame->root].kind != PBP_BASE_ARENA || frame->alignment < 8) {
            FAIL(begin, "the frame of loop %u is not in the arena, or not aligned to 8 bytes",
                 number);
        }
        loop->inner_frame = loop->frame;
    }
    return PBP_OK;
}

pbp_status pbp_layout_check(pbp_tape *tape, pbp_error *error)
{
    const uint32_t n = tape->info.n_instructions;
    uint32_t current = PBP_NONE, entered = 0;
    pbp_status status = check_fixed_bases(tape, error);
    if (status != PBP_OK) {
        return status;
    }
    tape->loop_of = pbp_alloc(((size_t)n + 1) * sizeof *tape->loop_of);
    if (tape->loop_of == NULL) {
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the tape");
    }
    for (uint32_t i = 0; i < n; i++) {
        const pbp_instruction *in = &tape->instructions[i];
        tape->loop_of[i] = current;
        if (in->row == PBP_ROW_LOOP_BEGIN) {
            if (in->d >= tape->info.n_loops) {
                FAIL(i, "instruction %u begins an unknown loop", i);
            }
            status = enter_loop(tape, in->d, current, i, error);
            if (status != PBP_OK) {
                return status;
            }
            current = in->d;
            entered++;
        } else if (in->row == PBP_ROW_LOOP_END) {
            if (current == PBP_NONE || in->d != current || tape->loops[current].end != i) {
                FAIL(i, "instruction %u ends a loop that is not the innermost one", i);
            }
            current = tape->loops[current].parent;
            tape->loop_of[i] = current;
        }
    }
    if (current != PBP_NONE || entered != tape->info.n_loops) {
        FAIL(PBP_NONE, "a loop does not begin or does not end");
    }
    return PBP_OK;
}
