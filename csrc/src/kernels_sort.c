/* Instructions that put elements in order: ARGSORT and SEARCH.  Both know every dtype but complex,
   compare NaN as larger than everything, and need no memory besides their result.

     ARGSORT   r[d][o, :] = the stable permutation that sorts r[a][o, :]      params: outer, n
     SEARCH    r[d][o, k] = how many of r[a][o, :], which is sorted, are less than r[b][o, k]; with
               right = 1, less than or equal to it     params: outer, n, m, right, a_outer
               (a_outer = 0: one sorted row for all, or n)

   d does not overlap a or b. */
#include "core.h"

#include "order.h"

#define POLL_ELEMENTS (1 << 20)

#define POLL(work)                                                                                 \
    done += (work);                                                                                \
    if (done > POLL_ELEMENTS) {                                                                    \
        if (pbp_sweep_poll(sweep, done / 1000 * 8000) != PBP_OK) {                                 \
            return PBP_INTERRUPTED;                                                                \
        }                                                                                          \
        done = 0;                                                                                  \
    }

#define SORT(NAME, T)                                                                              \
    static pbp_status argsort_##NAME(const pbp_array_op *op, pbp_sweep *sweep, char *d,            \
                                     const char *a, const char *b)                                 \
    {                                                                                              \
        (void)b;                                                                                   \
        const int64_t outer = op->params[0], n = op->params[1];                                    \
        int64_t done = 0;                                                                          \
        pbp_sorting sorting;                                                                       \
        for (int64_t o = 0; o < outer; o++) {                                                      \
            const T *x = (const T *)a + o * n;                                                     \
            int64_t *p = (int64_t *)d + o * n;                                                     \
            pbp_sorting_begin(&sorting, n, p);                                                     \
            while (sorting.top > 0) {                                                              \
                POLL(pbp_argsort_##NAME(&sorting, x, p))                                           \
            }                                                                                      \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }                                                                                              \
    static pbp_status search_##NAME(const pbp_array_op *op, pbp_sweep *sweep, char *d,             \
                                    const char *a, const char *b)                                  \
    {                                                                                              \
        const int64_t outer = op->params[0], n = op->params[1], m = op->params[2];                 \
        const int right = op->params[3] != 0;                                                      \
        int64_t done = 0;                                                                          \
        for (int64_t o = 0; o < outer; o++) {                                                      \
            const T *row = (const T *)a + o * op->params[4];                                       \
            for (int64_t k = 0; k < m; k++) {                                                      \
                const int64_t at = o * m + k;                                                      \
                ((int64_t *)d)[at] = pbp_search_##NAME(n, row, ((const T *)b)[at], right);         \
                POLL(8)                                                                            \
            }                                                                                      \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }

SORT(i8, int8_t)
SORT(u8, uint8_t)
SORT(i16, int16_t)
SORT(u16, uint16_t)
SORT(i32, int32_t)
SORT(u32, uint32_t)
SORT(i64, int64_t)
SORT(u64, uint64_t)
SORT(f32, float)
SORT(f64, double)

#define LIST(NAME)                                                                                 \
    {NAME##_u8,  NAME##_i8,  NAME##_u8,  NAME##_i16, NAME##_u16, NAME##_i32,                       \
     NAME##_u32, NAME##_i64, NAME##_u64, NAME##_f32, NAME##_f64}

pbp_sweep_kernel pbp_sort_find(uint32_t row, uint32_t dtype)
{
    static const pbp_sweep_kernel sorts[] = LIST(argsort), searches[] = LIST(search);
    return dtype > PBP_FLOAT64 ? NULL : row == PBP_ROW_ARGSORT ? sorts[dtype] : searches[dtype];
}
