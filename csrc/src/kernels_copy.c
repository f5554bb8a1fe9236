/* COPY between arrays of any strides, ZERO, and the adding loops that COPY with ACC and SCATTER_ADD
   use.

     COPY   r[d][i...] = r[a][i...], or += with ACC
     ZERO   r[d] = 0

   d and a do not overlap.  The plan of a COPY (op->params: ndim, shape, strides of d, strides of a)
   was made at load: axes merged where both sides allow it, the axis with the smallest stride of d
   last. */
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
    if (d_stride == bytes && a_stride == bytes) {
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

pbp_status pbp_copy_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b)
{
    (void)b;
    const int64_t ndim = op->params[0];
    const int64_t *shape = op->params + 1, *d_stride = shape + ndim, *a_stride = d_stride + ndim;
    int64_t index[PBP_MAX_NDIM] = {0};
    int64_t done = 0;
    if (ndim == 0) {
        return copy_row(op, sweep, 1, d, 0, a, 0);
    }
    const int64_t last = ndim - 1;
    for (;;) {
        if (copy_row(op, sweep, shape[last], d, d_stride[last], a, a_stride[last]) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
        done += shape[last];
        if (done > POLL_ELEMENTS) {
            if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {
                return PBP_INTERRUPTED;
            }
            done = 0;
        }
        int64_t k = last - 1;
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
