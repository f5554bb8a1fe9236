/* Reductions of float32 and float64, compiled once per instruction set: SUM, PROD, MAX_OF, MIN_OF,
   DOT.

     rows      r[d][o, r] = reduce over i of r[a][o, r, i]   ACC: +=, the reduced value added last
     columns   r[d][o, i] = reduce over r of r[a][o, r, i]   ACC: each column's chain starts at r[d]

   Order, the same on all instruction sets, to the bit (DOT: where multiply-add is fused).  A row is
   cut into blocks of 4,096 elements.  In a block, element i goes to lane i mod N, N = 16 for
   float64 and 32 for float32; lanes start at 0 (PROD: 1) and fold by halves, lane j with lane
   j + N/2, then N/4, ... 1.  A block of fewer than N elements (only the last can be) is one chain
   from 0.  Blocks combine pairwise as a binary counter does, the older on the left; what is left at
   the end from the smallest to the largest.  A column is one chain over the rows, from 0.  So a sum
   of -0.0 alone is 0.0.

   d never overlaps an operand. */
#include "core.h"
#include "float_math.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* The loops over lanes are unrolled by name; more would only be size. */
#ifndef __clang__
#pragma GCC optimize("O2")
#endif

#ifndef PBP_ISA
#define PBP_ISA base
#endif

#if defined(__AVX512F__)
#define WIDTH 64
#define FMA_VECTOR_double(a, b, c)                                                                 \
    ((double_v)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define FMA_VECTOR_float(a, b, c) ((float_v)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#elif defined(__AVX2__) && defined(__FMA__)
#define WIDTH 32
#define FMA_VECTOR_double(a, b, c)                                                                 \
    ((double_v)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FMA_VECTOR_float(a, b, c) ((float_v)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#else
#define WIDTH 16
#define FMA_VECTOR_double(a, b, c) fma_vector_double(a, b, c)
#define FMA_VECTOR_float(a, b, c) fma_vector_float(a, b, c)
#endif

#define BLOCK 4096
#define POLL_ELEMENTS (1 << 20)

typedef double double_v __attribute__((vector_size(WIDTH), may_alias));
typedef float float_v __attribute__((vector_size(WIDTH), may_alias));
typedef double double_u __attribute__((vector_size(WIDTH), aligned(8), may_alias));
typedef float float_u __attribute__((vector_size(WIDTH), aligned(4), may_alias));
typedef int64_t double_m __attribute__((vector_size(WIDTH)));
typedef int32_t float_m __attribute__((vector_size(WIDTH)));

#if WIDTH == 16
static inline __attribute__((unused)) double_v fma_vector_double(double_v a, double_v b, double_v c)
{
    for (int j = 0; j < 2; j++) {
        c[j] = pbp_fma(a[j], b[j], c[j]);
    }
    return c;
}
static inline __attribute__((unused)) float_v fma_vector_float(float_v a, float_v b, float_v c)
{
    for (int j = 0; j < 4; j++) {
        c[j] = pbp_fmaf(a[j], b[j], c[j]);
    }
    return c;
}
#endif

/* Steps: of one element x (and y in DOT) into s, and of vectors. */
#define SUM_STEP(T, s, x, y) ((s) + (x))
#define SUM_STEPS(T, s, x, y) ((s) + (x))
#define SUM_FOLD(T, s, x) ((s) + (x))
#define PROD_STEP(T, s, x, y) ((s) * (x))
#define PROD_STEPS(T, s, x, y) ((s) * (x))
#define PROD_FOLD(T, s, x) ((s) * (x))
#define DOT_STEP_double(s, x, y) pbp_fma(x, y, s)
#define DOT_STEP_float(s, x, y) pbp_fmaf(x, y, s)
#define DOT_STEP(T, s, x, y) DOT_STEP_##T(s, x, y)
#define DOT_STEPS(T, s, x, y) FMA_VECTOR_##T(x, y, s)
#define DOT_FOLD(T, s, x) ((s) + (x))
/* NaN stays, and a NaN met is taken. */
#define MAX_OF_STEP(T, s, x, y) ((s) >= (x) || (s) != (s) ? (s) : (x))
#define MIN_OF_STEP(T, s, x, y) ((s) <= (x) || (s) != (s) ? (s) : (x))
#define BLEND(T, mask, s, x) ((T##_v)(((mask) & (T##_m)(s)) | (~(mask) & (T##_m)(x))))
#define MAX_OF_STEPS(T, s, x, y) BLEND(T, (T##_m)((s) >= (x)) | (T##_m)((s) != (s)), s, x)
#define MIN_OF_STEPS(T, s, x, y) BLEND(T, (T##_m)((s) <= (x)) | (T##_m)((s) != (s)), s, x)
#define MAX_OF_FOLD(T, s, x) MAX_OF_STEP(T, s, x, x)
#define MIN_OF_FOLD(T, s, x) MIN_OF_STEP(T, s, x, x)
#define SUM_FOLDS SUM_FOLD
#define PROD_FOLDS PROD_FOLD
#define DOT_FOLDS DOT_FOLD
#define MAX_OF_FOLDS(T, s, x) MAX_OF_STEPS(T, s, x, x)
#define MIN_OF_FOLDS(T, s, x) MIN_OF_STEPS(T, s, x, x)

#define LANES(T) ((int64_t)(128 / sizeof(T)))
#define IN_VECTOR(T) ((int64_t)(WIDTH / sizeof(T)))
#define VECTORS (128 / WIDTH)

/* One block of n elements, 0 < n <= BLOCK.  FIRST is what lanes start at. */
#define BLOCK_FUNCTION(OP, T, FIRST)                                                               \
    static inline T OP##_block_##T(int64_t n, const T *a, const T *b)                              \
    {                                                                                              \
        (void)b;                                                                                   \
        if (n < LANES(T)) {                                                                        \
            T s = FIRST;                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                      \
                s = OP##_STEP(T, s, a[i], b[i]);                                                   \
            }                                                                                      \
            return s;                                                                              \
        }                                                                                          \
        T##_v lane[VECTORS];                                                                       \
        _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                                  \
        {                                                                                          \
            lane[v] = (T)(FIRST) - (T##_v){0};                                                     \
        }                                                                                          \
        int64_t i = 0;                                                                             \
        for (; i + LANES(T) <= n; i += LANES(T)) {                                                 \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                              \
            {                                                                                      \
                const T##_v x = (T##_v) * (const T##_u *)(a + i + v * IN_VECTOR(T));               \
                OP##_LOAD_Y(T) lane[v] = OP##_STEPS(T, lane[v], x, y);                             \
            }                                                                                      \
        }                                                                                          \
        const int64_t left = n - i;                                                                \
        T s[LANES(T)] __attribute__((aligned(64)));                                                \
        if (left > 0) {                                                                            \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                              \
            {                                                                                      \
                *(T##_v *)(s + v * IN_VECTOR(T)) = lane[v];                                        \
            }                                                                                      \
            for (int64_t j = 0; j < left; j++) {                                                   \
                s[j] = OP##_STEP(T, s[j], a[i + j], b[i + j]);                                     \
            }                                                                                      \
            _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)                              \
            {                                                                                      \
                lane[v] = *(const T##_v *)(s + v * IN_VECTOR(T));                                  \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 4") for (int half = VECTORS / 2; half > 0; half /= 2)                  \
        {                                                                                          \
            _Pragma("GCC unroll 8") for (int v = 0; v < half; v++)                                 \
            {                                                                                      \
                lane[v] = OP##_FOLDS(T, lane[v], lane[v + half]);                                  \
            }                                                                                      \
        }                                                                                          \
        *(T##_v *)s = lane[0];                                                                     \
        _Pragma("GCC unroll 4") for (int64_t half = IN_VECTOR(T) / 2; half > 0; half /= 2)         \
        {                                                                                          \
            _Pragma("GCC unroll 8") for (int64_t j = 0; j < half; j++)                             \
            {                                                                                      \
                s[j] = OP##_FOLD(T, s[j], s[j + half]);                                            \
            }                                                                                      \
        }                                                                                          \
        return s[0];                                                                               \
    }

#define NO_Y(T)
#define LOAD_Y(T) const T##_v y = (T##_v) * (const T##_u *)(b + i + v * IN_VECTOR(T));
#define SUM_LOAD_Y NO_Y
#define PROD_LOAD_Y NO_Y
#define MAX_OF_LOAD_Y NO_Y
#define MIN_OF_LOAD_Y NO_Y
#define DOT_LOAD_Y LOAD_Y

/* Short rows, as many side by side as a vector has elements, each in the order of a block.
   FIRST is what lanes start at, NEXT combines lanes.  Up to how many elements that pays: */
#define SUM_SHORT(T) (sizeof(T) == 8 ? 15 : 40)
#define PROD_SHORT SUM_SHORT
#define DOT_SHORT SUM_SHORT
#define MAX_OF_SHORT(T) 64
#define MIN_OF_SHORT(T) 64

#define AT_ROW(T, j) (*(const T *)(p + (j) * row))
#define AT_ROWS4(T, j) AT_ROW(T, j), AT_ROW(T, (j) + 1), AT_ROW(T, (j) + 2), AT_ROW(T, (j) + 3)
#define AT_ROWS8(T, j) AT_ROWS4(T, j), AT_ROWS4(T, (j) + 4)
#if WIDTH == 64
#define AT_ROWS_double AT_ROWS8(double, 0)
#define AT_ROWS_float AT_ROWS8(float, 0), AT_ROWS8(float, 8)
#elif WIDTH == 32
#define AT_ROWS_double AT_ROWS4(double, 0)
#define AT_ROWS_float AT_ROWS8(float, 0)
#else
#define AT_ROWS_double AT_ROW(double, 0), AT_ROW(double, 1)
#define AT_ROWS_float AT_ROWS4(float, 0)
#endif
#define ACROSS(T)                                                                                  \
    static inline T##_v across_##T(const char *p, int64_t row)                                     \
    {                                                                                              \
        return (T##_v){AT_ROWS_##T};                                                               \
    }
ACROSS(double)
ACROSS(float)

#define SHORT_FUNCTION(OP, T, FIRST, NEXT)                                                         \
    static inline T##_v OP##_short_##T(int64_t n, const char *a, int64_t a_row, const char *b,     \
                                       int64_t b_row)                                              \
    {                                                                                              \
        T##_v lane[128 / sizeof(T)];                                                               \
        (void)b, (void)b_row;                                                                      \
        const int64_t lanes = n < LANES(T) ? 1 : LANES(T);                                         \
        for (int64_t j = 0; j < lanes; j++) {                                                      \
            lane[j] = FIRST;                                                                       \
        }                                                                                          \
        if (lanes == 1) {                                                                          \
            T##_v s = lane[0];                                                                     \
            for (int64_t i = 0; i < n; i++) {                                                      \
                const T##_v x = across_##T(a + i * (int64_t)sizeof(T), a_row);                     \
                OP##_ACROSS_Y(T) s = OP##_STEPS(T, s, x, y);                                       \
            }                                                                                      \
            return s;                                                                              \
        }                                                                                          \
        for (int64_t k = 0; k < n; k += LANES(T)) {                                                \
            const int64_t some = n - k < LANES(T) ? n - k : LANES(T);                              \
            for (int64_t j = 0; j < some; j++) {                                                   \
                const int64_t i = k + j;                                                           \
                const T##_v x = across_##T(a + i * (int64_t)sizeof(T), a_row);                     \
                OP##_ACROSS_Y(T) lane[j] = OP##_STEPS(T, lane[j], x, y);                           \
            }                                                                                      \
        }                                                                                          \
        for (int64_t half = LANES(T) / 2; half > 0; half /= 2) {                                   \
            for (int64_t j = 0; j < half; j++) {                                                   \
                lane[j] = NEXT(T, lane[j], lane[j + half], lane[j + half]);                        \
            }                                                                                      \
        }                                                                                          \
        return lane[0];                                                                            \
    }

/* Sums of squares read their rows once. */
#define ACROSS_Y(T)                                                                                \
    const T##_v y = a == b && a_row == b_row ? x : across_##T(b + i * (int64_t)sizeof(T), b_row);
#define SUM_ACROSS_Y NO_Y
#define PROD_ACROSS_Y NO_Y
#define MAX_OF_ACROSS_Y NO_Y
#define MIN_OF_ACROSS_Y NO_Y
#define DOT_ACROSS_Y ACROSS_Y

/* The rows form.  EMPTY is the value of a row without elements. */
#define ROWS_FUNCTION(OP, T, EMPTY)                                                                \
    static pbp_status OP##_long_##T(int64_t n, T *out, const T *a, const T *b,                     \
                                    const pbp_array_op *op, pbp_sweep *sweep)                      \
    {                                                                                              \
        T part[64];                                                                                \
        int top = 0;                                                                               \
        int64_t count = 0;                                                                         \
        for (int64_t i = 0; i < n; i += BLOCK) {                                                   \
            T s = OP##_block_##T(n - i < BLOCK ? n - i : BLOCK, a + i, b + i);                     \
            for (int64_t bits = count++; bits & 1; bits >>= 1) {                                   \
                s = OP##_FOLD(T, part[top - 1], s);                                                \
                top--;                                                                             \
            }                                                                                      \
            part[top++] = s;                                                                       \
            if (count % (POLL_ELEMENTS / BLOCK) == 0 &&                                            \
                pbp_sweep_poll(sweep, POLL_ELEMENTS / 1000 * op->element_cost) != PBP_OK) {        \
                return PBP_INTERRUPTED;                                                            \
            }                                                                                      \
        }                                                                                          \
        T s = part[--top];                                                                         \
        while (top > 0) {                                                                          \
            s = OP##_FOLD(T, part[top - 1], s);                                                    \
            top--;                                                                                 \
        }                                                                                          \
        *out = s;                                                                                  \
        return PBP_OK;                                                                             \
    }                                                                                              \
    static pbp_status OP##_rows_##T(const pbp_array_op *op, pbp_sweep *sweep, char *d,             \
                                    const char *a, const char *b)                                  \
    {                                                                                              \
        const pbp_shape *s = &op->shape;                                                           \
        int64_t done = 0;                                                                          \
        for (int64_t o = 0; o < op->outer; o++) {                                                  \
            char *dr = d + o * op->d_outer;                                                        \
            const char *ar = a + o * op->a_outer, *br = b + o * op->b_outer;                       \
            int64_t r = 0;                                                                         \
            const bool brief = s->cols > 1 && s->cols <= OP##_SHORT(T);                            \
            for (; brief && r + IN_VECTOR(T) <= s->rows; r += IN_VECTOR(T)) {                      \
                const T##_v x = OP##_short_##T(s->cols, ar, s->a_row, br, s->b_row);               \
                for (int j = 0; j < IN_VECTOR(T); j++, dr += s->d_row) {                           \
                    *(T *)dr = op->flags & PBP_FLAG_ACC ? *(T *)dr + x[j] : x[j];                  \
                }                                                                                  \
                ar += IN_VECTOR(T) * s->a_row, br += IN_VECTOR(T) * s->b_row;                      \
                done += IN_VECTOR(T) * s->cols;                                                    \
                if (done > POLL_ELEMENTS) {                                                        \
                    if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {         \
                        return PBP_INTERRUPTED;                                                    \
                    }                                                                              \
                    done = 0;                                                                      \
                }                                                                                  \
            }                                                                                      \
            for (; r < s->rows; r++, dr += s->d_row, ar += s->a_row, br += s->b_row) {             \
                T x = EMPTY;                                                                       \
                if (s->cols > BLOCK) {                                                             \
                    if (OP##_long_##T(s->cols, &x, (const T *)ar, (const T *)br, op, sweep) !=     \
                        PBP_OK) {                                                                  \
                        return PBP_INTERRUPTED;                                                    \
                    }                                                                              \
                } else if (s->cols > 0) {                                                          \
                    x = OP##_block_##T(s->cols, (const T *)ar, (const T *)br);                     \
                }                                                                                  \
                *(T *)dr = op->flags & PBP_FLAG_ACC ? *(T *)dr + x : x;                            \
                done += s->cols;                                                                   \
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

/* The columns form: `count` vectors of columns at once, or single columns.  `skip` rows are in d
 * already. */
#define COLUMNS_FUNCTION(OP, T, FIRST, SKIP)                                                       \
    static inline __attribute__((always_inline)) void OP##_some_##T(                               \
        int count, int64_t rows, T *d, const char *a, int64_t a_row, const char *b, int64_t b_row, \
        bool continues)                                                                            \
    {                                                                                              \
        T##_v s[4];                                                                                \
        _Pragma("GCC unroll 8") for (int v = 0; v < count; v++)                                    \
        {                                                                                          \
            if (continues) {                                                                       \
                s[v] = (T##_v) * (const T##_u *)(d + v * IN_VECTOR(T));                            \
            } else if (SKIP) {                                                                     \
                s[v] = (T##_v) * (const T##_u *)((const T *)a + v * IN_VECTOR(T));                 \
            } else {                                                                               \
                s[v] = (T)(FIRST) - (T##_v){0};                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int64_t i = 0; i < rows; i++) {                                                       \
            const T *pa = (const T *)(a + i * a_row), *pb = (const T *)(b + i * b_row);            \
            (void)pb;                                                                              \
            _Pragma("GCC unroll 8") for (int w = 0; w < count; w++)                                \
            {                                                                                      \
                const T##_v x = (T##_v) * (const T##_u *)(pa + w * IN_VECTOR(T));                  \
                OP##_LOAD_COLUMN_Y(T) s[w] = OP##_STEPS(T, s[w], x, y);                            \
            }                                                                                      \
        }                                                                                          \
        _Pragma("GCC unroll 8") for (int v = 0; v < count; v++)                                    \
        {                                                                                          \
            *(T##_u *)(d + v * IN_VECTOR(T)) = (T##_u)s[v];                                        \
        }                                                                                          \
    }                                                                                              \
    static void OP##_part_##T(const pbp_shape *s, int64_t rows, T *d, const char *a,               \
                              const char *b, bool continues)                                       \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + 4 * IN_VECTOR(T) <= s->cols; i += 4 * IN_VECTOR(T)) {                           \
            OP##_some_##T(4, rows, d + i, a + i * (int64_t)sizeof(T), s->a_row,                    \
                          b + i * (int64_t)sizeof(T), s->b_row, continues);                        \
        }                                                                                          \
        for (; i + IN_VECTOR(T) <= s->cols; i += IN_VECTOR(T)) {                                   \
            OP##_some_##T(1, rows, d + i, a + i * (int64_t)sizeof(T), s->a_row,                    \
                          b + i * (int64_t)sizeof(T), s->b_row, continues);                        \
        }                                                                                          \
        const int64_t left = s->cols - i;                                                          \
        T *restrict out = d + i;                                                                   \
        for (int64_t j = 0; j < left && !continues; j++) {                                         \
            out[j] = SKIP ? ((const T *)a)[i + j] : (T)(FIRST);                                    \
        }                                                                                          \
        for (int64_t r = 0; r < rows && left > 0; r++) {                                           \
            const T *pa = (const T *)(a + r * s->a_row) + i;                                       \
            const T *pb = (const T *)(b + r * s->b_row) + i;                                       \
            (void)pb;                                                                              \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < left; j++)                                \
            {                                                                                      \
                out[j] = OP##_STEP(T, out[j], pa[j], pb[j]);                                       \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static pbp_status OP##_columns_##T(const pbp_array_op *op, pbp_sweep *sweep, char *d,          \
                                       const char *a, const char *b)                               \
    {                                                                                              \
        const pbp_shape *s = &op->shape;                                                           \
        const int64_t most = POLL_ELEMENTS / (s->cols > 0 ? s->cols : 1) + 1;                      \
        int64_t done = 0;                                                                          \
        for (int64_t o = 0; o < op->outer && s->cols > 0; o++) {                                   \
            const char *ar = a + o * op->a_outer, *br = b + o * op->b_outer;                       \
            T *dr = (T *)(d + o * op->d_outer);                                                    \
            bool continues = (op->flags & PBP_FLAG_ACC) != 0;                                      \
            int64_t r = 0;                                                                         \
            do {                                                                                   \
                const int64_t rows = s->rows - r < most ? s->rows - r : most;                      \
                OP##_part_##T(s, rows, dr, ar + r * s->a_row, br + r * s->b_row, continues);       \
                continues = true;                                                                  \
                r += rows;                                                                         \
                done += rows * s->cols;                                                            \
                if (done > POLL_ELEMENTS) {                                                        \
                    if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {         \
                        return PBP_INTERRUPTED;                                                    \
                    }                                                                              \
                    done = 0;                                                                      \
                }                                                                                  \
            } while (r < s->rows);                                                                 \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }

#define LOAD_COLUMN_Y(T) const T##_v y = (T##_v) * (const T##_u *)(pb + w * IN_VECTOR(T));
#define SUM_LOAD_COLUMN_Y NO_Y
#define PROD_LOAD_COLUMN_Y NO_Y
#define MAX_OF_LOAD_COLUMN_Y NO_Y
#define MIN_OF_LOAD_COLUMN_Y NO_Y
#define DOT_LOAD_COLUMN_Y LOAD_COLUMN_Y

#define REDUCTION(OP, T, FIRST_OF_ROW, EMPTY, FIRST_OF_COLUMN, SKIP, FIRST_ACROSS, NEXT)           \
    BLOCK_FUNCTION(OP, T, FIRST_OF_ROW)                                                            \
    SHORT_FUNCTION(OP, T, FIRST_ACROSS, NEXT)                                                      \
    ROWS_FUNCTION(OP, T, EMPTY)                                                                    \
    COLUMNS_FUNCTION(OP, T, FIRST_OF_COLUMN, SKIP)

#define SAME(T, number) ((T)(number) - (T##_v){0})
REDUCTION(SUM, double, 0, 0, 0, false, SAME(double, 0), SUM_STEPS)
REDUCTION(SUM, float, 0, 0, 0, false, SAME(float, 0), SUM_STEPS)
REDUCTION(PROD, double, 1, 1, 1, false, SAME(double, 1), PROD_STEPS)
REDUCTION(PROD, float, 1, 1, 1, false, SAME(float, 1), PROD_STEPS)
REDUCTION(DOT, double, 0, 0, 0, false, SAME(double, 0), SUM_STEPS)
REDUCTION(DOT, float, 0, 0, 0, false, SAME(float, 0), SUM_STEPS)
/* Extremes start at the first element, and take it again. */
REDUCTION(MAX_OF, double, a[0], 0, 0, true, across_double(a, a_row), MAX_OF_STEPS)
REDUCTION(MAX_OF, float, a[0], 0, 0, true, across_float(a, a_row), MAX_OF_STEPS)
REDUCTION(MIN_OF, double, a[0], 0, 0, true, across_double(a, a_row), MIN_OF_STEPS)
REDUCTION(MIN_OF, float, a[0], 0, 0, true, across_float(a, a_row), MIN_OF_STEPS)

#define FIND(OP)                                                                                   \
    case PBP_ROW_##OP:                                                                             \
        return columns ? (f64 ? OP##_columns_double : OP##_columns_float)                          \
                       : (f64 ? OP##_rows_double : OP##_rows_float);

pbp_sweep_kernel PBP_ISA_NAME(pbp_reduce_find)(uint32_t row, uint32_t dtype, bool columns)
{
    const bool f64 = dtype == PBP_FLOAT64;
    if (!f64 && dtype != PBP_FLOAT32) {
        return NULL;
    }
    switch (row) {
        FIND(SUM)
        FIND(PROD)
        FIND(DOT)
        FIND(MAX_OF)
        FIND(MIN_OF)
    default:
        return NULL;
    }
}
