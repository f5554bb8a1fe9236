/* Linear algebra on batches of matrices: what the instructions of the group "linalg" share.

   Every operand is contiguous: `batch` matrices, each by rows, one after the other.  Params:

     batch m n k a_step b_step mode

   a_step and b_step are 1, or 0 where one matrix serves the whole batch (LU_SOLVE, TRIANGULAR).
   Results of several arrays lie one after the other in d, each for the whole batch. */
#ifndef PBP_KERNELS_LINALG_H
#define PBP_KERNELS_LINALG_H

#include "core.h"

enum {
    PBP_L_BATCH,
    PBP_L_M,
    PBP_L_N,
    PBP_L_K,
    PBP_L_A_STEP,
    PBP_L_B_STEP,
    PBP_L_MODE,
    PBP_L_PARAMS
};

/* Modes. */
#define PBP_TRANSPOSED 1 /* LU_SOLVE, TRIANGULAR */
#define PBP_LOWER 2      /* TRIANGULAR: which triangle is read */
#define PBP_UNIT 4       /* TRIANGULAR: the diagonal is ones, whatever is stored */
#define PBP_CHECKED 8    /* TRIANGULAR: a zero on the diagonal is a failure, not a division by 0 */
#define PBP_VECTORS 1    /* SVD, EIGH, EIG */
#define PBP_FULL 2       /* SVD: square u and vt */
#define PBP_COMPLEX 4    /* EIG: a is 2n x n, real part above imaginary part */
#define PBP_UPPER 2      /* EIGH: which triangle is read */

/* Up to this edge, matrices of a batch are worked on side by side, one per vector lane. */
#define PBP_LANES_MAX 16
/* Edge of the blocks of larger ones. */
#define PBP_LINALG_BLOCK 32
/* No product asks for more, see kernels_matmul.h. */
#define PBP_PRODUCT_ROOM 2621440

/* Elements of one matrix (or what stands for it) of d, a, b. */
typedef struct pbp_linalg_sizes {
    int64_t d, a, b;
} pbp_linalg_sizes;

/* validate_linalg.c.  Extents must have been checked. */
pbp_linalg_sizes pbp_linalg_sizes_of(uint32_t row, const int64_t *params);
int64_t pbp_linalg_scratch_bytes(uint32_t row, int64_t item, const int64_t *params);

/* Sets the reason and returns PBP_ERROR_LINALG. */
static inline pbp_status pbp_linalg_fail(pbp_sweep *sweep, int64_t number, const char *reason)
{
    sweep->values[0] = number;
    sweep->reason = reason;
    return PBP_ERROR_LINALG;
}

#endif
