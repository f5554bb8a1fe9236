/* Instructions with indices that only the run knows, which are therefore checked here: GATHER,
   SCATTER_SET, SCATTER_ADD, WRAP; and POW of integers, whose exponents must not be negative.
   params of the first three: outer, n, bound, inner, index_outer.

     GATHER        r[d][o, k, :] = r[a][o, i, :]     i = r[b][o * index_outer + k], wrapped
     SCATTER_SET   r[d][o, i, :] = r[a][o, k, :]     k ascending, so the last one stays
     SCATTER_ADD   r[d][o, i, :] += r[a][o, k, :]    k ascending, one after the other
     WRAP          r[d][k] = i

   Wrapped: + bound if negative.  d does not overlap a or b, but for WRAP, where d may be a. */
#include "core.h"

#include <string.h>

#define POLL_ELEMENTS (1 << 20)

static pbp_status out_of_range(pbp_sweep *sweep, int64_t index, int64_t bound)
{
    sweep->values[0] = index;
    sweep->values[1] = bound;
    return PBP_ERROR_INDEX;
}

/* Indices of rows o, k. */
#define WRAPPED(i, index, bound)                                                                   \
    int64_t i = (index);                                                                           \
    i = i < 0 ? i + (bound) : i;                                                                   \
    if ((uint64_t)i >= (uint64_t)(bound)) {                                                        \
        return out_of_range(sweep, index, bound);                                                  \
    }

/* n items of one size T, inner = 1. */
#define GATHER_ITEMS(T)                                                                            \
    for (int64_t k = 0; k < n; k++) {                                                              \
        WRAPPED(i, index[k], bound)                                                                \
        ((T *)d)[k] = ((const T *)a)[i];                                                           \
    }                                                                                              \
    return PBP_OK;

static pbp_status gather_some(pbp_sweep *sweep, char *d, const char *a, const int64_t *index,
                              int64_t n, int64_t bound, int64_t bytes)
{
    if (bytes == 8) {
        GATHER_ITEMS(uint64_t)
    }
    if (bytes == 4) {
        GATHER_ITEMS(uint32_t)
    }
    for (int64_t k = 0; k < n; k++) {
        WRAPPED(i, index[k], bound)
        memmove(d + k * bytes, a + i * bytes, (size_t)bytes);
    }
    return PBP_OK;
}

static pbp_status scatter_some(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                               const int64_t *index, int64_t n, int64_t bound, int64_t inner,
                               int64_t item)
{
    const int64_t bytes = inner * item;
    if (op->inner == NULL) {
        for (int64_t k = 0; k < n; k++) {
            WRAPPED(i, index[k], bound)
            memmove(d + i * bytes, a + k * bytes, (size_t)bytes);
        }
    } else if (inner == 1 && op->d_dtype == PBP_FLOAT64) {
        for (int64_t k = 0; k < n; k++) {
            WRAPPED(i, index[k], bound)
            ((double *)d)[i] += ((const double *)a)[k];
        }
    } else if (inner == 1 && op->d_dtype == PBP_FLOAT32) {
        for (int64_t k = 0; k < n; k++) {
            WRAPPED(i, index[k], bound)
            ((float *)d)[i] += ((const float *)a)[k];
        }
    } else {
        for (int64_t k = 0; k < n; k++) {
            WRAPPED(i, index[k], bound)
            ((pbp_add_kernel)op->inner)(inner, d + i * bytes, item, a + k * bytes, item);
        }
    }
    return PBP_OK;
}

/* Both walk in pieces of about a million items. */
static pbp_status index_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                            const char *b, bool gather)
{
    const int64_t outer = op->params[0], n = op->params[1], bound = op->params[2],
                  inner = op->params[3];
    const int64_t item = pbp_dtype_bytes(op->d_dtype), bytes = inner * item;
    const int64_t most = POLL_ELEMENTS / (inner > 0 ? inner : 1) + 1;
    int64_t done = 0;
    for (int64_t o = 0; o < outer; o++) {
        const int64_t *index = (const int64_t *)b + o * op->params[4];
        for (int64_t k = 0; k < n; k += most) {
            const int64_t count = n - k < most ? n - k : most;
            const pbp_status status =
                gather ? gather_some(sweep, d + (o * n + k) * bytes, a + o * bound * bytes,
                                     index + k, count, bound, bytes)
                       : scatter_some(op, sweep, d + o * bound * bytes, a + (o * n + k) * bytes,
                                      index + k, count, bound, inner, item);
            if (status != PBP_OK) {
                return status;
            }
            done += count * (inner + 1);
            if (done > POLL_ELEMENTS) {
                if (pbp_sweep_poll(sweep, done / 1000 * op->element_cost) != PBP_OK) {
                    return PBP_INTERRUPTED;
                }
                done = 0;
            }
        }
    }
    return PBP_OK;
}

pbp_status pbp_gather_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b)
{
    return index_run(op, sweep, d, a, b, true);
}

pbp_status pbp_scatter_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                           const char *b)
{
    return index_run(op, sweep, d, a, b, false);
}

pbp_status pbp_wrap_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                        const char *b)
{
    (void)b;
    const int64_t n = op->params[0], bound = op->params[1];
    for (int64_t k = 0; k < n; k++) {
        WRAPPED(i, ((const int64_t *)a)[k], bound)
        ((int64_t *)d)[k] = i;
        if (k % POLL_ELEMENTS == POLL_ELEMENTS - 1 &&
            pbp_sweep_poll(sweep, POLL_ELEMENTS / 1000 * op->element_cost) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}

/* r[d] = r[a] ** r[b] of integers. */
pbp_status pbp_power_checked(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                             const char *b)
{
    for (int64_t o = 0; o < op->outer; o++) {
        const char *exponents = b + o * op->b_outer;
        if (pbp_int_any_negative(op->a_dtype, &op->shape, exponents)) {
            sweep->reason = "an integer to a negative integer power";
            return PBP_ERROR_DOMAIN;
        }
        const pbp_shaped_kernel kernel = (pbp_shaped_kernel)op->inner;
        pbp_shape piece = op->shape;
        for (int64_t r = 0; r < op->shape.rows; r++) {
            const int64_t item = pbp_dtype_bytes(op->d_dtype);
            piece.rows = 1;
            for (int64_t i = 0; i < op->shape.cols; i += POLL_ELEMENTS) {
                piece.cols =
                    op->shape.cols - i < POLL_ELEMENTS ? op->shape.cols - i : POLL_ELEMENTS;
                kernel(&piece, d + o * op->d_outer + r * piece.d_row + i * item,
                       a + o * op->a_outer + r * piece.a_row + i * item * piece.a_step,
                       exponents + r * piece.b_row + i * item * piece.b_step, a);
                if (pbp_sweep_poll(sweep, piece.cols / 1000 * op->element_cost) != PBP_OK) {
                    return PBP_INTERRUPTED;
                }
            }
        }
    }
    return PBP_OK;
}
