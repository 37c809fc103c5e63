/* Pages of the operating system for `heap.pyx`, in whole huge ones of 2 MiB where it has these.

    pages_map       new pages, zero, from a huge page on; NULL if there are none
    pages_unmap     and back, any part of them
    pages_forget    what the huge pages within [from, to) hold may be lost: they are taken away once memory runs short
    pages_grain     bytes of the smallest page
    pages_seconds   a clock that never goes back

Linux clears a page at the first write to it, which takes 5 to 10 times as long as writing; a huge page is one such
fault instead of 512. Only whole huge pages are forgotten, else they would be split. PAGES is 0 where there is no mmap.
*/
#ifndef FASTCONV_PAGES_H
#define FASTCONV_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define HUGE_PAGE ((ptrdiff_t) 1 << 21)

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES 1

static void *pages_map(size_t bytes) {
    char *start = (char *) mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;
    if ((void *) start == MAP_FAILED)
        return NULL;
    before = -(uintptr_t) start & (HUGE_PAGE - 1);
    if (before)
        munmap(start, before);
    munmap(start + before + bytes, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
    madvise(start + before, bytes, MADV_HUGEPAGE);
#endif
    return start + before;
}

static void pages_unmap(void *memory, size_t bytes) {
    if (munmap(memory, bytes))                      /* the process has too many mappings for one more hole */
        madvise(memory, bytes, MADV_DONTNEED);
}

static void pages_forget(void *from, void *to) {
#ifdef MADV_FREE
    uintptr_t first = ((uintptr_t) from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), end = (uintptr_t) to & ~(HUGE_PAGE - 1);
    if (first < end)
        madvise((void *) first, end - first, MADV_FREE);
#else
    (void) from, (void) to;
#endif
}

static ptrdiff_t pages_grain(void) { return (ptrdiff_t) sysconf(_SC_PAGESIZE); }

static ptrdiff_t pages_seconds(void) {
    struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (ptrdiff_t) now.tv_sec;
}

#else
#define PAGES 0

static void *pages_map(size_t bytes) { (void) bytes; return NULL; }
static void pages_unmap(void *memory, size_t bytes) { (void) memory, (void) bytes; }
static void pages_forget(void *from, void *to) { (void) from, (void) to; }
static ptrdiff_t pages_grain(void) { return 1; }
static ptrdiff_t pages_seconds(void) { return 0; }
#endif
#endif
