/* The pool of threads for tiles.  Its threads start with the pool and wait for work; runs hand out
   none yet, so a run with a pool is a run on the calling thread.  The pool remembers the process
   that made it: a forked child has none of the threads, counts one, and frees only memory. */
#include "core.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 1024

struct pbp_pool {
    pid_t process;
    uint32_t threads; /* with the calling one */
    bool stopping;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t workers[];
};

static void *work(void *argument)
{
    pbp_pool *pool = argument;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stopping) {
        pthread_cond_wait(&pool->wake, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
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
    if (pool == NULL) {
        return pbp_fail(error, PBP_ERROR_MEMORY, PBP_NONE, "no memory for the pool");
    }
    pool->process = getpid();
    pool->threads = 1;
    pool->stopping = false;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (; pool->threads < threads; pool->threads++) {
        if (pthread_create(&pool->workers[pool->threads - 1], NULL, work, pool) != 0) {
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
        pthread_mutex_destroy(&pool->mutex);
    }
    free(pool);
}

uint32_t pbp_pool_threads(const pbp_pool *pool)
{
    return pool == NULL || pool->process != getpid() ? 1 : pool->threads;
}
