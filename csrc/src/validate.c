/* Checks one instruction and turns it into a record that the sweep loop can use without checks: dtypes and flags against
   the row, every byte it can reach against its bases, overlaps; then merges axes and chooses the kernel. */
#include "core.h"

#include "kernels_matmul.h"

#define MAX_EXTENT ((int64_t)1 << 47)

typedef struct check {
    const pbp_tape *tape;
    const pbp_instruction *in;
    uint32_t number;
    pbp_array_op *op;
    int64_t *plan;
    bool runs;
    pbp_instruction_row row;
    const int64_t *params;
    pbp_reach d, a, b, c;
    pbp_error *error;
} check;

#define FAIL(text, ...)                                                                           \
    return pbp_fail(k->error, PBP_ERROR_FORMAT, k->number, "instruction %u (%s): " text, k->number, k->row.name, \
                    ##__VA_ARGS__)
#define TRY(call)                                                                                 \
    do {                                                                                           \
        const pbp_status status_ = (call);                                                         \
        if (status_ != PBP_OK) {                                                                   \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

/* ---- pieces ---- */

static bool in_loop(const check *k, uint32_t loop)
{
    return k->tape->loops[loop].begin < k->number && k->number < k->tape->loops[loop].end;
}

static bool in_dead_loop(const check *k)
{
    const uint32_t loop = k->tape->loop_of[k->number];
    return loop != PBP_NONE && k->tape->loops[loop].dead;
}

/* Whether x can be written: not constant, not input, not image. */
static pbp_status check_write(const check *k, const pbp_base *base, int64_t low)
{
    const uint32_t kind = k->tape->bases[base->root].kind;
    if (kind == PBP_BASE_CONST || kind == PBP_BASE_INPUT) {
        FAIL("it writes to %s", kind == PBP_BASE_CONST ? "the constants" : "an input");
    }
    if (kind == PBP_BASE_ARENA && base->low + low < k->tape->image_bytes && !in_dead_loop(k)) {
        FAIL("it writes to the image of constants");
    }
    return PBP_OK;
}

static pbp_status check_operand(const check *k, uint32_t number, uint32_t dtypes, const char *name, pbp_reach *reach)
{
    if (number >= k->tape->n_operands) {
        FAIL("operand %s is not in the table", name);
    }
    const pbp_operand *operand = &k->tape->operands[number];
    if (operand->dtype > PBP_FLOAT64 || !(dtypes >> operand->dtype & 1)) {
        FAIL("operand %s has dtype %u", name, operand->dtype);
    }
    if (operand->base >= k->tape->n_bases) {
        FAIL("operand %s has an unknown base", name);
    }
    const pbp_base *base = &k->tape->bases[operand->base];
    if (base->kind == PBP_BASE_LOOP && !in_loop(k, base->loop)) {
        FAIL("operand %s uses a base outside its loop", name);
    }
    const int64_t item = pbp_dtype_bytes(operand->dtype);
    if (base->alignment < item || operand->offset % item != 0) {
        FAIL("operand %s is not aligned to its item", name);
    }
    *reach = (pbp_reach){.operand = operand, .low = operand->offset, .high = operand->offset};
    return PBP_OK;
}

/* The bytes from which `count` pieces, `stride` apart, of what was reached before are taken.  Pieces that follow one another
   closely grow into one. */
static pbp_status extend(const check *k, pbp_reach *x, int64_t count, int64_t stride)
{
    int64_t travel;
    if (count == 0) {
        x->some = false;
    }
    if (count <= 1) {
        return PBP_OK;
    }
    if (__builtin_mul_overflow(count - 1, stride, &travel) || travel <= INT64_MIN / 2 || travel >= INT64_MAX / 2 ||
        (travel < 0 && __builtin_add_overflow(x->low, travel, &x->low)) ||
        (travel > 0 && __builtin_add_overflow(x->high, travel, &x->high))) {
        FAIL("its extents are impossible");
    }
    if (x->period == 0 && stride == x->inner) {
        x->inner = x->high - x->low;
    } else if (stride != 0) {
        int64_t u = x->period, v = stride < 0 ? -stride : stride;
        while (v != 0) {
            const int64_t rest = u % v;
            u = v;
            v = rest;
        }
        x->period = u;
    }
    return PBP_OK;
}

/* Starts a reach with `count` items side by side. */
static pbp_status begin(const check *k, pbp_reach *x, int64_t count)
{
    const int64_t item = pbp_dtype_bytes(x->operand->dtype);
    x->some = count > 0;
    x->inner = item;
    if (__builtin_add_overflow(x->low, item, &x->high)) {
        FAIL("its offset is impossible");
    }
    return extend(k, x, count, item);
}

static pbp_status finish(const check *k, pbp_reach *x, const char *name, bool writes)
{
    const pbp_base *base = &k->tape->bases[x->operand->base];
    if (!x->some) {
        return PBP_OK;
    }
    if (x->low < 0 || x->high > base->size) {
        FAIL("operand %s reaches bytes %lld to %lld of a base of %lld", name, (long long)x->low, (long long)x->high,
             (long long)base->size);
    }
    return writes ? check_write(k, base, x->low) : PBP_OK;
}

static pbp_status check_flags(const check *k, uint32_t allowed)
{
    if (k->in->flags & ~allowed) {
        FAIL("flags %#x are not for it", k->in->flags & ~allowed);
    }
    return PBP_OK;
}

static pbp_status find_params(check *k, int64_t count)
{
    if ((int64_t)k->in->params > k->tape->n_params || count > k->tape->n_params - (int64_t)k->in->params) {
        FAIL("its params are not in the table");
    }
    k->params = k->tape->params + k->in->params;
    k->op->params = k->params;
    return PBP_OK;
}

static pbp_status check_extents(const check *k, const int64_t *extents, int count)
{
    int64_t product = 1;
    for (int i = 0; i < count; i++) {
        if (extents[i] < 0 || extents[i] > MAX_EXTENT || __builtin_mul_overflow(product, extents[i] + (extents[i] == 0), &product) ||
            product > MAX_EXTENT) {
            FAIL("its extents are impossible");
        }
    }
    return PBP_OK;
}

static pbp_status check_stride(const check *k, int64_t stride, int64_t item)
{
    if (stride % item != 0) {
        FAIL("a stride is no multiple of an item");
    }
    return PBP_OK;
}

static pbp_status check_apart(const check *k, const pbp_reach *x, const char *name)
{
    bool exact;
    if (x->operand != NULL && !in_dead_loop(k) && pbp_reach_overlaps(k->tape, &k->d, x, &exact)) {
        FAIL("d overlaps operand %s", name);
    }
    return PBP_OK;
}

static void set_place(uint32_t *base, int64_t *offset, const pbp_reach *x)
{
    *base = x->operand->base;
    *offset = x->operand->offset;
}

static void set_cost(check *k, int64_t elements, int64_t picoseconds)
{
    const double cost = (double)elements * (double)picoseconds / 1000.0 + 5.0;
    k->op->element_cost = picoseconds;
    k->op->cost = cost < 1e18 ? (int64_t)cost : (int64_t)1e18;
}

/* ---- elementwise ---- */

typedef struct axis_view {
    pbp_reach *reach;
    int64_t outer, row, item, step;
} axis_view;

/* Merges axes of an elementwise instruction where all operands (v[0] is d) allow it. */
static void merge_axes(axis_view *v, int n, int64_t *outer, int64_t *rows, int64_t *cols)
{
    bool fits = true;
    if (*rows == 1) {
        *rows = *outer;
        for (int i = 0; i < n; i++) {
            v[i].row = v[i].outer;
        }
        *outer = 1;
    }
    for (int i = 0; i < n; i++) {
        fits = fits && v[i].outer == *rows * v[i].row;
    }
    if (fits && *outer > 1) {
        *rows *= *outer;
        *outer = 1;
    }
    if (*cols == 1) {
        fits = v[0].row == v[0].item;
        for (int i = 0; i < n; i++) {
            fits = fits && (v[i].row == v[i].item || v[i].row == 0);
        }
        if (fits) {
            for (int i = 0; i < n; i++) {
                v[i].step = v[i].row == 0 && *rows > 1 ? 0 : 1;
            }
            *cols = *rows;
            *rows = 1;
        }
    } else if (*rows > 1) {
        fits = true;
        for (int i = 0; i < n; i++) {
            fits = fits && v[i].row == (v[i].step == 0 ? 0 : *cols * v[i].item);
        }
        if (fits) {
            *cols *= *rows;
            *rows = 1;
        }
    }
    if (*outer > 1 && *rows == 1) {
        *rows = *outer;
        *outer = 1;
        for (int i = 0; i < n; i++) {
            v[i].row = v[i].outer;
        }
    }
}

/* Chooses the kernel; false if there is none. */
static bool find_map(const check *k, uint32_t variant)
{
    const uint32_t type = k->op->a_dtype;
    const int64_t bytes = pbp_dtype_bytes(type);
    const bool moves = k->in->row == PBP_ROW_SELECT || k->in->row == PBP_ROW_MOV;
    if (k->in->row != PBP_ROW_CAST && (type >= PBP_FLOAT32 || (moves && bytes >= 4))) {
        /* What is only moved goes by its size. */
        k->op->kernel.map = k->tape->isa->map(k->in->row, bytes == 8 ? PBP_FLOAT64 : PBP_FLOAT32, variant);
        return k->op->kernel.map != NULL;
    }
    k->op->shaped = true;
    k->op->kernel.shaped =
        k->in->row == PBP_ROW_CAST ? pbp_cast_find(k->op->d_dtype, type) : pbp_int_find(k->in->row, type);
    return k->op->kernel.shaped != NULL;
}

static pbp_status check_map(check *k)
{
    const bool select = k->in->row == PBP_ROW_SELECT, cast = k->in->row == PBP_ROW_CAST;
    const bool compare = k->row.group[0] == 'c' && !cast;
    const int n = (int)k->row.arity;
    const uint32_t numbers[3] = {k->in->a, k->in->b, k->in->c};
    pbp_reach *const reaches[4] = {&k->d, &k->a, &k->b, &k->c};
    static const char *const names[4] = {"d", "a", "b", "c"};
    pbp_array_op *op = k->op;
    axis_view views[4] = {{0}};
    bool exact;
    TRY(check_flags(k, PBP_FLAG_SA | (n > 1 ? PBP_FLAG_SB : 0) | (n > 2 ? PBP_FLAG_SC : 0)));
    TRY(find_params(k, 11));
    TRY(check_extents(k, k->params, 3));
    int64_t outer = k->params[0], rows = k->params[1], cols = k->params[2];
    for (int i = 0; i < n; i++) {
        TRY(check_operand(k, numbers[i], select && i == 0 ? PBP_TRUTH : k->row.dtypes, names[i + 1], reaches[i + 1]));
    }
    TRY(check_operand(k, k->in->d, compare ? PBP_TRUTH : PBP_ANY, "d", &k->d));
    op->a_dtype = (uint16_t)reaches[select ? 2 : 1]->operand->dtype;
    op->d_dtype = (uint16_t)k->d.operand->dtype;
    for (int i = select ? 2 : 1; i <= n; i++) {
        if (reaches[i]->operand->dtype != op->a_dtype) {
            FAIL("operands have different dtypes");
        }
    }
    if (!compare && !cast && op->d_dtype != op->a_dtype) {
        FAIL("d has another dtype than the operands");
    }
    for (int i = 0; i <= n; i++) {
        const int64_t o = k->params[3 + 2 * i], r = k->params[4 + 2 * i];
        const int64_t item = pbp_dtype_bytes(reaches[i]->operand->dtype);
        const bool broadcast = i > 0 && k->in->flags >> (i - 1) & 1;
        TRY(check_stride(k, o, item));
        TRY(check_stride(k, r, item));
        TRY(begin(k, reaches[i], cols > 0 && broadcast ? 1 : cols));
        TRY(extend(k, reaches[i], rows, r));
        TRY(extend(k, reaches[i], outer, o));
        TRY(finish(k, reaches[i], names[i], i == 0));
        views[i] = (axis_view){reaches[i], outer > 1 ? o : 0, rows > 1 ? r : 0, item, broadcast ? 0 : 1};
    }
    if (k->d.some && ((rows > 1 && views[0].row == 0) || (outer > 1 && views[0].outer == 0))) {
        FAIL("d is written more than once");
    }
    for (int i = 1; i <= n; i++) {
        if (k->d.some && !in_dead_loop(k) && pbp_reach_overlaps(k->tape, &k->d, reaches[i], &exact) &&
            !(exact && views[i].item == views[0].item && views[i].row == views[0].row && views[i].outer == views[0].outer &&
              (views[i].step == 1 || cols == 1))) {
            FAIL("d overlaps operand %s, and not exactly", names[i]);
        }
    }
    k->runs = k->d.some;
    set_cost(k, outer * rows * cols, pbp_row_cost(k->in->row));
    merge_axes(views, n + 1, &outer, &rows, &cols);
    op->outer = outer;
    op->shape = (pbp_shape){.cols = cols, .rows = rows, .d_row = views[0].row, .a_row = views[1].row};
    op->d_outer = views[0].outer;
    op->a_outer = views[1].outer;
    op->shape.a_step = views[1].step;
    uint32_t variant = views[1].step == 0;
    if (n > 1) {
        op->shape.b_row = views[2].row;
        op->shape.b_step = views[2].step;
        op->b_outer = views[2].outer;
        variant |= (uint32_t)(views[2].step == 0) << 1;
    }
    if (n > 2) {
        op->shape.c_row = views[3].row;
        op->shape.c_step = views[3].step;
        op->c_outer = views[3].outer;
        variant |= (uint32_t)(views[3].step == 0) << 2;
    }
    if (!find_map(k, variant)) {
        FAIL("there is no kernel for its dtypes");
    }
    if (k->in->row == PBP_ROW_POW && op->a_dtype < PBP_FLOAT32) {
        op->inner = (const void *)op->kernel.shaped;
        op->kernel.sweep = pbp_power_checked;
    }
    return PBP_OK;
}

/* ---- reductions ---- */

static pbp_status check_reduce(check *k)
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
    if (k->d.some && ((!columns && rows > 1 && k->params[4] == 0) || (outer > 1 && k->params[3] == 0))) {
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
    op->kernel.sweep = op->a_dtype >= PBP_FLOAT32 && !arg ? k->tape->isa->reduce(row, op->a_dtype, columns)
                                                          : pbp_int_reduce_find(row, op->a_dtype);
    k->runs = k->d.some;
    if (op->kernel.sweep == NULL) {
        FAIL("there is no kernel for its dtypes");
    }
    set_cost(k, outer * rows * cols, arg || op->a_dtype < PBP_FLOAT32 ? 1000 : 200);
    return PBP_OK;
}

static pbp_status check_cumulate(check *k)
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

enum { M, N, K, C_ROW, C_COL, A_ROW, A_COL, B_ROW, B_COL, BATCH, C_BATCH, A_BATCH, B_BATCH, MATMUL_PARAMS };

/* One of the three matrices; strides in elements. */
static pbp_status reach_matrix(const check *k, pbp_reach *x, int64_t rows, int64_t cols, int64_t row, int64_t col,
                               int64_t batch_stride, const char *name, bool writes)
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

static pbp_status check_matmul(check *k)
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

/* Drops axes of one element, puts the smallest stride of d last, merges what is contiguous in both. */
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
        if (!__builtin_mul_overflow(y->n, y->d, &d) && !__builtin_mul_overflow(y->n, y->a, &a) && x->d == d && x->a == a) {
            *x = (copy_axis){x->n * y->n, y->d, y->a};
            for (int64_t j = i; j < n - 1; j++) {
                axes[j] = axes[j + 1];
            }
            n--;
        }
    }
    return n;
}

static pbp_status reach_copy(const check *k, pbp_reach *x, const copy_axis *axes, int64_t ndim, bool is_d)
{
    TRY(begin(k, x, 1));
    for (int64_t i = ndim - 1; i >= 0; i--) {
        TRY(check_stride(k, is_d ? axes[i].d : axes[i].a, pbp_dtype_bytes(x->operand->dtype)));
        TRY(extend(k, x, axes[i].n, is_d ? axes[i].d : axes[i].a));
    }
    return finish(k, x, is_d ? "d" : "a", is_d);
}

static pbp_status check_copy(check *k)
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
        axes[i] = (copy_axis){k->params[1 + i], k->params[1 + ndim + i], k->params[1 + 2 * ndim + i]};
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

static pbp_status check_zero(check *k)
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

static pbp_status check_index(check *k)
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

static pbp_status check_wrap(check *k)
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

/* ---- scalars ---- */

static pbp_status check_slot(const check *k, uint32_t slot, bool in_frame, const char *name, bool writes)
{
    const uint32_t loop = k->tape->loop_of[k->number];
    const uint32_t frame = loop == PBP_NONE ? PBP_NONE : k->tape->loops[loop].inner_frame;
    if (in_frame && frame == PBP_NONE) {
        FAIL("slot %s is in a frame, but there is none here", name);
    }
    const pbp_base *base = &k->tape->bases[in_frame ? frame : 0];
    if (8 * (int64_t)slot + 8 > base->size) {
        FAIL("slot %s lies outside %s", name, in_frame ? "the frame" : "the arena");
    }
    return writes ? check_write(k, base, 8 * (int64_t)slot) : PBP_OK;
}

static pbp_status check_scalar(check *k)
{
    const uint32_t n = k->row.arity, flags = k->in->flags;
    if (!k->row.scalar) {
        FAIL("it has no scalar form");
    }
    TRY(check_flags(k, PBP_FLAG_SCALAR | (((1u << (n + 1)) - 1) << PBP_FRAME_SHIFT)));
    TRY(check_slot(k, k->in->a, flags & PBP_FLAG_AF, "a", false));
    if (n > 1) {
        TRY(check_slot(k, k->in->b, flags & PBP_FLAG_BF, "b", false));
    }
    if (n > 2) {
        TRY(check_slot(k, k->in->c, flags & PBP_FLAG_CF, "c", false));
    }
    k->op->cost = pbp_row_cost(k->in->row) > 2000 ? pbp_row_cost(k->in->row) / 500 : 1;
    k->runs = true;
    return check_slot(k, k->in->d, flags & PBP_FLAG_DF, "d", true);
}

static pbp_status check_bridge(check *k)
{
    const bool load = k->in->row == PBP_ROW_SLOAD;
    const uint32_t frame = load ? PBP_FLAG_DF : PBP_FLAG_AF;
    pbp_reach *x = load ? &k->a : &k->d;
    TRY(check_flags(k, frame));
    TRY(check_operand(k, load ? k->in->a : k->in->d, k->row.dtypes, load ? "a" : "d", x));
    TRY(begin(k, x, 1));
    TRY(finish(k, x, load ? "a" : "d", !load));
    k->op->cost = 1;
    k->runs = true;
    return check_slot(k, load ? k->in->d : k->in->a, k->in->flags & frame, load ? "d" : "a", load);
}

/* ---- the one entry ---- */

static pbp_status check_by_row(check *k)
{
    if (k->in->flags & PBP_FLAG_SCALAR) {
        return check_scalar(k);
    }
    switch (k->in->row) {
    case PBP_ROW_SUM:
    case PBP_ROW_PROD:
    case PBP_ROW_MAX_OF:
    case PBP_ROW_MIN_OF:
    case PBP_ROW_ARGMAX:
    case PBP_ROW_ARGMIN:
    case PBP_ROW_DOT:
        return check_reduce(k);
    case PBP_ROW_MATMUL:
        return check_matmul(k);
    case PBP_ROW_COPY:
        return check_copy(k);
    case PBP_ROW_ZERO:
        return check_zero(k);
    case PBP_ROW_GATHER:
    case PBP_ROW_SCATTER_SET:
    case PBP_ROW_SCATTER_ADD:
        return check_index(k);
    case PBP_ROW_WRAP:
        return check_wrap(k);
    case PBP_ROW_CUMSUM:
    case PBP_ROW_CUMPROD:
        return check_cumulate(k);
    case PBP_ROW_LOOP_BEGIN:
    case PBP_ROW_LOOP_END:
        k->runs = true;
        return check_flags(k, 0);
    case PBP_ROW_SLOAD:
    case PBP_ROW_SSTORE:
        return check_bridge(k);
    default:
        return check_map(k);
    }
}

pbp_status pbp_instruction_check(const pbp_tape *tape, uint32_t number, pbp_array_op *op, int64_t *plan, bool *runs,
                                 pbp_error *error)
{
    check k = {.tape = tape, .in = &tape->instructions[number], .number = number, .op = op, .plan = plan, .error = error};
    *op = (pbp_array_op){.instruction = number, .row = k.in->row, .flags = k.in->flags};
    pbp_instruction_get(k.in->row, &k.row);
    const pbp_status status = check_by_row(&k);
    if (status != PBP_OK) {
        return status;
    }
    /* Operands that are not there keep base 0, offset 0. */
    if (k.d.operand != NULL) {
        set_place(&op->d_base, &op->d_offset, &k.d);
    }
    if (k.a.operand != NULL) {
        set_place(&op->a_base, &op->a_offset, &k.a);
        op->a_dtype = op->row == PBP_ROW_SELECT ? op->a_dtype : (uint16_t)k.a.operand->dtype;
    }
    if (k.b.operand != NULL) {
        set_place(&op->b_base, &op->b_offset, &k.b);
    }
    if (k.c.operand != NULL) {
        set_place(&op->c_base, &op->c_offset, &k.c);
    }
    op->d_dtype = k.d.operand != NULL ? (uint16_t)k.d.operand->dtype : op->d_dtype;
    *runs = k.runs;
    return PBP_OK;
}
