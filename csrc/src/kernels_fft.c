/* Fourier transforms, compiled once per instruction set; see fft.h for what they compute.

     FFT        d = transform of a + i b, with the table c
     FFT_REAL   d = transform of a, with the table b */
#include "core.h"

#include "fft.h"

#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)

void PASTE(pbp_fft_f64, PBP_ISA)(const int64_t *params, int64_t first, int64_t end, double *d,
                                 const double *a, const double *b, const double *table)
{
    pbp_fft(params, first, end, d, a, b, table);
}

void PASTE(pbp_fft_f32, PBP_ISA)(const int64_t *params, int64_t first, int64_t end, float *d,
                                 const float *a, const float *b, const float *table)
{
    pbp_fftf(params, first, end, d, a, b, table);
}
