/* The instructions FFT and FFT_REAL: what may be in their params, and their runs.  The transforms
   are in fft.h. */
#include "check.h"

#include "fft.h"

enum { OUTER, N_POINTS, INNER, CHUNK, LENGTH, N_FACTORS, TABLE };

enum { MOST_FACTORS = 48 };

/* Elements of the table that these factors need. */
static pbp_status check_factors(check *k)
{
    const int64_t *p = k->params;
    int64_t table = p[LENGTH] == p[N_POINTS] ? 0 : 2 * p[N_POINTS] + 2 * p[LENGTH];
    int64_t m = p[LENGTH];
    for (int64_t i = 0; i < p[N_FACTORS]; i++) {
        const int64_t r = p[PBP_FFT_FACTORS + i];
        if (r < 2 || r > 63 || m % r != 0) {
            FAIL("a factor does not divide the length");
        }
        m /= r;
        table += 2 * (r - 1) * m + (r > 5 ? 2 * r : 0);
    }
    if (m != 1) {
        FAIL("the factors do not make up the length");
    }
    if (table != p[TABLE]) {
        FAIL("the table has another size");
    }
    return PBP_OK;
}

pbp_status pbp_check_fft(check *k)
{
    const bool real = k->in->row == PBP_ROW_FFT_REAL;
    TRY(check_flags(k, 0));
    TRY(find_params(k, PBP_FFT_FACTORS));
    const int64_t *p = k->params;
    if (p[N_FACTORS] < 0 || p[N_FACTORS] > MOST_FACTORS) {
        FAIL("its number of factors is impossible");
    }
    TRY(find_params(k, PBP_FFT_FACTORS + (uint32_t)p[N_FACTORS]));
    p = k->params;
    const int64_t extents[4] = {p[OUTER], p[N_POINTS], p[INNER], 2};
    const int64_t worked[3] = {p[LENGTH], p[CHUNK], 8};
    TRY(check_extents(k, extents, 4));
    TRY(check_extents(k, worked, 3));
    const bool direct = p[LENGTH] == p[N_POINTS];
    if (p[N_POINTS] < 1 || p[LENGTH] < 1 || p[CHUNK] < 1 || p[TABLE] < 0 ||
        (!direct && p[LENGTH] / 2 < p[N_POINTS] - 1)) {
        FAIL("its extents are impossible");
    }
    TRY(check_factors(k));
    const int64_t elements = p[OUTER] * p[N_POINTS] * p[INNER];
    const bool whole = direct && p[CHUNK] == p[INNER];
    const int64_t work = p[LENGTH] * p[CHUNK] * (!whole ? 6 : real ? 3 : 2);
    TRY(check_operand(k, k->in->a, k->row.dtypes, "a", &k->a));
    const uint32_t dtypes = 1u << k->a.operand->dtype;
    TRY(check_operand(k, k->in->d, dtypes, "d", &k->d));
    TRY(check_operand(k, k->in->b, dtypes, "b", &k->b));
    TRY(begin(k, &k->a, elements));
    TRY(begin(k, &k->b, real ? p[TABLE] : elements));
    TRY(begin(k, &k->d, elements == 0 ? 0 : 2 * elements + work));
    if (!real) {
        TRY(check_operand(k, k->in->c, dtypes, "c", &k->c));
        TRY(begin(k, &k->c, p[TABLE]));
        TRY(finish(k, &k->c, "c", false));
        TRY(check_apart(k, &k->c, "c"));
    }
    TRY(finish(k, &k->a, "a", false));
    TRY(finish(k, &k->b, "b", false));
    TRY(finish(k, &k->d, "d", true));
    TRY(check_apart(k, &k->a, "a"));
    TRY(check_apart(k, &k->b, "b"));
    k->runs = elements > 0;
    k->op->kernel.sweep = pbp_fft_run;
    set_cost(k, elements, (direct ? 500 : 4000) * (p[N_FACTORS] + 1));
    return PBP_OK;
}

pbp_status pbp_fft_run(const pbp_array_op *op, pbp_sweep *sweep, char *d, const char *a,
                       const char *b)
{
    const int64_t outer = op->params[OUTER];
    const int64_t nanoseconds = op->cost / (outer > 0 ? outer : 1) + 1;
    const int64_t some = 1000000 / nanoseconds + 1;
    const char *table = b;
    if (op->row == PBP_ROW_FFT_REAL) {
        b = NULL;
    } else {
        table = sweep->workspace->bases[op->c_base] + op->c_offset;
    }
    const pbp_isa *const isa = sweep->tape->isa;
    for (int64_t first = 0; first < outer; first += some) {
        const int64_t end = outer - first < some ? outer : first + some;
        if (op->d_dtype == PBP_FLOAT64) {
            isa->fft_f64(op->params, first, end, (double *)(void *)d,
                         (const double *)(const void *)a, (const double *)(const void *)b,
                         (const double *)(const void *)table);
        } else {
            isa->fft_f32(op->params, first, end, (float *)(void *)d, (const float *)(const void *)a,
                         (const float *)(const void *)b, (const float *)(const void *)table);
        }
        if (end < outer && pbp_sweep_poll(sweep, nanoseconds * some) != PBP_OK) {
            return PBP_INTERRUPTED;
        }
    }
    return PBP_OK;
}
