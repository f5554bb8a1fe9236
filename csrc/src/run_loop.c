/* The sweep loop: walks the code of a tape once, both classes of instructions, compiled once per
   instruction set so that the scalar class rounds as the vector kernels do (fused multiply-add, the
   same elementary functions).

   g is the arena, f the current frame, both seen as float64 slots.  A scalar instruction's number
   tells which of the two each operand is in, so that

     f[d] = g[a] + f[b]

   is one case of two loads, an addition, a store and the jump to the next case.  An array
   instruction adds its operands' offsets to base pointers, which loops move, and calls its kernel.
   Nothing is checked here: pbp_tape_load did. */
#include "core.h"
#include "float_math.h"
#include "simd_math.h"
#include "special_math.h"

#ifndef PBP_ISA
#define PBP_ISA base
#endif

#include "kernels_special.h"

#define T double
#define M(function) pbp_##function
#define L(function) function

/* Elementary functions stay out of line: the loop keeps its registers and its size. */
#define FUNCTION1(name, dtypes, function, cost, text)                                              \
    static __attribute__((noinline)) double call_##name(double a)                                  \
    {                                                                                              \
        return pbp_##function(a);                                                                  \
    }
#define FUNCTION2(name, dtypes, function, cost, text)                                              \
    static __attribute__((noinline)) double call_##name(double a, double b)                        \
    {                                                                                              \
        return pbp_##function(a, b);                                                               \
    }
#define SPECIAL1(name, dtypes, function, cost, text)
#define SPECIAL2(name, dtypes, function, cost, text)
#include "pybackprop_instr.def"

#if defined(__GNUC__) && !defined(PBP_SWITCH)
#define CASE(name, number) label_##name##_##number
#define NEXT                                                                                       \
    do {                                                                                           \
        ip++;                                                                                      \
        goto *labels[ip->op];                                                                      \
    } while (0)
#define AGAIN goto *labels[ip->op]
#else
#define CASE(name, number) case PBP_OP_##name + number
#define NEXT                                                                                       \
    do {                                                                                           \
        ip++;                                                                                      \
        goto again;                                                                                \
    } while (0)
#define AGAIN goto again
#endif

/* Rows as functions, for pairs. */
#define MAP1(name, dtypes, cost, expression, text)                                                 \
    static inline double do_##name(double a)                                                       \
    {                                                                                              \
        return expression;                                                                         \
    }
#define MAP2(name, dtypes, cost, expression, text)                                                 \
    static inline double do_##name(double a, double b)                                             \
    {                                                                                              \
        return expression;                                                                         \
    }
#define MAP3(name, dtypes, cost, expression, text)                                                 \
    static inline double do_##name(double a, double b, double c)                                   \
    {                                                                                              \
        return expression;                                                                         \
    }
#include "pybackprop_instr.def"

/* Two instructions that often follow one another, as one: what a step costs is its jump to the next
   rather than its arithmetic. */
#define PLACE_G(slot) g[slot]
#define PLACE_F(slot) f[slot]
#define PLACE_R(slot) t
#define DO1(code, row, D, A) PLACE_##D((code)->d) = t = do_##row(PLACE_##A((code)->a))
#define DO2(code, row, D, A, B)                                                                    \
    PLACE_##D((code)->d) = t = do_##row(PLACE_##A((code)->a), PLACE_##B((code)->b))
#define DO3(code, row, D, A, B, C)                                                                 \
    PLACE_##D((code)->d) = t =                                                                     \
        do_##row(PLACE_##A((code)->a), PLACE_##B((code)->b), PLACE_##C((code)->c))
#define UNWRAP(...) __VA_ARGS__
#define CALL(macro, ...) macro(__VA_ARGS__)

/* Slot number `slot` of the frame (in_frame 1) or the arena. */
#define SLOT(in_frame, slot) ((in_frame) ? f : g)[slot]

#define CASE1(name, number, D, A, EXPR)                                                            \
    CASE(name, number) :                                                                           \
    {                                                                                              \
        const double a = SLOT(A, ip->a);                                                           \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define CASE2(name, number, D, A, B, EXPR)                                                         \
    CASE(name, number) :                                                                           \
    {                                                                                              \
        const double a = SLOT(A, ip->a), b = SLOT(B, ip->b);                                       \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define CASE3(name, number, D, A, B, C, EXPR)                                                      \
    CASE(name, number) :                                                                           \
    {                                                                                              \
        const double a = SLOT(A, ip->a), b = SLOT(B, ip->b), c = SLOT(C, ip->c);                   \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define CASES1(name, EXPR)                                                                         \
    CASE1(name, 0, 0, 0, EXPR)                                                                     \
    CASE1(name, 1, 1, 0, EXPR)                                                                     \
    CASE1(name, 2, 0, 1, EXPR)                                                                     \
    CASE1(name, 3, 1, 1, EXPR)
#define CASES2(name, EXPR)                                                                         \
    CASE2(name, 0, 0, 0, 0, EXPR)                                                                  \
    CASE2(name, 1, 1, 0, 0, EXPR)                                                                  \
    CASE2(name, 2, 0, 1, 0, EXPR)                                                                  \
    CASE2(name, 3, 1, 1, 0, EXPR)                                                                  \
    CASE2(name, 4, 0, 0, 1, EXPR)                                                                  \
    CASE2(name, 5, 1, 0, 1, EXPR)                                                                  \
    CASE2(name, 6, 0, 1, 1, EXPR)                                                                  \
    CASE2(name, 7, 1, 1, 1, EXPR)
#define CASES3(name, EXPR)                                                                         \
    CASE3(name, 0, 0, 0, 0, 0, EXPR)                                                               \
    CASE3(name, 1, 1, 0, 0, 0, EXPR)                                                               \
    CASE3(name, 2, 0, 1, 0, 0, EXPR)                                                               \
    CASE3(name, 3, 1, 1, 0, 0, EXPR)                                                               \
    CASE3(name, 4, 0, 0, 1, 0, EXPR)                                                               \
    CASE3(name, 5, 1, 0, 1, 0, EXPR)                                                               \
    CASE3(name, 6, 0, 1, 1, 0, EXPR)                                                               \
    CASE3(name, 7, 1, 1, 1, 0, EXPR)                                                               \
    CASE3(name, 8, 0, 0, 0, 1, EXPR)                                                               \
    CASE3(name, 9, 1, 0, 0, 1, EXPR)                                                               \
    CASE3(name, 10, 0, 1, 0, 1, EXPR)                                                              \
    CASE3(name, 11, 1, 1, 0, 1, EXPR)                                                              \
    CASE3(name, 12, 0, 0, 1, 1, EXPR)                                                              \
    CASE3(name, 13, 1, 0, 1, 1, EXPR)                                                              \
    CASE3(name, 14, 0, 1, 1, 1, EXPR)                                                              \
    CASE3(name, 15, 1, 1, 1, 1, EXPR)

/* The same with one operand in t: the result of the instruction before.  A result that goes through
   memory comes back some seven cycles later, which is what a chain of dependent instructions would
   wait for. */
#define TASE1(name, number, D, EXPR)                                                               \
    CASE(name##_T, number) :                                                                       \
    {                                                                                              \
        const double a = t;                                                                        \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define TASE2(name, number, D, first, second, X, EXPR)                                             \
    CASE(name##_T, number) :                                                                       \
    {                                                                                              \
        const double first = t, second = SLOT(X, ip->second);                                      \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define TASE3(name, number, D, first, second, X, third, Y, EXPR)                                   \
    CASE(name##_T, number) :                                                                       \
    {                                                                                              \
        const double first = t, second = SLOT(X, ip->second), third = SLOT(Y, ip->third);          \
        SLOT(D, ip->d) = t = (EXPR);                                                               \
        NEXT;                                                                                      \
    }
#define TASES1(name, EXPR)                                                                         \
    TASE1(name, 0, 0, EXPR)                                                                        \
    TASE1(name, 1, 1, EXPR)
#define TASES2(name, EXPR)                                                                         \
    TASE2(name, 0, 0, a, b, 0, EXPR)                                                               \
    TASE2(name, 1, 1, a, b, 0, EXPR)                                                               \
    TASE2(name, 2, 0, a, b, 1, EXPR)                                                               \
    TASE2(name, 3, 1, a, b, 1, EXPR)                                                               \
    TASE2(name, 4, 0, b, a, 0, EXPR)                                                               \
    TASE2(name, 5, 1, b, a, 0, EXPR)                                                               \
    TASE2(name, 6, 0, b, a, 1, EXPR)                                                               \
    TASE2(name, 7, 1, b, a, 1, EXPR)
#define TASES3(name, EXPR)                                                                         \
    TASE3(name, 0, 0, a, b, 0, c, 0, EXPR)                                                         \
    TASE3(name, 1, 1, a, b, 0, c, 0, EXPR)                                                         \
    TASE3(name, 2, 0, a, b, 1, c, 0, EXPR)                                                         \
    TASE3(name, 3, 1, a, b, 1, c, 0, EXPR)                                                         \
    TASE3(name, 4, 0, a, b, 0, c, 1, EXPR)                                                         \
    TASE3(name, 5, 1, a, b, 0, c, 1, EXPR)                                                         \
    TASE3(name, 6, 0, a, b, 1, c, 1, EXPR)                                                         \
    TASE3(name, 7, 1, a, b, 1, c, 1, EXPR)                                                         \
    TASE3(name, 8, 0, b, a, 0, c, 0, EXPR)                                                         \
    TASE3(name, 9, 1, b, a, 0, c, 0, EXPR)                                                         \
    TASE3(name, 10, 0, b, a, 1, c, 0, EXPR)                                                        \
    TASE3(name, 11, 1, b, a, 1, c, 0, EXPR)                                                        \
    TASE3(name, 12, 0, b, a, 0, c, 1, EXPR)                                                        \
    TASE3(name, 13, 1, b, a, 0, c, 1, EXPR)                                                        \
    TASE3(name, 14, 0, b, a, 1, c, 1, EXPR)                                                        \
    TASE3(name, 15, 1, b, a, 1, c, 1, EXPR)                                                        \
    TASE3(name, 16, 0, c, a, 0, b, 0, EXPR)                                                        \
    TASE3(name, 17, 1, c, a, 0, b, 0, EXPR)                                                        \
    TASE3(name, 18, 0, c, a, 1, b, 0, EXPR)                                                        \
    TASE3(name, 19, 1, c, a, 1, b, 0, EXPR)                                                        \
    TASE3(name, 20, 0, c, a, 0, b, 1, EXPR)                                                        \
    TASE3(name, 21, 1, c, a, 0, b, 1, EXPR)                                                        \
    TASE3(name, 22, 0, c, a, 1, b, 1, EXPR)                                                        \
    TASE3(name, 23, 1, c, a, 1, b, 1, EXPR)

#define LABEL(name, number) [PBP_OP_##name + number] = &&label_##name##_##number,
#define LABELS1(name) LABEL(name, 0) LABEL(name, 1) LABEL(name, 2) LABEL(name, 3)
#define LABELS2(name) LABELS1(name) LABEL(name, 4) LABEL(name, 5) LABEL(name, 6) LABEL(name, 7)
#define LABELS3(name)                                                                              \
    LABELS2(name)                                                                                  \
    LABEL(name, 8)                                                                                 \
    LABEL(name, 9)                                                                                 \
    LABEL(name, 10)                                                                                \
    LABEL(name, 11)                                                                                \
    LABEL(name, 12)                                                                                \
    LABEL(name, 13)                                                                                \
    LABEL(name, 14)                                                                                \
    LABEL(name, 15)

/* clang-format off */
#define TABELS1(name)                                                                              \
    LABEL(name##_T, 0) LABEL(name##_T, 1)
#define TABELS2(name)                                                                              \
    LABEL(name##_T, 0) LABEL(name##_T, 1) LABEL(name##_T, 2) LABEL(name##_T, 3)                    \
    LABEL(name##_T, 4) LABEL(name##_T, 5) LABEL(name##_T, 6) LABEL(name##_T, 7)
#define TABELS3(name)                                                                              \
    LABEL(name##_T, 0) LABEL(name##_T, 1) LABEL(name##_T, 2) LABEL(name##_T, 3)                    \
    LABEL(name##_T, 4) LABEL(name##_T, 5) LABEL(name##_T, 6) LABEL(name##_T, 7)                    \
    LABEL(name##_T, 8) LABEL(name##_T, 9) LABEL(name##_T, 10) LABEL(name##_T, 11)                  \
    LABEL(name##_T, 12) LABEL(name##_T, 13) LABEL(name##_T, 14) LABEL(name##_T, 15)                \
    LABEL(name##_T, 16) LABEL(name##_T, 17) LABEL(name##_T, 18) LABEL(name##_T, 19)                \
    LABEL(name##_T, 20) LABEL(name##_T, 21) LABEL(name##_T, 22) LABEL(name##_T, 23)
/* clang-format on */

/* Where operand `x` of an array instruction is. */
#define AT(x) (bases[op->x##_base] + op->x##_offset)

static inline int64_t smaller(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

static inline void map_rows(pbp_map_kernel kernel, const pbp_shape *s, char *d, const char *a,
                            const char *b, const char *c)
{
    for (int64_t r = 0; r < s->rows; r++) {
        kernel(s->cols, d, a, b, c);
        d += s->d_row, a += s->a_row, b += s->b_row, c += s->c_row;
    }
}

/* An elementwise instruction of many rows. */
static __attribute__((noinline)) void map_many(const pbp_array_op *op, char *const *bases)
{
    char *d = AT(d);
    const char *a = AT(a), *b = AT(b), *c = AT(c);
    for (int64_t o = 0; o < op->outer; o++) {
        map_rows(op->kernel.map, &op->shape, d, a, b, c);
        d += op->d_outer, a += op->a_outer, b += op->b_outer, c += op->c_outer;
    }
}

static __attribute__((noinline)) void map_shaped(const pbp_array_op *op, char *const *bases)
{
    char *d = AT(d);
    const char *a = AT(a), *b = AT(b), *c = AT(c);
    for (int64_t o = 0; o < op->outer; o++) {
        op->kernel.shaped(&op->shape, d, a, b, c);
        d += op->d_outer, a += op->a_outer, b += op->b_outer, c += op->c_outer;
    }
}

/* An elementwise instruction in pieces of about a million elements: rows, or parts of one long row.
 */
static __attribute__((noinline)) pbp_status map_big(const pbp_array_op *op, pbp_sweep *sweep)
{
    char *const *bases = sweep->bases;
    const pbp_shape *s = &op->shape;
    const int64_t most = 1 << 20;
    const int64_t items = s->cols < 1 ? 1 : s->cols;
    const int64_t rows = items >= most ? 1 : most / items;
    const int64_t d_item = pbp_dtype_bytes(op->d_dtype);
    const int64_t item = pbp_dtype_bytes(op->a_dtype);
    const int64_t a_step = s->a_step * (op->row == PBP_ROW_SELECT ? 1 : item);
    const int64_t b_step = s->b_step * item, c_step = s->c_step * item;
    for (int64_t o = 0; o < op->outer; o++) {
        for (int64_t r = 0; r < s->rows; r += rows) {
            char *d = AT(d) + o * op->d_outer + r * s->d_row;
            const char *a = AT(a) + o * op->a_outer + r * s->a_row,
                       *b = AT(b) + o * op->b_outer + r * s->b_row;
            const char *c = AT(c) + o * op->c_outer + r * s->c_row;
            pbp_shape piece = *s;
            piece.rows = smaller(rows, s->rows - r);
            for (int64_t i = 0; i < s->cols; i += most) {
                piece.cols = smaller(most, s->cols - i);
                if (op->shaped) {
                    op->kernel.shaped(&piece, d + i * d_item, a + i * a_step, b + i * b_step,
                                      c + i * c_step);
                } else {
                    map_rows(op->kernel.map, &piece, d + i * d_item, a + i * a_step, b + i * b_step,
                             c + i * c_step);
                }
                if (pbp_sweep_poll(sweep, piece.rows * piece.cols / 1000 * op->element_cost) !=
                    PBP_OK) {
                    return PBP_INTERRUPTED;
                }
            }
        }
    }
    return PBP_OK;
}

pbp_status PBP_ISA_NAME(pbp_run_loop)(pbp_sweep *sweep)
{
#if defined(__GNUC__) && !defined(PBP_SWITCH)
    static const void *const labels[PBP_OP_COUNT] = {
#define MAP1(name, dtypes, cost, expression, text) LABELS1(name) TABELS1(name)
#define MAP2(name, dtypes, cost, expression, text) LABELS2(name) TABELS2(name)
#define MAP3(name, dtypes, cost, expression, text) LABELS3(name) TABELS3(name)
#define FUNCTION1(name, dtypes, function, cost, text) LABELS1(name)
#define FUNCTION2(name, dtypes, function, cost, text) LABELS2(name)
#define LOGIC1(name, dtypes, expression, text) LABELS1(name)
#define LOGIC2(name, dtypes, expression, text) LABELS2(name)
#define COMPARE1(name, dtypes, cost, expression, text) LABELS1(name)
#define COMPARE2(name, dtypes, cost, expression, text) LABELS2(name)
#include "pybackprop_instr.def"
        LABELS3(SELECT) LABEL(SLOAD, 0) LABEL(SLOAD, 1) LABEL(SLOAD_TRUTH, 0) LABEL(SLOAD_TRUTH, 1)
            LABEL(SSTORE, 0) LABEL(SSTORE, 1) LABEL(SSTORE_TRUTH, 0) LABEL(SSTORE_TRUTH, 1)
                LABEL(LOOP_BEGIN, 0) LABEL(LOOP_END, 0) LABEL(LOOP_END_POLL, 0)
                    LABEL(LOOP_PARALLEL, 0) LABEL(LOOP_PARALLEL_END, 0) LABEL(POLL, 0)
                        LABEL(ARRAY1, 0) LABEL(ARRAY2, 0) LABEL(ARRAY3, 0) LABEL(ARRAY_ROWS, 0)
                            LABEL(ARRAY_SHAPED, 0) LABEL(ARRAY_BIG, 0) LABEL(ARRAY_SWEEP, 0)
                                LABEL(STOP, 0)
#define PAIR(number, row1, arity1, places1, row2, arity2, places2) LABEL(PAIRS, number)
#include "scalar_pairs.def"
    };
#endif
    const pbp_tape *tape = sweep->tape;
    const pbp_array_op *const ops = tape->ops;
    char **const bases = sweep->workspace->bases;
    int64_t *const counters = sweep->workspace->counters;
    double *const g = (double *)sweep->workspace->arena;
    double *f = sweep->start_frame != NULL ? (double *)(uintptr_t)sweep->start_frame : g;
    const pbp_code *ip = sweep->start;
    double t = 0; /* the result of the last scalar instruction */

#if defined(__GNUC__) && !defined(PBP_SWITCH)
    AGAIN;
#else
again:
    switch (ip->op) {
#endif

#define MAP1(name, dtypes, cost, expression, text) CASES1(name, expression) TASES1(name, expression)
#define MAP2(name, dtypes, cost, expression, text) CASES2(name, expression) TASES2(name, expression)
#define MAP3(name, dtypes, cost, expression, text) CASES3(name, expression) TASES3(name, expression)
#define FUNCTION1(name, dtypes, function, cost, text) CASES1(name, call_##name(a))
#define FUNCTION2(name, dtypes, function, cost, text) CASES2(name, call_##name(a, b))
#define SPECIAL1(name, dtypes, function, cost, text)                                               \
    CASES1(name, PBP_ISA_NAME(pbp_special_##name)(a))
#define SPECIAL2(name, dtypes, function, cost, text)                                               \
    CASES2(name, PBP_ISA_NAME(pbp_special_##name)(a, b))
#define LOGIC1(name, dtypes, expression, text) CASES1(name, expression)
#define LOGIC2(name, dtypes, expression, text) CASES2(name, expression)
#define COMPARE1(name, dtypes, cost, expression, text) CASES1(name, expression)
#define COMPARE2(name, dtypes, cost, expression, text) CASES2(name, expression)
#include "pybackprop_instr.def"
    CASES3(SELECT, a != 0 ? b : c)

    /* Between slots and arrays: operands a (SLOAD) and d (SSTORE) are bases here, b and c the
     * halves of the offset. */
#define BRIDGE(base, type) (*(type *)(bases[base] + (int64_t)((uint64_t)ip->c << 32 | ip->b)))
    CASE(SLOAD, 0) :
    {
        g[ip->d] = t = BRIDGE(ip->a, const double);
        NEXT;
    }
    CASE(SLOAD, 1) :
    {
        f[ip->d] = t = BRIDGE(ip->a, const double);
        NEXT;
    }
    CASE(SLOAD_TRUTH, 0) :
    {
        g[ip->d] = t = BRIDGE(ip->a, const uint8_t) != 0;
        NEXT;
    }
    CASE(SLOAD_TRUTH, 1) :
    {
        f[ip->d] = t = BRIDGE(ip->a, const uint8_t) != 0;
        NEXT;
    }
    CASE(SSTORE, 0) :
    {
        BRIDGE(ip->d, double) = g[ip->a];
        NEXT;
    }
    CASE(SSTORE, 1) :
    {
        BRIDGE(ip->d, double) = f[ip->a];
        NEXT;
    }
    CASE(SSTORE_TRUTH, 0) :
    {
        BRIDGE(ip->d, uint8_t) = g[ip->a] != 0;
        NEXT;
    }
    CASE(SSTORE_TRUTH, 1) :
    {
        BRIDGE(ip->d, uint8_t) = f[ip->a] != 0;
        NEXT;
    }

    /* Loops: d is the loop, a the code number to go on from. */
    CASE(LOOP_PARALLEL, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        if (sweep->pool == NULL) {
            goto loop_begin;
        }
        const pbp_status status = pbp_parallel_run(sweep, ip->d, tape->loops[ip->d].trip, NULL);
        if (status != PBP_OK) {
            return status;
        }
        ip = tape->code + tape->loops[ip->d].code_end;
        NEXT;
    }
    CASE(LOOP_PARALLEL_END, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        if (sweep->start != tape->code) {
            return PBP_OK; /* one step of a parallel run */
        }
        if (pbp_sweep_poll(sweep, tape->loops[ip->d].cost) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
        /* One after the other, all steps use the first one's memory, which stays in cache. */
        const pbp_loop *loop = &tape->loops[ip->d];
        if (loop->frame != PBP_NONE) {
            bases[loop->frame] -= tape->bases[loop->frame].bump;
        }
        goto loop_end;
    }
    CASE(LOOP_BEGIN, 0) :
    {
    loop_begin:;
        const pbp_loop *loop = &tape->loops[ip->d];
        if (loop->trip == 0) {
            ip = tape->code + loop->code_end;
            NEXT;
        }
        const pbp_base *base = &tape->bases[loop->first_base];
        for (uint32_t i = 0; i < loop->n_bases; i++) {
            bases[loop->first_base + i] = bases[base[i].parent] + base[i].offset;
        }
        counters[ip->d] = loop->trip;
        if (loop->frame != PBP_NONE) {
            f = (double *)bases[loop->frame];
        }
        NEXT;
    }
    CASE(LOOP_END_POLL, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        if (pbp_sweep_poll(sweep, tape->loops[ip->d].cost) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
        goto loop_end;
    }
    CASE(LOOP_END, 0) :
    {
    loop_end:;
        const pbp_loop *loop = &tape->loops[ip->d];
        if (--counters[ip->d] > 0) {
            const pbp_base *base = &tape->bases[loop->first_base];
            for (uint32_t i = 0; i < loop->n_bases; i++) {
                bases[loop->first_base + i] += base[i].bump;
            }
            if (loop->frame != PBP_NONE) {
                f = (double *)bases[loop->frame];
            }
            ip = tape->code + loop->code_begin;
        } else {
            f = loop->outer_frame == PBP_NONE ? g : (double *)bases[loop->outer_frame];
        }
        NEXT;
    }
    CASE(POLL, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        if (pbp_sweep_poll(sweep, PBP_POLL_NANOSECONDS) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
        NEXT;
    }

    CASE(ARRAY1, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        const pbp_array_op *op = &ops[ip->d];
        const char *a = AT(a);
        op->kernel.map(op->shape.cols, AT(d), a, a, a);
        NEXT;
    }
    CASE(ARRAY2, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        const pbp_array_op *op = &ops[ip->d];
        const char *a = AT(a);
        op->kernel.map(op->shape.cols, AT(d), a, AT(b), a);
        NEXT;
    }
    CASE(ARRAY3, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        const pbp_array_op *op = &ops[ip->d];
        op->kernel.map(op->shape.cols, AT(d), AT(a), AT(b), AT(c));
        NEXT;
    }
    CASE(ARRAY_ROWS, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        map_many(&ops[ip->d], bases);
        NEXT;
    }
    CASE(ARRAY_SHAPED, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        map_shaped(&ops[ip->d], bases);
        NEXT;
    }
    CASE(ARRAY_BIG, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        const pbp_status status = map_big(&ops[ip->d], sweep);
        if (status != PBP_OK) {
            return status;
        }
        NEXT;
    }
    CASE(ARRAY_SWEEP, 0) :
    {
        t = 0; /* which saves keeping it over the call */
        const pbp_array_op *op = &ops[ip->d];
        const pbp_status status = op->kernel.sweep(op, sweep, AT(d), AT(a), AT(b));
        if (status != PBP_OK) {
            sweep->instruction = op->instruction;
            return status;
        }
        NEXT;
    }
    CASE(STOP, 0) : return PBP_OK;

#define PAIR(number, row1, arity1, places1, row2, arity2, places2)                                 \
    CASE(PAIRS, number) :                                                                          \
    {                                                                                              \
        CALL(DO##arity1, ip, row1, UNWRAP places1);                                                \
        ip++;                                                                                      \
        CALL(DO##arity2, ip, row2, UNWRAP places2);                                                \
        NEXT;                                                                                      \
    }
#include "scalar_pairs.def"

#if !defined(__GNUC__) || defined(PBP_SWITCH)
default:
    return PBP_ERROR_FORMAT;
}
#endif
}
