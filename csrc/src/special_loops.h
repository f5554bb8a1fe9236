/* Special functions that take loops and branches, in plain C: one call per element, out of line,
 * for float64; float32 goes through float64.  Compiled once or twice in the core (kernels_special.c)
 * and pasted into emitted C.  They use the functions of simd_math.h and special_math.h, and only
 * those, so that their bits are the same wherever fused multiply-add is.
 *
 * Errors are the largest seen against mpmath in ulp (tests/csrc/test_special_math.py), or as
 * stated.  Orders that must be integers come as float64: `order` makes them so.
 *
 * This file: gamma, zeta, exponential integrals and their kin.  special_bessel.h and
 * special_incomplete.h have the others.
 *
 * Sources of methods: NIST Digital Library of Mathematical Functions (DLMF), 5.11, 6.6, 6.9, 6.12,
 * 7.18, 8.19, 25.2, 25.11, 25.12; W. J. Lentz, Generating Bessel functions in Mie scattering
 * calculations using continued fractions, Applied Optics 15 (1976), as modified by I. J. Thompson
 * and A. R. Barnett (1986); A. R. DiDonato, A. H. Morris, Algorithm 708, ACM TOMS 18 (1992). */
#ifndef PBP_SPECIAL_LOOPS_H
#define PBP_SPECIAL_LOOPS_H

#include "special_math.h"

#define PBP_EULER 0x1.2788cfc6fb619p-1
#define PBP_SPECIAL_EPS 0x1p-54

#if defined(__GNUC__)
#define PBP_SPECIAL static __attribute__((noinline, unused))
#else
#define PBP_SPECIAL static inline
#endif

PBP_SPECIAL double pbp_call_exp(double x)
{
    return pbp_exp(x);
}

PBP_SPECIAL double pbp_call_log(double x)
{
    return pbp_log(x);
}

PBP_SPECIAL double pbp_call_log1p(double x)
{
    return pbp_log1p(x);
}

PBP_SPECIAL double pbp_call_expm1(double x)
{
    return pbp_expm1(x);
}

PBP_SPECIAL double pbp_call_pow(double x, double y)
{
    return pbp_pow(x, y);
}

PBP_SPECIAL double pbp_call_lgamma(double x)
{
    return pbp_lgamma(x);
}

PBP_SPECIAL double pbp_call_digamma(double x)
{
    return pbp_digamma(x);
}

/* exp(high + low), |low| small beside high. */
PBP_SPECIAL double pbp_exp_sum(double high, double low)
{
    double y = pbp_call_exp(high);
    return y > 0.0 && y < (double)INFINITY ? fma(y, low, y) : y;
}

/* ---- the gamma function ---------------------------------------------------------------------- */

/* gamma(2.5 + t / 2), |t| <= 1. */
static const double pbp_gamma_table[19] = {
    0x1.544fa6d47b39p+0,   0x1.de9585f1a7093p-2,   0x1.4f224d4b7e01cp-3,  0x1.03f6d2fa4f509p-5,
    0x1.c138b89492c3ep-8,  0x1.d0a9bc4930cd3p-11,  0x1.5489cc6bad687p-13, 0x1.a55ed2172e36fp-17,
    0x1.8b8fcda4879d4p-19, 0x1.0886c5d516cc8p-27,  0x1.013c92f5859f2p-24, -0x1.ad8a6611a268ap-28,
    0x1.e6ca7ac6c8f8cp-30, -0x1.57e9b7c2d56a3p-32, 0x1.22b69ba445ed9p-34, -0x1.c094378550309p-37,
    0x1.69e0b8183d448p-39, -0x1.650430b4605f7p-41, 0x1.1df83f46b5b39p-43};

/* gamma(a), 0 < a < 8, by the polynomial on [2, 3] and gamma(x + 1) = x gamma(x), the product as a
 * pair. */
PBP_SPECIAL double pbp_gamma_near(double a)
{
    double y = a, high = 1.0, low = 0.0;
    int down = a >= 3.0;
    while (y >= 3.0 || y < 2.0) {
        double factor = down ? y - 1.0 : y;
        double product = high * factor;
        low = fma(high, factor, -product) + low * factor;
        high = product;
        y = down ? factor : y + 1.0;
    }
    double t = fma(2.0, y, -5.0), g = pbp_gamma_table[18];
    for (int i = 17; i >= 0; i--) {
        g = fma(g, t, pbp_gamma_table[i]);
    }
    double product = g * high;
    return down ? product + fma(g, high, -product) + g * low : (g / high) * (1.0 - low / high);
}

/* log gamma(a), a >= 8, as high + low, by Stirling's series. */
PBP_SPECIAL double pbp_lgamma_pair(double a, double *low)
{
    double l, h = pbp_log_wide(a, &l);
    double half = a - 0.5, inv = 1.0 / a;
    double main = half * h;
    double rest = fma(half, h, -main) + half * l;
    double high = main - a;
    rest += (main - high) - a;
    rest += fma(inv, pbp_lgamma_tail_poly(inv * inv), PBP_HALF_LOG_2PI);
    double sum = high + rest;
    *low = rest - (sum - high);
    return sum;
}

/* gamma(x).  inf at 0 and -inf at -0, NaN at negative integers and -inf.  Error: 2.2 ulp up to 8,
 * 2.0 above; 3.5 below 0. */
PBP_SPECIAL double pbp_gamma(double x)
{
    double a = fabs(x), low, high;
    if (x != x || x == (double)INFINITY) {
        return x;
    }
    if (x == 0.0) {
        return 1.0 / x;
    }
    if (x > 0.0) {
        if (a < 8.0) {
            return pbp_gamma_near(a);
        }
        high = pbp_lgamma_pair(a < 1e3 ? a : 1e3, &low);
        return pbp_exp_sum(high, low);
    }
    double nearest = rint(a), f = a - nearest, cosine;
    if (f == 0.0) {
        return (double)NAN;
    }
    double sine = a * pbp_sin_pi(fabs(f), &cosine);
    /* sin(pi a) has the sign of f, turned with every odd integer */
    int odd = fmod(nearest, 2.0) != 0.0;
    double sign = (f > 0.0) != odd ? -1.0 : 1.0;
    if (a < 0x1p-60) {
        return -1.0 / a;
    }
    if (a < 8.0) {
        return sign * PBP_PI / (sine * pbp_gamma_near(a));
    }
    high = pbp_lgamma_pair(a < 1e3 ? a : 1e3, &low);
    return sign * PBP_PI * (pbp_exp_sum(-high, -low) / sine);
}

/* 1 / gamma(x), 0 at the poles of gamma. */
PBP_SPECIAL double pbp_rgamma(double x)
{
    double a = fabs(x), low, high;
    if (x != x || x == 0.0) {
        return x;
    }
    if (x > 0.0) {
        if (a < 8.0) {
            return 1.0 / pbp_gamma_near(a);
        }
        high = pbp_lgamma_pair(a < 1e3 ? a : 1e3, &low);
        return pbp_exp_sum(-high, -low);
    }
    double nearest = rint(a), f = a - nearest, cosine;
    if (f == 0.0 || a == (double)INFINITY) {
        return 0.0;
    }
    double sine = a * pbp_sin_pi(fabs(f), &cosine);
    int odd = fmod(nearest, 2.0) != 0.0;
    double sign = (f > 0.0) != odd ? -1.0 : 1.0;
    if (a < 0x1p-60) {
        return -a;
    }
    if (a < 8.0) {
        return sign * sine * pbp_gamma_near(a) / PBP_PI;
    }
    high = pbp_lgamma_pair(a < 1e3 ? a : 1e3, &low);
    return sign * (sine / PBP_PI * pbp_exp_sum(high, low));
}

/* log gamma(1 + a) for |a| <= 1/2, accurate for small a. */
PBP_SPECIAL double pbp_lgamma1p(double a)
{
    return fma(a, pbp_lgamma_poly(a), -pbp_call_log1p(a));
}

/* What Stirling's formula leaves out of log gamma(a), a >= 8. */
PBP_INLINE double pbp_stirling_rest(double a)
{
    double inv = 1.0 / a;
    return inv * pbp_lgamma_tail_poly(inv * inv);
}

/* log |beta(a, b)| = log |gamma(a) gamma(b) / gamma(a + b)|, where large parameters cancel by the
 * difference of Stirling's formulas (Algorithm 708).  Absolute error below 4 ulp of the largest of
 * the logarithm, 1 and its derivative's terms. */
PBP_SPECIAL double pbp_betaln(double a, double b)
{
    double small = a < b ? a : b, large = a < b ? b : a;
    if (a != a || b != b) {
        return a + b;
    }
    if (small > 0.0 && large == (double)INFINITY) {
        return -(double)INFINITY;
    }
    if (small == 0.0) {
        return (double)INFINITY;
    }
    if (!(small > 0.0) || large < 8.0) {
        return pbp_call_lgamma(a) + pbp_call_lgamma(b) - pbp_call_lgamma(a + b);
    }
    double rest = pbp_stirling_rest(large) - pbp_stirling_rest(small + large);
    double ratio = small / large;
    if (small < 8.0) {
        /* log gamma(large) - log gamma(small + large) */
        double u = (small + (large - 0.5)) * pbp_call_log1p(ratio);
        double v = small * (pbp_call_log(large) - 1.0);
        return pbp_call_lgamma(small) + (u <= v ? rest - u - v : rest - v - u);
    }
    rest += pbp_stirling_rest(small);
    double u = -(small - 0.5) * pbp_call_log(ratio / (1.0 + ratio));
    double v = large * pbp_call_log1p(ratio);
    double w = fma(-0.5, pbp_call_log(large), PBP_HALF_LOG_2PI) + rest;
    return u <= v ? w - u - v : w - v - u;
}

/* ---- the zeta function ----------------------------------------------------------------------- */

/* B_2j / (2j)!, j = 1, 2 ... */
static const double pbp_bernoulli_table[12] = {
    0x1.5555555555555p-4,  -0x1.6c16c16c16c17p-10, 0x1.1566abc011567p-15, -0x1.bbd779334ef0bp-21,
    0x1.66a8f2bf70ebep-26, -0x1.22805d644267fp-31, 0x1.d6db2c4e09162p-37, -0x1.7da4e1f79955cp-42,
    0x1.355871d652e9ep-47, -0x1.f57d968caacf1p-53, 0x1.967e1f09c376fp-58, -0x1.497d9033a2b5cp-63};

/* The k-th derivative by s of the Hurwitz zeta function, sum of (q + n)^-s for s > 1, continued to s > -1, q > 0, by
 * Euler's and Maclaurin's formula; its terms are Taylor polynomials in s. */
#define PBP_ZETA_ORDERS 6

PBP_SPECIAL double pbp_zeta_sum(int k, double s, double q)
{
    double total = 0.0, w = q, term;
    double enough = 10.0 + 0.5 * s;
    for (; w < enough; w += 1.0) {
        double logarithm = k > 0 ? -pbp_call_log(w) : 0.0;
        term = pbp_call_pow(w, -s);
        for (int i = 0; i < k; i++) {
            term *= logarithm;
        }
        total += term;
        if (fabs(term) <= 0x1p-60 * fabs(total) && w > 3.0) {
            return total;
        }
    }
    /* Taylor coefficients by s of w^-s, times the rest of the formula */
    double power[PBP_ZETA_ORDERS], sum[PBP_ZETA_ORDERS], rising[PBP_ZETA_ORDERS];
    double logarithm = -pbp_call_log(w), factorial = 1.0;
    double scale = pbp_call_pow(w, -s);
    power[0] = 1.0;
    sum[0] = w / (s - 1.0) + 0.5;
    rising[0] = s / w;
    for (int i = 1; i <= k; i++) {
        power[i] = power[i - 1] * logarithm / i;
        sum[i] = -(sum[i - 1] - (i == 1 ? 0.5 : 0.0)) / (s - 1.0);
        rising[i] = i == 1 ? 1.0 / w : 0.0;
        factorial *= i;
    }
    for (int j = 0; j < 12; j++) {
        for (int i = 0; i <= k; i++) {
            sum[i] = fma(pbp_bernoulli_table[j], rising[i], sum[i]);
        }
        if (j > k && fabs(pbp_bernoulli_table[j] * rising[k]) < 0x1p-60 * fabs(sum[k])) {
            break;
        }
        for (int m = 2 * j + 1; m <= 2 * j + 2; m++) {
            for (int i = k; i >= 0; i--) {
                rising[i] = (rising[i] * (s + m) + (i > 0 ? rising[i - 1] : 0.0)) / w;
            }
        }
    }
    double tail = 0.0;
    for (int i = 0; i <= k; i++) {
        tail += power[i] * sum[k - i];
    }
    return total + factorial * scale * tail;
}

/* The k-th derivative by s of zeta(s, q).  For q < 0 (integer s, k = 0) the sum over all integers
 * less what is below q.  inf at s = 1 and at q = 0, -1 ...; NaN for s < -1.  Error: 3 ulp for s > 1. */
PBP_SPECIAL double pbp_zeta(double k, double s, double q)
{
    if (s != s || q != q || s < -1.0 || !(k >= 0.0 && k < PBP_ZETA_ORDERS)) {
        return (double)NAN;
    }
    if (s == 1.0) {
        return k == 1.0 || k == 3.0 ? -(double)INFINITY : (double)INFINITY;
    }
    if (q <= 0.0) {
        double whole = floor(q);
        if (whole == q && q > -(double)INFINITY) {
            return (double)INFINITY;
        }
        if (floor(s) != s || s < 1.0 || k != 0.0 || q == -(double)INFINITY) {
            return (double)NAN;
        }
        double f = q - whole, sign = fmod(s, 2.0) != 0.0 ? -1.0 : 1.0;
        return pbp_zeta_sum(0, s, f) +
               sign * (pbp_zeta_sum(0, s, 1.0 - f) - pbp_zeta_sum(0, s, 1.0 - q));
    }
    if (q == (double)INFINITY) {
        return 0.0;
    }
    if (s > 1e4) {
        /* the first two terms are all there is */
        double logarithm = -pbp_call_log(q), term = pbp_call_pow(q, -s);
        for (int i = 0; i < (int)k; i++) {
            term *= logarithm;
        }
        if (q < 100.0 || s == (double)INFINITY) {
            return k > 0.0 && logarithm == 0.0 ? 0.0 : term;
        }
    }
    return pbp_zeta_sum((int)k, s, q);
}

/* ---- exponential integrals ------------------------------------------------------------------- */

/* En(x) = integral of exp(-x t) / t^n from 1 to inf, n a natural number: its series (DLMF 8.19.8)
 * up to 1, a continued fraction (8.19.17) above.  NaN for x < 0.  Error: 2.1 ulp. */
PBP_SPECIAL double pbp_expn(double n, double x)
{
    if (x != x || n != n || x < 0.0 || n < 0.0 || n != floor(n)) {
        return (double)NAN;
    }
    if (x == (double)INFINITY) {
        return 0.0;
    }
    if (n == 0.0) {
        return pbp_call_exp(-x) / fabs(x);
    }
    if (x == 0.0) {
        return n < 2.0 ? (double)INFINITY : 1.0 / (n - 1.0);
    }
    if (x > 1.0) {
        /* from the far end, where every step shrinks the errors of those before */
        double tail = 0.0;
        for (int i = 12 + (int)(90.0 / x); i > 0; i--) {
            tail = i * (n - 1.0 + i) / (x + n + 2.0 * i - tail);
        }
        return pbp_call_exp(-x) / (x + n - tail);
    }
    double total = n == 1.0 ? -pbp_call_log(x) - PBP_EULER : 1.0 / (n - 1.0);
    double term = 1.0;
    for (int i = 1; i < 10000; i++) {
        term *= -x / i;
        double part;
        if ((double)i != n - 1.0) {
            part = -term / (i - (n - 1.0));
        } else {
            double psi = -PBP_EULER;
            for (int j = 1; j <= i; j++) {
                psi += 1.0 / j;
            }
            part = term * (psi - pbp_call_log(x));
        }
        total += part;
        if (fabs(part) < PBP_SPECIAL_EPS * fabs(total) &&
            ((double)i >= n - 1.0 || fabs(term) < 1e-22 * fabs(total))) {
            break;
        }
    }
    return total;
}

/* Ei(x), the integral of exp(t) / t from -inf to x: the series (DLMF 6.6.2) up to 40, near the zero
 * in powers of the distance from it; the asymptotic series (6.12.2) above; -E1(-x) below 0.
 * Error: 4.5 ulp. */
PBP_SPECIAL double pbp_expi(double x)
{
    if (x != x) {
        return x;
    }
    if (x < 0.0) {
        return -pbp_expn(1.0, -x);
    }
    if (x == 0.0 || x == (double)INFINITY) {
        return x == 0.0 ? -(double)INFINITY : x;
    }
    if (x > 40.0) {
        double total = 1.0, term = 1.0;
        for (int k = 1; k < 200; k++) {
            double next = term * k / x;
            if (next > term || next < PBP_SPECIAL_EPS * total) {
                break;
            }
            term = next;
            total += term;
        }
        double half = pbp_call_exp(0.5 * x);
        return half / x * total * half;
    }
    const double zero = 0x1.7d72952b4b5fcp-2, zero_low = 0x1.e4c986021c6f2p-57;
    double away = (x - zero) - zero_low;
    if (fabs(away) < 0.25) {
        /* sum of (x^k - zero^k) / (k k!) = away * sum of D_k / (k k!), D_k = x D_(k-1) + zero^(k-1) */
        double quotient = 1.0, power = 1.0, factorial = 1.0, total = 1.0;
        for (int k = 2; k < 22; k++) {
            power *= zero;
            quotient = fma(x, quotient, power);
            factorial *= k;
            total += quotient / (k * factorial);
        }
        return fma(away, total, pbp_call_log1p(away / zero));
    }
    double total = 0.0, term = 1.0;
    for (int k = 1; k < 300; k++) {
        term *= x / k;
        total += term / k;
        if (term < PBP_SPECIAL_EPS * total) {
            break;
        }
    }
    return pbp_call_log(x) + PBP_EULER + total;
}

/* The k-th derivative of (exp(x) - 1) / x: the integral of t^k exp(x t) from 0 to 1.  Series of
 * positive terms near 0, the recurrence that integration by parts gives where it is stable.
 * Error: 5 ulp for k <= 3. */
PBP_SPECIAL double pbp_exprel(double k, double x)
{
    if (x != x || !(k >= 0.0 && k < 1e3)) {
        return (double)NAN;
    }
    if (k == 0.0) {
        return x == 0.0 ? 1.0 : x == (double)INFINITY ? x : pbp_call_expm1(x) / x;
    }
    if (x > 30.0 + 2.0 * k || x < -(15.0 + 3.0 * k)) {
        if (x == (double)INFINITY || x == -(double)INFINITY) {
            return x > 0.0 ? x : 0.0;
        }
        double e = pbp_call_exp(x), value = pbp_call_expm1(x) / x;
        if (e == (double)INFINITY) {
            return e;
        }
        for (int m = 1; m <= (int)k; m++) {
            value = (e - m * value) / x;
        }
        return value;
    }
    double term = 1.0 / (k + 1.0), total = term;
    if (x < 0.0) {
        for (int j = 1; j < 1000 && term > PBP_SPECIAL_EPS * total; j++) {
            term *= -x / (k + 1.0 + j);
            total += term;
        }
        return total * pbp_call_exp(x);
    }
    term = 1.0;
    for (int j = 1; j < 2000 && term > PBP_SPECIAL_EPS * total; j++) {
        term *= x / j;
        total += term / (k + 1.0 + j);
    }
    return total;
}

/* The k-th derivative of log(1 + x) / x.  Error: 1 ulp for k = 0, 8 for k <= 3. */
PBP_SPECIAL double pbp_log1prel(double k, double x)
{
    if (x != x || !(k >= 0.0 && k < 1e3)) {
        return (double)NAN;
    }
    if (k == 0.0) {
        return x == 0.0 ? 1.0 : x == (double)INFINITY ? 0.0 : pbp_call_log1p(x) / x;
    }
    if (x > -0.5 && x < 3.0) {
        /* positive terms: below 0 the Taylor series, above it that of Pfaff's transformation */
        double w = x < 0.0 ? -x : x / (1.0 + x), factor = 1.0, total = 0.0;
        for (int j = 0; j < 1000; j++) {
            double term = factor / (j + k + 1.0);
            total += term;
            if (term < PBP_SPECIAL_EPS * total) {
                break;
            }
            factor *= x < 0.0 ? w * ((j + k + 1.0) / (j + 1.0)) : w;
        }
        for (int i = 2; i <= (int)k; i++) {
            total *= i;
        }
        total = fmod(k, 2.0) != 0.0 ? -total : total;
        return x < 0.0 ? total : total / pbp_call_pow(1.0 + x, k + 1.0);
    }
    double value = pbp_call_log1p(x) / x, slope = 1.0 / (1.0 + x), inv = slope;
    if (x == (double)INFINITY) {
        return 0.0;
    }
    for (int m = 1; m <= (int)k; m++) {
        value = (slope - m * value) / x;
        slope *= -m * inv;
    }
    return value;
}

/* Bernoulli numbers B_2j / (2j + 1)!, j = 1, 2 ... */
static const double pbp_spence_table[10] = {
    0x1.c71c71c71c71cp-6,  -0x1.23456789abcdfp-12, 0x1.3d079fb6ef3e3p-18, -0x1.8a86a49f629d1p-24,
    0x1.04d7f65caf373p-29, -0x1.658a4b8f16a75p-35, 0x1.f63f1e311ac24p-41, -0x1.6731c59dbd7dep-46,
    0x1.04805fdce7819p-51, -0x1.7e168b15d7793p-57};

/* spence(x) = dilogarithm of 1 - x = integral of log(t) / (1 - t) from 1 to x, x >= 0, by its series
 * in log x (DLMF 25.12, the generating function of the Bernoulli numbers) on [1/2, 2] and by its
 * reflections outside.  NaN below 0.  Error: 4 ulp. */
PBP_SPECIAL double pbp_spence(double x)
{
    if (!(x >= 0.0)) {
        return (double)NAN;
    }
    if (x == 0.0 || x == (double)INFINITY) {
        return x == 0.0 ? 0x1.a51a6625307d3p+0 : -x;
    }
    double logarithm = pbp_call_log(x);
    if (x > 2.0) {
        return -fma(0.5 * logarithm, logarithm, pbp_spence(1.0 / x));
    }
    if (x < 0.5) {
        return 0x1.a51a6625307d3p+0 - logarithm * pbp_call_log1p(-x) - pbp_spence(1.0 - x);
    }
    double t = -logarithm, z = t * t, total = pbp_spence_table[9];
    for (int j = 8; j >= 0; j--) {
        total = fma(total, z, pbp_spence_table[j]);
    }
    return fma(t * z, total, fma(-0.25 * t, t, t));
}

/* exp(x^2) times the n-th repeated integral of erfc (DLMF 7.18): n = 0 is erfcx.  d/dx of it is
 * -2 (n + 1) times the next.  Forwards by 2 n y_n = y_(n-2) - 2 x y_(n-1) where all is positive,
 * backwards (Miller) otherwise.  Error: 4 ulp for n <= 3. */
PBP_SPECIAL double pbp_ierfcx(double n, double x)
{
    if (x != x || !(n >= 0.0 && n < 1e3)) {
        return (double)NAN;
    }
    int last = (int)n;
    double first = 0x1.20dd750429b6dp+0, second = pbp_erfcx(x);
    if (last == 0 || second == (double)INFINITY) {
        return second;
    }
    if (x > 1e8) {
        for (int i = 1; i <= last; i++) {
            second /= 2.0 * x;
        }
        return second;
    }
    if (x < 0.5) {
        for (int i = 1; i <= last; i++) {
            double next = fma(-2.0 * x, second, first) / (2.0 * i);
            first = second;
            second = next;
        }
        return second;
    }
    /* y_(m-2) = 2 x y_(m-1) + 2 m y_m downwards from far above; the start is forgotten at a rate of
     * exp(-2 sqrt(2 m) x) */
    int top = last + 40 + (int)(250.0 / (x * x));
    double above = 0.0, here = 1e-300, wanted = 0.0;
    for (int m = top; m > 0; m--) {
        /* here is y_m, above y_(m+1) */
        double below = fma(2.0 * x, here, 2.0 * (m + 1) * above);
        if (m == last) {
            wanted = here;
        }
        above = here;
        here = below;
        if (here > 1e200) {
            here *= 1e-200;
            above *= 1e-200;
            wanted *= 1e-200;
        }
    }
    return wanted / here * second;
}

/* ---- float32 --------------------------------------------------------------------------------- */

#define PBP_THROUGH_FLOAT64_2(NAME)                                                                \
    PBP_INLINE float pbp_##NAME##f(float x, float y)                                               \
    {                                                                                              \
        return (float)pbp_##NAME((double)x, (double)y);                                            \
    }

#define PBP_THROUGH_FLOAT64_3(NAME)                                                                \
    PBP_INLINE float pbp_##NAME##f(float x, float y, float z)                                      \
    {                                                                                              \
        return (float)pbp_##NAME((double)x, (double)y, (double)z);                                 \
    }

PBP_THROUGH_FLOAT64(gamma)

PBP_THROUGH_FLOAT64(rgamma)

PBP_THROUGH_FLOAT64(expi)

PBP_THROUGH_FLOAT64(spence)

PBP_THROUGH_FLOAT64_2(betaln)

PBP_THROUGH_FLOAT64_2(expn)

PBP_THROUGH_FLOAT64_2(exprel)

PBP_THROUGH_FLOAT64_2(log1prel)

PBP_THROUGH_FLOAT64_2(ierfcx)

PBP_THROUGH_FLOAT64_3(zeta)

#endif
