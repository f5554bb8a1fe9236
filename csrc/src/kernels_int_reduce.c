/* Reductions that need no instruction set of their own: SUM, PROD, MAX_OF, MIN_OF of integers and
   truth values, ARGMAX and ARGMIN of everything, and CUMSUM, CUMPROD, whose elements depend on one
   another.

     r[d][o, r] = reduce over i of r[a][o, r, i]     with COLUMNS r[d][o, i], over r
     r[d][o, k, i] = r[a][o, k, i] + r[d][o, k - 1, i]     CUMSUM; with REVERSE k + 1

   Integers wrap.  ARGMAX and ARGMIN give the first of equals, and the first NaN before all.  CUMSUM
   and CUMPROD add and multiply one element after the other, also in floats.  d does not overlap
   a. */
#include "core.h"

#ifndef __clang__
#pragma GCC optimize("O2")
#endif

#define POLL_ELEMENTS (1 << 20)

/* Walks results: for each, n elements from p, `stride` items apart; `pd` is where the result goes.
 */
#define REDUCE_KERNEL(NAME, T, D, BODY)                                                            \
    static pbp_status NAME(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,       \
                           const char *b)                                                          \
    {                                                                                              \
        (void)b;                                                                                   \
        const pbp_shape *s = &op->shape;                                                           \
        const bool columns = (op->flags & PBP_FLAG_COLUMNS) != 0,                                  \
                   adds = (op->flags & PBP_FLAG_ACC) != 0;                                         \
        const int64_t n = columns ? s->rows : s->cols, results = columns ? s->cols : s->rows;      \
        const int64_t stride = columns ? s->a_row : (int64_t)sizeof(T);                            \
        const int64_t a_next = columns ? (int64_t)sizeof(T) : s->a_row;                            \
        const int64_t d_next = columns ? (int64_t)sizeof(D) : s->d_row;                            \
        int64_t done = 0;                                                                          \
        for (int64_t o = 0; o < op->outer; o++) {                                                  \
            for (int64_t r = 0; r < results; r++) {                                                \
                const char *p = a + o * op->a_outer + r * a_next;                                  \
                D *pd = (D *)(d + o * op->d_outer + r * d_next);                                   \
                (void)adds, (void)p;                                                               \
                BODY done += n;                                                                    \
                if (done > POLL_ELEMENTS) {                                                        \
                    if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {         \
                        return PBP_INTERRUPTED;                                                    \
                    }                                                                              \
                    done = 0;                                                                      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }
#define SUM_BODY(T, U)                                                                             \
    U sum = adds ? (U) * pd : 0;                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                              \
        sum += (U) * (const T *)(p + i * stride);                                                  \
    }                                                                                              \
    *pd = (T)sum;
#define PROD_BODY(T, U)                                                                            \
    U product = 1;                                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                              \
        product *= (U) * (const T *)(p + i * stride);                                              \
    }                                                                                              \
    *pd = (T)product;
#define EXTREME_BODY(T, BETTER)                                                                    \
    T best = *(const T *)p;                                                                        \
    for (int64_t i = 1; i < n; i++) {                                                              \
        const T x = *(const T *)(p + i * stride);                                                  \
        best = x BETTER best ? x : best;                                                           \
    }                                                                                              \
    *pd = best;
#define ARG_BODY(T, BETTER, IS_NAN)                                                                \
    T best = *(const T *)p;                                                                        \
    int64_t where = 0;                                                                             \
    for (int64_t i = 1; i < n && !IS_NAN(best); i++) {                                             \
        const T x = *(const T *)(p + i * stride);                                                  \
        if (x BETTER best || IS_NAN(x)) {                                                          \
            best = x;                                                                              \
            where = i;                                                                             \
        }                                                                                          \
    }                                                                                              \
    *pd = where;
#define NEVER(x) false
#define UNEQUAL(x) ((x) != (x))

#define SUMS(N, T, U)                                                                              \
    REDUCE_KERNEL(sum_##N, T, T, SUM_BODY(T, U))                                                   \
    REDUCE_KERNEL(prod_##N, T, T, PROD_BODY(T, U))
#define EXTREMES(N, T)                                                                             \
    REDUCE_KERNEL(max_##N, T, T, EXTREME_BODY(T, >))                                               \
    REDUCE_KERNEL(min_##N, T, T, EXTREME_BODY(T, <))                                               \
    ARGS(N, T, NEVER)
#define ARGS(N, T, IS_NAN)                                                                         \
    REDUCE_KERNEL(argmax_##N, T, int64_t, ARG_BODY(T, >, IS_NAN))                                  \
    REDUCE_KERNEL(argmin_##N, T, int64_t, ARG_BODY(T, <, IS_NAN))

SUMS(8, uint8_t, uint32_t)
SUMS(16, uint16_t, uint32_t)
SUMS(32, uint32_t, uint32_t)
SUMS(64, uint64_t, uint64_t)
EXTREMES(i8, int8_t)
EXTREMES(u8, uint8_t)
EXTREMES(i16, int16_t)
EXTREMES(u16, uint16_t)
EXTREMES(i32, int32_t)
EXTREMES(u32, uint32_t)
EXTREMES(i64, int64_t)
EXTREMES(u64, uint64_t)
ARGS(f32, float, UNEQUAL)
ARGS(f64, double, UNEQUAL)

#define LIST(NAME)                                                                                 \
    {NAME##_u8,  NAME##_i8,  NAME##_u8,  NAME##_i16, NAME##_u16,                                   \
     NAME##_i32, NAME##_u32, NAME##_i64, NAME##_u64}
#define LIST_ARG(NAME)                                                                             \
    {NAME##_u8,  NAME##_i8,  NAME##_u8,  NAME##_i16, NAME##_u16, NAME##_i32,                       \
     NAME##_u32, NAME##_i64, NAME##_u64, NAME##_f32, NAME##_f64}

pbp_sweep_kernel pbp_int_reduce_find(uint32_t row, uint32_t dtype)
{
    static const pbp_sweep_kernel sums[] = {NULL,   sum_8,  sum_8,  sum_16, sum_16,
                                            sum_32, sum_32, sum_64, sum_64};
    static const pbp_sweep_kernel prods[] = {NULL,    prod_8,  prod_8,  prod_16, prod_16,
                                             prod_32, prod_32, prod_64, prod_64};
    static const pbp_sweep_kernel maxs[] = LIST(max), mins[] = LIST(min);
    static const pbp_sweep_kernel argmaxs[] = LIST_ARG(argmax), argmins[] = LIST_ARG(argmin);
    if (row == PBP_ROW_ARGMAX || row == PBP_ROW_ARGMIN) {
        return dtype > PBP_FLOAT64 ? NULL : (row == PBP_ROW_ARGMAX ? argmaxs : argmins)[dtype];
    }
    if (dtype > PBP_UINT64) {
        return NULL;
    }
    switch (row) {
    case PBP_ROW_SUM:
        return sums[dtype];
    case PBP_ROW_PROD:
        return prods[dtype];
    case PBP_ROW_MAX_OF:
        return maxs[dtype];
    case PBP_ROW_MIN_OF:
        return mins[dtype];
    default:
        return NULL;
    }
}

/* params: outer, n, inner. Row by row along the axis, so that the innermost loop is contiguous. */
#define CUMULATE(NAME, T, U, OP)                                                                   \
    static pbp_status NAME(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,       \
                           const char *b)                                                          \
    {                                                                                              \
        (void)b;                                                                                   \
        const int64_t outer = op->params[0], n = op->params[1], inner = op->params[2];             \
        const bool reverse = (op->flags & PBP_FLAG_REVERSE) != 0;                                  \
        int64_t done = 0;                                                                          \
        for (int64_t o = 0; o < outer; o++) {                                                      \
            for (int64_t k = 0; k < n; k++) {                                                      \
                const int64_t at = (o * n + (reverse ? n - 1 - k : k)) * inner;                    \
                const T *x = (const T *)a + at;                                                    \
                T *y = (T *)d + at;                                                                \
                const T *before = (const T *)d + (reverse ? at + inner : at - inner) * (k > 0);    \
                for (int64_t i = 0; i < inner; i++) {                                              \
                    y[i] = k == 0 ? x[i] : (T)((U)before[i] OP(U) x[i]);                           \
                }                                                                                  \
                done += inner;                                                                     \
                if (done > POLL_ELEMENTS) {                                                        \
                    if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {         \
                        return PBP_INTERRUPTED;                                                    \
                    }                                                                              \
                    done = 0;                                                                      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }
#define CUMULATES(N, T, U)                                                                         \
    CUMULATE(cumsum_##N, T, U, +)                                                                  \
    CUMULATE(cumprod_##N, T, U, *)
CUMULATES(8, uint8_t, uint32_t)
CUMULATES(16, uint16_t, uint32_t)
CUMULATES(32, uint32_t, uint32_t)
CUMULATES(64, uint64_t, uint64_t)
CUMULATES(f32, float, float)
CUMULATES(f64, double, double)

#define LIST_CUMULATE(NAME)                                                                        \
    {NULL,      NAME##_8,  NAME##_8,  NAME##_16,  NAME##_16, NAME##_32,                            \
     NAME##_32, NAME##_64, NAME##_64, NAME##_f32, NAME##_f64}

pbp_sweep_kernel pbp_cumulate_find(uint32_t row, uint32_t dtype)
{
    static const pbp_sweep_kernel sums[] = LIST_CUMULATE(cumsum), prods[] = LIST_CUMULATE(cumprod);
    return dtype > PBP_FLOAT64 ? NULL : row == PBP_ROW_CUMSUM ? sums[dtype] : prods[dtype];
}
