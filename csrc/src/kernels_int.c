/* Elementwise kernels of integers and truth values, and of values that are only moved (MOV,
   SELECT).  Compact rather than fast: one loop per row and type serves every choice of broadcast
   operands, by inner strides of 0 or 1.

   NumPy's values.  Sums, differences and products wrap (computed unsigned).  Division by 0 gives 0;
   the quotient of the smallest number by -1 is that number, its remainder 0; remainders have the
   sign of the divisor.  A shift by the width or more, or by a negative amount, gives 0, and -1 for
   a negative number shifted right. */
#include "core.h"

#ifndef __clang__
#pragma GCC optimize("O2")
#endif

#define UNUSED __attribute__((unused))
#define ARGS                                                                                       \
    const pbp_shape *s, char *dp, UNUSED const char *ap, UNUSED const char *bp,                    \
        UNUSED const char *cp

#define KERNEL(NAME, T, D, EXPR)                                                                   \
    static void NAME(ARGS)                                                                         \
    {                                                                                              \
        for (int64_t r = 0; r < s->rows; r++, dp += s->d_row, ap += s->a_row, bp += s->b_row) {    \
            D *d = (D *)dp;                                                                        \
            const T *pa = (const T *)ap, *pb = (const T *)bp;                                      \
            for (int64_t i = 0, n = s->cols; i < n; i++) {                                         \
                const T a = pa[i * s->a_step], b = pb[i * s->b_step];                              \
                (void)a, (void)b;                                                                  \
                d[i] = (D)(EXPR);                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

#define SELECT_KERNEL(NAME, T)                                                                     \
    static void NAME(ARGS)                                                                         \
    {                                                                                              \
        for (int64_t r = 0; r < s->rows;                                                           \
             r++, dp += s->d_row, ap += s->a_row, bp += s->b_row, cp += s->c_row) {                \
            T *d = (T *)dp;                                                                        \
            const uint8_t *a = (const uint8_t *)ap;                                                \
            const T *b = (const T *)bp, *c = (const T *)cp;                                        \
            for (int64_t i = 0; i < s->cols; i++) {                                                \
                d[i] = a[i * s->a_step] ? b[i * s->b_step] : c[i * s->c_step];                     \
            }                                                                                      \
        }                                                                                          \
    }

/* The rows of one type T, U its unsigned counterpart wide enough not to be promoted to a signed
 * type. */
#define SIGNED_ROWS(X, N, T, U)                                                                    \
    X(N, NEG, T, T, 0 - (U)a)                                                                      \
    X(N, ABS, T, T, a < 0 ? 0 - (U)a : (U)a)                                                       \
    X(N, SIGN, T, T, a > 0 ? 1 : a < 0 ? -1 : 0)                                                   \
    X(N, FLOOR_DIV, T, T,                                                                          \
      b == 0    ? 0                                                                                \
      : b == -1 ? (T)(0 - (U)a)                                                                    \
                : a / b - (a % b != 0 && (a < 0) != (b < 0)))                                      \
    X(N, MOD, T, T, b == 0 || b == -1 ? 0 : a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b)  \
    X(N, SHR, T, T, (uint64_t)b < 8 * sizeof(T) ? a >> b : a < 0 ? -1 : 0)                         \
    X(N, GCD, T, T, gcd((uint64_t)(a < 0 ? 0 - (U)a : (U)a), (uint64_t)(b < 0 ? 0 - (U)b : (U)b)))
#define UNSIGNED_ROWS(X, N, T, U)                                                                  \
    X(N, NEG, T, T, 0 - (U)a)                                                                      \
    X(N, ABS, T, T, a)                                                                             \
    X(N, SIGN, T, T, a != 0)                                                                       \
    X(N, FLOOR_DIV, T, T, b == 0 ? 0 : a / b)                                                      \
    X(N, MOD, T, T, b == 0 ? 0 : a % b)                                                            \
    X(N, SHR, T, T, (uint64_t)b < 8 * sizeof(T) ? a >> b : 0)                                      \
    X(N, GCD, T, T, gcd(a, b))
#define INTEGER_ROWS(X, N, T, U)                                                                   \
    X(N, SQUARE, T, T, (U)a *(U)a)                                                                 \
    X(N, ADD, T, T, (U)a + (U)b)                                                                   \
    X(N, SUB, T, T, (U)a - (U)b)                                                                   \
    X(N, MUL, T, T, (U)a *(U)b)                                                                    \
    X(N, MAX, T, T, a >= b ? a : b)                                                                \
    X(N, MIN, T, T, a <= b ? a : b)                                                                \
    X(N, POW, T, T, power((uint64_t)a, (uint64_t)b))                                               \
    X(N, AND, T, T, a &b)                                                                          \
    X(N, OR, T, T, a | b)                                                                          \
    X(N, XOR, T, T, a ^ b)                                                                         \
    X(N, NOT, T, T, ~(U)a)                                                                         \
    X(N, SHL, T, T, (uint64_t)b < 8 * sizeof(T) ? (U)a << b : 0)                                   \
    COMPARE_ROWS(X, N, T)
#define COMPARE_ROWS(X, N, T)                                                                      \
    X(N, MOV, T, T, a)                                                                             \
    X(N, EQ, T, uint8_t, a == b)                                                                   \
    X(N, NE, T, uint8_t, a != b)                                                                   \
    X(N, LT, T, uint8_t, a < b)                                                                    \
    X(N, LE, T, uint8_t, a <= b)
#define TRUTH_ROWS(X, N, T)                                                                        \
    X(N, AND, T, T, (a != 0) & (b != 0))                                                           \
    X(N, OR, T, T, (a | b) != 0)                                                                   \
    X(N, XOR, T, T, (a != 0) ^ (b != 0))                                                           \
    X(N, NOT, T, T, a == 0)                                                                        \
    COMPARE_ROWS(X, N, T)

/* a ** b modulo 2^64. */
static uint64_t power(uint64_t a, uint64_t b)
{
    uint64_t result = 1;
    for (; b != 0; b >>= 1) {
        result *= b & 1 ? a : 1;
        a *= a;
    }
    return result;
}

/* The greatest common divisor, by Euclid; 0 of two zeros. */
static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#define DEFINE(N, ROW, T, D, EXPR) KERNEL(N##_##ROW, T, D, EXPR)
#define ENTRY(N, ROW, T, D, EXPR) [PBP_ROW_##ROW] = N##_##ROW,
#define EACH_TYPE(X)                                                                               \
    SIGNED_ROWS(X, i8, int8_t, uint32_t)                                                           \
    INTEGER_ROWS(X, i8, int8_t, uint32_t)                                                          \
    UNSIGNED_ROWS(X, u8, uint8_t, uint32_t)                                                        \
    INTEGER_ROWS(X, u8, uint8_t, uint32_t)                                                         \
    SIGNED_ROWS(X, i16, int16_t, uint32_t)                                                         \
    INTEGER_ROWS(X, i16, int16_t, uint32_t)                                                        \
    UNSIGNED_ROWS(X, u16, uint16_t, uint32_t)                                                      \
    INTEGER_ROWS(X, u16, uint16_t, uint32_t)                                                       \
    SIGNED_ROWS(X, i32, int32_t, uint32_t)                                                         \
    INTEGER_ROWS(X, i32, int32_t, uint32_t)                                                        \
    UNSIGNED_ROWS(X, u32, uint32_t, uint32_t)                                                      \
    INTEGER_ROWS(X, u32, uint32_t, uint32_t)                                                       \
    SIGNED_ROWS(X, i64, int64_t, uint64_t)                                                         \
    INTEGER_ROWS(X, i64, int64_t, uint64_t)                                                        \
    UNSIGNED_ROWS(X, u64, uint64_t, uint64_t)                                                      \
    INTEGER_ROWS(X, u64, uint64_t, uint64_t)

EACH_TYPE(DEFINE)
TRUTH_ROWS(DEFINE, truth, uint8_t)
SELECT_KERNEL(select8, uint8_t)
SELECT_KERNEL(select16, uint16_t)
SELECT_KERNEL(select32, uint32_t)
SELECT_KERNEL(select64, uint64_t)

static const pbp_shaped_kernel truth_table[PBP_ROW_COUNT] = {TRUTH_ROWS(ENTRY, truth, uint8_t)};

#define TABLE(ROWS, N, T)                                                                          \
    static const pbp_shaped_kernel N##_table[PBP_ROW_COUNT] = {ROWS(ENTRY, N, T, T)                \
                                                                   INTEGER_ROWS(ENTRY, N, T, T)};
TABLE(SIGNED_ROWS, i8, int8_t)
TABLE(UNSIGNED_ROWS, u8, uint8_t)
TABLE(SIGNED_ROWS, i16, int16_t)
TABLE(UNSIGNED_ROWS, u16, uint16_t)
TABLE(SIGNED_ROWS, i32, int32_t)
TABLE(UNSIGNED_ROWS, u32, uint32_t)
TABLE(SIGNED_ROWS, i64, int64_t)
TABLE(UNSIGNED_ROWS, u64, uint64_t)

pbp_shaped_kernel pbp_int_find(uint32_t row, uint32_t dtype)
{
    static const pbp_shaped_kernel *const tables[] = {truth_table, i8_table,  u8_table,
                                                      i16_table,   u16_table, i32_table,
                                                      u32_table,   i64_table, u64_table};
    if (row >= PBP_ROW_COUNT || dtype > PBP_UINT64) {
        return NULL;
    }
    if (row == PBP_ROW_SELECT) {
        const int64_t bytes = pbp_dtype_bytes(dtype);
        return bytes == 1 ? select8 : bytes == 2 ? select16 : bytes == 4 ? select32 : select64;
    }
    return tables[dtype][row];
}

#define ANY_NEGATIVE(T)                                                                            \
    {                                                                                              \
        const T *p = (const T *)b;                                                                 \
        for (int64_t i = 0; i < cols; i++) {                                                       \
            found |= p[i] < 0;                                                                     \
        }                                                                                          \
    }

/* Whether r[b] of an integer POW has a negative element. */
bool pbp_int_any_negative(uint32_t dtype, const pbp_shape *s, const char *b)
{
    const int64_t cols = s->b_step == 0 && s->cols > 1 ? 1 : s->cols;
    bool found = false;
    for (int64_t r = 0; r < s->rows; r++, b += s->b_row) {
        switch (dtype) {
        case PBP_INT8:
            ANY_NEGATIVE(int8_t) break;
        case PBP_INT16:
            ANY_NEGATIVE(int16_t) break;
        case PBP_INT32:
            ANY_NEGATIVE(int32_t) break;
        case PBP_INT64:
            ANY_NEGATIVE(int64_t) break;
        default:
            return false;
        }
    }
    return found;
}
