/* ADBench's hand: distances of points from the posed mesh, and their Jacobian in forward mode.

   A bone's transform depends on the three angles of itself and of the bones between it and the
   root: only these derivatives are carried, and only bones of nonzero weight enter a vertex. A
   point is C corners (one vertex, or the three of a triangle), whose weights and places are
   combined before the bones are applied, as all is linear in them.

   dims: N, simple, parents[22].  in: x[26 or 28], relative[22][4][4], inverse[22][4][4],
   weights[N][C][22], vertices[N][C][4], points[N][3] and, unless simple, u[N][2].
   out: distances[N][3], Jacobian[N][3][26 or 28]. */

#include "bench.h"

#define BONES 22
#define PARAMETERS 26
#define FIRST 6 /* of the angles of fingers, after global rotation and translation */
#define ANGLES (PARAMETERS - FIRST)

typedef REAL affine[3][4];
typedef const REAL (*matrix)[4];

typedef struct {
    affine absolute[BONES], ready[BONES];
    /* Of the bones that an angle turns: d absolute, then d ready, and whether there is one. */
    affine by_angle[BONES][ANGLES];
    int count[BONES], which[BONES][ANGLES];
} scratch;

static size_t work_bytes(const int64_t *dims)
{
    (void)dims;
    return sizeof(scratch);
}

/* c = a b, the last rows being (0, 0, 0, 1); of a derivative a, (0, 0, 0, 0). */
INLINE void times(REAL (*restrict c)[4], matrix a, matrix b, REAL last)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
            REAL sum = j == 3 ? last * a[i][3] : 0;
            for (int k = 0; k < 3; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

/* Turn about z after x; the third angle is always zero. d: what to differentiate by, 0 for x, 1
   for z, else nothing. */
INLINE void turned(affine r, REAL cx, REAL sx, REAL cz, REAL sz, int d)
{
    REAL ax = d == 0 ? -sx : cx, bx = d == 0 ? cx : sx;
    REAL az = d == 1 ? -sz : cz, bz = d == 1 ? cz : sz;
    const affine made = {{d == 0 ? 0 : az, -bz * ax, bz * bx, 0},
                         {d == 0 ? 0 : bz, az * ax, -az * bx, 0},
                         {0, d == 1 ? 0 : bx, d == 1 ? 0 : ax, 0}};
    memcpy(r, made, sizeof made);
}

/* Rotation by an axis times an angle, and its derivatives by the three components. */
static void rotation(const REAL *restrict a, REAL r[3][3], REAL dr[3][3][3])
{
    REAL square = a[0] * a[0] + a[1] * a[1] + a[2] * a[2], angle = sqrt(square);
    REAL c = cos(angle), s = sin(angle) / angle, q = (1 - c) / square;
    /* r = c I + s [a] + q a a'; derivatives of the coefficients by the square of the angle. */
    REAL cs = -s / 2, ss = (c - s) / (2 * square), qs = (s / 2 - q) / square;
    const REAL cross[3][3] = {{0, -a[2], a[1]}, {a[2], 0, -a[0]}, {-a[1], a[0], 0}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            REAL same = i == j;
            r[i][j] = c * same + s * cross[i][j] + q * a[i] * a[j];
            REAL along = 2 * (cs * same + ss * cross[i][j] + qs * a[i] * a[j]);
            for (int k = 0; k < 3; k++)
                dr[k][i][j] = along * a[k] + q * ((i == k) * a[j] + (j == k) * a[i]);
        }
    for (int k = 0; k < 3; k++) {
        int i = (k + 2) % 3, j = (k + 1) % 3;
        dr[k][i][j] += s;
        dr[k][j][i] -= s;
    }
}

static void pose(scratch *restrict s, const REAL *restrict theta,
                 const REAL (*restrict relative)[4][4], const REAL (*restrict inverse)[4][4],
                 const int64_t *restrict parents)
{
    int first[BONES], second[BONES]; /* parameters of the bone's angles about x and z, or -1 */
    for (int b = 0; b < BONES; b++)
        first[b] = second[b] = -1;
    for (int finger = 0, b = 2, at = FIRST; finger < 5; finger++, b += 4, at += 4) {
        first[b] = at, second[b] = at + 1, first[b + 1] = at + 2, first[b + 2] = at + 3;
    }
    for (int b = 0; b < BONES; b++) {
        const int parent = (int)parents[b];
        const REAL(*rest)[4] = relative[b];
        REAL cx = 1, sx = 0, cz = 1, sz = 0;
        if (first[b] >= 0)
            cx = cos(theta[first[b]]), sx = sin(theta[first[b]]);
        if (second[b] >= 0)
            cz = cos(theta[second[b]]), sz = sin(theta[second[b]]);
        affine turn, local;
        turned(turn, cx, sx, cz, sz, -1);
        times(local, rest, (matrix)turn, 1);
        if (parent < 0)
            memcpy(s->absolute[b], local, sizeof local);
        else
            times(s->absolute[b], (matrix)s->absolute[parent], (matrix)local, 1);
        s->count[b] = 0;
        for (int k = 0; parent >= 0 && k < s->count[parent]; k++) {
            int angle = s->which[b][s->count[b]++] = s->which[parent][k];
            times(s->by_angle[b][angle], (matrix)s->by_angle[parent][angle],
                  (matrix)local, 1);
        }
        for (int d = 0; d < 2; d++) {
            int parameter = d ? second[b] : first[b];
            if (parameter < 0)
                continue;
            int angle = s->which[b][s->count[b]++] = parameter - FIRST;
            turned(turn, cx, sx, cz, sz, d);
            times(local, rest, (matrix)turn, 0);
            times(s->by_angle[b][angle], (matrix)s->absolute[parent],
                  (matrix)local, 0);
        }
    }
    for (int b = 0; b < BONES; b++) {
        times(s->ready[b], (matrix)s->absolute[b], inverse[b], 1);
        for (int k = 0; k < s->count[b]; k++) {
            affine made;
            REAL(*d)[4] = s->by_angle[b][s->which[b][k]];
            times(made, (matrix)d, inverse[b], 1);
            memcpy(d, made, sizeof made);
        }
    }
}

INLINE void apply(REAL *restrict to, const REAL (*restrict m)[4], const REAL *restrict at)
{
    for (int i = 0; i < 3; i++)
        to[i] += m[i][0] * at[0] + m[i][1] * at[1] + m[i][2] * at[2] + m[i][3] * at[3];
}

INLINE void rotated(REAL *restrict to, int stride, const REAL (*restrict r)[3],
                    const REAL *restrict v)
{
    for (int i = 0; i < 3; i++)
        to[i * stride] = -(r[i][0] * v[0] + r[i][1] * v[1] + r[i][2] * v[2]);
}

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
{
    const int64_t n = dims[0];
    const int simple = (int)dims[1], corners = simple ? 1 : 3, shared = simple ? 0 : 2;
    const int columns = PARAMETERS + shared;
    const REAL *restrict x = in[0], *restrict theta = x + shared;
    const REAL *restrict weights = in[3], *restrict vertices = in[4], *restrict points = in[5];
    const REAL *restrict u = simple ? NULL : in[6];
    REAL *restrict distances = out[0], *restrict jacobian = out[1];
    scratch *s = work;
    pose(s, theta, in[1], in[2], dims + 2);
    REAL r[3][3], dr[3][3][3];
    rotation(theta, r, dr);
    memset(jacobian, 0, (size_t)n * 3 * (size_t)columns * sizeof(REAL));
    for (int64_t i = 0; i < n; i++) {
        REAL *restrict row = jacobian + i * 3 * columns;
        REAL place[3] = {1, 0, 0}, mesh[3] = {0, 0, 0}, at[3][3] = {{0}}, by[ANGLES][3];
        unsigned seen = 0;
        if (!simple) {
            place[0] = u[2 * i] + x[0], place[1] = u[2 * i + 1] + x[1];
            place[2] = 1 - place[0] - place[1];
        }
        for (int c = 0; c < corners; c++) {
            const REAL *restrict w = weights + (i * corners + c) * BONES;
            const REAL *restrict v = vertices + (i * corners + c) * 4;
            for (int b = 0; b < BONES; b++) {
                if (w[b] == 0)
                    continue;
                const REAL moved[4] = {w[b] * v[0], w[b] * v[1], w[b] * v[2], w[b] * v[3]};
                apply(at[c], (matrix)s->ready[b], moved);
                const REAL placed[4] = {place[c] * moved[0], place[c] * moved[1],
                                        place[c] * moved[2], place[c] * moved[3]};
                for (int k = 0; k < s->count[b]; k++) {
                    int angle = s->which[b][k];
                    if (!(seen >> angle & 1))
                        by[angle][0] = by[angle][1] = by[angle][2] = 0;
                    seen |= 1u << angle;
                    apply(by[angle], (matrix)s->by_angle[b][angle], placed);
                }
            }
            for (int j = 0; j < 3; j++)
                mesh[j] += place[c] * at[c][j];
        }
        rotated(distances + 3 * i, 1, (const REAL(*)[3])r, mesh);
        for (int j = 0; j < 3; j++)
            distances[3 * i + j] += points[3 * i + j] - theta[3 + j];
        for (int k = 0; k < shared; k++) {
            const REAL apart[3] = {at[k][0] - at[2][0], at[k][1] - at[2][1], at[k][2] - at[2][2]};
            rotated(row + k, columns, (const REAL(*)[3])r, apart);
        }
        for (int k = 0; k < 3; k++) {
            rotated(row + shared + k, columns, (const REAL(*)[3])dr[k], mesh);
            row[k * columns + shared + 3 + k] = -1;
        }
        for (int k = 0; k < ANGLES; k++)
            if (seen >> k & 1)
                rotated(row + shared + FIRST + k, columns, (const REAL(*)[3])r, by[k]);
    }
}
