/* Eigenvalues of symmetric matrices, and exponentials.

     EIGH  r[d] = w, v     v diag(w) v' = r[a], w ascending, one triangle of r[a] read; w alone
                           without VECTORS
     EXPM  r[d] = exp(r[a])

   EIGH: Householder's reduction to three diagonals, then implicit QL steps with Wilkinson's shift
   (Golub and Van Loan, Matrix Computations, 4th ed., 8.3; Bowdler, Martin, Reinsch and Wilkinson,
   Numer. Math. 11 (1968)).

   EXPM: Pade approximants of degree 3 to 13, scaled and squared (Higham, SIAM J. Matrix Anal. Appl.
   26 (2005)).

   The file includes itself once per element type. */
#ifndef PBP_LINALG_BODY
#define PBP_LINALG_BODY

#define LINALG_SINGLE 0
#include "linalg_body.h"
#include "linalg_lu.h"

#include "kernels_linalg_eigen.c"

#undef LINALG_SINGLE
#define LINALG_SINGLE 1
#include "linalg_body.h"
#include "linalg_lu.h"

#include "kernels_linalg_eigen.c"

#else

/* ---- symmetric matrices ---- */

/* s (n x n, both triangles) to diagonal w and second diagonal e (e[i] beside w[i] and w[i+1]).
   Row k of s becomes the reflection that made e[k], from column k + 1 on; tau its factor. */
static pbp_status N(tridiagonal)(pbp_sweep *sweep, int64_t n, T *s, T *w, T *e, T *tau, T *y)
{
    for (int64_t k = 0; k < n; k++) {
        const int64_t rest = n - k - 1;
        T *v = s + k * n + k + 1, *part = s + (k + 1) * n + k + 1;
        w[k] = s[k * n + k];
        e[k] = tau[k] = 0;
        if (rest == 0) {
            break;
        }
        const T below = N(length)(rest - 1, v + 1, 1), alpha = v[0];
        e[k] = alpha;
        if (below == 0) {
            continue;
        }
        const T pair[2] = {alpha, below};
        const T beta = -FN(copysign)(N(length)(2, pair, 1), alpha);
        for (int64_t i = 1; i < rest; i++) {
            v[i] /= alpha - beta;
        }
        v[0] = 1;
        e[k] = beta;
        tau[k] = (beta - alpha) / beta;
        /* part -= v y' + y v', y = tau (part v - tau/2 (v' part v) v) */
        for (int64_t i = 0; i < rest; i++) {
            y[i] = tau[k] * N(dot)(rest, part + i * n, v);
        }
        N(axpy)(rest, (T)-0.5 * tau[k] * N(dot)(rest, y, v), v, y);
        for (int64_t i = 0; i < rest; i++) {
            T *row = part + i * n;
            const T p = -v[i], q = -y[i];
            for (int64_t j = 0; j < rest; j++) {
                row[j] = FMA(p, y[j], FMA(q, v[j], row[j]));
            }
        }
        if (pbp_sweep_poll(sweep, rest * rest / 2 + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* z = the transposed product of the reflections in s. */
static pbp_status N(gather_reflections)(pbp_sweep *sweep, int64_t n, const T *s, const T *tau, T *z)
{
    memset(z, 0, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; i++) {
        z[i * n + i] = 1;
    }
    for (int64_t k = n - 2; k >= 0; k--) {
        const int64_t rest = n - k - 1;
        const T *v = s + k * n + k + 1;
        T *part = z + (k + 1) * n + k + 1;
        if (tau[k] == 0) {
            continue;
        }
        /* Rows of z get v from the right. */
        for (int64_t i = 0; i < rest; i++) {
            N(axpy)(rest, -tau[k] * N(dot)(rest, part + i * n, v), v, part + i * n);
        }
        if (pbp_sweep_poll(sweep, rest * rest / 3 + 20) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* Diagonalises w, e; rows of z (or NULL) are rotated alike.  False where an eigenvalue takes more
   than 50 steps. */
static pbp_status N(ql)(pbp_sweep *sweep, int64_t n, T *w, T *e, T *z, bool *done)
{
    *done = false;
    for (int64_t l = 0; l < n; l++) {
        for (int steps = 0;; steps++) {
            int64_t m = l;
            for (; m < n - 1; m++) {
                const T beside = FN(fabs)(w[m]) + FN(fabs)(w[m + 1]);
                if (FN(fabs)(e[m]) <= EPSILON * beside) {
                    break;
                }
            }
            if (m == l) {
                break;
            }
            if (steps == 50) {
                return PBP_OK;
            }
            T g = (w[l + 1] - w[l]) / (2 * e[l]);
            T r = FN(hypot)(g, (T)1);
            g = w[m] - w[l] + e[l] / (g + FN(copysign)(r, g));
            T s = 1, c = 1, p = 0;
            int64_t i = m - 1;
            for (; i >= l; i--) {
                const T f = s * e[i], b = c * e[i];
                r = FN(hypot)(f, g);
                e[i + 1] = r;
                if (r == 0) {
                    w[i + 1] -= p;
                    e[m] = 0;
                    break;
                }
                s = f / r;
                c = g / r;
                g = w[i + 1] - p;
                r = (w[i] - g) * s + 2 * c * b;
                p = s * r;
                w[i + 1] = g + p;
                g = c * r - b;
                if (z != NULL) {
                    T *restrict x = z + i * n, *restrict y = z + (i + 1) * n;
                    for (int64_t j = 0; j < n; j++) {
                        const T u = x[j], v = y[j];
                        y[j] = FMA(s, u, c * v);
                        x[j] = FMA(c, u, -s * v);
                    }
                }
            }
            if (r == 0 && i >= l) {
                continue;
            }
            w[l] -= p;
            e[l] = g;
            e[m] = 0;
            if (pbp_sweep_poll(sweep, (m - l) * (z != NULL ? n / 2 + 20 : 20)) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
        }
    }
    *done = true;
    return PBP_OK;
}

KERNEL(pbp_eigh)
{
    ARGUMENTS;
    const int64_t mode = p[PBP_L_MODE];
    const bool vectors = (mode & PBP_VECTORS) != 0, upper = (mode & PBP_UPPER) != 0;
    T *const s = scratch, *const z = s + n * n, *const e = z + n * n, *const tau = e + n;
    T *const y = tau + n;
    for (int64_t g = 0; g < batch; g++) {
        const T *source = a + g * n * n;
        T *w = d + g * n, largest = 0;
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j <= i; j++) {
                const T v = upper ? source[j * n + i] : source[i * n + j], size = FN(fabs)(v);
                s[i * n + j] = s[j * n + i] = v;
                largest = size > largest || size != size ? size : largest;
            }
        }
        bool done = largest < (T)INFINITY;
        if (done) {
            const T scale = largest > 0 ? FN(ldexp)((T)1, ilogb((double)largest)) : (T)1;
            for (int64_t i = 0; i < n * n; i++) {
                s[i] /= scale;
            }
            CHECKED(N(tridiagonal)(sweep, n, s, w, e, tau, y));
            if (vectors) {
                CHECKED(N(gather_reflections)(sweep, n, s, tau, z));
            }
            CHECKED(N(ql)(sweep, n, w, e, vectors ? z : NULL, &done));
            for (int64_t i = 0; i < n; i++) {
                w[i] *= scale;
            }
        }
        if (!done) {
            return pbp_linalg_fail(sweep, g, "Eigenvalues did not converge");
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t least = i;
            for (int64_t j = i + 1; j < n; j++) {
                least = w[j] < w[least] ? j : least;
            }
            if (least != i) {
                N(exchange)(1, w + i, w + least);
                if (vectors) {
                    N(exchange)(n, z + i * n, z + least * n);
                }
            }
        }
        if (vectors) {
            T *v = d + batch * n + g * n * n;
            for (int64_t i = 0; i < n; i++) {
                for (int64_t j = 0; j < n; j++) {
                    v[j * n + i] = z[i * n + j];
                }
            }
        }
        if (pbp_sweep_poll(sweep, n * n + 100) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* ---- exponentials ---- */

/* Coefficients of the diagonal Pade approximants, and the norms up to which they are accurate. */
static const T N(pade)[5][14] = {
    {120, 60, 12, 1},
    {30240, 15120, 3360, 420, 30, 1},
    {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1},
    {(T)17643225600.0, (T)8821612800.0, (T)2075673600.0, 302702400, 30270240, 2162160, 110880, 3960,
     90, 1},
    {(T)64764752532480000.0, (T)32382376266240000.0, (T)7771770303897600.0, (T)1187353796428800.0,
     (T)129060195264000.0, (T)10559470521600.0, (T)670442572800.0, (T)33522128640.0,
     (T)1323241920.0, 40840800, 960960, 16380, 182, 1},
};
static const int N(pade_degree)[5] = {3, 5, 7, 9, 13};
#if LINALG_SINGLE
#define PADE_LAST 2
static const T N(pade_norm)[5] = {0.42587300f, 1.88015270f, 3.92572478f, 0, 0};
#else
#define PADE_LAST 4
static const T N(pade_norm)[5] = {1.495585217958292e-2, 2.539398330063230e-1, 9.504178996162932e-1,
                                  2.097847961257068, 5.371920351148152};
#endif

/* x: 6 n n elements and what large_lu and large_solve need. */
static pbp_status N(expm)(pbp_sweep *sweep, int64_t n, T *d, const T *a, T *x, void *room)
{
    const int64_t size = n * n;
    T *const s = x, *const square = s + size, *const power = square + size, *const u = power + size;
    T *const v = u + size, *const lu = v + size, *const scratch = lu + size + 2 * n;
    T norm = 0;
    for (int64_t j = 0; j < n; j++) {
        T sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += FN(fabs)(a[i * n + j]);
        }
        norm = sum > norm || sum != sum ? sum : norm;
    }
    if (!(norm < (T)INFINITY)) {
        for (int64_t i = 0; i < size; i++) {
            d[i] = (T)NAN;
        }
        return PBP_OK;
    }
    int which = 0, squarings = 0;
    while (which < PADE_LAST && norm > N(pade_norm)[which]) {
        which++;
    }
    T scale = 1;
    for (; norm * scale > N(pade_norm)[which]; squarings++) {
        scale *= (T)0.5;
    }
    for (int64_t i = 0; i < size; i++) {
        s[i] = a[i] * scale;
        u[i] = v[i] = 0;
    }
    const T *b = N(pade)[which];
    /* u: odd terms without their last factor s; v: even terms. */
    for (int64_t i = 0; i < n; i++) {
        u[i * n + i] = b[1];
        v[i * n + i] = b[0];
    }
    N(product)(sweep, n, n, n, square, n, s, n, 1, s, n, 1, 0, room);
    memcpy(power, square, (size_t)size * sizeof(T));
    for (int k = 2; k < N(pade_degree)[which]; k += 2) {
        N(axpy)(size, b[k], power, v);
        N(axpy)(size, b[k + 1], power, u);
        if (k + 2 < N(pade_degree)[which]) {
            N(product)(sweep, n, n, n, lu, n, power, n, 1, square, n, 1, 0, room);
            memcpy(power, lu, (size_t)size * sizeof(T));
        }
        if (pbp_sweep_poll(sweep, size * n / 10 + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    N(product)(sweep, n, n, n, power, n, s, n, 1, u, n, 1, 0, room);
    for (int64_t i = 0; i < size; i++) {
        u[i] = v[i] + power[i];
        v[i] -= power[i];
    }
    CHECKED(N(large_lu)(sweep, n, lu, v, scratch, room));
    N(large_solve)(sweep, n, n, lu, false, d, u, scratch, room);
    for (; squarings > 0; squarings--) {
        N(product)(sweep, n, n, n, u, n, d, n, 1, d, n, 1, 0, room);
        memcpy(d, u, (size_t)size * sizeof(T));
        if (pbp_sweep_poll(sweep, size * n / 10 + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}
#undef PADE_LAST

KERNEL(pbp_expm)
{
    ARGUMENTS;
    for (int64_t g = 0; g < batch; g++) {
        CHECKED(N(expm)(sweep, n, d + g * n * n, a + g * n * n, scratch, room));
    }
    return PBP_OK;
}

#endif
