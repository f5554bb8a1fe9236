/* The kernel sum over all pairs, each pair once.

   dims: n.  in: x[n][3], w[n].  out: value[1], gradient[n][3]. */

#include "bench.h"

#define PRECISION ((REAL)0.7)

static size_t work_bytes(const int64_t *dims) { return (size_t)dims[0] * 7 * sizeof(REAL); }

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t n = dims[0];
    const REAL *restrict x = in[0], *restrict w = in[1];
    /* Coordinates apart, so that the loop over the second point vectorises. */
    REAL *restrict px = work, *restrict py = px + n, *restrict pz = py + n;
    REAL *restrict gx = pz + n, *restrict gy = gx + n, *restrict gz = gy + n;
    REAL *restrict g = out[1], total = 0;
    for (int64_t i = 0; i < n; i++) {
        px[i] = x[3 * i], py[i] = x[3 * i + 1], pz[i] = x[3 * i + 2];
        gx[i] = gy[i] = gz[i] = 0;
        total += w[i] * w[i];
    }
    for (int64_t i = 1; i < n; i++) {
        REAL sum = 0, sx = 0, sy = 0, sz = 0;
        for (int64_t j = 0; j < i; j++) {
            REAL dx = px[i] - px[j], dy = py[i] - py[j], dz = pz[i] - pz[j];
            REAL k = w[j] * w[i] * exp(-PRECISION * (dx * dx + dy * dy + dz * dz));
            sum += k;
            sx += k * dx;
            sy += k * dy;
            sz += k * dz;
            gx[j] += k * dx;
            gy[j] += k * dy;
            gz[j] += k * dz;
        }
        total += 2 * sum;
        gx[i] -= sx;
        gy[i] -= sy;
        gz[i] -= sz;
    }
    *(REAL *)out[0] = total;
    for (int64_t i = 0; i < n; i++) {
        g[3 * i] = 4 * PRECISION * gx[i];
        g[3 * i + 1] = 4 * PRECISION * gy[i];
        g[3 * i + 2] = 4 * PRECISION * gz[i];
    }
}
