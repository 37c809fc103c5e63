/* Which windows `strips.h` and `strips_at.h` pool, and by vectors of how many bytes. */
#ifndef FASTCONV_STRIP_SHAPE_H
#define FASTCONV_STRIP_SHAPE_H

#include <stddef.h>
#include "shuffle.h"

enum { STRIP_LARGEST, STRIP_CAREFUL, STRIP_MEAN, STRIP_SCALED }; /* scaled: times a row's 1 / divisor, which is exact */

typedef struct {
    ptrdiff_t ih, iw, ldx, oh, ow, ph, pw; /* ldx from row to row of the input; the output is dense */
    int kernel, stride, kind;
    ptrdiff_t bytes;    /* of a vector */
    int narrow;         /* 1: a vector is a row of outputs, and more */
    int deep;           /* of `strips_at.h`: 1: windows have so many depths, */
    ptrdiff_t depths, apart, places; /* so many elements and indices from each other */
    const void *blank;  /* a row of padding and an element before it */
    const void *down;   /* divisors, or their inverses for STRIP_SCALED: the factor of each row, */
    const void *across; /* and the factor of each column, or NULL if it is 1; both unused for maxima */
} Strips;

/* The columns of windows behind the image. */
static ptrdiff_t strip_beyond(const Strips *s) { return (s->ow - 1) * s->stride + s->kernel - s->pw - s->iw; }

/* Whether windows are two or three wide, one or two apart, and have a column in the padding at most. */
static int strip_windows(const Strips *s)
{
    const ptrdiff_t most = s->kernel == 3;
    return s->kernel >= 2 && s->kernel <= 3 && s->stride <= 2 && s->pw <= most && strip_beyond(s) <= most;
}

/* The widest vectors for this geometry, whose other fields are filled in; 0 if it has another way to go. */
static ptrdiff_t strip_bytes(const Strips *s, ptrdiff_t size)
{
#ifdef SHUFFLES
    if (!strip_windows(s))
        return 0;
    for (ptrdiff_t bytes = VECTOR_BYTES; bytes >= 16; bytes /= 2)
        if (s->ow * size >= bytes && s->iw * size >= s->stride * bytes)
            return bytes;
#endif
    return 0;
}

/* The vectors of eight lanes or more, or of AVX2's width, that hold a row of outputs each and fill more than half; 0 if
 * there are none. Beyond the row they read and write what follows it, but no more than a plane. */
static ptrdiff_t narrow_bytes(const Strips *s, ptrdiff_t size)
{
#ifdef SHUFFLES
    for (ptrdiff_t bytes = VECTOR_BYTES == 32 ? 32 : 8 * size; strip_windows(s) && bytes <= VECTOR_BYTES; bytes *= 2)
        if (s->ow * size <= bytes && 2 * s->ow * size > bytes && s->ih * s->iw * size > 2 * bytes)
            return bytes;
#endif
    return 0;
}

/* The same for rows at stride 2 without their places, which end inside the image and are followed by others. */
static ptrdiff_t narrow_strip_bytes(const Strips *s, ptrdiff_t size)
{
    const ptrdiff_t bytes = narrow_bytes(s, size);
    return s->stride == 2 && strip_beyond(s) <= 0 && s->ldx >= s->iw && bytes >= 32 && s->ow * size < bytes ? bytes : 0;
}

#endif
