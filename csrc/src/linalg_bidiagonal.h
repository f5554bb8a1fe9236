/* Singular values of a square matrix by Householder's reduction to two diagonals and implicit QR
   steps (Golub and Reinsch, Numer. Math. 14 (1970); Golub and Van Loan, Matrix Computations, 4th
   ed., 8.6); included once per type after linalg_body.h. */

/* Makes x the vector v of a reflection I - tau v v' with v[0] = 1 that maps it to beta e1. */
static T N(make_reflection)(int64_t n, T *x, T *beta)
{
    const T below = N(length)(n - 1, x + 1, 1), alpha = x[0];
    x[0] = 1;
    *beta = alpha;
    if (below == 0) {
        return 0;
    }
    const T pair[2] = {alpha, below};
    *beta = -FN(copysign)(N(length)(2, pair, 1), alpha);
    for (int64_t i = 1; i < n; i++) {
        x[i] /= alpha - *beta;
    }
    return (*beta - alpha) / *beta;
}

/* z = the transposed product of reflections; row k of v has the one of column `first` + k on. */
static pbp_status N(transposed_product)(pbp_sweep *sweep, int64_t n, int64_t first, const T *v,
                                        const T *tau, T *z)
{
    memset(z, 0, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; i++) {
        z[i * n + i] = 1;
    }
    for (int64_t k = n - 1 - first; k >= 0; k--) {
        const int64_t at = k + first, rest = n - at;
        const T *x = v + k * n + at;
        if (tau[k] == 0) {
            continue;
        }
        for (int64_t i = at; i < n; i++) {
            T *row = z + i * n + at;
            N(axpy)(rest, -tau[k] * N(dot)(rest, row, x), x, row);
        }
        if (pbp_sweep_poll(sweep, rest * rest / 3 + 20) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* x (n x n) to diagonal s and second diagonal e; the rows of `left` (n x n) and of x get the
   reflections from the left and from the right.  tau: 2 n; w: n. */
static pbp_status N(bidiagonal)(pbp_sweep *sweep, int64_t n, T *x, T *left, T *s, T *e, T *tau,
                                T *w)
{
    for (int64_t k = 0; k < n; k++) {
        const int64_t rows = n - k, rest = rows - 1;
        T *v = left + k * n + k;
        for (int64_t i = 0; i < rows; i++) {
            v[i] = x[(k + i) * n + k];
        }
        tau[k] = N(make_reflection)(rows, v, &s[k]);
        memset(w, 0, (size_t)rest * sizeof(T));
        for (int64_t i = 0; i < rows && tau[k] != 0; i++) {
            N(axpy)(rest, v[i], x + (k + i) * n + k + 1, w);
        }
        for (int64_t i = 0; i < rows && tau[k] != 0; i++) {
            N(axpy)(rest, -tau[k] * v[i], w, x + (k + i) * n + k + 1);
        }
        e[k] = tau[n + k] = 0;
        if (rest > 0) {
            T *u = x + k * n + k + 1;
            tau[n + k] = N(make_reflection)(rest, u, &e[k]);
            for (int64_t i = k + 1; i < n && tau[n + k] != 0; i++) {
                T *row = x + i * n + k + 1;
                N(axpy)(rest, -tau[n + k] * N(dot)(rest, row, u), u, row);
            }
        }
        if (pbp_sweep_poll(sweep, rows * rows + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* c and s that turn (f, g) into (length, 0); returns the length. */
INLINE T N(turn)(T f, T g, T *c, T *s)
{
    const T length = FN(hypot)(f, g);
    *c = length == 0 ? (T)1 : f / length;
    *s = length == 0 ? (T)0 : g / length;
    return length;
}

/* x = c x + s y, y = c y - s x. */
INLINE void N(turn_rows)(int64_t n, T c, T s, T *z, int64_t i, int64_t j)
{
    T *restrict x = z + i * n, *restrict y = z + j * n;
    for (int64_t l = 0; l < n; l++) {
        const T u = x[l], v = y[l];
        x[l] = FMA(c, u, s * v);
        y[l] = FMA(c, v, -s * u);
    }
}

/* One QR step with a shift on rows low .. high. */
static void N(qr_step)(int64_t n, int64_t low, int64_t high, T *s, T *e, T *u, T *v)
{
    T scale = 0;
    const T members[5] = {s[high], s[high - 1], e[high - 1], s[low], e[low]};
    for (int i = 0; i < 5; i++) {
        scale = MORE(scale, FN(fabs)(members[i]));
    }
    const T last = s[high] / scale, before = s[high - 1] / scale, beside = e[high - 1] / scale;
    const T first = s[low] / scale, next = e[low] / scale;
    const T half = ((before + last) * (before - last) + beside * beside) / 2;
    const T corner = last * beside * (last * beside);
    T shift = 0, c, t;
    if (half != 0 || corner != 0) {
        const T root = FN(copysign)(FN(sqrt)(FMA(half, half, corner)), half);
        shift = corner / (half + root);
    }
    T f = (first + last) * (first - last) + shift, g = first * next;
    for (int64_t j = low; j < high; j++) {
        const T above = N(turn)(f, g, &c, &t);
        if (j > low) {
            e[j - 1] = above;
        }
        f = c * s[j] + t * e[j];
        e[j] = c * e[j] - t * s[j];
        g = t * s[j + 1];
        s[j + 1] *= c;
        if (v != NULL) {
            N(turn_rows)(n, c, t, v, j, j + 1);
        }
        s[j] = N(turn)(f, g, &c, &t);
        f = c * e[j] + t * s[j + 1];
        s[j + 1] = c * s[j + 1] - t * e[j];
        g = t * e[j + 1];
        e[j + 1] *= c;
        if (u != NULL) {
            N(turn_rows)(n, c, t, u, j, j + 1);
        }
    }
    e[high - 1] = f;
}

/* Diagonalises s, e (of n elements; the last of e is 0); rows of u and v, or NULL, turn alike. */
static pbp_status N(diagonalise)(pbp_sweep *sweep, int64_t n, T *s, T *e, T *u, T *v, bool *done)
{
    int64_t high = n - 1, steps = 0;
    *done = false;
    while (high >= 0) {
        int64_t low = high, zero = -1;
        for (; low > 0; low--) {
            if (FN(fabs)(e[low - 1]) <=
                TINY + EPSILON * (FN(fabs)(s[low - 1]) + FN(fabs)(s[low]))) {
                e[low - 1] = 0;
                break;
            }
        }
        if (low == high) {
            if (s[high] < 0) {
                s[high] = -s[high];
                if (v != NULL) {
                    N(scale)(n, (T)-1, v + high * n);
                }
            }
            high--;
            steps = 0;
            continue;
        }
        if (steps++ == 75) {
            return PBP_OK;
        }
        for (int64_t i = high; i >= low && zero < 0; i--) {
            const T beside = (i < high ? FN(fabs)(e[i]) : 0) + (i > low ? FN(fabs)(e[i - 1]) : 0);
            if (FN(fabs)(s[i]) <= TINY + EPSILON * beside) {
                s[i] = 0;
                zero = i;
            }
        }
        if (zero == high) {
            /* A zero at the end: turn what is above it away. */
            T f = e[high - 1], c, t;
            e[high - 1] = 0;
            for (int64_t j = high - 1; j >= low; j--) {
                s[j] = N(turn)(s[j], f, &c, &t);
                if (j > low) {
                    f = -t * e[j - 1];
                    e[j - 1] *= c;
                }
                if (v != NULL) {
                    N(turn_rows)(n, c, t, v, j, high);
                }
            }
        } else if (zero >= 0) {
            /* A zero inside: turn what is beside it away. */
            T f = e[zero], c, t;
            e[zero] = 0;
            for (int64_t j = zero + 1; j <= high; j++) {
                s[j] = N(turn)(s[j], f, &c, &t);
                if (j < high) {
                    f = -t * e[j];
                    e[j] *= c;
                }
                if (u != NULL) {
                    N(turn_rows)(n, c, t, u, j, zero);
                }
            }
        } else {
            N(qr_step)(n, low, high, s, e, u, v);
        }
        if (pbp_sweep_poll(sweep, (high - low + 1) * (u != NULL ? n + 40 : 40)) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    *done = true;
    return PBP_OK;
}
