/* What every hand-written limit shares: the type, the repeat loop and its clock.

   A source file defines

       static void once(const int64_t *dims, const void *const *in, void *const *out, void *work)
       static size_t work_bytes(const int64_t *dims)

   and includes this header. `in` holds the arrays of the differentiated argument (dicts in sorted
   key order) and then the data; `out` the value and then the gradient, in the same order. `work`
   is scratch memory aligned to 64 bytes. REAL is float or double, given by the build. */

#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <tgmath.h>
#include <time.h>

#ifndef REAL
#define REAL double
#endif

#define INLINE static inline __attribute__((always_inline))

static void once(const int64_t *dims, const void *const *in, void *const *out, void *work);
static size_t work_bytes(const int64_t *dims);

size_t bench_work_bytes(const int64_t *dims);
double bench_run(int64_t repeats, const int64_t *dims, const void *const *in, void *const *out,
                 void *work);

size_t bench_work_bytes(const int64_t *dims) { return work_bytes(dims); }

/* Seconds for `repeats` runs. The empty assembly tells the compiler that memory may have changed,
   so that no run is merged with the next or moved out of the loop. */
double bench_run(int64_t repeats, const int64_t *dims, const void *const *in, void *const *out,
                 void *work)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int64_t i = 0; i < repeats; i++) {
        once(dims, in, out, work);
        __asm__ volatile("" ::: "memory");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
}

#endif
