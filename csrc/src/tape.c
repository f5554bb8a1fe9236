/* Loads a tape: container, layout, then each instruction into code for the sweep loop; and answers
   questions about it.

   Costs are estimated on the way, from extents and trips, to place polls: a loop looks at the clock
   at its end if all its steps take some milliseconds; straight-line work gets a poll point every
   few; instructions that take long by themselves poll inside. */
#include "core.h"
#include "kernels_linalg.h"

#include <stdlib.h>
#include <string.h>

#define POLL_STRAIGHT 5e6 /* nanoseconds */
#define POLL_LOOP 2e6
#define POLL_EVER 2e6
#define BIG 2000000

#define TRY(call)                                                                                  \
    do {                                                                                           \
        const pbp_status status_ = (call);                                                         \
        if (status_ != PBP_OK) {                                                                   \
            return status_;                                                                        \
        }                                                                                          \
    } while (0)

/* Costs on the way through the instructions. */
typedef struct builder {
    pbp_tape *tape;
    int64_t *plan;
    double *costs;                             /* per loop: one step so far */
    double total, straight;                    /* outside loops; since the last place that polls */
    uint32_t last_code, last_slot, last_frame; /* where the latest scalar result is */
    uint32_t single; /* the code after which the latest instruction may become half of a pair */
    uint32_t code_room;
} builder;

static const uint16_t scalar_ops[PBP_ROW_COUNT] = {
#define MAP1(name, dtypes, cost, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define MAP2(name, dtypes, cost, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define MAP3(name, dtypes, cost, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define FUNCTION1(name, dtypes, function, cost, text) [PBP_ROW_##name] = PBP_OP_##name,
#define FUNCTION2(name, dtypes, function, cost, text) [PBP_ROW_##name] = PBP_OP_##name,
#define LOGIC1(name, dtypes, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define LOGIC2(name, dtypes, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define COMPARE1(name, dtypes, cost, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#define COMPARE2(name, dtypes, cost, expression, text) [PBP_ROW_##name] = PBP_OP_##name,
#include "pybackprop_instr.def"
    [PBP_ROW_SELECT] = PBP_OP_SELECT,
};

/* The same with one operand from the instruction before, and how many operands there are. */
static const struct {
    uint16_t op, arity;
} after_ops[PBP_ROW_COUNT] = {
#define MAP1(name, dtypes, cost, expression, text) [PBP_ROW_##name] = {PBP_OP_##name##_T, 1},
#define MAP2(name, dtypes, cost, expression, text) [PBP_ROW_##name] = {PBP_OP_##name##_T, 2},
#define MAP3(name, dtypes, cost, expression, text) [PBP_ROW_##name] = {PBP_OP_##name##_T, 3},
#include "pybackprop_instr.def"
};

/* Pairs of dispatch numbers that are one instruction of the sweep loop, the first in the upper half.
 */
#define G 0
#define F 1
#define R 2
#define NUMBER1(row, d, a) (a == R ? PBP_OP_##row##_T + d : PBP_OP_##row + d + 2 * a)
#define NUMBER2(row, d, a, b)                                                                      \
    (a == R   ? PBP_OP_##row##_T + d + 2 * b                                                       \
     : b == R ? PBP_OP_##row##_T + 4 + d + 2 * a                                                   \
              : PBP_OP_##row + d + 2 * a + 4 * b)
#define NUMBER3(row, d, a, b, c)                                                                   \
    (a == R   ? PBP_OP_##row##_T + d + 2 * b + 4 * c                                               \
     : b == R ? PBP_OP_##row##_T + 8 + d + 2 * a + 4 * c                                           \
     : c == R ? PBP_OP_##row##_T + 16 + d + 2 * a + 4 * b                                          \
              : PBP_OP_##row + d + 2 * a + 4 * b + 8 * c)
#define UNWRAP(...) __VA_ARGS__
#define CALL(macro, ...) macro(__VA_ARGS__)
static const uint32_t pairs[PBP_PAIRS] = {
#define PAIR(number, row1, arity1, places1, row2, arity2, places2)                                 \
    (uint32_t)(CALL(NUMBER##arity1, row1, UNWRAP places1)) << 16 |                                 \
        (uint32_t)(CALL(NUMBER##arity2, row2, UNWRAP places2)),
#include "scalar_pairs.def"
};
#undef G
#undef F
#undef R

static void emit(builder *b, pbp_code code)
{
    b->tape->code[b->tape->n_code++] = code;
}

static void add_cost(builder *b, uint32_t loop, double cost)
{
    if (loop == PBP_NONE) {
        b->total += cost;
    } else {
        b->costs[loop] += cost;
    }
    b->straight += cost;
    if (b->straight > POLL_STRAIGHT) {
        emit(b, (pbp_code){.op = PBP_OP_POLL});
        b->straight = 0;
    }
}

static void emit_loop_begin(builder *b, uint32_t number)
{
    pbp_loop *loop = &b->tape->loops[number];
    loop->code_begin = b->tape->n_code;
    emit(b,
         (pbp_code){.op = loop->parallel ? PBP_OP_LOOP_PARALLEL : PBP_OP_LOOP_BEGIN, .d = number});
}

static void emit_loop_end(builder *b, uint32_t number)
{
    pbp_loop *loop = &b->tape->loops[number];
    const double step = b->costs[number] + 2.0 + 0.5 * loop->n_bases,
                 all = step * (double)loop->trip;
    const bool polls = all > POLL_LOOP;
    loop->cost = step < 1e18 ? (int64_t)step + 1 : (int64_t)1e18;
    loop->code_end = b->tape->n_code;
    emit(b, (pbp_code){.op = loop->parallel ? PBP_OP_LOOP_PARALLEL_END
                             : polls        ? PBP_OP_LOOP_END_POLL
                                            : PBP_OP_LOOP_END,
                       .d = number});
    if (polls) {
        b->straight = 0;
    }
    if (loop->parent == PBP_NONE) {
        b->total += all;
    } else {
        b->costs[loop->parent] += all;
    }
    b->straight = polls ? 0 : b->straight + all;
}

static void note_result(builder *b, uint32_t slot, bool frame)
{
    b->last_code = b->tape->n_code;
    b->last_slot = slot;
    b->last_frame = frame;
}

static bool is_commutative(uint32_t row)
{
    return row == PBP_ROW_ADD || row == PBP_ROW_MUL || row == PBP_ROW_NMUL || row == PBP_ROW_FMA ||
           row == PBP_ROW_FMS || row == PBP_ROW_FNMA;
}

/* Joins the instruction before with this one, if the sweep loop has the two as one. */
static bool join(builder *b, uint32_t op)
{
    if (b->single != b->tape->n_code) {
        return false;
    }
    pbp_code *before = &b->tape->code[b->tape->n_code - 1];
    const uint32_t key = (uint32_t)before->op << 16 | op;
    for (uint32_t i = 0; i < PBP_PAIRS; i++) {
        if (pairs[i] == key) {
            before->op = (uint16_t)(PBP_OP_PAIRS + i);
            return true;
        }
    }
    return false;
}

/* An operand that the instruction before has computed is not read from its slot; factors and
   summands are in the order of scalar_pairs.def: first that one, then the arena, then the frame. */
static void emit_scalar(builder *b, const pbp_instruction *in)
{
    const uint32_t arity = after_ops[in->row].arity;
    const uint32_t flags = (in->flags & ~PBP_FLAG_SCALAR) >> PBP_FRAME_SHIFT;
    uint32_t slots[3] = {in->a, in->b, in->c},
             places[3] = {flags >> 1 & 1, flags >> 2 & 1, flags >> 3 & 1};
    bool latest[3] = {false, false, false};
    for (uint32_t i = 0; i < arity && b->last_code == b->tape->n_code; i++) {
        if (slots[i] == b->last_slot && places[i] == b->last_frame) {
            latest[i] = true;
            break;
        }
    }
    if (is_commutative(in->row) && (latest[1] || (!latest[0] && places[0] > places[1]))) {
        const uint32_t slot = slots[0], place = places[0];
        slots[0] = slots[1], places[0] = places[1], latest[0] = latest[1];
        slots[1] = slot, places[1] = place, latest[1] = false;
    }
    uint32_t op = scalar_ops[in->row] + (flags & 1) + 2 * places[0] + 4 * places[1] + 8 * places[2];
    for (uint32_t i = 0; i < arity; i++) {
        if (latest[i]) {
            const uint32_t first = i == 0 ? 1 : 0, second = i == 2 ? 1 : 2;
            op = after_ops[in->row].op + (i << arity) + (flags & 1) +
                 2 * (arity > 1 ? places[first] : 0) + 4 * (arity > 2 ? places[second] : 0);
        }
    }
    const bool joined = join(b, op);
    emit(b, (pbp_code){(uint16_t)op, 0, in->d, slots[0], slots[1], slots[2]});
    note_result(b, in->d, flags & 1);
    b->single = joined ? PBP_NONE : b->tape->n_code;
}

/* SLOAD and SSTORE carry base and offset of their array operand in the code. */
static void emit_bridge(builder *b, const pbp_instruction *in, const pbp_array_op *op)
{
    const bool load = in->row == PBP_ROW_SLOAD,
               frame = (in->flags & (load ? PBP_FLAG_DF : PBP_FLAG_AF)) != 0;
    const uint64_t offset = (uint64_t)(load ? op->a_offset : op->d_offset);
    const bool truth = (load ? op->a_dtype : op->d_dtype) == PBP_BOOL;
    const int first = load ? (truth ? PBP_OP_SLOAD_TRUTH : PBP_OP_SLOAD)
                           : (truth ? PBP_OP_SSTORE_TRUTH : PBP_OP_SSTORE);
    emit(b, (pbp_code){.op = (uint16_t)(first + frame),
                       .d = load ? in->d : op->d_base,
                       .a = load ? op->a_base : in->a,
                       .b = (uint32_t)offset,
                       .c = (uint32_t)(offset >> 32)});
    if (load) {
        note_result(b, in->d, frame);
    }
}

static pbp_status emit_array(builder *b, const pbp_array_op *op)
{
    pbp_tape *tape = b->tape;
    pbp_instruction_row row;
    uint16_t code = PBP_OP_ARRAY_SWEEP;
    pbp_instruction_get(op->row, &row);
    const bool map = strcmp(row.group, "map") == 0 || strcmp(row.group, "compare") == 0 ||
                     strcmp(row.group, "select") == 0 || strcmp(row.group, "cast") == 0;
    if (map && op->kernel.sweep != pbp_power_checked) {
        code = op->cost > BIG                          ? PBP_OP_ARRAY_BIG
               : op->shaped                            ? PBP_OP_ARRAY_SHAPED
               : op->outer != 1 || op->shape.rows != 1 ? PBP_OP_ARRAY_ROWS
               : row.arity == 1                        ? PBP_OP_ARRAY1
               : row.arity == 2                        ? PBP_OP_ARRAY2
                                                       : PBP_OP_ARRAY3;
    }
    if (op->row == PBP_ROW_MATMUL) {
        const int64_t bytes = pbp_matmul_scratch_bytes(tape, op);
        tape->scratch_bytes = bytes > tape->scratch_bytes ? bytes : tape->scratch_bytes;
    }
    if (op->row == PBP_ROW_SPARSE_MATMUL) {
        const int64_t bytes = pbp_sparse_scratch_bytes(op->params, pbp_dtype_bytes(op->a_dtype));
        tape->scratch_bytes = bytes > tape->scratch_bytes ? bytes : tape->scratch_bytes;
    }
    if (strcmp(row.group, "linalg") == 0) {
        const int64_t bytes =
            pbp_linalg_scratch_bytes(op->row, pbp_dtype_bytes(op->a_dtype), op->params);
        tape->scratch_bytes = bytes > tape->scratch_bytes ? bytes : tape->scratch_bytes;
    }
    tape->ops[tape->n_ops] = *op;
    emit(b, (pbp_code){.op = code, .d = tape->n_ops++});
    return PBP_OK;
}

static pbp_status build_instruction(builder *b, uint32_t number, pbp_error *error)
{
    pbp_tape *tape = b->tape;
    const pbp_instruction *in = &tape->instructions[number];
    pbp_array_op op;
    bool runs = false;
    TRY(pbp_instruction_check(tape, number, &op, b->plan, &runs, error));
    if (!runs) {
        return PBP_OK;
    }
    if (in->row == PBP_ROW_COPY) {
        b->plan += 1 + 3 * b->plan[0];
    }
    if (in->flags & PBP_FLAG_SCALAR) {
        emit_scalar(b, in);
    } else if (in->row == PBP_ROW_LOOP_BEGIN) {
        emit_loop_begin(b, in->d);
        return PBP_OK;
    } else if (in->row == PBP_ROW_LOOP_END) {
        emit_loop_end(b, in->d);
        return PBP_OK;
    } else if (in->row == PBP_ROW_SLOAD || in->row == PBP_ROW_SSTORE) {
        emit_bridge(b, in, &op);
    } else {
        TRY(emit_array(b, &op));
    }
    add_cost(b, tape->loop_of[number], (double)op.cost);
    return PBP_OK;
}

/* Room for everything that build_instruction appends to. */
static pbp_status allocate_code(builder *b, pbp_error *error)
{
    pbp_tape *tape = b->tape;
    const size_t n = tape->info.n_instructions;
    size_t plans = 1;
    for (size_t i = 0; i < n; i++) {
        const pbp_instruction *in = &tape->instructions[i];
        if (in->row == PBP_ROW_COPY && (int64_t)in->params < tape->n_params) {
            const int64_t ndim = tape->params[in->params];
            plans += ndim >= 0 && ndim <= PBP_MAX_NDIM ? 1 + 3 * (size_t)ndim : 1;
        }
    }
    tape->code = pbp_alloc((2 * n + 1) * sizeof *tape->code);
    tape->ops = pbp_alloc((n + 1) * sizeof *tape->ops);
    tape->plans = pbp_alloc(plans * sizeof *tape->plans);
    b->costs = pbp_alloc(((size_t)tape->info.n_loops + 1) * sizeof *b->costs);
    b->plan = tape->plans;
    if (tape->code == NULL || tape->ops == NULL || tape->plans == NULL || b->costs == NULL) {
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the tape");
    }
    memset(b->costs, 0, ((size_t)tape->info.n_loops + 1) * sizeof *b->costs);
    return PBP_OK;
}

static pbp_status build(pbp_tape *tape, pbp_error *error)
{
    builder b = {.tape = tape, .last_code = PBP_NONE, .single = PBP_NONE};
    pbp_status status = allocate_code(&b, error);
    for (uint32_t i = 0; i < tape->info.n_instructions && status == PBP_OK; i++) {
        status = build_instruction(&b, i, error);
    }
    if (status == PBP_OK) {
        emit(&b, (pbp_code){.op = PBP_OP_STOP});
        tape->polls = b.total > POLL_EVER;
        tape->info.cost = b.total < 1e18 ? (uint64_t)b.total : (uint64_t)1e18;
        tape->info.workspace_bytes = pbp_workspace_bytes(tape);
    }
    free(b.costs);
    return status;
}

pbp_status pbp_tape_load(const void *bytes, size_t size, pbp_tape **out, pbp_error *error)
{
    if (out == NULL) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE, "out is NULL");
    }
    *out = NULL;
    pbp_tape *tape = pbp_alloc(sizeof *tape);
    if (tape == NULL) {
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the tape");
    }
    memset(tape, 0, sizeof *tape);
    tape->isa = pbp_isa_choose();
    pbp_status status = pbp_container_read(tape, bytes, size, error);
    status = status == PBP_OK ? pbp_layout_check(tape, error) : status;
    status = status == PBP_OK ? build(tape, error) : status;
    if (status != PBP_OK) {
        pbp_tape_free(tape);
        return status;
    }
    *out = tape;
    return PBP_OK;
}

void pbp_tape_free(pbp_tape *tape)
{
    if (tape == NULL) {
        return;
    }
    free(tape->code);
    free(tape->ops);
    free(tape->instructions);
    free(tape->operands);
    free(tape->bases);
    free(tape->loops);
    free(tape->params);
    free(tape->plans);
    free(tape->consts);
    free(tape->arrays);
    free(tape->aliases);
    free(tape->labels);
    free(tape->loop_of);
    free(tape);
}

void pbp_tape_info_get(const pbp_tape *tape, pbp_tape_info *out)
{
    *out = tape->info;
}

pbp_status pbp_tape_input(const pbp_tape *tape, uint32_t index, pbp_array *out)
{
    if (index >= tape->info.n_inputs) {
        return PBP_ERROR_ARGUMENT;
    }
    *out = tape->arrays[index];
    return PBP_OK;
}

pbp_status pbp_tape_output(const pbp_tape *tape, uint32_t index, pbp_array *out)
{
    if (index >= tape->info.n_outputs) {
        return PBP_ERROR_ARGUMENT;
    }
    *out = tape->arrays[tape->info.n_inputs + index];
    return PBP_OK;
}
