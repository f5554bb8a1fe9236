/* Kernels of the special functions that have loops and branches (SPECIAL rows of
   pybackprop_instr.def), compiled for instruction sets without and with fused multiply-add: there
   are no vectors to gain.

     r[d][i] = f(r[a][i], r[b][i], r[c][i])

   Each function is compiled once, for float64; float32 goes through it.  A kernel names the function
   and the steps of its operands, 0 where an operand is one element, for a loop that they share. */
#include "core.h"
#include "special_bessel.h"
#include "special_incomplete.h"

#ifndef PBP_ISA
#define PBP_ISA base
#endif

#include "kernels_special.h"

#define SPECIAL1(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a)                                              \
    {                                                                                              \
        return pbp_##function(a);                                                                  \
    }
#define SPECIAL2(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a, double b)                                    \
    {                                                                                              \
        return pbp_##function(a, b);                                                               \
    }
#define SPECIAL3(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a, double b, double c)                          \
    {                                                                                              \
        return pbp_##function(a, b, c);                                                            \
    }
#include "pybackprop_instr.def"

/* ---- loops ---- */

#define LOOPS(T, F)                                                                                \
    static __attribute__((noinline)) void loop1##F(double (*f)(double), int64_t n, char *dp,       \
                                                   const char *ap, int64_t sa)                     \
    {                                                                                              \
        T *d = (T *)dp;                                                                            \
        const T *a = (const T *)ap;                                                                \
        for (int64_t i = 0; i < n; i++) {                                                          \
            d[i] = sa == 0 && i > 0 ? d[0] : (T)f(a[i * sa]);                                      \
        }                                                                                          \
    }                                                                                              \
    static __attribute__((noinline)) void loop2##F(double (*f)(double, double), int64_t n,         \
                                                   char *dp, const char *ap, const char *bp,       \
                                                   int64_t sa, int64_t sb)                         \
    {                                                                                              \
        T *d = (T *)dp;                                                                            \
        const T *a = (const T *)ap, *b = (const T *)bp;                                            \
        for (int64_t i = 0; i < n; i++) {                                                          \
            d[i] = sa + sb == 0 && i > 0 ? d[0] : (T)f(a[i * sa], b[i * sb]);                      \
        }                                                                                          \
    }                                                                                              \
    static __attribute__((noinline)) void loop3##F(                                                \
        double (*f)(double, double, double), int64_t n, char *dp, const char *ap, const char *bp,  \
        const char *cp, int64_t sa, int64_t sb, int64_t sc)                                        \
    {                                                                                              \
        T *d = (T *)dp;                                                                            \
        const T *a = (const T *)ap, *b = (const T *)bp, *c = (const T *)cp;                        \
        for (int64_t i = 0; i < n; i++) {                                                          \
            d[i] = sa + sb + sc == 0 && i > 0 ? d[0] : (T)f(a[i * sa], b[i * sb], c[i * sc]);      \
        }                                                                                          \
    }
LOOPS(double, )
LOOPS(float, f)

#define UNUSED __attribute__((unused))
#define ARGS                                                                                       \
    int64_t n, char *dp, UNUSED const char *ap, UNUSED const char *bp, UNUSED const char *cp

#define KERNEL1(name, kernel, F, sa)                                                               \
    static void name##_##kernel##F(ARGS)                                                           \
    {                                                                                              \
        loop1##F(PBP_ISA_NAME(pbp_special_##name), n, dp, ap, sa);                                 \
    }
#define KERNEL2(name, kernel, F, sa, sb)                                                           \
    static void name##_##kernel##F(ARGS)                                                           \
    {                                                                                              \
        loop2##F(PBP_ISA_NAME(pbp_special_##name), n, dp, ap, bp, sa, sb);                         \
    }
#define KERNEL3(name, kernel, F, sa, sb, sc)                                                       \
    static void name##_##kernel##F(ARGS)                                                           \
    {                                                                                              \
        loop3##F(PBP_ISA_NAME(pbp_special_##name), n, dp, ap, bp, cp, sa, sb, sc);                 \
    }
#define KERNELS1(name, F) KERNEL1(name, v, F, 1) KERNEL1(name, s, F, 0)
#define KERNELS2(name, F)                                                                          \
    KERNEL2(name, vv, F, 1, 1)                                                                     \
    KERNEL2(name, sv, F, 0, 1)                                                                     \
    KERNEL2(name, vs, F, 1, 0)                                                                     \
    KERNEL2(name, ss, F, 0, 0)
#define KERNELS3(name, F)                                                                          \
    KERNEL3(name, vvv, F, 1, 1, 1)                                                                 \
    KERNEL3(name, svv, F, 0, 1, 1)                                                                 \
    KERNEL3(name, vsv, F, 1, 0, 1)                                                                 \
    KERNEL3(name, ssv, F, 0, 0, 1)                                                                 \
    KERNEL3(name, vvs, F, 1, 1, 0)                                                                 \
    KERNEL3(name, svs, F, 0, 1, 0)                                                                 \
    KERNEL3(name, vss, F, 1, 0, 0)                                                                 \
    KERNEL3(name, sss, F, 0, 0, 0)

#define SPECIAL1(name, dtypes, function, cost, text) KERNELS1(name, ) KERNELS1(name, f)
#define SPECIAL2(name, dtypes, function, cost, text) KERNELS2(name, ) KERNELS2(name, f)
#define SPECIAL3(name, dtypes, function, cost, text) KERNELS3(name, ) KERNELS3(name, f)
#include "pybackprop_instr.def"

/* ---- lookup ---- */

/* Variants in the order of the flags SA, SB, SC. */
#define VARIANTS1(name, F) {name##_v##F, name##_s##F}
#define VARIANTS2(name, F) {name##_vv##F, name##_sv##F, name##_vs##F, name##_ss##F}
#define VARIANTS3(name, F)                                                                         \
    {name##_vvv##F, name##_svv##F, name##_vsv##F, name##_ssv##F,                                   \
     name##_vvs##F, name##_svs##F, name##_vss##F, name##_sss##F}

static const struct {
    uint32_t row;
    pbp_map_kernel kernels[2][8];
} table[] = {
#define SPECIAL1(name, dtypes, function, cost, text)                                               \
    {PBP_ROW_##name, {VARIANTS1(name, ), VARIANTS1(name, f)}},
#define SPECIAL2(name, dtypes, function, cost, text)                                               \
    {PBP_ROW_##name, {VARIANTS2(name, ), VARIANTS2(name, f)}},
#define SPECIAL3(name, dtypes, function, cost, text)                                               \
    {PBP_ROW_##name, {VARIANTS3(name, ), VARIANTS3(name, f)}},
#include "pybackprop_instr.def"
};

pbp_map_kernel PBP_ISA_NAME(pbp_special_find)(uint32_t row, uint32_t dtype, uint32_t variant)
{
    if (variant >= 8 || (dtype != PBP_FLOAT64 && dtype != PBP_FLOAT32)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].row == row) {
            return table[i].kernels[dtype == PBP_FLOAT64 ? 0 : 1][variant];
        }
    }
    return NULL;
}
