/* What emitted C uses besides simd_math.h and float_math.h: sums in the order that docs/tape.md
   states, matrix products as chains of multiply-adds, and conversions and powers of integers.  Only
   the parts that a file needs are pasted into it, so every part stands between blank lines and has
   no blank line inside. */
#ifndef PBP_NATIVE_RUNTIME_H
#define PBP_NATIVE_RUNTIME_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#define PBP_LOOP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define PBP_LOOP _Pragma("GCC ivdep")
#else
#define PBP_LOOP
#endif

#if defined(__GNUC__)
#define PBP_CALL static __attribute__((noinline, unused))
#define PBP_PART static inline __attribute__((unused))
#define PBP_SHORT static inline __attribute__((always_inline, unused))
#define PBP_KNOWN(n) __builtin_constant_p(n)
#else
#define PBP_CALL static
#define PBP_PART static inline
#define PBP_SHORT static inline
#define PBP_KNOWN(n) 0
#endif

#if defined(__cplusplus)
#define PBP_RESTRICT
#else
#define PBP_RESTRICT restrict
#endif

/* ---- sums of rows ---- */

#define PBP_SUM_STEP(F, s, x, y) ((s) + (x))
#define PBP_SUM_FOLD(s, x) ((s) + (x))

#define PBP_PROD_STEP(F, s, x, y) ((s) * (x))
#define PBP_PROD_FOLD(s, x) ((s) * (x))

#define PBP_DOT_STEP(F, s, x, y) pbp_fma##F(x, y, s)
#define PBP_DOT_FOLD(s, x) ((s) + (x))

/* NaN stays, and a NaN met is taken. */
#define PBP_MAX_OF_STEP(F, s, x, y) ((s) >= (x) || (s) != (s) ? (s) : (x))
#define PBP_MAX_OF_FOLD(s, x) PBP_MAX_OF_STEP(, s, x, x)

#define PBP_MIN_OF_STEP(F, s, x, y) ((s) <= (x) || (s) != (s) ? (s) : (x))
#define PBP_MIN_OF_FOLD(s, x) PBP_MIN_OF_STEP(, s, x, x)

/* The whole rounds of the lanes, kept in registers: GCC leaves an array of lanes in memory. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX2__) && defined(__FMA__)
typedef double pbp_quad __attribute__((vector_size(32), aligned(8), may_alias));
typedef float pbp_quadf __attribute__((vector_size(32), aligned(4), may_alias));
#define PBP_SUM_STEPS(F, V, s, x, y) ((s) + *(const V *)(x))
#define PBP_PROD_STEPS(F, V, s, x, y) ((s) * *(const V *)(x))
#define PBP_DOT_STEPS(F, V, s, x, y) PBP_DOT_QUAD##F(*(const V *)(x), *(const V *)(y), s)
#define PBP_DOT_QUAD(x, y, s) __builtin_ia32_vfmaddpd256(x, y, s)
#define PBP_DOT_QUADf(x, y, s) __builtin_ia32_vfmaddps256(x, y, s)
#define PBP_AHEAD(OP, T, F, V)                                                                     \
    PBP_SHORT int64_t pbp_ahead_##OP##F(T *s, int64_t n, const T *a, const T *b)                   \
    {                                                                                              \
        const int64_t lanes = 128 / sizeof(T), width = 32 / sizeof(T);                             \
        V *const v = (V *)s;                                                                       \
        V s0 = v[0], s1 = v[1], s2 = v[2], s3 = v[3];                                              \
        int64_t i = 0;                                                                             \
        (void)b;                                                                                   \
        for (; i + lanes <= n; i += lanes) {                                                       \
            const T *const x = a + i, *const y = b + i;                                            \
            (void)y;                                                                               \
            s0 = PBP_##OP##_STEPS(F, V, s0, x, y);                                                 \
            s1 = PBP_##OP##_STEPS(F, V, s1, x + width, y + width);                                 \
            s2 = PBP_##OP##_STEPS(F, V, s2, x + 2 * width, y + 2 * width);                         \
            s3 = PBP_##OP##_STEPS(F, V, s3, x + 3 * width, y + 3 * width);                         \
        }                                                                                          \
        v[0] = s0, v[1] = s1, v[2] = s2, v[3] = s3;                                                \
        return i;                                                                                  \
    }
PBP_AHEAD(SUM, double, , pbp_quad)
PBP_AHEAD(SUM, float, f, pbp_quadf)
PBP_AHEAD(PROD, double, , pbp_quad)
PBP_AHEAD(PROD, float, f, pbp_quadf)
PBP_AHEAD(DOT, double, , pbp_quad)
PBP_AHEAD(DOT, float, f, pbp_quadf)
#define PBP_SUM_AHEAD(F, s, n, a, b) pbp_ahead_SUM##F(s, n, a, b)
#define PBP_PROD_AHEAD(F, s, n, a, b) pbp_ahead_PROD##F(s, n, a, b)
#define PBP_DOT_AHEAD(F, s, n, a, b) pbp_ahead_DOT##F(s, n, a, b)
#else
#define PBP_SUM_AHEAD(F, s, n, a, b) 0
#define PBP_PROD_AHEAD(F, s, n, a, b) 0
#define PBP_DOT_AHEAD(F, s, n, a, b) 0
#endif
#define PBP_MAX_OF_AHEAD(F, s, n, a, b) 0
#define PBP_MIN_OF_AHEAD(F, s, n, a, b) 0

/* A row comes in chunks of a multiple of N elements, the last one of any length, that do not cross
   a border of 4,096 elements.  `part` is a binary counter of blocks. */
#define PBP_REDUCTION(OP, T, F, N, FIRST)                                                          \
    typedef struct pbp_state_##OP##F {                                                             \
        T lane[N], part[64];                                                                       \
        int64_t filled, count;                                                                     \
        int top;                                                                                   \
    } pbp_state_##OP##F;                                                                           \
    PBP_PART T pbp_fold_##OP##F(T *lane)                                                           \
    {                                                                                              \
        if (N > 16) {                                                                              \
            for (int j = 0; j < 16; j++) {                                                         \
                lane[j] = PBP_##OP##_FOLD(lane[j], lane[j + N - 16]);                              \
            }                                                                                      \
        }                                                                                          \
        for (int j = 0; j < 8; j++) {                                                              \
            lane[j] = PBP_##OP##_FOLD(lane[j], lane[j + 8]);                                       \
        }                                                                                          \
        for (int j = 0; j < 4; j++) {                                                              \
            lane[j] = PBP_##OP##_FOLD(lane[j], lane[j + 4]);                                       \
        }                                                                                          \
        const T s = PBP_##OP##_FOLD(lane[0], lane[2]), x = PBP_##OP##_FOLD(lane[1], lane[3]);      \
        return PBP_##OP##_FOLD(s, x);                                                              \
    }                                                                                              \
    PBP_SHORT void pbp_steps_##OP##F(T *PBP_RESTRICT s, int64_t n, const T *PBP_RESTRICT a,        \
                                     const T *PBP_RESTRICT b)                                      \
    {                                                                                              \
        int64_t i = PBP_##OP##_AHEAD(F, s, n, a, b);                                               \
        (void)b;                                                                                   \
        for (; i + N <= n; i += N) {                                                               \
            PBP_LOOP                                                                               \
            for (int j = 0; j < N; j++) {                                                          \
                s[j] = PBP_##OP##_STEP(F, s[j], a[i + j], b[i + j]);                               \
            }                                                                                      \
        }                                                                                          \
        for (int j = 0; i + j < n; j++) {                                                          \
            s[j] = PBP_##OP##_STEP(F, s[j], a[i + j], b[i + j]);                                   \
        }                                                                                          \
    }                                                                                              \
    PBP_CALL void pbp_lanes_##OP##F(T *PBP_RESTRICT lane, int64_t n, const T *PBP_RESTRICT a,      \
                                    const T *PBP_RESTRICT b)                                       \
    {                                                                                              \
        T s[N];                                                                                    \
        memcpy(s, lane, sizeof s);                                                                 \
        pbp_steps_##OP##F(s, n, a, b);                                                             \
        memcpy(lane, s, sizeof s);                                                                 \
    }                                                                                              \
    PBP_SHORT T pbp_whole_##OP##F(int64_t n, const T *a, const T *b)                               \
    {                                                                                              \
        T lane[N];                                                                                 \
        for (int j = 0; j < N; j++) {                                                              \
            lane[j] = FIRST;                                                                       \
        }                                                                                          \
        pbp_steps_##OP##F(lane, n, a, b);                                                          \
        return pbp_fold_##OP##F(lane);                                                             \
    }                                                                                              \
    PBP_CALL T pbp_long_##OP##F(int64_t n, const T *a, const T *b)                                 \
    {                                                                                              \
        return pbp_whole_##OP##F(n, a, b);                                                         \
    }                                                                                              \
    PBP_PART T pbp_block_##OP##F(int64_t n, const T *a, const T *b)                                \
    {                                                                                              \
        (void)b;                                                                                   \
        if (n < N) {                                                                               \
            T s = FIRST;                                                                           \
            for (int64_t i = 0; i < n; i++) {                                                      \
                s = PBP_##OP##_STEP(F, s, a[i], b[i]);                                             \
            }                                                                                      \
            return s;                                                                              \
        }                                                                                          \
        return PBP_KNOWN(n) && n <= 8 * N ? pbp_whole_##OP##F(n, a, b)                             \
                                          : pbp_long_##OP##F(n, a, b);                             \
    }                                                                                              \
    PBP_PART void pbp_push_##OP##F(pbp_state_##OP##F *state, T s)                                  \
    {                                                                                              \
        for (int64_t bits = state->count++; bits & 1; bits >>= 1) {                                \
            s = PBP_##OP##_FOLD(state->part[state->top - 1], s);                                   \
            state->top--;                                                                          \
        }                                                                                          \
        state->part[state->top++] = s;                                                             \
    }                                                                                              \
    PBP_PART void pbp_begin_##OP##F(pbp_state_##OP##F *state)                                      \
    {                                                                                              \
        state->filled = state->count = 0;                                                          \
        state->top = 0;                                                                            \
    }                                                                                              \
    PBP_PART void pbp_chunk_##OP##F(pbp_state_##OP##F *state, int64_t n, const T *a, const T *b)   \
    {                                                                                              \
        if (state->filled == 0) {                                                                  \
            if (n < N || n == 4096) {                                                              \
                pbp_push_##OP##F(state, pbp_block_##OP##F(n, a, b));                               \
                return;                                                                            \
            }                                                                                      \
            for (int j = 0; j < N; j++) {                                                          \
                state->lane[j] = FIRST;                                                            \
            }                                                                                      \
        }                                                                                          \
        pbp_lanes_##OP##F(state->lane, n, a, b);                                                   \
        state->filled += n;                                                                        \
        if (state->filled == 4096) {                                                               \
            pbp_push_##OP##F(state, pbp_fold_##OP##F(state->lane));                                \
            state->filled = 0;                                                                     \
        }                                                                                          \
    }                                                                                              \
    PBP_PART T pbp_end_##OP##F(pbp_state_##OP##F *state)                                           \
    {                                                                                              \
        if (state->filled > 0) {                                                                   \
            pbp_push_##OP##F(state, pbp_fold_##OP##F(state->lane));                                \
        }                                                                                          \
        T s = state->part[--state->top];                                                           \
        while (state->top > 0) {                                                                   \
            s = PBP_##OP##_FOLD(state->part[state->top - 1], s);                                   \
            state->top--;                                                                          \
        }                                                                                          \
        return s;                                                                                  \
    }                                                                                              \
    PBP_PART T pbp_row_##OP##F(int64_t n, const T *a, const T *b)                                  \
    {                                                                                              \
        pbp_state_##OP##F state;                                                                   \
        if (n <= 4096) {                                                                           \
            return pbp_block_##OP##F(n, a, b);                                                     \
        }                                                                                          \
        pbp_begin_##OP##F(&state);                                                                 \
        for (int64_t i = 0; i < n; i += 4096) {                                                    \
            pbp_chunk_##OP##F(&state, n - i < 4096 ? n - i : 4096, a + i, b + i);                  \
        }                                                                                          \
        return pbp_end_##OP##F(&state);                                                            \
    }

PBP_REDUCTION(SUM, double, , 16, 0)

PBP_REDUCTION(SUM, float, f, 32, 0)

PBP_REDUCTION(PROD, double, , 16, 1)

PBP_REDUCTION(PROD, float, f, 32, 1)

PBP_REDUCTION(DOT, double, , 16, 0)

PBP_REDUCTION(DOT, float, f, 32, 0)

PBP_REDUCTION(MAX_OF, double, , 16, a[0])

PBP_REDUCTION(MAX_OF, float, f, 32, a[0])

PBP_REDUCTION(MIN_OF, double, , 16, a[0])

PBP_REDUCTION(MIN_OF, float, f, 32, a[0])

/* ---- matrix products: what csrc/src/kernels_matmul.h states, to the bit ---- */

#define PBP_MATMUL(T, F)                                                                           \
    PBP_PART T pbp_strided_dot##F(int64_t n, const T *a, const T *b, int64_t step)                 \
    {                                                                                              \
        pbp_state_DOT##F state;                                                                    \
        T piece[512];                                                                              \
        if (step == 1) {                                                                           \
            return pbp_row_DOT##F(n, a, b);                                                        \
        }                                                                                          \
        if (n == 0) {                                                                              \
            return 0;                                                                              \
        }                                                                                          \
        pbp_begin_DOT##F(&state);                                                                  \
        for (int64_t i = 0; i < n; i += 512) {                                                     \
            const int64_t count = n - i < 512 ? n - i : 512;                                       \
            for (int64_t j = 0; j < count; j++) {                                                  \
                piece[j] = b[(i + j) * step];                                                      \
            }                                                                                      \
            pbp_chunk_DOT##F(&state, count, a + i, piece);                                         \
        }                                                                                          \
        return pbp_end_DOT##F(&state);                                                             \
    }                                                                                              \
    PBP_PART void pbp_few##F(int64_t m, int64_t k, T *c, const T *a, int64_t a_col, const T *b,    \
                             int64_t b_row, int accumulate)                                        \
    {                                                                                              \
        T s[4][192 / sizeof(T)] = {{0}};                                                           \
        for (int64_t p = 0; p < k; p++) {                                                          \
            const T *const row = a + p * a_col;                                                    \
            const T x = b[p * b_row];                                                              \
            T *const t = s[p & 3];                                                                 \
            PBP_LOOP                                                                               \
            for (int64_t j = 0; j < m; j++) {                                                      \
                t[j] = pbp_fma##F(row[j], x, t[j]);                                                \
            }                                                                                      \
        }                                                                                          \
        for (int64_t j = 0; j < m; j++) {                                                          \
            const T d = (s[0][j] + s[1][j]) + (s[2][j] + s[3][j]);                                 \
            c[j] = accumulate ? c[j] + d : d;                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_matmul##F(int64_t m, int64_t n, int64_t k, T *c, int64_t c_row,              \
                                int64_t c_col, const T *a, int64_t a_row, int64_t a_col,           \
                                const T *b, int64_t b_row, int64_t b_col, int accumulate)          \
    {                                                                                              \
        if (n == 1 && a_col == 1) {                                                                \
            for (int64_t i = 0; i < m; i++) {                                                      \
                const T s = pbp_strided_dot##F(k, a + i * a_row, b, b_row);                        \
                c[i * c_row] = accumulate ? c[i * c_row] + s : s;                                  \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        if (m == 1 && b_row == 1) {                                                                \
            for (int64_t j = 0; j < n; j++) {                                                      \
                const T s = pbp_strided_dot##F(k, b + j * b_col, a, a_col);                        \
                c[j * c_col] = accumulate ? c[j * c_col] + s : s;                                  \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        if (n == 1 && a_row == 1 && c_row == 1 && m > 1 && m <= (int64_t)(192 / sizeof(T))) {      \
            pbp_few##F(m, k, c, a, a_col, b, b_row, accumulate);                                   \
            return;                                                                                \
        }                                                                                          \
        if (m == 1 && b_col == 1 && c_col == 1 && n > 1 && n <= (int64_t)(192 / sizeof(T))) {      \
            pbp_few##F(n, k, c, b, b_row, a, a_col, accumulate);                                   \
            return;                                                                                \
        }                                                                                          \
        if (c_col != 1 && c_row == 1) {                                                            \
            /* The transposed product: b' a'. */                                                   \
            const T *const swapped = a;                                                            \
            const int64_t rows = m, c_step = c_row, a_step = a_row, a_other = a_col;               \
            m = n, n = rows, c_row = c_col, c_col = c_step;                                        \
            a = b, a_row = b_col, a_col = b_row, b = swapped, b_row = a_other, b_col = a_step;     \
        }                                                                                          \
        for (int64_t i = 0; i < m; i++) {                                                          \
            for (int64_t start = 0; start < n; start += 64) {                                      \
                const int64_t count = n - start < 64 ? n - start : 64;                             \
                const T *const pb = b + start * b_col;                                             \
                T *const pc = c + i * c_row + start * c_col;                                       \
                T s[64];                                                                           \
                for (int64_t j = 0; j < count; j++) {                                              \
                    s[j] = accumulate ? pc[j * c_col] : 0;                                         \
                }                                                                                  \
                for (int64_t p = 0; p < k; p++) {                                                  \
                    const T x = a[i * a_row + p * a_col];                                          \
                    PBP_LOOP                                                                       \
                    for (int64_t j = 0; j < count; j++) {                                          \
                        s[j] = pbp_fma##F(x, pb[p * b_row + j * b_col], s[j]);                     \
                    }                                                                              \
                }                                                                                  \
                for (int64_t j = 0; j < count; j++) {                                              \
                    pc[j * c_col] = s[j];                                                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

/* Sizes known where it is called, and small: the same chains, C by rows. */
#define PBP_SMALL_MATMUL(T, F)                                                                     \
    PBP_INLINE void pbp_small_matmul##F(int m, int n, int k, T *PBP_RESTRICT c, int64_t c_row,     \
                                        const T *a, int64_t a_row, int64_t a_col, const T *b,      \
                                        int64_t b_row, int64_t b_col, int accumulate)              \
    {                                                                                              \
        for (int i = 0; i < m; i++) {                                                              \
            T s[8];                                                                                \
            for (int j = 0; j < n; j++) {                                                          \
                s[j] = accumulate ? c[i * c_row + j] : 0;                                          \
            }                                                                                      \
            for (int p = 0; p < k; p++) {                                                          \
                const T x = a[i * a_row + p * a_col];                                              \
                for (int j = 0; j < n; j++) {                                                      \
                    s[j] = pbp_fma##F(x, b[p * b_row + j * b_col], s[j]);                          \
                }                                                                                  \
            }                                                                                      \
            for (int j = 0; j < n; j++) {                                                          \
                c[i * c_row + j] = s[j];                                                           \
            }                                                                                      \
        }                                                                                          \
    }

PBP_SMALL_MATMUL(double, )

PBP_SMALL_MATMUL(float, f)

PBP_MATMUL(double, )

PBP_MATMUL(float, f)

/* ---- integers ---- */

/* a ** b modulo 2^64. */
PBP_PART uint64_t pbp_power(uint64_t a, uint64_t b)
{
    uint64_t result = 1;
    for (; b != 0; b >>= 1) {
        result *= b & 1 ? a : 1;
        a *= a;
    }
    return result;
}

/* The greatest common divisor, by Euclid; 0 of two zeros. */
PBP_PART uint64_t pbp_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What does not fit is the smallest number, as NumPy has it on x86-64. */
PBP_PART int32_t pbp_to_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : (-2147483647 - 1);
}

PBP_PART int64_t pbp_to_i64(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x
                                                                    : (-9223372036854775807 - 1);
}

PBP_PART uint64_t pbp_to_u64(double x)
{
    return x >= 9223372036854775808.0
               ? (uint64_t)pbp_to_i64(x - 9223372036854775808.0) ^ (uint64_t)1 << 63
               : (uint64_t)pbp_to_i64(x);
}

#endif
