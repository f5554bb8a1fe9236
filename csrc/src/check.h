/* What the checks of instructions share (validate.c, validate_array.c): the instruction under
   check, and helpers that look at an operand, stretch its reach over the axes of an instruction,
   and compare it with its base. */
#ifndef PBP_CHECK_H
#define PBP_CHECK_H

#include "core.h"

#define MAX_EXTENT ((int64_t)1 << 47)

typedef struct check {
    const pbp_tape *tape;
    const pbp_instruction *in;
    uint32_t number;
    pbp_array_op *op;
    int64_t *plan;
    bool runs;
    pbp_instruction_row row;
    const int64_t *params;
    pbp_reach d, a, b, c;
    pbp_error *error;
} check;

#define FAIL(text, ...)                                                                            \
    return pbp_fail(k->error, PBP_ERROR_FORMAT, k->number, "instruction %u (%s): " text,           \
                    k->number, k->row.name, ##__VA_ARGS__)
#define TRY(call)                                                                                  \
    do {                                                                                           \
        const pbp_status status_ = (call);                                                         \
        if (status_ != PBP_OK) {                                                                   \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

/* ---- pieces ---- */

static inline bool in_loop(const check *k, uint32_t loop)
{
    return k->tape->loops[loop].begin < k->number && k->number < k->tape->loops[loop].end;
}

static inline bool in_dead_loop(const check *k)
{
    const uint32_t loop = k->tape->loop_of[k->number];
    return loop != PBP_NONE && k->tape->loops[loop].dead;
}

/* Whether x can be written: not constant, not input, not image. */
static inline pbp_status check_write(const check *k, const pbp_base *base, int64_t low)
{
    const uint32_t kind = k->tape->bases[base->root].kind;
    if (kind == PBP_BASE_CONST || kind == PBP_BASE_INPUT) {
        FAIL("it writes to %s", kind == PBP_BASE_CONST ? "the constants" : "an input");
    }
    if (kind == PBP_BASE_ARENA && base->low + low < k->tape->image_bytes && !in_dead_loop(k)) {
        FAIL("it writes to the image of constants");
    }
    return PBP_OK;
}

static inline pbp_status check_operand(const check *k, uint32_t number, uint32_t dtypes,
                                       const char *name, pbp_reach *reach)
{
    if (number >= k->tape->n_operands) {
        FAIL("operand %s is not in the table", name);
    }
    const pbp_operand *operand = &k->tape->operands[number];
    if (operand->dtype > PBP_FLOAT64 || !(dtypes >> operand->dtype & 1)) {
        FAIL("operand %s has dtype %u", name, operand->dtype);
    }
    if (operand->base >= k->tape->n_bases) {
        FAIL("operand %s has an unknown base", name);
    }
    const pbp_base *base = &k->tape->bases[operand->base];
    if (base->kind == PBP_BASE_LOOP && !in_loop(k, base->loop)) {
        FAIL("operand %s uses a base outside its loop", name);
    }
    const int64_t item = pbp_dtype_bytes(operand->dtype);
    if (base->alignment < item || operand->offset % item != 0) {
        FAIL("operand %s is not aligned to its item", name);
    }
    *reach = (pbp_reach){.operand = operand, .low = operand->offset, .high = operand->offset};
    return PBP_OK;
}

/* The bytes from which `count` pieces, `stride` apart, of what was reached before are taken. Pieces
   that follow one another closely grow into one. */
static inline pbp_status extend(const check *k, pbp_reach *x, int64_t count, int64_t stride)
{
    int64_t travel;
    if (count == 0) {
        x->some = false;
    }
    if (count <= 1) {
        return PBP_OK;
    }
    if (__builtin_mul_overflow(count - 1, stride, &travel) || travel <= INT64_MIN / 2 ||
        travel >= INT64_MAX / 2 ||
        (travel < 0 && __builtin_add_overflow(x->low, travel, &x->low)) ||
        (travel > 0 && __builtin_add_overflow(x->high, travel, &x->high))) {
        FAIL("its extents are impossible");
    }
    if (x->period == 0 && stride == x->inner) {
        x->inner = x->high - x->low;
    } else if (stride != 0) {
        int64_t u = x->period, v = stride < 0 ? -stride : stride;
        while (v != 0) {
            const int64_t rest = u % v;
            u = v;
            v = rest;
        }
        x->period = u;
    }
    return PBP_OK;
}

/* Starts a reach with `count` items side by side. */
static inline pbp_status begin(const check *k, pbp_reach *x, int64_t count)
{
    const int64_t item = pbp_dtype_bytes(x->operand->dtype);
    x->some = count > 0;
    x->inner = item;
    if (__builtin_add_overflow(x->low, item, &x->high)) {
        FAIL("its offset is impossible");
    }
    return extend(k, x, count, item);
}

static inline pbp_status finish(const check *k, pbp_reach *x, const char *name, bool writes)
{
    const pbp_base *base = &k->tape->bases[x->operand->base];
    if (!x->some) {
        return PBP_OK;
    }
    if (x->low < 0 || x->high > base->size) {
        FAIL("operand %s reaches bytes %lld to %lld of a base of %lld", name, (long long)x->low,
             (long long)x->high, (long long)base->size);
    }
    return writes ? check_write(k, base, x->low) : PBP_OK;
}

static inline pbp_status check_flags(const check *k, uint32_t allowed)
{
    if (k->in->flags & ~allowed) {
        FAIL("flags %#x are not for it", k->in->flags & ~allowed);
    }
    return PBP_OK;
}

static inline pbp_status find_params(check *k, int64_t count)
{
    if ((int64_t)k->in->params > k->tape->n_params ||
        count > k->tape->n_params - (int64_t)k->in->params) {
        FAIL("its params are not in the table");
    }
    k->params = k->tape->params + k->in->params;
    k->op->params = k->params;
    return PBP_OK;
}

static inline pbp_status check_extents(const check *k, const int64_t *extents, int count)
{
    int64_t product = 1;
    for (int i = 0; i < count; i++) {
        if (extents[i] < 0 || extents[i] > MAX_EXTENT ||
            __builtin_mul_overflow(product, extents[i] + (extents[i] == 0), &product) ||
            product > MAX_EXTENT) {
            FAIL("its extents are impossible");
        }
    }
    return PBP_OK;
}

static inline pbp_status check_stride(const check *k, int64_t stride, int64_t item)
{
    if (stride % item != 0) {
        FAIL("a stride is no multiple of an item");
    }
    return PBP_OK;
}

static inline pbp_status check_apart(const check *k, const pbp_reach *x, const char *name)
{
    bool exact;
    if (x->operand != NULL && !in_dead_loop(k) && pbp_reach_overlaps(k->tape, &k->d, x, &exact)) {
        FAIL("d overlaps operand %s", name);
    }
    return PBP_OK;
}

static inline void set_place(uint32_t *base, int64_t *offset, const pbp_reach *x)
{
    *base = x->operand->base;
    *offset = x->operand->offset;
}

static inline void set_cost(check *k, int64_t elements, int64_t picoseconds)
{
    const double cost = (double)elements * (double)picoseconds / 1000.0 + 5.0;
    k->op->element_cost = picoseconds;
    k->op->cost = cost < 1e18 ? (int64_t)cost : (int64_t)1e18;
}

/* validate_linalg.c. */
pbp_status pbp_check_linalg(check *k);

/* validate_array.c: reductions, products, copies, indices, cumulation; elementwise ones are
 * validate.c's own. */
pbp_status pbp_check_reduce(check *k);
pbp_status pbp_check_matmul(check *k);
pbp_status pbp_check_copy(check *k);
pbp_status pbp_check_zero(check *k);
pbp_status pbp_check_index(check *k);
pbp_status pbp_check_wrap(check *k);
pbp_status pbp_check_sort(check *k);
pbp_status pbp_check_search(check *k);
pbp_status pbp_check_cumulate(check *k);
pbp_status pbp_check_fft(check *k);
pbp_status pbp_check_sparse(check *k);

#endif
