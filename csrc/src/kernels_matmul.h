/*
 * Matrix products: C = A B and C += A B in float64 and float32, compiled once per instruction set.
 *
 * What is computed, to the bit
 * ----------------------------
 * Chain.  Unless the product has one of the two shapes below, every element of C is ONE chain of fused multiply-adds
 *
 *     s = accumulate ? C[i,j] : 0;   for p = 0 .. k-1:  s = fma(A[i,p], B[p,j], s);   C[i,j] = s
 *
 * so neither register tiles nor cache blocks nor a caller's own cutting of m, n or k (later pieces
 * of k with accumulate = 1) can change a bit.
 *
 * Dot.  A product is dot-shaped if it has one column and A's rows are contiguous (n == 1 and
 * a_col == 1), or one row and B's columns are contiguous (m == 1 and b_row == 1). Then an element
 * is a dot product d of its own order, and C[i,j] = accumulate ? C[i,j] + d : d. With L = 16 lanes
 * (float64) or 32 (float32):
 *
 *   - k is cut into blocks of 4096; a block's element p goes into lane p mod L by fma, lanes start
 *     at 0; then lanes fold by halves: lane j += lane j + L/2, then L/4, ..., 1.
 *   - A block of fewer than L elements (only the last can be) is one chain from 0 instead.
 *   - Blocks combine pairwise, as a binary counter does: equal-sized neighbours first, the older
 *     one on the left; what is left at the end is added from the smallest to the largest, the
 *     older again on the left.
 *
 * Few.  If C is one contiguous column of 2 to 24 elements (float32: 48) and A's columns are, too
 * (a_row == 1 != a_col), or likewise one row with b_col == 1 != b_row, a chain would wait for every
 * multiply-add. An element is the sum d = (s0 + s1) + (s2 + s3) of four chains from 0, element p in
 * chain p mod 4, and C[i,j] = accumulate ? C[i,j] + d : d.
 *
 * These orders do not depend on the instruction set. Where multiply-add is fused (x86-64-v3, -v4
 * and ARM64), all of them give the same bits; the x86-64 baseline has no such instruction and
 * rounds product and sum apart: correct, but other bits. NaN and infinity propagate as IEEE 754
 * says: no term is skipped, none is added. (Which NaN payload survives is not stated.)
 *
 * Arguments
 * ---------
 * A is m x k, B is k x n, C is m x n. Strides count elements, may be negative or zero for A and B;
 * for C one of c_row and c_col must be 1 (with c_row == 1 != c_col the transposed product is
 * computed). Any of m, n, k may be 0: k == 0 writes zeros, or leaves C alone when accumulating. C
 * overlaps neither A nor B. Nothing outside the addressed elements is read or written. Strides of
 * axes of length 1 count too where the text above names them: give the layout's, always alike.
 *
 * accumulate is 0 (write) or 1 (add to C). scratch is 64-byte aligned, of at least
 * pbp_matmul_scratch_...(same sizes and strides) bytes, and may be NULL where that is 0. Its
 * content is free before and after. Small products with b_col == 1 need none, matrices of any size
 * less than 2.5 MB; a dot with a strided vector needs k elements. There is no other state: any
 * number of threads may call at once.
 *
 * Large products and polling
 * --------------------------
 * One call is not interruptible. A caller that must answer within 50 ms cuts the product into
 * blocks of at most PBP_MATMUL_POLL x PBP_MATMUL_POLL x PBP_MATMUL_POLL elements (rows first: a
 * call packs B anew, which costs about 1/m of the work, so keep m >= 128 where there is a choice),
 * with accumulate = 1 for later blocks of k. By the chain rule the bits are those of one call;
 * products of the other two shapes must not be cut along k.
 */
#ifndef PBP_KERNELS_MATMUL_H
#define PBP_KERNELS_MATMUL_H

#include <stddef.h>
#include <stdint.h>

/* A cube of this edge takes well below 50 ms with AVX2 or better. */
#define PBP_MATMUL_POLL 768

#define PBP_MATMUL_DECLARE(type, name)                                                             \
    void pbp_matmul_##name(int64_t m, int64_t n, int64_t k, type *c, int64_t c_row, int64_t c_col, \
                           const type *a, int64_t a_row, int64_t a_col, const type *b,             \
                           int64_t b_row, int64_t b_col, int accumulate, void *scratch);           \
    size_t pbp_matmul_scratch_##name(int64_t m, int64_t n, int64_t k, int64_t c_row,               \
                                     int64_t c_col, int64_t a_row, int64_t a_col, int64_t b_row,   \
                                     int64_t b_col);

PBP_MATMUL_DECLARE(double, f64_base)
PBP_MATMUL_DECLARE(float, f32_base)
PBP_MATMUL_DECLARE(double, f64_v3)
PBP_MATMUL_DECLARE(float, f32_v3)
PBP_MATMUL_DECLARE(double, f64_v4)
PBP_MATMUL_DECLARE(float, f32_v4)

#endif
