/* Special functions in branch-free C, beside the elementary ones of simd_math.h and like them:
 * inline functions for float64 that loops over vectorise, with float32 forms that go through
 * float64 and are rounded once more.  The same flags apply, and the same promise of equal bits.
 *
 * Errors are the largest seen against mpmath, in ulp of the exact result, over some thousands of
 * random arguments per function (tests/csrc/test_special_math.py).  "Near zeros" means the zeros on
 * the negative axis, where the reflection formula cancels and the absolute error is what is small.
 * Coefficients are by csrc/tools/special_polynomials.py; a comment gives each one's target and
 * range.
 *
 * Sources of methods: NIST Digital Library of Mathematical Functions (DLMF), 5.5, 5.11 (gamma
 * functions), 7.12 (error functions), 10.40 (Bessel functions); P. J. Acklam's and M. Giles'
 * remarks on inverting the normal distribution (Giles, Approximating the erfinv function, GPU
 * Computing Gems, 2011), with one step of Halley's method. */
#ifndef PBP_SPECIAL_MATH_H
#define PBP_SPECIAL_MATH_H

#include "simd_math.h"

#define PBP_PI 0x1.921fb54442d18p+1
#define PBP_PI_LO 0x1.1a62633145c07p-53
#define PBP_LOG_PI 0x1.250d048e7a1bdp+0
#define PBP_HALF_LOG_2PI 0x1.d67f1c864beb5p-1
#define PBP_HALF_SQRT_PI 0x1.c5bf891b4ef6bp-1
#define PBP_SQRT_HALF 0x1.6a09e667f3bcdp-1
#define PBP_SQRT_2 0x1.6a09e667f3bcdp+0

/* ---- sines of multiples of pi ---------------------------------------------------------------- */

/* sin(pi f) and cos(pi f) for 0 <= f <= 1/2.  The polynomials hold up to pi/4: beyond, f is taken
 * from 1/2, exactly. */
PBP_INLINE double pbp_sin_pi(double f, double *cosine)
{
    int far = f > 0.25;
    double g = far ? 0.5 - f : f;
    double r = PBP_PI * g;
    double r_low = fma(PBP_PI, g, -r) + PBP_PI_LO * g;
    double z = r * r;
    double head;
    double s = r + pbp_sin_tail(r, r_low, z);
    double tail = pbp_cos_tail(r, r_low, z, &head);
    double c = head + tail;
    *cosine = far ? s : c;
    return far ? c : s;
}

/* ---- gamma functions ------------------------------------------------------------------------- */

/* log(gamma(2 + t)) / t for |t| <= 1/2. */
PBP_INLINE double pbp_lgamma_poly(double t)
{
    double sq = t * t;
    double even = -0x1.091588dcdb7f8p-25, odd = 0x1.15fea8732cd9fp-24;
    even = fma(even, sq, -0x1.9a854835938c2p-24);
    odd = fma(odd, sq, 0x1.b1a8c8bf04f15p-23);
    even = fma(even, sq, -0x1.e40f9591a4c6p-22);
    odd = fma(odd, sq, 0x1.01462b5944f7dp-20);
    even = fma(even, sq, -0x1.11a85685ca7f7p-19);
    odd = fma(odd, sq, 0x1.258c9651dbedcp-18);
    even = fma(even, sq, -0x1.3cbce9a3b9c2bp-17);
    odd = fma(odd, sq, 0x1.580e260121a51p-16);
    even = fma(even, sq, -0x1.78de5a3d2da25p-15);
    odd = fma(odd, sq, 0x1.a127af44aaf71p-14);
    even = fma(even, sq, -0x1.d3fd4c7b8f68fp-13);
    odd = fma(odd, sq, 0x1.0b36af88b2884p-11);
    even = fma(even, sq, -0x1.38ac5c2bf50a2p-10);
    odd = fma(odd, sq, 0x1.7add6eadb2c11p-9);
    even = fma(even, sq, -0x1.e404fc218f61fp-8);
    odd = fma(odd, sq, 0x1.51322ac7d849bp-6);
    even = fma(even, sq, -0x1.13e001a557606p-4);
    odd = fma(odd, sq, 0x1.4a34cc4a60fa6p-2);
    even = fma(even, sq, 0x1.b0ee6072093cep-2);
    return fma(odd, t, even);
}

/* (log gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2) x in u = 1 / x^2, x >= 8. */
PBP_INLINE double pbp_lgamma_tail_poly(double u)
{
    double sq = u * u;
    double even = 0x1.96db40614b193p-8, odd = -0x1.55b3a71b66a2ep-6;
    even = fma(even, sq, 0x1.b94f6d6592192p-11);
    odd = fma(odd, sq, -0x1.f5ff2fdcdf048p-10);
    even = fma(even, sq, 0x1.a01a019ee0dbep-11);
    odd = fma(odd, sq, -0x1.38137ec070147p-11);
    even = fma(even, sq, 0x1.5555555555555p-4);
    odd = fma(odd, sq, -0x1.6c16c16c16b29p-9);
    return fma(odd, u, even);
}

/* One step down, above 2.5.  Callers write their steps out, as a loop within would keep the loop
 * around them from being vectorised. */
PBP_INLINE double pbp_lgamma_step(double y, double *product)
{
    int up = y >= 2.5;
    double lower = y - 1.0;
    *product = up ? *product * lower : *product;
    return up ? lower : y;
}

/* log |gamma(x)|.  Up to 8, x is brought near 1 or 2 by gamma(x + 1) = x gamma(x), the product's
 * logarithm taken once; from 8 Stirling's series, the product with log x as a pair.  Below 0,
 * gamma(x) gamma(-x) = -pi / (x sin(pi x)).  inf at 0 and negative integers, -inf at -inf as SciPy
 * has it.  Error: 3.8 ulp on [1, 2],
 * 1.4 elsewhere above 0. */
PBP_INLINE double pbp_lgamma(double x)
{
    double a = fabs(x);
    int large = a >= 8.0;
    double y = a, product = 1.0;
    y = pbp_lgamma_step(y, &product);
    y = pbp_lgamma_step(y, &product);
    y = pbp_lgamma_step(y, &product);
    y = pbp_lgamma_step(y, &product);
    y = pbp_lgamma_step(y, &product);
    y = pbp_lgamma_step(y, &product);
    int grown = a >= 2.5, one = y < 1.5, zero = y < 0.5;
    double square = y * y;
    double sum = y + square;
    double sum_low = (square - (sum - y)) + fma(y, y, -square);
    double t = y - (zero ? 0.0 : one ? 1.0 : 2.0);
    t = large ? 0.0 : t;
    double v = grown ? product : zero ? sum : one ? y : 1.0;
    v = large ? a : v;
    double low;
    double high = pbp_log_wide(v, &low);
    low = zero && sum > 0x1p-900 ? low + sum_low / sum : low;
    /* near 1 and 2 */
    double p = t * pbp_lgamma_poly(t);
    double s = grown ? high : -high;
    double inner = s + p;
    double rest = inner - s;
    inner = inner + (((s - (inner - rest)) + (p - rest)) + (grown ? low : -low));
    /* Stirling */
    double half = a - 0.5;
    double main = half * high;
    double main_low = fma(half, high, -main) + half * low;
    double inv = 1.0 / a;
    double outer = main - a;
    rest = main - outer;
    rest = rest - a;
    double minor = fma(inv, pbp_lgamma_tail_poly(inv * inv), PBP_HALF_LOG_2PI);
    outer = outer + (main_low + rest + minor);
    outer = a > 0x1.74d6ea9d5e0f2p+1014 ? (double)INFINITY : outer;
    double value = large ? outer : inner;
    value = a == 0.0 ? (double)INFINITY : value;
    /* reflection */
    double cosine;
    double f = fabs(a - rint(a));
    double sine = pbp_sin_pi(f, &cosine) * a;
    double turned = pbp_log_wide(sine, &low);
    turned = ((PBP_LOG_PI - turned) - low) - value;
    turned = sine == 0.0 ? (double)INFINITY : turned;
    turned = a < 0x1p-60 ? value : turned;
    turned = x == -(double)INFINITY ? x : turned;
    value = x < 0.0 ? turned : value;
    return x == x ? value : x;
}

/* digamma(x) / (x - r), r its zero, in t = 1.6 x - 2.6, 1 <= x <= 2.25. */
PBP_INLINE double pbp_digamma_poly(double t)
{
    double sq = t * t;
    double even = 0x1.0f06e199060eap-33, odd = -0x1.6055db1e37513p-32;
    even = fma(even, sq, 0x1.14758a2bf2d23p-34);
    odd = fma(odd, sq, -0x1.67681db126f3p-33);
    even = fma(even, sq, 0x1.5d8c5efcd98ffp-29);
    odd = fma(odd, sq, -0x1.c66b3022b4082p-28);
    even = fma(even, sq, 0x1.daf624b0fa1a1p-27);
    odd = fma(odd, sq, -0x1.34bce4ff19b63p-25);
    even = fma(even, sq, 0x1.a01e84b1e093bp-24);
    odd = fma(odd, sq, -0x1.0e818a511029ep-22);
    even = fma(even, sq, 0x1.5e77301456066p-21);
    odd = fma(odd, sq, -0x1.c7bb5494d3241p-20);
    even = fma(even, sq, 0x1.286e60e38e6a1p-18);
    odd = fma(odd, sq, -0x1.81a47a880f376p-17);
    even = fma(even, sq, 0x1.f5ed551554019p-16);
    odd = fma(odd, sq, -0x1.46e34462fcfb2p-14);
    even = fma(even, sq, 0x1.aa4fd8ccb7348p-13);
    odd = fma(odd, sq, -0x1.16909b6c81ffcp-11);
    even = fma(even, sq, 0x1.6d51c27e5e09bp-10);
    odd = fma(odd, sq, -0x1.e1f90bb599df7p-9);
    even = fma(even, sq, 0x1.415005b66fbfp-7);
    odd = fma(odd, sq, -0x1.b4c9b6ab086cp-6);
    even = fma(even, sq, 0x1.345a29bcc6ebfp-4);
    odd = fma(odd, sq, -0x1.d94fdc401ee6cp-3);
    even = fma(even, sq, 0x1.cd9d88c399e19p-1);
    return fma(odd, t, even);
}

/* (log x - 1 / (2 x) - digamma(x)) x^2 in u = 1 / x^2, x >= 8. */
PBP_INLINE double pbp_digamma_tail_poly(double u)
{
    double sq = u * u;
    double even = 0x1.47c69710dec6fp-4, odd = -0x1.329c9079bcef2p-2;
    even = fma(even, sq, 0x1.f077209c326cp-8);
    odd = fma(odd, sq, -0x1.58e68c895ad5bp-6);
    even = fma(even, sq, 0x1.0410410195bbfp-8);
    odd = fma(odd, sq, -0x1.11110c0ff8839p-8);
    even = fma(even, sq, 0x1.5555555555555p-4);
    odd = fma(odd, sq, -0x1.1111111110d4fp-7);
    return fma(odd, u, even);
}

/* One step down, above 2.25: 1 / (y - 1) is added to num / den. */
PBP_INLINE double pbp_digamma_step(double y, double *num, double *den)
{
    int up = y >= 2.25;
    double lower = y - 1.0;
    *num = up ? fma(*num, lower, *den) : *num;
    *den = up ? *den * lower : *den;
    return up ? lower : y;
}

/* digamma(x) = d/dx log gamma(x).  Up to 8, x is brought to [1, 2.25] by digamma(x + 1) =
 * digamma(x) + 1 / x, the reciprocals summed as one quotient; from 8 the asymptotic series.  Below
 * 0, digamma(-x) = digamma(x) + 1 / x + pi cot(pi x).  -inf at 0 and inf at -0; NaN at negative
 * integers.  Error: 2.5 ulp above 0. */
PBP_INLINE double pbp_digamma(double x)
{
    double a = fabs(x);
    int small = a < 1.0, large = a >= 8.0;
    double y = small ? a + 1.0 : a;
    double num = small ? -1.0 : 0.0, den = small ? a : 1.0;
    y = pbp_digamma_step(y, &num, &den);
    y = pbp_digamma_step(y, &num, &den);
    y = pbp_digamma_step(y, &num, &den);
    y = pbp_digamma_step(y, &num, &den);
    y = pbp_digamma_step(y, &num, &den);
    y = pbp_digamma_step(y, &num, &den);
    double near = (y - 0x1.762d86356be3fp+0) - 0x1.b86a722197829p-54;
    double quotient = num / den;
    double inner = fma(near, pbp_digamma_poly(fma(1.6, y, -2.6)), quotient);
    double inv = 1.0 / a;
    double outer = pbp_log(large ? a : 8.0);
    outer -= inv * fma(inv, pbp_digamma_tail_poly(inv * inv), 0.5);
    double value = large ? outer : inner;
    /* reflection */
    double f = a - rint(a), g = fabs(f), cosine;
    double sine = pbp_sin_pi(g, &cosine);
    double cot = copysign(PBP_PI * cosine / sine, f);
    double turned = value + (inv + cot);
    turned = a < 0x1p-54 ? inv : turned;
    turned = g == 0.0 && a > 0.0 ? (double)NAN : turned;
    turned = x == -(double)INFINITY ? (double)NAN : turned;
    value = copysign(1.0, x) < 0.0 ? turned : value; /* signbit() is no vector */
    return x == 0.0 ? -1.0 / x : x == x ? value : x;
}

/* ---- error functions ------------------------------------------------------------------------- */

/* exp(a^2) erfc(a) for a >= 0, see pbp_erfc; from 27 the asymptotic series (DLMF 7.12.1). */
PBP_INLINE double pbp_erfcx_core(double a)
{
    double b = a > 27.25 ? 27.25 : a;
    double plus = b + 4.0;
    double plus_low = b - (plus - 4.0);
    double den = fma(2.0, b, 1.0);
    double den_low = fma(2.0, b, 1.0 - den);
    double inv = 1.0 / (plus * den);
    double inv_plus = inv * den, inv_den = inv * plus;
    double t = 2.0 * b * inv_plus;
    t = fma(fma(-t, plus_low, fma(-t, plus, 2.0 * b)), inv_plus, t);
    double tail = t * fma(2.0 - t, pbp_erfc_poly(t - 1.0), PBP_ERFC_SLOPE);
    double w = 1.0 + tail;
    double w_low = tail - (w - 1.0);
    double y = w * inv_den;
    y = fma(fma(-y, den, w) + fma(-y, den_low, w_low), inv_den, y);
    double r = 1.0 / a;
    double z = r * r;
    double series = fma(z, -0x1.07ap+10, 0x1.44d8p+7);
    series = fma(z, fma(z, fma(z, fma(z, fma(z, series, -29.53125), 6.5625), -1.875), 0.75), -0.5);
    double outer = fma(z, series, 1.0) * (0x1.20dd750429b6dp-1 * r);
    return a > 27.25 ? outer : y;
}

/* exp(x^2) as a number and a relative correction, from 1 to inf. */
PBP_INLINE double pbp_exp_square(double x)
{
    double square = x * x;
    double y = pbp_exp(square);
    double more = y * fma(x, x, -square);
    return y < (double)INFINITY ? y + more : y;
}

/* exp(x^2) erfc(x); below 0, 2 exp(x^2) - erfcx(-x).  inf below -26.6.  Error: 1.6 ulp. */
PBP_INLINE double pbp_erfcx(double x)
{
    double y = pbp_erfcx_core(fabs(x));
    double square = pbp_exp_square(x < -27.0 ? -27.0 : x < 0.0 ? x : 0.0);
    double value = x < 0.0 ? fma(2.0, square, -y) : y;
    return x == x ? value : x;
}

/* exp(-a^2 / 2), a >= 0, the square as a pair. */
PBP_INLINE double pbp_exp_half_square(double a)
{
    double b = a > 40.0 ? 40.0 : a;
    double square = b * b;
    double y = pbp_exp(-0.5 * square);
    return fma(y, -0.5 * fma(b, b, -square), y);
}

/* The normal distribution function, erfc(-x / sqrt 2) / 2, by erfcx, so that the rounding of x /
 * sqrt 2 is not magnified.  Error: 3.7 ulp. */
PBP_INLINE double pbp_ndtr(double x)
{
    double a = fabs(x);
    double tail = 0.5 * pbp_erfcx_core(a * PBP_SQRT_HALF) * pbp_exp_half_square(a);
    double value = x < 0.0 ? tail : 1.0 - tail;
    return x == x ? value : x;
}

/* Its logarithm, also where it underflows.  Error: 2.7 ulp. */
PBP_INLINE double pbp_log_ndtr(double x)
{
    double a = fabs(x);
    double scaled = 0.5 * pbp_erfcx_core(a * PBP_SQRT_HALF);
    double upper = pbp_log1p(-scaled * pbp_exp_half_square(a));
    double lower = pbp_log(scaled) - 0.5 * x * x;
    lower = a > 0x1p511 ? -(0.5 * x * x) : lower;
    double value = x < 0.0 ? lower : upper;
    return x == x ? value : x;
}

/* erfinv(x) / x in z = x^2, |x| <= 1/2. */
PBP_INLINE double pbp_erfinv_poly(double z)
{
    double sq = z * z;
    double even = -0x1.382c2a7e13c77p-4, odd = 0x1.cfcc156ddbc76p-4;
    even = fma(even, sq, 0x1.137e39d4880a4p-7);
    odd = fma(odd, sq, 0x1.2d3f6c34a0754p-4);
    even = fma(even, sq, 0x1.fe4164512b866p-6);
    odd = fma(odd, sq, 0x1.02e4d7974de3dp-5);
    even = fma(even, sq, 0x1.5ee2649a15a98p-5);
    odd = fma(odd, sq, 0x1.2b32af925b95cp-5);
    even = fma(even, sq, 0x1.0a1316e142512p-4);
    odd = fma(odd, sq, 0x1.a7c8ca00d8675p-5);
    even = fma(even, sq, 0x1.053c2c0aae96ap-3);
    odd = fma(odd, sq, 0x1.62847c503bcaap-4);
    even = fma(even, sq, 0x1.c5bf891b4ef6bp-1);
    odd = fma(odd, sq, 0x1.db29fb2fee68ap-3);
    return fma(odd, z, even);
}

/* erfcinv(q) / s, s = sqrt(-log q), to 2^-20; t from -1 to 1 for s in [0.832, 4]. */
PBP_INLINE double pbp_erfcinv_middle_poly(double t)
{
    double sq = t * t;
    double even = 0x1.339b855401bc1p-10, odd = -0x1.9d4d3445004bbp-11;
    even = fma(even, sq, -0x1.3a0a84ff8277dp-9);
    odd = fma(odd, sq, 0x1.e1e201223786dp-11);
    even = fma(even, sq, -0x1.986fbcd116685p-8);
    odd = fma(odd, sq, 0x1.4ff3780a353f9p-9);
    even = fma(even, sq, -0x1.ccae101c1d8eap-6);
    odd = fma(odd, sq, 0x1.e1f8b2aa17f01p-7);
    even = fma(even, sq, -0x1.48e015094b50ep-4);
    odd = fma(odd, sq, 0x1.94ad2376cc1b4p-5);
    even = fma(even, sq, 0x1.be003cd16f55ep-1);
    odd = fma(odd, sq, 0x1.da58579447aedp-4);
    return fma(odd, t, even);
}

/* The same from s = 4, in 1 / s; t from -1 to 1 for 1 / s in [0.036, 0.25]. */
PBP_INLINE double pbp_erfcinv_tail_poly(double t)
{
    double sq = t * t;
    double even = -0x1.c449f2798eeedp-17, odd = 0x1.e48af7244372bp-18;
    even = fma(even, sq, -0x1.749e23471ffa7p-16);
    odd = fma(odd, sq, 0x1.1bd69b4f57b9cp-17);
    even = fma(even, sq, -0x1.180055ee41506p-12);
    odd = fma(odd, sq, 0x1.4f5b58be6545dp-14);
    even = fma(even, sq, -0x1.919fbecd8c5b8p-8);
    odd = fma(odd, sq, 0x1.641cf59084a14p-10);
    even = fma(even, sq, 0x1.f2bb9768429ecp-1);
    odd = fma(odd, sq, -0x1.002b69f384729p-5);
    return fma(odd, t, even);
}

/* erfcinv(q) for 0 < q <= 1/2: an approximation to 20 bits and one step of Halley's method for
 * log(erfc(y)) - log(q). */
PBP_INLINE double pbp_erfcinv_tail(double q)
{
    double logarithm = pbp_log(q);
    double s = sqrt(-logarithm);
    double middle = pbp_erfcinv_middle_poly(fma(s, 2.0 / 3.168, -4.832 / 3.168));
    double tail = pbp_erfcinv_tail_poly((1.0 / s - 0.143) * (1.0 / 0.107));
    double y = s * (s < 4.0 ? middle : tail);
    double scaled = pbp_erfcx_core(y);
    double slope = -1.0 / (PBP_HALF_SQRT_PI * scaled);
    double step = (fma(-y, y, -logarithm) + pbp_log(scaled)) / slope;
    double turn = fma(0.5 * step, fma(2.0, y, slope), 1.0);
    return y - step / turn;
}

/* The y with erf(y) = x.  +-inf at +-1, NaN beyond.  Error: 2.0 ulp. */
PBP_INLINE double pbp_erfinv(double x)
{
    double a = fabs(x);
    double q = 1.0 - a;
    double outer = pbp_erfcinv_tail(q > 0.5 ? 0.5 : q);
    outer = q > 0.0 ? outer : q == 0.0 ? (double)INFINITY : (double)NAN;
    double inner = a * pbp_erfinv_poly(a < 0.5 ? a * a : 0.25);
    double y = copysign(a < 0.5 ? inner : outer, x);
    return x == x ? y : x;
}

/* The y with erfc(y) = x.  inf at 0, -inf at 2, NaN beyond.  Error: 2.0 ulp. */
PBP_INLINE double pbp_erfcinv(double x)
{
    double q = x > 1.0 ? 2.0 - x : x;
    double u = 1.0 - x;
    double outer = pbp_erfcinv_tail(q > 0.5 ? 0.5 : q);
    outer = q > 0.0 ? outer : q == 0.0 ? (double)INFINITY : (double)NAN;
    double inner = u * pbp_erfinv_poly(fabs(u) < 0.5 ? u * u : 0.25);
    double y = x > 1.0 ? -outer : outer;
    y = fabs(u) < 0.5 ? inner : y;
    return x == x ? y : x;
}

/* The quantile of the normal distribution, -sqrt 2 erfcinv(2 p).  Error: 2.7 ulp. */
PBP_INLINE double pbp_ndtri(double p)
{
    return -PBP_SQRT_2 * pbp_erfcinv(p + p);
}

/* ---- modified Bessel functions --------------------------------------------------------------- */

/* I0(x) in z = x^2, x <= 12. */
PBP_INLINE double pbp_i0_poly(double z)
{
    double sq = z * z;
    double even = 0x1.eda9552a5f1f5p-144, odd = 0x1.b590d8756b302p-151;
    even = fma(even, sq, 0x1.52b97d6fde8b1p-121);
    odd = fma(odd, sq, 0x1.9241914233365p-131);
    even = fma(even, sq, 0x1.3d6905b0b46cep-101);
    odd = fma(odd, sq, 0x1.6eb8afc0c75e5p-111);
    even = fma(even, sq, 0x1.4193bf02efcf6p-82);
    odd = fma(odd, sq, 0x1.e750b1ebeea85p-92);
    even = fma(even, sq, 0x1.5601791115648p-64);
    odd = fma(odd, sq, 0x1.69cb295869ebp-73);
    even = fma(even, sq, 0x1.522a43cbe7d6ap-47);
    odd = fma(odd, sq, 0x1.0b3133d3965d4p-55);
    even = fma(even, sq, 0x1.02e85c084ed33p-31);
    odd = fma(odd, sq, 0x1.522a43fa6c768p-39);
    even = fma(even, sq, 0x1.c71c71c71b79fp-18);
    odd = fma(odd, sq, 0x1.23456789b322dp-24);
    even = fma(even, sq, 0x1.fffffffffffe5p-7);
    odd = fma(odd, sq, 0x1.c71c71c71c85cp-12);
    even = fma(even, sq, 0x1p+0);
    odd = fma(odd, sq, 0x1.0000000000001p-2);
    return fma(odd, z, even);
}

/* I1(x) / x in z = x^2, x <= 12. */
PBP_INLINE double pbp_i1_poly(double z)
{
    double sq = z * z;
    double even = 0x1.03ea3816c452cp-145, odd = 0x1.163ad7f86299fp-138;
    even = fma(even, sq, 0x1.ab1027a543623p-126);
    odd = fma(odd, sq, 0x1.52f01d5669aefp-116);
    even = fma(even, sq, 0x1.57b9ccfddc2a5p-106);
    odd = fma(odd, sq, 0x1.15c0618d43747p-96);
    even = fma(even, sq, 0x1.8bf01988dccebp-87);
    odd = fma(odd, sq, 0x1.e25df7f0525f2p-78);
    even = fma(even, sq, 0x1.f17748fb5795dp-69);
    odd = fma(odd, sq, 0x1.ab81d971e4f1cp-60);
    even = fma(even, sq, 0x1.2c975a182a1bfp-51);
    odd = fma(odd, sq, 0x1.522a43d3dfddep-43);
    even = fma(even, sq, 0x1.27e4fb7a42e6p-35);
    odd = fma(odd, sq, 0x1.845c8a0c97dd5p-28);
    even = fma(even, sq, 0x1.6c16c16c1c6e9p-21);
    odd = fma(odd, sq, 0x1.c71c71c71bef9p-15);
    even = fma(even, sq, 0x1.55555555555b8p-9);
    odd = fma(odd, sq, 0x1.ffffffffffff9p-5);
    even = fma(even, sq, 0x1p-1);
    return fma(odd, z, even);
}

/* sqrt(x) exp(-x) I0(x) in t = 24 / x - 1, x >= 12. */
PBP_INLINE double pbp_i0_tail_poly(double t)
{
    double sq = t * t;
    double even = 0x1.5e7634205472bp-44, odd = 0x1.2172c3d276a61p-41;
    even = fma(even, sq, 0x1.494323bb44647p-42);
    odd = fma(odd, sq, -0x1.557ce5d38725ap-39);
    even = fma(even, sq, -0x1.1f691a4b85d53p-38);
    odd = fma(odd, sq, 0x1.b6d7a9d907057p-41);
    even = fma(even, sq, 0x1.19cf33a342723p-37);
    odd = fma(odd, sq, 0x1.a378576f10749p-37);
    even = fma(even, sq, 0x1.505b5a677facep-36);
    odd = fma(odd, sq, 0x1.a3fa9e24b8bf3p-35);
    even = fma(even, sq, 0x1.573f6d2992f82p-33);
    odd = fma(odd, sq, 0x1.644e3c235c918p-31);
    even = fma(even, sq, 0x1.d94406993d626p-29);
    odd = fma(odd, sq, 0x1.96f6cef9cab2fp-26);
    even = fma(even, sq, 0x1.d2593f5573db8p-23);
    odd = fma(odd, sq, 0x1.77807b30f8299p-19);
    even = fma(even, sq, 0x1.d5a27f377cec7p-15);
    odd = fma(odd, sq, 0x1.1e0569de02b1ep-9);
    even = fma(even, sq, 0x1.9ab25f8f56038p-2);
    return fma(odd, t, even);
}

/* sqrt(x) exp(-x) I1(x) in t = 24 / x - 1, x >= 12. */
PBP_INLINE double pbp_i1_tail_poly(double t)
{
    double sq = t * t;
    double even = -0x1.94696cc1d23e4p-44, odd = -0x1.2f05e3258d8a8p-41;
    even = fma(even, sq, -0x1.19454282cd999p-42);
    odd = fma(odd, sq, 0x1.6a487b92da4a3p-39);
    even = fma(even, sq, 0x1.2454685494f2cp-38);
    odd = fma(odd, sq, -0x1.11c013c73458p-40);
    even = fma(even, sq, -0x1.28127ba255961p-37);
    odd = fma(odd, sq, -0x1.b936d576a7b9ap-37);
    even = fma(even, sq, -0x1.67fbc2c922a6dp-36);
    odd = fma(odd, sq, -0x1.c7c7a902f1433p-35);
    even = fma(even, sq, -0x1.7a3c3fb85bba3p-33);
    odd = fma(odd, sq, -0x1.905990d1a423cp-31);
    even = fma(even, sq, -0x1.10a676a5b6663p-28);
    odd = fma(odd, sq, -0x1.e56512414edc8p-26);
    even = fma(even, sq, -0x1.24caf4f5755d4p-22);
    odd = fma(odd, sq, -0x1.00e3b41a78be6p-18);
    even = fma(even, sq, -0x1.7eb85088a91bfp-14);
    odd = fma(odd, sq, -0x1.a3c9adbe35627p-8);
    even = fma(even, sq, 0x1.920c27c8dc633p-2);
    return fma(odd, t, even);
}

/* The polynomials at x^2, corrected for its rounding error e by their relative slope, about 1 / (4 +
 * 2 x) and 1 / (8 + 2 x). */
PBP_INLINE double pbp_i0_square(double x)
{
    double z = x * x, y = pbp_i0_poly(z);
    return fma(y, fma(x, x, -z) / fma(2.0, x, 4.0), y);
}

PBP_INLINE double pbp_i1_square(double x)
{
    double z = x * x, y = pbp_i1_poly(z);
    return fma(y, fma(x, x, -z) / fma(2.0, x, 8.0), y);
}

/* exp(-|x|) I0(x).  Error: 2.4 ulp. */
PBP_INLINE double pbp_i0e(double x)
{
    double a = fabs(x);
    double b = a < 12.0 ? a : 12.0;
    double outer = pbp_i0_tail_poly(24.0 / (a < 12.0 ? 12.0 : a) - 1.0) / sqrt(a);
    double y = a < 12.0 ? pbp_exp(-b) * pbp_i0_square(b) : outer;
    return x == x ? y : x;
}

/* exp(-|x|) I1(x), odd.  Error: 2.9 ulp. */
PBP_INLINE double pbp_i1e(double x)
{
    double a = fabs(x);
    double b = a < 12.0 ? a : 12.0;
    double outer = pbp_i1_tail_poly(24.0 / (a < 12.0 ? 12.0 : a) - 1.0) / sqrt(a);
    double y = a < 12.0 ? pbp_exp(-b) * (b * pbp_i1_square(b)) : outer;
    return x == x ? copysign(y, x) : x;
}

/* I0(x), inf above 714.  Error: 3.1 ulp. */
PBP_INLINE double pbp_i0(double x)
{
    double a = fabs(x);
    double b = a < 12.0 ? a : 12.0;
    double half = pbp_exp(0.5 * a);
    double outer = pbp_i0_tail_poly(24.0 / (a < 12.0 ? 12.0 : a) - 1.0) / sqrt(a) * half * half;
    double y = a < 12.0 ? pbp_i0_square(b) : a < 1000.0 ? outer : (double)INFINITY;
    return x == x ? y : x;
}

/* I1(x), odd, +-inf beyond 714.  Error: 3.3 ulp. */
PBP_INLINE double pbp_i1(double x)
{
    double a = fabs(x);
    double b = a < 12.0 ? a : 12.0;
    double half = pbp_exp(0.5 * a);
    double outer = pbp_i1_tail_poly(24.0 / (a < 12.0 ? 12.0 : a) - 1.0) / sqrt(a) * half * half;
    double y = a < 12.0 ? b * pbp_i1_square(b) : a < 1000.0 ? outer : (double)INFINITY;
    return x == x ? copysign(y, x) : x;
}

/* ---- float32 --------------------------------------------------------------------------------- */

PBP_THROUGH_FLOAT64(lgamma)

PBP_THROUGH_FLOAT64(digamma)

PBP_THROUGH_FLOAT64(erfcx)

PBP_THROUGH_FLOAT64(ndtr)

PBP_THROUGH_FLOAT64(log_ndtr)

PBP_THROUGH_FLOAT64(erfinv)

PBP_THROUGH_FLOAT64(erfcinv)

PBP_THROUGH_FLOAT64(ndtri)

PBP_THROUGH_FLOAT64(i0e)

PBP_THROUGH_FLOAT64(i1e)

PBP_THROUGH_FLOAT64(i0)

PBP_THROUGH_FLOAT64(i1)

#endif
