/* What test_simd_math.py calls through ctypes: for every function NAME of simd_math.h
     loop_NAME(n, y, x[, z])       a plain loop, which the compiler is expected to vectorise
     single_NAME(n, y, x[, z])     the same through a call that is not inlined, element by element
     error_NAME(n, e, y, x[, z])   e[i] = error of y[i] in ulp against the C library's long double
   and trig_NAME(n, y, x), the array forms of sin, cos and tan, whose loops use the fast forms.  One
   loop per source line: the test reads the compiler's report by line.  */
#include <float.h>

#include "simd_math.h"

typedef long double wide;

#if defined(__GNUC__)
#define NOT_INLINED __attribute__((noinline))
#else
#define NOT_INLINED
#endif

/* exp(-x^2), the square as a pair. */
static wide gaussl(wide x)
{
    const wide square = x * x;
    return isinf(square) ? 0 : expl(-square) * (1 - fmal(x, x, -square));
}

/* |y - exact| in units of the last place of exact, for `digits` binary digits and the smallest
   exponent `low` as in <float.h>; 0 for equal infinities and for NaN where NaN is due, huge where
   only one of the two is special.  Where exact is beyond the largest number, infinity is right. */
static double error_ulp(wide y, wide exact, wide largest, int digits, int low)
{
    const double wrong = 1e30;
    if (isnan(exact) || isnan(y)) {
        return isnan(exact) && isnan(y) ? 0.0 : wrong;
    }
    if (isinf(exact)) {
        return y == exact ? 0.0 : wrong;
    }
    if (isinf(y)) {
        return fabsl(exact) > largest && signbit(y) == signbit(exact) ? 0.0 : wrong;
    }
    int e = low;
    if (exact != 0) {
        (void)frexpl(exact, &e);
    }
    return (double)ldexpl(fabsl(y - exact), digits - (e < low ? low : e));
}

static wide sigmoidl(wide x)
{
    return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x));
}

static wide softplusl(wide x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

#define LOOP1(N, F, T)                                                                             \
    void loop_##N(int64_t n, T *restrict y, const T *restrict x)                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = pbp_##F(x[i]);                                                                  \
        }                                                                                          \
    }

#define LOOP2(N, F, T)                                                                             \
    void loop_##N(int64_t n, T *restrict y, const T *restrict x, const T *restrict z)              \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = pbp_##F(x[i], z[i]);                                                            \
        }                                                                                          \
    }

#define REST1(N, W, T, LARGEST, DIGITS, LOW)                                                       \
    NOT_INLINED T call_##N(T x);                                                                   \
    NOT_INLINED T call_##N(T x) { return pbp_##N(x); }                                             \
    void single_##N(int64_t n, T *y, const T *x)                                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = call_##N(x[i]);                                                                 \
        }                                                                                          \
    }                                                                                              \
    void error_##N(int64_t n, double *e, const T *y, const T *x)                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            e[i] = error_ulp(y[i], W##l(x[i]), LARGEST, DIGITS, LOW);                              \
        }                                                                                          \
    }

#define REST2(N, W, T, LARGEST, DIGITS, LOW)                                                       \
    NOT_INLINED T call_##N(T x, T z);                                                              \
    NOT_INLINED T call_##N(T x, T z) { return pbp_##N(x, z); }                                     \
    void single_##N(int64_t n, T *y, const T *x, const T *z)                                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = call_##N(x[i], z[i]);                                                           \
        }                                                                                          \
    }                                                                                              \
    void error_##N(int64_t n, double *e, const T *y, const T *x, const T *z)                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            e[i] = error_ulp(y[i], W##l(x[i], z[i]), LARGEST, DIGITS, LOW);                        \
        }                                                                                          \
    }

#define REST_BOTH(REST, N)                                                                         \
    REST(N, N, double, DBL_MAX, DBL_MANT_DIG, DBL_MIN_EXP)                                         \
    REST(N##f, N, float, FLT_MAX, FLT_MANT_DIG, FLT_MIN_EXP)

LOOP1(exp, exp, double)
LOOP1(expf, expf, float)
LOOP1(exp2, exp2, double)
LOOP1(exp2f, exp2f, float)
LOOP1(expm1, expm1, double)
LOOP1(expm1f, expm1f, float)
LOOP1(log, log, double)
LOOP1(logf, logf, float)
LOOP1(log2, log2, double)
LOOP1(log2f, log2f, float)
LOOP1(log10, log10, double)
LOOP1(log10f, log10f, float)
LOOP1(log1p, log1p, double)
LOOP1(log1pf, log1pf, float)
LOOP1(asin, asin, double)
LOOP1(asinf, asinf, float)
LOOP1(acos, acos, double)
LOOP1(acosf, acosf, float)
LOOP1(atan, atan, double)
LOOP1(atanf, atanf, float)
LOOP1(sinh, sinh, double)
LOOP1(sinhf, sinhf, float)
LOOP1(cosh, cosh, double)
LOOP1(coshf, coshf, float)
LOOP1(tanh, tanh, double)
LOOP1(tanhf, tanhf, float)
LOOP1(asinh, asinh, double)
LOOP1(asinhf, asinhf, float)
LOOP1(acosh, acosh, double)
LOOP1(acoshf, acoshf, float)
LOOP1(atanh, atanh, double)
LOOP1(atanhf, atanhf, float)
LOOP1(cbrt, cbrt, double)
LOOP1(cbrtf, cbrtf, float)
LOOP1(erf, erf, double)
LOOP1(erff, erff, float)
LOOP1(erfc, erfc, double)
LOOP1(erfcf, erfcf, float)
LOOP1(gauss, gauss, double)
LOOP1(gaussf, gaussf, float)
LOOP1(sigmoid, sigmoid, double)
LOOP1(sigmoidf, sigmoidf, float)
LOOP1(softplus, softplus, double)
LOOP1(softplusf, softplusf, float)
LOOP2(atan2, atan2, double)
LOOP2(atan2f, atan2f, float)
LOOP2(pow, pow, double)
LOOP2(powf, powf, float)
LOOP2(hypot, hypot, double)
LOOP2(hypotf, hypotf, float)
LOOP1(sin, sin_fast, double)
LOOP1(sinf, sinf_fast, float)
LOOP1(cos, cos_fast, double)
LOOP1(cosf, cosf_fast, float)
LOOP1(tan, tan_fast, double)
LOOP1(tanf, tanf_fast, float)

REST_BOTH(REST1, exp)
REST_BOTH(REST1, exp2)
REST_BOTH(REST1, expm1)
REST_BOTH(REST1, log)
REST_BOTH(REST1, log2)
REST_BOTH(REST1, log10)
REST_BOTH(REST1, log1p)
REST_BOTH(REST1, asin)
REST_BOTH(REST1, acos)
REST_BOTH(REST1, atan)
REST_BOTH(REST1, sinh)
REST_BOTH(REST1, cosh)
REST_BOTH(REST1, tanh)
REST_BOTH(REST1, asinh)
REST_BOTH(REST1, acosh)
REST_BOTH(REST1, atanh)
REST_BOTH(REST1, cbrt)
REST_BOTH(REST1, erf)
REST_BOTH(REST1, erfc)
REST_BOTH(REST1, gauss)
REST_BOTH(REST1, sigmoid)
REST_BOTH(REST1, softplus)
REST_BOTH(REST1, sin)
REST_BOTH(REST1, cos)
REST_BOTH(REST1, tan)
REST_BOTH(REST2, atan2)
REST_BOTH(REST2, pow)
REST_BOTH(REST2, hypot)

#define TRIG(N, T)                                                                                 \
    void trig_##N(int64_t n, T *y, const T *x)                                                     \
    {                                                                                              \
        pbp_##N##_array(n, y, x);                                                                  \
    }

TRIG(sin, double)
TRIG(sinf, float)
TRIG(cos, double)
TRIG(cosf, float)
TRIG(tan, double)
TRIG(tanf, float)
