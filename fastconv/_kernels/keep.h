/* Where a value is to stay, against the compiler's own idea of it; these change no result.
 *
 * gcc 12 folds the load of a vector into every product that uses it, and most of these loads cross a line: the filter
 * tile of 3x3 at AVX-512 takes 24 cycles for a vector of outputs so, 16 with each vector loaded once, and 12 if besides
 * sums that are seldom used stay in memory.
 */
#ifndef FASTCONV_KEEP_H
#define FASTCONV_KEEP_H

#include "simd.h"

#if VECTOR_BYTES && defined(__x86_64__)
#ifdef __clang__
#define LOADED_ONCE(v) ((void)0) /* it refuses vectors wider than a register in branches that are never taken, too */
#else
#define LOADED_ONCE(v) __asm__("" : "+v"(v)) /* a vector in a register, for all its uses */
#endif
/* an index or pointer of which nothing is known: no others are made from it, and the array behind it stays in memory */
#define OPAQUE(v) __asm__("" : "+r"(v))
/* a value whose register is no other's until here: products are added where their sum is, and sums need not change
 * places, which takes a register more */
#define STILL_USED(v) __asm__ volatile("" : : "v"(v))
#else
#define OPAQUE(v) ((void)0)
#define STILL_USED(v) ((void)0)
#define LOADED_ONCE(v) ((void)0)
#endif

#endif
