/* Systems of linear equations: LU with row exchanges, solutions and inverses from it, Cholesky's
   factor, triangular systems.

     LU          r[d][0:n]  l below the diagonal (ones on it, not stored), u on and above it
                 r[d][n]    which row of a became row i
                 r[d][n+1]  first the sign of that permutation, then zeros
     LU_SOLVE    r[d] = x with op(p' l u) x = r[b], r[a] from LU; op transposes or not
     INV         r[d] = inverse of r[a]
     CHOLESKY    r[d] = l with l l' = r[a], of which the lower triangle is read
     TRIANGULAR  r[d] = x with op(r[a]) x = r[b]
     COFACTORS   r[d] = the transposed adjugate of r[a]: det(r[a]) times its transposed inverse

   Matrices up to 16 x 16 are worked on side by side, one per vector lane: exchanges are selections,
   and no lane sees another.  Larger ones go by blocks of 32 columns, right-looking, with the core's
   products for what is left (Golub and Van Loan, Matrix Computations, 4th ed., 3.2, 3.4, 4.2).  Both
   ways take sums in one order per matrix size, so results do not depend on the batch around a
   matrix.  d does not overlap a or b.

   The file includes itself once per element type. */
#ifndef PBP_LINALG_BODY
#define PBP_LINALG_BODY

#define LINALG_SINGLE 0
#include "linalg_body.h"
#include "linalg_lu.h"

#include "kernels_linalg.c"

#undef LINALG_SINGLE
#define LINALG_SINGLE 1
#include "linalg_body.h"
#include "linalg_lu.h"

#include "kernels_linalg.c"

#define FIND_CASE(row, name)                                                                       \
    case PBP_ROW_##row:                                                                            \
        return single ? LINALG_PASTE(name##_f32, PBP_ISA) : LINALG_PASTE(name##_f64, PBP_ISA)

/* Of general eigenvalues there is no form with the longest vectors: see CMakeLists.txt. */
#ifndef PBP_GENERAL_ISA
#define PBP_GENERAL_ISA PBP_ISA
#endif
#define DECLARE(name, isa)                                                                         \
    pbp_status LINALG_PASTE(name, isa)(const pbp_array_op *op, pbp_sweep *sweep, char *d,          \
                                       const char *a, const char *b);
#define DECLARE_BOTH(name, isa) DECLARE(name##_f32, isa) DECLARE(name##_f64, isa)
DECLARE_BOTH(pbp_qr, PBP_ISA)
DECLARE_BOTH(pbp_svd, PBP_ISA)
DECLARE_BOTH(pbp_eigh, PBP_ISA)
DECLARE_BOTH(pbp_eig, PBP_GENERAL_ISA)
DECLARE_BOTH(pbp_expm, PBP_ISA)

pbp_sweep_kernel PBP_ISA_NAME(pbp_linalg_find)(uint32_t row, uint32_t dtype)
{
    const bool single = dtype == PBP_FLOAT32;
    switch (row) {
        FIND_CASE(LU, pbp_lu);
        FIND_CASE(LU_SOLVE, pbp_lu_solve);
        FIND_CASE(INV, pbp_inv);
        FIND_CASE(CHOLESKY, pbp_cholesky);
        FIND_CASE(TRIANGULAR, pbp_triangular);
        FIND_CASE(COFACTORS, pbp_cofactors);
        FIND_CASE(QR, pbp_qr);
        FIND_CASE(SVD, pbp_svd);
        FIND_CASE(EIGH, pbp_eigh);
    case PBP_ROW_EIG:
        return single ? LINALG_PASTE(pbp_eig_f32, PBP_GENERAL_ISA)
                      : LINALG_PASTE(pbp_eig_f64, PBP_GENERAL_ISA);
        FIND_CASE(EXPM, pbp_expm);
    default:
        return NULL;
    }
}

#else

/* ---- side by side ---- */

/* x = l u after exchanges of rows; perm says where rows came from, sign of that. */
INLINE void N(lanes_lu)(int n, N(vec) * x, N(vec) * perm, N(vec) * sign)
{
    *sign = SPLAT(1);
    for (int i = 0; i < n; i++) {
        perm[i] = SPLAT(i);
    }
    for (int k = 0; k < n; k++) {
        N(vec) best = ABS(x[k * n + k]), chosen = SPLAT(k);
        for (int i = k + 1; i < n; i++) {
            const N(vec) v = ABS(x[i * n + k]);
            const N(mask) m = v > best;
            best = N(select)(m, v, best);
            chosen = N(select)(m, SPLAT(i), chosen);
        }
        *sign = N(select)(chosen == SPLAT(k), *sign, -*sign);
        for (int i = k + 1; i < n; i++) {
            const N(mask) m = chosen == SPLAT(i);
            for (int j = 0; j < n; j++) {
                const N(vec) u = x[k * n + j], v = x[i * n + j];
                x[k * n + j] = N(select)(m, v, u);
                x[i * n + j] = N(select)(m, u, v);
            }
            const N(vec) u = perm[k], v = perm[i];
            perm[k] = N(select)(m, v, u);
            perm[i] = N(select)(m, u, v);
        }
        const N(vec) pivot = N(select)(x[k * n + k] == SPLAT(0), SPLAT(1), x[k * n + k]);
        for (int i = k + 1; i < n; i++) {
            const N(vec) factor = x[i * n + k] / pivot;
            x[i * n + k] = factor;
            for (int j = k + 1; j < n; j++) {
                x[i * n + j] = N(madd)(-factor, x[k * n + j], x[i * n + j]);
            }
        }
    }
}

/* Solves t x = b in place, n x n and n x m; element (i, j) of t is at t[i * row + j * col]. */
INLINE void N(lanes_triangular)(int n, int m, const N(vec) * t, int row, int col, bool lower,
                                bool unit, N(vec) * b)
{
    for (int step = 0; step < n; step++) {
        const int i = lower ? step : n - 1 - step;
        for (int s = 0; s < step; s++) {
            const int j = lower ? s : n - 1 - s;
            const N(vec) factor = -t[i * row + j * col];
            for (int c = 0; c < m; c++) {
                b[i * m + c] = N(madd)(factor, b[j * m + c], b[i * m + c]);
            }
        }
        if (!unit) {
            const N(vec) pivot = t[i * row + i * col];
            for (int c = 0; c < m; c++) {
                b[i * m + c] /= pivot;
            }
        }
    }
}

/* The first lane in which a diagonal has a zero, or LANES. */
INLINE int N(lanes_singular)(int n, const N(vec) * x)
{
    N(mask) zero = x[0] == SPLAT(0);
    for (int i = 1; i < n; i++) {
        zero |= x[i * n + i] == SPLAT(0);
    }
    return N(first_lane)(zero);
}

/* x = l, lower triangle of x read; the first lane that has none, or LANES. */
INLINE int N(lanes_cholesky)(int n, N(vec) * x)
{
    N(mask) good = SPLAT(0) == SPLAT(0);
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            N(vec) s = x[i * n + j];
            for (int k = 0; k < j; k++) {
                s = N(madd)(-x[i * n + k], x[j * n + k], s);
            }
            x[i * n + j] = s;
        }
        const N(vec) square = x[j * n + j];
        good &= square > SPLAT(0);
        const N(vec) root = N(root)(N(select)(square > SPLAT(0), square, SPLAT(1)));
        x[j * n + j] = root;
        for (int i = j + 1; i < n; i++) {
            x[i * n + j] /= root;
            x[j * n + i] = SPLAT(0);
        }
    }
    return N(first_lane)(~good);
}

/* The same with loops unrolled for the smallest sizes. */
#undef SIZED
#define SIZED(n, call)                                                                             \
    switch (n) {                                                                                   \
    case 2:                                                                                        \
        call(2);                                                                                   \
    case 3:                                                                                        \
        call(3);                                                                                   \
    case 4:                                                                                        \
        call(4);                                                                                   \
    default:                                                                                       \
        call((int)(n));                                                                            \
    }

static void N(group_lu)(int64_t n, N(vec) * x, N(vec) * perm, N(vec) * sign)
{
#define CALL(size)                                                                                 \
    N(lanes_lu)(size, x, perm, sign);                                                              \
    break
    SIZED(n, CALL)
#undef CALL
}

static int N(group_cholesky)(int64_t n, N(vec) * x)
{
#define CALL(size) return N(lanes_cholesky)(size, x)
    SIZED(n, CALL)
#undef CALL
}

static void N(group_triangular)(int64_t n, int64_t m, const N(vec) * t, bool transposed, bool lower,
                                bool unit, N(vec) * b)
{
#define CALL(size)                                                                                 \
    if (transposed) {                                                                              \
        N(lanes_triangular)(size, (int)m, t, 1, size, lower, unit, b);                             \
    } else {                                                                                       \
        N(lanes_triangular)(size, (int)m, t, size, 1, lower, unit, b);                             \
    }                                                                                              \
    break
    SIZED(n, CALL)
#undef CALL
}

/* Nanoseconds that a group takes, about. */
INLINE int64_t N(lanes_cost)(int64_t n, int64_t m)
{
    return 20 + n * n * (n + 2 * m + 20) / 4;
}

/* For each group of `count` matrices from number `g` on. */
#define FOR_GROUPS(batch, cost)                                                                    \
    for (int64_t g = 0, count = LESS(LANES, batch); g < (batch);                                   \
         g += LANES, count = LESS(LANES, (batch) - g))                                             \
        if (pbp_sweep_poll(sweep, cost) != PBP_OK) {                                               \
            return PBP_INTERRUPTED;                                                                \
        } else

/* ---- one large matrix ---- */

static bool N(large_singular)(int64_t n, const T *lu)
{
    for (int64_t i = 0; i < n; i++) {
        if (lu[i * n + i] == 0) {
            return true;
        }
    }
    return false;
}

/* scratch: n BLOCK elements twice. */
static pbp_status N(large_cholesky)(pbp_sweep *sweep, int64_t n, T *d, const T *a, T *scratch,
                                    void *room)
{
    T *up = scratch, *negative = scratch + n * BLOCK;
    for (int64_t i = 0; i < n; i++) {
        memcpy(d + i * n, a + i * n, (size_t)(i + 1) * sizeof(T));
        memset(d + i * n + i + 1, 0, (size_t)(n - i - 1) * sizeof(T));
    }
    for (int64_t k = 0; k < n; k += BLOCK) {
        const int64_t width = LESS(BLOCK, n - k), rest = n - k - width;
        T *corner = d + k * n + k, *below = corner + width * n;
        for (int64_t j = 0; j < width; j++) {
            T *row = corner + j * n;
            for (int64_t i = 0; i < j; i++) {
                T s = row[i];
                for (int64_t l = 0; l < i; l++) {
                    s = FMA(-row[l], corner[i * n + l], s);
                }
                row[i] = s / corner[i * n + i];
            }
            T s = row[j];
            for (int64_t l = 0; l < j; l++) {
                s = FMA(-row[l], row[l], s);
            }
            if (!(s > 0)) {
                return PBP_ERROR_LINALG;
            }
            row[j] = FN(sqrt)(s);
        }
        /* What is below, transposed, so that the rows of the system are long. */
        for (int64_t i = 0; i < rest; i++) {
            for (int64_t j = 0; j < width; j++) {
                up[j * rest + i] = below[i * n + j];
            }
        }
        for (int64_t i = 0; i < width; i++) {
            for (int64_t j = 0; j < i; j++) {
                N(axpy)(rest, -corner[i * n + j], up + j * rest, up + i * rest);
            }
            for (int64_t c = 0; c < rest; c++) {
                up[i * rest + c] /= corner[i * n + i];
            }
        }
        for (int64_t i = 0; i < rest; i++) {
            for (int64_t j = 0; j < width; j++) {
                below[i * n + j] = up[j * rest + i];
            }
        }
        for (int64_t i = 0; i < rest * width; i++) {
            negative[i] = -up[i];
        }
        for (int64_t j = 0; j < rest; j += 2 * BLOCK) {
            const int64_t columns = LESS(2 * BLOCK, rest - j);
            T *place = below + j * n + width + j;
            N(product)(sweep, rest - j, columns, width, place, n, below + j * n, n, 1, negative + j,
                       rest, 1, 1, room);
        }
        if (pbp_sweep_poll(sweep, rest * (rest + 8 * width) / 2 + width * width) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    for (int64_t i = 0; i < n; i++) {
        memset(d + i * n + i + 1, 0, (size_t)(n - i - 1) * sizeof(T));
    }
    return PBP_OK;
}

/* The cofactors of a, by its factors l u with exchanges of rows and columns, so that only the last
   pivot of a matrix of rank n - 1 is zero: with u = [u1 v; 0 p] the adjugate of u is
   det(u1) [p u1^-1, -u1^-1 v; 0, 1], which needs no division by p.  x, y: n n; order: 2 n. */
static void N(cofactors)(int64_t n, T *d, const T *a, T *x, T *y, int64_t *order)
{
    int64_t *const row = order, *const col = order + n;
    T sign = 1, product = 1;
    memcpy(x, a, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; i++) {
        row[i] = col[i] = i;
    }
    for (int64_t k = 0; k < n; k++) {
        T best = FN(fabs)(x[k * n + k]);
        int64_t r = k, c = k;
        for (int64_t i = k; i < n; i++) {
            for (int64_t j = k; j < n; j++) {
                const T v = FN(fabs)(x[i * n + j]);
                if (v > best) {
                    best = v;
                    r = i;
                    c = j;
                }
            }
        }
        if (k < n - 1) {
            product *= best == 0 ? (T)0 : (T)1;
        }
        if (best == 0) {
            break;
        }
        if (r != k) {
            N(exchange)(n, x + r * n, x + k * n);
            const int64_t v = row[r];
            row[r] = row[k];
            row[k] = v;
            sign = -sign;
        }
        if (c != k) {
            for (int64_t i = 0; i < n; i++) {
                N(exchange)(1, x + i * n + c, x + i * n + k);
            }
            const int64_t v = col[c];
            col[c] = col[k];
            col[k] = v;
            sign = -sign;
        }
        for (int64_t i = k + 1; i < n; i++) {
            const T factor = x[i * n + k] / x[k * n + k];
            x[i * n + k] = factor;
            N(axpy)(n - k - 1, -factor, x + k * n + k + 1, x + i * n + k + 1);
        }
    }
    memset(y, 0, (size_t)(n * n) * sizeof(T));
    if (product == 0) {
        memset(d, 0, (size_t)(n * n) * sizeof(T)); /* rank n - 2 or less */
        return;
    }
    const int64_t m = n - 1;
    const T last = x[n * n - 1];
    product = sign;
    for (int64_t i = 0; i < m; i++) {
        product *= x[i * n + i];
    }
    /* Rows of [p u1^-1, -u1^-1 v], times det(u1). */
    for (int64_t i = m - 1; i >= 0; i--) {
        const T pivot = x[i * n + i];
        T *out = y + i * n;
        for (int64_t j = i + 1; j < m; j++) {
            N(axpy)(n - j, -x[i * n + j], y + j * n + j, out + j);
        }
        out[m] -= x[i * n + m] * product;
        N(scale)(m - i, (T)1 / pivot, out + i + 1);
        out[i] = product * last / pivot;
    }
    y[n * n - 1] = product;
    for (int64_t i = 0; i < n; i++) {
        T *w = y + i * n;
        for (int64_t j = m; j > 0; j--) {
            N(axpy)(j, -w[j], x + j * n, w);
        }
        for (int64_t j = 0; j < n; j++) {
            d[row[j] * n + col[i]] = w[j];
        }
    }
}

/* ---- instructions ---- */

#define SINGULAR(number) pbp_linalg_fail(sweep, number, "Singular matrix")

KERNEL(pbp_lu)
{
    ARGUMENTS;
    const int64_t size = n * (n + 2);
    if (n <= PBP_LANES_MAX) {
        N(vec) *const perm = lanes + n * n, *const sign = perm + n;
        for (int64_t i = 1; i < n; i++) {
            sign[i] = SPLAT(0);
        }
        FOR_GROUPS(batch, N(lanes_cost)(n, 0))
        {
            N(gather)(lanes, a + g * n * n, n * n, n * n, (int)count);
            N(group_lu)(n, lanes, perm, sign);
            N(scatter)(d + g * size, lanes, size, size, (int)count);
        }
        return PBP_OK;
    }
    for (int64_t g = 0; g < batch; g++) {
        CHECKED(N(large_lu)(sweep, n, d + g * size, a + g * n * n, scratch, room));
    }
    return PBP_OK;
}

KERNEL(pbp_lu_solve)
{
    ARGUMENTS;
    const T *const b = (const T *)(const void *)b_bytes;
    const int64_t m = p[PBP_L_K], size = n * (n + 2);
    const int64_t a_step = p[PBP_L_A_STEP] * size, b_step = p[PBP_L_B_STEP] * n * m;
    const bool transposed = (p[PBP_L_MODE] & PBP_TRANSPOSED) != 0;
    if (n <= PBP_LANES_MAX && m <= PBP_LANES_MAX) {
        N(vec) *const x = lanes + size, *const y = x + n * m;
        FOR_GROUPS(batch, N(lanes_cost)(n, m))
        {
            N(gather)(lanes, a + g * a_step, size, a_step, (int)count);
            const int lane = N(lanes_singular)((int)n, lanes);
            if (lane < LANES) {
                return SINGULAR(g + lane);
            }
            N(gather)(y, b + g * b_step, n * m, b_step, (int)count);
            const T *perm = (const T *)(const void *)(lanes + n * n);
            const T *from = (const T *)(const void *)y;
            T *to = (T *)(void *)x;
            if (!transposed) {
                for (int64_t i = 0; i < n; i++) {
                    for (int l = 0; l < LANES; l++) {
                        const int64_t row = N(row_of)(perm[i * LANES + l], n);
                        for (int64_t j = 0; j < m; j++) {
                            to[(i * m + j) * LANES + l] = from[(row * m + j) * LANES + l];
                        }
                    }
                }
                N(group_triangular)(n, m, lanes, false, true, true, x);
                N(group_triangular)(n, m, lanes, false, false, false, x);
            } else {
                N(group_triangular)(n, m, lanes, true, true, false, y);
                N(group_triangular)(n, m, lanes, true, false, true, y);
                memset((void *)x, 0, (size_t)(n * m) * sizeof x[0]);
                for (int64_t i = 0; i < n; i++) {
                    for (int l = 0; l < LANES; l++) {
                        const int64_t row = N(row_of)(perm[i * LANES + l], n);
                        for (int64_t j = 0; j < m; j++) {
                            to[(row * m + j) * LANES + l] = from[(i * m + j) * LANES + l];
                        }
                    }
                }
            }
            N(scatter)(d + g * n * m, x, n * m, n * m, (int)count);
        }
        return PBP_OK;
    }
    for (int64_t g = 0; g < batch; g++) {
        if (N(large_singular)(n, a + g * a_step)) {
            return SINGULAR(g);
        }
        N(large_solve)(sweep, n, m, a + g * a_step, transposed, d + g * n * m, b + g * b_step,
                       scratch, room);
        if (pbp_sweep_poll(sweep, n * n * (m + 1) / 8) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

KERNEL(pbp_inv)
{
    ARGUMENTS;
    if (n <= PBP_LANES_MAX) {
        N(vec) *const perm = lanes + n * n, *const sign = perm + n, *const x = sign + 1;
        FOR_GROUPS(batch, N(lanes_cost)(n, n))
        {
            N(gather)(lanes, a + g * n * n, n * n, n * n, (int)count);
            N(group_lu)(n, lanes, perm, sign);
            const int lane = N(lanes_singular)((int)n, lanes);
            if (lane < LANES) {
                return SINGULAR(g + lane);
            }
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    x[i * n + j] = N(select)(perm[i] == SPLAT(j), SPLAT(1), SPLAT(0));
                }
            }
            N(group_triangular)(n, n, lanes, false, true, true, x);
            N(group_triangular)(n, n, lanes, false, false, false, x);
            N(scatter)(d + g * n * n, x, n * n, n * n, (int)count);
        }
        return PBP_OK;
    }
    T *const lu = scratch + BLOCK * (n + BLOCK);
    for (int64_t g = 0; g < batch; g++) {
        T *x = d + g * n * n;
        CHECKED(N(large_lu)(sweep, n, lu, a + g * n * n, scratch, room));
        if (N(large_singular)(n, lu)) {
            return SINGULAR(g);
        }
        memset(x, 0, (size_t)(n * n) * sizeof(T));
        for (int64_t i = 0; i < n; i++) {
            x[i * n + (int64_t)lu[n * n + i]] = 1;
        }
        N(triangular)(sweep, n, n, lu, n, 1, true, true, x, n, scratch, room);
        N(triangular)(sweep, n, n, lu, n, 1, false, false, x, n, scratch, room);
        if (pbp_sweep_poll(sweep, n * n * n / 8) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

KERNEL(pbp_cofactors)
{
    ARGUMENTS;
    T *const y = scratch + n * n;
    int64_t *const order = (int64_t *)(void *)(y + n * n);
    for (int64_t g = 0; g < batch; g++) {
        N(cofactors)(n, d + g * n * n, a + g * n * n, scratch, y, order);
        if (pbp_sweep_poll(sweep, n * n * (n + 20) / 2) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

KERNEL(pbp_cholesky)
{
    ARGUMENTS;
    const char *const reason = "Matrix is not positive definite";
    if (n <= PBP_LANES_MAX) {
        FOR_GROUPS(batch, N(lanes_cost)(n, 0))
        {
            N(gather)(lanes, a + g * n * n, n * n, n * n, (int)count);
            const int lane = N(group_cholesky)(n, lanes);
            if (lane < LANES) {
                return pbp_linalg_fail(sweep, g + lane, reason);
            }
            N(scatter)(d + g * n * n, lanes, n * n, n * n, (int)count);
        }
        return PBP_OK;
    }
    for (int64_t g = 0; g < batch; g++) {
        const pbp_status status =
            N(large_cholesky)(sweep, n, d + g * n * n, a + g * n * n, scratch, room);
        if (status != PBP_OK) {
            return status == PBP_ERROR_LINALG ? pbp_linalg_fail(sweep, g, reason) : status;
        }
    }
    return PBP_OK;
}

KERNEL(pbp_triangular)
{
    ARGUMENTS;
    const T *const b = (const T *)(const void *)b_bytes;
    const int64_t m = p[PBP_L_K], mode = p[PBP_L_MODE];
    const int64_t a_step = p[PBP_L_A_STEP] * n * n, b_step = p[PBP_L_B_STEP] * n * m;
    const bool transposed = (mode & PBP_TRANSPOSED) != 0, unit = (mode & PBP_UNIT) != 0;
    const bool lower = ((mode & PBP_LOWER) != 0) != transposed;
    const int64_t row = transposed ? 1 : n, col = transposed ? n : 1;
    if (n <= PBP_LANES_MAX && m <= PBP_LANES_MAX) {
        N(vec) *const x = lanes + n * n;
        FOR_GROUPS(batch, N(lanes_cost)(n, m))
        {
            N(gather)(lanes, a + g * a_step, n * n, a_step, (int)count);
            const int lane = mode & PBP_CHECKED ? N(lanes_singular)((int)n, lanes) : LANES;
            if (lane < LANES) {
                return SINGULAR(g + lane);
            }
            N(gather)(x, b + g * b_step, n * m, b_step, (int)count);
            N(group_triangular)(n, m, lanes, transposed, lower, unit, x);
            N(scatter)(d + g * n * m, x, n * m, n * m, (int)count);
        }
        return PBP_OK;
    }
    for (int64_t g = 0; g < batch; g++) {
        if ((mode & PBP_CHECKED) && N(large_singular)(n, a + g * a_step)) {
            return SINGULAR(g);
        }
        memcpy(d + g * n * m, b + g * b_step, (size_t)(n * m) * sizeof(T));
        N(triangular)(sweep, n, m, a + g * a_step, row, col, lower, unit, d + g * n * m, m, scratch,
                      room);
        if (pbp_sweep_poll(sweep, n * n * (m + 1) / 16) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

#endif
