/* Threads of the system that know nothing of Python, and Python's locks, which serve them too. */
#ifndef FASTCONV_THREAD_H
#define FASTCONV_THREAD_H

#include <Python.h>
#include <pythread.h>

#ifdef _WIN32
#include <process.h>
#else
#include <pthread.h>
#include <signal.h>
#endif
#include <time.h>
#ifdef __linux__
#include <sched.h>
#endif

#ifndef _WIN32
static void (*threads_run)(void *);    /* one for all threads; atomic, since several callers may begin one at once */

static void *thread_main(void *argument)    /* of the type that POSIX calls */
{
    __atomic_load_n(&threads_run, __ATOMIC_RELAXED)(argument);
    return NULL;
}
#endif

/* Begin a thread that nobody waits for and that no signal interrupts but those of its own errors, of which Python's
 * faulthandler tells; 0 where the system has no more. `run` is the same in every call. */
static inline int thread_begins(void (*run)(void *), void *argument)
{
#ifdef _WIN32
    return _beginthread(run, 0, argument) != (uintptr_t)-1;
#else
    pthread_t thread;
    sigset_t all, before;
    int failed;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    __atomic_store_n(&threads_run, run, __ATOMIC_RELAXED);
    failed = pthread_create(&thread, NULL, thread_main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !failed && !pthread_detach(thread);
#endif
}

/* Seconds of a clock that every system has, from some moment on; where it is set anew meanwhile, it may go back. */
static inline double clock_seconds(void)
{
    struct timespec now = {0, 0};
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &now);
#else
    timespec_get(&now, TIME_UTC);
#endif
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

/* Seconds of the clock, and those in which this thread had a core; both 0 where the system does not say. */
typedef struct {
    double wall, core;
} Times;

static inline Times thread_times(void)
{
    Times now = {0, 0};
#ifdef CLOCK_THREAD_CPUTIME_ID
    struct timespec wall, core;
    if (!clock_gettime(CLOCK_MONOTONIC, &wall) && !clock_gettime(CLOCK_THREAD_CPUTIME_ID, &core)) {
        now.wall = wall.tv_sec + 1e-9 * wall.tv_nsec;
        now.core = core.tv_sec + 1e-9 * core.tv_nsec;
    }
#endif
    return now;
}

/* The core that this thread is on, or -1 where the system does not say. */
static inline int this_core(void)
{
#ifdef __linux__
    return sched_getcpu();
#else
    return -1;
#endif
}

/* Go to another core than `core`, if this thread may use at least so many; it may use the same as before afterwards. */
static inline void leave_core(int core, int least)
{
#ifdef __linux__
    cpu_set_t may, others;
    if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof may, &may))
        return;
    others = may;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) >= least && !sched_setaffinity(0, sizeof others, &others))
        sched_setaffinity(0, sizeof may, &may);
#else
    (void)core, (void)least;
#endif
}

#endif
