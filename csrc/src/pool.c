/* The pool of threads: runs the steps of parallel loops, which tiles make.

   The threads start with the pool and wait for work.  A run that meets a parallel loop becomes a
   job: its thread and the pool's take the next step until none is left, each with base pointers,
   counters and scratch of its own (a lane); the arena is shared, as every step has a part of it for
   itself.  Which thread takes which step changes nothing in the results.

   One job runs at a time; a run that finds the pool busy does its steps itself.  The pool remembers
   the process that made it: a forked child has none of the threads, counts one, and frees only
   memory. */
#include "core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 1024
/* Looks at the job number this often before going to sleep: waking up takes longer. */
#define SPINS 4000

typedef struct pbp_job {
    const pbp_sweep *sweep;
    uint32_t loop;
    int64_t trip;
    const pbp_native_steps *native; /* runs steps in place of the sweep loop, or NULL */
    atomic_llong next;              /* the step to take next */
    atomic_bool stopped;            /* a step failed, or the caller wants to stop */
} pbp_job;

/* What a thread needs to run steps. */
typedef struct pbp_lane {
    char *block;
    uint64_t size;
    pbp_sweep sweep;
    pbp_status status;
} pbp_lane;

struct pbp_pool {
    pid_t process;
    uint32_t threads; /* with the calling one */
    bool stopping;
    pthread_mutex_t mutex; /* guards stopping, and sleeping until number or running change */
    pthread_mutex_t busy;  /* held by the run whose job it is */
    pthread_cond_t wake, finished;
    atomic_uint number;  /* of the job; odd or even does not matter, a change does */
    atomic_uint running; /* threads still at the job */
    pbp_job job;
    pbp_lane *lanes; /* one per thread, the calling one's first */
    pthread_t workers[];
};

typedef struct pbp_worker {
    pbp_pool *pool;
    uint32_t lane;
} pbp_worker;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Makes a lane's tables large enough for a tape; false if there is no memory. */
static bool lane_fit(pbp_lane *lane, const pbp_tape *tape, pbp_workspace *view)
{
    const uint64_t bases = rounded((uint64_t)tape->n_bases * sizeof(char *));
    const uint64_t counters = rounded((uint64_t)tape->info.n_loops * sizeof(int64_t));
    const uint64_t size = bases + counters + (uint64_t)tape->scratch_bytes + 64;
    if (size > lane->size) {
        char *block = pbp_alloc((size_t)size);
        if (block == NULL) {
            return false;
        }
        free(lane->block);
        lane->block = block;
        lane->size = size;
    }
    char *start = lane->block + (64 - (uintptr_t)lane->block % 64) % 64;
    view->bases = (char **)(void *)start;
    view->counters = (int64_t *)(void *)(start + bases);
    view->scratch = start + bases + counters;
    return true;
}

static int job_stopped(void *job)
{
    return atomic_load_explicit(&((pbp_job *)job)->stopped, memory_order_relaxed);
}

/* Takes steps until none is left. */
static void take_steps(pbp_job *job, pbp_lane *lane)
{
    const pbp_sweep *caller = job->sweep;
    const pbp_tape *tape = caller->tape;
    pbp_workspace view = *caller->workspace;
    lane->sweep = *caller;
    lane->sweep.pool = NULL;
    lane->status = PBP_OK;
    if (!lane_fit(lane, tape, &view)) {
        lane->status = PBP_ERROR_MEMORY;
        lane->sweep.reason = "no memory for a thread's tables";
        atomic_store(&job->stopped, true);
        return;
    }
    memcpy(view.bases, caller->bases, tape->n_bases * sizeof(char *));
    lane->sweep.workspace = &view;
    lane->sweep.bases = view.bases;
    while (!job_stopped(job)) {
        const int64_t step = atomic_fetch_add(&job->next, 1);
        if (step >= job->trip) {
            break;
        }
        if (job->native != NULL) {
            lane->status = pbp_native_step(job->native, &lane->sweep, step);
        } else {
            const pbp_loop *loop = &tape->loops[job->loop];
            const pbp_base *base = &tape->bases[loop->first_base];
            for (uint32_t i = 0; i < loop->n_bases; i++) {
                view.bases[loop->first_base + i] =
                    caller->bases[base[i].parent] + base[i].offset + step * base[i].bump;
            }
            lane->sweep.start = tape->code + loop->code_begin + 1;
            lane->sweep.start_frame = loop->frame != PBP_NONE ? view.bases[loop->frame] : NULL;
            lane->status = tape->isa->run(&lane->sweep);
        }
        if (lane->status != PBP_OK) {
            atomic_store(&job->stopped, true);
            break;
        }
    }
}

static void *work(void *argument)
{
    pbp_pool *pool = ((pbp_worker *)argument)->pool;
    pbp_lane *lane = &pool->lanes[((pbp_worker *)argument)->lane];
    free(argument);
    unsigned done = 0;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&pool->number) == done; i++) {
            relax();
        }
        pthread_mutex_lock(&pool->mutex);
        while (atomic_load(&pool->number) == done && !pool->stopping) {
            pthread_cond_wait(&pool->wake, &pool->mutex);
        }
        const bool stopping = pool->stopping;
        done = atomic_load(&pool->number);
        pthread_mutex_unlock(&pool->mutex);
        if (stopping) {
            return NULL;
        }
        lane->sweep.poll = NULL;
        take_steps(&pool->job, lane);
        if (atomic_fetch_sub(&pool->running, 1) == 1) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

/* The steps one after the other on the calling thread. */
static pbp_status run_alone(pbp_sweep *sweep, uint32_t number, int64_t trip,
                            const pbp_native_steps *native)
{
    pbp_lane lane = {.block = NULL};
    pbp_job job = {.sweep = sweep, .loop = number, .trip = trip, .native = native};
    atomic_init(&job.next, 0);
    atomic_init(&job.stopped, false);
    take_steps(&job, &lane);
    free(lane.block);
    if (lane.status != PBP_OK) {
        sweep->instruction = lane.sweep.instruction;
        sweep->values[0] = lane.sweep.values[0];
        sweep->values[1] = lane.sweep.values[1];
        sweep->reason = lane.sweep.reason;
    }
    return lane.status;
}

pbp_status pbp_parallel_run(pbp_sweep *sweep, uint32_t number, int64_t trip,
                            const pbp_native_steps *native)
{
    pbp_pool *pool = sweep->pool;
    if (pthread_mutex_trylock(&pool->busy) != 0) {
        return run_alone(sweep, number, trip, native);
    }
    pool->job.sweep = sweep;
    pool->job.loop = number;
    pool->job.trip = trip;
    pool->job.native = native;
    atomic_store(&pool->job.next, 0);
    atomic_store(&pool->job.stopped, false);
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->running, pool->threads - 1);
    atomic_fetch_add(&pool->number, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    take_steps(&pool->job, &pool->lanes[0]);
    /* The others are at their last steps: sleeping would take longer than most of these. */
    for (int i = 0; i < SPINS && atomic_load(&pool->running) > 0; i++) {
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->running) > 0) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pbp_status status = PBP_OK;
    for (uint32_t i = 0; i < pool->threads; i++) {
        const pbp_lane *lane = &pool->lanes[i];
        /* A real failure before an interruption that it caused in other threads. */
        if (lane->status != PBP_OK && (status == PBP_OK || status == PBP_INTERRUPTED)) {
            status = lane->status;
            sweep->instruction = lane->sweep.instruction;
            sweep->values[0] = lane->sweep.values[0];
            sweep->values[1] = lane->sweep.values[1];
            sweep->reason = lane->sweep.reason;
        }
    }
    pthread_mutex_unlock(&pool->busy);
    return status;
}

pbp_status pbp_pool_new(uint32_t threads, pbp_pool **out, pbp_error *error)
{
    if (out == NULL) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE, "out is NULL");
    }
    *out = NULL;
    if (threads < 1 || threads > MAX_THREADS) {
        return pbp_fail(error, PBP_ERROR_ARGUMENT, PBP_NONE, "a pool has 1 to %d threads, not %u",
                        MAX_THREADS, threads);
    }
    pbp_pool *pool = pbp_alloc(sizeof *pool + threads * sizeof pool->workers[0]);
    pbp_lane *lanes = pbp_alloc(threads * sizeof *lanes);
    if (pool == NULL || lanes == NULL) {
        free(pool);
        free(lanes);
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the pool");
    }
    pool->process = getpid();
    pool->threads = 1;
    pool->stopping = false;
    atomic_init(&pool->running, 0);
    pool->lanes = memset(lanes, 0, threads * sizeof *lanes);
    atomic_init(&pool->number, 0);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_mutex_init(&pool->busy, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finished, NULL);
    for (; pool->threads < threads; pool->threads++) {
        pbp_worker *worker = pbp_alloc(sizeof *worker);
        if (worker != NULL) {
            *worker = (pbp_worker){.pool = pool, .lane = pool->threads};
        }
        if (worker == NULL ||
            pthread_create(&pool->workers[pool->threads - 1], NULL, work, worker) != 0) {
            free(worker);
            pbp_pool_free(pool);
            return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "the system gives no more threads");
        }
    }
    *out = pool;
    return PBP_OK;
}

void pbp_pool_free(pbp_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->process == getpid()) {
        pthread_mutex_lock(&pool->mutex);
        pool->stopping = true;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->mutex);
        for (uint32_t i = 0; i + 1 < pool->threads; i++) {
            pthread_join(pool->workers[i], NULL);
        }
        pthread_cond_destroy(&pool->wake);
        pthread_cond_destroy(&pool->finished);
        pthread_mutex_destroy(&pool->mutex);
        pthread_mutex_destroy(&pool->busy);
    }
    for (uint32_t i = 0; i < pool->threads; i++) {
        free(pool->lanes[i].block);
    }
    free(pool->lanes);
    free(pool);
}

uint32_t pbp_pool_threads(const pbp_pool *pool)
{
    return pool == NULL || pool->process != getpid() ? 1 : pool->threads;
}
