/* COPY between arrays of any strides, ZERO, and the adding loops that COPY with ACC and SCATTER_ADD
   use.

     COPY   r[d][i...] = r[a][i...], or += with ACC
     ZERO   r[d] = 0

   d and a do not overlap.  The plan of a COPY (op->params: ndim, shape, strides of d, strides of a)
   was made at load (order_copy in validate_array.c): axes merged where both sides allow it, the axis
   of the innermost loop last, before it the other one of a transposition. */
#include "core.h"

#include <string.h>

#ifndef __clang__
#pragma GCC optimize("O2", "tree-vectorize")
#endif

#define POLL_ELEMENTS (1 << 20)

#define ADD_LOOP(N, T, U)                                                                          \
    static void add_##N(int64_t n, char *d, int64_t d_stride, const char *a, int64_t a_stride)     \
    {                                                                                              \
        if (d_stride == (int64_t)sizeof(T) && a_stride == d_stride) {                              \
            _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)                                   \
            {                                                                                      \
                ((T *)d)[i] = (T)((U)((T *)d)[i] + (U)((const T *)a)[i]);                          \
            }                                                                                      \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++, d += d_stride, a += a_stride) {                        \
                *(T *)d = (T)((U) * (T *)d + (U) * (const T *)a);                                  \
            }                                                                                      \
        }                                                                                          \
    }
ADD_LOOP(8, uint8_t, uint32_t)
ADD_LOOP(16, uint16_t, uint32_t)
ADD_LOOP(32, uint32_t, uint32_t)
ADD_LOOP(64, uint64_t, uint64_t)
ADD_LOOP(f32, float, float)
ADD_LOOP(f64, double, double)

pbp_add_kernel pbp_add_find(uint32_t dtype)
{
    static const pbp_add_kernel table[] = {NULL,   add_8,  add_8,  add_16,  add_16, add_32,
                                           add_32, add_64, add_64, add_f32, add_f64};
    return dtype <= PBP_FLOAT64 ? table[dtype] : NULL;
}

#define MOVE_LOOP(T)                                                                               \
    for (int64_t i = 0; i < n; i++, d += d_stride, a += a_stride) {                                \
        *(T *)d = *(const T *)a;                                                                   \
    }

static void move(int64_t n, char *d, int64_t d_stride, const char *a, int64_t a_stride,
                 int64_t bytes)
{
    if (d_stride == bytes && a_stride == bytes && (bytes != 8 || n > 8)) {
        memmove(d, a, (size_t)(n * bytes));
    } else if (bytes == 8) {
        MOVE_LOOP(uint64_t)
    } else if (bytes == 4) {
        MOVE_LOOP(uint32_t)
    } else if (bytes == 2) {
        MOVE_LOOP(uint16_t)
    } else {
        MOVE_LOOP(uint8_t)
    }
}

/* One innermost row, in pieces if it is long. */
static pbp_status copy_row(const pbp_array_op *op, pbp_sweep *sweep, int64_t n, char *d,
                           int64_t d_stride, const char *a, int64_t a_stride)
{
    const int64_t bytes = pbp_dtype_bytes(op->d_dtype);
    for (int64_t i = 0; i < n; i += POLL_ELEMENTS) {
        const int64_t count = n - i < POLL_ELEMENTS ? n - i : POLL_ELEMENTS;
        if (op->inner != NULL) {
            ((pbp_add_kernel)op->inner)(count, d + i * d_stride, d_stride, a + i * a_stride,
                                        a_stride);
        } else {
            move(count, d + i * d_stride, d_stride, a + i * a_stride, a_stride, bytes);
        }
        if (n > POLL_ELEMENTS && pbp_sweep_poll(sweep, count / 1000 * op->element_cost) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* Columns of a become rows of d: d[x][y] = a[y][x], items of d beside each other along y and of a
   along x. Eight rows of a are read in step, so that every line of both is touched once. */
#define TRANSPOSE(NAME, T)                                                                         \
    static void transpose_##NAME(int64_t n_x, int64_t n_y, char *d, int64_t d_x, const char *a,    \
                                 int64_t a_y)                                                      \
    {                                                                                              \
        int64_t y = 0;                                                                             \
        if (n_y == 2 && d_x == 2 * (int64_t)sizeof(T)) {                                           \
            /* Two rows become pairs: complex numbers. */                                          \
            const T *const first = (const T *)a, *const second = (const T *)(a + a_y);             \
            T *const to = (T *)d;                                                                  \
            _Pragma("GCC ivdep") for (int64_t x = 0; x < n_x; x++)                                 \
            {                                                                                      \
                to[2 * x] = first[x];                                                              \
                to[2 * x + 1] = second[x];                                                         \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (; y + 8 <= n_y; y += 8, d += 8 * sizeof(T), a += 8 * a_y) {                           \
            for (int64_t x = 0; x < n_x; x++) {                                                    \
                const char *from = a + x * (int64_t)sizeof(T);                                     \
                T *to = (T *)(d + x * d_x);                                                        \
                const T i0 = *(const T *)from, i1 = *(const T *)(from + a_y);                      \
                const T i2 = *(const T *)(from + 2 * a_y), i3 = *(const T *)(from + 3 * a_y);      \
                const T i4 = *(const T *)(from + 4 * a_y), i5 = *(const T *)(from + 5 * a_y);      \
                const T i6 = *(const T *)(from + 6 * a_y), i7 = *(const T *)(from + 7 * a_y);      \
                to[0] = i0, to[1] = i1, to[2] = i2, to[3] = i3;                                    \
                to[4] = i4, to[5] = i5, to[6] = i6, to[7] = i7;                                    \
            }                                                                                      \
        }                                                                                          \
        for (; y < n_y; y++, d += sizeof(T), a += a_y) {                                           \
            for (int64_t x = 0; x < n_x; x++) {                                                    \
                *(T *)(d + x * d_x) = *(const T *)(a + x * (int64_t)sizeof(T));                    \
            }                                                                                      \
        }                                                                                          \
    }
TRANSPOSE(64, uint64_t)
TRANSPOSE(32, uint32_t)

/* The last two axes as one transposition, in pieces between which the caller is asked whether to go
   on. */
static pbp_status transpose(pbp_sweep *sweep, int64_t cost, int64_t bytes, const int64_t *n,
                            char *d, int64_t d_x, const char *a, int64_t a_y)
{
    const int64_t most = n[1] < POLL_ELEMENTS ? POLL_ELEMENTS / n[1] : 1;
    for (int64_t x = 0; x < n[0]; x += most) {
        const int64_t count = n[0] - x < most ? n[0] - x : most;
        (bytes == 8 ? transpose_64 : transpose_32)(count, n[1], d + x * d_x, d_x, a + x * bytes,
                                                   a_y);
        if (n[0] > most && pbp_sweep_poll(sweep, count * n[1] / 1000 * cost) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

pbp_status pbp_copy_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b)
{
    (void)b;
    const int64_t ndim = op->params[0], bytes = pbp_dtype_bytes(op->d_dtype);
    const int64_t *shape = op->params + 1, *d_stride = shape + ndim, *a_stride = d_stride + ndim;
    int64_t index[PBP_MAX_NDIM] = {0};
    int64_t done = 0;
    if (ndim == 0) {
        return copy_row(op, sweep, 1, d, 0, a, 0);
    }
    const int64_t last = ndim - 1;
    const bool transposes = last > 0 && op->inner == NULL && (bytes == 8 || bytes == 4) &&
                            d_stride[last] == bytes && a_stride[last] != bytes &&
                            a_stride[last - 1] == bytes;
    const int64_t step = transposes ? shape[last - 1] * shape[last] : shape[last];
    for (;;) {
        const pbp_status status =
            transposes ? transpose(sweep, op->element_cost, bytes, shape + last - 1, d,
                                   d_stride[last - 1], a, a_stride[last])
                       : copy_row(op, sweep, shape[last], d, d_stride[last], a, a_stride[last]);
        if (status != PBP_OK) {
            return status;
        }
        done += step;
        if (done > POLL_ELEMENTS) {
            if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
            done = 0;
        }
        int64_t k = transposes ? last - 2 : last - 1;
        while (k >= 0 && ++index[k] == shape[k]) {
            d -= d_stride[k] * (shape[k] - 1);
            a -= a_stride[k] * (shape[k] - 1);
            index[k--] = 0;
        }
        if (k < 0) {
            return PBP_OK;
        }
        d += d_stride[k];
        a += a_stride[k];
    }
}

pbp_status pbp_zero_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b)
{
    (void)a, (void)b;
    const int64_t most = (int64_t)1 << 24;
    for (int64_t i = 0; i < op->params[0]; i += most) {
        const int64_t bytes = op->params[0] - i < most ? op->params[0] - i : most;
        memset(d + i, 0, (size_t)bytes);
        if (op->params[0] > most && pbp_sweep_poll(sweep, bytes / 10) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}
