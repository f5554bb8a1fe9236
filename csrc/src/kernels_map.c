/* Elementwise kernels of float32 and float64, compiled once per instruction set: one loop per row
   of pybackprop_instr.def, type and choice of broadcast operands, which the compiler turns into
   vector code.

     r[d][i] = f(r[a][i], r[b][i], r[c][i])

   An operand with flag SA, SB or SC is one element (s in a kernel's name, v otherwise).  d may be
   the same memory as an operand: `ivdep` is true then as well, because element i is read before it
   is written.  Results are rounded as the scalar class rounds them: contraction is off, and
   multiply-add is called by name.

   Costly functions are compiled once, for a block of one vector: the rest of a row is padded with
   zeros.  Their broadcast operands are spread into a small block first. */
#include "core.h"
#include "float_math.h"

/* Vector loops, but not unrolled ones: half the size, no slower at the lengths of tiles. */
#ifndef __clang__
#if defined(__x86_64__) && !defined(__AVX2__)
#pragma GCC optimize("O2")
#else
#pragma GCC optimize("O2", "tree-vectorize", "vect-cost-model=dynamic")
#endif
#endif

#include "simd_math.h"
#include "special_math.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#ifndef PBP_ISA
#define PBP_ISA base
#endif

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX2__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

#define UNUSED __attribute__((unused))
#define ARGS                                                                                       \
    int64_t n, char *dp, UNUSED const char *ap, UNUSED const char *bp, UNUSED const char *cp

/* ---- broadcast operands ---- */

#define BLOCK 128

static void fill(char *d, const char *a, int64_t n, size_t size)
{
    if (size == 8) {
        uint64_t x;
        memcpy(&x, a, 8);
        for (int64_t i = 0; i < n; i++) {
            ((uint64_t *)d)[i] = x;
        }
    } else if (size == 4) {
        uint32_t x;
        memcpy(&x, a, 4);
        for (int64_t i = 0; i < n; i++) {
            ((uint32_t *)d)[i] = x;
        }
    } else {
        memset(d, *a, (size_t)n);
    }
}

/* r[d][:] = f(r[a]), computed once. */
static __attribute__((noinline)) void spread_result(pbp_map_kernel kernel, size_t size, int64_t n,
                                                    char *d, const char *a)
{
    char value[8] __attribute__((aligned(8)));
    kernel(1, value, a, a, a);
    fill(d, value, n, size);
}

/* r[d] = f(r[a], r[b]) where a (variant bit 0) or b (bit 1) is one element, by a kernel that takes
 * blocks there. */
static __attribute__((noinline)) void spread_operands(pbp_map_kernel kernel, size_t size,
                                                      uint32_t variant, int64_t n, char *d,
                                                      const char *a, const char *b)
{
    uint64_t block_a[BLOCK], block_b[BLOCK];
    const int64_t width = n < BLOCK ? n : BLOCK;
    if (variant & 1) {
        fill((char *)block_a, a, width, size);
    }
    if (variant & 2) {
        fill((char *)block_b, b, width, size);
    }
    for (int64_t i = 0; i < n; i += width) {
        const int64_t piece = n - i < width ? n - i : width, at = i * (int64_t)size;
        kernel(piece, d + at, variant & 1 ? (char *)block_a : a + at,
               variant & 2 ? (char *)block_b : b + at, b);
    }
}

/* ---- loops: T the type of operands, U of the result ---- */

#define KERNEL1(NAME, T, U, F, EXPR)                                                               \
    static void NAME##_v##F(ARGS)                                                                  \
    {                                                                                              \
        U *d = (U *)dp;                                                                            \
        const T *pa = (const T *)ap;                                                               \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            const T a = pa[i];                                                                     \
            d[i] = (U)(EXPR);                                                                      \
        }                                                                                          \
    }                                                                                              \
    SPREAD1(NAME, U, F)

#define SPREAD1(NAME, U, F)                                                                        \
    static void NAME##_s##F(ARGS)                                                                  \
    {                                                                                              \
        spread_result(NAME##_v##F, sizeof(U), n, dp, ap);                                          \
    }

#define LOOP2(NAME, T, U, EXPR, A, B)                                                              \
    static void NAME(ARGS)                                                                         \
    {                                                                                              \
        U *d = (U *)dp;                                                                            \
        const T *pa = (const T *)ap, *pb = (const T *)bp;                                          \
        UNUSED const T a0 = *pa, b0 = *pb;                                                         \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            const T a = A, b = B;                                                                  \
            d[i] = (U)(EXPR);                                                                      \
        }                                                                                          \
    }
#define KERNEL2(NAME, T, U, F, EXPR)                                                               \
    LOOP2(NAME##_vv##F, T, U, EXPR, pa[i], pb[i])                                                  \
    LOOP2(NAME##_sv##F, T, U, EXPR, a0, pb[i])                                                     \
    LOOP2(NAME##_vs##F, T, U, EXPR, pa[i], b0)                                                     \
    static void NAME##_ss##F(ARGS)                                                                 \
    {                                                                                              \
        U value;                                                                                   \
        NAME##_vv##F(1, (char *)&value, ap, bp, cp);                                               \
        fill(dp, (const char *)&value, n, sizeof value);                                           \
    }

/* S: type of a, for SELECT. */
#define LOOP3(NAME, S, T, EXPR, A, B, C)                                                           \
    static void NAME(ARGS)                                                                         \
    {                                                                                              \
        T *d = (T *)dp;                                                                            \
        const S *pa = (const S *)ap;                                                               \
        const T *pb = (const T *)bp, *pc = (const T *)cp;                                          \
        UNUSED const S a0 = *pa;                                                                   \
        UNUSED const T b0 = *pb, c0 = *pc;                                                         \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            const S a = A;                                                                         \
            const T b = B, c = C;                                                                  \
            d[i] = EXPR;                                                                           \
        }                                                                                          \
    }
#define KERNEL3(NAME, S, T, F, EXPR)                                                               \
    LOOP3(NAME##_vvv##F, S, T, EXPR, pa[i], pb[i], pc[i])                                          \
    LOOP3(NAME##_svv##F, S, T, EXPR, a0, pb[i], pc[i])                                             \
    LOOP3(NAME##_vsv##F, S, T, EXPR, pa[i], b0, pc[i])                                             \
    LOOP3(NAME##_ssv##F, S, T, EXPR, a0, b0, pc[i])                                                \
    LOOP3(NAME##_vvs##F, S, T, EXPR, pa[i], pb[i], c0)                                             \
    LOOP3(NAME##_svs##F, S, T, EXPR, a0, pb[i], c0)                                                \
    LOOP3(NAME##_vss##F, S, T, EXPR, pa[i], b0, c0)                                                \
    LOOP3(NAME##_sss##F, S, T, EXPR, a0, b0, c0)

/* ---- costly functions: blocks of one vector ---- */

#define ALIGNED __attribute__((aligned(64)))

/* The first n elements of p, then zeros, into a block; and back.  By masks, since a vector read
   right after its elements were written one by one would wait for them. */
#if defined(__AVX512F__)
static inline void take_double(double *block, const double *p, int64_t n)
{
    _mm512_store_pd(block, _mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p));
}
static inline void give_double(double *p, const double *block, int64_t n)
{
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), _mm512_load_pd(block));
}
static inline void take_float(float *block, const float *p, int64_t n)
{
    _mm512_store_ps(block, _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p));
}
static inline void give_float(float *p, const float *block, int64_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), _mm512_load_ps(block));
}
#elif defined(__AVX2__)
static inline __m256i mask_double(int64_t n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
static inline __m256i mask_float(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline void take_double(double *block, const double *p, int64_t n)
{
    _mm256_store_pd(block, _mm256_maskload_pd(p, mask_double(n)));
}
static inline void give_double(double *p, const double *block, int64_t n)
{
    _mm256_maskstore_pd(p, mask_double(n), _mm256_load_pd(block));
}
static inline void take_float(float *block, const float *p, int64_t n)
{
    _mm256_store_ps(block, _mm256_maskload_ps(p, mask_float(n)));
}
static inline void give_float(float *p, const float *block, int64_t n)
{
    _mm256_maskstore_ps(p, mask_float(n), _mm256_load_ps(block));
}
#else
#define TAKE_AND_GIVE(T)                                                                           \
    static inline void take_##T(T *block, const T *p, int64_t n)                                   \
    {                                                                                              \
        for (int64_t j = 0; j < (int64_t)(WIDTH / sizeof(T)); j++) {                               \
            block[j] = j < n ? p[j] : (T)0;                                                        \
        }                                                                                          \
    }                                                                                              \
    static inline void give_##T(T *p, const T *block, int64_t n)                                   \
    {                                                                                              \
        for (int64_t j = 0; j < n; j++) {                                                          \
            p[j] = block[j];                                                                       \
        }                                                                                          \
    }
TAKE_AND_GIVE(double)
TAKE_AND_GIVE(float)
#endif

#define FUNCTION_KERNEL1(NAME, T, F, EXPR)                                                         \
    static void NAME##_v##F(ARGS)                                                                  \
    {                                                                                              \
        enum { W = WIDTH / sizeof(T) };                                                            \
        T block[W] ALIGNED;                                                                        \
        for (int64_t i = 0; i < n; i += W) {                                                       \
            T *d = (T *)dp + i;                                                                    \
            const T *pa = (const T *)ap + i;                                                       \
            const int64_t left = n - i;                                                            \
            if (left < W) {                                                                        \
                take_##T(block, pa, left);                                                         \
                d = block;                                                                         \
                pa = block;                                                                        \
            }                                                                                      \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < W; j++)                                   \
            {                                                                                      \
                const T a = pa[j];                                                                 \
                d[j] = EXPR;                                                                       \
            }                                                                                      \
            if (left < W) {                                                                        \
                give_##T((T *)dp + i, block, left);                                                \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    SPREAD1(NAME, T, F)

#define FUNCTION_KERNEL2(NAME, T, F, EXPR)                                                         \
    static void NAME##_vv##F(ARGS)                                                                 \
    {                                                                                              \
        enum { W = WIDTH / sizeof(T) };                                                            \
        T block[W] ALIGNED, block_b[W] ALIGNED;                                                    \
        for (int64_t i = 0; i < n; i += W) {                                                       \
            T *d = (T *)dp + i;                                                                    \
            const T *pa = (const T *)ap + i, *pb = (const T *)bp + i;                              \
            const int64_t left = n - i;                                                            \
            if (left < W) {                                                                        \
                take_##T(block, pa, left);                                                         \
                take_##T(block_b, pb, left);                                                       \
                d = block;                                                                         \
                pa = block;                                                                        \
                pb = block_b;                                                                      \
            }                                                                                      \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < W; j++)                                   \
            {                                                                                      \
                const T a = pa[j], b = pb[j];                                                      \
                d[j] = EXPR;                                                                       \
            }                                                                                      \
            if (left < W) {                                                                        \
                give_##T((T *)dp + i, block, left);                                                \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void NAME##_sv##F(ARGS)                                                                 \
    {                                                                                              \
        spread_operands(NAME##_vv##F, sizeof(T), 1, n, dp, ap, bp);                                \
    }                                                                                              \
    static void NAME##_vs##F(ARGS)                                                                 \
    {                                                                                              \
        spread_operands(NAME##_vv##F, sizeof(T), 2, n, dp, ap, bp);                                \
    }                                                                                              \
    static void NAME##_ss##F(ARGS)                                                                 \
    {                                                                                              \
        spread_operands(NAME##_vv##F, sizeof(T), 3, n, dp, ap, bp);                                \
    }

#define TRIG_KERNEL1(NAME, T, F, FUNCTION)                                                         \
    static void NAME##_v##F(ARGS)                                                                  \
    {                                                                                              \
        FUNCTION(n, (T *)dp, (const T *)ap);                                                       \
    }                                                                                              \
    SPREAD1(NAME, T, F)

/* ---- instances ---- */

#define L(function) function
#define M(function) pbp_##function
#define T double
#define MAP1(name, dtypes, cost, expression, text) KERNEL1(name, double, double, , expression)
#define MAP2(name, dtypes, cost, expression, text) KERNEL2(name, double, double, , expression)
#define MAP3(name, dtypes, cost, expression, text) KERNEL3(name, double, double, , expression)
#define FUNCTION1(name, dtypes, function, cost, text)                                              \
    FUNCTION_KERNEL1(name, double, , pbp_##function(a))
#define FUNCTION2(name, dtypes, function, cost, text)                                              \
    FUNCTION_KERNEL2(name, double, , pbp_##function(a, b))
#define SPECIAL1(name, dtypes, function, cost, text)
#define SPECIAL2(name, dtypes, function, cost, text)
#define TRIG1(name, dtypes, function, cost, text)                                                  \
    TRIG_KERNEL1(name, double, , pbp_##function##_array)
#define COMPARE1(name, dtypes, cost, expression, text) KERNEL1(name, double, uint8_t, , expression)
#define COMPARE2(name, dtypes, cost, expression, text) KERNEL2(name, double, uint8_t, , expression)
#include "pybackprop_instr.def"
KERNEL3(SELECT, uint8_t, uint64_t, , a ? b : c)
#undef L
#undef M
#undef T

#define L(function) function##f
#define M(function) pbp_##function##f
#define T float
#define MAP1(name, dtypes, cost, expression, text) KERNEL1(name, float, float, f, expression)
#define MAP2(name, dtypes, cost, expression, text) KERNEL2(name, float, float, f, expression)
#define MAP3(name, dtypes, cost, expression, text) KERNEL3(name, float, float, f, expression)
#define FUNCTION1(name, dtypes, function, cost, text)                                              \
    FUNCTION_KERNEL1(name, float, f, pbp_##function##f(a))
#define FUNCTION2(name, dtypes, function, cost, text)                                              \
    FUNCTION_KERNEL2(name, float, f, pbp_##function##f(a, b))
#define SPECIAL1(name, dtypes, function, cost, text)
#define SPECIAL2(name, dtypes, function, cost, text)
#define TRIG1(name, dtypes, function, cost, text)                                                  \
    TRIG_KERNEL1(name, float, f, pbp_##function##f_array)
#define COMPARE1(name, dtypes, cost, expression, text) KERNEL1(name, float, uint8_t, f, expression)
#define COMPARE2(name, dtypes, cost, expression, text) KERNEL2(name, float, uint8_t, f, expression)
#include "pybackprop_instr.def"
KERNEL3(SELECT, uint8_t, uint32_t, f, a ? b : c)
#undef L
#undef M
#undef T

/* ---- lookup ---- */

/* Each row's kernels: float64, then float32; variants in the order of the flags. */
#define ONE(name) [PBP_ROW_##name] = {{name##_v, name##_s}, {name##_vf, name##_sf}},
#define TWO(name)                                                                                  \
    [PBP_ROW_##name] = {{name##_vv, name##_sv, name##_vs, name##_ss},                              \
                        {name##_vvf, name##_svf, name##_vsf, name##_ssf}},
#define THREE(name)                                                                                \
    {PBP_ROW_##name,                                                                               \
     {{name##_vvv, name##_svv, name##_vsv, name##_ssv, name##_vvs, name##_svs, name##_vss,         \
       name##_sss},                                                                                \
      {name##_vvvf, name##_svvf, name##_vsvf, name##_ssvf, name##_vvsf, name##_svsf, name##_vssf,  \
       name##_sssf}}},

static const pbp_map_kernel table[PBP_ROW_COUNT][2][4] = {
#define MAP1(name, dtypes, cost, expression, text) ONE(name)
#define MAP2(name, dtypes, cost, expression, text) TWO(name)
#define FUNCTION1(name, dtypes, function, cost, text) ONE(name)
#define FUNCTION2(name, dtypes, function, cost, text) TWO(name)
#define SPECIAL1(name, dtypes, function, cost, text)
#define SPECIAL2(name, dtypes, function, cost, text)
#define COMPARE1(name, dtypes, cost, expression, text) ONE(name)
#define COMPARE2(name, dtypes, cost, expression, text) TWO(name)
#include "pybackprop_instr.def"
};

static const struct {
    uint32_t row;
    pbp_map_kernel kernels[2][8];
} table3[] = {
#define MAP3(name, dtypes, cost, expression, text) THREE(name)
#include "pybackprop_instr.def"
    THREE(SELECT)};

pbp_map_kernel PBP_ISA_NAME(pbp_map_find)(uint32_t row, uint32_t dtype, uint32_t variant)
{
    const uint32_t type = dtype == PBP_FLOAT64 ? 0 : 1;
    if (row >= PBP_ROW_COUNT || variant >= 8 || (dtype != PBP_FLOAT64 && dtype != PBP_FLOAT32)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof table3 / sizeof table3[0]; i++) {
        if (table3[i].row == row) {
            return table3[i].kernels[type][variant];
        }
    }
    return variant < 4 ? table[row][type][variant] : NULL;
}
