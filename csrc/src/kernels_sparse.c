/*
 * Products with a sparse matrix, compiled once per instruction set; see sparse.h for what they
 * compute.
 *
 * A pass over the elements of a row of the matrix keeps all its sums in registers: some vectors of
 * each of some groups. More than a vector of columns are first copied ("packed"), so many at a time
 * as stay in cache, to rows of whole vectors at addresses that loads do not straddle; unless they
 * lie so already, and loads of a part of a vector cost nothing.
 *
 * The file includes itself once per element type, as kernels_matmul.c does.
 */
#ifndef PBP_SPARSE_BODY
#define PBP_SPARSE_BODY

#include "core.h"

#include "sparse.h"
#include "vector.h"

/* Sums of a pass, in vectors: what leaves registers for an element and a column of c. */
enum { MOST_SUMS = MANY_REGISTERS ? 12 : 9 };

#define T double
#define N(name) name##_f64
#define I(name) name##_pd
#include "kernels_sparse.c"
#undef T
#undef N
#undef I
#define T float
#define N(name) name##_f32
#define I(name) name##_ps
#include "kernels_sparse.c"

#else /* ---- the body, once per T -------------------------------------------------------------- */

#include "vector.h"

enum { N(W) = VECTOR_BYTES / (int)sizeof(T) /* lanes of a vector */ };

/* Some rows of the matrix, and how c and d go on. */
typedef struct {
    int64_t rows;
    const int64_t *begins, *ends, *columns;
    const T *values;
    int64_t c_row, c_group, d_row, d_group;
} N(part);

/* Some groups of nv vectors, of which the last is stored with `last` lanes; loaded too, if narrow.
 */
INLINE void N(pass)(const int groups, const int nv, const bool narrow, const N(part) * part,
                    T *const d, const T *const c, const int last)
{
    const int64_t c_row = part->c_row, c_group = part->c_group, *const columns = part->columns;
    for (int64_t i = 0; i < part->rows; i++) {
        N(vec) s[MOST_SUMS] = {{0}};
        for (int64_t e = part->begins[i]; e < part->ends[i]; e++) {
            const T *x = c + columns[e] * c_row;
            const N(vec) f = SET1(part->values[e]);
    UNROLL for (int g = 0; g < groups; g++) {
                UNROLL for (int v = 0; v < nv; v++) {
                    const T *const at = x + v * N(W);
                    const bool masked = narrow || (WHOLE_MASKED && v == nv - 1);
                    s[g * nv + v] = FMA(f, masked ? LOAD_N(at, last) : LOAD(at), s[g * nv + v]);
                }
                x += c_group;
            }
        }
        T *to = d + i * part->d_row;
        UNROLL for (int g = 0; g < groups; g++) {
            UNROLL for (int v = 0; v < nv; v++) {
                if (v == nv - 1 && (narrow || last < N(W))) {
                    STORE_N(to + v * N(W), s[g * nv + v], last);
                } else {
                    STORE(to + v * N(W), s[g * nv + v]);
                }
            }
            to += part->d_group;
        }
    }
}

#define PASS(groups, nv)                                                                           \
    case 16 * (groups) + (nv):                                                                     \
        N(pass)(groups, nv, false, part, d, c, last);                                              \
        break;
#define NARROW(groups)                                                                             \
    case 16 * (groups):                                                                            \
        N(pass)(groups, 1, true, part, d, c, last);                                                \
        break;

/* shape: 16 * groups + vectors, the vectors being 0 for narrow ones. */
static void N(some)(int shape, const N(part) * part, T *d, const T *c, int last)
{
    switch (shape) {
        NARROW(1)
        NARROW(2)
        NARROW(3)
        PASS(1, 1)
        PASS(1, 2)
        PASS(1, 3)
        PASS(1, 4)
        PASS(1, 5)
        PASS(1, 6)
        PASS(1, 7)
        PASS(1, 8)
        PASS(1, 9)
#if MANY_REGISTERS
        PASS(1, 10)
        PASS(1, 11)
        PASS(1, 12)
        PASS(2, 5)
        PASS(2, 6)
        PASS(3, 4)
#endif
        PASS(2, 1)
        PASS(2, 2)
        PASS(2, 3)
        PASS(2, 4)
        PASS(3, 1)
        PASS(3, 2)
        PASS(3, 3)
    default:
        break;
    }
}

/* n columns of each group of those rows. */
static void N(columns)(const N(part) * part, int64_t groups, int64_t n, bool narrow, T *d,
                       const T *c)
{
    const int64_t vectors = (n + N(W) - 1) / N(W);
    const int64_t at_once = vectors <= MOST_SUMS / 3 ? 3 : vectors <= MOST_SUMS / 2 ? 2 : 1;
    const int64_t passes = (vectors + MOST_SUMS - 1) / MOST_SUMS;
    for (int64_t g = 0; g < groups; g += at_once) {
        const int64_t some = groups - g < at_once ? groups - g : at_once;
        for (int64_t pass = 0, v = 0; pass < passes; pass++) {
            /* All vectors, in passes that differ by at most one. */
            const int64_t nv = vectors / passes + (pass < vectors % passes);
            const int64_t j = v * N(W), rest = n - j < nv * N(W) ? n - j : nv * N(W);
            N(some)((int)(16 * some + (narrow ? 0 : nv)), part, d + g * part->d_group + j,
                    c + g * part->c_group + j, (int)(rest - (nv - 1) * N(W)));
            v += nv;
        }
    }
}

/* n columns of each group of c to rows of whole vectors unless to is NULL; zeros if all are finite,
 * else NaN somewhere. */
static N(vec) N(pack)(const int64_t *params, int64_t n, const T *c, T *to, int64_t to_group)
{
    /* Four sums, as each waits for the one before. */
    N(vec) t[4] = {{0}};
    for (int64_t p = 0; p < params[1]; p++) {
        for (int64_t g = 0; g < params[3]; g++) {
            const T *const from = c + p * params[7] + g * params[8];
            int64_t j = 0;
            for (; j + 4 * N(W) <= n; j += 4 * N(W)) {
                UNROLL for (int v = 0; v < 4; v++) {
                    const N(vec) x = LOAD(from + j + v * N(W));
                    t[v] += x - x;
                    if (to != NULL) {
                        STORE(to + j + v * N(W), x);
                    }
                }
            }
            for (; j < n; j += N(W)) {
                const N(vec) x = n - j < N(W) ? LOAD_N(from + j, (int)(n - j)) : LOAD(from + j);
                t[0] += x - x;
                if (to != NULL) {
                    STORE(to + j, x);
                }
            }
            to += to == NULL ? 0 : to_group;
        }
    }
    return (t[0] + t[1]) + (t[2] + t[3]);
}

bool PASTE(N(pbp_sparse), PBP_ISA)(const int64_t *params, int64_t first, int64_t end, T *d,
                                   const T *values, const int64_t *pattern, const T *c,
                                   void *scratch)
{
    const int64_t m = params[0], groups = params[3], n = params[4];
    const int64_t strip = pbp_sparse_strip(params, (int64_t)sizeof(T));
    N(part) part = {end - first, pattern + first, pattern + m + first, pattern + 2 * m, values,
                    params[7], params[8], params[5], params[6]};
    d += first * params[5];
    N(vec) t = {0};
    const bool aligned = ((uintptr_t)c | (uintptr_t)(params[7] * (int64_t)sizeof(T)) |
                          (uintptr_t)(params[8] * (int64_t)sizeof(T))) %
                             64 ==
                         0;
    const bool in_place = n <= N(W) || (WHOLE_MASKED && aligned && strip == n);
    if (in_place) {
        /* What lies in one piece is looked at as one row. */
        const bool whole = params[7] == groups * n && (groups == 1 || params[8] == n);
        const int64_t row[9] = {0, 1, 0, 1, 0, 0, 0, 0, 0};
        t = N(pack)(whole ? row : params, whole ? params[1] * groups * n : n, c, NULL, 0);
        N(columns)(&part, groups, n, n < N(W), d, c);
    }
    for (int64_t start = 0; !in_place && start < n; start += strip) {
        const int64_t width = n - start < strip ? n - start : strip;
        part.c_group = pbp_sparse_padded(width, (int64_t)sizeof(T));
        part.c_row = groups * part.c_group;
        t += N(pack)(params, width, c + start, scratch, part.c_group);
        N(columns)(&part, groups, width, false, d + start, scratch);
    }
    bool finite = true;
    for (int l = 0; l < N(W); l++) {
        finite = finite && t[l] == 0;
    }
    return finite;
}

#endif
