/* CAST between any two of truth values, integers and floats, as NumPy does it on x86-64:

     to truth values      x != 0 (NaN is true)
     between integers     the low bits
     to floats            rounded to nearest
     floats to integers   towards zero; NaN and what does not fit give the smallest number of int32
                          (for results of at most 32 bits, then its low bits) or of int64 (for int64
                          and uint32, its low bits); uint64 as compilers convert it there

   Nothing is left undefined.  d may be the same memory as a if the items have the same size. */
#include "core.h"

#ifndef __clang__
#pragma GCC optimize("O2")
#endif

static inline int32_t to_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}

static inline int64_t to_i64(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

static inline uint64_t to_u64(double x)
{
    return x >= 9223372036854775808.0
               ? (uint64_t)to_i64(x - 9223372036854775808.0) ^ (uint64_t)1 << 63
               : (uint64_t)to_i64(x);
}

#define KEEP(T, x) (T)(x)
#define TRUTH(T, x) ((x) != 0)
#define NARROW(T, x) (T)to_i32((double)(x))
#define WIDE(T, x) (T)to_i64((double)(x))
#define WIDEST(T, x) to_u64((double)(x))

#define KERNEL(TO, D, FROM, T, CONVERT)                                                            \
    static void FROM##_to_##TO(const pbp_shape *s, char *dp, const char *ap, const char *bp,       \
                               const char *cp)                                                     \
    {                                                                                              \
        (void)bp, (void)cp;                                                                        \
        for (int64_t r = 0; r < s->rows; r++, dp += s->d_row, ap += s->a_row) {                    \
            D *d = (D *)dp;                                                                        \
            const T *a = (const T *)ap;                                                            \
            if (s->a_step == 1) {                                                                  \
                for (int64_t i = 0; i < s->cols; i++) {                                            \
                    d[i] = CONVERT(D, a[i]);                                                       \
                }                                                                                  \
            } else {                                                                               \
                const D x = s->cols > 0 ? CONVERT(D, *a) : 0;                                      \
                for (int64_t i = 0; i < s->cols; i++) {                                            \
                    d[i] = x;                                                                      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

#define FROM_INTEGER(FROM, T)                                                                      \
    KERNEL(truth, uint8_t, FROM, T, TRUTH)                                                         \
    KERNEL(i8, int8_t, FROM, T, KEEP)                                                              \
    KERNEL(u8, uint8_t, FROM, T, KEEP)                                                             \
    KERNEL(i16, int16_t, FROM, T, KEEP)                                                            \
    KERNEL(u16, uint16_t, FROM, T, KEEP)                                                           \
    KERNEL(i32, int32_t, FROM, T, KEEP)                                                            \
    KERNEL(u32, uint32_t, FROM, T, KEEP)                                                           \
    KERNEL(i64, int64_t, FROM, T, KEEP)                                                            \
    KERNEL(u64, uint64_t, FROM, T, KEEP)                                                           \
    KERNEL(f32, float, FROM, T, KEEP)                                                              \
    KERNEL(f64, double, FROM, T, KEEP)
#define FROM_FLOAT(FROM, T)                                                                        \
    KERNEL(truth, uint8_t, FROM, T, TRUTH)                                                         \
    KERNEL(i8, int8_t, FROM, T, NARROW)                                                            \
    KERNEL(u8, uint8_t, FROM, T, NARROW)                                                           \
    KERNEL(i16, int16_t, FROM, T, NARROW)                                                          \
    KERNEL(u16, uint16_t, FROM, T, NARROW)                                                         \
    KERNEL(i32, int32_t, FROM, T, NARROW)                                                          \
    KERNEL(u32, uint32_t, FROM, T, WIDE)                                                           \
    KERNEL(i64, int64_t, FROM, T, WIDE)                                                            \
    KERNEL(u64, uint64_t, FROM, T, WIDEST)                                                         \
    KERNEL(f32, float, FROM, T, KEEP)                                                              \
    KERNEL(f64, double, FROM, T, KEEP)

FROM_INTEGER(truth, uint8_t)
FROM_INTEGER(i8, int8_t)
FROM_INTEGER(u8, uint8_t)
FROM_INTEGER(i16, int16_t)
FROM_INTEGER(u16, uint16_t)
FROM_INTEGER(i32, int32_t)
FROM_INTEGER(u32, uint32_t)
FROM_INTEGER(i64, int64_t)
FROM_INTEGER(u64, uint64_t)
FROM_FLOAT(f32, float)
FROM_FLOAT(f64, double)

#define PAIR(FROM, TO) FROM##_to_##TO
#define ROW(FROM)                                                                                  \
    {PAIR(FROM, truth), PAIR(FROM, i8),  PAIR(FROM, u8),  PAIR(FROM, i16),                         \
     PAIR(FROM, u16),   PAIR(FROM, i32), PAIR(FROM, u32), PAIR(FROM, i64),                         \
     PAIR(FROM, u64),   PAIR(FROM, f32), PAIR(FROM, f64)}
static const pbp_shaped_kernel table[11][11] = {ROW(truth), ROW(i8),  ROW(u8),  ROW(i16),
                                                ROW(u16),   ROW(i32), ROW(u32), ROW(i64),
                                                ROW(u64),   ROW(f32), ROW(f64)};

pbp_shaped_kernel pbp_cast_find(uint32_t to, uint32_t from)
{
    return to > PBP_FLOAT64 || from > PBP_FLOAT64 ? NULL : table[from][to];
}
