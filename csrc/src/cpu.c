/* Chooses the instruction set: the best that was compiled in and that this processor and system
   support.  The environment variable PYBACKPROP_ISA (base, v3, v4) asks for a lesser one, for tests
   and comparisons; it is read whenever a tape is loaded. */
#include "core.h"

#include "kernels_matmul.h"

#include <stdlib.h>
#include <string.h>

#define ISA(suffix, text, loop)                                                                    \
    static const pbp_isa isa_##suffix = {text,                                                     \
                                         pbp_run_loop_##loop,                                      \
                                         pbp_map_find_##suffix,                                    \
                                         pbp_special_find_##loop,                                  \
                                         pbp_reduce_find_##suffix,                                 \
                                         pbp_linalg_find_##suffix,                                 \
                                         pbp_matmul_f64_##suffix,                                  \
                                         pbp_matmul_f32_##suffix,                                  \
                                         pbp_matmul_scratch_f64_##suffix,                          \
                                         pbp_matmul_scratch_f32_##suffix,                          \
                                         pbp_fft_f64_##suffix,                                     \
                                         pbp_fft_f32_##suffix,                                     \
                                         pbp_sparse_f64_##suffix,                                  \
                                         pbp_sparse_f32_##suffix};

#ifdef __x86_64__
ISA(base, "x86-64", base)
#else
ISA(base, "generic", base)
#endif
#ifdef PBP_HAVE_V3
ISA(v3, "x86-64-v3", v3)
#endif
#ifdef PBP_HAVE_V4
/* The sweep loop has no vectors of its own to gain from AVX-512, and gcc's code for it took twice
   as long per scalar instruction.  The special functions with loops have none either. */
ISA(v4, "x86-64-v4", v3)
#endif

#ifdef PBP_HAVE_V3
static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif
#ifdef PBP_HAVE_V4
static bool has_v4(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const pbp_isa *pbp_isa_choose(void)
{
    const char *asked = getenv("PYBACKPROP_ISA");
    const bool base = asked != NULL && strcmp(asked, "base") == 0;
    const bool v3 = asked != NULL && strcmp(asked, "v3") == 0;
    (void)v3;
#ifdef PBP_HAVE_V3
    __builtin_cpu_init();
    if (!base && has_v3()) {
#ifdef PBP_HAVE_V4
        if (!v3 && has_v4()) {
            return &isa_v4;
        }
#endif
        return &isa_v3;
    }
#endif
    (void)base;
    return &isa_base;
}

const char *pbp_instruction_set(void)
{
    return pbp_isa_choose()->name;
}
