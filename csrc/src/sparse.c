/* The instruction SPARSE_MATMUL: what may be in its params, and its run.  See sparse.h. */
#include "check.h"

#include "sparse.h"

enum { ROWS, INNER, NONZEROS, GROUPS, COLUMNS, D_ROW, D_GROUP, C_ROW, C_GROUP, SPARSE_PARAMS };

/* Nanoseconds of a product, about. */
static double work(const int64_t *p)
{
    const double most = 1e17;
    const double each = 0.3 * (double)p[NONZEROS] + 0.5 * (double)p[ROWS];
    const double all = (double)p[GROUPS] * (double)p[COLUMNS] * each;
    return all < most ? all : most;
}

/* What a product reaches of an operand: `rows` of `groups` of `n`. */
static pbp_status reach_rows(check *k, pbp_reach *x, int64_t rows, int64_t row, int64_t group,
                             const char *name, bool writes)
{
    const int64_t *p = k->params, item = pbp_dtype_bytes(x->operand->dtype);
    int64_t row_bytes, group_bytes;
    if (__builtin_mul_overflow(row, item, &row_bytes) ||
        __builtin_mul_overflow(group, item, &group_bytes)) {
        FAIL("its extents are impossible");
    }
    TRY(begin(k, x, p[COLUMNS]));
    TRY(extend(k, x, p[GROUPS], group_bytes));
    TRY(extend(k, x, rows, row_bytes));
    return finish(k, x, name, writes);
}

/* The pattern is a constant, so that it need not be looked at when the tape runs. */
static pbp_status check_pattern(const check *k)
{
    const pbp_operand *b = k->b.operand;
    if (k->tape->bases[b->base].kind != PBP_BASE_CONST) {
        FAIL("its pattern is not among the constants");
    }
    if (!pbp_sparse_fits(k->params, (const int64_t *)(const void *)(k->tape->consts + b->offset))) {
        FAIL("its pattern does not fit");
    }
    return PBP_OK;
}

pbp_status pbp_check_sparse(check *k)
{
    TRY(check_flags(k, 0));
    TRY(find_params(k, SPARSE_PARAMS));
    const int64_t *p = k->params;
    const int64_t extents[3] = {p[ROWS], p[GROUPS], p[COLUMNS]};
    const int64_t c_extents[3] = {p[INNER], p[GROUPS], p[COLUMNS]};
    TRY(check_extents(k, extents, 3));
    TRY(check_extents(k, c_extents, 3));
    TRY(check_extents(k, p + NONZEROS, 1));
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    const uint32_t dtypes = 1u << k->a.operand->dtype;
    TRY(check_operand(k, k->in->b, 1u << PBP_INT64, "b", &k->b));
    TRY(check_operand(k, k->in->c, dtypes, "c", &k->c));
    TRY(check_operand(k, k->in->d, dtypes, "d", &k->d));
    TRY(begin(k, &k->a, p[NONZEROS]));
    TRY(begin(k, &k->b, 2 * p[ROWS] + p[NONZEROS]));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->b, "b", false));
    TRY(check_pattern(k));
    TRY(reach_rows(k, &k->c, p[INNER], p[C_ROW], p[C_GROUP], "c", false));
    TRY(reach_rows(k, &k->d, p[ROWS], p[D_ROW], p[D_GROUP], "d", true));
    TRY(check_apart(k, &k->a, "a"));
    TRY(check_apart(k, &k->b, "b"));
    TRY(check_apart(k, &k->c, "c"));
    k->runs = k->d.some;
    k->op->kernel.sweep = pbp_sparse_run;
    set_cost(k, p[INNER] + p[NONZEROS], 500);
    k->op->cost += (int64_t)work(p);
    return PBP_OK;
}

int64_t pbp_sparse_scratch_bytes(const int64_t *params, int64_t item)
{
    const int64_t columns = pbp_sparse_padded(pbp_sparse_strip(params, item), item);
    return params[1] * params[3] * columns * item;
}

#define MULTIPLY(name, kernel, T, F)                                                               \
    static pbp_status name(const int64_t *p, pbp_sweep *sweep, T *d, const T *a, const int64_t *b, \
                           const T *c)                                                             \
    {                                                                                              \
        const int64_t nanoseconds = (int64_t)(work(p) / (double)(p[ROWS] + 1)) + 1;                \
        const int64_t some = 1000000 / nanoseconds + 1;                                            \
        bool finite = true;                                                                        \
        for (int64_t first = 0; first < p[ROWS]; first += some) {                                  \
            const int64_t end = p[ROWS] - first < some ? p[ROWS] : first + some;                   \
            finite =                                                                               \
                sweep->tape->isa->kernel(p, first, end, d, a, b, c, sweep->workspace->scratch);    \
            if (end < p[ROWS] && pbp_sweep_poll(sweep, nanoseconds * some) != PBP_OK) {            \
                return PBP_INTERRUPTED;                                                            \
            }                                                                                      \
        }                                                                                          \
        for (int64_t k = 0; !finite && k < p[INNER]; k++) {                                        \
            pbp_sparse_spoil##F(p, k, d, b, c);                                                    \
            if (pbp_sweep_poll(sweep, p[NONZEROS] + p[ROWS] * (p[GROUPS] * p[COLUMNS] + 1)) !=     \
                PBP_OK) {                                                                          \
                return PBP_INTERRUPTED;                                                            \
            }                                                                                      \
        }                                                                                          \
        return PBP_OK;                                                                             \
    }

MULTIPLY(multiply_f64, sparse_f64, double, )
MULTIPLY(multiply_f32, sparse_f32, float, f)

pbp_status pbp_sparse_product(bool single, const int64_t *params, pbp_sweep *sweep, void *d,
                              const void *a, const void *b, const void *c)
{
    return single ? multiply_f32(params, sweep, d, a, b, c)
                  : multiply_f64(params, sweep, d, a, b, c);
}

pbp_status pbp_sparse_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                          const char *b)
{
    const char *c = sweep->workspace->bases[op->c_base] + op->c_offset;
    return pbp_sparse_product(op->d_dtype == PBP_FLOAT32, op->params, sweep, d, a, b, c);
}
