/* Eigenvalues of general complex matrices, per element type T; included by kernels_linalg_general.c.

   Balancing by powers of two, Hermitian reflections to Hessenberg form, explicit single-shift QR
   steps by rotations, eigenvectors of the triangle by back-substitution (Wilkinson and Reinsch,
   Handbook for Automatic Computation II/15, Springer 1971; Golub and Van Loan, Matrix
   Computations, 4th ed., 7.4 to 7.6).  A matrix is two planes of real numbers, re and im. */

typedef struct N(plane) {
    T *re, *im;
} N(plane);

static inline N(plane) N(from)(N(plane) x, int64_t offset)
{
    return (N(plane)){x.re + offset, x.im + offset};
}

static inline N(pair) N(at)(N(plane) x, int64_t i)
{
    return (N(pair)){x.re[i], x.im[i]};
}

static inline void N(put)(N(plane) x, int64_t i, N(pair) value)
{
    x.re[i] = value.re;
    x.im[i] = value.im;
}

static inline N(pair) N(pair_minus)(N(pair) x, N(pair) y)
{
    return (N(pair)){x.re - y.re, x.im - y.im};
}

static inline T N(modulus)(N(pair) x)
{
    const T parts[2] = {x.re, x.im};
    return N(length)(2, parts, 1);
}

/* |re| + |im|, which is as good where only the size matters. */
static inline T N(size)(N(pair) x)
{
    return FN(fabs)(x.re) + FN(fabs)(x.im);
}

/* The root with a real part that is not negative. */
static N(pair) N(pair_root)(N(pair) x)
{
    const T whole = N(modulus)(x);
    if (whole == 0) {
        return (N(pair)){0, 0};
    }
    const T large = FN(sqrt)((FN(fabs)(x.re) + whole) / 2), small = FN(fabs)(x.im) / (2 * large);
    if (x.re >= 0) {
        return (N(pair)){large, FN(copysign)(small, x.im)};
    }
    return (N(pair)){small, FN(copysign)(large, x.im)};
}

/* y += f x, or f conj(x). */
static void N(plane_axpy)(int64_t n, N(pair) f, N(plane) x, N(plane) y, bool conjugate)
{
    const T sign = conjugate ? -1 : 1;
    N(axpy)(n, f.re, x.re, y.re);
    N(axpy)(n, -sign * f.im, x.im, y.re);
    N(axpy)(n, f.im, x.re, y.im);
    N(axpy)(n, sign * f.re, x.im, y.im);
}

/* The sum of x y. */
static N(pair) N(plane_dot)(int64_t n, N(plane) x, N(plane) y)
{
    return (N(pair)){N(dot)(n, x.re, y.re) - N(dot)(n, x.im, y.im),
                     N(dot)(n, x.re, y.im) + N(dot)(n, x.im, y.re)};
}

/* h = d^-1 h d with powers of two d that make rows and columns of like length, see balance. */
static void N(plane_balance)(int64_t n, N(plane) h, T *scale)
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
                column += N(size)(N(at)(h, j * n + i));
                row += N(size)(N(at)(h, i * n + j));
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
                h.re[i * n + j] /= f, h.im[i * n + j] /= f;
            }
            for (int64_t j = 0; j < n; j++) {
                h.re[j * n + i] *= f, h.im[j * n + i] *= f;
            }
        }
    }
}

/* h to Hessenberg form q^H h q by reflections 1 - 2 v v^H; columns of q become rows of z, which is a
   unit matrix before, or has no planes.  v and y: n elements each. */
static pbp_status N(plane_hessenberg)(pbp_sweep *sweep, int64_t n, N(plane) h, N(plane) z,
                                      N(plane) v, N(plane) y)
{
    for (int64_t k = 0; k + 2 < n; k++) {
        const int64_t rest = n - k - 1;
        for (int64_t i = 0; i < rest; i++) {
            N(put)(v, i, N(at)(h, (k + 1 + i) * n + k));
        }
        const T below[2] = {N(length)(rest - 1, v.re + 1, 1), N(length)(rest - 1, v.im + 1, 1)};
        if (below[0] == 0 && below[1] == 0) {
            continue;
        }
        const N(pair) top = N(at)(v, 0);
        const T head = N(modulus)(top), parts[3] = {head, below[0], below[1]};
        const T whole = N(length)(3, parts, 1);
        /* x becomes -whole e1, turned as its first element is. */
        const N(pair) turn = head > 0 ? (N(pair)){top.re / head, top.im / head} : (N(pair)){1, 0};
        N(put)(v, 0, (N(pair)){turn.re * (head + whole), turn.im * (head + whole)});
        const T large[3] = {head + whole, below[0], below[1]}, length = N(length)(3, large, 1);
        for (int64_t i = 0; i < rest; i++) {
            v.re[i] /= length, v.im[i] /= length;
        }
        N(put)(h, (k + 1) * n + k, (N(pair)){-whole * turn.re, -whole * turn.im});
        for (int64_t i = k + 2; i < n; i++) {
            N(put)(h, i * n + k, (N(pair)){0, 0});
        }
        /* From the left: y = v^H h, h -= 2 v y. */
        memset(y.re, 0, (size_t)rest * sizeof(T));
        memset(y.im, 0, (size_t)rest * sizeof(T));
        for (int64_t i = 0; i < rest; i++) {
            const N(pair) f = {v.re[i], -v.im[i]};
            N(plane_axpy)(rest, f, N(from)(h, (k + 1 + i) * n + k + 1), y, false);
        }
        for (int64_t i = 0; i < rest; i++) {
            const N(pair) f = {-2 * v.re[i], -2 * v.im[i]};
            N(plane_axpy)(rest, f, y, N(from)(h, (k + 1 + i) * n + k + 1), false);
        }
        /* From the right: rows take off 2 (row v) v^H. */
        for (int64_t i = 0; i < n; i++) {
            const N(plane) row = N(from)(h, i * n + k + 1);
            const N(pair) s = N(plane_dot)(rest, row, v);
            N(plane_axpy)(rest, (N(pair)){-2 * s.re, -2 * s.im}, v, row, true);
        }
        if (z.re != NULL) {
            /* q (1 - 2 v v^H): with columns as rows, y = sum of v_i row i, row j -= 2 conj(v_j) y. */
            memset(y.re, 0, (size_t)n * sizeof(T));
            memset(y.im, 0, (size_t)n * sizeof(T));
            for (int64_t i = 0; i < rest; i++) {
                N(plane_axpy)(n, N(at)(v, i), N(from)(z, (k + 1 + i) * n), y, false);
            }
            for (int64_t i = 0; i < rest; i++) {
                const N(pair) f = {-2 * v.re[i], 2 * v.im[i]};
                N(plane_axpy)(n, f, y, N(from)(z, (k + 1 + i) * n), false);
            }
        }
        if (pbp_sweep_poll(sweep, 4 * rest * n + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* The eigenvalue of [[a, b], [c, d]] that is nearer to d. */
static N(pair) N(nearer)(N(pair) a, N(pair) b, N(pair) c, N(pair) d)
{
    const N(pair) bc = N(pair_times)(b, c);
    if (N(size)(bc) == 0) {
        return d;
    }
    const N(pair) p = {(a.re - d.re) / 2, (a.im - d.im) / 2}, square = N(pair_times)(p, p);
    N(pair) root = N(pair_root)((N(pair)){square.re + bc.re, square.im + bc.im});
    if (p.re * root.re + p.im * root.im < 0) {
        root.re = -root.re, root.im = -root.im;
    }
    return N(pair_minus)(d, N(pair_over)(bc, (N(pair)){p.re + root.re, p.im + root.im}, TINY));
}

/* Elements of x and y, each `step` after the last: x = c x + s y, y = c y - conj(s) x. */
static void N(rotate)(int64_t count, N(plane) x, N(plane) y, int64_t step, T c, N(pair) s)
{
    for (int64_t i = 0; i < count * step; i += step) {
        const N(pair) u = N(at)(x, i), v = N(at)(y, i);
        x.re[i] = FMA(s.re, v.re, FMA(-s.im, v.im, c * u.re));
        x.im[i] = FMA(s.re, v.im, FMA(s.im, v.re, c * u.im));
        y.re[i] = FMA(-s.re, u.re, FMA(-s.im, u.im, c * v.re));
        y.im[i] = FMA(-s.re, u.im, FMA(s.im, u.re, c * v.im));
    }
}

/* One step with a shift on rows and columns low to high; c and s: n elements each. */
static void N(plane_step)(int64_t n, N(plane) h, N(plane) z, int64_t low, int64_t high,
                          N(pair) shift, T *c, N(plane) s)
{
    const bool whole = z.re != NULL;
    const int64_t last = whole ? n : high + 1, first = whole ? 0 : low;
    for (int64_t k = low; k <= high; k++) {
        N(put)(h, k * n + k, N(pair_minus)(N(at)(h, k * n + k), shift));
    }
    for (int64_t k = low; k < high; k++) {
        const N(plane) row = N(from)(h, k * n + k), next = N(from)(row, n);
        const N(pair) x = N(at)(row, 0), y = N(at)(next, 0);
        const T a = N(modulus)(x), parts[2] = {a, N(modulus)(y)}, r = N(length)(2, parts, 1);
        if (a == 0) {
            c[k] = 0;
            N(put)(s, k, (N(pair)){1, 0});
        } else {
            /* s = x / |x| conj(y) / r */
            const N(pair) unit = {x.re / a, x.im / a}, other = {y.re / r, -y.im / r};
            c[k] = a / r;
            N(put)(s, k, N(pair_times)(unit, other));
        }
        N(rotate)(last - k, row, next, 1, c[k], N(at)(s, k));
        N(put)(next, 0, (N(pair)){0, 0});
    }
    for (int64_t k = low; k < high; k++) {
        /* The conjugate transposed from the right. */
        const N(pair) back = {s.re[k], -s.im[k]};
        const N(plane) column = N(from)(h, first * n + k);
        N(rotate)(k + 2 - first, column, N(from)(column, 1), n, c[k], back);
        if (whole) {
            N(rotate)(n, N(from)(z, k * n), N(from)(z, (k + 1) * n), 1, c[k], back);
        }
    }
    for (int64_t k = low; k <= high; k++) {
        h.re[k * n + k] += shift.re, h.im[k * n + k] += shift.im;
    }
}

/* h from Hessenberg to triangular form.  done is false where an eigenvalue takes too many steps. */
static pbp_status N(plane_schur)(pbp_sweep *sweep, int64_t n, N(plane) h, N(plane) z, T *c,
                                 N(plane) s, bool *done)
{
    *done = false;
    for (int64_t high = n - 1, steps = 0; high > 0;) {
        int64_t low = high;
        for (; low > 0; low--) {
            const int64_t i = low * n + low;
            const T beside = N(size)(N(at)(h, i)) + N(size)(N(at)(h, i - n - 1));
            const T below = N(size)(N(at)(h, i - 1));
            if (below <= EPSILON * beside || below <= TINY / EPSILON) {
                N(put)(h, i - 1, (N(pair)){0, 0});
                break;
            }
        }
        if (low == high) {
            high--;
            steps = 0;
            continue;
        }
        if (++steps > 100) {
            return PBP_OK;
        }
        const int64_t i = high * n + high;
        N(pair)
        shift = N(nearer)(N(at)(h, i - n - 1), N(at)(h, i - n), N(at)(h, i - 1), N(at)(h, i));
        if (steps % 10 == 0) {
            /* Steps that go in circles need an unusual shift. */
            shift = N(at)(h, i);
            shift.re += (T)0.75 * N(size)(N(at)(h, i - 1));
        }
        N(plane_step)(n, h, z, low, high, shift, c, s);
        if (pbp_sweep_poll(sweep, (high - low) * (z.re != NULL ? 6 * n : 3 * n) + 20) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    *done = true;
    return PBP_OK;
}

/* Columns of v: eigenvectors from the triangle h, the columns of q in rows of z, and the scale.
   x, u: n elements each. */
static pbp_status N(plane_vectors)(pbp_sweep *sweep, int64_t n, N(plane) h, N(plane) z,
                                   const T *scale, N(plane) x, N(plane) u, N(plane) v)
{
    const T most = 1 / FN(sqrt)(TINY) * EPSILON;
    T largest = TINY;
    for (int64_t i = 0; i < n * n; i++) {
        const T size = N(size)(N(at)(h, i));
        largest = size > largest ? size : largest;
    }
    for (int64_t k = 0; k < n; k++) {
        const N(pair) w = N(at)(h, k * n + k);
        N(put)(x, k, (N(pair)){1, 0});
        for (int64_t i = k - 1; i >= 0; i--) {
            const N(pair) sum = N(plane_dot)(k - i, N(from)(h, i * n + i + 1), N(from)(x, i + 1));
            const N(pair) difference = N(pair_minus)(N(at)(h, i * n + i), w);
            const N(pair) q =
                N(pair_over)((N(pair)){-sum.re, -sum.im}, difference, EPSILON * largest);
            N(put)(x, i, q);
            const T size = N(size)(q);
            for (int64_t j = i; size > most && j <= k; j++) {
                x.re[j] /= size, x.im[j] /= size;
            }
        }
        memset(u.re, 0, (size_t)n * sizeof(T));
        memset(u.im, 0, (size_t)n * sizeof(T));
        for (int64_t i = 0; i <= k; i++) {
            N(plane_axpy)(n, N(at)(x, i), N(from)(z, i * n), u, false);
        }
        for (int64_t i = 0; i < n; i++) {
            u.re[i] *= scale[i], u.im[i] *= scale[i];
        }
        N(normalise)(n, u.re, u.im);
        for (int64_t i = 0; i < n; i++) {
            N(put)(v, i * n + k, N(at)(u, i));
        }
        if (pbp_sweep_poll(sweep, 3 * n * n + 50) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* The matrix at a, its real part above its imaginary one, of which no element is larger than 2.
   scratch: 4 n n + 10 n elements; v has no planes if vectors are not wanted. */
static pbp_status N(complex_eig)(pbp_sweep *sweep, int64_t n, const T *a, T unit, T *scratch, T *re,
                                 T *im, N(plane) v, bool *done)
{
    const N(plane) h = {scratch, scratch + n * n};
    N(plane) z = {h.im + n * n, h.im + 2 * n * n};
    T *const scale = z.im + n * n, *const c = scale + n;
    const N(plane) x = {c + n, c + 2 * n}, y = N(from)(x, 2 * n);
    for (int64_t i = 0; i < n * n; i++) {
        N(put)(h, i, (N(pair)){a[i] / unit, a[n * n + i] / unit});
    }
    if (v.re == NULL) {
        z = (N(plane)){NULL, NULL};
    } else {
        memset(z.re, 0, (size_t)(2 * n * n) * sizeof(T));
        for (int64_t i = 0; i < n; i++) {
            z.re[i * n + i] = 1;
        }
    }
    N(plane_balance)(n, h, scale);
    CHECKED(N(plane_hessenberg)(sweep, n, h, z, x, y));
    CHECKED(N(plane_schur)(sweep, n, h, z, c, x, done));
    if (*done && v.re != NULL) {
        CHECKED(N(plane_vectors)(sweep, n, h, z, scale, x, y, v));
    }
    for (int64_t i = 0; i < n; i++) {
        re[i] = h.re[i * n + i] * unit;
        im[i] = h.im[i * n + i] * unit;
    }
    return PBP_OK;
}
