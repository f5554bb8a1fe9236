/* LU factors of one larger matrix, and solutions by them; included once per type after linalg_body.h.
   The layout of factors is that of the instruction LU. */

/* The factors of the rows x width panel p, rows `width` apart; swaps[k] is the row that k was
   exchanged with. */
static void N(panel_lu)(int64_t rows, int64_t width, T *p, int64_t *swaps)
{
    for (int64_t k = 0; k < LESS(width, rows); k++) {
        T best = FN(fabs)(p[k * width + k]);
        int64_t chosen = k;
        for (int64_t i = k + 1; i < rows; i++) {
            const T v = FN(fabs)(p[i * width + k]);
            if (v > best) {
                best = v;
                chosen = i;
            }
        }
        swaps[k] = chosen;
        if (chosen != k) {
            for (int64_t j = 0; j < width; j++) {
                const T v = p[k * width + j];
                p[k * width + j] = p[chosen * width + j];
                p[chosen * width + j] = v;
            }
        }
        const T pivot = p[k * width + k] == 0 ? (T)1 : p[k * width + k];
        for (int64_t i = k + 1; i < rows; i++) {
            const T factor = p[i * width + k] / pivot;
            p[i * width + k] = factor;
            N(axpy)(width - k - 1, -factor, p + k * width + k + 1, p + i * width + k + 1);
        }
    }
}

/* scratch: n BLOCK elements. */
static pbp_status N(large_lu)(pbp_sweep *sweep, int64_t n, T *d, const T *a, T *scratch, void *room)
{
    T *perm = d + n * n, *sign = perm + n;
    int64_t swaps[BLOCK];
    memcpy(d, a, (size_t)(n * n) * sizeof(T));
    for (int64_t i = 0; i < n; i++) {
        perm[i] = (T)i;
        sign[i] = 0;
    }
    sign[0] = 1;
    for (int64_t k = 0; k < n; k += BLOCK) {
        const int64_t width = LESS(BLOCK, n - k), rows = n - k, rest = rows - width;
        for (int64_t i = 0; i < rows; i++) {
            memcpy(scratch + i * width, d + (k + i) * n + k, (size_t)width * sizeof(T));
        }
        N(panel_lu)(rows, width, scratch, swaps);
        for (int64_t i = 0; i < width; i++) {
            T *x = d + (k + i) * n, *y = d + (k + swaps[i]) * n;
            if (x != y) {
                N(exchange)(k, x, y);
                N(exchange)(rest, x + k + width, y + k + width);
                N(exchange)(1, perm + k + i, perm + k + swaps[i]);
                sign[0] = -sign[0];
            }
        }
        for (int64_t i = 0; i < rows; i++) {
            memcpy(d + (k + i) * n + k, scratch + i * width, (size_t)width * sizeof(T));
        }
        for (int64_t i = 1; i < width; i++) {
            for (int64_t j = 0; j < i; j++) {
                N(axpy)(rest, -scratch[i * width + j], d + (k + j) * n + k + width,
                        d + (k + i) * n + k + width);
            }
        }
        N(scale)(rest * width, (T)-1, scratch + width * width);
        N(product)(sweep, rest, rest, width, d + (k + width) * n + k + width, n,
                   scratch + width * width, width, 1, d + k * n + k + width, n, 1, 1, room);
        if (pbp_sweep_poll(sweep, rows * (rows + 8 * width)) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* A row's number out of data that anybody may have written. */
INLINE int64_t N(row_of)(T number, int64_t n)
{
    return number >= 0 && number < (T)n ? (int64_t)number : 0;
}

/* Rows of x as the permutation says: x[i] = b[perm[i]]. */
static void N(permute)(int64_t n, int64_t m, T *x, const T *b, const T *perm)
{
    for (int64_t i = 0; i < n; i++) {
        memcpy(x + i * m, b + N(row_of)(perm[i], n) * m, (size_t)m * sizeof(T));
    }
}

static void N(large_solve)(const pbp_sweep *sweep, int64_t n, int64_t m, const T *lu,
                           bool transposed, T *x, const T *b, T *scratch, void *room)
{
    const T *perm = lu + n * n;
    if (!transposed) {
        N(permute)(n, m, x, b, perm);
        N(triangular)(sweep, n, m, lu, n, 1, true, true, x, m, scratch, room);
        N(triangular)(sweep, n, m, lu, n, 1, false, false, x, m, scratch, room);
        return;
    }
    T *y = scratch + BLOCK * (n + BLOCK);
    memset(x, 0, (size_t)(n * m) * sizeof(T));
    memcpy(y, b, (size_t)(n * m) * sizeof(T));
    N(triangular)(sweep, n, m, lu, 1, n, true, false, y, m, scratch, room);
    N(triangular)(sweep, n, m, lu, 1, n, false, true, y, m, scratch, room);
    for (int64_t i = 0; i < n; i++) {
        memcpy(x + N(row_of)(perm[i], n) * m, y + i * m, (size_t)m * sizeof(T));
    }
}
