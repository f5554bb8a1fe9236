/* Pieces that the kernels of linear algebra share, per element type T: products by the core's
   kernels, vectors of one element from each of several matrices (lanes), triangular systems in
   blocks.  Included once per type after LINALG_SINGLE was defined to 0 or 1. */
#ifndef PBP_LINALG_PRELUDE
#define PBP_LINALG_PRELUDE
#include "float_math.h"
#include "kernels_linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef PBP_ISA
#define PBP_ISA base
#endif

/* The width of a vector decides how many matrices go side by side, and no result. */
#if defined(__AVX512F__)
#define LANE_BYTES 64
#elif defined(__AVX2__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi" /* lanes are passed to functions that are inlined */
#endif

#define LINALG_PASTE2(x, y) x##_##y
#define LINALG_PASTE(x, y) LINALG_PASTE2(x, y)
#define INLINE static inline __attribute__((always_inline, unused))
#define PART static __attribute__((unused))
#define LESS(x, y) ((x) < (y) ? (x) : (y))
#define MORE(x, y) ((x) > (y) ? (x) : (y))
#define BLOCK PBP_LINALG_BLOCK
#define KERNEL(name)                                                                               \
    pbp_status LINALG_PASTE(N(name), PBP_ISA)(const pbp_array_op *op, pbp_sweep *sweep,            \
                                              char *d_bytes, const char *a_bytes,                  \
                                              const char *b_bytes);                                \
    pbp_status LINALG_PASTE(N(name), PBP_ISA)(const pbp_array_op *op, pbp_sweep *sweep,            \
                                              char *d_bytes, const char *a_bytes,                  \
                                              const char *b_bytes)
#define ARGUMENTS                                                                                  \
    const int64_t *const p = op->params;                                                           \
    const int64_t batch = p[PBP_L_BATCH], n = p[PBP_L_N];                                          \
    T *const d = (T *)(void *)d_bytes;                                                             \
    const T *const a = (const T *)(const void *)a_bytes;                                           \
    void *const room = sweep->workspace->scratch;                                                  \
    N(vec) *const lanes = (N(vec) *)room;                                                          \
    T *const scratch = (T *)(void *)((char *)room + PBP_PRODUCT_ROOM);                             \
    (void)b_bytes;                                                                                 \
    (void)scratch;                                                                                 \
    (void)lanes
#define CHECKED(call)                                                                              \
    do {                                                                                           \
        const pbp_status status_ = (call);                                                         \
        if (status_ != PBP_OK) {                                                                   \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)
#endif

#undef T
#undef N
#undef LANES
#undef EPSILON
#undef TINY
#undef FN
#undef FMA
#undef PRODUCT
#undef LANE_INT
#if LINALG_SINGLE
#define T float
#define N(name) LINALG_PASTE(name, f32)
#define LANES (LANE_BYTES / 4)
#define LANE_INT int32_t
#define EPSILON FLT_EPSILON
#define TINY FLT_MIN
#define FN(name) name##f
#define FMA(a, b, c) pbp_fmaf(a, b, c)
#define PRODUCT matmul_f32
#else
#define T double
#define N(name) LINALG_PASTE(name, f64)
#define LANES (LANE_BYTES / 8)
#define LANE_INT int64_t
#define EPSILON DBL_EPSILON
#define TINY DBL_MIN
#define FN(name) name
#define FMA(a, b, c) pbp_fma(a, b, c)
#define PRODUCT matmul_f64
#endif

typedef T N(vec) __attribute__((vector_size(LANE_BYTES), may_alias));
typedef LANE_INT N(mask) __attribute__((vector_size(LANE_BYTES), may_alias));

/* ---- lanes ---- */

#define SPLAT(x) ((N(vec)){0} + (T)(x))
/* -SPLAT(0), as 0 + -0.0 is 0. */
#define ABS(v) ((N(vec))((N(mask))(v) & ~(N(mask))(-SPLAT(0))))

/* x in lanes where m is all ones, y where it is 0. */
INLINE N(vec) N(select)(N(mask) m, N(vec) x, N(vec) y)
{
#if defined(__AVX2__) && !defined(__AVX512F__) && LINALG_SINGLE
    return (N(vec))_mm256_blendv_ps((__m256)y, (__m256)x, (__m256)m);
#elif defined(__AVX2__) && !defined(__AVX512F__)
    return (N(vec))_mm256_blendv_pd((__m256d)y, (__m256d)x, (__m256d)m);
#else
    return (N(vec))((m & (N(mask))x) | (~m & (N(mask))y));
#endif
}

/* a * b + c, rounded once where the instruction set can. */
INLINE N(vec) N(madd)(N(vec) a, N(vec) b, N(vec) c)
{
#if defined(__AVX512F__) && LINALG_SINGLE
    return (N(vec))_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX512F__)
    return (N(vec))_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__) && defined(__FMA__) && LINALG_SINGLE
    return (N(vec))_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (N(vec))_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__FP_FAST_FMA)
    for (int i = 0; i < LANES; i++) {
        c[i] = FMA(a[i], b[i], c[i]);
    }
    return c;
#else
    return a * b + c;
#endif
}

INLINE N(vec) N(root)(N(vec) x)
{
    for (int i = 0; i < LANES; i++) {
        x[i] = FN(sqrt)(x[i]);
    }
    return x;
}

/* Whether a mask is set in any lane; the first such. */
INLINE int N(first_lane)(N(mask) m)
{
    for (int i = 0; i < LANES; i++) {
        if (m[i] != 0) {
            return i;
        }
    }
    return LANES;
}

#if defined(__AVX2__) && !defined(__AVX512F__) && !LINALG_SINGLE
/* Four rows of four become columns. */
INLINE void N(transpose_block)(__m256d *r)
{
    const __m256d a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    const __m256d c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#endif

/* Element e of matrix l goes to lane l of x[e]; matrices `step` apart.  Lanes from count on repeat
   the last one. */
PART void N(gather)(N(vec) * x, const T *a, int64_t size, int64_t step, int count)
{
    T *flat = (T *)(void *)x;
    const T *source[LANES];
    int64_t done = 0;
    for (int l = 0; l < LANES; l++) {
        source[l] = a + (l < count ? l : count - 1) * step;
    }
#if defined(__AVX2__) && !defined(__AVX512F__) && !LINALG_SINGLE
    for (; done + 4 <= size; done += 4) {
        __m256d r[4];
        for (int l = 0; l < 4; l++) {
            r[l] = _mm256_loadu_pd(source[l] + done);
        }
        N(transpose_block)(r);
        for (int l = 0; l < 4; l++) {
            _mm256_store_pd(flat + (done + l) * LANES, r[l]);
        }
    }
#endif
    for (int l = 0; l < LANES; l++) {
        for (int64_t e = done; e < size; e++) {
            flat[e * LANES + l] = source[l][e];
        }
    }
}

PART void N(scatter)(T *d, const N(vec) * x, int64_t size, int64_t step, int count)
{
    const T *flat = (const T *)(const void *)x;
    int64_t done = 0;
#if defined(__AVX2__) && !defined(__AVX512F__) && !LINALG_SINGLE
    for (; count == 4 && done + 4 <= size; done += 4) {
        __m256d r[4];
        for (int l = 0; l < 4; l++) {
            r[l] = _mm256_load_pd(flat + (done + l) * LANES);
        }
        N(transpose_block)(r);
        for (int l = 0; l < 4; l++) {
            _mm256_storeu_pd(d + l * step + done, r[l]);
        }
    }
#endif
    for (int l = 0; l < count; l++) {
        T *place = d + l * step;
        for (int64_t e = done; e < size; e++) {
            place[e] = flat[e * LANES + l];
        }
    }
}

/* ---- products and triangular systems of larger matrices ---- */

/* c += a b, or c = a b; rows of c are contiguous. `room` has PBP_PRODUCT_ROOM bytes. */
INLINE void N(product)(const pbp_sweep *sweep, int64_t m, int64_t n, int64_t k, T *c, int64_t c_row,
                       const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                       int64_t b_col, int accumulate, void *room)
{
    if (m > 0 && n > 0 && (k > 0 || !accumulate)) {
        sweep->tape->isa->PRODUCT(m, n, k, c, c_row, 1, a, a_row, a_col, b, b_row, b_col,
                                  accumulate, room);
    }
}

/* y[0..n) += s x[0..n) */
INLINE void N(axpy)(int64_t n, T s, const T *restrict x, T *restrict y)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = FMA(s, x[i], y[i]);
    }
}

INLINE void N(scale)(int64_t n, T s, T *x)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] *= s;
    }
}

INLINE void N(exchange)(int64_t n, T *x, T *y)
{
    for (int64_t j = 0; j < n; j++) {
        const T v = x[j];
        x[j] = y[j];
        y[j] = v;
    }
}

/* A dot product, in 32 chains if it is long; its order depends on n alone. */
PART T N(dot)(int64_t n, const T *restrict x, const T *restrict y)
{
    T s[32] = {0};
    int64_t i = 0;
    if (n < 16) {
        T sum = 0;
        for (; i < n; i++) {
            sum = FMA(x[i], y[i], sum);
        }
        return sum;
    }
    for (; i + 32 <= n; i += 32) {
        for (int j = 0; j < 32; j++) {
            s[j] = FMA(x[i + j], y[i + j], s[j]);
        }
    }
    for (int j = 0; i < n; i++, j++) {
        s[j] = FMA(x[i], y[i], s[j]);
    }
    for (int half = 16; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            s[j] += s[j + half];
        }
    }
    return s[0];
}

/* The Euclidean norm without overflow or underflow on the way. */
PART T N(length)(int64_t n, const T *x, int64_t step)
{
    T largest = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const T v = FN(fabs)(x[i * step]);
        largest = v > largest || v != v ? v : largest;
    }
    if (!(largest > 0) || largest == (T)INFINITY) {
        return largest;
    }
    if (largest > (T)1e-10 && largest < (T)1e10) {
        for (int64_t i = 0; i < n; i++) {
            sum = FMA(x[i * step], x[i * step], sum);
        }
        return FN(sqrt)(sum);
    }
    const T scale = (T)1 / MORE(largest, TINY);
    for (int64_t i = 0; i < n; i++) {
        const T v = x[i * step] * scale;
        sum = FMA(v, v, sum);
    }
    return FN(sqrt)(sum) / scale;
}

/* Solves t x = b in place of b, n x n and n x m, by blocks.  Element (i, j) of t is at
   t[i * row + j * col]; rows of b are b_row apart.  `scratch`: n BLOCK + BLOCK BLOCK elements. */
PART void N(triangular)(const pbp_sweep *sweep, int64_t n, int64_t m, const T *t, int64_t row,
                        int64_t col, bool lower, bool unit, T *b, int64_t b_row, T *scratch,
                        void *room)
{
    T *diagonal = scratch, *panel = scratch + BLOCK * BLOCK;
    for (int64_t done = 0; done < n; done += BLOCK) {
        const int64_t edge = LESS(BLOCK, n - done);
        const int64_t at = lower ? done : n - done - edge, from = lower ? 0 : at + edge;
        if (done > 0) {
            for (int64_t i = 0; i < edge; i++) {
                for (int64_t j = 0; j < done; j++) {
                    panel[i * done + j] = -t[(at + i) * row + (from + j) * col];
                }
            }
            N(product)(sweep, edge, m, done, b + at * b_row, b_row, panel, done, 1,
                       b + from * b_row, b_row, 1, 1, room);
        }
        for (int64_t i = 0; i < edge; i++) {
            for (int64_t j = 0; j < edge; j++) {
                diagonal[i * BLOCK + j] = t[(at + i) * row + (at + j) * col];
            }
        }
        for (int64_t step = 0; step < edge; step++) {
            const int64_t i = lower ? step : edge - 1 - step;
            T *x = b + (at + i) * b_row;
            for (int64_t s = 0; s < step; s++) {
                const int64_t j = lower ? s : edge - 1 - s;
                N(axpy)(m, -diagonal[i * BLOCK + j], b + (at + j) * b_row, x);
            }
            if (!unit) {
                const T pivot = diagonal[i * BLOCK + i];
                for (int64_t j = 0; j < m; j++) {
                    x[j] /= pivot;
                }
            }
        }
    }
}
