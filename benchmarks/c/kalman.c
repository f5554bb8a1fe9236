/* The local-level Kalman filter and its discrete adjoint.

   The forward sweep keeps error, variance and gain of each step.

   dims: steps.  in: x[3], y[steps].  out: value[1], gradient[3]. */

#include "bench.h"

typedef struct {
    REAL error, inverse, gain;
} kept;

static size_t work_bytes(const int64_t *dims) { return (size_t)dims[0] * sizeof(kept); }

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t steps = dims[0];
    const REAL *restrict x = in[0], *restrict y = in[1];
    kept *restrict step = work;
    const REAL noise = exp(x[0]), drift = exp(x[1]);
    REAL level = x[2], spread = 1, total = 0;
    for (int64_t i = 0; i < steps; i++) {
        REAL error = y[i] - level, variance = spread + noise, inverse = 1 / variance;
        REAL gain = spread * inverse;
        total += log(variance) + error * error * inverse;
        step[i] = (kept){error, inverse, gain};
        level += gain * error;
        spread = noise * gain + drift; /* spread (1 - gain) */
    }
    REAL level_bar = 0, spread_bar = 0, noise_bar = 0, drift_bar = 0;
    for (int64_t i = steps - 1; i >= 0; i--) {
        REAL scaled = step[i].error * step[i].inverse, gain = step[i].gain;
        drift_bar += spread_bar;
        REAL gain_bar = level_bar * step[i].error;
        /* With u = 1 - gain: d(gain) = u / variance d(spread) - gain / variance d(noise), and the
           next spread is noise * spread / variance, so it moves by u^2 and gain^2. */
        REAL u = 1 - gain, variance_bar = step[i].inverse - scaled * scaled;
        noise_bar += variance_bar - gain_bar * gain * step[i].inverse + spread_bar * gain * gain;
        spread_bar = variance_bar + gain_bar * u * step[i].inverse + spread_bar * u * u;
        level_bar = level_bar * u - 2 * scaled;
    }
    *(REAL *)out[0] = total / 2;
    REAL *g = out[1];
    g[0] = noise_bar / 2 * noise;
    g[1] = drift_bar / 2 * drift;
    g[2] = level_bar / 2;
}
