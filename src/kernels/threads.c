/* Threads that wait between the kernels and share the rows of each.  What is shared are elements of a result that do
 * not depend on each other, never a sum, so the bits are those of one thread. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "threads_private.h"
#include "tiles_private.h"

enum {
    SPINS = 4000,  /* looks before a thread sleeps: some 10 us, the time between two kernels of a step */
    WORTH = 100000 /* multiply-adds that take longer than waking somebody up */
};

static struct {
    int threads; /* the calling one counts; 0: nobody has asked for more than one */
    pthread_t thread[KERNEL_THREADS_MOST];
    share_f *share;
    void *context;
    atomic_uint round; /* of work; grows when there is some */
    atomic_int left;   /* shares that are not done */
    atomic_bool ends;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static _Thread_local bool inside; /* a share: what it calls is not shared again */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void sleep_until_after(unsigned seen)
{
    pthread_mutex_lock(&pool.mutex);
    while (atomic_load(&pool.round) == seen && !atomic_load(&pool.ends)) pthread_cond_wait(&pool.wake, &pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
}

static void *thread_main(void *number)
{
    const int share = (int)(intptr_t)number;
    unsigned seen = 0;
    inside = true;
    for (;;) {
        for (int s = 0; s < SPINS && atomic_load(&pool.round) == seen && !atomic_load(&pool.ends); s++) relax();
        if (atomic_load(&pool.round) == seen) sleep_until_after(seen);
        if (atomic_load(&pool.ends)) return NULL;
        seen++;
        pool.share(pool.context, share, pool.threads);
        atomic_fetch_sub(&pool.left, 1);
    }
}

static void wake_all(void)
{
    pthread_mutex_lock(&pool.mutex);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.mutex);
}

static void end_threads(void)
{
    atomic_store(&pool.ends, true);
    wake_all();
    for (int t = 1; t < pool.threads; t++) pthread_join(pool.thread[t], NULL);
    atomic_store(&pool.ends, false);
    atomic_store(&pool.round, 0);
    pool.threads = 0;
}

int kernels_set_threads(int threads, struct error *err)
{
    CHECK(threads >= 1 && threads <= KERNEL_THREADS_MOST, "%d threads", threads);
    end_threads();
    for (pool.threads = 1; pool.threads < threads; pool.threads++) {
        void *number = (void *)(intptr_t)pool.threads;
        if (pthread_create(&pool.thread[pool.threads], NULL, thread_main, number) == 0) continue;
        int started = pool.threads;
        end_threads();
        return error_set(err, ERROR_OUTSIDE, "only %d of %d threads could be started", started, threads);
    }
    return 0;
}

size_t kernels_thread_bytes(int longest) { return tiles_bytes() + (size_t)longest * (size_t)longest * sizeof(float); }

int kernels_threads(void) { return pool.threads > 0 ? pool.threads : 1; }

int share_begin(int count, int share, int shares) { return (int)((int64_t)count * share / shares); }

void threads_share(share_f *share, void *context, double work)
{
    if (pool.threads < 2 || inside || work < WORTH) {
        share(context, 0, 1);
        return;
    }
    pool.share = share;
    pool.context = context;
    atomic_store(&pool.left, pool.threads - 1);
    atomic_fetch_add(&pool.round, 1);
    wake_all();
    inside = true;
    share(context, 0, pool.threads);
    inside = false;
    for (int s = 0; atomic_load(&pool.left) > 0; s++)
        s < SPINS ? relax() : (void)sched_yield(); /* others may need the core */
}
