/* Checks and records of the array instructions that are not elementwise: reductions, products,
 * copies, indices. */
#include "check.h"

/* ---- reductions ---- */

pbp_status pbp_check_reduce(check *k)
{
    const uint32_t row = k->in->row;
    const bool arg = row == PBP_ROW_ARGMAX || row == PBP_ROW_ARGMIN, dot = row == PBP_ROW_DOT;
    const bool sums = row == PBP_ROW_SUM || dot;
    const bool columns = (k->in->flags & PBP_FLAG_COLUMNS) != 0;
    pbp_array_op *op = k->op;
    TRY(check_flags(k, PBP_FLAG_COLUMNS | (sums ? PBP_FLAG_ACC : 0)));
    TRY(find_params(k, 11));
    TRY(check_extents(k, k->params, 3));
    const int64_t outer = k->params[0], rows = k->params[1], cols = k->params[2];
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    op->a_dtype = (uint16_t)k->a.operand->dtype;
    if (dot) {
        TRY(check_operand(k, k->in->b, 1u << op->a_dtype, "b", &k->b));
    }
    TRY(check_operand(k, k->in->d, arg ? PBP_INT64_ONLY : 1u << op->a_dtype, "d", &k->d));
    op->d_dtype = (uint16_t)k->d.operand->dtype;
    const int64_t item = pbp_dtype_bytes(op->a_dtype), d_item = pbp_dtype_bytes(op->d_dtype);
    for (int i = 3; i < 9; i++) {
        TRY(check_stride(k, k->params[i], i < 5 ? d_item : item));
    }
    pbp_reach *const sources[2] = {&k->a, &k->b};
    for (int i = 0; i < (dot ? 2 : 1); i++) {
        TRY(begin(k, sources[i], cols));
        TRY(extend(k, sources[i], rows, k->params[6 + 2 * i]));
        TRY(extend(k, sources[i], outer, k->params[5 + 2 * i]));
        TRY(finish(k, sources[i], i == 0 ? "a" : "b", false));
    }
    TRY(begin(k, &k->d, columns ? cols : 1));
    if (!columns) {
        TRY(extend(k, &k->d, rows, k->params[4]));
    }
    TRY(extend(k, &k->d, outer, k->params[3]));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    if (dot) {
        TRY(check_apart(k, &k->b, "b"));
    }
    if (k->d.some &&
        ((!columns && rows > 1 && k->params[4] == 0) || (outer > 1 && k->params[3] == 0))) {
        FAIL("d is written more than once");
    }
    if (k->d.some && !sums && row != PBP_ROW_PROD && (columns ? rows : cols) == 0) {
        FAIL("it takes the extreme of nothing");
    }
    op->outer = outer;
    op->shape = (pbp_shape){.cols = cols, .rows = rows};
    if (rows > 1) {
        op->shape.d_row = columns ? 0 : k->params[4];
        op->shape.a_row = k->params[6];
        op->shape.b_row = dot ? k->params[8] : 0;
    }
    if (outer > 1) {
        op->d_outer = k->params[3];
        op->a_outer = k->params[5];
        op->b_outer = dot ? k->params[7] : 0;
    }
    op->kernel.sweep = op->a_dtype >= PBP_FLOAT32 && !arg
                           ? k->tape->isa->reduce(row, op->a_dtype, columns)
                           : pbp_int_reduce_find(row, op->a_dtype);
    k->runs = k->d.some;
    if (op->kernel.sweep == NULL) {
        FAIL("there is no kernel for its dtypes");
    }
    set_cost(k, outer * rows * cols, arg || op->a_dtype < PBP_FLOAT32 ? 1000 : 200);
    return PBP_OK;
}

pbp_status pbp_check_cumulate(check *k)
{
    TRY(check_flags(k, PBP_FLAG_REVERSE));
    TRY(find_params(k, 3));
    TRY(check_extents(k, k->params, 3));
    const int64_t elements = k->params[0] * k->params[1] * k->params[2];
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->d, 1u << k->a.operand->dtype, "d", &k->d));
    TRY(begin(k, &k->a, elements));
    TRY(begin(k, &k->d, elements));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    k->runs = elements > 0;
    k->op->kernel.sweep = pbp_cumulate_find(k->in->row, k->a.operand->dtype);
    set_cost(k, elements, 1500);
    return PBP_OK;
}

/* ---- products ---- */

enum {
    M,
    N,
    K,
    C_ROW,
    C_COL,
    A_ROW,
    A_COL,
    B_ROW,
    B_COL,
    BATCH,
    C_BATCH,
    A_BATCH,
    B_BATCH,
    MATMUL_PARAMS
};

/* One of the three matrices; strides in elements. */
static pbp_status reach_matrix(const check *k, pbp_reach *x, int64_t rows, int64_t cols,
                               int64_t row, int64_t col, int64_t batch_stride, const char *name,
                               bool writes)
{
    const int64_t item = pbp_dtype_bytes(x->operand->dtype), batch = k->params[BATCH];
    const int64_t strides[3] = {row, col, batch_stride};
    for (int i = 0; i < 3; i++) {
        if (strides[i] > MAX_EXTENT || strides[i] < -MAX_EXTENT) {
            FAIL("a stride of %s is impossible", name);
        }
    }
    TRY(begin(k, x, 1));
    const bool by_rows = col == 1;
    TRY(extend(k, x, by_rows ? cols : rows, (by_rows ? col : row) * item));
    TRY(extend(k, x, by_rows ? rows : cols, (by_rows ? row : col) * item));
    TRY(extend(k, x, batch, batch_stride * item));
    return finish(k, x, name, writes);
}

pbp_status pbp_check_matmul(check *k)
{
    TRY(check_flags(k, PBP_FLAG_ACC));
    TRY(find_params(k, MATMUL_PARAMS));
    const int64_t *p = k->params;
    const int64_t extents[4] = {p[M], p[N], p[BATCH], 1}, d_extents[4] = {p[M], p[K], p[BATCH], 1};
    const int64_t e_extents[4] = {p[N], p[K], p[BATCH], 1};
    TRY(check_extents(k, extents, 4));
    TRY(check_extents(k, d_extents, 4));
    TRY(check_extents(k, e_extents, 4));
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->b, 1u << k->a.operand->dtype, "b", &k->b));
    TRY(check_operand(k, k->in->d, 1u << k->a.operand->dtype, "d", &k->d));
    TRY(reach_matrix(k, &k->d, p[M], p[N], p[C_ROW], p[C_COL], p[C_BATCH], "d", true));
    TRY(reach_matrix(k, &k->a, p[M], p[K], p[A_ROW], p[A_COL], p[A_BATCH], "a", false));
    TRY(reach_matrix(k, &k->b, p[K], p[N], p[B_ROW], p[B_COL], p[B_BATCH], "b", false));
    TRY(check_apart(k, &k->a, "a"));
    TRY(check_apart(k, &k->b, "b"));
    const bool by_rows = p[C_COL] == 1 && (p[C_ROW] >= p[N] || p[M] <= 1);
    const bool by_columns = p[C_ROW] == 1 && (p[C_COL] >= p[M] || p[N] <= 1);
    if (k->d.some && ((!by_rows && !by_columns) || (p[BATCH] > 1 && p[C_BATCH] == 0))) {
        FAIL("d is neither by rows nor by columns");
    }
    k->op->a_dtype = k->op->d_dtype = (uint16_t)k->a.operand->dtype;
    k->op->kernel.sweep = pbp_matmul_run;
    k->runs = k->d.some && !((k->in->flags & PBP_FLAG_ACC) && p[K] == 0);
    const double work = (double)p[BATCH] * (double)p[M] * (double)p[N] * (double)p[K] * 0.1;
    set_cost(k, p[BATCH] * p[M] * p[N], 1000);
    k->op->cost = work < 1e18 ? k->op->cost + (int64_t)work : (int64_t)1e18;
    return PBP_OK;
}

/* ---- copies ---- */

typedef struct copy_axis {
    int64_t n, d, a;
} copy_axis;

/* Drops axes of one element, puts the smallest stride of d last, merges what is contiguous in both.
 */
static int64_t plan_copy(copy_axis *axes, int64_t ndim)
{
    int64_t n = 0;
    for (int64_t i = 0; i < ndim; i++) {
        if (axes[i].n == 1) {
            continue;
        }
        const copy_axis axis = axes[i];
        const int64_t size = axis.d < 0 ? -axis.d : axis.d;
        int64_t j = n++;
        for (; j > 0 && (axes[j - 1].d < 0 ? -axes[j - 1].d : axes[j - 1].d) < size; j--) {
            axes[j] = axes[j - 1];
        }
        axes[j] = axis;
    }
    for (int64_t i = n - 1; i > 0; i--) {
        copy_axis *x = &axes[i - 1], *y = &axes[i];
        int64_t d, a;
        if (!__builtin_mul_overflow(y->n, y->d, &d) && !__builtin_mul_overflow(y->n, y->a, &a) &&
            x->d == d && x->a == a) {
            *x = (copy_axis){x->n * y->n, y->d, y->a};
            for (int64_t j = i; j < n - 1; j++) {
                axes[j] = axes[j + 1];
            }
            n--;
        }
    }
    return n;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* Moves axis i to the end. */
static void move_last(copy_axis *axes, int64_t ndim, int64_t i)
{
    const copy_axis axis = axes[i];
    for (; i < ndim - 1; i++) {
        axes[i] = axes[i + 1];
    }
    axes[ndim - 1] = axis;
}

/* Which axes the innermost loops run over. Where d and a have different axes of the smallest stride,
   these two are last, to be walked in blocks; the innermost loop is never a few items long while
   there is a longer one. */
static void order_copy(copy_axis *axes, int64_t ndim, int64_t item)
{
    if (ndim < 2) {
        return;
    }
    const copy_axis inner = axes[ndim - 1];
    int64_t other = 0;
    for (int64_t i = 1; i < ndim - 1; i++) {
        if (magnitude(axes[i].a) <= magnitude(axes[other].a)) {
            other = i;
        }
    }
    if (inner.n >= 8) {
        if (inner.d == item && magnitude(inner.a) != item && axes[other].a == item) {
            move_last(axes, ndim - 1, other);
        }
        return;
    }
    if (axes[other].n < 8) {
        for (int64_t i = 0; i < ndim - 1; i++) {
            other = axes[i].n > axes[other].n ? i : other;
        }
    }
    if (axes[other].n > inner.n) {
        move_last(axes, ndim, other);
    }
}

static pbp_status reach_copy(const check *k, pbp_reach *x, const copy_axis *axes, int64_t ndim,
                             bool is_d)
{
    TRY(begin(k, x, 1));
    for (int64_t i = ndim - 1; i >= 0; i--) {
        TRY(check_stride(k, is_d ? axes[i].d : axes[i].a, pbp_dtype_bytes(x->operand->dtype)));
        TRY(extend(k, x, axes[i].n, is_d ? axes[i].d : axes[i].a));
    }
    return finish(k, x, is_d ? "d" : "a", is_d);
}

pbp_status pbp_check_copy(check *k)
{
    copy_axis axes[PBP_MAX_NDIM];
    const bool adds = (k->in->flags & PBP_FLAG_ACC) != 0;
    TRY(check_flags(k, PBP_FLAG_ACC));
    TRY(find_params(k, 1));
    int64_t ndim = k->params[0];
    if (ndim < 0 || ndim > PBP_MAX_NDIM) {
        FAIL("it has %lld axes", (long long)ndim);
    }
    TRY(find_params(k, 1 + 3 * ndim));
    TRY(check_extents(k, k->params + 1, (int)ndim));
    TRY(check_operand(k, k->in->a, adds ? PBP_NUMERIC : PBP_ANY, "a", &k->a));
    TRY(check_operand(k, k->in->d, 1u << k->a.operand->dtype, "d", &k->d));
    k->op->a_dtype = k->op->d_dtype = (uint16_t)k->a.operand->dtype;
    int64_t elements = 1;
    for (int64_t i = 0; i < ndim; i++) {
        axes[i] =
            (copy_axis){k->params[1 + i], k->params[1 + ndim + i], k->params[1 + 2 * ndim + i]};
        elements *= axes[i].n;
        if (axes[i].d == INT64_MIN || axes[i].a == INT64_MIN) {
            FAIL("a stride is impossible");
        }
        if (axes[i].n > 1 && axes[i].d == 0) {
            k->runs = true; /* refused below if there is anything to write */
        }
    }
    if (k->runs && elements > 0) {
        FAIL("d is written more than once");
    }
    ndim = plan_copy(axes, ndim);
    TRY(reach_copy(k, &k->d, axes, ndim, true));
    TRY(reach_copy(k, &k->a, axes, ndim, false));
    if (elements > 0) {
        TRY(check_apart(k, &k->a, "a"));
    }
    k->runs = elements > 0;
    order_copy(axes, ndim, pbp_dtype_bytes(k->op->d_dtype));
    k->plan[0] = ndim;
    for (int64_t i = 0; i < ndim; i++) {
        k->plan[1 + i] = axes[i].n;
        k->plan[1 + ndim + i] = axes[i].d;
        k->plan[1 + 2 * ndim + i] = axes[i].a;
    }
    k->op->params = k->plan;
    k->op->inner = adds ? (const void *)pbp_add_find(k->op->d_dtype) : NULL;
    k->op->kernel.sweep = pbp_copy_run;
    set_cost(k, elements, 1000);
    return PBP_OK;
}

pbp_status pbp_check_zero(check *k)
{
    TRY(check_flags(k, 0));
    TRY(find_params(k, 1));
    TRY(check_extents(k, k->params, 1));
    TRY(check_operand(k, k->in->d, PBP_ANY, "d", &k->d));
    const int64_t bytes = k->params[0];
    k->d.some = bytes > 0;
    k->d.inner = bytes;
    if (__builtin_add_overflow(k->d.low, bytes, &k->d.high)) {
        FAIL("its extents are impossible");
    }
    TRY(finish(k, &k->d, "d", true));
    k->op->d_dtype = (uint16_t)k->d.operand->dtype;
    k->op->kernel.sweep = pbp_zero_run;
    k->runs = bytes > 0;
    set_cost(k, bytes, 100);
    return PBP_OK;
}

/* ---- indices ---- */

pbp_status pbp_check_index(check *k)
{
    const bool gather = k->in->row == PBP_ROW_GATHER, adds = k->in->row == PBP_ROW_SCATTER_ADD;
    TRY(check_flags(k, 0));
    TRY(find_params(k, 5));
    const int64_t *p = k->params;
    const int64_t whole[3] = {p[0], p[2], p[3]}, taken[3] = {p[0], p[1], p[3]};
    TRY(check_extents(k, whole, 3));
    TRY(check_extents(k, taken, 3));
    if (p[4] != 0 && p[4] != p[1]) {
        FAIL("index_outer is neither 0 nor n");
    }
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->b, PBP_INT64_ONLY, "b", &k->b));
    TRY(check_operand(k, k->in->d, 1u << k->a.operand->dtype, "d", &k->d));
    const int64_t n_whole = p[0] * p[2] * p[3], n_taken = p[0] * p[1] * p[3];
    TRY(begin(k, &k->a, gather ? n_whole : n_taken));
    TRY(begin(k, &k->d, gather ? n_taken : n_whole));
    TRY(begin(k, &k->b, p[0] == 0 ? 0 : p[4] == 0 ? p[1] : p[0] * p[1]));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->b, "b", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    TRY(check_apart(k, &k->b, "b"));
    k->op->a_dtype = k->op->d_dtype = (uint16_t)k->a.operand->dtype;
    k->op->kernel.sweep = gather ? pbp_gather_run : pbp_scatter_run;
    k->op->inner = adds ? (const void *)pbp_add_find(k->op->d_dtype) : NULL;
    k->runs = k->b.some; /* indices are checked even if there is nothing to move */
    set_cost(k, n_taken + p[0] * p[1], 2000);
    return PBP_OK;
}

pbp_status pbp_check_wrap(check *k)
{
    bool exact;
    TRY(check_flags(k, 0));
    TRY(find_params(k, 2));
    TRY(check_extents(k, k->params, 2));
    TRY(check_operand(k, k->in->a, PBP_INT64_ONLY, "a", &k->a));
    TRY(check_operand(k, k->in->d, PBP_INT64_ONLY, "d", &k->d));
    TRY(begin(k, &k->a, k->params[0]));
    TRY(begin(k, &k->d, k->params[0]));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->d, "d", true));
    if (!in_dead_loop(k) && pbp_reach_overlaps(k->tape, &k->d, &k->a, &exact) && !exact) {
        FAIL("d overlaps operand a, and not exactly");
    }
    k->op->kernel.sweep = pbp_wrap_run;
    k->runs = k->params[0] > 0;
    set_cost(k, k->params[0], 500);
    return PBP_OK;
}

pbp_status pbp_check_sort(check *k)
{
    TRY(check_flags(k, 0));
    TRY(find_params(k, 2));
    TRY(check_extents(k, k->params, 2));
    const int64_t elements = k->params[0] * k->params[1];
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->d, PBP_INT64_ONLY, "d", &k->d));
    TRY(begin(k, &k->a, elements));
    TRY(begin(k, &k->d, elements));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    k->op->kernel.sweep = pbp_sort_find(k->in->row, k->a.operand->dtype);
    if (k->op->kernel.sweep == NULL) {
        FAIL("there is no kernel for its dtype");
    }
    k->runs = elements > 0;
    set_cost(k, elements, 60000);
    return PBP_OK;
}

pbp_status pbp_check_search(check *k)
{
    TRY(check_flags(k, 0));
    TRY(find_params(k, 5));
    const int64_t *p = k->params;
    const int64_t rows[2] = {p[0], p[1]}, found[2] = {p[0], p[2]};
    TRY(check_extents(k, rows, 2));
    TRY(check_extents(k, found, 2));
    if (p[3] != 0 && p[3] != 1) {
        FAIL("right is neither 0 nor 1");
    }
    if (p[4] != 0 && p[4] != p[1]) {
        FAIL("a_outer is neither 0 nor n");
    }
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->b, 1u << k->a.operand->dtype, "b", &k->b));
    TRY(check_operand(k, k->in->d, PBP_INT64_ONLY, "d", &k->d));
    TRY(begin(k, &k->a, p[0] == 0 ? 0 : p[4] == 0 ? p[1] : p[0] * p[1]));
    TRY(begin(k, &k->b, p[0] * p[2]));
    TRY(begin(k, &k->d, p[0] * p[2]));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->b, "b", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    TRY(check_apart(k, &k->b, "b"));
    k->op->kernel.sweep = pbp_sort_find(k->in->row, k->a.operand->dtype);
    if (k->op->kernel.sweep == NULL) {
        FAIL("there is no kernel for its dtype");
    }
    k->runs = p[0] * p[2] > 0;
    set_cost(k, p[0] * p[2], 30000);
    return PBP_OK;
}
