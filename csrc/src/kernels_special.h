/* Declares the functions of the SPECIAL rows, one double for one to two doubles, of the instruction
   set PBP_ISA: kernels_special.c has them, the sweep loop calls them in the scalar class. */
#ifndef PBP_KERNELS_SPECIAL_H
#define PBP_KERNELS_SPECIAL_H

#include "core.h"

#define SPECIAL1(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a);
#define SPECIAL2(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a, double b);
#define SPECIAL3(name, dtypes, function, cost, text)                                               \
    double PBP_ISA_NAME(pbp_special_##name)(double a, double b, double c);
#include "pybackprop_instr.def"

#endif
