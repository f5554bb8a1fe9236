/* Products of a sparse matrix (m, k), known when the tape is made, with columns of numbers.
   Included by the core and pasted into emitted C.

     d[i, g, j] = sum over p of A[i, p] c[p, g, j]

   The nonzero elements of A lie row by row in `values`; `pattern` holds the m places at which rows
   begin there, the m at which they end, then the column of each element, upwards in each row. What
   lies between the rows is not looked at. An element of d is one chain of multiply-adds along its
   row, so all instruction sets that fuse them, and emitted code, agree to the bit. As in NumPy's
   product, a zero of A times NaN or an infinity is NaN.

   params: m, k, nonzeros, groups, n, d_row, d_group, c_row, c_group; the strides in elements. */
#ifndef PBP_SPARSE_H
#define PBP_SPARSE_H

#include <stdint.h>

/* In emitted code these are those of native_runtime.h. */
#ifndef PBP_PART
#define PBP_PART static inline
#endif

/* Columns of a group with what fills up a line of the cache. */
PBP_PART int64_t pbp_sparse_padded(int64_t n, int64_t item)
{
    const int64_t line = 64 / item;
    return (n + line - 1) / line * line;
}

/* How many columns of each group are multiplied at a time: such that c stays in cache. */
PBP_PART int64_t pbp_sparse_strip(const int64_t *params, int64_t item)
{
    const int64_t lines = 512 * 1024 / 64 / (params[1] * params[3] + 1);
    const int64_t columns = (lines < 8 ? 8 : lines) * 64 / item, n = params[4];
    return columns < n ? columns : n;
}

/* Whether the pattern is one of those params: then nothing outside of the operands is read. */
PBP_PART int pbp_sparse_fits(const int64_t *params, const int64_t *pattern)
{
    const int64_t m = params[0], k = params[1], nonzeros = params[2];
    const int64_t *const ends = pattern + m, *const columns = ends + m;
    for (int64_t i = 0; i < m; i++) {
        if (pattern[i] < 0 || ends[i] < pattern[i] || ends[i] > nonzeros) {
            return 0;
        }
    }
    for (int64_t e = 0; e < nonzeros; e++) {
        if (columns[e] < 0 || columns[e] >= k) {
            return 0;
        }
    }
    return 1;
}

#define PBP_SPARSE(T, F)                                                                           \
    /* Whether all of c is finite. */                                                              \
    PBP_PART int pbp_sparse_finite##F(const int64_t *params, const T *c)                           \
    {                                                                                              \
        const int64_t k = params[1], groups = params[3], n = params[4];                            \
        int wrong = 0;                                                                             \
        for (int64_t p = 0; p < k; p++) {                                                          \
            for (int64_t g = 0; g < groups; g++) {                                                 \
                const T *const x = c + p * params[7] + g * params[8];                              \
                for (int64_t j = 0; j < n; j++) {                                                  \
                    wrong |= x[j] - x[j] != 0;                                                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return !wrong;                                                                             \
    }                                                                                              \
    /* Rows of d where row p of c is not finite and A has no element: NaN. */                      \
    PBP_PART void pbp_sparse_spoil##F(const int64_t *params, int64_t p, T *d,                      \
                                      const int64_t *pattern, const T *c)                          \
    {                                                                                              \
        const int64_t m = params[0], groups = params[3], n = params[4];                            \
        const int64_t *const ends = pattern + m, *const columns = ends + m;                        \
        const int64_t row[9] = {1, 1, 0, groups, n, 0, 0, 0, params[8]};                           \
        c += p * params[7];                                                                        \
        if (pbp_sparse_finite##F(row, c)) {                                                        \
            return;                                                                                \
        }                                                                                          \
        for (int64_t i = 0; i < m; i++) {                                                          \
            int64_t e = pattern[i];                                                                \
            while (e < ends[i] && columns[e] < p) {                                                \
                e++;                                                                               \
            }                                                                                      \
            if (e < ends[i] && columns[e] == p) {                                                  \
                continue;                                                                          \
            }                                                                                      \
            for (int64_t g = 0; g < groups; g++) {                                                 \
                for (int64_t j = 0; j < n; j++) {                                                  \
                    /* Finite ones add zero. */                                                    \
                    d[i * params[5] + g * params[6] + j] += 0 * c[g * params[8] + j];              \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

PBP_SPARSE(double, )

PBP_SPARSE(float, f)

#endif
