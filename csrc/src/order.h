/* Sorting positions and searching sorted rows, for the core's kernels and for emitted C.  Only the
   parts that a file needs are pasted into emitted files, so every part stands between blank lines
   and has no blank line inside.

   Elements are compared first by value, NaN after everything else, then by position.  No two
   positions are equal in this order, so any algorithm gives the stable permutation, and none needs
   memory of its own: quicksort around the median of three, insertion for short ranges, and heapsort
   where quicksort's ranges do not shrink. */
#ifndef PBP_ORDER_H
#define PBP_ORDER_H

#include <stdint.h>

#ifndef PBP_PART
#if defined(__GNUC__)
#define PBP_PART static inline __attribute__((unused))
#else
#define PBP_PART static inline
#endif
#endif

#define PBP_LESS_INT(x, y) ((x) < (y))

#define PBP_LESS_FLOAT(x, y) ((x) < (y) || ((y) != (y) && (x) == (x)))

/* Ranges of positions that are yet to be sorted, and how often each may still be split. */
typedef struct pbp_sorting {
    int64_t low[72], high[72];
    int32_t splits[72];
    int32_t top;
} pbp_sorting;

/* p = 0, 1 ... n - 1, all to be sorted. */
PBP_PART void pbp_sorting_begin(pbp_sorting *s, int64_t n, int64_t *p)
{
    int32_t splits = 2;
    for (int64_t i = n; i > 1; i >>= 1) {
        splits += 2;
    }
    for (int64_t i = 0; i < n; i++) {
        p[i] = i;
    }
    s->low[0] = 0;
    s->high[0] = n;
    s->splits[0] = splits;
    s->top = n > 1;
}

/* The range [low, high) is to be sorted too, unless it is sorted for want of elements. */
PBP_PART void pbp_sorting_push(pbp_sorting *s, int64_t low, int64_t high, int32_t splits)
{
    if (high - low > 1) {
        s->low[s->top] = low;
        s->high[s->top] = high;
        s->splits[s->top] = splits;
        s->top++;
    }
}

/* pbp_argsort_NAME takes one range further and returns how many elements it looked at, so that the
   caller can ask now and then whether to go on; all is sorted when s->top is 0.  The longer of two
   parts is kept for later, so there are never more than 64 ranges. */
#define PBP_ORDER(NAME, T, LESS)                                                                   \
    PBP_PART int pbp_before_##NAME(const T *x, int64_t i, int64_t j)                               \
    {                                                                                              \
        const T u = x[i], v = x[j];                                                                \
        return LESS(u, v) || (!LESS(v, u) && i < j);                                               \
    }                                                                                              \
    PBP_PART void pbp_sift_##NAME(const T *x, int64_t *p, int64_t root, int64_t n)                 \
    {                                                                                              \
        const int64_t item = p[root];                                                              \
        for (int64_t child = 2 * root + 1; child < n; child = 2 * root + 1) {                      \
            child += child + 1 < n && pbp_before_##NAME(x, p[child], p[child + 1]);                \
            if (!pbp_before_##NAME(x, item, p[child])) {                                           \
                break;                                                                             \
            }                                                                                      \
            p[root] = p[child];                                                                    \
            root = child;                                                                          \
        }                                                                                          \
        p[root] = item;                                                                            \
    }                                                                                              \
    PBP_PART void pbp_heapsort_##NAME(const T *x, int64_t *p, int64_t n)                           \
    {                                                                                              \
        for (int64_t i = n / 2 - 1; i >= 0; i--) {                                                 \
            pbp_sift_##NAME(x, p, i, n);                                                           \
        }                                                                                          \
        for (int64_t i = n - 1; i > 0; i--) {                                                      \
            const int64_t last = p[i];                                                             \
            p[i] = p[0];                                                                           \
            p[0] = last;                                                                           \
            pbp_sift_##NAME(x, p, 0, i);                                                           \
        }                                                                                          \
    }                                                                                              \
    PBP_PART int64_t pbp_argsort_##NAME(pbp_sorting *s, const T *x, int64_t *p)                    \
    {                                                                                              \
        s->top--;                                                                                  \
        const int64_t low = s->low[s->top], high = s->high[s->top], n = high - low;                \
        const int32_t splits = s->splits[s->top];                                                  \
        if (n <= 20) {                                                                             \
            for (int64_t i = low + 1; i < high; i++) {                                             \
                const int64_t item = p[i];                                                         \
                int64_t j = i;                                                                     \
                for (; j > low && pbp_before_##NAME(x, item, p[j - 1]); j--) {                     \
                    p[j] = p[j - 1];                                                               \
                }                                                                                  \
                p[j] = item;                                                                       \
            }                                                                                      \
            return n;                                                                              \
        }                                                                                          \
        if (splits == 0) {                                                                         \
            pbp_heapsort_##NAME(x, p + low, n);                                                    \
            return n * 16;                                                                         \
        }                                                                                          \
        int64_t first = p[low], pivot = p[low + (n - 1) / 2], last = p[high - 1];                  \
        if (pbp_before_##NAME(x, last, first)) {                                                   \
            const int64_t other = first;                                                           \
            first = last;                                                                          \
            last = other;                                                                          \
        }                                                                                          \
        pivot = pbp_before_##NAME(x, pivot, first)  ? first                                        \
                : pbp_before_##NAME(x, last, pivot) ? last                                         \
                                                    : pivot;                                       \
        int64_t i = low - 1, j = high;                                                             \
        for (;;) {                                                                                 \
            do {                                                                                   \
                i++;                                                                               \
            } while (pbp_before_##NAME(x, p[i], pivot));                                           \
            do {                                                                                   \
                j--;                                                                               \
            } while (pbp_before_##NAME(x, pivot, p[j]));                                           \
            if (i >= j) {                                                                          \
                break;                                                                             \
            }                                                                                      \
            const int64_t other = p[i];                                                            \
            p[i] = p[j];                                                                           \
            p[j] = other;                                                                          \
        }                                                                                          \
        const int64_t middle = j + 1;                                                              \
        if (middle - low > high - middle) {                                                        \
            pbp_sorting_push(s, low, middle, splits - 1);                                          \
            pbp_sorting_push(s, middle, high, splits - 1);                                         \
        } else {                                                                                   \
            pbp_sorting_push(s, middle, high, splits - 1);                                         \
            pbp_sorting_push(s, low, middle, splits - 1);                                          \
        }                                                                                          \
        return n;                                                                                  \
    }                                                                                              \
    PBP_PART int64_t pbp_search_##NAME(int64_t n, const T *a, T v, int right)                      \
    {                                                                                              \
        int64_t low = 0, high = n;                                                                 \
        while (low < high) {                                                                       \
            const int64_t middle = low + (high - low) / 2;                                         \
            if (right ? !LESS(v, a[middle]) : LESS(a[middle], v)) {                                \
                low = middle + 1;                                                                  \
            } else {                                                                               \
                high = middle;                                                                     \
            }                                                                                      \
        }                                                                                          \
        return low;                                                                                \
    }

PBP_ORDER(i8, int8_t, PBP_LESS_INT)

PBP_ORDER(u8, uint8_t, PBP_LESS_INT)

PBP_ORDER(i16, int16_t, PBP_LESS_INT)

PBP_ORDER(u16, uint16_t, PBP_LESS_INT)

PBP_ORDER(i32, int32_t, PBP_LESS_INT)

PBP_ORDER(u32, uint32_t, PBP_LESS_INT)

PBP_ORDER(i64, int64_t, PBP_LESS_INT)

PBP_ORDER(u64, uint64_t, PBP_LESS_INT)

PBP_ORDER(f32, float, PBP_LESS_FLOAT)

PBP_ORDER(f64, double, PBP_LESS_FLOAT)

#endif
