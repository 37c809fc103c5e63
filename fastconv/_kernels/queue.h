/* Pieces of work for threads: each takes its own share first, piece by piece, and then what others have left.

       shares        | 0 1 2 3 4 | 5 6 7 8 9 |       as even as whole pieces are, neighbours together: what one call
       thread 1 done | 0 1 . . . |           |       leaves in a core's cache the next finds there, if it shares out
       it takes          2                           the same; and no core waits long for one that is slower

   Which thread computes a piece changes no bit of it. A counter is in a cache line of its own, so that claims cost
   nothing until a thread looks for what others have left. All orders of memory are relaxed: who has claimed a piece
   reads what was written before the threads began, and nobody reads what it writes before all have ended.

   OpenMP's threads begin and end together. Where another process has a thread's core, each region waits until the
   system takes turns, 4 to 20 ms, however little there is to do. A thread that comes so late says so, and for as long
   as that took calls stay on the thread that they came on; twice as long as the last time if that was not long ago.
   Threads that are more than the cores are late by each other, and share what cores there are better than one would. */
#ifndef FASTCONV_QUEUE_H
#define FASTCONV_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_OPENMP) && PTRDIFF_MAX > INT32_MAX /* microseconds fill 32 bits within 36 minutes */
#include <omp.h>
#define QUEUE_NOW() ((ptrdiff_t)(omp_get_wtime() * 1e6))
#define QUEUE_CORES() omp_get_num_procs()
#else
#define QUEUE_CORES() 1
#define QUEUE_NOW() ((ptrdiff_t)0)
#endif

#ifdef _MSC_VER
#include <intrin.h>
#define QUEUE_NEXT(p) _InterlockedExchangeAdd64((volatile __int64 *)(p), 1)
#define QUEUE_GET(p) (*(volatile ptrdiff_t *)(p))
#define QUEUE_SET(p, value) (*(volatile ptrdiff_t *)(p) = (value))
#else
#define QUEUE_NEXT(p) __atomic_fetch_add(p, 1, __ATOMIC_RELAXED)
#define QUEUE_GET(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define QUEUE_SET(p, value) __atomic_store_n(p, value, __ATOMIC_RELAXED)
#endif

#define QUEUE_MOST 256    /* threads: MOST of `fastconv._threads`, */
#define QUEUE_SHARES 64   /* and shares: a queue is on the stack, of which some threads have 64 KiB */
#define LATE 1000         /* microseconds from which on a thread is late; one that slept takes 30 to 100 */
#define LONGEST 250000    /* that calls stay alone, ten times as long as a region then waits, */
#define RECENT 8          /* and how many times as long ago that still counts */

typedef struct {
    ptrdiff_t next, end, here;
    char line[64 - 3 * sizeof(ptrdiff_t)];
} Share;

typedef struct {
    int threads, shares;
    ptrdiff_t since, *alone;
    char line[64];
    Share of[QUEUE_SHARES];
} Queue;

/* Divide pieces [0, pieces) among `threads`, or as few as `queue.threads` then says.

   alone : until when calls stay on one thread, and for how long */
static inline void queue_fill(Queue *q, ptrdiff_t pieces, int threads, ptrdiff_t *alone)
{
    q->threads = threads < 1 ? 1 : threads < QUEUE_MOST ? threads : QUEUE_MOST;
    if (threads > 1) {
        q->since = QUEUE_NOW();
        q->alone = alone;
        if (q->since < QUEUE_GET(alone))
            q->threads = 1;
    }
    q->shares = q->threads < QUEUE_SHARES ? q->threads : QUEUE_SHARES;
    for (int i = 0; i < q->shares; i++) {
        q->of[i].here = i == 0;
        q->of[i].next = pieces * i / q->shares;
        q->of[i].end = pieces * (i + 1) / q->shares;
    }
}

/* A thread comes late; the first one of a region says so. */
static inline void queue_late(ptrdiff_t *alone, ptrdiff_t since, ptrdiff_t now)
{
    ptrdiff_t span = now - since, until = QUEUE_GET(alone), last = QUEUE_GET(alone + 1);
    if (since < until)
        return;
    if (now - until < RECENT * last && span < 2 * last)
        span = 2 * last;
    if (span > LONGEST) /* a process that was stopped was late by all that time */
        span = LONGEST;
    QUEUE_SET(alone + 1, span);
    QUEUE_SET(alone, now + span);
}

/* The next piece for a thread, or -1 where none is left. */
static inline ptrdiff_t claim(Queue *q, int thread)
{
    Share *own = &q->of[thread % q->shares];
    if (!QUEUE_GET(&own->here)) {
        ptrdiff_t now = QUEUE_NOW();
        QUEUE_SET(&own->here, 1);
        if (now - q->since > LATE && (q->threads <= QUEUE_CORES() || QUEUE_CORES() == 1))
            queue_late(q->alone, q->since, now);
    }
    for (int i = 0; i < q->shares; i++) {
        Share *from = &q->of[(thread + i) % q->shares];
        if (QUEUE_GET(&from->next) < from->end) {
            ptrdiff_t piece = QUEUE_NEXT(&from->next);
            if (piece < from->end)
                return piece;
        }
    }
    return -1;
}

#endif
