/* Lotka-Volterra by classical Runge-Kutta steps, misfit to observations, and its discrete adjoint.

   The forward sweep keeps the state before each step; the reverse sweep computes the four stages
   of a step again, which is cheaper than to load them.

   dims: steps.  in: x[6] = a, b, c, d, u0, v0; u_observed[steps], v_observed[steps].
   out: value[1], gradient[6]. */

#include "bench.h"

#define H ((REAL)0.05)

typedef struct {
    REAL u, v;
} pair;

typedef struct {
    REAL a, b, c, d;
} rates;

static size_t work_bytes(const int64_t *dims) { return (size_t)dims[0] * sizeof(pair); }

INLINE pair slope(rates p, pair y)
{
    REAL uv = y.u * y.v;
    return (pair){p.a * y.u - p.b * uv, p.d * uv - p.c * y.v};
}

INLINE pair step_along(pair y, REAL reach, pair k)
{
    return (pair){y.u + reach * k.u, y.v + reach * k.v};
}

/* One stage backward: k_bar = weight * y_bar + reach * point_bar; returns the point's adjoint. */
INLINE pair stage_back(rates p, rates *bar, pair at, REAL weight, pair y_bar, REAL reach,
                       pair point_bar)
{
    REAL ku = weight * y_bar.u + reach * point_bar.u;
    REAL kv = weight * y_bar.v + reach * point_bar.v;
    REAL uv = at.u * at.v;
    bar->a += at.u * ku;
    bar->b -= uv * ku;
    bar->c -= at.v * kv;
    bar->d += uv * kv;
    return (pair){(p.a - p.b * at.v) * ku + p.d * at.v * kv,
                  (p.d * at.u - p.c) * kv - p.b * at.u * ku};
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t steps = dims[0];
    const REAL *x = in[0];
    const REAL *restrict uo = in[1], *restrict vo = in[2];
    pair *restrict states = work;
    const rates p = {x[0], x[1], x[2], x[3]};
    pair y = {x[4], x[5]};
    REAL total = 0;
    for (int64_t i = 0; i < steps; i++) {
        states[i] = y;
        pair k1 = slope(p, y);
        pair k2 = slope(p, step_along(y, H / 2, k1));
        pair k3 = slope(p, step_along(y, H / 2, k2));
        pair k4 = slope(p, step_along(y, H, k3));
        y.u += H / 6 * (k1.u + 2 * k2.u + 2 * k3.u + k4.u);
        y.v += H / 6 * (k1.v + 2 * k2.v + 2 * k3.v + k4.v);
        REAL du = y.u - uo[i], dv = y.v - vo[i];
        total += du * du + dv * dv;
    }
    rates bar = {0, 0, 0, 0};
    pair y_bar = {0, 0};
    for (int64_t i = steps - 1; i >= 0; i--) {
        y_bar.u += 2 * (y.u - uo[i]) / steps;
        y_bar.v += 2 * (y.v - vo[i]) / steps;
        y = states[i];
        pair y2 = step_along(y, H / 2, slope(p, y));
        pair y3 = step_along(y, H / 2, slope(p, y2));
        pair y4 = step_along(y, H, slope(p, y3));
        pair p4 = stage_back(p, &bar, y4, H / 6, y_bar, 0, (pair){0, 0});
        pair p3 = stage_back(p, &bar, y3, H / 3, y_bar, H, p4);
        pair p2 = stage_back(p, &bar, y2, H / 3, y_bar, H / 2, p3);
        pair p1 = stage_back(p, &bar, y, H / 6, y_bar, H / 2, p2);
        y_bar.u += p1.u + p2.u + p3.u + p4.u;
        y_bar.v += p1.v + p2.v + p3.v + p4.v;
    }
    *(REAL *)out[0] = total / steps;
    REAL *g = out[1];
    g[0] = bar.a;
    g[1] = bar.b;
    g[2] = bar.c;
    g[3] = bar.d;
    g[4] = y_bar.u;
    g[5] = y_bar.v;
}
