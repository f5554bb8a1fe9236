/* Black's formula with all sensitivities, in one pass.

   dims: n.  in: expiry, forward, rate, strike, volatility, each [n].
   out: value[n], and the derivatives in the order of the inputs. */

#include "bench.h"

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t n = dims[0];
    const REAL *restrict expiry = in[0], *restrict forward = in[1], *restrict rate = in[2];
    const REAL *restrict strike = in[3], *restrict volatility = in[4];
    REAL *restrict price = out[0], *restrict by_expiry = out[1], *restrict by_forward = out[2];
    REAL *restrict by_rate = out[3], *restrict by_strike = out[4], *restrict by_vol = out[5];
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
