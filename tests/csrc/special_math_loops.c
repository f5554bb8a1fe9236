/* The functions of special_math.h, special_loops.h, special_bessel.h and special_incomplete.h over
 * arrays: loop_ vectorised, single_ one call per element; those with loops as single_ alone. */
#include "special_bessel.h"
#include "special_incomplete.h"

#define NOT_INLINED __attribute__((noinline))

#define LOOP(N, T)                                                                                 \
    void loop_##N(int64_t n, T *restrict y, const T *restrict x)                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = pbp_##N(x[i]);                                                                  \
        }                                                                                          \
    }                                                                                              \
    SINGLE1(N, T)
#define SINGLE1(N, T)                                                                              \
    NOT_INLINED T call_##N(T x);                                                                   \
    NOT_INLINED T call_##N(T x)                                                                    \
    {                                                                                              \
        return pbp_##N(x);                                                                         \
    }                                                                                              \
    void single_##N(int64_t n, T *y, const T *x)                                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = call_##N(x[i]);                                                                 \
        }                                                                                          \
    }
#define SINGLE2(N, T)                                                                              \
    void single_##N(int64_t n, T *y, const T *a, const T *b)                                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = pbp_##N(a[i], b[i]);                                                            \
        }                                                                                          \
    }
#define SINGLE3(N, T)                                                                              \
    void single_##N(int64_t n, T *y, const T *a, const T *b, const T *c)                           \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = pbp_##N(a[i], b[i], c[i]);                                                      \
        }                                                                                          \
    }
#define BOTH(KIND, N) KIND(N, double) KIND(N##f, float)

BOTH(LOOP, lgamma)
BOTH(LOOP, digamma)
BOTH(LOOP, erfcx)
BOTH(LOOP, ndtr)
BOTH(LOOP, log_ndtr)
BOTH(LOOP, erfinv)
BOTH(LOOP, erfcinv)
BOTH(LOOP, ndtri)
BOTH(LOOP, i0)
BOTH(LOOP, i1)
BOTH(LOOP, i0e)
BOTH(LOOP, i1e)
BOTH(SINGLE1, gamma)
BOTH(SINGLE1, rgamma)
BOTH(SINGLE1, expi)
BOTH(SINGLE1, spence)
BOTH(SINGLE2, betaln)
BOTH(SINGLE2, expn)
BOTH(SINGLE2, exprel)
BOTH(SINGLE2, log1prel)
BOTH(SINGLE2, ierfcx)
BOTH(SINGLE2, jv)
BOTH(SINGLE2, yv)
BOTH(SINGLE2, iv)
BOTH(SINGLE2, ive)
BOTH(SINGLE2, kv)
BOTH(SINGLE2, kve)
BOTH(SINGLE3, zeta)
BOTH(SINGLE3, gammainc)
BOTH(SINGLE3, gammaincc)
BOTH(SINGLE3, betainc)
BOTH(SINGLE3, betainc_a)
BOTH(SINGLE3, betainc_b)
BOTH(SINGLE3, betainc_aa)
BOTH(SINGLE3, betainc_ab)
BOTH(SINGLE3, betainc_bb)
