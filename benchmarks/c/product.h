/* Matrix products of small sizes: one kernel of registers without packing, a block of ROWS x (2
   vectors), the whole inner dimension, accumulated into the result. */

#ifndef PRODUCT_H
#define PRODUCT_H

#include "bench.h"

#ifdef __AVX512F__
#define VECTOR_BYTES 64
#define ROWS 8
#else
#define VECTOR_BYTES 32
#define ROWS 4
#endif
typedef REAL vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#define LANES ((int)(VECTOR_BYTES / sizeof(REAL)))

/* C[i][j] += sum_k A[i * row + k * col] B[k][j] for a block of ROWS x (nv vectors). */
INLINE void block(const int nv, int K, const REAL *A, int row, int col, const REAL *B, int ldb,
                  REAL *C, int ldc)
{
    vec acc[ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            acc[i][v] = *(const vec *)(C + i * ldc + v * LANES);
    for (int k = 0; k < K; k++) {
        vec b[2];
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            b[v] = *(const vec *)(B + k * ldb + v * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] += A[i * row + k * col] * b[v];
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            *(vec *)(C + i * ldc + v * LANES) = acc[i][v];
}

/* C (M x N) += A (M x K, any strides) B (K x N); M a multiple of ROWS, N of a vector. */
static void product(int M, int N, int K, const REAL *A, int row, int col, const REAL *B, int ldb,
                    REAL *C, int ldc)
{
    int j = 0;
    for (; j + 2 * LANES <= N; j += 2 * LANES)
        for (int i = 0; i < M; i += ROWS)
            block(2, K, A + i * row, row, col, B + j, ldb, C + i * ldc + j, ldc);
    for (; j < N; j += LANES)
        for (int i = 0; i < M; i += ROWS)
            block(1, K, A + i * row, row, col, B + j, ldb, C + i * ldc + j, ldc);
}

#endif
