/* ADBench's bundle adjustment: errors and blocks of derivatives, by tiles of observations.

   Cameras and points of a tile are gathered component by component, so that the arithmetic
   vectorises over the observations; the blocks are transposed into their places at the end.

   dims: p.  in: cameras[n][11], points[m][3], weights[p], features[p][2], camera[p], point[p].
   out: errors[p][2], by_camera[p][2][11], by_point[p][2][3], by_weight[p][2], weight_error[p],
   weight_slope[p]. */

#include "bench.h"

#define TILE 64
#define CAMERA 11

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return 0;
}

/* c: camera, x: point, w: weight, f: feature; e: error, jc, jx, jw: its derivatives. */
static void tile_of(int m, REAL (*restrict c)[TILE], REAL (*restrict x)[TILE],
                    const REAL *restrict w, REAL (*restrict f)[TILE], REAL (*restrict e)[TILE],
                    REAL (*restrict jc)[CAMERA][TILE], REAL (*restrict jx)[3][TILE],
                    REAL (*restrict jw)[TILE])
{
    for (int i = 0; i < m; i++) {
        REAL a0 = c[0][i], a1 = c[1][i], a2 = c[2][i];
        REAL x0 = x[0][i] - c[3][i], x1 = x[1][i] - c[4][i], x2 = x[2][i] - c[5][i];
        REAL square = a0 * a0 + a1 * a1 + a2 * a2, none = square == 0, safe = none ? 1 : square;
        REAL angle = sqrt(safe);
        REAL cosine = none ? 1 : cos(angle), sine = none ? 1 : sin(angle) / angle;
        REAL rest = none ? (REAL)0.5 : (1 - cosine) / safe;
        /* Derivatives of the three coefficients by the square of the angle. */
        REAL cosine_s = none ? 0 : -sine / 2, sine_s = none ? 0 : (cosine - sine) / (2 * safe);
        REAL rest_s = none ? 0 : (sine / 2 - rest) / safe;
        REAL dot = a0 * x0 + a1 * x1 + a2 * x2;
        REAL n0 = a1 * x2 - a2 * x1, n1 = a2 * x0 - a0 * x2, n2 = a0 * x1 - a1 * x0;
        REAL p0 = x0 * cosine + n0 * sine + a0 * dot * rest;
        REAL p1 = x1 * cosine + n1 * sine + a1 * dot * rest;
        REAL p2 = x2 * cosine + n2 * sine + a2 * dot * rest;
        REAL inverse = 1 / p2, u = p0 * inverse, v = p1 * inverse, r = u * u + v * v;
        REAL focal = c[6][i], k1 = c[9][i], k2 = c[10][i], weight = w[i];
        REAL bend = 1 + k1 * r + k2 * r * r, bend_r = 2 * (k1 + 2 * k2 * r);
        REAL du = u * bend, dv = v * bend;
        REAL eu = du * focal + c[7][i] - f[0][i], ev = dv * focal + c[8][i] - f[1][i];
        e[0][i] = weight * eu, e[1][i] = weight * ev;
        jw[0][i] = eu, jw[1][i] = ev;
        REAL scale = weight * focal;
        jc[0][6][i] = weight * du, jc[1][6][i] = weight * dv;
        jc[0][7][i] = weight, jc[1][7][i] = 0;
        jc[0][8][i] = 0, jc[1][8][i] = weight;
        jc[0][9][i] = scale * u * r, jc[1][9][i] = scale * v * r;
        jc[0][10][i] = scale * u * r * r, jc[1][10][i] = scale * v * r * r;
        /* By the turned point: rows g of both errors. */
        REAL uu = scale * (bend + bend_r * u * u), uv = scale * bend_r * u * v;
        REAL vv = scale * (bend + bend_r * v * v);
        REAL g[2][3] = {{uu * inverse, uv * inverse, -(uu * u + uv * v) * inverse},
                        {uv * inverse, vv * inverse, -(uv * u + vv * v) * inverse}};
        /* By the rotation through the square of the angle: one direction for all three. */
        REAL s0 = 2 * (cosine_s * x0 + sine_s * n0 + rest_s * dot * a0);
        REAL s1 = 2 * (cosine_s * x1 + sine_s * n1 + rest_s * dot * a1);
        REAL s2 = 2 * (cosine_s * x2 + sine_s * n2 + rest_s * dot * a2);
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            REAL g0 = g[j][0], g1 = g[j][1], g2 = g[j][2];
            REAL along = g0 * s0 + g1 * s1 + g2 * s2, ga = rest * (g0 * a0 + g1 * a1 + g2 * a2);
            /* Of the cross product by its first and by its second factor. */
            jc[j][0][i] = along * a0 + sine * (g2 * x1 - g1 * x2) + rest * dot * g0 + ga * x0;
            jc[j][1][i] = along * a1 + sine * (g0 * x2 - g2 * x0) + rest * dot * g1 + ga * x1;
            jc[j][2][i] = along * a2 + sine * (g1 * x0 - g0 * x1) + rest * dot * g2 + ga * x2;
            REAL t0 = cosine * g0 + sine * (g1 * a2 - g2 * a1) + ga * a0;
            REAL t1 = cosine * g1 + sine * (g2 * a0 - g0 * a2) + ga * a1;
            REAL t2 = cosine * g2 + sine * (g0 * a1 - g1 * a0) + ga * a2;
            jx[j][0][i] = t0, jx[j][1][i] = t1, jx[j][2][i] = t2;
            jc[j][3][i] = -t0, jc[j][4][i] = -t1, jc[j][5][i] = -t2;
        }
    }
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    (void)work;
    const int64_t p = dims[0];
    const REAL *restrict cameras = in[0], *restrict points = in[1], *restrict weights = in[2];
    const REAL *restrict features = in[3];
    const int64_t *restrict camera = in[4], *restrict point = in[5];
    REAL *restrict errors = out[0], *restrict by_camera = out[1], *restrict by_point = out[2];
    REAL *restrict by_weight = out[3], *restrict weight_error = out[4], *restrict slope = out[5];
    for (int64_t row = 0; row < p; row += TILE) {
        const int m = (int)(p - row < TILE ? p - row : TILE);
        REAL c[CAMERA][TILE], x[3][TILE], f[2][TILE];
        REAL e[2][TILE], jc[2][CAMERA][TILE], jx[2][3][TILE], jw[2][TILE];
        for (int i = 0; i < m; i++) {
            for (int k = 0; k < CAMERA; k++)
                c[k][i] = cameras[camera[row + i] * CAMERA + k];
            for (int k = 0; k < 3; k++)
                x[k][i] = points[point[row + i] * 3 + k];
            f[0][i] = features[2 * (row + i)], f[1][i] = features[2 * (row + i) + 1];
        }
        tile_of(m, c, x, weights + row, f, e, jc, jx, jw);
        for (int i = 0; i < m; i++) {
            int64_t at = row + i;
            for (int j = 0; j < 2; j++) {
                errors[2 * at + j] = e[j][i];
                by_weight[2 * at + j] = jw[j][i];
                for (int k = 0; k < CAMERA; k++)
                    by_camera[(2 * at + j) * CAMERA + k] = jc[j][k][i];
                for (int k = 0; k < 3; k++)
                    by_point[(2 * at + j) * 3 + k] = jx[j][k][i];
            }
            weight_error[at] = 1 - weights[at] * weights[at];
            slope[at] = -2 * weights[at];
        }
    }
}
