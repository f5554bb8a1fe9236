/* The incomplete gamma and beta functions and their derivatives by the parameters, in plain C like
 * special_loops.h.
 *
 * Below the mean a series (gamma) or a continued fraction (beta), above it the complement: DLMF
 * 8.7, 8.9.2, 8.17.22.  What stands before them is computed without cancellation for large
 * parameters (Algorithm 708, ACM TOMS 18, 1992).  Series and fractions run on truncated Taylor
 * polynomials in the parameters, so that a derivative costs no accuracy but what the function
 * itself has: no differences are taken.  The number of steps grows with the square root of the
 * parameters; where a few millions do not suffice, the result is NaN.  Values of the incomplete gamma
 * functions for parameters above 1e6 are Temme's, in a fixed number of steps.
 *
 * Error of the values, relative, for parameters up to 1,000: of the gamma functions 4 ulp on average
 * and 100 at most, of the beta function 14 and 100; 1e-13 up to 1e5, and 1e-13 of the gamma functions
 * beyond.  Error of the derivatives: 1e-13 of the largest of the derivative and the terms that it is
 * made of. */
#ifndef PBP_SPECIAL_INCOMPLETE_H
#define PBP_SPECIAL_INCOMPLETE_H

#include "special_loops.h"

#define PBP_INCOMPLETE_STEPS 5000000
#define PBP_GAMMA_ORDERS 4

/* m - log(n), n = 1 + m > 0, accurate for small m: with r = m / (2 + m), log(1 + m) = 2 (r + r^3 / 3
 * + ...) and 2 r - m = -m r. */
PBP_SPECIAL double pbp_log1p_rest(double m, double n)
{
    if (fabs(m) > 0.35) {
        return m - pbp_call_log(n);
    }
    double r = m / (2.0 + m), z = r * r, total = 0.0, power = 1.0;
    for (int k = 3; k < 40; k += 2) {
        double term = power / k;
        total += term;
        if (term < PBP_SPECIAL_EPS * total) {
            break;
        }
        power *= z;
    }
    return r * (m - 2.0 * z * total);
}

/* ---- incomplete gamma functions -------------------------------------------------------------- */

/* x^a exp(-x) / gamma(a + 1), a >= 0, 0 < x < inf. */
PBP_SPECIAL double pbp_gamma_front(double a, double x)
{
    if (a < 8.0) {
        return x > 900.0 ? 0.0 : pbp_call_pow(x, a) * pbp_call_exp(-x) / pbp_gamma(a + 1.0);
    }
    double rest = pbp_log1p_rest((x - a) / a, x / a);
    double e = pbp_call_exp(-a * rest - pbp_stirling_rest(a));
    return e * 0x1.9884533d43651p-2 / sqrt(a); /* 1 / sqrt(2 pi) */
}

/* Taylor coefficients in a of exp of the front's logarithm, given its value at a; the gamma function
 * there is gamma(b). */
PBP_SPECIAL void pbp_gamma_front_taylor(int k, double b, double x, double value, double *p)
{
    double e[PBP_GAMMA_ORDERS];
    p[0] = value;
    for (int i = 1; i <= k; i++) {
        e[i] = i == 1 ? pbp_call_log(x) - pbp_call_digamma(b)
                      : (i % 2 == 0 ? -1.0 : 1.0) * pbp_zeta_sum(0, i, b) / i;
        double total = 0.0;
        for (int j = 1; j <= i; j++) {
            total = fma(j * e[j], p[i - j], total);
        }
        p[i] = total / i;
    }
}

/* The k-th Taylor coefficient of a product. */
PBP_INLINE double pbp_taylor_product(int k, const double *p, const double *q)
{
    double total = 0.0;
    for (int i = 0; i <= k; i++) {
        total = fma(p[i], q[k - i], total);
    }
    return total;
}

/* The k-th Taylor coefficient in a of P(a, x), the series of DLMF 8.7.1. */
PBP_SPECIAL double pbp_gamma_series(int k, double a, double x)
{
    double p[PBP_GAMMA_ORDERS], term[PBP_GAMMA_ORDERS] = {1.0}, sum[PBP_GAMMA_ORDERS] = {1.0};
    for (int n = 1; n < PBP_INCOMPLETE_STEPS; n++) {
        double inv = 1.0 / (a + n);
        int done = 1;
        for (int i = 0; i <= k; i++) {
            /* division by a + n + epsilon */
            term[i] = (x * term[i] - (i > 0 ? term[i - 1] : 0.0)) * inv;
            sum[i] += term[i];
            done &= fabs(term[i]) <= PBP_SPECIAL_EPS * fabs(sum[i]);
        }
        if (done) {
            pbp_gamma_front_taylor(k, a + 1.0, x, pbp_gamma_front(a, x), p);
            return pbp_taylor_product(k, p, sum);
        }
    }
    return (double)NAN;
}

/* The k-th Taylor coefficient in a of Q(a, x), the continued fraction of DLMF 8.9.2 as quotient of
 * two recurrences. */
PBP_SPECIAL double pbp_gamma_fraction(int k, double a, double x)
{
    double p[PBP_GAMMA_ORDERS];
    double num[PBP_GAMMA_ORDERS] = {1.0}, num_before[PBP_GAMMA_ORDERS] = {0.0};
    double den[PBP_GAMMA_ORDERS] = {0.0}, den_before[PBP_GAMMA_ORDERS] = {1.0};
    double ratio[PBP_GAMMA_ORDERS] = {0.0};
    /* den / num is 1 / (x + 1 - a + ...): start with b_0 = x + 1 - a */
    num[0] = x + 1.0 - a;
    num[1] = -1.0;
    num_before[0] = 1.0;
    den[0] = 1.0;
    den_before[0] = 0.0;
    for (int n = 1; n < PBP_INCOMPLETE_STEPS; n++) {
        double b = x + (2.0 * n + 1.0) - a, c = -n * (n - a);
        for (int i = k; i >= 0; i--) {
            double new_num = b * num[i] + c * num_before[i];
            double new_den = b * den[i] + c * den_before[i];
            if (i > 0) {
                new_num += n * num_before[i - 1] - num[i - 1];
                new_den += n * den_before[i - 1] - den[i - 1];
            }
            num_before[i] = num[i];
            den_before[i] = den[i];
            num[i] = new_num;
            den[i] = new_den;
        }
        double inv = 1.0 / num[0];
        int done = 1;
        for (int i = 0; i <= k; i++) {
            double total = den[i], size = fabs(den[i]);
            for (int j = 1; j <= i; j++) {
                double part = num[j] * ratio[i - j];
                total -= part;
                size += fabs(part);
            }
            total *= inv;
            /* beside the terms that it is the difference of */
            done &= fabs(total - ratio[i]) <= 4.0 * PBP_SPECIAL_EPS * fabs(size * inv);
            ratio[i] = total;
        }
        if (done) {
            pbp_gamma_front_taylor(k, a, x, pbp_gamma_front(a, x) * a, p);
            return pbp_taylor_product(k, p, ratio);
        }
        if (fabs(num[0]) > 1e150) {
            for (int i = 0; i <= k; i++) {
                num[i] *= 1e-150;
                den[i] *= 1e-150;
                num_before[i] *= 1e-150;
                den_before[i] *= 1e-150;
            }
        }
    }
    return (double)NAN;
}

/* P(a, x) or Q(a, x) for a > 1e6, by Temme's uniform expansion (DLMF 8.12.3 to 8.12.11): with e^2 / 2 =
 * x/a - 1 - log(x/a), half an erfc of e sqrt(a / 2), and a rest with coefficients that are series in
 * e.  Where the rest is not 0, |e| is below 0.04. */
PBP_SPECIAL double pbp_gamma_large(double a, double x, int upper)
{
    double half = pbp_log1p_rest((x - a) / a, x / a), eta = sqrt(2.0 * half);
    if (a * half > 800.0) {
        return upper == (x < a) ? 1.0 : 0.0;
    }
    eta = x < a ? -eta : eta;
    double c0 = 0x1.48c5892f7cd83p-15;
    c0 = fma(c0, eta, -0x1.76e06fec7273bp-13);
    c0 = fma(c0, eta, 0x1.71de3a556c734p-12);
    c0 = fma(c0, eta, 0x1.2f684bda12f68p-10);
    c0 = fma(c0, eta, -0x1.e573ac901e574p-7);
    c0 = fma(c0, eta, 0x1.5555555555555p-4);
    c0 = fma(c0, eta, -0x1.5555555555555p-2);
    double c1 =
        fma(fma(0x1.5ac056b015acp-9, eta, -0x1.c71c71c71c71cp-9), eta, -0x1.e573ac901e574p-10);
    double rest = (c0 + c1 / a) * pbp_call_exp(-a * half) * 0x1.9884533d43651p-2 / sqrt(a);
    double away = eta * sqrt(a / 2.0);
    return upper ? 0.5 * pbp_erfc(away) + rest : 0.5 * pbp_erfc(-away) - rest;
}

/* Q(a, x) for a < 1 and x < a + 1, where P may be close to 1. */
PBP_SPECIAL double pbp_gamma_small(double a, double x)
{
    double u = a * pbp_call_log(x);
    u -= a <= 0.5 ? pbp_lgamma1p(a) : pbp_call_lgamma(1.0 + a);
    /* P = exp(u) (1 + a sum (-x)^n / ((a + n) n!)) */
    double term = 1.0, total = 0.0;
    for (int n = 1; n < 100; n++) {
        term *= -x / n;
        total += term / (a + n);
        if (fabs(term) < PBP_SPECIAL_EPS * fabs(total)) {
            break;
        }
    }
    return -(pbp_call_expm1(u) + pbp_call_exp(u) * a * total);
}

/* The k-th derivative by a of P(a, x) (upper 0) or Q(a, x). */
PBP_SPECIAL double pbp_gamma_incomplete(double k, double a, double x, int upper)
{
    if (!(a >= 0.0) || !(x >= 0.0) || !(k >= 0.0 && k < PBP_GAMMA_ORDERS)) {
        return (double)NAN;
    }
    int order = (int)k;
    if (a == (double)INFINITY || x == (double)INFINITY || x == 0.0 || (a == 0.0 && order == 0)) {
        if ((a == 0.0 && x == 0.0) || (a == (double)INFINITY && x == (double)INFINITY)) {
            return (double)NAN;
        }
        int full = a == 0.0 || x == (double)INFINITY;
        return order > 0 ? 0.0 : full != upper ? 1.0 : 0.0;
    }
    double factorial = order == 3 ? 6.0 : order == 2 ? 2.0 : 1.0;
    double value;
    int lower = x < a + 1.0;
    if (lower && upper && order == 0 && a < 1.0) {
        return pbp_gamma_small(a, x);
    }
    if (order == 0 && a > 1e6) {
        return pbp_gamma_large(a, x, upper);
    }
    value = lower ? pbp_gamma_series(order, a, x) : pbp_gamma_fraction(order, a, x);
    if (lower == !upper) {
        return factorial * value;
    }
    return order > 0 ? -factorial * value : 1.0 - value;
}

PBP_INLINE double pbp_gammainc(double k, double a, double x)
{
    return pbp_gamma_incomplete(k, a, x, 0);
}

PBP_INLINE double pbp_gammaincc(double k, double a, double x)
{
    return pbp_gamma_incomplete(k, a, x, 1);
}

/* ---- the incomplete beta function ------------------------------------------------------------ */

/* A value and its derivatives by two parameters, to second order: d[0], d[1] by the first, d[2] by
 * the second, d[3] twice by the first, d[4] by both, d[5] twice by the second. */
typedef struct pbp_jet {
    double d[6];
} pbp_jet;

PBP_INLINE pbp_jet pbp_jet_product(const pbp_jet *x, const pbp_jet *y)
{
    pbp_jet r;
    r.d[0] = x->d[0] * y->d[0];
    r.d[1] = x->d[1] * y->d[0] + x->d[0] * y->d[1];
    r.d[2] = x->d[2] * y->d[0] + x->d[0] * y->d[2];
    r.d[3] = x->d[3] * y->d[0] + 2.0 * x->d[1] * y->d[1] + x->d[0] * y->d[3];
    r.d[4] = x->d[4] * y->d[0] + x->d[1] * y->d[2] + x->d[2] * y->d[1] + x->d[0] * y->d[4];
    r.d[5] = x->d[5] * y->d[0] + 2.0 * x->d[2] * y->d[2] + x->d[0] * y->d[5];
    return r;
}

PBP_INLINE pbp_jet pbp_jet_quotient(const pbp_jet *x, const pbp_jet *y)
{
    pbp_jet r;
    double inv = 1.0 / y->d[0];
    r.d[0] = x->d[0] * inv;
    r.d[1] = (x->d[1] - r.d[0] * y->d[1]) * inv;
    r.d[2] = (x->d[2] - r.d[0] * y->d[2]) * inv;
    r.d[3] = (x->d[3] - 2.0 * r.d[1] * y->d[1] - r.d[0] * y->d[3]) * inv;
    r.d[4] = (x->d[4] - r.d[1] * y->d[2] - r.d[2] * y->d[1] - r.d[0] * y->d[4]) * inv;
    r.d[5] = (x->d[5] - 2.0 * r.d[2] * y->d[2] - r.d[0] * y->d[5]) * inv;
    return r;
}

/* The n-th partial numerator of the fraction of DLMF 8.17.22. */
PBP_SPECIAL double pbp_beta_numerator(int n, double a, double b, double x)
{
    double m = n / 2;
    if (n % 2 == 1) {
        return -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    }
    return m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
}

PBP_SPECIAL pbp_jet pbp_beta_numerator_jet(int n, double a, double b, double x)
{
    double m = n / 2, e = a + 2.0 * m - (n % 2 == 1 ? 0.0 : 1.0);
    pbp_jet num = {{0}}, den = {{e * (e + 1.0), 2.0 * e + 1.0, 0.0, 2.0, 0.0, 0.0}};
    if (n % 2 == 1) {
        num.d[0] = -(a + m) * (a + b + m) * x;
        num.d[1] = -(2.0 * (a + m) + b) * x;
        num.d[2] = -(a + m) * x;
        num.d[3] = -2.0 * x;
        num.d[4] = -x;
    } else {
        num.d[0] = m * (b - m) * x;
        num.d[2] = m * x;
    }
    return pbp_jet_quotient(&num, &den);
}

/* The fraction itself. */
PBP_SPECIAL double pbp_beta_fraction(double a, double b, double x)
{
    double f = 1.0, c = 1.0, d = 0.0;
    for (int n = 1; n < PBP_INCOMPLETE_STEPS; n++) {
        double part = pbp_beta_numerator(n, a, b, x);
        d = 1.0 + part * d;
        d = 1.0 / (d == 0.0 ? 1e-300 : d);
        c = 1.0 + part / c;
        c = c == 0.0 ? 1e-300 : c;
        double factor = c * d;
        f *= factor;
        if (fabs(factor - 1.0) < 4.0 * PBP_SPECIAL_EPS) {
            return 1.0 / f;
        }
    }
    return (double)NAN;
}

PBP_SPECIAL pbp_jet pbp_beta_fraction_jet(double a, double b, double x)
{
    pbp_jet num = {{1.0}}, num_before = {{1.0}}, den = {{1.0}}, den_before = {{0}}, ratio = {{0}};
    for (int n = 1; n < PBP_INCOMPLETE_STEPS; n++) {
        pbp_jet part = pbp_beta_numerator_jet(n, a, b, x);
        pbp_jet more_num = pbp_jet_product(&part, &num_before);
        pbp_jet more_den = pbp_jet_product(&part, &den_before);
        num_before = num;
        den_before = den;
        for (int i = 0; i < 6; i++) {
            num.d[i] += more_num.d[i];
            den.d[i] += more_den.d[i];
        }
        pbp_jet next = pbp_jet_quotient(&den, &num);
        int done = n > 3;
        for (int i = 0; i < 6; i++) {
            /* beside the terms that it is the difference of */
            double size = fabs(den.d[i]) + fabs(next.d[0] * num.d[i]);
            size += i == 4 ? fabs(next.d[1] * num.d[2]) + fabs(next.d[2] * num.d[1]) : 0.0;
            size = size / fabs(num.d[0]) + fabs(next.d[i]);
            done &= fabs(next.d[i] - ratio.d[i]) <= 8.0 * PBP_SPECIAL_EPS * size;
        }
        ratio = next;
        if (done) {
            return ratio;
        }
        if (fabs(num.d[0]) > 1e100 || fabs(num.d[0]) < 1e-100) {
            double scale = 1.0 / num.d[0];
            for (int i = 0; i < 6; i++) {
                num.d[i] *= scale;
                den.d[i] *= scale;
                num_before.d[i] *= scale;
                den_before.d[i] *= scale;
            }
        }
    }
    ratio.d[0] = ratio.d[1] = ratio.d[2] = ratio.d[3] = ratio.d[4] = ratio.d[5] = (double)NAN;
    return ratio;
}

/* x^a y^b / (a beta(a, b)), x + y = 1, with their logarithms. */
PBP_SPECIAL double pbp_beta_front(double a, double b, double x, double y, double log_x,
                                  double log_y)
{
    if (a < 8.0 || b < 8.0) {
        return pbp_call_exp(a * log_x + b * log_y - pbp_betaln(a, b)) / a;
    }
    double away = a > b ? (a + b) * y - b : a - (a + b) * x;
    double rest = a * pbp_log1p_rest(-away / a, x * ((a + b) / a)) +
                  b * pbp_log1p_rest(away / b, y * ((a + b) / b));
    rest += pbp_stirling_rest(a) + pbp_stirling_rest(b) - pbp_stirling_rest(a + b);
    return pbp_call_exp(-rest) * 0x1.9884533d43651p-2 * sqrt(b / (a + b) / a);
}

/* The regularised I_x(a, b), its derivative by a, b, a twice, both or b twice, as `part` is 0 to 5.
 */
PBP_SPECIAL double pbp_beta_incomplete(int part, double a, double b, double x)
{
    if (!(a >= 0.0) || !(b >= 0.0) || !(x >= 0.0 && x <= 1.0)) {
        return (double)NAN;
    }
    const double end = (double)INFINITY;
    if (a == 0.0 || b == 0.0 || a == end || b == end || x == 0.0 || x == 1.0) {
        if ((a == 0.0 && b == 0.0) || (a == end && b == end)) {
            return (double)NAN;
        }
        double value = x == 0.0 || x == 1.0 ? x : a == 0.0 || b == end ? 1.0 : 0.0;
        if ((a == 0.0 && x == 0.0) || (b == 0.0 && x == 1.0)) {
            return (double)NAN;
        }
        return part == 0 ? value : 0.0;
    }
    int swap = x > (a + 1.0) / (a + b + 2.0);
    double y = 1.0 - x, log_x = pbp_call_log(x), log_y = pbp_call_log1p(-x);
    if (swap) {
        double t = a;
        a = b, b = t;
        t = x, x = y, y = t;
        t = log_x, log_x = log_y, log_y = t;
        part = part == 1 ? 2 : part == 2 ? 1 : part == 3 ? 5 : part == 5 ? 3 : part;
    }
    double front = pbp_beta_front(a, b, x, y, log_x, log_y);
    if (part == 0) {
        double value = front * pbp_beta_fraction(a, b, x);
        return swap ? 1.0 - value : value;
    }
    double both = pbp_call_digamma(a + b), both2 = pbp_zeta_sum(0, 2.0, a + b);
    double by_a = log_x - pbp_call_digamma(a + 1.0) + both;
    double by_b = log_y - pbp_call_digamma(b) + both;
    pbp_jet p = {{front, front * by_a, front * by_b,
                  front * (by_a * by_a - pbp_zeta_sum(0, 2.0, a + 1.0) + both2),
                  front * (by_a * by_b + both2),
                  front * (by_b * by_b - pbp_zeta_sum(0, 2.0, b) + both2)}};
    pbp_jet fraction = pbp_beta_fraction_jet(a, b, x);
    double value = pbp_jet_product(&p, &fraction).d[part];
    return swap ? -value : value;
}

PBP_INLINE double pbp_betainc(double a, double b, double x)
{
    return pbp_beta_incomplete(0, a, b, x);
}

PBP_INLINE double pbp_betainc_a(double a, double b, double x)
{
    return pbp_beta_incomplete(1, a, b, x);
}

PBP_INLINE double pbp_betainc_b(double a, double b, double x)
{
    return pbp_beta_incomplete(2, a, b, x);
}

PBP_INLINE double pbp_betainc_aa(double a, double b, double x)
{
    return pbp_beta_incomplete(3, a, b, x);
}

PBP_INLINE double pbp_betainc_ab(double a, double b, double x)
{
    return pbp_beta_incomplete(4, a, b, x);
}

PBP_INLINE double pbp_betainc_bb(double a, double b, double x)
{
    return pbp_beta_incomplete(5, a, b, x);
}

PBP_THROUGH_FLOAT64_3(gammainc)

PBP_THROUGH_FLOAT64_3(gammaincc)

PBP_THROUGH_FLOAT64_3(betainc)

PBP_THROUGH_FLOAT64_3(betainc_a)

PBP_THROUGH_FLOAT64_3(betainc_b)

PBP_THROUGH_FLOAT64_3(betainc_aa)

PBP_THROUGH_FLOAT64_3(betainc_ab)

PBP_THROUGH_FLOAT64_3(betainc_bb)

#endif
