/* Checks and records of the instructions of linear algebra: their params, what they reach of their
   operands, and how much scratch they need. */
#include "check.h"
#include "kernels_linalg.h"

#define LESS(x, y) ((x) < (y) ? (x) : (y))
#define MORE(x, y) ((x) > (y) ? (x) : (y))

/* What mode and the extents may be, per row. */
typedef struct shape_rule {
    uint32_t row;
    int64_t modes; /* bits that may be set */
    bool square;   /* m is n */
    bool uses_b;   /* and k columns of it */
    bool uses_k;   /* k is given, else 0 */
} shape_rule;

static const shape_rule rules[] = {
    {PBP_ROW_LU, 0, true, false, false},
    {PBP_ROW_COFACTORS, 0, true, false, false},
    {PBP_ROW_QR, 0, false, false, true},
    {PBP_ROW_SVD, PBP_VECTORS | PBP_FULL, false, false, false},
    {PBP_ROW_EIGH, PBP_VECTORS | PBP_UPPER, true, false, false},
    {PBP_ROW_EIG, PBP_VECTORS | PBP_COMPLEX, true, false, false},
    {PBP_ROW_EXPM, 0, true, false, false},
    {PBP_ROW_LU_SOLVE, PBP_TRANSPOSED, true, true, true},
    {PBP_ROW_INV, 0, true, false, false},
    {PBP_ROW_CHOLESKY, 0, true, false, false},
    {PBP_ROW_TRIANGULAR, PBP_TRANSPOSED | PBP_LOWER | PBP_UNIT | PBP_CHECKED, true, true, true},
};

pbp_linalg_sizes pbp_linalg_sizes_of(uint32_t row, const int64_t *p)
{
    const int64_t m = p[PBP_L_M], n = p[PBP_L_N], k = p[PBP_L_K];
    pbp_linalg_sizes s = {m * n, m * n, 0};
    switch (row) {
    case PBP_ROW_LU:
        s.d = n * (n + 2);
        break;
    case PBP_ROW_LU_SOLVE:
        s.a = n * (n + 2);
        s.d = s.b = n * k;
        break;
    case PBP_ROW_TRIANGULAR:
        s.d = s.b = n * k;
        break;
    case PBP_ROW_QR:
        s.d = m * k + (k > 0 ? k : LESS(m, n)) * n;
        break;
    case PBP_ROW_SVD:
        s.d = LESS(m, n);
        if (p[PBP_L_MODE] & PBP_VECTORS) {
            const bool full = (p[PBP_L_MODE] & PBP_FULL) != 0;
            s.d += m * (full ? m : LESS(m, n)) + n * (full ? n : LESS(m, n));
        }
        break;
    case PBP_ROW_EIGH:
        s.d = n + (p[PBP_L_MODE] & PBP_VECTORS ? n * n : 0);
        break;
    case PBP_ROW_EIG:
        s.a = p[PBP_L_MODE] & PBP_COMPLEX ? 2 * n * n : n * n;
        s.d = 2 * n + (p[PBP_L_MODE] & PBP_VECTORS ? 2 * n * n : 0);
        break;
    default:
        break;
    }
    return s;
}

int64_t pbp_linalg_scratch_bytes(uint32_t row, int64_t item, const int64_t *p)
{
    const int64_t m = p[PBP_L_M], n = p[PBP_L_N], k = p[PBP_L_K], block = PBP_LINALG_BLOCK;
    const double tall = (double)MORE(m, n), steps = (double)LESS(m, n), edge = (double)block;
    const double reflections = tall * steps + (steps + edge) * edge;
    const int64_t lanes = 64 * (n * (n + 4) + 2 * n * k + 64);
    const double room = PBP_PRODUCT_ROOM;
    const bool small = n <= PBP_LANES_MAX && k <= PBP_LANES_MAX;
    double elements = (double)(2 * block) * (double)(n + block);
    switch (row) {
    case PBP_ROW_LU:
    case PBP_ROW_CHOLESKY:
    case PBP_ROW_TRIANGULAR:
        break;
    case PBP_ROW_LU_SOLVE:
        elements += (double)n * (double)k;
        break;
    case PBP_ROW_INV:
        if (small) {
            return lanes + 64 * n * n;
        }
        elements += (double)n * (double)(n + 2);
        break;
    case PBP_ROW_COFACTORS:
        elements = 2.0 * (double)n * (double)n + 4.0 * (double)n + 1;
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    case PBP_ROW_QR:
        elements = reflections + (double)m * (double)n + 2 * edge * (double)MORE(n, k);
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    case PBP_ROW_SVD:
        elements = reflections + tall * steps + 2 * steps * steps + steps;
        elements += (p[PBP_L_MODE] & PBP_FULL ? tall : steps) * (tall + 2 * edge);
        elements += steps * (steps + 4);
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    case PBP_ROW_EIGH:
        elements = 2.0 * (double)n * (double)n + 3.0 * (double)n;
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    case PBP_ROW_EIG:
        elements = 4.0 * (double)n * (double)n + 10.0 * (double)n;
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    case PBP_ROW_EXPM:
        elements += 7.0 * (double)n * (double)n + 2.0 * (double)n;
        return (int64_t)LESS(room + elements * (double)item, 0x1p40);
    default:
        return 0;
    }
    if (small) {
        return lanes;
    }
    return (int64_t)LESS(room + elements * (double)item, 0x1p40);
}

pbp_status pbp_check_linalg(check *k)
{
    const shape_rule *rule = rules;
    for (; rule->row != k->in->row; rule++) {
        if (rule == &rules[sizeof rules / sizeof rules[0] - 1]) {
            FAIL("it has no check");
        }
    }
    TRY(check_flags(k, 0));
    TRY(find_params(k, PBP_L_PARAMS));
    const int64_t *p = k->params, m = p[PBP_L_M], n = p[PBP_L_N], columns = p[PBP_L_K];
    const int64_t edges[3] = {m, n, columns};
    for (int i = 0; i < 3; i++) {
        if (edges[i] < 0 || edges[i] > (int64_t)1 << 23) {
            FAIL("its extents are impossible");
        }
    }
    const int64_t whole[3] = {p[PBP_L_BATCH], m + n + columns + 2, m + n + columns + 2};
    TRY(check_extents(k, whole, 3));
    if (k->in->row == PBP_ROW_QR && columns != 0 && columns != m && columns != LESS(m, n)) {
        FAIL("its extents do not fit");
    }
    if ((rule->square && m != n) || (!rule->uses_k && columns != 0)) {
        FAIL("its extents do not fit");
    }
    if (p[PBP_L_MODE] & ~rule->modes) {
        FAIL("mode %lld is not for it", (long long)p[PBP_L_MODE]);
    }
    const int64_t a_step = p[PBP_L_A_STEP], b_step = p[PBP_L_B_STEP];
    if (a_step < 0 || a_step > 1 || b_step < 0 || b_step > 1 ||
        (!rule->uses_b && (a_step != 1 || b_step != 1))) {
        FAIL("a step is neither 0 nor 1");
    }
    const pbp_linalg_sizes sizes = pbp_linalg_sizes_of(k->in->row, p);
    const int64_t batch = p[PBP_L_BATCH];
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    TRY(check_operand(k, k->in->d, 1u << k->a.operand->dtype, "d", &k->d));
    TRY(begin(k, &k->a, batch > 0 && a_step == 0 ? sizes.a : batch * sizes.a));
    TRY(begin(k, &k->d, batch * sizes.d));
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    if (rule->uses_b) {
        TRY(check_operand(k, k->in->b, 1u << k->a.operand->dtype, "b", &k->b));
        TRY(begin(k, &k->b, batch > 0 && b_step == 0 ? sizes.b : batch * sizes.b));
        TRY(finish(k, &k->b, "b", false));
        TRY(check_apart(k, &k->b, "b"));
    }
    k->op->a_dtype = k->op->d_dtype = (uint16_t)k->a.operand->dtype;
    k->op->kernel.sweep = k->tape->isa->linalg(k->in->row, k->op->a_dtype);
    k->runs = k->d.some;
    if (k->op->kernel.sweep == NULL) {
        FAIL("there is no kernel for its dtypes");
    }
    const double edge = (double)(m + n + columns) * 0.5 + 4;
    const double work = (double)batch * edge * edge * edge * 0.3;
    k->op->element_cost = 1000;
    k->op->cost = work < 1e18 ? 20 + (int64_t)work : (int64_t)1e18;
    return PBP_OK;
}
