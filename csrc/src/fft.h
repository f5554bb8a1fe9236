/* Fourier transforms of any length, along the middle axis of (outer, n, inner), on separate real and
   imaginary parts.  Included by the core's kernels and pasted into emitted C.

     r[d][0, o, k, i] + i r[d][1, o, k, i] = sum over j of exp(-2 pi i j k / n) x[o, j, i]

   Stockham's method: each pass splits off one factor r of the length and writes in order, so nothing
   is permuted.  A pass reads m pieces that are s apart times r, and multiplies by twiddles; the
   twiddles, computed exactly rounded by the compiler of the tape, stand in `table` pass by pass, for
   j = 1 ... r - 1: m real parts, then m imaginary parts.  A length with a large prime is transformed
   by Bluestein's convolution of a smooth `length` >= 2 n - 1; then the table begins with the chirp
   (n + n) and the transformed filter (length + length).

   No multiply-add is fused, so all instruction sets and emitted code agree to the bit.

   params: outer, n, inner, chunk, length, n_factors, table, factors ...
     chunk: how many of the inner elements are transformed together; table: its number of elements.
   After the 2 * outer * n * inner results, d has room for work: pbp_fft_work elements. */
#ifndef PBP_FFT_H
#define PBP_FFT_H

#include <stdint.h>
#include <string.h>

/* In emitted code these are those of native_runtime.h. */
#ifndef PBP_PART
#define PBP_PART static inline
#define PBP_LOOP _Pragma("GCC ivdep")
#define PBP_RESTRICT restrict
#endif

#define PBP_FFT_FACTORS 7

#define PBP_FFT_STORE(o, r, i, wr, wi)                                                             \
    yr[o] = (r) * (wr) - (i) * (wi);                                                               \
    yi[o] = (r) * (wi) + (i) * (wr);

#define PBP_FFT_BODY2(T, x, y, t, ar, ai)                                                          \
    const T pr = xr[x], pi = xi[x], qr = xr[(x) + step], qi = xi[(x) + step];                      \
    const T ur = pr - qr, ui = pi - qi;                                                            \
    yr[y] = pr + qr;                                                                               \
    yi[y] = pi + qi;                                                                               \
    PBP_FFT_STORE((y) + (t), ur, ui, ar, ai)

#define PBP_FFT_BODY3(T, x, y, t, ar, ai, br, bi)                                                  \
    const T half = (T)-0.5, root = (T)0.86602540378443864676;                                      \
    const T pr = xr[x], pi = xi[x], qr = xr[(x) + step], qi = xi[(x) + step];                      \
    const T er = xr[(x) + 2 * step], ei = xi[(x) + 2 * step];                                      \
    const T sr = qr + er, si = qi + ei, hr = pr + half * sr, hi = pi + half * si;                  \
    const T gr = root * (qi - ei), gi = root * (er - qr);                                          \
    yr[y] = pr + sr;                                                                               \
    yi[y] = pi + si;                                                                               \
    const T ur = hr + gr, ui = hi + gi, vr = hr - gr, vi = hi - gi;                                \
    PBP_FFT_STORE((y) + (t), ur, ui, ar, ai)                                                       \
    PBP_FFT_STORE((y) + 2 * (t), vr, vi, br, bi)

#define PBP_FFT_BODY4(T, x, y, t, ar, ai, br, bi, cr, ci)                                          \
    const T pr = xr[x], pi = xi[x], qr = xr[(x) + step], qi = xi[(x) + step];                      \
    const T er = xr[(x) + 2 * step], ei = xi[(x) + 2 * step];                                      \
    const T fr = xr[(x) + 3 * step], fi = xi[(x) + 3 * step];                                      \
    const T sr = pr + er, si = pi + ei, dr = pr - er, di = pi - ei;                                \
    const T tr = qr + fr, ti = qi + fi, gr = qr - fr, gi = qi - fi;                                \
    yr[y] = sr + tr;                                                                               \
    yi[y] = si + ti;                                                                               \
    const T ur = dr + gi, ui = di - gr, vr = sr - tr, vi = si - ti, kr = dr - gi, ki = di + gr;    \
    PBP_FFT_STORE((y) + (t), ur, ui, ar, ai)                                                       \
    PBP_FFT_STORE((y) + 2 * (t), vr, vi, br, bi)                                                   \
    PBP_FFT_STORE((y) + 3 * (t), kr, ki, cr, ci)

#define PBP_FFT_BODY5(T, x, y, t, ar, ai, br, bi, cr, ci, dr, di)                                  \
    const T c1 = (T)0.30901699437494742410, c2 = (T)-0.80901699437494742410;                       \
    const T s1 = (T)0.95105651629515357212, s2 = (T)0.58778525229247312917;                        \
    const T pr = xr[x], pi = xi[x], qr = xr[(x) + step], qi = xi[(x) + step];                      \
    const T er = xr[(x) + 2 * step], ei = xi[(x) + 2 * step];                                      \
    const T fr = xr[(x) + 3 * step], fi = xi[(x) + 3 * step];                                      \
    const T gr = xr[(x) + 4 * step], gi = xi[(x) + 4 * step];                                      \
    const T kr = qr + gr, ki = qi + gi, lr = qr - gr, li = qi - gi;                                \
    const T mr = er + fr, mi = ei + fi, nr = er - fr, ni = ei - fi;                                \
    yr[y] = pr + kr + mr;                                                                          \
    yi[y] = pi + ki + mi;                                                                          \
    const T ur = pr + c1 * kr + c2 * mr, ui = pi + c1 * ki + c2 * mi;                              \
    const T vr = pr + c2 * kr + c1 * mr, vi = pi + c2 * ki + c1 * mi;                              \
    const T hr = s1 * li + s2 * ni, hi = s1 * lr + s2 * nr;                                        \
    const T jr = s2 * li - s1 * ni, ji = s2 * lr - s1 * nr;                                        \
    PBP_FFT_STORE((y) + (t), ur + hr, ui - hi, ar, ai)                                             \
    PBP_FFT_STORE((y) + 2 * (t), vr + jr, vi - ji, br, bi)                                         \
    PBP_FFT_STORE((y) + 3 * (t), vr - jr, vi + ji, cr, ci)                                         \
    PBP_FFT_STORE((y) + 4 * (t), ur - hr, ui + hi, dr, di)

#define PBP_FFT_PASSES(T, F)                                                                       \
    PBP_PART void pbp_fft_pass2##F(int64_t m, int64_t s, const T *PBP_RESTRICT xr,                 \
                                   const T *PBP_RESTRICT xi, T *PBP_RESTRICT yr,                   \
                                   T *PBP_RESTRICT yi, const T *PBP_RESTRICT w)                    \
    {                                                                                              \
        const int64_t step = s * m;                                                                \
        if (s == 1) {                                                                              \
            PBP_LOOP                                                                               \
            for (int64_t p = 0; p < m; p++) {                                                      \
                PBP_FFT_BODY2(T, p, 2 * p, 1, w[p], w[m + p])                                      \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (int64_t p = 0; p < m; p++) {                                                          \
            const T ar = w[p], ai = w[m + p];                                                      \
            const int64_t from = s * p, to = 2 * s * p;                                            \
            PBP_LOOP                                                                               \
            for (int64_t q = 0; q < s; q++) {                                                      \
                PBP_FFT_BODY2(T, from + q, to + q, s, ar, ai)                                      \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft_pass3##F(int64_t m, int64_t s, const T *PBP_RESTRICT xr,                 \
                                   const T *PBP_RESTRICT xi, T *PBP_RESTRICT yr,                   \
                                   T *PBP_RESTRICT yi, const T *PBP_RESTRICT w)                    \
    {                                                                                              \
        const int64_t step = s * m;                                                                \
        if (s == 1) {                                                                              \
            PBP_LOOP                                                                               \
            for (int64_t p = 0; p < m; p++) {                                                      \
                PBP_FFT_BODY3(T, p, 3 * p, 1, w[p], w[m + p], w[2 * m + p], w[3 * m + p])          \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (int64_t p = 0; p < m; p++) {                                                          \
            const T ar = w[p], ai = w[m + p], br = w[2 * m + p], bi = w[3 * m + p];                \
            const int64_t from = s * p, to = 3 * s * p;                                            \
            PBP_LOOP                                                                               \
            for (int64_t q = 0; q < s; q++) {                                                      \
                PBP_FFT_BODY3(T, from + q, to + q, s, ar, ai, br, bi)                              \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft_pass4##F(int64_t m, int64_t s, const T *PBP_RESTRICT xr,                 \
                                   const T *PBP_RESTRICT xi, T *PBP_RESTRICT yr,                   \
                                   T *PBP_RESTRICT yi, const T *PBP_RESTRICT w)                    \
    {                                                                                              \
        const int64_t step = s * m;                                                                \
        if (s == 1) {                                                                              \
            PBP_LOOP                                                                               \
            for (int64_t p = 0; p < m; p++) {                                                      \
                PBP_FFT_BODY4(T, p, 4 * p, 1, w[p], w[m + p], w[2 * m + p], w[3 * m + p],          \
                              w[4 * m + p], w[5 * m + p])                                          \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (int64_t p = 0; p < m; p++) {                                                          \
            const T ar = w[p], ai = w[m + p], br = w[2 * m + p], bi = w[3 * m + p];                \
            const T cr = w[4 * m + p], ci = w[5 * m + p];                                          \
            const int64_t from = s * p, to = 4 * s * p;                                            \
            PBP_LOOP                                                                               \
            for (int64_t q = 0; q < s; q++) {                                                      \
                PBP_FFT_BODY4(T, from + q, to + q, s, ar, ai, br, bi, cr, ci)                      \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft_pass5##F(int64_t m, int64_t s, const T *PBP_RESTRICT xr,                 \
                                   const T *PBP_RESTRICT xi, T *PBP_RESTRICT yr,                   \
                                   T *PBP_RESTRICT yi, const T *PBP_RESTRICT w)                    \
    {                                                                                              \
        const int64_t step = s * m;                                                                \
        for (int64_t p = 0; p < m; p++) {                                                          \
            const T ar = w[p], ai = w[m + p], br = w[2 * m + p], bi = w[3 * m + p];                \
            const T cr = w[4 * m + p], ci = w[5 * m + p], dr = w[6 * m + p], di = w[7 * m + p];    \
            const int64_t from = s * p, to = 5 * s * p;                                            \
            PBP_LOOP                                                                               \
            for (int64_t q = 0; q < s; q++) {                                                      \
                PBP_FFT_BODY5(T, from + q, to + q, s, ar, ai, br, bi, cr, ci, dr, di)              \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft_odd##F(int64_t r, int64_t m, int64_t s, const T *PBP_RESTRICT xr,        \
                                 const T *PBP_RESTRICT xi, T *PBP_RESTRICT yr, T *PBP_RESTRICT yi, \
                                 const T *PBP_RESTRICT w)                                          \
    {                                                                                              \
        /* The roots of unity of order r stand after the twiddles. */                              \
        const T *const root = w + 2 * (r - 1) * m;                                                 \
        const int64_t step = s * m;                                                                \
        for (int64_t p = 0; p < m; p++) {                                                          \
            for (int64_t j = 0; j < r; j++) {                                                      \
                const T tr = j == 0 ? 1 : w[2 * (j - 1) * m + p];                                  \
                const T ti = j == 0 ? 0 : w[(2 * (j - 1) + 1) * m + p];                            \
                T *const to_r = yr + s * (r * p + j), *const to_i = yi + s * (r * p + j);          \
                PBP_LOOP                                                                           \
                for (int64_t q = 0; q < s; q++) {                                                  \
                    T sr = xr[s * p + q], si = xi[s * p + q];                                      \
                    for (int64_t k = 1; k < r; k++) {                                              \
                        const T cr = root[j * k % r], ci = root[r + j * k % r];                    \
                        const T ur = xr[s * p + q + k * step], ui = xi[s * p + q + k * step];      \
                        sr += cr * ur - ci * ui;                                                   \
                        si += cr * ui + ci * ur;                                                   \
                    }                                                                              \
                    to_r[q] = sr * tr - si * ti;                                                   \
                    to_i[q] = sr * ti + si * tr;                                                   \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft_line##F(int64_t n, int64_t s, int64_t n_factors, const int64_t *factors, \
                                  const T *w, const T *xr, const T *xi, T *yr, T *yi, T *zr,       \
                                  T *zi)                                                           \
    {                                                                                              \
        if (n_factors == 0) {                                                                      \
            memcpy(yr, xr, (size_t)(n * s) * sizeof(T));                                           \
            memcpy(yi, xi, (size_t)(n * s) * sizeof(T));                                           \
        }                                                                                          \
        for (int64_t k = 0, m = n; k < n_factors; k++) {                                           \
            const int64_t r = factors[k];                                                          \
            const int64_t last = (n_factors - k) % 2 != 0;                                         \
            T *const dr = last ? yr : zr, *const di = last ? yi : zi;                              \
            m /= r;                                                                                \
            if (r == 4) {                                                                          \
                pbp_fft_pass4##F(m, s, xr, xi, dr, di, w);                                         \
            } else if (r == 2) {                                                                   \
                pbp_fft_pass2##F(m, s, xr, xi, dr, di, w);                                         \
            } else if (r == 3) {                                                                   \
                pbp_fft_pass3##F(m, s, xr, xi, dr, di, w);                                         \
            } else if (r == 5) {                                                                   \
                pbp_fft_pass5##F(m, s, xr, xi, dr, di, w);                                         \
            } else {                                                                               \
                pbp_fft_odd##F(r, m, s, xr, xi, dr, di, w);                                        \
                w += 2 * r;                                                                        \
            }                                                                                      \
            w += 2 * (r - 1) * m;                                                                  \
            s *= r;                                                                                \
            xr = dr, xi = di;                                                                      \
        }                                                                                          \
    }                                                                                              \
    PBP_PART void pbp_fft##F(const int64_t *params, int64_t first, int64_t end, T *d, const T *a,  \
                             const T *b, const T *table)                                           \
    {                                                                                              \
        const int64_t outer = params[0], n = params[1], inner = params[2], chunk = params[3];      \
        const int64_t length = params[4], n_factors = params[5];                                   \
        const int64_t *const factors = params + PBP_FFT_FACTORS;                                   \
        const int64_t block = n * inner, size = length * chunk;                                    \
        T *const im = d + outer * block, *const work = im + outer * block;                         \
        if (length == n && chunk == inner) {                                                       \
            /* The rest of the work stands in for an imaginary part that is not there. */          \
            if (b == NULL) {                                                                       \
                memset(work + 2 * size, 0, (size_t)size * sizeof(T));                              \
            }                                                                                      \
            for (int64_t o = first; o < end; o++) {                                                \
                pbp_fft_line##F(n, inner, n_factors, factors, table, a + o * block,                \
                                b == NULL ? work + 2 * size : b + o * block, d + o * block,        \
                                im + o * block, work, work + size);                                \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        /* Bluestein's convolution, or a few of many columns: through the work. */                 \
        T *const ur = work, *const ui = work + size, *const vr = work + 2 * size;                  \
        T *const vi = work + 3 * size, *const zr = work + 4 * size, *const zi = work + 5 * size;   \
        const T *const chirp = table, *const filter = table + 2 * n;                               \
        const T *const roots = length == n ? table : filter + 2 * length;                          \
        for (int64_t o = first; o < end; o++) {                                                    \
            for (int64_t start = 0; start < inner; start += chunk) {                               \
                const int64_t c = inner - start < chunk ? inner - start : chunk;                   \
                for (int64_t k = 0; k < n; k++) {                                                  \
                    const T *const pa = a + o * block + k * inner + start;                         \
                    const T *const pb = b == NULL ? NULL : b + o * block + k * inner + start;      \
                    const T cr = length == n ? 1 : chirp[k], ci = length == n ? 0 : chirp[n + k];  \
                    for (int64_t q = 0; q < c; q++) {                                              \
                        const T x = pa[q], y = pb == NULL ? 0 : pb[q];                             \
                        ur[k * c + q] = length == n ? x : x * cr - y * ci;                         \
                        ui[k * c + q] = length == n ? y : x * ci + y * cr;                         \
                    }                                                                              \
                }                                                                                  \
                if (length == n) {                                                                 \
                    pbp_fft_line##F(n, c, n_factors, factors, roots, ur, ui, vr, vi, zr, zi);      \
                } else {                                                                           \
                    memset(ur + n * c, 0, (size_t)((length - n) * c) * sizeof(T));                 \
                    memset(ui + n * c, 0, (size_t)((length - n) * c) * sizeof(T));                 \
                    pbp_fft_line##F(length, c, n_factors, factors, roots, ur, ui, vr, vi, zr, zi); \
                    for (int64_t k = 0; k < length; k++) {                                         \
                        const T fr = filter[k], fi = filter[length + k];                           \
                        for (int64_t q = k * c; q < (k + 1) * c; q++) {                            \
                            ur[q] = vr[q] * fr - vi[q] * fi;                                       \
                            ui[q] = vr[q] * fi + vi[q] * fr;                                       \
                        }                                                                          \
                    }                                                                              \
                    /* With the parts exchanged the transform is the inverse one. */               \
                    pbp_fft_line##F(length, c, n_factors, factors, roots, ui, ur, vi, vr, zi, zr); \
                    for (int64_t k = 0; k < n; k++) {                                              \
                        const T cr = chirp[k], ci = chirp[n + k];                                  \
                        for (int64_t q = k * c; q < (k + 1) * c; q++) {                            \
                            const T x = vr[q], y = vi[q];                                          \
                            vr[q] = x * cr - y * ci;                                               \
                            vi[q] = x * ci + y * cr;                                               \
                        }                                                                          \
                    }                                                                              \
                }                                                                                  \
                for (int64_t k = 0; k < n; k++) {                                                  \
                    const int64_t to = o * block + k * inner + start;                              \
                    memcpy(d + to, vr + k * c, (size_t)c * sizeof(T));                             \
                    memcpy(im + to, vi + k * c, (size_t)c * sizeof(T));                            \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

PBP_FFT_PASSES(double, )

PBP_FFT_PASSES(float, f)

#endif
