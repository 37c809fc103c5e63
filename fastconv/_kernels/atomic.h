/* Words that threads share: each operation is whole, in one order for all threads, and returns what was before. */
#ifndef FASTCONV_ATOMIC_H
#define FASTCONV_ATOMIC_H

#include <stddef.h>

#ifdef _MSC_VER
#include <intrin.h>
#ifdef _WIN64
#define ATOMIC_AS(name) _Interlocked##name##64
typedef __int64 atomic_word;
#else
#define ATOMIC_AS(name) _Interlocked##name
typedef long atomic_word;
#endif
static inline ptrdiff_t atomic_get(ptrdiff_t *p)
{
#if defined(_M_X64) || defined(_M_IX86)
    return *(ptrdiff_t volatile *)p; /* all that write are locked */
#else
    return ATOMIC_AS(Or)((atomic_word volatile *)p, 0);
#endif
}
static inline ptrdiff_t atomic_add(ptrdiff_t *p, ptrdiff_t v)
{
    return ATOMIC_AS(ExchangeAdd)((atomic_word volatile *)p, v);
}
static inline int atomic_replace(ptrdiff_t *p, ptrdiff_t old, ptrdiff_t v)
{
    return ATOMIC_AS(CompareExchange)((atomic_word volatile *)p, v, old) == old;
}
#else
static inline ptrdiff_t atomic_get(ptrdiff_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline ptrdiff_t atomic_add(ptrdiff_t *p, ptrdiff_t v) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static inline int atomic_replace(ptrdiff_t *p, ptrdiff_t old, ptrdiff_t v) /* whether `old` was there */
{
    return __atomic_compare_exchange_n(p, &old, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#endif

/* A moment of a loop that waits for another thread: leaves the core's units to its other half. */
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#define PAUSE() _mm_pause()
#elif defined(_MSC_VER)
#define PAUSE() __yield()
#elif defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

#endif
