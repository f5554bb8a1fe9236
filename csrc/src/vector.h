/* One vector register of the instruction set that a kernel is compiled for.

   Included twice and more: first for the macros, then, once T and N(name) are defined, for the
   types and functions of that element type; I(name) is the name of an intrinsic of T.

   On N(vec): LOAD, STORE, SET1, FMA; with the first n lanes only: LOAD_N (others 0), STORE_N
   (others untouched), FMA_N (others keep s). SUM adds lanes by halves. N(edge) is the last vector of a row that ends early:
   half a vector with AVX-512, whose masks also let a whole vector end early at no cost
   (WHOLE_MASKED), else a vector. */
#ifndef PBP_VECTOR_H
#define PBP_VECTOR_H

#include <stdint.h>

#if defined(__aarch64__)
#include <arm_neon.h>
#define HIDE_VECTOR(v) __asm__("" : "+w"(v))
#elif defined(__x86_64__)
#include <immintrin.h>
#define HIDE_VECTOR(v) __asm__("" : "+v"(v))
#else
#define HIDE_VECTOR(v) (void)(v)
#endif

#ifndef PBP_ISA
#define PBP_ISA base
#endif

#define INLINE static inline __attribute__((always_inline))
#define PASTE2(x, y) x##_##y
#define PASTE(x, y) PASTE2(x, y)
#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define UNROLL _Pragma("GCC unroll 16")
#define HIDE(x) __asm__("" : "+r"(x)) /* the compiler forgets what it knows of x */
#define SHUFFLE __builtin_shufflevector
#define PAIR(v) ((v)[0] + (v)[1])

#define LOAD(p) ((N(vec)) * (const N(loose) *)(const void *)(p))
#define STORE(p, v) (*(N(loose) *)(void *)(p) = (v))
#define SET1(x) ((x) - (N(vec)){0})

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define EDGE_BYTES 32
#define DOT_ROWS 8
#define WHOLE_MASKED 1
#define MANY_REGISTERS 1
#define FIRST(mask, n) ((mask)((1U << (n)) - 1U))
#define FMA(a, b, s) I(_mm512_fmadd)(a, b, s)
#define LOAD_N(p, n) ((N(vec))I(_mm512_maskz_loadu)(FIRST(N(MASK), n), p))
#define STORE_N(p, v, n) I(_mm512_mask_storeu)(p, FIRST(N(MASK), n), v)
#define FMA_N(a, b, s, n) I(_mm512_mask3_fmadd)(a, b, s, FIRST(N(MASK), n))
#define EDGE_LOAD(p, n) ((N(edge))I(_mm256_maskz_loadu)(FIRST(__mmask8, n), p))
#define EDGE_STORE(p, v, n) I(_mm256_mask_storeu)(p, FIRST(__mmask8, n), v)
#define EDGE_FMA(a, b, s) I(_mm256_fmadd)(N(LOW_64)(a), b, s)
#define SUM(v) SUM_32(N(LOW_64)(v) + N(HIGH_64)(v))
#elif defined(__AVX2__) && defined(__FMA__)
#define VECTOR_BYTES 32
#define DOT_ROWS 3
#define MANY_REGISTERS 0
static const int32_t mask_words[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#define FIRST(n) (*(const __m256i_u *)(const void *)(mask_words + 8 - (n) * (int)sizeof(T) / 4))
#define FMA(a, b, s) I(_mm256_fmadd)(a, b, s)
#define LOAD_N(p, n) ((N(vec))I(_mm256_maskload)(p, FIRST(n)))
#define STORE_N N(store_n) /* masked stores are slow microcode on some processors */
#define FMA_N(a, b, s, n) I(_mm256_blendv)(s, FMA(a, b, s), (N(vec))FIRST(n))
#define SUM SUM_32
#else
#define VECTOR_BYTES 16
#define DOT_ROWS 1
#define LOAD_N N(load_n)
#define STORE_N N(store_n)
#define FMA_N N(fma_n)
#define SUM N(SUM_16)
#if defined(__aarch64__)
#define MANY_REGISTERS 1
#define FMA(a, b, s) N(vfmaq)(s, a, b)
#else
#define MANY_REGISTERS 0
#define FMA(a, b, s) ((a) * (b) + (s)) /* not fused: correct, other bits */
#endif
#endif

#ifndef EDGE_BYTES
#define EDGE_BYTES VECTOR_BYTES
#define WHOLE_MASKED 0
#define EDGE_LOAD LOAD_N
#define EDGE_STORE STORE_N
#define EDGE_FMA FMA
#endif

#if defined(__FMA__) || defined(__aarch64__)
#define SCALAR_FMA(name) __builtin_##name
#else
#define SCALAR_FMA(name) PLAIN_FMA
#define PLAIN_FMA(a, b, s) ((a) * (b) + (s))
#endif

/* Per type; halves of vectors by size in bytes. */
#define MASK_f64 __mmask8
#define MASK_f32 __mmask16
#define FMA1_f64 SCALAR_FMA(fma)
#define FMA1_f32 SCALAR_FMA(fmaf)
#define LOW_64_f64(v) SHUFFLE(v, v, 0, 1, 2, 3)
#define LOW_64_f32(v) SHUFFLE(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
#define HIGH_64_f64(v) SHUFFLE(v, v, 4, 5, 6, 7)
#define HIGH_64_f32(v) SHUFFLE(v, v, 8, 9, 10, 11, 12, 13, 14, 15)
#define LOW_32_f64(v) SHUFFLE(v, v, 0, 1)
#define LOW_32_f32(v) SHUFFLE(v, v, 0, 1, 2, 3)
#define HIGH_32_f64(v) SHUFFLE(v, v, 2, 3)
#define HIGH_32_f32(v) SHUFFLE(v, v, 4, 5, 6, 7)
#define SUM_16_f64(v) PAIR(v)
#define SUM_16_f32(v) PAIR((v) + SHUFFLE(v, v, 2, 3, 0, 1))
#define SUM_32(v) N(SUM_16)(N(LOW_32)(v) + N(HIGH_32)(v))

#endif

#ifdef T /* ---- of one element type ---- */

typedef T N(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef T N(loose) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
typedef T N(edge) __attribute__((vector_size(EDGE_BYTES)));
typedef T N(edge_loose) __attribute__((vector_size(EDGE_BYTES), aligned(sizeof(T)), may_alias));

#if VECTOR_BYTES < 64
static inline void N(store_n)(T *p, N(vec) v, int n)
{
    for (int i = 0; i < n; i++) {
        p[i] = v[i];
    }
}
#endif

#if VECTOR_BYTES == 16
static inline N(vec) N(load_n)(const T *p, int n)
{
    N(vec) v = {0};
    for (int i = 0; i < n; i++) {
        v[i] = p[i];
    }
    return v;
}

static inline N(vec) N(fma_n)(N(vec) a, N(vec) b, N(vec) s, int n)
{
    const N(vec) r = FMA(a, b, s);
    for (int i = 0; i < n; i++) {
        s[i] = r[i];
    }
    return s;
}
#endif

#endif
