/* Orthogonal factors of matrices: QR by Householder reflections, singular values.

     QR   r[d] = q, r      q with orthonormal columns, r upper triangular, q r = r[a]
     SVD  r[d] = s, u, vt  u diag(s) vt = r[a], s descending; s alone without VECTORS

   QR: reflections of 32 columns at a time are gathered into I - v t v' and applied by the core's
   products (Schreiber and Van Loan, SIAM J. Sci. Stat. Comput. 10 (1989)); signs are LAPACK's.

   SVD: QR of a (of its transpose, if it is wide). Up to 32 x 32, Jacobi's rotations of pairs of rows
   of r until all are orthogonal (Hestenes, J. SIAM 6 (1958); Drmac and Veselic, SIAM J. Matrix Anal.
   Appl. 29 (2008)), which finds tiny singular values as accurately as r has them; beyond, two
   diagonals and QR steps, see linalg_bidiagonal.h.

   The file includes itself once per element type. */
#ifndef PBP_LINALG_BODY
#define PBP_LINALG_BODY

#define LINALG_SINGLE 0
#include "linalg_body.h"
#include "linalg_bidiagonal.h"

#include "kernels_linalg_orthogonal.c"

#undef LINALG_SINGLE
#define LINALG_SINGLE 1
#include "linalg_body.h"
#include "linalg_bidiagonal.h"

#include "kernels_linalg_orthogonal.c"

#else

/* ---- QR ---- */

/* Makes a reflection I - tau v v' that maps x to beta e1; v[0] is 1 and not stored, beta is. */
INLINE T N(reflector)(int64_t n, T *x)
{
    const T rest = N(length)(n - 1, x + 1, 1), alpha = x[0];
    if (rest == 0) {
        return 0;
    }
    const T pair[2] = {alpha, rest};
    const T beta = -FN(copysign)(N(length)(2, pair, 1), alpha);
    for (int64_t i = 1; i < n; i++) {
        x[i] /= alpha - beta;
    }
    x[0] = beta;
    return (beta - alpha) / beta;
}

/* What a factored matrix consists of: per panel of columns from k on, v transposed with its ones
   and zeros (width x rows, rows = m - k) and t (BLOCK x BLOCK). */
typedef struct N(reflections) {
    int64_t m, steps;
    T *v, *t;
} N(reflections);

INLINE T *N(panel_v)(const N(reflections) * h, int64_t k)
{
    return h->v + k * h->m;
}

INLINE T *N(panel_t)(const N(reflections) * h, int64_t k)
{
    return h->t + k * BLOCK;
}

/* c = (I - v t v') c, or with t' for t: rows m - k of c, `columns` of them.  w: 2 BLOCK columns. */
static void N(reflect)(const pbp_sweep *sweep, const N(reflections) * h, int64_t k, bool transposed,
                       int64_t columns, T *c, int64_t c_row, T *w, void *room)
{
    const int64_t rows = h->m - k, width = LESS(BLOCK, h->steps - k);
    const T *v = N(panel_v)(h, k), *t = N(panel_t)(h, k);
    T *y = w + BLOCK * columns;
    N(product)(sweep, width, columns, rows, w, columns, v, rows, 1, c, c_row, 1, 0, room);
    N(product)(sweep, width, columns, width, y, columns, t, transposed ? 1 : BLOCK,
               transposed ? BLOCK : 1, w, columns, 1, 0, room);
    N(scale)(width * columns, (T)-1, y);
    N(product)(sweep, rows, columns, width, c, c_row, v, 1, rows, y, columns, 1, 1, room);
}

/* a (m x n) becomes r in its first steps = min(m, n) rows; what is below them is rubbish. */
static pbp_status N(factor)(pbp_sweep *sweep, N(reflections) * h, int64_t n, T *a, T *w, void *room)
{
    const int64_t m = h->m;
    h->steps = LESS(m, n);
    for (int64_t k = 0; k < h->steps; k += BLOCK) {
        const int64_t rows = m - k, width = LESS(BLOCK, h->steps - k), rest = n - k - width;
        T *v = N(panel_v)(h, k), *t = N(panel_t)(h, k);
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < width; j++) {
                v[j * rows + i] = a[(k + i) * n + k + j];
            }
        }
        for (int64_t j = 0; j < width; j++) {
            T *x = v + j * rows;
            const T tau = N(reflector)(rows - j, x + j);
            for (int64_t i = 0; i <= j; i++) {
                a[(k + i) * n + k + j] = x[i];
                x[i] = 0;
            }
            x[j] = 1;
            for (int64_t l = j + 1; l < width; l++) {
                T *y = v + l * rows + j;
                N(axpy)(rows - j, -tau * N(dot)(rows - j, x + j, y), x + j, y);
            }
            for (int64_t i = 0; i < BLOCK; i++) {
                t[i * BLOCK + j] = 0;
            }
            /* The column of t above its diagonal: -tau t (v' x). */
            T along[BLOCK];
            for (int64_t i = 0; i < j; i++) {
                along[i] = -tau * N(dot)(rows - j, v + i * rows + j, x + j);
            }
            for (int64_t i = 0; i < j; i++) {
                T s = 0;
                for (int64_t l = i; l < j; l++) {
                    s = FMA(t[i * BLOCK + l], along[l], s);
                }
                t[i * BLOCK + j] = s;
            }
            t[j * BLOCK + j] = tau;
        }
        N(reflect)(sweep, h, k, true, rest, a + k * n + k + width, n, w, room);
        if (pbp_sweep_poll(sweep, rows * width * (8 + rest / 4) + 100) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* q (m x columns) = the first columns of the product of all reflections. */
static pbp_status N(make_q)(pbp_sweep *sweep, const N(reflections) * h, int64_t columns, T *q, T *w,
                            void *room)
{
    memset(q, 0, (size_t)(h->m * columns) * sizeof(T));
    for (int64_t i = 0; i < LESS(h->m, columns); i++) {
        q[i * columns + i] = 1;
    }
    for (int64_t k = (h->steps - 1) / BLOCK * BLOCK; h->steps > 0 && k >= 0; k -= BLOCK) {
        N(reflect)(sweep, h, k, false, columns - k, q + k * columns + k, columns, w, room);
        if (pbp_sweep_poll(sweep, (h->m - k) * BLOCK * (8 + columns / 4) + 100) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

INLINE N(reflections) N(reflections_in)(int64_t m, int64_t n, T **scratch)
{
    const int64_t steps = LESS(m, n);
    N(reflections) h = {m, steps, *scratch, *scratch + m * steps};
    *scratch += m * steps + (steps + BLOCK) * BLOCK;
    return h;
}

KERNEL(pbp_qr)
{
    ARGUMENTS;
    const int64_t m = p[PBP_L_M], k = p[PBP_L_K], rows = k > 0 ? k : LESS(m, n);
    T *at = scratch;
    N(reflections) h = N(reflections_in)(m, n, &at);
    T *const x = at, *const w = at + m * n;
    T *const r = d + batch * m * k;
    for (int64_t g = 0; g < batch; g++) {
        const T *source = a + g * m * n;
        T largest = 0;
        for (int64_t i = 0; i < m * n; i++) {
            largest = FN(fabs)(source[i]) > largest ? FN(fabs)(source[i]) : largest;
        }
        /* Where squares or quotients would leave the range of normal numbers, it is scaled. */
        const bool tiny = largest > 0 && largest < TINY / EPSILON;
        const T scale = tiny ? FN(ldexp)((T)1, ilogb((double)largest)) : (T)1;
        for (int64_t i = 0; i < m * n; i++) {
            x[i] = tiny ? source[i] / scale : source[i];
        }
        CHECKED(N(factor)(sweep, &h, n, x, w, room));
        T *out = r + g * rows * n;
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < n; j++) {
                out[i * n + j] = j < i || i >= h.steps ? (T)0 : x[i * n + j] * scale;
            }
        }
        if (k > 0) {
            CHECKED(N(make_q)(sweep, &h, k, d + g * m * k, w, room));
        }
    }
    return PBP_OK;
}

/* ---- singular values ---- */

/* Rotates rows x and y: x = c x - s y, y = s x + c y. */
INLINE void N(rotate)(int64_t n, T c, T s, T *restrict x, T *restrict y)
{
    for (int64_t i = 0; i < n; i++) {
        const T u = x[i], v = y[i];
        x[i] = FMA(c, u, -s * v);
        y[i] = FMA(s, u, c * v);
    }
}

/* Rotates the rows of x (k x k) until they are orthogonal, and those of z alike (or z is NULL).
   norms gets their squares.  False if 60 sweeps are not enough. */
static pbp_status N(orthogonalise)(pbp_sweep *sweep, int64_t k, T *x, T *z, T *norms, bool *done)
{
    const T tolerance = EPSILON * MORE((T)4, FN(sqrt)((T)k));
    *done = false;
    for (int sweeps = 0; sweeps < 60 && !*done; sweeps++) {
        *done = true;
        for (int64_t i = 0; i < k; i++) {
            norms[i] = N(dot)(k, x + i * k, x + i * k);
        }
        for (int64_t i = 0; i < k - 1; i++) {
            for (int64_t j = i + 1; j < k; j++) {
                T *u = x + i * k, *v = x + j * k;
                const T along = N(dot)(k, u, v), p = norms[i], q = norms[j];
                if (p < q) {
                    /* The larger first: sorts, and converges faster (de Rijk). */
                    for (int64_t l = 0; l < k; l++) {
                        const T first = u[l];
                        u[l] = v[l];
                        v[l] = -first;
                    }
                    if (z != NULL) {
                        for (int64_t l = 0; l < k; l++) {
                            const T first = z[i * k + l];
                            z[i * k + l] = z[j * k + l];
                            z[j * k + l] = -first;
                        }
                    }
                    norms[i] = q;
                    norms[j] = p;
                }
                const T signed_along = p < q ? -along : along;
                if (FN(fabs)(along) <= tolerance * FN(sqrt)(p) * FN(sqrt)(q) ||
                    !(LESS(p, q) > TINY)) {
                    continue;
                }
                *done = false;
                const T zeta = (norms[j] - norms[i]) / (2 * signed_along);
                const T t =
                    FN(copysign)((T)1, zeta) / (FN(fabs)(zeta) + FN(sqrt)(FMA(zeta, zeta, (T)1)));
                const T c = (T)1 / FN(sqrt)(FMA(t, t, (T)1)), s = c * t;
                N(rotate)(k, c, s, u, v);
                if (z != NULL) {
                    N(rotate)(k, c, s, z + i * k, z + j * k);
                }
                norms[i] = FMA(-t, signed_along, norms[i]);
                norms[j] = FMA(t, signed_along, norms[j]);
                norms[i] = MORE(norms[i], 0);
                norms[j] = MORE(norms[j], 0);
            }
            if (pbp_sweep_poll(sweep, (k - i) * k + 20) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
        }
    }
    return PBP_OK;
}

/* Rows of x from `rank` on become orthonormal to all rows before them. */
static void N(complete)(int64_t k, int64_t rank, T *x)
{
    int64_t next = 0;
    for (int64_t i = rank; i < k; i++) {
        T *row = x + i * k;
        for (; next < k; next++) {
            memset(row, 0, (size_t)k * sizeof(T));
            row[next] = 1;
            for (int twice = 0; twice < 2; twice++) {
                for (int64_t j = 0; j < i; j++) {
                    N(axpy)(k, -N(dot)(k, x + j * k, row), x + j * k, row);
                }
                const T length = N(length)(k, row, 1);
                if (length < (T)0.5 / FN(sqrt)((T)k) && twice == 0) {
                    break;
                }
                N(scale)(k, (T)1 / length, row);
                if (twice == 1) {
                    next++;
                    goto found;
                }
            }
        }
    found:;
    }
}

static void N(transpose)(int64_t rows, int64_t columns, T *restrict d, const T *restrict a)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++) {
            d[j * rows + i] = a[i * columns + j];
        }
    }
}

/* s, u, vt of a; u and vt may be NULL.  `full`: they are square. */
static pbp_status N(one_svd)(pbp_sweep *sweep, int64_t m, int64_t n, bool full, const T *a, T *s,
                             T *u, T *vt, T *scratch, void *room, bool *done)
{
    /* b, tall: a or its transpose.  Its QR has q (tall x k or tall x tall). */
    const bool wide = m < n;
    const int64_t tall = MORE(m, n), k = LESS(m, n), q_columns = full ? tall : k;
    T *at = scratch;
    N(reflections) h = N(reflections_in)(tall, k, &at);
    T *const b = at, *const q = b + tall * k, *const x = q + tall * q_columns;
    T *const z = x + k * k, *const norms = z + k * k, *const w = norms + k;
    T largest = 0;
    for (int64_t i = 0; i < m * n; i++) {
        const T v = FN(fabs)(a[i]);
        largest = v > largest || v != v ? v : largest;
    }
    *done = largest < (T)INFINITY;
    if (!*done) {
        return PBP_OK;
    }
    const T scale = largest > 0 ? FN(ldexp)((T)1, ilogb((double)largest)) : (T)1;
    if (wide) {
        N(transpose)(m, n, b, a);
    } else {
        memcpy(b, a, (size_t)(m * n) * sizeof(T));
    }
    for (int64_t i = 0; i < m * n; i++) {
        b[i] /= scale;
    }
    CHECKED(N(factor)(sweep, &h, k, b, w, room));
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++) {
            x[i * k + j] = j < i ? (T)0 : b[i * k + j];
            z[i * k + j] = i == j;
        }
    }
    /* r = z' diag(norms) y; rows of y end up in x. */
    int64_t rank = k;
    const bool jacobi = k <= BLOCK;
    if (jacobi) {
        CHECKED(N(orthogonalise)(sweep, k, x, u != NULL ? z : NULL, norms, done));
        for (int64_t i = 0; i < k; i++) {
            norms[i] = N(length)(k, x + i * k, 1);
        }
    } else {
        T *const left = w, *const e = left + k * k, *const tau = e + k, *const row = tau + 2 * k;
        CHECKED(N(bidiagonal)(sweep, k, x, left, norms, e, tau, row));
        if (u != NULL) {
            CHECKED(N(transposed_product)(sweep, k, 0, left, tau, z));
            CHECKED(N(transposed_product)(sweep, k, 1, x, tau + k, left));
            memcpy(x, left, (size_t)(k * k) * sizeof(T));
        }
        CHECKED(
            N(diagonalise)(sweep, k, norms, e, u != NULL ? z : NULL, u != NULL ? x : NULL, done));
    }
    for (int64_t i = 0; i < k; i++) {
        int64_t most = i;
        for (int64_t j = i + 1; j < k; j++) {
            most = norms[j] > norms[most] ? j : most;
        }
        if (most != i) {
            N(exchange)(1, norms + i, norms + most);
            N(exchange)(k, x + i * k, x + most * k);
            N(exchange)(k, z + i * k, z + most * k);
        }
    }
    if (jacobi) {
        rank = 0;
    }
    for (int64_t i = 0; i < k; i++) {
        s[i] = norms[i] * scale;
        if (jacobi && norms[i] > EPSILON * EPSILON * norms[0] && norms[i] > TINY) {
            N(scale)(k, (T)1 / norms[i], x + i * k);
            rank = i + 1;
        }
    }
    if (u == NULL) {
        return PBP_OK;
    }
    N(complete)(k, rank, x);
    CHECKED(N(make_q)(sweep, &h, q_columns, q, w, room));
    /* b = (q z') diag(s) y: the long vectors are q z', the short ones y; for a tall a these are u
       and vt, for a wide one vt' and u'. */
    const int64_t rest = q_columns - k;
    if (!wide) {
        N(product)(sweep, m, k, k, u, q_columns, q, q_columns, 1, z, 1, k, 0, room);
        for (int64_t i = 0; i < m && rest > 0; i++) {
            memcpy(u + i * q_columns + k, q + i * q_columns + k, (size_t)rest * sizeof(T));
        }
        memcpy(vt, x, (size_t)(k * k) * sizeof(T));
    } else {
        N(product)(sweep, k, n, k, vt, n, z, k, 1, q, 1, q_columns, 0, room);
        for (int64_t i = 0; i < rest; i++) {
            for (int64_t j = 0; j < n; j++) {
                vt[(k + i) * n + j] = q[j * q_columns + k + i];
            }
        }
        N(transpose)(k, k, u, x);
    }
    return PBP_OK;
}

KERNEL(pbp_svd)
{
    ARGUMENTS;
    const int64_t m = p[PBP_L_M], k = LESS(m, n), mode = p[PBP_L_MODE];
    const bool full = (mode & PBP_FULL) != 0, vectors = (mode & PBP_VECTORS) != 0;
    const int64_t u_columns = full ? m : k, v_rows = full ? n : k;
    T *const u = d + batch * k, *const vt = vectors ? u + batch * m * u_columns : u;
    for (int64_t g = 0; g < batch; g++) {
        bool done;
        CHECKED(N(one_svd)(sweep, m, n, full, a + g * m * n, d + g * k,
                           vectors ? u + g * m * u_columns : NULL,
                           vectors ? vt + g * v_rows * n : NULL, scratch, room, &done));
        if (!done) {
            return pbp_linalg_fail(sweep, g, "SVD did not converge");
        }
    }
    return PBP_OK;
}

#endif
