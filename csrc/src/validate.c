/* Checks one instruction and turns it into a record that the sweep loop can use without checks:
   dtypes and flags against the row, every byte it can reach against its bases, overlaps; then
   merges axes and chooses the kernel. */
#include "check.h"

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
        const uint32_t size = bytes == 8 ? PBP_FLOAT64 : PBP_FLOAT32;
        k->op->kernel.map = k->tape->isa->map(k->in->row, size, variant);
        if (k->op->kernel.map == NULL) {
            k->op->kernel.map = k->tape->isa->special(k->in->row, size, variant);
        }
        return k->op->kernel.map != NULL;
    }
    k->op->shaped = true;
    k->op->kernel.shaped = k->in->row == PBP_ROW_CAST ? pbp_cast_find(k->op->d_dtype, type)
                                                      : pbp_int_find(k->in->row, type);
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
        TRY(check_operand(k, numbers[i], select && i == 0 ? PBP_TRUTH : k->row.dtypes, names[i + 1],
                          reaches[i + 1]));
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
        views[i] =
            (axis_view){reaches[i], outer > 1 ? o : 0, rows > 1 ? r : 0, item, broadcast ? 0 : 1};
    }
    if (k->d.some && ((rows > 1 && views[0].row == 0) || (outer > 1 && views[0].outer == 0))) {
        FAIL("d is written more than once");
    }
    for (int i = 1; i <= n; i++) {
        if (k->d.some && !in_dead_loop(k) &&
            pbp_reach_overlaps(k->tape, &k->d, reaches[i], &exact) &&
            !(exact && views[i].item == views[0].item && views[i].row == views[0].row &&
              views[i].outer == views[0].outer && (views[i].step == 1 || cols == 1))) {
            FAIL("d overlaps operand %s, and not exactly", names[i]);
        }
    }
    k->runs = k->d.some;
    set_cost(k, outer * rows * cols, pbp_row_cost(k->in->row));
    merge_axes(views, n + 1, &outer, &rows, &cols);
    op->outer = outer;
    op->shape =
        (pbp_shape){.cols = cols, .rows = rows, .d_row = views[0].row, .a_row = views[1].row};
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

/* ---- scalars ---- */

static pbp_status check_slot(const check *k, uint32_t slot, bool in_frame, const char *name,
                             bool writes)
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
        return pbp_check_reduce(k);
    case PBP_ROW_MATMUL:
        return pbp_check_matmul(k);
    case PBP_ROW_COPY:
        return pbp_check_copy(k);
    case PBP_ROW_ZERO:
        return pbp_check_zero(k);
    case PBP_ROW_GATHER:
    case PBP_ROW_SCATTER_SET:
    case PBP_ROW_SCATTER_ADD:
        return pbp_check_index(k);
    case PBP_ROW_WRAP:
        return pbp_check_wrap(k);
    case PBP_ROW_ARGSORT:
        return pbp_check_sort(k);
    case PBP_ROW_SEARCH:
        return pbp_check_search(k);
    case PBP_ROW_CUMSUM:
    case PBP_ROW_CUMPROD:
        return pbp_check_cumulate(k);
    case PBP_ROW_LU:
    case PBP_ROW_LU_SOLVE:
    case PBP_ROW_INV:
    case PBP_ROW_CHOLESKY:
    case PBP_ROW_COFACTORS:
    case PBP_ROW_QR:
    case PBP_ROW_SVD:
    case PBP_ROW_EIGH:
    case PBP_ROW_EIG:
    case PBP_ROW_EXPM:
    case PBP_ROW_TRIANGULAR:
        return pbp_check_linalg(k);
    case PBP_ROW_FFT:
    case PBP_ROW_FFT_REAL:
        return pbp_check_fft(k);
    case PBP_ROW_SPARSE_MATMUL:
        return pbp_check_sparse(k);
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

pbp_status pbp_instruction_check(const pbp_tape *tape, uint32_t number, pbp_array_op *op,
                                 int64_t *plan, bool *runs, pbp_error *error)
{
    check k = {.tape = tape,
               .in = &tape->instructions[number],
               .number = number,
               .op = op,
               .plan = plan,
               .error = error};
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
