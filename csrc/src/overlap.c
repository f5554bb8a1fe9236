/* Whether two operands of one instruction can share memory, at any step of the loops around it.

   Their distance is a constant plus, for each loop whose bases they lie in, a difference of bumps
   times the step.  So it lies in an interval and differs from its value at the first steps by
   multiples of some number.  If no such distance lets the ranges meet they are apart; they are also
   apart if they interleave, like columns of one matrix.  The answer "overlaps" may be wrong for
   loops within loops whose bumps share factors; such tapes are refused though they would run. */
#include "core.h"

static int64_t divisor(int64_t x, int64_t y)
{
    uint64_t a = x < 0 ? 0 - (uint64_t)x : (uint64_t)x, b = y < 0 ? 0 - (uint64_t)y : (uint64_t)y;
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a > INT64_MAX ? 1 : (int64_t)a;
}

static int64_t modulo(int64_t x, int64_t m)
{
    const int64_t rest = x % m;
    return rest < 0 ? rest + m : rest;
}

/* Of start(x) - start(y): its value at all first steps, its range, and what changes are multiples
   of (0: it is constant). Windows lie within their roots, so nothing here overflows. */
static void distance(const pbp_tape *tape, uint32_t x, uint32_t y, int64_t *first, int64_t *low,
                     int64_t *high, int64_t *factor)
{
    *first = *low = *high = *factor = 0;
    while (x != y) {
        const pbp_base *bx = &tape->bases[x], *by = &tape->bases[y];
        const uint32_t bx_begin = bx->kind == PBP_BASE_LOOP ? tape->loops[bx->loop].begin + 1 : 0;
        const uint32_t by_begin = by->kind == PBP_BASE_LOOP ? tape->loops[by->loop].begin + 1 : 0;
        const uint32_t loop = bx_begin >= by_begin ? bx->loop : by->loop;
        int64_t bump = 0;
        if (bx_begin >= by_begin) {
            *first += bx->offset;
            bump += bx->bump;
            x = bx->parent;
        }
        if (by_begin >= bx_begin) {
            *first -= by->offset;
            bump -= by->bump;
            y = by->parent;
        }
        const int64_t travel = (tape->loops[loop].trip - 1) * bump;
        *low += travel < 0 ? travel : 0;
        *high += travel > 0 ? travel : 0;
        *factor = travel == 0 ? *factor : divisor(*factor, bump);
    }
    *low += *first;
    *high += *first;
}

bool pbp_reach_overlaps(const pbp_tape *tape, const pbp_reach *x, const pbp_reach *y, bool *exact)
{
    const uint32_t bx = x->operand->base, by = y->operand->base;
    int64_t first, low, high, factor;
    *exact = false;
    if (!x->some || !y->some || tape->bases[bx].root != tape->bases[by].root) {
        return false;
    }
    if (tape->bases[bx].low + x->low >= tape->bases[by].high + y->high ||
        tape->bases[by].low + y->low >= tape->bases[bx].high + x->high) {
        return false;
    }
    distance(tape, bx, by, &first, &low, &high, &factor);
    const int64_t shift = x->low - y->low;
    /* They meet at distances, counted between the lowest bytes, strictly between these two. */
    int64_t from = -(x->high - x->low) + 1, to = y->high - y->low - 1;
    from = from > low + shift ? from : low + shift;
    to = to < high + shift ? to : high + shift;
    if (from > to) {
        return false;
    }
    if (factor == 0) {
        *exact = first + x->operand->offset == y->operand->offset;
    } else if (from + modulo(first + shift - from, factor) > to) {
        return false;
    }
    const int64_t period = divisor(divisor(x->period, y->period), factor);
    if (period > 0) {
        const int64_t at = modulo(first + shift, period);
        return !(y->inner <= at && at + x->inner <= period);
    }
    return true;
}
