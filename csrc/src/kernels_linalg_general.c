/* Eigenvalues of general matrices.

     EIG   r[d] = re w, im w, re v, im v     r[a] v = v diag(w); w alone without VECTORS

   Complex ones (COMPLEX) come as their real part above their imaginary one, see
   linalg_eig_complex.h.  A real matrix is permuted and balanced by powers of two, brought to Hessenberg form by reflections and to Schur
   form (blocks of one and two on the diagonal) by implicit double-shift QR steps; eigenvectors come
   from the triangle by back-substitution (Golub and Van Loan, Matrix Computations, 4th ed., 7.4 to
   7.6; Parlett and Reinsch, Numer. Math. 13 (1969); Peters and Wilkinson, Numer. Math. 16 (1970)).
   Eigenvalues stand in the order of the Schur form, of a pair that with positive imaginary part
   first.  Vectors have length 1 and a largest element that is real and positive.

   The file includes itself once per element type. */
#ifndef PBP_LINALG_BODY
#define PBP_LINALG_BODY

#define LINALG_SINGLE 0
#include "linalg_body.h"

#include "kernels_linalg_general.c"

#undef LINALG_SINGLE
#define LINALG_SINGLE 1
#include "linalg_body.h"

#include "kernels_linalg_general.c"

#else

/* Rows and columns i and j exchanged. */
static void N(exchange_both)(int64_t n, T *h, T *order, int64_t i, int64_t j)
{
    if (i == j) {
        return;
    }
    N(exchange)(1, order + i, order + j);
    N(exchange)(n, h + i * n, h + j * n);
    for (int64_t k = 0; k < n; k++) {
        N(exchange)(1, h + k * n + i, h + k * n + j);
    }
}

/* Whether row i (step 1) or column i (step n) of the block low to high is zero off the diagonal. */
static bool N(alone)(int64_t n, const T *h, int64_t i, int64_t step, int64_t low, int64_t high)
{
    for (int64_t j = low; j <= high; j++) {
        if (j != i && h[i * (n + 1 - step) + j * step] != 0) {
            return false;
        }
    }
    return true;
}

/* Rows and columns in an order in which eigenvalues that stand alone come first and last: a
   triangle around a block.  order says where each was. */
static pbp_status N(isolate)(pbp_sweep *sweep, int64_t n, T *h, T *order)
{
    int64_t low = 0, high = n - 1;
    for (int64_t i = 0; i < n; i++) {
        order[i] = (T)i;
    }
    for (int64_t i = high; i >= 0;) {
        if (!N(alone)(n, h, i, 1, 0, high)) {
            i--;
            continue;
        }
        N(exchange_both)(n, h, order, i, high);
        i = --high;
        if (pbp_sweep_poll(sweep, 4 * n) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    for (int64_t i = low; i <= high;) {
        if (!N(alone)(n, h, i, n, low, high)) {
            i++;
            continue;
        }
        N(exchange_both)(n, h, order, i, low);
        i = ++low;
        if (pbp_sweep_poll(sweep, 4 * n) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* h = d^-1 h d with powers of two d that make rows and columns of like length.  The diagonal counts:
   else a matrix that is a triangle but for rounding is scaled until its rounding is all that is seen
   (James, Langou and Lowery, On matrix balancing and eigenvector computation, 2014). */
static void N(balance)(int64_t n, T *h, T *scale)
{
    const T least = FN(sqrt)(TINY), most = 1 / least;
    bool changed = true;
    for (int64_t i = 0; i < n; i++) {
        scale[i] = 1;
    }
    for (int round = 0; changed && round < 50; round++) {
        changed = false;
        for (int64_t i = 0; i < n; i++) {
            T column = 0, row = 0;
            for (int64_t j = 0; j < n; j++) {
                column += FN(fabs)(h[j * n + i]);
                row += FN(fabs)(h[i * n + j]);
            }
            if (column < TINY || row < TINY) {
                continue;
            }
            const T before = column + row;
            T f = 1;
            for (; column < row / 2 && scale[i] * f < most; f *= 2) {
                column *= 2, row /= 2;
            }
            for (; column >= row * 2 && scale[i] * f > least; f /= 2) {
                column /= 2, row *= 2;
            }
            if (f == 1 || column + row >= (T)0.95 * before) {
                continue;
            }
            changed = true;
            scale[i] *= f;
            for (int64_t j = 0; j < n; j++) {
                h[i * n + j] /= f;
            }
            for (int64_t j = 0; j < n; j++) {
                h[j * n + i] *= f;
            }
        }
    }
}

/* h to Hessenberg form q' h q; rows of z (or NULL) become those of q'.  v: n n elements for the
   reflections, y: n. */
static pbp_status N(hessenberg)(pbp_sweep *sweep, int64_t n, T *h, T *z, T *v, T *tau, T *y)
{
    for (int64_t k = 0; k + 2 < n; k++) {
        const int64_t rest = n - k - 1;
        T *const x = v + k * n + k + 1;
        tau[k] = 0;
        for (int64_t i = 0; i < rest; i++) {
            x[i] = h[(k + 1 + i) * n + k];
        }
        const T below = N(length)(rest - 1, x + 1, 1);
        if (below == 0) {
            continue;
        }
        const T pair[2] = {x[0], below};
        const T beta = -FN(copysign)(N(length)(2, pair, 1), x[0]);
        tau[k] = (beta - x[0]) / beta;
        const T head = x[0] - beta;
        x[0] = 1;
        for (int64_t i = 1; i < rest; i++) {
            x[i] /= head;
        }
        h[(k + 1) * n + k] = beta;
        for (int64_t i = k + 2; i < n; i++) {
            h[i * n + k] = 0;
        }
        memset(y, 0, (size_t)rest * sizeof(T));
        for (int64_t i = 0; i < rest; i++) {
            N(axpy)(rest, x[i], h + (k + 1 + i) * n + k + 1, y);
        }
        for (int64_t i = 0; i < rest; i++) {
            N(axpy)(rest, -tau[k] * x[i], y, h + (k + 1 + i) * n + k + 1);
        }
        for (int64_t i = 0; i < n; i++) {
            T *const row = h + i * n + k + 1;
            N(axpy)(rest, -tau[k] * N(dot)(rest, row, x), x, row);
        }
        if (pbp_sweep_poll(sweep, rest * n / 2 + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    if (z == NULL) {
        return PBP_OK;
    }
    memset(z, 0, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; i++) {
        z[i * n + i] = 1;
    }
    for (int64_t k = n - 3; k >= 0; k--) {
        const int64_t rest = n - k - 1;
        const T *const x = v + k * n + k + 1;
        for (int64_t i = k + 1; tau[k] != 0 && i < n; i++) {
            T *const row = z + i * n + k + 1;
            N(axpy)(rest, -tau[k] * N(dot)(rest, row, x), x, row);
        }
        if (pbp_sweep_poll(sweep, rest * rest / 3 + 20) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* Eigenvalues of [[a, b], [c, d]]: true and re[0] >= re[1] (or the other way round) where they are
   real, else their common real part and both imaginary parts. */
static bool N(two)(T a, T b, T c, T d, T re[2], T im[2])
{
    const T p = (a - d) / 2, x = FN(fabs)(b), y = FN(fabs)(c);
    const T more = x > y ? x : y, less = (x > y ? y : x) * FN(copysign)((T)1, b);
    const T product = less * FN(copysign)((T)1, c);
    const T size = FN(fabs)(p) > more ? FN(fabs)(p) : more;
    im[0] = im[1] = 0;
    if (size == 0) {
        re[0] = a;
        re[1] = d;
        return true;
    }
    const T inside = p / size * p + more / size * product;
    if (inside < 0) {
        re[0] = re[1] = d + p;
        im[0] = FN(sqrt)(size) * FN(sqrt)(-inside);
        im[1] = -im[0];
        return false;
    }
    const T z = p + FN(copysign)(FN(sqrt)(size) * FN(sqrt)(inside), p);
    re[0] = d + z;
    re[1] = z != 0 ? d - more / z * product : d;
    return true;
}

/* Rows x, y (step 1) or columns (step n) turned: x' = c x + s y, y' = c y - s x. */
static void N(turn)(int64_t count, T *x, T *y, int64_t step, T c, T s)
{
    for (int64_t i = 0; i < count; i++) {
        const T u = x[i * step], v = y[i * step];
        x[i * step] = FMA(s, v, c * u);
        y[i * step] = FMA(c, v, -s * u);
    }
}

/* The first column of (h - w0) (h - w1) from row m on, up to a factor, w the shifts. */
static void N(bulge)(int64_t n, const T *h, int64_t m, const T re[2], const T im[2], T v[3])
{
    const T *const at = h + m * n + m;
    const T top = at[0], side = at[n];
    const T size = FN(fabs)(top - re[1]) + FN(fabs)(im[1]) + FN(fabs)(side), part = side / size;
    v[0] = part * at[1] + (top - re[0]) * ((top - re[1]) / size) - im[0] * (im[1] / size);
    v[1] = part * (top + at[n + 1] - re[0] - re[1]);
    v[2] = part * at[2 * n + 1];
    const T total = FN(fabs)(v[0]) + FN(fabs)(v[1]) + FN(fabs)(v[2]);
    for (int i = 0; i < 3 && total > 0; i++) {
        v[i] /= total;
    }
}

/* One double step on rows and columns low to high; z or NULL as in schur. */
static void N(double_step)(int64_t n, T *h, T *z, int64_t low, int64_t high, const T re[2],
                           const T im[2])
{
    T v[3];
    int64_t m = high - 2;
    for (;; m--) {
        N(bulge)(n, h, m, re, im, v);
        if (m == low) {
            break;
        }
        const T *const at = h + m * n + m;
        const T around = FN(fabs)(at[-n - 1]) + FN(fabs)(at[0]) + FN(fabs)(at[n + 1]);
        const T left = FN(fabs)(at[-1]) * (FN(fabs)(v[1]) + FN(fabs)(v[2]));
        if (left <= EPSILON * FN(fabs)(v[0]) * around) {
            break;
        }
    }
    const int64_t first = z != NULL ? 0 : low, last = z != NULL ? n : high + 1;
    for (int64_t k = m; k < high; k++) {
        const bool three = k + 2 <= high;
        if (k > m) {
            v[0] = h[k * n + k - 1];
            v[1] = h[(k + 1) * n + k - 1];
            v[2] = three ? h[(k + 2) * n + k - 1] : 0;
        }
        const T below = N(length)(three ? 2 : 1, v + 1, 1), pair[2] = {v[0], below};
        if (below == 0) {
            continue;
        }
        const T beta = -FN(copysign)(N(length)(2, pair, 1), v[0]);
        const T tau = (beta - v[0]) / beta, p = v[1] / (v[0] - beta);
        const T q = three ? v[2] / (v[0] - beta) : 0;
        if (k > m) {
            h[k * n + k - 1] = beta;
            h[(k + 1) * n + k - 1] = 0;
            if (three) {
                h[(k + 2) * n + k - 1] = 0;
            }
        } else if (m > low) {
            h[k * n + k - 1] *= 1 - tau;
        }
        const T tau_p = tau * p, tau_q = tau * q;
        T *const r0 = h + k * n, *const r1 = r0 + n, *const r2 = three ? r1 + n : r1;
        for (int64_t j = k; j < last; j++) {
            const T sum = three ? FMA(q, r2[j], FMA(p, r1[j], r0[j])) : FMA(p, r1[j], r0[j]);
            r0[j] = FMA(-tau, sum, r0[j]);
            r1[j] = FMA(-tau_p, sum, r1[j]);
            if (three) {
                r2[j] = FMA(-tau_q, sum, r2[j]);
            }
        }
        const int64_t end = k + 3 < high ? k + 3 : high;
        for (int64_t i = first; i <= end; i++) {
            T *const c = h + i * n + k;
            const T sum = three ? FMA(q, c[2], FMA(p, c[1], c[0])) : FMA(p, c[1], c[0]);
            c[0] = FMA(-tau, sum, c[0]);
            c[1] = FMA(-tau_p, sum, c[1]);
            if (three) {
                c[2] = FMA(-tau_q, sum, c[2]);
            }
        }
        if (z == NULL) {
            continue;
        }
        T *const z0 = z + k * n, *const z1 = z0 + n, *const z2 = three ? z1 + n : z1;
        for (int64_t j = 0; j < n; j++) {
            const T sum = three ? FMA(q, z2[j], FMA(p, z1[j], z0[j])) : FMA(p, z1[j], z0[j]);
            z0[j] = FMA(-tau, sum, z0[j]);
            z1[j] = FMA(-tau_p, sum, z1[j]);
            if (three) {
                z2[j] = FMA(-tau_q, sum, z2[j]);
            }
        }
    }
}

/* The two eigenvalues of rows k and k + 1; where they are real, the block becomes a triangle. */
static void N(deflate_two)(int64_t n, T *h, T *z, int64_t k, T *re, T *im)
{
    T *const at = h + k * n + k;
    const T c = at[n], head = re[k] = at[0], d = at[n + 1];
    if (!N(two)(head, at[1], c, d, re + k, im + k)) {
        return;
    }
    if (z != NULL) {
        const T pair[2] = {re[k] - d, c};
        const T size = N(length)(2, pair, 1), cosine = pair[0] / size, sine = c / size;
        N(turn)(n - k, at, at + n, 1, cosine, sine);
        N(turn)(k + 2, h + k, h + k + 1, n, cosine, sine);
        N(turn)(n, z + k * n, z + (k + 1) * n, 1, cosine, sine);
        at[0] = re[k];
        at[n + 1] = re[k + 1];
    }
    at[n] = 0;
}

/* h from Hessenberg to Schur form; rows of z are transformed alike.  Without z only the eigenvalues
   become right.  done is false where an eigenvalue takes too many steps. */
static pbp_status N(schur)(pbp_sweep *sweep, int64_t n, T *h, T *z, T *re, T *im, bool *done)
{
    *done = false;
    int64_t high = n - 1;
    while (high >= 0) {
        int64_t low = high;
        for (int steps = 0;; steps++) {
            for (low = high; low > 0; low--) {
                T *const at = h + low * n + low;
                const T beside = FN(fabs)(at[0]) + FN(fabs)(at[-n - 1]);
                if (FN(fabs)(at[-1]) <= EPSILON * beside || FN(fabs)(at[-1]) <= TINY / EPSILON) {
                    at[-1] = 0;
                    break;
                }
            }
            if (low >= high - 1) {
                break;
            }
            if (steps == 100) {
                return PBP_OK;
            }
            const T *const at = h + high * n + high;
            T shift_re[2], shift_im[2];
            if (steps % 10 == 9) {
                /* Steps that go in circles need an unusual pair of shifts. */
                const T size = FN(fabs)(at[-1]) + FN(fabs)(at[-n - 2]);
                const T odd = at[0] + (T)0.75 * size;
                N(two)(odd, (T)-0.4375 * size, size, odd, shift_re, shift_im);
            } else if (N(two)(at[-n - 1], at[-n], at[-1], at[0], shift_re, shift_im)) {
                const bool near = FN(fabs)(shift_re[0] - at[0]) <= FN(fabs)(shift_re[1] - at[0]);
                shift_re[0] = shift_re[1] = shift_re[near ? 0 : 1];
            }
            N(double_step)(n, h, z, low, high, shift_re, shift_im);
            if (pbp_sweep_poll(sweep, (high - low) * (z != NULL ? 2 * n : n) + 20) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
        }
        if (low == high) {
            re[high] = h[high * n + high];
            im[high] = 0;
        } else {
            N(deflate_two)(n, h, z, low, re, im);
        }
        high = low - 1;
    }
    *done = true;
    return PBP_OK;
}

typedef struct N(pair) {
    T re, im;
} N(pair);

static inline N(pair) N(pair_times)(N(pair) x, N(pair) y)
{
    return (N(pair)){x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

/* x / y, or x / small where y is smaller. */
static inline N(pair) N(pair_over)(N(pair) x, N(pair) y, T small)
{
    const T a = FN(fabs)(y.re), b = FN(fabs)(y.im), size = a > b ? a : b;
    if (size < small) {
        return (N(pair)){x.re / small, x.im / small};
    }
    const T re = y.re / size, im = y.im / size, norm = (re * re + im * im) * size;
    return (N(pair)){(x.re * re + x.im * im) / norm, (x.im * re - x.re * im) / norm};
}

/* What row i of the triangle, from column `from` on, takes off: minus its product with x. */
static N(pair) N(remainder)(int64_t from, int64_t end, const T *row, const T *x, const T *y)
{
    return (N(pair)){-N(dot)(end - from, row + from, x + from),
                     -N(dot)(end - from, row + from, y + from)};
}

/* The eigenvector of the Schur form h for the eigenvalue w whose block ends before `end`: x + i y,
   elements from end on zero.  small replaces differences of eigenvalues that vanish. */
static void N(triangular_vector)(int64_t n, const T *h, int64_t end, N(pair) w, T small, T *x, T *y)
{
    const T most = 1 / FN(sqrt)(TINY) * EPSILON;
    int64_t i = end - 1;
    x[i] = 1;
    y[i] = 0;
    if (w.im != 0) {
        const T *const at = h + (end - 2) * n + end - 2;
        if (FN(fabs)(at[n]) >= FN(fabs)(at[1])) {
            x[i - 1] = w.re - at[n + 1], y[i - 1] = w.im;
            x[i] = at[n];
        } else {
            x[i - 1] = at[1], y[i - 1] = 0;
            x[i] = w.re - at[0], y[i] = w.im;
        }
        i--;
    }
    for (i--; i >= 0; i--) {
        const bool two = i > 0 && h[i * n + i - 1] != 0;
        const N(pair) low = N(remainder)(i + 1, end, h + i * n, x, y);
        const N(pair) d = {h[i * n + i] - w.re, -w.im};
        if (two) {
            const T *const at = h + (i - 1) * n + i - 1;
            const N(pair) top = N(remainder)(i + 1, end, at - i + 1, x, y);
            T size = FN(fabs)(at[0] - w.re) + FN(fabs)(d.re) + FN(fabs)(w.im);
            size += FN(fabs)(at[1]) + FN(fabs)(at[n]);
            size = size > small ? size : small;
            /* By elimination with a row exchange, all divided by size: a last pivot that vanishes is
               replaced, which changes the matrix by no more than rounding does. */
            const T b = at[1] / size, c = at[n] / size;
            const N(pair) e = {(at[0] - w.re) / size, d.im / size}, f = {d.re / size, e.im};
            const N(pair) p = {top.re / size, top.im / size}, q = {low.re / size, low.im / size};
            N(pair) first, second;
            if (FN(fabs)(e.re) + FN(fabs)(e.im) >= FN(fabs)(c)) {
                const N(pair) m = N(pair_over)((N(pair)){c, 0}, e, EPSILON);
                const N(pair) mp = N(pair_times)(m, p);
                const N(pair) pivot = {f.re - m.re * b, f.im - m.im * b};
                second = N(pair_over)((N(pair)){q.re - mp.re, q.im - mp.im}, pivot, EPSILON);
                const N(pair) rest = {p.re - b * second.re, p.im - b * second.im};
                first = N(pair_over)(rest, e, EPSILON);
            } else {
                const N(pair) m = {e.re / c, e.im / c};
                const N(pair) mq = N(pair_times)(m, q), mf = N(pair_times)(m, f);
                const N(pair) pivot = {b - mf.re, -mf.im};
                second = N(pair_over)((N(pair)){p.re - mq.re, p.im - mq.im}, pivot, EPSILON);
                const N(pair) fs = N(pair_times)(f, second);
                first = (N(pair)){(q.re - fs.re) / c, (q.im - fs.im) / c};
            }
            x[i] = second.re, y[i] = second.im;
            i--;
            x[i] = first.re, y[i] = first.im;
        } else {
            const N(pair) q = N(pair_over)(low, d, small);
            x[i] = q.re, y[i] = q.im;
        }
        T largest = 0;
        for (int64_t j = i; j <= i + (two ? 1 : 0); j++) {
            largest = FN(fabs)(x[j]) > largest ? FN(fabs)(x[j]) : largest;
            largest = FN(fabs)(y[j]) > largest ? FN(fabs)(y[j]) : largest;
        }
        if (largest > most) {
            for (int64_t j = i; j < end; j++) {
                x[j] /= largest, y[j] /= largest;
            }
        }
    }
}

/* x + i y of length 1, its largest element real and positive. */
static void N(normalise)(int64_t n, T *x, T *y)
{
    int64_t k = 0;
    T best = -1, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = FN(fabs)(x[i]) > largest ? FN(fabs)(x[i]) : largest;
        largest = FN(fabs)(y[i]) > largest ? FN(fabs)(y[i]) : largest;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] /= largest, y[i] /= largest;
        const T size = x[i] * x[i] + y[i] * y[i];
        if (size > best) {
            best = size;
            k = i;
        }
    }
    const T own[2] = {N(length)(n, x, 1), N(length)(n, y, 1)}, both = N(length)(2, own, 1);
    const T size = N(length)(1, x + k, 1), other = N(length)(1, y + k, 1);
    const T parts[2] = {size, other}, radius = N(length)(2, parts, 1);
    const T c = x[k] / radius / both, s = y[k] / radius / both;
    for (int64_t i = 0; i < n; i++) {
        const T u = x[i], v = y[i];
        x[i] = FMA(c, u, s * v);
        y[i] = FMA(c, v, -s * u);
    }
    y[k] = 0;
}

/* Columns of vr + i vi: eigenvectors from the Schur form h, the rows z, and what balancing did. */
static pbp_status N(vectors)(pbp_sweep *sweep, int64_t n, const T *h, const T *z, const T *scale,
                             const T *order, const T *re, const T *im, T *work, T *vr, T *vi)
{
    T *const x = work, *const y = x + n, *const u = y + n, *const v = u + n;
    T largest = TINY;
    for (int64_t i = 0; i < n * n; i++) {
        largest = FN(fabs)(h[i]) > largest ? FN(fabs)(h[i]) : largest;
    }
    for (int64_t k = 0; k < n; k++) {
        const bool two = im[k] != 0;
        const int64_t end = k + (two ? 2 : 1);
        N(triangular_vector)(n, h, end, (N(pair)){re[k], im[k]}, EPSILON * largest, x, y);
        memset(u, 0, (size_t)(2 * n) * sizeof(T));
        for (int64_t i = 0; i < end; i++) {
            N(axpy)(n, x[i], z + i * n, u);
            if (two) {
                N(axpy)(n, y[i], z + i * n, v);
            }
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t row = (int64_t)order[i];
            x[row] = u[i] * scale[i], y[row] = v[i] * scale[i];
        }
        N(normalise)(n, x, y);
        for (int64_t i = 0; i < n; i++) {
            vr[i * n + k] = x[i];
            vi[i * n + k] = two ? y[i] : 0;
            if (two) {
                vr[i * n + k + 1] = x[i];
                vi[i * n + k + 1] = -y[i];
            }
        }
        k = end - 1;
        if (pbp_sweep_poll(sweep, n * n / 2 + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

#include "linalg_eig_complex.h"

KERNEL(pbp_eig)
{
    ARGUMENTS;
    const bool vectors = (p[PBP_L_MODE] & PBP_VECTORS) != 0;
    const bool is_complex = (p[PBP_L_MODE] & PBP_COMPLEX) != 0;
    const int64_t elements = is_complex ? 2 * n * n : n * n;
    T *const h = scratch, *const z = h + n * n, *const work = z + n * n;
    T *const scale = work + n * n, *const order = scale + n, *const tau = order + n;
    T *const y = tau + n;
    for (int64_t g = 0; g < batch; g++) {
        T *const re = d + g * n, *const im = d + (batch + g) * n;
        T *const vr = d + 2 * batch * n + g * n * n, *const vi = vr + batch * n * n;
        T largest = 0;
        for (int64_t i = 0; i < elements; i++) {
            const T size = FN(fabs)(a[g * elements + i]);
            largest = size > largest || size != size ? size : largest;
        }
        bool done = largest < (T)INFINITY;
        if (done && is_complex) {
            const T unit = largest > 0 ? FN(ldexp)((T)1, ilogb((double)largest)) : (T)1;
            const N(plane) v = {vectors ? vr : NULL, vi};
            CHECKED(N(complex_eig)(sweep, n, a + g * elements, unit, scratch, re, im, v, &done));
        } else if (done) {
            const T unit = largest > 0 ? FN(ldexp)((T)1, ilogb((double)largest)) : (T)1;
            for (int64_t i = 0; i < n * n; i++) {
                h[i] = a[g * n * n + i] / unit;
            }
            CHECKED(N(isolate)(sweep, n, h, order));
            N(balance)(n, h, scale);
            CHECKED(N(hessenberg)(sweep, n, h, vectors ? z : NULL, work, tau, y));
            CHECKED(N(schur)(sweep, n, h, vectors ? z : NULL, re, im, &done));
            if (done && vectors) {
                CHECKED(N(vectors)(sweep, n, h, z, scale, order, re, im, y, vr, vi));
            }
            for (int64_t i = 0; i < n; i++) {
                re[i] *= unit;
                im[i] *= unit;
            }
        }
        if (!done) {
            return pbp_linalg_fail(sweep, g, "Eigenvalues did not converge");
        }
        if (pbp_sweep_poll(sweep, n * n + 100) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

#endif
