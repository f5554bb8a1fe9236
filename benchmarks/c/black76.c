/* Black's formula with all sensitivities, in one pass.

   dims: n.  in: expiry, forward, rate, strike, volatility, each [n].
   out: value[n], and the derivatives in the order of the inputs. */

#include "bench.h"

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

/* A function of its own: gcc trusts `restrict` of parameters, not of eleven local pointers. */
static void prices(int64_t n, const REAL *restrict expiry, const REAL *restrict forward,
                   const REAL *restrict rate, const REAL *restrict strike,
                   const REAL *restrict volatility, REAL *restrict price,
                   REAL *restrict by_expiry, REAL *restrict by_forward, REAL *restrict by_rate,
                   REAL *restrict by_strike, REAL *restrict by_vol)
{
    const REAL half = (REAL)0.70710678118654752440, peak = (REAL)0.39894228040143267794;
    for (int64_t i = 0; i < n; i++) {
        REAL f = forward[i], k = strike[i], t = expiry[i], v = volatility[i], r = rate[i];
        REAL root = sqrt(t), spread = v * root;
        REAL d1 = log(f / k) / spread + spread / 2;
        REAL n1 = erfc(-half * d1) / 2, n2 = erfc(-half * (d1 - spread)) / 2;
        REAL discount = exp(-r * t), value = discount * (f * n1 - k * n2);
        REAL vega = discount * f * peak * exp(-d1 * d1 / 2) * root;
        price[i] = value;
        by_forward[i] = discount * n1;
        by_strike[i] = -discount * n2;
        by_expiry[i] = vega * v / (2 * t) - r * value;
        by_vol[i] = vega;
        by_rate[i] = -t * value;
    }
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    prices(dims[0], in[0], in[1], in[2], in[3], in[4], out[0], out[1], out[2], out[3], out[4],
           out[5]);
}
