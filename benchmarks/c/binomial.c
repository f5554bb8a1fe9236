/* A binomial regression of six parameters over forty counts.

   in: w[6], X[40][6], hits[40], trials[40].  out: value[1], gradient[6]. */

#include "bench.h"

#define ROWS 40
#define COLUMNS 6

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)dims, (void)work;
    const REAL *restrict w = in[0], *restrict X = in[1];
    const REAL *restrict hits = in[2], *restrict trials = in[3];
    REAL z[ROWS], bar[ROWS], g[COLUMNS], total = 0, square = 0;
    for (int i = 0; i < ROWS; i++) {
        z[i] = 0;
        for (int j = 0; j < COLUMNS; j++)
            z[i] += X[i * COLUMNS + j] * w[j];
    }
    for (int i = 0; i < ROWS; i++) {
        REAL e = exp(-fabs(z[i]));
        total += hits[i] * z[i] - trials[i] * ((z[i] > 0 ? z[i] : 0) + log(1 + e));
        bar[i] = hits[i] - trials[i] * (z[i] >= 0 ? 1 : e) / (1 + e);
    }
    for (int j = 0; j < COLUMNS; j++) {
        g[j] = -w[j] / 4;
        square += w[j] * w[j];
    }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            g[j] += bar[i] * X[i * COLUMNS + j];
    *(REAL *)out[0] = total - square / 8;
    memcpy(out[1], g, sizeof g);
}
