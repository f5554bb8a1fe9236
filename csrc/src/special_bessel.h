/* Bessel functions of integer order, in plain C like special_loops.h.
 *
 * J0, J1, Y0 and Y1 up to 8 are polynomials, with the zeros of J0 and J1 divided out; above, modulus
 * and phase (DLMF 10.18), sqrt(2 / (pi x)) M(x) cos(x - (2 n + 1) pi / 4 + P(x) / x), the angle
 * reduced as a pair.  Other orders follow by recurrence: upwards for Y and K, downwards from a
 * continued fraction for J and I.  K0 and K1 have their series (10.31) up to 2, Steed's continued
 * fraction above (N. M. Temme, J. Comput. Phys. 19, 1975).
 *
 * Errors are in ulp of the modulus for J and Y (their zeros are met to that absolute error), in ulp
 * of the result for I and K; n ulp more or less for order n. */
#ifndef PBP_SPECIAL_BESSEL_H
#define PBP_SPECIAL_BESSEL_H

#include "special_loops.h"

#define PBP_BESSEL_LIMIT 1e5 /* largest order */

/* (1 + z / 16)^2 J0(x) / ((z - a^2)(z - b^2)), the same of J1(x) / x, a and b the first two zeros;
 * Y0(x) - (2 / pi) log(x / 2) J0(x), (Y1(x) - (2 / pi) (log(x / 2) J1(x) - 1 / x)) / x; in t = z /
 * 32 - 1, z = x^2.  Then phase and modulus in t = 128 / z - 1. */
static const double pbp_j0_table[17] = {
    0x1.513ae3a379038p-7,  -0x1.5f0683f564108p-8,  -0x1.bd0a2e05fc0c4p-8, 0x1.279ccebfa4b5fp-8,
    0x1.608a174037337p-14, -0x1.aa4620693433p-11,  0x1.6400567338a25p-12, -0x1.479328ff5ab7ap-14,
    0x1.99dea9aae1ad9p-17, -0x1.7c24b12b400f7p-20, 0x1.129ed47b9bf51p-23, -0x1.3f7e56f5624cdp-27,
    0x1.32aba118c5cc6p-31, -0x1.eef4adf46494bp-36, 0x1.54ef365d147b1p-40, -0x1.978e17cbc723p-45,
    0x1.a77f09d51e924p-50};

static const double pbp_j1_table[17] = {
    0x1.cc09a2cc4b81dp-10, -0x1.70abcb89c6d45p-14, -0x1.0debdec6fe9cp-10, 0x1.61dd9e4090f94p-12,
    0x1.910f072cdbc46p-14, -0x1.6e3ab85d0483p-14,  0x1.c9fb57317d27ep-16, -0x1.5f73bdf7b3536p-18,
    0x1.7dd0de9035ccep-21, -0x1.3a7836ff4e8efp-24, 0x1.9997951ea1a78p-28, -0x1.b25c43dac7f8cp-32,
    0x1.7f57150582341p-36, -0x1.1e6de78a408bep-40, 0x1.6f7eeb2447c02p-45, -0x1.9afbeb0d45ac8p-50,
    0x1.917692ff343a6p-55};

static const double pbp_y0_table[17] = {
    -0x1.72b74bbdd8607p-2,  -0x1.abf36a425987p-2,  0x1.5c66ef4d2f665p+0,   -0x1.b31e39bdf5e9cp-3,
    -0x1.3d1a3c2cf3e27p-1,  0x1.cb0102d915e81p-2,  -0x1.3c7dc9b8c3445p-3,  0x1.14e9baa57ecdbp-5,
    -0x1.571530a3c5b0bp-8,  0x1.400b23ec41bedp-11, -0x1.d43ce57d9181dp-15, 0x1.14a05abed0021p-18,
    -0x1.0dfb984a5b43bp-22, 0x1.bb2ca1a5e390dp-27, -0x1.36683ec72f37p-31,  0x1.792fe936c488bp-36,
    -0x1.8e1ed81e00471p-41};

static const double pbp_y1_table[17] = {
    0x1.717b235185ceep-5,   -0x1.a92eafb5bfbebp-3, 0x1.719265d0c16f7p-4,   0x1.eda6c04165176p-4,
    -0x1.02e87689eed2ep-3,  0x1.bd90575895a1cp-5,  -0x1.cf132a67686f4p-7,  0x1.4b3c8c2a8d80bp-9,
    -0x1.5deef8649f10fp-12, 0x1.1dbf18b2ad13cp-15, -0x1.74a8015d09862p-19, 0x1.8dcde06880642p-23,
    -0x1.626f1ea2b56c1p-27, 0x1.0bc985f6842ecp-31, -0x1.5bb19df3b43c4p-36, 0x1.89aa48fd4e33p-41,
    -0x1.854c407f9bcaap-46};

static const double pbp_phase0_table[14] = {
    -0x1.fdf756b3b84fp-4,   0x1.fca9766f0e519p-12, -0x1.6c57b2bfa013cp-17, 0x1.1fbcc34d8ce8dp-21,
    -0x1.74c6ef9a708b7p-25, 0x1.556c3199a7abap-28, -0x1.9456d0c4d59adp-31, 0x1.23f6713d871f7p-33,
    -0x1.efbe2d7f74551p-36, 0x1.ddcb19f83a921p-38, -0x1.cf783d845a887p-40, 0x1.0615eec0a9c56p-41,
    -0x1.2e42eab0896e1p-42, 0x1.b097b23926da2p-44};

static const double pbp_phase1_table[14] = {
    0x1.7eb5a9fde20fep-2,  -0x1.44eb77ec8b7fdp-10, 0x1.4c0898f5f792ap-16, -0x1.afa09b7643906p-21,
    0x1.f99d271f60cd8p-25, -0x1.b5786b10f9398p-28, 0x1.f3dfed4fa3fc5p-31, -0x1.6035ca9925b3dp-33,
    0x1.25a81df1f0c4ep-35, -0x1.1729582cb1853p-37, 0x1.0cc505b58d6fcp-39, -0x1.2d80119562f45p-41,
    0x1.55f7e701e3c6cp-42, -0x1.e674f15309b1cp-44};

static const double pbp_modulus0_table[14] = {
    0x1.ffc0cbf57263p-1,   -0x1.f37c6ae92be13p-12, 0x1.7b0ed8f4aa2d1p-18, -0x1.a03184176d724p-23,
    0x1.a5804bdd70109p-27, -0x1.41fe08ce41c78p-30, 0x1.4b336dae86636p-33, -0x1.aae84de069fe2p-36,
    0x1.495b77271a526p-38, -0x1.24d1dbb8435f3p-40, 0x1.0f1350998e84bp-42, -0x1.224547b355d9bp-44,
    0x1.27918c350dab8p-45, -0x1.92a39741bce19p-47};

static const double pbp_modulus1_table[14] = {
    0x1.005f40034c291p+0,   0x1.7a169eb44bebp-10,  -0x1.6a258041100d6p-17, 0x1.3e50a2846eadcp-22,
    -0x1.20ac8205adce1p-26, 0x1.9eeba98a6d32ap-30, -0x1.9aeac640dea53p-33, 0x1.021bd9b86a295p-35,
    -0x1.86da701d6e8bcp-38, 0x1.569717dd71a9dp-40, -0x1.3a6f579741433p-42, 0x1.4dd8c4e568475p-44,
    -0x1.4eab8ae58200fp-45, 0x1.c511247169688p-47};

PBP_INLINE double pbp_horner(double t, const double *table, int n)
{
    double y = table[n - 1];
    for (int i = n - 2; i >= 0; i--) {
        y = fma(y, t, table[i]);
    }
    return y;
}

/* J0(x), 0 <= x <= 8. */
PBP_INLINE double pbp_j0_near(double x)
{
    double z = x * x, level = fma(z, 0.0625, 1.0);
    double first = ((x - 0x1.33d152e971b4p+1) + 0x1.0f539d7da258ep-53) * (x + 0x1.33d152e971b4p+1);
    double second =
        ((x - 0x1.6148f5b2c2e45p+2) - 0x1.75054cd60a517p-54) * (x + 0x1.6148f5b2c2e45p+2);
    return first * second * pbp_horner(fma(z, 0.03125, -1.0), pbp_j0_table, 17) / (level * level);
}

/* J1(x), 0 <= x <= 8. */
PBP_INLINE double pbp_j1_near(double x)
{
    double z = x * x, level = fma(z, 0.0625, 1.0);
    double first =
        ((x - 0x1.ea75575af6f09p+1) + 0x1.60155a9d1b256p-53) * (x + 0x1.ea75575af6f09p+1);
    double second = ((x - 0x1.c0ff5f3b4725p+2) + 0x1.b226d9d243827p-54) * (x + 0x1.c0ff5f3b4725p+2);
    return x * first * second * pbp_horner(fma(z, 0.03125, -1.0), pbp_j1_table, 17) /
           (level * level);
}

/* J and Y of order 0 or 1, x > 8. */
PBP_SPECIAL double pbp_bessel_far(int order, double x, double *y)
{
    double inv = 1.0 / x, t = fma(128.0 * inv, inv, -1.0);
    double phase = pbp_horner(t, order ? pbp_phase1_table : pbp_phase0_table, 14) * inv;
    double modulus = pbp_horner(t, order ? pbp_modulus1_table : pbp_modulus0_table, 14);
    double low;
    uint64_t quadrant;
    double r = x <= PBP_TRIG_LIMIT ? pbp_trig_reduce(x, &low, &quadrant)
                                   : pbp_trig_reduce_huge(x, &low, &quadrant);
    /* less pi / 4 (order 0) or 3 pi / 4, plus the phase, brought back to |r| <= pi / 4 */
    double shift = 0x1.921fb54442d18p-1, shift_low = 0x1.1a62633145c07p-55;
    quadrant -= (uint64_t)order;
    if (r < 0.0) {
        quadrant -= 1;
        shift = -shift;
        shift_low = -shift_low;
    }
    double sum = r - shift;
    double rest = ((r - sum) - shift) + (low - shift_low);
    r = sum + phase;
    low = (phase - (r - sum)) + rest;
    if (r > 0x1.921fb54442d18p-1) {
        quadrant += 1;
        r -= 0x1.921fb54442d18p+0;
        low -= 0x1.1a62633145c07p-54;
    } else if (r < -0x1.921fb54442d18p-1) {
        quadrant -= 1;
        r += 0x1.921fb54442d18p+0;
        low += 0x1.1a62633145c07p-54;
    }
    double scale = 0x1.9884533d43651p-1 * sqrt(inv) * modulus; /* sqrt(2 / pi) */
    double high = r + low;
    low -= high - r;
    *y = scale * pbp_sin_quadrant(high, low, quadrant);
    return scale * pbp_sin_quadrant(high, low, quadrant + 1);
}

/* J of order 0 or 1, x >= 0. */
PBP_SPECIAL double pbp_j01(int order, double x)
{
    double y;
    if (x <= 8.0) {
        return order ? pbp_j1_near(x) : pbp_j0_near(x);
    }
    return x == (double)INFINITY ? 0.0 : pbp_bessel_far(order, x, &y);
}

/* Y of order 0 or 1, x > 0. */
PBP_SPECIAL double pbp_y01(int order, double x)
{
    const double two_over_pi = 0x1.45f306dc9c883p-1;
    double y;
    if (x > 8.0) {
        if (x == (double)INFINITY) {
            return 0.0;
        }
        (void)pbp_bessel_far(order, x, &y);
        return y;
    }
    double t = fma(x * x, 0.03125, -1.0), logarithm = two_over_pi * pbp_call_log(0.5 * x);
    if (order == 0) {
        return fma(logarithm, pbp_j0_near(x), pbp_horner(t, pbp_y0_table, 17));
    }
    return fma(logarithm, pbp_j1_near(x), x * pbp_horner(t, pbp_y1_table, 17)) - two_over_pi / x;
}

/* The ratio J(n+1, x) / J(n, x), n >= x (sign -1) or I(n+1, x) / I(n, x) (sign 1):
 * 1 / (2 (n + 1) / x + sign / (2 (n + 2) / x + sign / ...)), from the far end. */
PBP_SPECIAL double pbp_bessel_ratio(double n, double x, double sign)
{
    double step = 2.0 / x, ratio = 0.0;
    double far = 25.0 + 10.0 * (sign > 0.0 ? sqrt(x) : pbp_cbrt(n));
    for (int i = far < 1e7 ? (int)far : 10000000; i > 0; i--) {
        ratio = 1.0 / fma(n + i, step, sign * ratio);
    }
    return ratio;
}

/* The order as a whole number in the range, or NaN. */
PBP_INLINE double pbp_bessel_order(double n)
{
    return n == floor(n) && fabs(n) <= PBP_BESSEL_LIMIT ? n : (double)NAN;
}

/* J(n, x), n integer.  Error: 4 ulp of the modulus for n = 0 and 1. */
PBP_SPECIAL double pbp_jv(double n, double x)
{
    double m = fabs(pbp_bessel_order(n)), a = fabs(x);
    if (x != x || m != m) {
        return (double)NAN;
    }
    double sign = (n < 0.0) != (x < 0.0) && fmod(m, 2.0) != 0.0 ? -1.0 : 1.0;
    if (m < 2.0) {
        return sign * pbp_j01((int)m, a);
    }
    if (a == 0.0 || a == (double)INFINITY) {
        return 0.0;
    }
    int order = (int)m;
    if (a > m) {
        double first = pbp_j01(0, a), second = pbp_j01(1, a), step = 2.0 / a;
        for (int i = 1; i < order; i++) {
            double next = i * step * second - first;
            first = second;
            second = next;
        }
        return sign * second;
    }
    double above = pbp_bessel_ratio(m, a, -1.0), here = 1.0, wanted = 1.0, step = 2.0 / a;
    for (int i = order; i > 0; i--) {
        double below = fma(i * step, here, -above);
        above = here;
        here = below;
        if (fabs(here) > 1e200) {
            here *= 1e-200;
            above *= 1e-200;
            wanted *= 1e-200;
        }
    }
    double zero = pbp_j01(0, a), one = pbp_j01(1, a);
    return sign * wanted * (fabs(zero) > fabs(one) ? zero / here : one / above);
}

/* Y(n, x), n integer; -inf at 0 and NaN below.  Error: 4 ulp of the modulus for n = 0 and 1. */
PBP_SPECIAL double pbp_yv(double n, double x)
{
    double m = fabs(pbp_bessel_order(n));
    if (!(x >= 0.0) || m != m) {
        return (double)NAN;
    }
    double sign = n < 0.0 && fmod(m, 2.0) != 0.0 ? -1.0 : 1.0;
    if (x == 0.0) {
        return sign * -(double)INFINITY;
    }
    double first = pbp_y01(0, x);
    if (m == 0.0) {
        return first;
    }
    double second = pbp_y01(1, x), step = 2.0 / x;
    for (int i = 1; i < (int)m && second > -(double)INFINITY; i++) {
        double next = i * step * second - first;
        first = second;
        second = next;
    }
    return sign * second;
}

/* sqrt(2 pi x) exp(-x) I(n, x) for x > 100 n^2 + 1000: Hankel's series (DLMF 10.40.1). */
PBP_SPECIAL double pbp_iv_far(double n, double x)
{
    double term = 1.0, total = 1.0;
    for (int k = 1; k < 30; k++) {
        term *= ((2.0 * k - 1.0) * (2.0 * k - 1.0) - 4.0 * n * n) / (8.0 * k * x);
        total += term;
        if (fabs(term) < PBP_SPECIAL_EPS) {
            break;
        }
    }
    return total;
}

/* I(n, x), n integer, times exp(-|x|) if scaled.  Error: 4 ulp for small n. */
PBP_SPECIAL double pbp_iv_any(double n, double x, int scaled)
{
    double m = fabs(pbp_bessel_order(n)), a = fabs(x);
    if (x != x || m != m) {
        return (double)NAN;
    }
    double sign = x < 0.0 && fmod(m, 2.0) != 0.0 ? -1.0 : 1.0;
    double zero = scaled ? pbp_i0e(a) : pbp_i0(a);
    if (m == 0.0) {
        return zero;
    }
    if (a == 0.0) {
        return 0.0;
    }
    if (zero == 0.0 || zero == (double)INFINITY) {
        return sign * zero;
    }
    if (a > 100.0 * m * m + 1000.0) {
        return sign * (pbp_iv_far(m, a) / pbp_iv_far(0.0, a) * zero);
    }
    double above = pbp_bessel_ratio(m, a, 1.0), here = 1.0, wanted = 1.0, step = 2.0 / a;
    for (int i = (int)m; i > 0; i--) {
        double below = fma(i * step, here, above);
        above = here;
        here = below;
        if (here > 1e200) {
            here *= 1e-200;
            above *= 1e-200;
            wanted *= 1e-200;
        }
    }
    return sign * (wanted / here * zero);
}

PBP_INLINE double pbp_iv(double n, double x)
{
    return pbp_iv_any(n, x, 0);
}

PBP_INLINE double pbp_ive(double n, double x)
{
    return pbp_iv_any(n, x, 1);
}

/* K0(x) exp(x) and K1(x) exp(x), x > 2: Steed's evaluation of the second continued fraction. */
PBP_SPECIAL double pbp_k0e_far(double x, double *one)
{
    double b = 2.0 * (1.0 + x), d = 1.0 / b, h = d, delta = d;
    double q1 = 0.0, q2 = 1.0, a1 = 0.25, q = 0.25, c = 0.25, a = -0.25;
    double s = 1.0 + q * delta;
    for (int i = 2; i < 10000; i++) {
        a -= 2 * (i - 1);
        c = -a * c / i;
        double next = (q1 - b * q2) / a;
        q1 = q2;
        q2 = next;
        q += c * next;
        b += 2.0;
        d = 1.0 / fma(a, d, b);
        delta = fma(b, d, -1.0) * delta;
        h += delta;
        double more = q * delta;
        s += more;
        if (fabs(more) < PBP_SPECIAL_EPS * fabs(s)) {
            break;
        }
    }
    double zero = 0x1.40d931ff62706p+0 / sqrt(x) / s; /* sqrt(pi / 2) */
    *one = zero * (x + 0.5 - a1 * h) / x;
    return zero;
}

/* K(n, x), n integer, times exp(x) if scaled.  inf at 0 and NaN below.  Error: 5 ulp for n = 0, 1. */
PBP_SPECIAL double pbp_kv_any(double n, double x, int scaled)
{
    double m = fabs(pbp_bessel_order(n));
    if (!(x >= 0.0) || m != m) {
        return (double)NAN;
    }
    if (x == 0.0 || x == (double)INFINITY) {
        return x == 0.0 ? (double)INFINITY : 0.0;
    }
    double first, second;
    if (x > 2.0) {
        first = pbp_k0e_far(x, &second);
        double e = scaled ? 1.0 : pbp_call_exp(-x);
        first *= e;
        second *= e;
    } else {
        double z = 0.25 * x * x, logarithm = -pbp_call_log(0.5 * x) - PBP_EULER;
        double term = 1.0, harmonic = 0.0, zero = logarithm, one = 0.0;
        double term1 = 1.0;
        one = logarithm + 0.5; /* (psi(1) + psi(2)) / 2 less log(x / 2) */
        for (int k = 1; k < 40; k++) {
            term *= z / ((double)k * k);
            term1 *= z / ((double)k * (k + 1));
            harmonic += 1.0 / k;
            zero = fma(term, logarithm + harmonic, zero);
            one = fma(term1, logarithm + harmonic + 0.5 / (k + 1), one);
            if (term < PBP_SPECIAL_EPS * 0.01) {
                break;
            }
        }
        first = zero;
        second = fma(-0.5 * x, one, 1.0 / x);
        double e = scaled ? pbp_call_exp(x) : 1.0;
        first *= e;
        second *= e;
    }
    if (m == 0.0) {
        return first;
    }
    double step = 2.0 / x;
    for (int i = 1; i < (int)m && second < (double)INFINITY; i++) {
        double next = fma(i * step, second, first);
        first = second;
        second = next;
    }
    return second;
}

PBP_INLINE double pbp_kv(double n, double x)
{
    return pbp_kv_any(n, x, 0);
}

PBP_INLINE double pbp_kve(double n, double x)
{
    return pbp_kv_any(n, x, 1);
}

PBP_THROUGH_FLOAT64_2(jv)

PBP_THROUGH_FLOAT64_2(yv)

PBP_THROUGH_FLOAT64_2(iv)

PBP_THROUGH_FLOAT64_2(ive)

PBP_THROUGH_FLOAT64_2(kv)

PBP_THROUGH_FLOAT64_2(kve)

#endif
