/*
 * Matrix products in the orders that kernels_matmul.h states. From the inside out:
 *
 *   vectors  one register: load, store, multiply-add, with a count of live lanes at edges
 *            (vector.h).
 *   tile     mr rows x nv vectors of C in registers, one pass over k: per step nv loads of B, mr
 *            broadcasts of A, mr * nv multiply-adds. All speed comes from here.
 *   gemm     cuts m, n, k into blocks for the caches and those into tiles, after Goto and van de
 *            Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008), and
 *            Van Zee and van de Geijn, "BLIS", ACM TOMS 41 (2015). B is copied ("packed") into
 *            strips as wide as a tile where it is not contiguous along n or where that pays; A is
 *            copied, in its own orientation, only where its strides would thrash cache and TLB.
 *   gemv     one column: dots of contiguous rows, or sums of multiples of contiguous columns.
 *
 * Rounding: k is walked upwards only, and a later block of k starts from what the earlier one left
 * in C, so every element is one chain whatever the blocks. Storing and loading C does not round.
 *
 * The file includes itself once per element type: the second half is the body, in which T is the
 * type and N(name) adds its suffix, so that compiler messages and debuggers show true lines.
 */
#ifndef PBP_MATMUL_BODY
#define PBP_MATMUL_BODY

#include "kernels_matmul.h"
#include "vector.h"

#include <stdbool.h>
#include <string.h>

enum {
    VECTOR_MAX = 3,   /* widest tile, in vectors */
    ROWS_MAX = 8,     /* highest tile */
    DOT_BLOCK = 4096, /* the header's block of a dot */
    PACK_ROWS = 48,   /* B is packed if so many rows use it and it has more than PACK_BYTES */
    PACK_BYTES = MANY_REGISTERS ? 128 * 1024 : 16 * 1024,
    PACK_BYTES_A = 512 * 1024,
    PACK_STRIDE = 2048, /* A is packed if contiguous along m, its columns so many bytes apart */
    NARROW_BLOCK = 512, /* rows of a narrow product at a time */
    FEW_CHAINS = 4,     /* of each sum where there are few, as the header states */
    FEW_BYTES = 192,
    COLUMN_BYTES = 16384, /* piece of gemv's result that stays in L1 */
};

/* Cache blocks: packed B fills half of an L2 of 1 MB, and rows of A pass over it, mc at a time so
 * that a strip of B serves some tiles from L1. If A is packed too, that copy must serve more of B:
 * then B goes to L3 and A to L2. */
static const struct blocks {
    int64_t kc, mc, b_bytes;
} blocks[2] = {{512, 32, 512 * 1024}, {256, 96, 2048 * 1024}};

/* Of total things in count parts that differ by at most one, the first of part i. */
INLINE int64_t part(int64_t total, int64_t count, int64_t i)
{
    return total / count * i + MIN(i, total % count);
}

/* Of a 32-byte vector's two halves by themselves: single elements of u and v in turn; pairs. */
#define ZIP_LOW_f64(u, v) SHUFFLE(u, v, 0, 4, 2, 6)
#define ZIP_LOW_f32(u, v) SHUFFLE(u, v, 0, 8, 1, 9, 4, 12, 5, 13)
#define ZIP_HIGH_f64(u, v) SHUFFLE(u, v, 1, 5, 3, 7)
#define ZIP_HIGH_f32(u, v) SHUFFLE(u, v, 2, 10, 3, 11, 6, 14, 7, 15)
#define WIDEN_f64 _mm256_castpd128_pd256
#define WIDEN_f32 _mm256_castps128_ps256
#define ZIP_LOW_PAIRS(u, v) SHUFFLE(u, v, 0, 1, 8, 9, 4, 5, 12, 13)
#define ZIP_HIGH_PAIRS(u, v) SHUFFLE(u, v, 2, 3, 10, 11, 6, 7, 14, 15)
/* The low halves of u and v; the high ones. */
#define LOWS_f64(u, v) SHUFFLE(u, v, 0, 1, 4, 5)
#define LOWS_f32(u, v) SHUFFLE(u, v, 0, 1, 2, 3, 8, 9, 10, 11)
#define HIGHS_f64(u, v) SHUFFLE(u, v, 2, 3, 6, 7)
#define HIGHS_f32(u, v) SHUFFLE(u, v, 4, 5, 6, 7, 12, 13, 14, 15)

#define T double
#define T_IS_FLOAT 0
#define N(name) name##_f64
#define I(name) name##_pd
#include "kernels_matmul.c"
#undef T
#undef T_IS_FLOAT
#undef N
#undef I
#undef SHORT_BLOCK
#define T float
#define T_IS_FLOAT 1
#define N(name) name##_f32
#define I(name) name##_ps
#include "kernels_matmul.c"

#else /* ---- the body, once per T -------------------------------------------------------------- */

#include "vector.h"

typedef T N(row) __attribute__((vector_size(32), aligned(sizeof(T)), may_alias));

enum {
    N(W) = VECTOR_BYTES / (int)sizeof(T), /* lanes of a vector */
    N(E) = EDGE_BYTES / (int)sizeof(T),   /* lanes of an edge */
    N(L) = 128 / (int)sizeof(T),          /* lanes of a dot ... */
    N(LV) = 128 / VECTOR_BYTES,           /* ... in vectors */
    N(R) = DOT_ROWS,                      /* dots at a time */
    N(S) = 32 / (int)sizeof(T),           /* rows of a block that is transposed in registers */
};

/* A product in normal form: c_col is 1, or n is 1. */
typedef struct {
    int64_t m, n, k;
    T *c;
    const T *a, *b;
    int64_t c_row, a_row, a_col, b_row, b_col;
    int accumulate;
} N(product);

/* The same product as C^T = B^T A^T */
static N(product) N(transposed)(const N(product) * g, int64_t c_col)
{
    return (N(product)){g->n,  g->m,     g->k,     g->c,     g->b,     g->a,
                        c_col, g->b_col, g->b_row, g->a_col, g->a_row, g->accumulate};
}

/* Rows become columns: first within the halves of the vectors, which is cheap, then the halves
 * change places. t is scratch. */
INLINE void N(turn)(N(row) * r, N(row) * t)
{
    UNROLL for (int j = 0; j < N(S); j += 2) {
        t[j] = N(ZIP_LOW)(r[j], r[j + 1]);
        t[j + 1] = N(ZIP_HIGH)(r[j], r[j + 1]);
    }
#if T_IS_FLOAT
    UNROLL for (int j = 0; j < N(S); j += 4) {
        const N(row) low = t[j], high = t[j + 1];
        t[j] = ZIP_LOW_PAIRS(low, t[j + 2]);
        t[j + 1] = ZIP_HIGH_PAIRS(low, t[j + 2]);
        t[j + 2] = ZIP_LOW_PAIRS(high, t[j + 3]);
        t[j + 3] = ZIP_HIGH_PAIRS(high, t[j + 3]);
    }
#endif
    UNROLL for (int j = 0; j < N(S) / 2; j++) {
        r[j] = N(LOWS)(t[j], t[j + N(S) / 2]);
        r[j + N(S) / 2] = N(HIGHS)(t[j], t[j + N(S) / 2]);
    }
}

/* dst[p * dst_row + j] = src[j * src_col + p] for j, p < S */
INLINE void N(transpose)(T *dst, int64_t dst_row, const T *src, int64_t src_col)
{
    N(row) r[N(S)], t[N(S)];
    UNROLL for (int j = 0; j < N(S); j++) {
        r[j] = *(const N(row) *)(const void *)(src + j * src_col);
    }
    N(turn)(r, t);
    UNROLL for (int j = 0; j < N(S); j++) {
        *(N(row) *)(void *)(dst + j * dst_row) = r[j];
    }
}

/* dst[p * dst_row + j] = src[p * src_row + j * src_col], k x n */
static void N(copy)(T *dst, int64_t dst_row, int64_t k, int64_t n, const T *src, int64_t src_row,
                    int64_t src_col)
{
    const bool across = src_row == 1 && src_col != 1;
    const int64_t block_k = across ? k - k % N(S) : 0, block_n = across ? n - n % N(S) : 0;
    for (int64_t j = 0; j < block_n; j += N(S)) {
        for (int64_t p = 0; p < block_k; p += N(S)) {
            N(transpose)(dst + p * dst_row + j, dst_row, src + p + j * src_col, src_col);
        }
    }
    for (int64_t p = 0; p < k; p++) { /* all, or what the blocks leave */
        for (int64_t j = p < block_k ? block_n : 0; j < n; j++) {
            dst[p * dst_row + j] = src[p * src_row + j * src_col];
        }
    }
}

/* ---- tile: c[i, :] (+)= sum over p of a[i, p] * b[p, :], mr rows, nv vectors ---------------- */

#define TILE_ARGS                                                                                  \
    int64_t k, T *c, int64_t c_row, const T *a, int64_t a_row, int64_t a_col, const T *b,          \
        int64_t b_row, int last, int accumulate
#define GET(p, v) ((v) < masked ? LOAD((p) + (v) * N(W)) : LOAD_N((p) + (v) * N(W), last))

/* last: live lanes of the last vector, which is an edge if so said. Constant arguments make each
 * instance straight-line code with its mr * nv sums in registers; HIDE keeps the compiler from
 * computing all row addresses beforehand and from a second version of the loop for a_col == 1. */
INLINE void N(tile)(const int mr, const int nv, const bool column, const bool edge, TILE_ARGS)
{
    const int whole = edge ? nv - 1 : nv, masked = WHOLE_MASKED && !edge ? nv - 1 : nv;
    N(vec) s[ROWS_MAX][VECTOR_MAX], y[VECTOR_MAX];
    N(edge) e[ROWS_MAX], z = {0};
    const T *from = c;
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < whole; v++) {
            s[i][v] = accumulate ? GET(from, v) : (N(vec)){0};
        }
        if (edge) {
            e[i] = accumulate ? EDGE_LOAD(from + whole * N(W), last) : (N(edge)){0};
        }
        from += c_row;
        HIDE(from);
    }
    int64_t a_step = a_col * (int64_t)sizeof(T);
    HIDE(a_step);
    for (int64_t p = 0; p < k; p++) {
        UNROLL for (int v = 0; v < whole; v++) {
            y[v] = GET(b, v);
        }
        if (edge) {
            z = EDGE_LOAD(b + whole * N(W), last);
        }
        UNROLL for (int i = 0; i < mr; i++) {
            const N(vec) x = SET1(a[i * (column ? 1 : a_row)]);
            UNROLL for (int v = 0; v < whole; v++) {
                s[i][v] = FMA(x, y[v], s[i][v]);
            }
            if (edge) {
                e[i] = EDGE_FMA(x, z, e[i]);
            }
        }
        a = (const T *)(const void *)((const char *)a + a_step);
        b += b_row;
    }
    /* A short row may run on into the next ones where these are stored after it anyway. */
    const bool runs_on = whole == 0 && c_row == last && !WHOLE_MASKED;
    UNROLL for (int i = 0; i < mr; i++) {
        UNROLL for (int v = 0; v < masked && v < whole; v++) {
            STORE(c + v * N(W), s[i][v]);
        }
        if (edge && runs_on && (mr - i) * last >= N(E)) {
            *(N(edge_loose) *)(void *)c = e[i];
        } else if (edge) {
            EDGE_STORE(c + whole * N(W), e[i], last);
        } else if (masked < nv) {
            STORE_N(c + masked * N(W), s[i][masked], last);
        }
        c += c_row;
        HIDE(c);
    }
}

/* clang-format off */
#define NAME(mr, nv, c, e) N(tile_##mr##nv##c##e)
#define TILE(mr, nv, column, edge)                                                                 \
    static void NAME(mr, nv, column, edge)(TILE_ARGS)                                              \
    {                                                                                              \
        N(tile)(mr, nv, column, edge, k, c, c_row, a, a_row, a_col, b, b_row, last, accumulate);   \
    }
#define TILES(mr, nv) TILE(mr, nv, 0, 0) TILE(mr, nv, 0, 1) TILE(mr, nv, 1, 0) TILE(mr, nv, 1, 1)
#define TILES4(nv) TILES(1, nv) TILES(2, nv) TILES(3, nv) TILES(4, nv)
#define ROWS4(nv, c, e) NAME(1, nv, c, e), NAME(2, nv, c, e), NAME(3, nv, c, e), NAME(4, nv, c, e)
#define ROWS6(nv, c, e) ROWS4(nv, c, e), NAME(5, nv, c, e), NAME(6, nv, c, e)
#define ROWS8(nv, c, e) ROWS6(nv, c, e), NAME(7, nv, c, e), NAME(8, nv, c, e)
TILES4(1) TILES(5, 1) TILES(6, 1) TILES(7, 1) TILES(8, 1)
TILES4(2) TILES(5, 2) TILES(6, 2)
TILES4(3)
#if MANY_REGISTERS
TILES(7, 2) TILES(8, 2) TILES(5, 3) TILES(6, 3) TILES(7, 3) TILES(8, 3)
#define WIDTHS(c, e) {{ROWS8(1, c, e)}, {ROWS8(2, c, e)}, {ROWS8(3, c, e)}}
#else /* at most 12 sums: with 2 or 3 of B and 1 of A they fill 16 registers */
#define WIDTHS(c, e) {{ROWS8(1, c, e)}, {ROWS6(2, c, e)}, {ROWS4(3, c, e)}}
#endif
typedef void N(tile_function)(TILE_ARGS);
static N(tile_function) *const N(tiles)[2][2][VECTOR_MAX][ROWS_MAX] = {
    {WIDTHS(0, 0), WIDTHS(0, 1)},
    {WIDTHS(1, 0), WIDTHS(1, 1)},
};
/* clang-format on */

/* ---- gemm ----------------------------------------------------------------------------------- */

/* How gemm cuts a product, and what it copies: scratch holds a block of A in a_room elements, then
 * one of B, room in all. */
typedef struct {
    int64_t mc, nc, kc, rows, vectors, a_room, room;
    bool pack_a, pack_b;
} N(plan);

static N(plan) N(make_plan)(const N(product) * g)
{
    static const int64_t rows[VECTOR_MAX] = {8, MANY_REGISTERS ? 8 : 6, MANY_REGISTERS ? 8 : 4};
    const int64_t size = (int64_t)sizeof(T), step = 2 * VECTOR_MAX * N(W);
    const int64_t vectors = MIN((g->n + N(W) - 1) / N(W), VECTOR_MAX);
    N(plan) plan = {g->m, g->n, g->k, rows[vectors - 1], vectors, 0, 0, false, false};
    plan.pack_b = g->n > 1 && (g->b_col != 1 ||
                               (g->m >= PACK_ROWS && g->k > PACK_BYTES / size / g->n));
    const bool far = g->a_col >= PACK_STRIDE / size || g->a_col <= -PACK_STRIDE / size;
    const bool large = g->m > PACK_BYTES_A / size / g->k;
    plan.pack_a =
        g->n > step && g->a_col != 1 && (g->a_row != 1 || (far && (plan.pack_b || large)));
    const struct blocks *block = &blocks[plan.pack_a];
    if (plan.pack_a || plan.pack_b) {
        const int64_t pieces = (g->k + block->kc - 1) / block->kc;
        plan.kc = (g->k + pieces - 1) / pieces;
        plan.mc = MIN(g->m, block->mc);
    }
    if (plan.pack_a) { /* rows of kc + W: not a power of two */
        plan.room = plan.a_room = (plan.mc * (plan.kc + N(W)) + N(L)) / N(L) * N(L);
    }
    if (plan.pack_b) {
        plan.nc = MIN(g->n, block->b_bytes / size / plan.kc / step * step);
        plan.room += (plan.nc + N(W) - 1) / N(W) * N(W) * plan.kc;
    }
    return plan;
}

/* A strip of C, as wide as a tile; t says where its A, B and C start. */
static void N(strip)(const N(plan) * plan, const N(product) * t, int64_t nv)
{
    const int last = (int)(t->n - (nv - 1) * N(W));
    const bool edge = WHOLE_MASKED ? last <= N(E) : last < N(W);
    N(tile_function) *const *const tiles = N(tiles)[t->a_row == 1][edge][nv - 1];
    const int64_t panels = (t->m + plan->rows - 1) / plan->rows;
    for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t i = part(t->m, panels, panel), next = part(t->m, panels, panel + 1);
        for (int64_t r = next; plan->pack_b && r < MIN(2 * next - i, t->m); r++) {
            for (int64_t byte = 0; byte < nv * VECTOR_BYTES; byte += 64) { /* the next tile's C */
                __builtin_prefetch((const char *)(t->c + r * t->c_row) + byte, 1);
            }
        }
        tiles[next - i - 1](t->k, t->c + i * t->c_row, t->c_row, t->a + i * t->a_row, t->a_row,
                            t->a_col, t->b, t->b_row, last, t->accumulate);
    }
}

/* A block of C, likewise; first: the packed B is not there yet. */
static void N(block)(const N(plan) * plan, N(product) t, bool first, T *scratch)
{
    const int64_t n = t.n, vectors = (n + N(W) - 1) / N(W);
    const int64_t strips = (vectors + plan->vectors - 1) / plan->vectors;
    N(product) u = t;
    if (plan->pack_a) {
        const bool column = t.a_row == 1;
        u.a = scratch;
        u.a_row = column ? 1 : plan->kc + N(W);
        u.a_col = column ? plan->mc : 1;
        N(copy)(scratch, column ? u.a_col : u.a_row, column ? t.k : t.m, column ? t.m : t.k, t.a,
                column ? t.a_col : t.a_row, column ? 1 : t.a_col);
    }
    for (int64_t strip = 0; strip < strips; strip++) {
        const int64_t v = part(vectors, strips, strip), j = v * N(W);
        const int64_t nv = part(vectors, strips, strip + 1) - v;
        u.n = MIN(nv * N(W), n - j);
        u.c = t.c + j;
        u.b = t.b + j * t.b_col;
        if (plan->pack_b) {
            T *const packed = scratch + plan->a_room + j * t.k;
            u.b_row = nv * N(W);
            if (first) {
                N(copy)(packed, u.b_row, t.k, u.n, u.b, t.b_row, t.b_col);
            }
            u.b = packed;
        }
        N(strip)(plan, &u, nv);
    }
}

/* With room: says how many elements of scratch that takes, and does no more. So below. */
static void N(gemm)(const N(product) * g, T *scratch, int64_t *room)
{
    const N(plan) plan = N(make_plan)(g);
    if (room) {
        *room += plan.room;
        return;
    }
    for (int64_t j = 0; j < g->n; j += plan.nc) {
        for (int64_t p = 0; p < g->k; p += plan.kc) {
            for (int64_t i = 0; i < g->m; i += plan.mc) {
                N(product) t = *g;
                t.m = MIN(plan.mc, g->m - i);
                t.n = MIN(plan.nc, g->n - j);
                t.k = MIN(plan.kc, g->k - p);
                t.a += i * g->a_row + p * g->a_col;
                t.b += p * g->b_row + j * g->b_col;
                t.c += i * g->c_row + j;
                t.accumulate = g->accumulate || p > 0;
                N(block)(&plan, t, i == 0, scratch);
            }
        }
    }
}

/* A narrow C wastes lanes. When A is contiguous along m, C^T = B^T A^T can be had without packing;
 * it goes to scratch, NARROW_BLOCK columns at a time, and from there transposed to C. */
static bool N(is_narrow)(const N(product) * g)
{
    const int64_t rest = g->n % N(W);
    const int64_t lanes = g->n - rest + (rest == 0 ? 0 : rest <= N(E) ? N(E) : N(W));
    return g->a_row == 1 && g->n > 1 && g->n <= 2 * N(W) && 20 * g->n <= 17 * lanes &&
           g->m >= 2 * N(W) && g->k >= 64;
}

static void N(narrow)(const N(product) * g, T *scratch, int64_t *room)
{
    for (int64_t i = 0; i < g->m; i += NARROW_BLOCK) {
        N(product) t = N(transposed)(g, MIN(NARROW_BLOCK, g->m - i));
        t.n = t.c_row;
        if (room) {
            *room += NARROW_BLOCK * t.m;
            N(gemm)(&t, NULL, room);
            return;
        }
        t.b += i;
        t.c = scratch;
        if (g->accumulate) {
            N(copy)(t.c, t.n, t.m, t.n, g->c + i * g->c_row, 1, g->c_row);
        }
        N(gemm)(&t, scratch + NARROW_BLOCK * t.m, NULL);
        N(copy)(g->c + i * g->c_row, g->c_row, t.n, t.m, t.c, 1, t.n);
    }
}

/* ---- gemv: n is 1 --------------------------------------------------------------------------- */

/* out[r] = one block of the dot of row r of a with x, 0 < k <= DOT_BLOCK */
INLINE void N(dot_block)(const int rows, int64_t k, const T *a, int64_t a_row, const T *x, T *out)
{
    if (k < N(L)) {
        for (int r = 0; r < rows; r++) {
            out[r] = 0;
            for (int64_t p = 0; p < k; p++) {
                out[r] = N(FMA1)(a[r * a_row + p], x[p], out[r]);
            }
        }
        return;
    }
    N(vec) s[N(R)][N(LV)] = {{{0}}};
    for (; k >= N(L); k -= N(L), a += N(L), x += N(L)) {
        UNROLL for (int v = 0; v < N(LV); v++) {
            N(vec) y = LOAD(x + v * N(W));
            HIDE_VECTOR(y); /* else it is loaded anew for each row */
            UNROLL for (int r = 0; r < rows; r++) {
                s[r][v] = FMA(LOAD(a + r * a_row + v * N(W)), y, s[r][v]);
            }
        }
    }
    UNROLL for (int v = 0; v < N(LV); v++) {
        const int live = (int)MIN(k - v * N(W), N(W));
        UNROLL for (int r = 0; r < rows; r++) {
            if (live > 0) {
                const N(vec) z = LOAD_N(a + r * a_row + v * N(W), live);
                s[r][v] = FMA_N(z, LOAD_N(x + v * N(W), live), s[r][v], live);
            }
        }
    }
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int half = N(LV) / 2; half > 0; half /= 2) {
            UNROLL for (int v = 0; v < half; v++) {
                s[r][v] += s[r][v + half];
            }
        }
        out[r] = SUM(s[r][0]);
    }
}

/* c[r] (+)= dot of row r of a with x. The blocks' sums are a binary counter: where the count of
 * blocks has a one at bit b, total holds a sum of 2^b of them, high bits first. */
INLINE void N(dot)(const int rows, const N(product) * g, int64_t i, const T *x)
{
    const T *const a = g->a + i * g->a_row;
    T total[64][N(R)], s[N(R)] = {0}, *c = g->c + i * g->c_row;
    int top = 0;
    for (int64_t p = 0, block = 0;; p += DOT_BLOCK, block++) {
        const bool end = g->k - p <= DOT_BLOCK;
        N(dot_block)(rows, MIN(g->k - p, DOT_BLOCK), a + p, g->a_row, x + p, s);
        if (g->k <= DOT_BLOCK) {
            break;
        }
        for (int64_t bits = block; top > 0 && ((bits & 1) || end); bits >>= 1) {
            top--;
            for (int r = 0; r < rows; r++) {
                s[r] = total[top][r] + s[r];
            }
        }
        if (end) {
            break;
        }
        memcpy(total[top++], s, sizeof s);
    }
    UNROLL for (int r = 0; r < rows; r++) {
        c[r * g->c_row] = g->accumulate ? c[r * g->c_row] + s[r] : s[r];
    }
}

#if defined(__AVX2__) && defined(__FMA__)
/* r[p][j] = a[j][p] for S rows j and as many p. Halves of rows change places as they are loaded,
 * which costs loads but no shuffles, of which there is one per cycle. */
INLINE void N(turned_rows)(N(row) * r, const T *a, int64_t a_row)
{
    enum { half = N(S) / 2 };
    UNROLL for (int p = 0; p < N(S); p += half) {
        N(row) q[half];
        UNROLL for (int j = 0; j < half; j++) {
            const T *const low = a + j * a_row + p, *const high = low + half * a_row;
            q[j] = (N(row))I(_mm256_insertf128)(N(WIDEN)(I(_mm_loadu)(low)), I(_mm_loadu)(high), 1);
        }
#if T_IS_FLOAT
        UNROLL for (int j = 0; j < 2; j++) {
            const N(row) low = N(ZIP_LOW)(q[j], q[j + 2]);
            q[j + 2] = N(ZIP_HIGH)(q[j], q[j + 2]);
            q[j] = low;
        }
        r[p] = N(ZIP_LOW)(q[0], q[1]);
        r[p + 1] = N(ZIP_HIGH)(q[0], q[1]);
        r[p + 2] = N(ZIP_LOW)(q[2], q[3]);
        r[p + 3] = N(ZIP_HIGH)(q[2], q[3]);
#else
        r[p] = N(ZIP_LOW)(q[0], q[1]);
        r[p + 1] = N(ZIP_HIGH)(q[0], q[1]);
#endif
    }
}

/* s[j] = fma(a[j][p], x[p], s[j]) for S rows j and p = 0 .. n-1: the rows are transposed in
 * registers. Constant arguments keep them there. */
INLINE N(row) N(short_block)(const int n, N(row) s, const T *a, int64_t a_row, const T *x)
{
    N(row) r[N(S)], t[N(S)];
    if (n == N(S)) {
        N(turned_rows)(r, a, a_row);
    } else {
        UNROLL for (int j = 0; j < N(S); j++) {
            r[j] = (N(row))EDGE_LOAD(a + j * a_row, n);
        }
        N(turn)(r, t);
    }
    UNROLL for (int j = 0; j < n; j++) {
        s = (N(row))I(_mm256_fmadd)(r[j], I(_mm256_set1)(x[j]), s);
    }
    return s;
}

#define SHORT_BLOCK(n)                                                                             \
    case n:                                                                                        \
        return N(short_block)(n, s, a, a_row, x)

static N(row) N(short_rest)(int n, N(row) s, const T *a, int64_t a_row, const T *x)
{
    switch (n) {
        SHORT_BLOCK(1);
        SHORT_BLOCK(2);
        SHORT_BLOCK(3);
#if T_IS_FLOAT
        SHORT_BLOCK(4);
        SHORT_BLOCK(5);
        SHORT_BLOCK(6);
        SHORT_BLOCK(7);
#endif
    default:
        return s;
    }
}

/* Dots shorter than their lanes are chains, each as long as k: those of S rows at a time. Returns
 * how many rows are done. */
static int64_t N(short_dots)(const N(product) * g, const T *x)
{
    const int rest = (int)(g->k % N(S));
    const int64_t whole = g->k - rest;
    int64_t i = 0;
    for (; i + N(S) <= g->m; i += N(S)) {
        const T *const a = g->a + i * g->a_row;
        N(row) s = {0};
        for (int64_t p = 0; p < whole; p += N(S)) {
            s = N(short_block)(N(S), s, a + p, g->a_row, x + p);
        }
        if (rest > 0) {
            s = N(short_rest)(rest, s, a + whole, g->a_row, x + whole);
        }
        T *c = g->c + i * g->c_row;
        if (g->c_row == 1 && !g->accumulate) {
            *(N(row) *)(void *)c = s;
            continue;
        }
        for (int j = 0; j < N(S); j++, c += g->c_row) {
            *c = g->accumulate ? *c + s[j] : s[j];
        }
    }
    return i;
}
#endif

static void N(dots)(const N(product) * g, T *scratch, int64_t *room)
{
    const T *x = g->b_row == 1 ? g->b : scratch;
    if (room) {
        *room += g->b_row == 1 ? 0 : g->k;
        return;
    }
    if (g->b_row != 1) {
        N(copy)(scratch, 1, g->k, 1, g->b, g->b_row, 0);
    }
    int64_t i = 0;
#if defined(__AVX2__) && defined(__FMA__)
    if (g->k < N(L)) {
        i = N(short_dots)(g, x);
    }
#endif
    for (; i + N(R) <= g->m; i += N(R)) {
        N(dot)(N(R), g, i, x);
    }
    for (; i < g->m; i++) {
        N(dot)(1, g, i, x);
    }
}

/* y[0 .. m) (+)= the next depth columns of a times x, one after the other */
INLINE void N(add_columns)(const int depth, int64_t m, T *y, const T *a, int64_t a_col, const T *x,
                           int64_t x_step, int accumulate)
{
    N(vec) f[8];
    UNROLL for (int d = 0; d < depth; d++) {
        f[d] = SET1(x[d * x_step]);
    }
    for (; m >= N(W); m -= N(W), y += N(W), a += N(W)) {
        N(vec) s = accumulate ? LOAD(y) : (N(vec)){0};
        UNROLL for (int d = 0; d < depth; d++) {
            s = FMA(f[d], LOAD(a + d * a_col), s);
        }
        STORE(y, s);
    }
    const int live = (int)m;
    if (live > 0) {
        N(vec) s = accumulate ? LOAD_N(y, live) : (N(vec)){0};
        UNROLL for (int d = 0; d < depth; d++) {
            s = FMA(f[d], LOAD_N(a + d * a_col, live), s);
        }
        STORE_N(y, s, live);
    }
}

/* Few rows and a short k: a row of C is a sum of multiples of the rows of B. */
static bool N(is_flat)(const N(product) * g)
{
    return g->k <= 8 && g->m <= 8 && g->b_col == 1 && g->n >= 4 * N(W) && g->n <= 4096;
}

static void N(flat)(const N(product) * g)
{
    for (int64_t i = 0; i < g->m; i++) {
        T *const c = g->c + i * g->c_row;
        const T *const x = g->a + i * g->a_row;
#define FLAT(k)                                                                                    \
    case k:                                                                                        \
        N(add_columns)(k, g->n, c, g->b, g->b_row, x, g->a_col, g->accumulate);                    \
        break
        switch (g->k) {
            FLAT(1);
            FLAT(2);
            FLAT(3);
            FLAT(4);
            FLAT(5);
            FLAT(6);
            FLAT(7);
            FLAT(8);
        default:
            break;
        }
#undef FLAT
    }
}

/* Rows of two to four times a square matrix, as points are turned: B stays in registers, and the
 * compiler takes rows side by side, whose elements it shuffles into columns and back. */
static bool N(is_turn)(const N(product) * g)
{
    return g->n == g->k && g->k >= 2 && g->k <= 4 && g->m >= 2 * N(W) && g->a_col == 1 &&
           g->a_row == g->k && g->c_row == g->n;
}

INLINE void N(turn_rows)(const int k, const int accumulate, int64_t m, T *restrict c,
                         const T *restrict a, const T *b, int64_t b_row, int64_t b_col)
{
    T y[4][4];
    for (int p = 0; p < k; p++) {
        for (int j = 0; j < k; j++) {
            y[p][j] = b[p * b_row + j * b_col];
        }
    }
    for (int64_t i = 0; i < m; i++) {
        T s[4];
        UNROLL for (int j = 0; j < k; j++) {
            s[j] = accumulate ? c[i * k + j] : 0;
            UNROLL for (int p = 0; p < k; p++) {
                s[j] = N(FMA1)(a[i * k + p], y[p][j], s[j]);
            }
        }
        UNROLL for (int j = 0; j < k; j++) {
            c[i * k + j] = s[j];
        }
    }
}

static void N(turn_all)(const N(product) * g)
{
#define TURN(k)                                                                                    \
    case k:                                                                                        \
        if (g->accumulate) {                                                                       \
            N(turn_rows)(k, 1, g->m, g->c, g->a, g->b, g->b_row, g->b_col);                        \
        } else {                                                                                   \
            N(turn_rows)(k, 0, g->m, g->c, g->a, g->b, g->b_row, g->b_col);                        \
        }                                                                                          \
        break
    switch (g->k) {
        TURN(2);
        TURN(3);
        TURN(4);
    default:
        break;
    }
#undef TURN
}

/* A contiguous along m: a piece of C stays in L1 while the columns go by, a few at a time. */
static void N(columns)(const N(product) * g)
{
    const int64_t piece = COLUMN_BYTES / (int64_t)sizeof(T);
    for (int64_t i = 0; i < g->m; i += piece) {
        const T *a = g->a + i, *x = g->b;
        int64_t m = MIN(piece, g->m - i), p = 0;
        for (; p + 8 <= g->k; p += 8, a += 8 * g->a_col, x += 8 * g->b_row) {
            N(add_columns)(8, m, g->c + i, a, g->a_col, x, g->b_row, g->accumulate || p > 0);
        }
        for (; p < g->k; p++, a += g->a_col, x += g->b_row) {
            N(add_columns)(1, m, g->c + i, a, g->a_col, x, g->b_row, g->accumulate || p > 0);
        }
    }
}

/* Few sums over many columns of a: FEW_CHAINS of each, else every multiply-add waits for the last. */
INLINE void N(few_sums)(const int nv, const N(product) * g, int64_t i)
{
    const int last = (int)(g->m - i - (nv - 1) * N(W));
    const T *a = g->a + i, *x = g->b;
    N(vec) s[FEW_CHAINS][2] = {{{0}}};
    int64_t p = 0;
    for (; p + FEW_CHAINS <= g->k; p += FEW_CHAINS) {
        UNROLL for (int c = 0; c < FEW_CHAINS; c++) {
            const N(vec) f = SET1(x[c * g->b_row]);
            UNROLL for (int v = 0; v < nv; v++) {
                const T *const at = a + c * g->a_col + v * N(W);
                s[c][v] = FMA(v == nv - 1 && last < N(W) ? LOAD_N(at, last) : LOAD(at), f, s[c][v]);
            }
        }
        a += FEW_CHAINS * g->a_col;
        x += FEW_CHAINS * g->b_row;
    }
    for (int c = 0; p < g->k; p++, c++, a += g->a_col, x += g->b_row) {
        const N(vec) f = SET1(x[0]);
        UNROLL for (int v = 0; v < nv; v++) {
            const int live = v == nv - 1 ? last : N(W);
            s[c][v] = FMA(LOAD_N(a + v * N(W), live), f, s[c][v]);
        }
    }
    UNROLL for (int v = 0; v < nv; v++) {
        const int live = v == nv - 1 ? last : N(W);
        T *const c = g->c + i + v * N(W);
        N(vec) d = (s[0][v] + s[1][v]) + (s[2][v] + s[3][v]);
        d = g->accumulate ? LOAD_N(c, live) + d : d;
        STORE_N(c, d, live);
    }
}

static void N(few)(const N(product) * g)
{
    int64_t i = 0;
    for (; g->m - i > N(W); i += 2 * N(W)) {
        if (g->m - i < 2 * N(W)) {
            N(few_sums)(2, g, i);
            return;
        }
        N(product) whole = *g;
        whole.m = i + 2 * N(W);
        N(few_sums)(2, &whole, i);
    }
    if (i < g->m) {
        N(few_sums)(1, g, i);
    }
}

/* ---- the choice ----------------------------------------------------------------------------- */

static void N(run)(N(product) g, int64_t c_col, T *scratch, int64_t *room)
{
    if (g.m <= 0 || g.n <= 0 || (g.k <= 0 && (g.accumulate || room))) {
        return;
    }
    if (g.m == 1 ? g.n > 1 || g.a_col != 1 : g.n > 1 && g.c_row == 1 && c_col != 1) {
        g = N(transposed)(&g, c_col); /* a row becomes a column, C by columns becomes C by rows */
    }
    const bool columns = g.n == 1 && g.a_row == 1 && g.c_row == 1;
    for (int64_t i = 0; g.k <= 0 && i < g.m; i++) {
        for (int64_t j = 0; j < g.n; j++) {
            g.c[i * g.c_row + j] = 0;
        }
    }
    if (g.k <= 0) {
        return;
    }
    if (g.n == 1 && g.a_col == 1) {
        N(dots)(&g, scratch, room);
    } else if (columns && g.m > 1 && g.m <= FEW_BYTES / (int64_t)sizeof(T)) {
        room ? (void)0 : N(few)(&g);
    } else if (columns && g.m > VECTOR_MAX * N(W)) {
        room ? (void)0 : N(columns)(&g);
    } else if (N(is_turn)(&g)) {
        room ? (void)0 : N(turn_all)(&g);
    } else if (!columns && N(is_flat)(&g)) {
        room ? (void)0 : N(flat)(&g);
    } else if (N(is_narrow)(&g)) {
        N(narrow)(&g, scratch, room);
    } else {
        g = columns ? N(transposed)(&g, 1) : g; /* few sums: one row of C in registers */
        N(gemm)(&g, scratch, room);
    }
}

/* A product of a few rows and vectors is one tile, where planning would take longer than it does. */
static bool N(one_tile)(int64_t m, int64_t n, int64_t k, T *c, int64_t c_row, int64_t c_col,
                        const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                        int64_t b_col, int accumulate)
{
    static const int64_t rows[VECTOR_MAX] = {8, MANY_REGISTERS ? 8 : 6, MANY_REGISTERS ? 8 : 4};
    const int64_t nv = (n + N(W) - 1) / N(W);
    if (c_col != 1 || b_col != 1 || m < 2 || n < 2 || k < 1 || k > 64 || nv > VECTOR_MAX ||
        m > rows[nv - 1]) {
        return false;
    }
    const int last = (int)(n - (nv - 1) * N(W));
    const bool edge = WHOLE_MASKED ? last <= N(E) : last < N(W);
    N(tiles)[a_row == 1][edge][nv - 1][m - 1](k, c, c_row, a, a_row, a_col, b, b_row, last,
                                              accumulate);
    return true;
}

size_t PASTE(N(pbp_matmul_scratch), PBP_ISA)(int64_t m, int64_t n, int64_t k, int64_t c_row,
                                             int64_t c_col, int64_t a_row, int64_t a_col,
                                             int64_t b_row, int64_t b_col)
{
    const N(product) g = {m, n, k, NULL, NULL, NULL, c_row, a_row, a_col, b_row, b_col, 0};
    int64_t room = 0;
    N(run)(g, c_col, NULL, &room);
    return (size_t)room * sizeof(T);
}

void PASTE(N(pbp_matmul), PBP_ISA)(int64_t m, int64_t n, int64_t k, T *c, int64_t c_row,
                                   int64_t c_col, const T *a, int64_t a_row, int64_t a_col,
                                   const T *b, int64_t b_row, int64_t b_col, int accumulate,
                                   void *scratch)
{
    if (N(one_tile)(m, n, k, c, c_row, c_col, a, a_row, a_col, b, b_row, b_col, accumulate)) {
        return;
    }
    const N(product) g = {m, n, k, c, a, b, c_row, a_row, a_col, b_row, b_col, accumulate};
    N(run)(g, c_col, scratch, NULL);
}

#endif
