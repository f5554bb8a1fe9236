/* The epidemic by classical Runge-Kutta steps of a day, its likelihood and its discrete adjoint.

   The forward sweep keeps the state before each step; the reverse sweep computes the stages again.

   dims: days.  in: x[4], cases[days].  out: value[1], gradient[4]. */

#include "bench.h"

#define PEOPLE ((REAL)1e6)

typedef struct {
    REAL s, i;
} pair;

static size_t work_bytes(const int64_t *dims) { return (size_t)(dims[0] + 1) * sizeof(pair); }

INLINE pair slope(REAL b, REAL c, pair y)
{
    REAL caught = b * y.s * y.i;
    return (pair){-caught, caught - c * y.i};
}

INLINE pair along(pair y, REAL reach, pair k)
{
    return (pair){y.s + reach * k.s, y.i + reach * k.i};
}

/* One stage backward, as in ode.c; returns the adjoint of its point. */
INLINE pair back(REAL b, REAL c, REAL *b_bar, REAL *c_bar, pair at, REAL weight, pair y_bar,
                 REAL reach, pair point)
{
    REAL ks = weight * y_bar.s + reach * point.s, ki = weight * y_bar.i + reach * point.i;
    REAL caught = ki - ks;
    *b_bar += at.s * at.i * caught;
    *c_bar -= at.i * ki;
    return (pair){b * at.i * caught, b * at.s * caught - c * ki};
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t days = dims[0];
    const REAL *restrict x = in[0], *restrict cases = in[1];
    pair *restrict states = work;
    const REAL b = exp(x[0]), c = exp(x[1]), first = exp(x[2]), scale = PEOPLE * exp(x[3]);
    const REAL sixth = (REAL)1 / 6, third = (REAL)1 / 3;
    REAL total = 0;
    states[0] = (pair){1 - first, first};
    for (int64_t t = 0; t < days; t++) {
        pair y = states[t], k1 = slope(b, c, y);
        pair k2 = slope(b, c, along(y, 0.5, k1)), k3 = slope(b, c, along(y, 0.5, k2));
        pair k4 = slope(b, c, along(y, 1, k3));
        states[t + 1].s = y.s + sixth * (k1.s + 2 * k2.s + 2 * k3.s + k4.s);
        states[t + 1].i = y.i + sixth * (k1.i + 2 * k2.i + 2 * k3.i + k4.i);
    }
    for (int64_t t = 0; t < days; t++) {
        REAL mean = scale * (states[t].s - states[t + 1].s);
        total += mean - cases[t] * log(mean);
    }
    REAL b_bar = 0, c_bar = 0, scale_bar = 0;
    pair bar = {0, 0};
    for (int64_t t = days - 1; t >= 0; t--) {
        pair y = states[t];
        REAL mean = scale * (y.s - states[t + 1].s), mean_bar = 1 - cases[t] / mean;
        scale_bar += mean_bar * mean;
        bar.s -= mean_bar * scale;
        pair y2 = along(y, 0.5, slope(b, c, y)), y3 = along(y, 0.5, slope(b, c, y2));
        pair y4 = along(y, 1, slope(b, c, y3));
        pair p4 = back(b, c, &b_bar, &c_bar, y4, sixth, bar, 0, (pair){0, 0});
        pair p3 = back(b, c, &b_bar, &c_bar, y3, third, bar, 1, p4);
        pair p2 = back(b, c, &b_bar, &c_bar, y2, third, bar, 0.5, p3);
        pair p1 = back(b, c, &b_bar, &c_bar, y, sixth, bar, 0.5, p2);
        bar.s += p1.s + p2.s + p3.s + p4.s + mean_bar * scale;
        bar.i += p1.i + p2.i + p3.i + p4.i;
    }
    *(REAL *)out[0] = total;
    REAL *g = out[1];
    g[0] = b_bar * b;
    g[1] = c_bar * c;
    g[2] = (bar.i - bar.s) * first;
    g[3] = scale_bar;
}
