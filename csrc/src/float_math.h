/* The arithmetic that rows of pybackprop_instr.def name as M(f) and that is not an elementary
   function: multiply-add, and division with remainder as NumPy defines it.  Static inline functions
   for float64 and float32, like those of simd_math.h, so that emitted C can paste this file too.

   pbp_fma is fused (rounded once) where the instruction set has it: x86-64-v3 and -v4, ARM64.
   Elsewhere the product is rounded, then the sum: calling the C library's fma() there would cost
   ten times as much.  */
#ifndef PBP_FLOAT_MATH_H
#define PBP_FLOAT_MATH_H

#include <math.h>

#if defined(__FP_FAST_FMA) || defined(__FMA__)
#define PBP_FMA_F64(a, b, c) __builtin_fma(a, b, c)
#define PBP_FMA_F32(a, b, c) __builtin_fmaf(a, b, c)
#else
#define PBP_FMA_F64(a, b, c) ((a) * (b) + (c))
#define PBP_FMA_F32(a, b, c) ((a) * (b) + (c))
#endif

#define PBP_FLOAT_MATH(T, F, FMA)                                                                  \
    static inline T pbp_fma##F(T a, T b, T c)                                                      \
    {                                                                                              \
        return FMA(a, b, c);                                                                       \
    }                                                                                              \
    static inline T pbp_fmod##F(T a, T b)                                                          \
    {                                                                                              \
        return fmod##F(a, b);                                                                      \
    }                                                                                              \
    static inline T pbp_nextafter##F(T a, T b)                                                     \
    {                                                                                              \
        return nextafter##F(a, b);                                                                 \
    }                                                                                              \
    /* np.remainder: the sign of b, and of b for a zero too; NaN for b == 0. */                    \
    static inline T pbp_mod##F(T a, T b)                                                           \
    {                                                                                              \
        T mod = fmod##F(a, b);                                                                     \
        if (b == 0) {                                                                              \
            return mod;                                                                            \
        }                                                                                          \
        if (mod == 0) {                                                                            \
            return copysign##F((T)0, b);                                                           \
        }                                                                                          \
        return (b < 0) != (mod < 0) ? mod + b : mod;                                               \
    }                                                                                              \
    /* np.floor_divide: the rounded quotient of a - mod(a, b) by b; a / b for b == 0. */           \
    static inline T pbp_floor_div##F(T a, T b)                                                     \
    {                                                                                              \
        if (b == 0) {                                                                              \
            return a / b;                                                                          \
        }                                                                                          \
        T mod = fmod##F(a, b);                                                                     \
        T div = (a - mod) / b;                                                                     \
        if (mod != 0 && (b < 0) != (mod < 0)) {                                                    \
            div -= (T)1;                                                                           \
        }                                                                                          \
        if (div == 0) {                                                                            \
            return copysign##F((T)0, a / b);                                                       \
        }                                                                                          \
        T floored = floor##F(div);                                                                 \
        return div - floored > (T)0.5 ? floored + (T)1 : floored;                                  \
    }

PBP_FLOAT_MATH(double, , PBP_FMA_F64)
PBP_FLOAT_MATH(float, f, PBP_FMA_F32)

#undef PBP_FLOAT_MATH
#endif
