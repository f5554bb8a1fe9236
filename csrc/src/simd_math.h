/* Elementary functions in branch-free C: one self-contained header of inline functions for
 * float64 (pbp_exp) and float32 (pbp_expf).  The core compiles it once per instruction set, and it
 * is pasted into emitted C, so it needs only <math.h>, <stdint.h> and <string.h>.
 *
 * A loop `for (i...) y[i] = pbp_exp(x[i]);` is vectorised by the compiler: conditions are selects,
 * there are no tables, integers and doubles are exchanged by adding a big number instead of by a
 * conversion that AVX2 lacks.  Compile with -O3 -ffp-contract=off -fno-math-errno
 * -fno-trapping-math; -ffast-math and its parts break the error-free sums below.  Fused
 * multiply-adds are written by name, so the bits do not depend on vector width or on loop against
 * single call wherever fma() is one instruction (x86-64-v3, -v4, ARM64).  Without that instruction
 * results agree too, through the C library's fma(), but slowly.
 *
 * Errors are the largest seen, in ulp of the exact result, against quadruple precision, for about
 * two million arguments per function and type: random bit patterns (subnormals included) and random
 * numbers from the intervals where the function does something.  Coefficients are minimax
 * polynomials from a Remez exchange in 200-bit arithmetic, rounded (csrc/tools/minimax.py); a
 * comment gives each one's target and range.
 *
 * Sources of methods: W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980;
 * M. Payne, R. Hanek, Radian reduction for trigonometric functions, SIGNUM 18 (1983);
 * T. J. Dekker, A floating-point technique for extending the available precision, 1971;
 * K. C. Ng, the comments in Sun's fdlibm (1986-1993), for the arrangement of log, asin and acos;
 * J.-M. Muller, Elementary Functions, 3rd ed., 2016;
 * J. L. Schonfelder, Chebyshev expansions for the error function, Math. Comp. 32 (1978). */
#ifndef PBP_SIMD_MATH_H
#define PBP_SIMD_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A compiler that declines to inline a function of this length cannot vectorise a loop over it. */
#if defined(__GNUC__)
#define PBP_INLINE static inline __attribute__((always_inline, unused))
#else
#define PBP_INLINE static inline
#endif

/* Adding 1.5 * 2^52 rounds a double of modest size to an integer and leaves that integer in the low
 * bits.  A bias added to it makes the integer non-negative, so that shifts are logical ones. */
#define PBP_SHIFT 0x1.8p52
#define PBP_SHIFTF 0x1.8p23f

#define PBP_INV_LN2 0x1.71547652b82fep+0
#define PBP_INV_LN2_LO 0x1.777d0ffda0d24p-56
#define PBP_LN2 0x1.62e42fefa39efp-1
#define PBP_LN2_LO 0x1.abc9e3b39803fp-56
#define PBP_LN2_HI42 0x1.62e42fefa38p-1 /* times an exponent: exact */
#define PBP_LN2_LO42 0x1.ef35793c7673p-45
#define PBP_LOG10E 0x1.bcb7b1526e50ep-2
#define PBP_LOG10E_LO 0x1.95355baaafad3p-57
#define PBP_LOG10_2_HI42 0x1.34413509f78p-2
#define PBP_LOG10_2_LO42 0x1.fef311f12b358p-46

/* ---- bits ------------------------------------------------------------------------------------ */

PBP_INLINE uint64_t pbp_bits_get(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

PBP_INLINE double pbp_bits_set(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

PBP_INLINE uint32_t pbp_bits_getf(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

PBP_INLINE float pbp_bits_setf(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* ---- exponentials ---------------------------------------------------------------------------- */

/* (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2. */
PBP_INLINE double pbp_exp_poly(double r)
{
    double sq = r * r;
    double even = 0x1.1f95071da89p-29, odd = 0x1.af5e4760eafa8p-26;
    even = fma(even, sq, 0x1.27e4c5eea0485p-22);
    odd = fma(odd, sq, 0x1.71ddf8a782f98p-19);
    even = fma(even, sq, 0x1.a01a01b086edep-16);
    odd = fma(odd, sq, 0x1.a01a01afbc7e7p-13);
    even = fma(even, sq, 0x1.6c16c16c14525p-10);
    odd = fma(odd, sq, 0x1.111111110f72dp-7);
    even = fma(even, sq, 0x1.555555555555ap-5);
    odd = fma(odd, sq, 0x1.5555555555559p-3);
    even = fma(even, sq, 0x1p-1);
    return fma(odd, r, even);
}

/* (2^r - 1 - r ln 2) / r^2 for |r| <= 1/2. */
PBP_INLINE double pbp_exp2_poly(double r)
{
    double sq = r * r;
    double even = 0x1.c4c5019468d6ep-36, odd = 0x1.e9e67c6e24df2p-32;
    even = fma(even, sq, 0x1.e4cef99f4ab2bp-28);
    odd = fma(odd, sq, 0x1.b524efa67d5ecp-24);
    even = fma(even, sq, 0x1.62c0224861ddep-20);
    odd = fma(odd, sq, 0x1.ffcbfc6bc4e0ep-17);
    even = fma(even, sq, 0x1.430912f86a4d9p-13);
    odd = fma(odd, sq, 0x1.5d87fe78a4602p-10);
    even = fma(even, sq, 0x1.3b2ab6fba4e7cp-7);
    odd = fma(odd, sq, 0x1.c6b08d704a0c4p-5);
    even = fma(even, sq, 0x1.ebfbdff82c58fp-3);
    return fma(odd, r, even);
}

/* y where x is in [low, high] or NaN, else 0 or inf.  Deciding at the end is cheaper than clamping
 * x first, and lets anything happen to y in between. */
PBP_INLINE double pbp_exp_ends(double x, double low, double high, double y)
{
    y = x > high ? (double)INFINITY : y;
    return x < low ? 0.0 : y;
}

/* p * 2^n for n + 2046 in the low bits of `shifted`, n in [-1100, 1024].  The power is applied in
 * two halves: neither overflows, and a subnormal result is rounded once. */
PBP_INLINE double pbp_exp_scale(double p, double shifted)
{
    uint64_t u = pbp_bits_get(shifted), half = u >> 1;
    return p * pbp_bits_set(half << 52) * pbp_bits_set((u - half) << 52);
}

/* exp(x) = 2^n exp(r), n = rint(x / ln 2), r = x - n ln 2 by two fused steps, the first exact (Cody
 * and Waite 1980, ch. 6).  exp(r) = 1 + (r + r^2 P(r)), P of degree 10.  Overflow to inf, gradual
 * underflow to 0, exp(-inf) = 0, NaN to NaN.  Error: 0.99 ulp. */
PBP_INLINE double pbp_exp(double x)
{
    double shifted = fma(x, PBP_INV_LN2, PBP_SHIFT + 2046.0);
    double n = shifted - (PBP_SHIFT + 2046.0);
    double r = fma(-n, PBP_LN2_LO, fma(-n, PBP_LN2, x));
    double p = 1.0 + fma(r * r, pbp_exp_poly(r), r);
    return pbp_exp_ends(x, -745.2, 709.79, pbp_exp_scale(p, shifted));
}

/* exp(x), but 0 instead of subnormal numbers, on which processors are slow, and inf above 709: for
 * exponents that are 0 at most.  Error: as exp. */
PBP_INLINE double pbp_exp_normal(double x)
{
    double shifted = fma(x, PBP_INV_LN2, PBP_SHIFT + 1023.0);
    double n = shifted - (PBP_SHIFT + 1023.0);
    double r = fma(-n, PBP_LN2_LO, fma(-n, PBP_LN2, x));
    double p = 1.0 + fma(r * r, pbp_exp_poly(r), r);
    return pbp_exp_ends(x, -708.39, 709.0, p * pbp_bits_set(pbp_bits_get(shifted) << 52));
}

/* 2^x = 2^n 2^r, n = rint(x), r = x - n exactly; 2^r = 1 + (r ln 2 + r (ln 2's low part + r P(r))).
 * Exact for integer x; ends as for exp.  Error: 0.85 ulp. */
PBP_INLINE double pbp_exp2(double x)
{
    double shifted = x + (PBP_SHIFT + 2046.0);
    double r = x - (shifted - (PBP_SHIFT + 2046.0));
    double p = 1.0 + fma(r, PBP_LN2, r * fma(r, pbp_exp2_poly(r), PBP_LN2_LO));
    return pbp_exp_ends(x, -1075.0, 1024.0, pbp_exp_scale(p, shifted));
}

/* exp(x) as high + low, both scaled by 2^-2 so that nothing overflows before the last step of the
 * caller; x in [-700, 710.6].  Shared by sinh-like functions. */
PBP_INLINE double pbp_exp_quarter(double x, double *low)
{
    double shifted = fma(x, PBP_INV_LN2, PBP_SHIFT + 1021.0);
    double n = shifted - (PBP_SHIFT + 1021.0);
    double scale = pbp_bits_set(pbp_bits_get(shifted) << 52);
    double exact = fma(-n, PBP_LN2, x);
    double r = fma(-n, PBP_LN2_LO, exact);
    double r_low = fma(-n, PBP_LN2_LO, exact - r);
    double tail = fma(r * r, pbp_exp_poly(r), r_low) + r;
    double p = 1.0 + tail;
    *low = (tail - (p - 1.0)) * scale;
    return p * scale;
}

/* (exp(x) - 1) * unit, unit a power of two in [1/4, 1], as high + low, x in [-40, 710.6].  With s =
 * 2^n unit: (s - unit) + s r is summed without error (the first term is 0 or the larger one), and
 * what is small is added to the low part. */
PBP_INLINE double pbp_expm1_pair(double x, double unit, double *low)
{
    double shifted = fma(x, PBP_INV_LN2, PBP_SHIFT + 1021.0);
    double n = shifted - (PBP_SHIFT + 1021.0);
    double scale = pbp_bits_set(pbp_bits_get(shifted) << 52);
    scale *= 4.0 * unit;
    double exact = fma(-n, PBP_LN2, x);
    double r = fma(-n, PBP_LN2_LO, exact);
    double r_low = fma(-n, PBP_LN2_LO, exact - r);
    double base = scale - unit;
    double sum = fma(scale, r, base);
    double rest = fma(scale, r, base - sum);
    rest = fma(scale, fma(r * r, pbp_exp_poly(r), r_low), rest);
    double high = sum + rest;
    *low = rest - (high - sum);
    return high;
}

/* exp(x) - 1, see pbp_expm1_pair; x itself below 2^-54, which also keeps -0 and subnormals.
 * expm1(-inf) = -1, expm1(inf) = inf.  Error: 1.31 ulp. */
PBP_INLINE double pbp_expm1(double x)
{
    double low;
    double y = 4.0 * pbp_expm1_pair(x, 0.25, &low);
    y = x > 709.79 ? (double)INFINITY : y;
    y = x < -40.0 ? -1.0 : y;
    return fabs(x) < 0x1p-54 ? x : y;
}

/* tanh(x) = E / (E + 2), E = exp(2 |x|) - 1, halved.  The denominator is a pair and the quotient
 * gets one correction step, so the relative error stays small from 0 to 1.
 * tanh(+-inf) = +-1, tanh(-0) = -0.  Error: 1.71 ulp. */
PBP_INLINE double pbp_tanh(double x)
{
    double a = fabs(x);
    a = a > 20.0 ? 20.0 : a;
    double shifted = fma(a, 2.0 * PBP_INV_LN2, PBP_SHIFT + 1022.0);
    double n = shifted - (PBP_SHIFT + 1022.0);
    double scale = pbp_bits_set(pbp_bits_get(shifted) << 52); /* 2^(n - 1) */
    double r = fma(-n, PBP_LN2_LO, fma(-n, PBP_LN2, a + a));
    double base = scale - 0.5;
    double sum = fma(scale, r, base);
    double rest = fma(scale, r, base - sum);
    double num = sum + fma(scale, r * r * pbp_exp_poly(r), rest);
    double den = num + 1.0;
    double den_low = num - (den - 1.0);
    double inv = 1.0 / den;
    double q = num * inv;
    q = fma(fma(-q, den_low, fma(-q, den, num)), inv, q);
    return copysign(q, x);
}

/* sinh(x) = (E + E / (E + 1)) / 2, E = exp(|x|) - 1.  Error: 1.66 ulp. */
PBP_INLINE double pbp_sinh(double x)
{
    double a = fabs(x);
    a = a > 710.6 ? 710.6 : a;
    double low;
    double high = pbp_expm1_pair(a, 0.25, &low);
    double y = 2.0 * (high + (low + high / fma(4.0, high, 1.0)));
    y = fabs(x) < 0x1p-28 ? a : y;
    return copysign(y, x);
}

/* cosh(x) = (W + 1 / W) / 2, W = exp(|x|).  Even, cosh(+-inf) = inf.  Error: 0.90 ulp. */
PBP_INLINE double pbp_cosh(double x)
{
    double a = fabs(x);
    a = a > 710.6 ? 710.6 : a;
    double low;
    double high = pbp_exp_quarter(a, &low);
    return 2.0 * (high + (low + 0.0625 / high));
}

/* exp(-|x|) as high + low, gradual underflow included: the power of two is made 2^64 too large, so
 * that it is normal, and is exact again after the division down to the smallest subnormal. */
PBP_INLINE double pbp_exp_negative(double x, double *low)
{
    double b = -fabs(x);
    b = b < -746.0 ? -746.0 : b;
    double shifted = fma(b, PBP_INV_LN2, PBP_SHIFT + (1023.0 + 64.0));
    double n = shifted - (PBP_SHIFT + (1023.0 + 64.0));
    double r = fma(-n, PBP_LN2_LO, fma(-n, PBP_LN2, b));
    double tail = fma(r * r, pbp_exp_poly(r), r);
    double p = 1.0 + tail;
    double scale = pbp_bits_set(pbp_bits_get(shifted) << 52) * 0x1p-64;
    *low = (tail - (p - 1.0)) * scale;
    return p * scale;
}

/* sigmoid(x) = 1 / (1 + exp(-x)): with e = exp(-|x|), 1 / (1 + e) for x >= 0 and e / (1 + e) below,
 * so that nothing overflows and small values keep their digits; the denominator is a pair and the
 * quotient corrected, but e itself is rounded.  sigmoid(-inf) = 0, sigmoid(inf) = 1.
 * Error: 1.44 ulp. */
PBP_INLINE double pbp_sigmoid(double x)
{
    double unused;
    double e = pbp_exp_negative(x, &unused);
    double den = 1.0 + e;
    double den_low = e - (den - 1.0);
    double num = x < 0.0 ? e : 1.0;
    double inv = 1.0 / den;
    double q = num * inv;
    return fma(fma(-q, den_low, fma(-q, den, num)), inv, q);
}

/* ---- logarithms ------------------------------------------------------------------------------ */

/* P(z) of log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s^2, |s| <= (sqrt 2 - 1) / (sqrt 2 + 1). */
PBP_INLINE double pbp_log_poly(double z)
{
    double sq = z * z;
    double even = 0x1.2e3e3cd6d584dp-3, odd = 0x1.39b6f355ea872p-3;
    even = fma(even, sq, 0x1.74655a738238ep-3);
    odd = fma(odd, sq, 0x1.c71c56d30d96fp-3);
    even = fma(even, sq, 0x1.2492493b529acp-2);
    odd = fma(odd, sq, 0x1.9999999988884p-2);
    even = fma(even, sq, 0x1.5555555555572p-1);
    return fma(odd, z, even);
}

/* x = 2^k m, m in [sqrt(1/2), sqrt 2), for normal x > 0.  *k is a double; *field holds k's bits in
 * place, biased by 1023, for those who want powers of two from it. */
PBP_INLINE double pbp_log_split(double x, double *k, uint64_t *field)
{
    const uint64_t root = UINT64_C(0x3fe6a09e667f3bcd); /* bits of sqrt(1/2) */
    uint64_t u = pbp_bits_get(x) + (UINT64_C(0x3ff0000000000000) - root);
    *field = u & UINT64_C(0xfff0000000000000);
    /* An integer below 2^52 placed in the low bits of 2^52 is that double, no conversion needed. */
    *k = pbp_bits_set((u >> 52) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1023.0);
    return pbp_bits_set((u & UINT64_C(0x000fffffffffffff)) + root);
}

/* k ln 2 + log(1 + f + f_low): with s = f / (2 + f) and h = f^2 / 2,
 * log(1 + f) = f - (h - s (h + z P(z))) (the arrangement of fdlibm's log, K. C. Ng 1986).
 * k ln 2 + f is summed without error, and -h enters by a fused step. */
PBP_INLINE double pbp_log_finish(double f, double f_low, double k)
{
    double s = f / (2.0 + f);
    double z = s * s;
    double h = 0.5 * f * f;
    double sum = fma(k, PBP_LN2_HI42, f);
    double rest = fma(k, PBP_LN2_HI42, -sum) + f;
    double minor = fma(s, fma(z, pbp_log_poly(z), h), fma(k, PBP_LN2_LO42, f_low) - h);
    return sum + (rest + minor);
}

/* log(a + b) + `more` ln 2, a normal and positive, |b| at most an ulp or so of a. */
PBP_INLINE double pbp_log_pair(double a, double b, double more)
{
    double k;
    uint64_t field;
    double m = pbp_log_split(a, &k, &field);
    /* b / 2^k in two steps, since 2^-1024 is no normal number. */
    double scaled = b * 0.5 * pbp_bits_set(UINT64_C(0x7ff0000000000000) - field);
    double head = m - 1.0;
    double f = head + scaled;
    return pbp_log_finish(f, scaled - (f - head), k + more);
}

/* The ends shared by all logarithms: log(0) = -inf, log(negative) = NaN, log(inf) = inf. */
PBP_INLINE double pbp_log_ends(double x, double y)
{
    y = x < (double)INFINITY ? y : x;
    double end = x == 0.0 ? -(double)INFINITY : (double)NAN;
    return x > 0.0 ? y : end;
}

/* log(x) by splitting off a power of two, see pbp_log_finish.  Error: 0.82 ulp. */
PBP_INLINE double pbp_log(double x)
{
    double k;
    uint64_t field;
    int tiny = x < 0x1p-1022;
    double m = pbp_log_split(tiny ? x * 0x1p54 : x, &k, &field);
    return pbp_log_ends(x, pbp_log_finish(m - 1.0, 0.0, tiny ? k - 54.0 : k));
}

/* log(1 + f) as high + low with about 60 bits. */
PBP_INLINE double pbp_log_head(double f, double *low)
{
    double s = f / (2.0 + f);
    double z = s * s;
    double h = 0.5 * f * f;
    double h_low = fma(0.5 * f, f, -h);
    double high = f - h;
    *low = ((f - high) - h) + fma(s, fma(z, pbp_log_poly(z), h), -h_low);
    return high;
}

/* log2(x) = k + log(m) / ln 2, the product in double-double: exact at powers of two.
 * Error: 0.69 ulp. */
PBP_INLINE double pbp_log2(double x)
{
    double k, low;
    uint64_t field;
    int tiny = x < 0x1p-1022;
    double m = pbp_log_split(tiny ? x * 0x1p54 : x, &k, &field);
    double high = pbp_log_head(m - 1.0, &low);
    k = tiny ? k - 54.0 : k;
    double y = high * PBP_INV_LN2;
    double y_low = fma(high, PBP_INV_LN2, -y) + fma(high, PBP_INV_LN2_LO, low * PBP_INV_LN2);
    double sum = k + y;
    return pbp_log_ends(x, sum + (((k - sum) + y) + y_low));
}

/* log10(x) = k log10(2) + log(m) / ln 10, likewise.  Error: 0.67 ulp. */
PBP_INLINE double pbp_log10(double x)
{
    double k, low;
    uint64_t field;
    int tiny = x < 0x1p-1022;
    double m = pbp_log_split(tiny ? x * 0x1p54 : x, &k, &field);
    double high = pbp_log_head(m - 1.0, &low);
    k = tiny ? k - 54.0 : k;
    double y = high * PBP_LOG10E;
    double y_low = fma(high, PBP_LOG10E, -y) + fma(high, PBP_LOG10E_LO, low * PBP_LOG10E);
    double sum = fma(k, PBP_LOG10_2_HI42, y);
    double rest = fma(k, PBP_LOG10_2_HI42, -sum) + y;
    return pbp_log_ends(x, sum + (rest + fma(k, PBP_LOG10_2_LO42, y_low)));
}

/* log(1 + x): 1 + x is formed as an exact pair, see pbp_log_pair.  log1p(-1) = -inf, NaN below,
 * log1p(-0) = -0.  Error: 0.83 ulp. */
PBP_INLINE double pbp_log1p(double x)
{
    double a = 1.0 + x;
    double b = x - (a - 1.0);
    double y = pbp_log_ends(a, pbp_log_pair(a, b, 0.0));
    return fabs(x) < 0x1p-54 ? x : y;
}

/* P(z) of log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s^2, |s| <= 1/3. */
PBP_INLINE double pbp_log1p_poly(double z)
{
    double sq = z * z;
    double even = 0x1.5749bc6541bdep-4, odd = 0x1.5b1467a4bb828p-3;
    even = fma(even, sq, 0x1.106e96d3698ccp-3);
    odd = fma(odd, sq, 0x1.ef74410f9bc6bp-4);
    even = fma(even, sq, 0x1.745cbb81e8d81p-3);
    odd = fma(odd, sq, 0x1.3b1d4a93d419ap-3);
    even = fma(even, sq, 0x1.249249211dbd8p-2);
    odd = fma(odd, sq, 0x1.c71c73df2a745p-3);
    even = fma(even, sq, 0x1.555555555553fp-1);
    odd = fma(odd, sq, 0x1.999999999f145p-2);
    return fma(odd, z, even);
}

/* softplus(x) = log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|) in [0, 1] as a pair.  No
 * power of two is split off: with s = e / (2 + e) <= 1/3 and h = e^2 / 2, log(1 + e) =
 * e - (h - s (h + z P(z))) as in pbp_log_finish.  1 - 3/2 s stands for 1 / (1 + e), the derivative
 * that the pair's low part is multiplied by.  softplus(-inf) = 0.  Error: 1.66 ulp. */
PBP_INLINE double pbp_softplus(double x)
{
    double e_low;
    double e = pbp_exp_negative(x, &e_low);
    double s = e / (2.0 + e);
    double z = s * s;
    double half = 0.5 * e;
    double minor = fma(-1.5, e_low, fma(z, pbp_log1p_poly(z), half * e));
    double y = e + fma(-half, e, fma(s, minor, e_low));
    return (x > 0.0 ? x : 0.0) + y;
}

/* ---- trigonometric functions ----------------------------------------------------------------- */

/* (sin(r) - r) / r^3 as a polynomial in z = r^2, |r| <= pi/4. */
PBP_INLINE double pbp_sin_poly(double z)
{
    double sq = z * z;
    double even = -0x1.ae5e6d4f41f77p-26, odd = 0x1.5d949f6ba0c61p-33;
    even = fma(even, sq, -0x1.a01a019c22dd8p-13);
    odd = fma(odd, sq, 0x1.71de35833f6fap-19);
    even = fma(even, sq, -0x1.555555555554ap-3);
    odd = fma(odd, sq, 0x1.111111110f934p-7);
    return fma(odd, z, even);
}

/* (cos(r) - 1 + z / 2) / z^2 in z = r^2, |r| <= pi/4. */
PBP_INLINE double pbp_cos_poly(double z)
{
    double sq = z * z;
    double even = 0x1.1ee9ee2e194cfp-29, odd = -0x1.8faf7ac25a94dp-37;
    even = fma(even, sq, 0x1.a01a019cb9b46p-16);
    odd = fma(odd, sq, -0x1.27e4f80e57e9bp-22);
    even = fma(even, sq, 0x1.555555555554cp-5);
    odd = fma(odd, sq, -0x1.6c16c16c151e9p-10);
    return fma(odd, z, even);
}

#define PBP_2_PI 0x1.45f306dc9c883p-1
#define PBP_PI_2 0x1.921fb54442d18p+0
#define PBP_PI_2_LO 0x1.1a62633145c07p-54
#define PBP_PI_2_MID 0x1.1a626332p-54 /* 32 bits */
#define PBP_PI_2_END -0x1.747f23e32ed70p-87

/* The fast forms below hold for |x| <= PBP_TRIG_LIMIT; a loop uses them and treats the rare rest
 * with the plain functions, right everywhere: see PBP_TRIG_ARRAY at the end of this section. */
#define PBP_TRIG_LIMIT 0x1p21

/* x = n pi/2 + r + *r_low, |r| <= pi/4 about; returns r, *quadrant = n, good modulo 4.
 * x - n (pi/2's first part) is exact, as the difference is a multiple of 2^-53 below 1.  The second
 * part has 32 bits, n at most 21: their product is exact, and so is r's rounding error, whichever
 * term is the larger. */
PBP_INLINE double pbp_trig_reduce(double x, double *r_low, uint64_t *quadrant)
{
    double shifted = fma(x, PBP_2_PI, PBP_SHIFT);
    double n = shifted - PBP_SHIFT;
    double exact = fma(-n, PBP_PI_2, x);
    double r = fma(-n, PBP_PI_2_MID, exact);
    *r_low = fma(-n, PBP_PI_2_END, fma(-n, PBP_PI_2_MID, exact - r));
    *quadrant = pbp_bits_get(shifted);
    return r;
}

/* sin(r + r_low) = r + the value returned. */
PBP_INLINE double pbp_sin_tail(double r, double r_low, double z)
{
    return fma(r * z, pbp_sin_poly(z), fma(-0.5 * z, r_low, r_low));
}

/* cos(r + r_low) = *head + the value returned, *head = 1 - z / 2 rounded. */
PBP_INLINE double pbp_cos_tail(double r, double r_low, double z, double *head)
{
    double h = 0.5 * z;
    double w = 1.0 - h;
    *head = w;
    return ((1.0 - w) - h) + fma(z * z, pbp_cos_poly(z), -r * r_low);
}

/* sin((quadrant) pi/2 + r + r_low); cos is one quadrant on. */
PBP_INLINE double pbp_sin_quadrant(double r, double r_low, uint64_t quadrant)
{
    double z = r * r;
    double c_head;
    double c_tail = pbp_cos_tail(r, r_low, z, &c_head);
    double s_tail = pbp_sin_tail(r, r_low, z);
    int even = (quadrant & 1) == 0;
    double y = (even ? r : c_head) + (even ? s_tail : c_tail);
    return pbp_bits_set(pbp_bits_get(y) ^ ((quadrant & 2) << 62));
}

/* tan((quadrant) pi/2 + r + r_low): sin / cos or -cos / sin of pairs, corrected once. */
PBP_INLINE double pbp_tan_quadrant(double r, double r_low, uint64_t quadrant)
{
    double z = r * r;
    double c_head;
    double c_tail = pbp_cos_tail(r, r_low, z, &c_head);
    double s_tail = pbp_sin_tail(r, r_low, z);
    int even = (quadrant & 1) == 0;
    double num = even ? r : -c_head, num_low = even ? s_tail : -c_tail;
    double den_head = even ? c_head : r, den_tail = even ? c_tail : s_tail;
    double den = den_head + den_tail;
    double den_low = den_tail - (den - den_head);
    double inv = 1.0 / den;
    double q = (num + num_low) * inv;
    double rest = (fma(-q, den, num) + num_low) - q * den_low;
    return fma(rest, inv, q);
}

/* sin, cos, tan for |x| <= PBP_TRIG_LIMIT, without a branch: three-part Cody-Waite reduction to
 * |r| <= pi/4 with fused steps, then minimax polynomials of degree 13 (sin) and 14 (cos).
 * Errors: sin 0.79 ulp; cos 0.82 ulp; tan 1.08 ulp. */
PBP_INLINE double pbp_sin_fast(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce(x, &r_low, &quadrant);
    double y = pbp_sin_quadrant(r, r_low, quadrant);
    return fabs(x) < 0x1p-27 ? x : y; /* and keeps -0 */
}

PBP_INLINE double pbp_cos_fast(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce(x, &r_low, &quadrant);
    return pbp_sin_quadrant(r, r_low, quadrant + 1);
}

PBP_INLINE double pbp_tan_fast(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce(x, &r_low, &quadrant);
    double y = pbp_tan_quadrant(r, r_low, quadrant);
    return fabs(x) < 0x1p-27 ? x : y;
}

/* Both at once, for one reduction and one pair of polynomials. */
PBP_INLINE void pbp_sincos_fast(double x, double *sine, double *cosine)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce(x, &r_low, &quadrant);
    double y = pbp_sin_quadrant(r, r_low, quadrant);
    *cosine = pbp_sin_quadrant(r, r_low, quadrant + 1);
    *sine = fabs(x) < 0x1p-27 ? x : y;
}

/* Rare paths are kept out of line where the compiler lets us say so. */
#if defined(__GNUC__)
#define PBP_RARE static __attribute__((noinline, unused, cold))
#else
#define PBP_RARE static inline
#endif

/* The 64 bits of the integer p (32-bit words, least significant first) from bit `at` upwards. */
PBP_INLINE uint64_t pbp_words_extract(const uint32_t *p, int at)
{
    const uint32_t *w = p + (at >> 5);
    int bit = at & 31;
    uint64_t low = ((uint64_t)w[1] << 32 | w[0]) >> bit;
    return bit ? low | (uint64_t)w[2] << (64 - bit) : low;
}

/* As pbp_trig_reduce, for |x| > PBP_TRIG_LIMIT (Payne and Hanek): x = M 2^e, M of 53 bits.
 * Words of 2/pi whose product with x is a multiple of 4 are skipped; M times the next 256 bits is
 * formed in integers and leaves an error below 2^-170 quarter turns.  No double is closer to a
 * multiple of pi/2 than about 2^-61 (Muller 2016, ch. 11), so enough bits remain.  NaN for
 * infinities and NaN. */
PBP_RARE double pbp_trig_reduce_huge(double x, double *r_low, uint64_t *quadrant)
{
    static const uint32_t two_over_pi[38] = {
        /* word j has weight 2^(-32 (j + 1)) */
        0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
        0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
        0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b,
        0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7,
        0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1,
        0x1f8d5d08, 0x56033046, 0xfc7b6bab,
    };
    uint64_t u = pbp_bits_get(fabs(x));
    *r_low = 0.0;
    *quadrant = 0;
    if (u >= UINT64_C(0x7ff0000000000000)) {
        return x - x;
    }
    int e = (int)(u >> 52) - 1075;
    int first = e < 2 ? 0 : (e - 2) / 32;
    uint64_t m = (u & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x0010000000000000);
    uint32_t product[11] = {0}; /* its bit 256 - e + 32 first is worth one quarter turn */
    for (int half = 0; half < 2; half++) {
        uint64_t factor = half ? m >> 32 : m & UINT64_C(0xffffffff), carry = 0;
        for (int k = 0; k < 8; k++) {
            carry += two_over_pi[first + 7 - k] * factor + product[k + half];
            product[k + half] = (uint32_t)(carry & UINT64_C(0xffffffff));
            carry >>= 32;
        }
        product[8 + half] = (uint32_t)carry;
    }
    int point = 256 - e + 32 * first;
    uint64_t n = pbp_words_extract(product, point);
    uint64_t high = pbp_words_extract(product, point - 64);
    uint64_t low = pbp_words_extract(product, point - 128);
    /* The nearest quarter turn, not the one below: a fraction above 1/2 becomes negative. */
    int negative = (high >> 63) != 0;
    if (negative) {
        n += 1;
        high = ~high;
        low = ~low;
    }
    double f3 = (double)(high >> 32) * 0x1p-32;
    double f2 = (double)(high & UINT64_C(0xffffffff)) * 0x1p-64;
    double f1 = (double)low * 0x1p-128;
    double f = f3 + f2;
    double f_low = (f2 - (f - f3)) + f1;
    double g = f + f_low;
    double g_low = f_low - (g - f);
    double r = g * PBP_PI_2;
    double tail = fma(g, PBP_PI_2, -r) + fma(g, PBP_PI_2_LO, g_low * PBP_PI_2);
    int flip = negative != (x < 0.0);
    *r_low = flip ? -tail : tail;
    *quadrant = x < 0.0 ? 0 - n : n;
    return flip ? -r : r;
}

PBP_RARE double pbp_sin_huge(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce_huge(x, &r_low, &quadrant);
    return pbp_sin_quadrant(r, r_low, quadrant);
}

PBP_RARE double pbp_cos_huge(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce_huge(x, &r_low, &quadrant);
    return pbp_sin_quadrant(r, r_low, quadrant + 1);
}

PBP_RARE double pbp_tan_huge(double x)
{
    double r_low;
    uint64_t quadrant;
    double r = pbp_trig_reduce_huge(x, &r_low, &quadrant);
    return pbp_tan_quadrant(r, r_low, quadrant);
}

/* Right for every x, through a branch.  sin, cos, tan of an infinity are NaN. */
PBP_INLINE double pbp_sin(double x)
{
    return fabs(x) <= PBP_TRIG_LIMIT ? pbp_sin_fast(x) : pbp_sin_huge(x);
}

PBP_INLINE double pbp_cos(double x)
{
    return fabs(x) <= PBP_TRIG_LIMIT ? pbp_cos_fast(x) : pbp_cos_huge(x);
}

PBP_INLINE double pbp_tan(double x)
{
    return fabs(x) <= PBP_TRIG_LIMIT ? pbp_tan_fast(x) : pbp_tan_huge(x);
}

/* (sinf(r) - r) / r^3 and (cosf(r) - 1 + z / 2) / z^2, z = r^2, |r| <= 1.005 pi/4. */
PBP_INLINE float pbp_sinf_poly(float z)
{
    float sq = z * z;
    float even = -0x1.994228p-13f, odd = 0x1.11074p-7f;
    even = fmaf(even, sq, -0x1.555546p-3f);
    return fmaf(odd, z, even);
}

PBP_INLINE float pbp_cosf_poly(float z)
{
    float sq = z * z;
    float even = 0x1.99f41ep-16f, odd = -0x1.6c0c5cp-10f;
    even = fmaf(even, sq, 0x1.55554ap-5f);
    return fmaf(odd, z, even);
}

#define PBP_TRIG_LIMITF 0x1p15f

/* The same in float32, for |x| <= PBP_TRIG_LIMITF; the limit keeps n's own rounding error, about
 * n 2^-24, from widening |r| by more than a quarter of a percent. */
PBP_INLINE float pbp_trig_reducef(float x, float *r_low, uint32_t *quadrant)
{
    float shifted = fmaf(x, 0x1.45f306p-1f, PBP_SHIFTF);
    float n = shifted - PBP_SHIFTF;
    float exact = fmaf(-n, 0x1.921fb6p+0f, x);
    /* The second product needs two floats, and either term of r may be the larger: a two-sum. */
    float w = n * 0x1.777a5cp-25f;
    float w_low = fmaf(n, 0x1.777a5cp-25f, -w);
    float r = exact + w;
    float step = r - exact;
    float rest = (exact - (r - step)) + (w - step);
    *r_low = fmaf(n, 0x1.ee59dap-50f, rest + w_low);
    *quadrant = pbp_bits_getf(shifted);
    return r;
}

PBP_INLINE float pbp_sin_quadrantf(float r, float r_low, uint32_t quadrant)
{
    float z = r * r;
    float s_tail = fmaf(r * z, pbp_sinf_poly(z), r_low);
    float h = 0.5f * z;
    float w = 1.0f - h;
    float c_tail = ((1.0f - w) - h) + fmaf(z * z, pbp_cosf_poly(z), -r * r_low);
    int even = (quadrant & 1) == 0;
    float y = (even ? r : w) + (even ? s_tail : c_tail);
    return pbp_bits_setf(pbp_bits_getf(y) ^ ((quadrant & 2) << 30));
}

PBP_INLINE float pbp_sinf_fast(float x)
{
    float r_low;
    uint32_t quadrant;
    float r = pbp_trig_reducef(x, &r_low, &quadrant);
    float y = pbp_sin_quadrantf(r, r_low, quadrant);
    return fabsf(x) < 0x1p-13f ? x : y;
}

PBP_INLINE float pbp_cosf_fast(float x)
{
    float r_low;
    uint32_t quadrant;
    float r = pbp_trig_reducef(x, &r_low, &quadrant);
    return pbp_sin_quadrantf(r, r_low, quadrant + 1);
}

PBP_INLINE float pbp_tanf_fast(float x)
{
    return (float)pbp_tan_fast((double)x);
}

/* Beyond the float32 limit, the float64 functions. */
PBP_RARE float pbp_sinf_huge(float x)
{
    return (float)pbp_sin((double)x);
}

PBP_RARE float pbp_cosf_huge(float x)
{
    return (float)pbp_cos((double)x);
}

PBP_RARE float pbp_tanf_huge(float x)
{
    return (float)pbp_tan((double)x);
}

/* float32.  Errors: sin 0.94 ulp; cos 0.93 ulp; tan (through float64) 0.50 ulp. */
PBP_INLINE float pbp_sinf(float x)
{
    return fabsf(x) <= PBP_TRIG_LIMITF ? pbp_sinf_fast(x) : pbp_sinf_huge(x);
}

PBP_INLINE float pbp_cosf(float x)
{
    return fabsf(x) <= PBP_TRIG_LIMITF ? pbp_cosf_fast(x) : pbp_cosf_huge(x);
}

PBP_INLINE float pbp_tanf(float x)
{
    return fabsf(x) <= PBP_TRIG_LIMITF ? pbp_tanf_fast(x) : pbp_tanf_huge(x);
}

/* pbp_sin_array(n, y, x): y[i] = sin(x[i]), y == x allowed, any other overlap not.  The pattern for
 * a kernel: copy a block while asking whether any element is beyond the limit (or NaN), then run
 * the branch-free loop or, rarely, the branching one; the copy spares the compiler a test for
 * overlap.  Both give the same bits. */
#define PBP_TRIG_BLOCK 128
#define PBP_TRIG_ARRAY(NAME, FAST, PLAIN, T, MASK, ABS, LIMIT)                                     \
    PBP_INLINE void NAME(int64_t n, T *y, const T *x)                                              \
    {                                                                                              \
        for (int64_t start = 0; start < n; start += PBP_TRIG_BLOCK) {                              \
            int64_t m = n - start < PBP_TRIG_BLOCK ? n - start : PBP_TRIG_BLOCK;                   \
            T block[PBP_TRIG_BLOCK];                                                               \
            MASK beyond = 0;                                                                       \
            for (int64_t i = 0; i < m; i++) {                                                      \
                T a = x[start + i];                                                                \
                block[i] = a;                                                                      \
                beyond |= ABS(a) <= LIMIT ? 0 : 1;                                                 \
            }                                                                                      \
            if (beyond) {                                                                          \
                for (int64_t i = 0; i < m; i++) {                                                  \
                    y[start + i] = PLAIN(block[i]);                                                \
                }                                                                                  \
            } else {                                                                               \
                for (int64_t i = 0; i < m; i++) {                                                  \
                    y[start + i] = FAST(block[i]);                                                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

PBP_TRIG_ARRAY(pbp_sin_array, pbp_sin_fast, pbp_sin, double, uint64_t, fabs, PBP_TRIG_LIMIT)
PBP_TRIG_ARRAY(pbp_cos_array, pbp_cos_fast, pbp_cos, double, uint64_t, fabs, PBP_TRIG_LIMIT)
PBP_TRIG_ARRAY(pbp_tan_array, pbp_tan_fast, pbp_tan, double, uint64_t, fabs, PBP_TRIG_LIMIT)
PBP_TRIG_ARRAY(pbp_sinf_array, pbp_sinf_fast, pbp_sinf, float, uint32_t, fabsf, PBP_TRIG_LIMITF)
PBP_TRIG_ARRAY(pbp_cosf_array, pbp_cosf_fast, pbp_cosf, float, uint32_t, fabsf, PBP_TRIG_LIMITF)
PBP_TRIG_ARRAY(pbp_tanf_array, pbp_tanf_fast, pbp_tanf, float, uint32_t, fabsf, PBP_TRIG_LIMITF)
/* ---- inverse trigonometric functions --------------------------------------------------------- */

/* (asin(r) - r) / r^3 in z = r^2, |r| <= 1/2. */
PBP_INLINE double pbp_asin_poly(double z)
{
    double sq = z * z;
    double even = -0x1.fd8ee9724a0b2p-7, odd = 0x1.01dfcc7599a39p-5;
    even = fma(even, sq, 0x1.b7ad2876c0a03p-8);
    odd = fma(odd, sq, 0x1.386b1e554e137p-6);
    even = fma(even, sq, 0x1.c73d3968e98c4p-7);
    odd = fma(odd, sq, 0x1.8d460b571cba4p-7);
    even = fma(even, sq, 0x1.6e8a37c55184p-6);
    odd = fma(odd, sq, 0x1.1c6854888eb41p-6);
    even = fma(even, sq, 0x1.6db6db4e1b014p-5);
    odd = fma(odd, sq, 0x1.f1c7290373db2p-6);
    even = fma(even, sq, 0x1.5555555555482p-3);
    odd = fma(odd, sq, 0x1.3333333358b09p-4);
    return fma(odd, z, even);
}

/* (atan(r) - r) / r^3 in z = r^2, |r| <= sqrt 2 - 1. */
PBP_INLINE double pbp_atan_poly(double z)
{
    double sq = z * z;
    double even = -0x1.296469d59e7eap-6, odd = 0x1.39c05abf41abfp-5;
    even = fma(even, sq, -0x1.9d9f90abe9efdp-5);
    odd = fma(odd, sq, 0x1.df3fc39131785p-5);
    even = fma(even, sq, -0x1.10ef4b6509e4dp-4);
    odd = fma(odd, sq, 0x1.3b117036b76c1p-4);
    even = fma(even, sq, -0x1.745cfe36a98dcp-4);
    odd = fma(odd, sq, 0x1.c71c711ada268p-4);
    even = fma(even, sq, -0x1.2492492345e93p-3);
    odd = fma(odd, sq, 0x1.9999999997485p-3);
    even = fma(even, sq, -0x1.555555555554cp-2);
    return fma(odd, z, even);
}

/* sqrt(z) and what is missing to it; z = 0 divides 0 by the small number. */
PBP_INLINE double pbp_sqrt_pair(double z, double *low)
{
    double s = sqrt(z);
    *low = fma(-s, s, z) / (s + s + 0x1p-1000);
    return s;
}

/* asin(x): series-like minimax for |x| <= 1/2, else pi/2 - 2 asin(sqrt((1 - |x|) / 2)), the root as
 * a pair (the arrangement of fdlibm's asin).  NaN for |x| > 1, asin(-0) = -0.  Error: 0.78 ulp. */
PBP_INLINE double pbp_asin(double x)
{
    double a = fabs(x);
    int big = a > 0.5;
    double low;
    double z = big ? fma(-0.5, a, 0.5) : a * a;
    double s = pbp_sqrt_pair(z, &low);
    double r = big ? s : a;
    double tail = r * z * pbp_asin_poly(z);
    double twice = -2.0 * s;
    double head = PBP_PI_2 + twice;
    double rest = (PBP_PI_2 - head) + twice;
    double outer = head + (rest + fma(-2.0, low + tail, PBP_PI_2_LO));
    double y = big ? outer : a + tail;
    return copysign(fabs(x) < 0x1p-27 ? a : y, x);
}

/* acos(x): pi/2 - asin(x) for |x| <= 1/2, 2 asin(sqrt((1 - x) / 2)) above, pi minus that of |x|
 * below.  acos(1) = 0, NaN for |x| > 1.  Error: 0.74 ulp. */
PBP_INLINE double pbp_acos(double x)
{
    double a = fabs(x);
    int big = a > 0.5;
    double low;
    double z = big ? fma(-0.5, a, 0.5) : a * a;
    double s = pbp_sqrt_pair(z, &low);
    double r = big ? s : x;
    double tail = r * z * pbp_asin_poly(z);
    /* pi/2 - x, or pi - 2 s: base - twice without error */
    double base = big ? 2.0 * PBP_PI_2 : PBP_PI_2;
    double base_low = big ? 2.0 * PBP_PI_2_LO : PBP_PI_2_LO;
    double twice = big ? s + s : x;
    double minor = big ? 2.0 * (low + tail) : tail;
    double head = base - twice;
    double rest = (base - head) - twice;
    double y = head + (rest + (base_low - minor));
    return big && x > 0.0 ? twice + minor : y;
}

/* atan(num / den) for num, den >= 0, not both zero and of moderate size, with t = num / den,
 * (num - den) / (num + den) or -den / num, whichever is at most sqrt 2 - 1 in size, plus 0, pi/4 or
 * pi/2.  t is a pair, the quotient and one correction; so is the result. */
PBP_INLINE double pbp_atan_ratio(double num, double den, double *low)
{
    /* Weights 0 or 1 and exact products: nested selects get turned into branches by compilers. */
    double above = num > den * 0x1.a827999fcef32p-2 ? 1.0 : 0.0; /* sqrt 2 - 1 */
    double high = num > den * 0x1.3504f333f9de6p+1 ? 1.0 : 0.0;  /* sqrt 2 + 1 */
    double difference = num - den;
    double sum = num + den;
    int larger = num > den;
    double difference_low = larger ? (num - difference) - den : num - (difference + den);
    double sum_low = larger ? (num - sum) + den : (den - sum) + num;
    double p = fma(num, 1.0 - high, -den * above);
    double q = fma(num, above, den * (1.0 - high));
    double p_low = difference_low * (above - high);
    double q_low = sum_low * (above - high);
    double inv = 1.0 / q;
    double t = p * inv;
    double t_low = ((fma(-t, q, p) + p_low) - t * q_low) * inv;
    double quarter_turns = 0.5 * (above + high);
    double head = PBP_PI_2 * quarter_turns;
    double head_low = PBP_PI_2_LO * quarter_turns;
    double z = t * t;
    double tail = fma(t * z, pbp_atan_poly(z), t_low);
    double y = head + t;
    double rest = (head - y) + t; /* the head is 0 or larger than |t| */
    *low = rest + (head_low + tail);
    return y;
}

/* atan(x).  atan(+-inf) = +-pi/2, atan(-0) = -0.  Error: 0.71 ulp. */
PBP_INLINE double pbp_atan(double x)
{
    double a = fabs(x);
    a = a > 0x1p60 ? 0x1p60 : a;
    double low;
    double y = pbp_atan_ratio(a, 1.0, &low);
    y += low;
    return copysign(fabs(x) < 0x1p-27 ? a : y, x);
}

/* atan2(y, x), the angle of the point (x, y), in [-pi, pi]; C99 F.9.1.4: a zero or infinite operand
 * gives the limit (atan2(+-0, -0) = +-pi, atan2(inf, inf) = pi/4), NaN wins.  Error: 1.22 ulp. */
PBP_INLINE double pbp_atan2(double y, double x)
{
    double b = fabs(x), a = fabs(y);
    /* infinities become 1 against a number of no weight, or against 1; two zeros become 0 and 1 */
    int b_inf = b == (double)INFINITY, a_inf = a == (double)INFINITY;
    double b1 = b_inf ? 1.0 : a_inf ? 0.0 : b;
    double a1 = a_inf ? 1.0 : b_inf ? 0.0 : a;
    double larger = a1 > b1 ? a1 : b1;
    double scale = larger > 0x1p900 ? 0x1p-200 : larger < 0x1p-100 ? 0x1p700 : 1.0;
    double num = a1 * scale;
    double den = larger == 0.0 ? 1.0 : b1 * scale;
    double low;
    double right = pbp_atan_ratio(num, den, &low); /* the angle for x >= 0 */
    int negative = pbp_bits_get(x) >> 63 != 0;
    double left = 2.0 * PBP_PI_2 - right;
    left += ((2.0 * PBP_PI_2 - left) - right) + (2.0 * PBP_PI_2_LO - low);
    right += low;
    double angle = copysign(negative ? left : right, y);
    return b != b || a != a ? x + y : angle;
}

/* ---- inverse hyperbolic functions ------------------------------------------------------------ */

/* asinh(x) = log(|x| + sqrt(x^2 + 1)), the argument formed as a pair so that small results keep
 * their digits; 2 |x| above 2^30.  Error: 1.01 ulp. */
PBP_INLINE double pbp_asinh(double x)
{
    double a = fabs(x);
    int big = a > 0x1p30;
    double b = big ? 1.0 : a;
    double square = b * b;
    double t = square + 1.0;
    double larger = b > 1.0 ? square : 1.0, smaller = b > 1.0 ? 1.0 : square;
    double t_low = (smaller - (t - larger)) + fma(b, b, -square);
    double s = sqrt(t);
    double s_low = (fma(-s, s, t) + t_low) * 0.5 / s;
    double w = s + b;
    double w_low = (b - (w - s)) + s_low;
    double y = pbp_log_pair(big ? a : w, big ? 0.0 : w_low, big ? 1.0 : 0.0);
    y = a < (double)INFINITY ? y : a;
    return copysign(a < 0x1p-28 ? a : y, x);
}

/* acosh(x) = log(x + sqrt(x^2 - 1)), likewise.  acosh(1) = 0, NaN below 1.  Error: 1.03 ulp. */
PBP_INLINE double pbp_acosh(double x)
{
    int big = x > 0x1p30;
    double b = big ? 1.0 : x;
    double square = b * b;
    double t = square - 1.0;
    double t_low = ((square - t) - 1.0) + fma(b, b, -square);
    double sum = t + t_low;
    double s = sqrt(sum);
    double s_low = (fma(-s, s, sum) + (t_low - (sum - t))) * 0.5 / (s + 0x1p-1000);
    double w = b + s;
    double w_low = (s - (w - b)) + s_low;
    double y = pbp_log_pair(big ? x : w, big ? 0.0 : w_low, big ? 1.0 : 0.0);
    y = x < (double)INFINITY ? y : x;
    return x >= 1.0 ? y : (double)NAN;
}

/* atanh(x) = log((1 + |x|) / (1 - |x|)) / 2, the quotient as a pair.  atanh(+-1) = +-inf, NaN
 * beyond.  Error: 0.99 ulp. */
PBP_INLINE double pbp_atanh(double x)
{
    double a = fabs(x);
    double num = 1.0 + a, den = 1.0 - a;
    double num_low = a - (num - 1.0), den_low = (1.0 - den) - a;
    double inv = 1.0 / den;
    double q = num * inv;
    double q_low = (fma(-q, den, num) + (num_low - q * den_low)) * inv;
    double y = 0.5 * pbp_log_pair(q, q_low, 0.0);
    y = a < 1.0 ? y : a == 1.0 ? (double)INFINITY : (double)NAN;
    return copysign(a < 0x1p-28 ? a : y, x);
}

/* ---- powers and roots ------------------------------------------------------------------------ */

/* P(z) of log((1 + s) / (1 - s)) = 2 s + s z (2/3 + z P(z)). */
PBP_INLINE double pbp_pow_poly(double z)
{
    double sq = z * z;
    double even = 0x1.bfb7da9a793ffp-4, odd = 0x1.ab69823ce1e48p-4;
    even = fma(even, sq, 0x1.e203d48c971b9p-4);
    odd = fma(odd, sq, 0x1.1110b52cfd14dp-3);
    even = fma(even, sq, 0x1.3b13b26a58e85p-3);
    odd = fma(odd, sq, 0x1.745d1743805c7p-3);
    even = fma(even, sq, 0x1.c71c71c71ee68p-3);
    odd = fma(odd, sq, 0x1.2492492492489p-2);
    even = fma(even, sq, 0x1.999999999999ap-2);
    return fma(odd, z, even);
}

/* log(x) as high + low with about 66 bits, x > 0 normal or subnormal: s = f / (2 + f) as a pair,
 * and the series' first two terms in pairs too (Dekker's arithmetic with fused products). */
PBP_INLINE double pbp_log_wide(double x, double *low)
{
    double k;
    uint64_t field;
    int tiny = x < 0x1p-1022;
    double f = pbp_log_split(tiny ? x * 0x1p54 : x, &k, &field) - 1.0;
    k = tiny ? k - 54.0 : k;
    double den = 2.0 + f;
    double den_low = f - (den - 2.0);
    double inv = 1.0 / den;
    double s = f * inv;
    double s_low = inv * (fma(-s, den, f) - s * den_low);
    double z = s * s;
    double z_low = fma(s, s, -z) + 2.0 * s * s_low;
    /* c = 2/3 + z P(z) */
    double w = z * pbp_pow_poly(z);
    double c = 0x1.5555555555555p-1 + w;
    double c_low = (w - (c - 0x1.5555555555555p-1)) + 0x1.5555555555555p-55;
    /* cube = s z, v = cube c */
    double cube = s * z;
    double cube_low = fma(s, z, -cube) + fma(s, z_low, s_low * z);
    double v = cube * c;
    double v_low = fma(cube, c, -v) + fma(cube, c_low, cube_low * c);
    /* k ln 2 + 2 s + v */
    double sum = fma(k, PBP_LN2_HI42, 2.0 * s);
    double rest = fma(k, PBP_LN2_HI42, -sum) + 2.0 * s;
    double sum2 = sum + v;
    rest += v - (sum2 - sum);
    rest += fma(k, PBP_LN2_LO42, fma(2.0, s_low, v_low));
    double high = sum2 + rest;
    *low = rest - (high - sum2);
    return high;
}

/* |x|^y given as `magnitude`, with the signs and exceptional cases of C99 F.9.4.4: x^0 = 1 and
 * 1^y = 1 even for NaN; negative x: odd integer y keeps the sign, other y give NaN. */
PBP_INLINE double pbp_pow_ends(double x, double y, double magnitude)
{
    double a = fabs(x), b = fabs(y);
    /* adding 2^52 rounds to an integer; from 2^52 on everything is one, from 2^53 on even */
    double whole = b < 0x1p52 ? (b + 0x1p52) - 0x1p52 : b;
    double half = 0.5 * b;
    double half_whole = half < 0x1p52 ? (half + 0x1p52) - 0x1p52 : half;
    int integer = whole == b;
    int odd = integer && half_whole != half;
    double end = (a == 0.0) == (y > 0.0) ? 0.0 : (double)INFINITY;
    double m = a == 0.0 || a == (double)INFINITY ? end : magnitude;
    int negative = pbp_bits_get(x) >> 63 != 0;
    m = negative && odd ? -m : m;
    m = x < 0.0 && !integer && a < (double)INFINITY ? (double)NAN : m;
    m = x != x || y != y ? x + y : m;
    return y == 0.0 || x == 1.0 ? 1.0 : m;
}

/* x^y = exp(y log|x|), log and product as pairs.  Error: 0.89 ulp. */
PBP_INLINE double pbp_pow(double x, double y)
{
    /* Beyond 2^65 every power but that of 1 overflows or vanishes: infinite y is no case apart. */
    double b = y > 0x1p65 ? 0x1p65 : y;
    b = b < -0x1p65 ? -0x1p65 : b;
    double log_low;
    double log_high = pbp_log_wide(fabs(x), &log_low);
    double p = b * log_high;
    double p_low = fma(b, log_high, -p) + b * log_low;
    double shifted = fma(p, PBP_INV_LN2, PBP_SHIFT + 2046.0);
    double n = shifted - (PBP_SHIFT + 2046.0);
    double exact = fma(-n, PBP_LN2, p);
    double head = fma(-n, PBP_LN2_LO, exact);
    double rest = fma(-n, PBP_LN2_LO, exact - head) + p_low;
    double r = head + rest;
    double r_low = rest - (r - head);
    double e = 1.0 + (r + fma(r * r, pbp_exp_poly(r), r_low));
    e = pbp_exp_ends(p, -745.2, 709.79, pbp_exp_scale(e, shifted));
    return pbp_pow_ends(x, y, e);
}

/* w^(-1/3) on [1, 2]. */
PBP_INLINE double pbp_cbrt_poly(double w)
{
    double sq = w * w;
    double even = 0x1.3fa2e5bd2cf02p-3, odd = -0x1.16d763fb20fbp-6;
    even = fma(even, sq, 0x1.3e690eb9323a7p+0);
    odd = fma(odd, sq, -0x1.321cc6d4fc00ep-1);
    even = fma(even, sq, 0x1.c7f37aa32b4f4p+0);
    odd = fma(odd, sq, -0x1.90e78588690efp+0);
    return fma(odd, w, even);
}

/* cbrt(x): |x| = 2^(3 n) w, w in [1, 8).  A polynomial gives w^(-1/3) to 17 bits, one step of order
 * four sharpens it, and y = w r^2 is corrected by its residual w - y^3 in double-double.
 * Error: 0.50 ulp. */
PBP_INLINE double pbp_cbrt(double x)
{
    double a = fabs(x);
    int tiny = a < 0x1p-1022;
    uint64_t u = pbp_bits_get(tiny ? a * 0x1p54 : a);
    double k = pbp_bits_set((u >> 52) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1023.0);
    k = tiny ? k - 54.0 : k;
    double m = pbp_bits_set((u & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));
    /* n = floor(k / 3): (k - 1) / 3 is never halfway between integers */
    double shifted = fma(k - 1.0, 0x1.5555555555555p-2, PBP_SHIFT + 1023.0);
    double n = shifted - (PBP_SHIFT + 1023.0);
    double j = fma(-3.0, n, k);
    double w = m * (j == 0.0 ? 1.0 : j == 1.0 ? 2.0 : 4.0);
    double root = j == 0.0 ? 1.0 : j == 1.0 ? 0x1.965fea53d6e3dp-1 : 0x1.428a2f98d728bp-1;
    double r = root * pbp_cbrt_poly(m);
    double e = fma(-(w * r), r * r, 1.0);
    double step = fma(e, fma(e, 0x1.61f9add3c0ca4p-3, 0x1.c71c71c71c71cp-3), 0x1.5555555555555p-2);
    r = fma(r * e, step, r);
    double r2 = r * r;
    double y = w * r2;
    double y2 = y * y;
    double residual = fma(y2, y, -w) + y * fma(y, y, -y2);
    y = fma(residual * r2, -0x1.5555555555555p-2, y);
    y *= pbp_bits_set(pbp_bits_get(shifted) << 52);
    y = x == 0.0 || !(a < (double)INFINITY) ? a : y;
    return copysign(y, x);
}

/* hypot(x, y) = sqrt(x^2 + y^2), scaled by a power of two where squares would overflow or vanish.
 * inf if either is infinite, even against NaN.  Error: 0.91 ulp. */
PBP_INLINE double pbp_hypot(double x, double y)
{
    double a = fabs(x), b = fabs(y);
    double larger = a > b ? a : b;
    int huge = larger > 0x1p500, tiny = larger < 0x1p-450;
    double scale = huge ? 0x1p-600 : tiny ? 0x1p600 : 1.0;
    double back = huge ? 0x1p600 : tiny ? 0x1p-600 : 1.0;
    double c = a * scale, d = b * scale;
    double big = c > d ? c : d, minor = c > d ? d : c;
    double h = sqrt(fma(big, big, minor * minor)) * back;
    return a == (double)INFINITY || b == (double)INFINITY ? (double)INFINITY : h;
}
/* ---- error function -------------------------------------------------------------------------- */

/* erf(x) / x - 1 in z = x^2, |x| <= 1. */
PBP_INLINE double pbp_erf_poly(double z)
{
    double sq = z * z;
    double even = 0x1.d782f5e588b31p-27, odd = -0x1.acdb127dfacaep-31;
    even = fma(even, sq, 0x1.b98271ab7627fp-20);
    odd = fma(odd, sq, -0x1.5c16a84a865f4p-23);
    even = fma(even, sq, 0x1.f9a2bf64a69d3p-14);
    odd = fma(odd, sq, -0x1.f4ca93a925f6fp-17);
    even = fma(even, sq, 0x1.565bccfa9674fp-8);
    odd = fma(odd, sq, -0x1.c02db0725433ap-11);
    even = fma(even, sq, 0x1.ce2f21a04101p-4);
    odd = fma(odd, sq, -0x1.b82ce312060d3p-6);
    even = fma(even, sq, 0x1.06eba8214db68p-3);
    odd = fma(odd, sq, -0x1.812746b0379c2p-2);
    return fma(odd, z, even);
}

/* -log(erfc(a)) on [1, 6], weighted by erfc(a): sharp where erf is not yet 1. */
PBP_INLINE double pbp_erf_tail_poly(double a)
{
    double sq = a * a;
    double even = -0x1.3835043e01006p-37, odd = 0x1.8eeece0160ccfp-43;
    even = fma(even, sq, -0x1.a9155cb1f9e34p-29);
    odd = fma(odd, sq, 0x1.cc6276fba177cp-33);
    even = fma(even, sq, -0x1.096d91b198a09p-22);
    odd = fma(odd, sq, 0x1.135a64fcc834p-25);
    even = fma(even, sq, -0x1.c5f387f592529p-18);
    odd = fma(odd, sq, 0x1.893742d6e1282p-20);
    even = fma(even, sq, -0x1.0eee43cace99fp-14);
    odd = fma(odd, sq, 0x1.96487afa1a4bep-16);
    even = fma(even, sq, -0x1.67501ead81d25p-16);
    odd = fma(odd, sq, 0x1.cf325bb68d1bbp-14);
    even = fma(even, sq, 0x1.b74f8f82c3084p-10);
    odd = fma(odd, sq, -0x1.2204a6b381818p-11);
    even = fma(even, sq, -0x1.3962ce46eda5ep-6);
    odd = fma(odd, sq, -0x1.a9d1ba2fdae15p-13);
    even = fma(even, sq, 0x1.45f329c455f48p-1);
    odd = fma(odd, sq, 0x1.a4f2c4217b20cp-4);
    even = fma(even, sq, 0x1.f91d978ab5be1p-26);
    odd = fma(odd, sq, 0x1.20dd708629feep+0);
    return fma(odd, a, even);
}

/* ((1 + 2 a) exp(a^2) erfc(a) - 1 - S (1 + q)) / (1 - q^2) in q = (a - 4) / (a + 4), 0 <= a <=
 * 27.3, S = 1 / sqrt(pi) - 1/2 (mapping of Schonfelder 1978; taking out the straight line between
 * both ends makes what is left small there). */
#define PBP_ERFC_SLOPE 0x1.06eba8214db69p-4

PBP_INLINE double pbp_erfc_poly(double q)
{
    double sq = q * q;
    double even = -0x1.61d1a006c18e2p-33, odd = -0x1.cbd0b67fed869p-30;
    even = fma(even, sq, -0x1.e526b3a49257ep-30);
    odd = fma(odd, sq, 0x1.da6c4f9363e6dp-27);
    even = fma(even, sq, 0x1.19f2480caa627p-26);
    odd = fma(odd, sq, -0x1.a6295ad9086a8p-24);
    even = fma(even, sq, -0x1.fbc49a24b47f9p-25);
    odd = fma(odd, sq, 0x1.875092147c71dp-21);
    even = fma(even, sq, -0x1.79f09876f5131p-22);
    odd = fma(odd, sq, -0x1.4e529955e668p-18);
    even = fma(even, sq, 0x1.6cb8697a0a499p-17);
    odd = fma(odd, sq, 0x1.45c69dda26ed2p-16);
    even = fma(even, sq, -0x1.2514c604611cep-13);
    odd = fma(odd, sq, 0x1.ca97e86b2b9c2p-13);
    even = fma(even, sq, 0x1.44056920fb71ep-11);
    odd = fma(odd, sq, -0x1.3b71b32c6aff5p-8);
    even = fma(even, sq, 0x1.138263cd6876dp-6);
    odd = fma(odd, sq, -0x1.57e8245c58f3ep-5);
    even = fma(even, sq, 0x1.549106f1a687cp-4);
    odd = fma(odd, sq, -0x1.15f1093e1e60cp-3);
    even = fma(even, sq, 0x1.7936155ac7bbap-3);
    odd = fma(odd, sq, -0x1.a1678125f1044p-3);
    even = fma(even, sq, 0x1.59b6b76457e42p-3);
    return fma(odd, q, even);
}

/* erf(x) = x + x P(x^2) for |x| < 1, else 1 - exp(-Q(|x|)).  Odd, +-1 at infinity.
 * Error: 1.30 ulp. */
PBP_INLINE double pbp_erf(double x)
{
    double a = fabs(x);
    double b = a > 6.0 ? 6.0 : a;
    double inner = fma(b, pbp_erf_poly(b * b), b);
    double c = -pbp_erf_tail_poly(b < 1.0 ? 1.0 : b);
    double shifted = fma(c, PBP_INV_LN2, PBP_SHIFT + 1023.0);
    double n = shifted - (PBP_SHIFT + 1023.0);
    double r = fma(-n, PBP_LN2, c);
    double e = 1.0 + fma(r * r, pbp_exp_poly(r), r);
    double outer = 1.0 - e * pbp_bits_set(pbp_bits_get(shifted) << 52);
    return copysign(a < 1.0 ? inner : outer, x);
}

/* exp(-a^2) = (1 + tail) power 2^-128 for 0 <= a <= 27.5, a^2 as a pair. The power is normal, so
 * that the last factor rounds a subnormal result once. */
PBP_INLINE double pbp_gauss_tail(double a, double *power)
{
    double square = a * a;
    double shifted = fma(-square, PBP_INV_LN2, PBP_SHIFT + (1023.0 + 128.0));
    double n = shifted - (PBP_SHIFT + (1023.0 + 128.0));
    double square_low = fma(a, a, -square);
    double r = fma(-n, PBP_LN2, -square) + fma(-n, PBP_LN2_LO, -square_low);
    *power = pbp_bits_set(pbp_bits_get(shifted) << 52);
    return fma(r * r, pbp_exp_poly(r), r);
}

/* exp(-x^2), part of erfc, which a loop that needs both computes once.  Error: 0.96 ulp. */
PBP_INLINE double pbp_gauss(double x)
{
    double a = fabs(x), power;
    a = a > 27.5 ? 27.5 : a;
    double tail = pbp_gauss_tail(a, &power);
    return (1.0 + tail) * power * 0x1p-128;
}

/* erfc(x) = exp(-a^2) g, g = w / (1 + 2 a), a = |x|, w = 1 + (1 + q) (S + (1 - q) P(q)); 2 minus
 * that for negative x.  a^2, w and the quotient are pairs, so that the relative error stays small
 * into the subnormal results near 27; the exponential is 2^n (1 + `tail`), and g + g tail is rounded
 * once.  Error: 1.67 ulp. */
PBP_INLINE double pbp_erfc(double x)
{
    double a = fabs(x);
    a = a > 27.5 ? 27.5 : a;
    double twice = a + a;
    double plus = a + 4.0;
    double den = twice + 1.0;
    double den_low = twice - (den - 1.0);
    double inv = 1.0 / (plus * den); /* one division for two quotients */
    double inv_den = inv * plus;
    double t = twice * (inv * den);
    double rise = t * fma(2.0 - t, pbp_erfc_poly(t - 1.0), PBP_ERFC_SLOPE);
    double w = 1.0 + rise;
    double g = w * inv_den;
    double w_low = fma(-g, den_low, rise - (w - 1.0));
    double g_low = (fma(-g, den, w) + w_low) * inv_den;
    double power, tail = pbp_gauss_tail(a, &power);
    double y = g + fma(g, tail, fma(g_low, tail, g_low));
    y = y * power * 0x1p-128;
    return x < 0.0 ? 2.0 - y : y;
}
/* ---- float32 --------------------------------------------------------------------------------- */

/* The hot functions have float32 forms of their own, built like the float64 ones above with shorter
 * polynomials; the comments there apply. */
#define PBP_INV_LN2F 0x1.715476p+0f
#define PBP_LN2F 0x1.62e43p-1f
#define PBP_LN2F_LO -0x1.05c61p-29f
#define PBP_LN2F_HI 0x1.62ep-1f /* 12 bits: times an exponent, exact */
#define PBP_LN2F_REST 0x1.0bfbe8p-15f

PBP_INLINE float pbp_expf_poly(float r)
{
    float sq = r * r;
    float even = 0x1.6d72a2p-10f, odd = 0x1.a1a0ccp-13f;
    even = fmaf(even, sq, 0x1.5554bp-5f);
    odd = fmaf(odd, sq, 0x1.11109p-7f);
    even = fmaf(even, sq, 0x1p-1f);
    odd = fmaf(odd, sq, 0x1.555556p-3f);
    return fmaf(odd, r, even);
}

PBP_INLINE float pbp_logf_poly(float z)
{
    float sq = z * z;
    float even = 0x1.31a458p-2f, odd = 0x1.996182p-2f;
    even = fmaf(even, sq, 0x1.555576p-1f);
    return fmaf(odd, z, even);
}

/* n + 254 in the low bits of `shifted`. */
PBP_INLINE float pbp_exp_scalef(float p, float shifted)
{
    uint32_t u = pbp_bits_getf(shifted), half = u >> 1;
    return p * pbp_bits_setf(half << 23) * pbp_bits_setf((u - half) << 23);
}

/* Error: 0.98 ulp. */
PBP_INLINE float pbp_expf(float x)
{
    float shifted = fmaf(x, PBP_INV_LN2F, PBP_SHIFTF + 254.0f);
    float n = shifted - (PBP_SHIFTF + 254.0f);
    float r = fmaf(-n, PBP_LN2F_LO, fmaf(-n, PBP_LN2F, x));
    float y = pbp_exp_scalef(1.0f + fmaf(r * r, pbp_expf_poly(r), r), shifted);
    y = x > 88.73f ? INFINITY : y;
    return x < -104.0f ? 0.0f : y;
}

/* inf above 88 */
PBP_INLINE float pbp_exp_normalf(float x)
{
    float shifted = fmaf(x, PBP_INV_LN2F, PBP_SHIFTF + 127.0f);
    float n = shifted - (PBP_SHIFTF + 127.0f);
    float r = fmaf(-n, PBP_LN2F_LO, fmaf(-n, PBP_LN2F, x));
    float p = 1.0f + fmaf(r * r, pbp_expf_poly(r), r);
    float y = p * pbp_bits_setf(pbp_bits_getf(shifted) << 23);
    y = x > 88.0f ? INFINITY : y;
    return x < -87.33f ? 0.0f : y;
}

PBP_INLINE float pbp_expm1_pairf(float x, float unit, float *low)
{
    float shifted = fmaf(x, PBP_INV_LN2F, PBP_SHIFTF + 125.0f);
    float n = shifted - (PBP_SHIFTF + 125.0f);
    float scale = pbp_bits_setf(pbp_bits_getf(shifted) << 23);
    scale *= 4.0f * unit;
    float exact = fmaf(-n, PBP_LN2F, x);
    float r = fmaf(-n, PBP_LN2F_LO, exact);
    float r_low = fmaf(-n, PBP_LN2F_LO, exact - r);
    float base = scale - unit;
    float sum = fmaf(scale, r, base);
    float rest = fmaf(scale, r, base - sum);
    rest = fmaf(scale, fmaf(r * r, pbp_expf_poly(r), r_low), rest);
    float high = sum + rest;
    *low = rest - (high - sum);
    return high;
}

/* Error: 1.02 ulp. */
PBP_INLINE float pbp_expm1f(float x)
{
    float low;
    float y = 4.0f * pbp_expm1_pairf(x, 0.25f, &low);
    y = x > 88.73f ? INFINITY : y;
    y = x < -18.0f ? -1.0f : y;
    return fabsf(x) < 0x1p-25f ? x : y;
}

/* Error: 1.50 ulp. */
PBP_INLINE float pbp_tanhf(float x)
{
    float a = fabsf(x);
    a = a > 10.0f ? 10.0f : a;
    float low;
    float num = pbp_expm1_pairf(a + a, 0.5f, &low);
    float den = num + 1.0f;
    float den_low = num - (den - 1.0f);
    float inv = 1.0f / den;
    float q = num * inv;
    q = fmaf(fmaf(-q, den_low, fmaf(-q, den, num)), inv, q);
    return copysignf(q, x);
}

PBP_INLINE float pbp_exp_negativef(float x, float *low)
{
    float b = -fabsf(x);
    b = b < -104.0f ? -104.0f : b;
    float shifted = fmaf(b, PBP_INV_LN2F, PBP_SHIFTF + (127.0f + 64.0f));
    float n = shifted - (PBP_SHIFTF + (127.0f + 64.0f));
    float r = fmaf(-n, PBP_LN2F_LO, fmaf(-n, PBP_LN2F, b));
    float tail = fmaf(r * r, pbp_expf_poly(r), r);
    float p = 1.0f + tail;
    float scale = pbp_bits_setf(pbp_bits_getf(shifted) << 23) * 0x1p-64f;
    *low = (tail - (p - 1.0f)) * scale;
    return p * scale;
}

/* Error: 1.50 ulp. */
PBP_INLINE float pbp_sigmoidf(float x)
{
    float unused;
    float e = pbp_exp_negativef(x, &unused);
    float den = 1.0f + e;
    float den_low = e - (den - 1.0f);
    float num = x < 0.0f ? e : 1.0f;
    float inv = 1.0f / den;
    float q = num * inv;
    return fmaf(fmaf(-q, den_low, fmaf(-q, den, num)), inv, q);
}

PBP_INLINE float pbp_log_splitf(float x, float *k, uint32_t *field)
{
    const uint32_t root = UINT32_C(0x3f3504f3); /* bits of sqrt(1/2) */
    uint32_t u = pbp_bits_getf(x) + (UINT32_C(0x3f800000) - root);
    *field = u & UINT32_C(0xff800000);
    *k = pbp_bits_setf((u >> 23) | UINT32_C(0x4b000000)) - (0x1p23f + 127.0f);
    return pbp_bits_setf((u & UINT32_C(0x007fffff)) + root);
}

PBP_INLINE float pbp_log_finishf(float f, float f_low, float k)
{
    float s = f / (2.0f + f);
    float z = s * s;
    float h = 0.5f * f * f;
    float sum = fmaf(k, PBP_LN2F_HI, f);
    float rest = fmaf(k, PBP_LN2F_HI, -sum) + f;
    float minor = fmaf(s, fmaf(z, pbp_logf_poly(z), h), fmaf(k, PBP_LN2F_REST, f_low) - h);
    return sum + (rest + minor);
}

PBP_INLINE float pbp_log_pairf(float a, float b)
{
    float k;
    uint32_t field;
    float m = pbp_log_splitf(a, &k, &field);
    float scaled = b * 0.5f * pbp_bits_setf(UINT32_C(0x7f800000) - field);
    float head = m - 1.0f;
    float f = head + scaled;
    return pbp_log_finishf(f, scaled - (f - head), k);
}

PBP_INLINE float pbp_log_endsf(float x, float y)
{
    y = x < INFINITY ? y : x;
    float end = x == 0.0f ? -INFINITY : NAN;
    return x > 0.0f ? y : end;
}

/* Error: 0.84 ulp. */
PBP_INLINE float pbp_logf(float x)
{
    float k;
    uint32_t field;
    int tiny = x < 0x1p-126f;
    float m = pbp_log_splitf(tiny ? x * 0x1p25f : x, &k, &field);
    return pbp_log_endsf(x, pbp_log_finishf(m - 1.0f, 0.0f, tiny ? k - 25.0f : k));
}

/* Error: 0.90 ulp. */
PBP_INLINE float pbp_log1pf(float x)
{
    float a = 1.0f + x;
    float b = x - (a - 1.0f);
    float y = pbp_log_endsf(a, pbp_log_pairf(a, b));
    return fabsf(x) < 0x1p-25f ? x : y;
}

PBP_INLINE float pbp_log1pf_poly(float z)
{
    float sq = z * z;
    float even = 0x1.1ecbe4p-2f, odd = 0x1.1e996cp-2f;
    even = fmaf(even, sq, 0x1.555504p-1f);
    odd = fmaf(odd, sq, 0x1.99d0ecp-2f);
    return fmaf(odd, z, even);
}

/* Error: 1.74 ulp. */
PBP_INLINE float pbp_softplusf(float x)
{
    float e_low;
    float e = pbp_exp_negativef(x, &e_low);
    float s = e / (2.0f + e);
    float z = s * s;
    float half = 0.5f * e;
    float minor = fmaf(-1.5f, e_low, fmaf(z, pbp_log1pf_poly(z), half * e));
    float y = e + fmaf(-half, e, fmaf(s, minor, e_low));
    return (x > 0.0f ? x : 0.0f) + y;
}

/* The others go through float64 and are rounded twice, at most 0.51 ulp; huge results overflow to
 * inf and small ones become subnormal in the conversion. */
#define PBP_THROUGH_FLOAT64(NAME)                                                                  \
    PBP_INLINE float pbp_##NAME##f(float x)                                                        \
    {                                                                                              \
        return (float)pbp_##NAME((double)x);                                                       \
    }

PBP_THROUGH_FLOAT64(exp2)
PBP_THROUGH_FLOAT64(log2)
PBP_THROUGH_FLOAT64(log10)
PBP_THROUGH_FLOAT64(asin)
PBP_THROUGH_FLOAT64(acos)
PBP_THROUGH_FLOAT64(atan)
PBP_THROUGH_FLOAT64(sinh)
PBP_THROUGH_FLOAT64(cosh)
PBP_THROUGH_FLOAT64(asinh)
PBP_THROUGH_FLOAT64(acosh)
PBP_THROUGH_FLOAT64(atanh)
PBP_THROUGH_FLOAT64(cbrt)
PBP_THROUGH_FLOAT64(erf)
PBP_THROUGH_FLOAT64(erfc)
PBP_THROUGH_FLOAT64(gauss)

PBP_INLINE float pbp_atan2f(float y, float x)
{
    return (float)pbp_atan2((double)y, (double)x);
}

PBP_INLINE float pbp_hypotf(float x, float y)
{
    double a = (double)x, b = (double)y;
    double h = sqrt(fma(a, a, b * b)); /* no float32 square overflows or vanishes in float64 */
    double end = (double)INFINITY;
    return (float)(fabs(a) == end || fabs(b) == end ? end : h);
}

/* log and product in float64 have 29 bits to spare: no pairs needed. */
PBP_INLINE float pbp_powf(float x, float y)
{
    double a = (double)x, b = (double)y;
    b = b > 0x1p65 ? 0x1p65 : b; /* as in pbp_pow */
    b = b < -0x1p65 ? -0x1p65 : b;
    double exponent = b * pbp_log(fabs(a));
    return (float)pbp_pow_ends(a, (double)y, pbp_exp(exponent));
}

#endif
