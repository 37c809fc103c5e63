/* Vectors of the width that this build's CPU level has, by GCC's vector extension, which Clang shares.
 *
 * Loads and stores through these types may be unaligned and may alias. Compilers without the extension run the same
 * text on "vectors" of one element.
 */
#ifndef FASTCONV_SIMD_H
#define FASTCONV_SIMD_H

#include <stddef.h>

#if !defined(__GNUC__)
#define VECTOR_BYTES 0
#elif defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#if VECTOR_BYTES
#define LANES_OF(type) ((ptrdiff_t)(VECTOR_BYTES / sizeof(type)))
typedef float vec_f32 __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef double vec_f64 __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef int mask_f32 __attribute__((vector_size(VECTOR_BYTES)));
typedef long long mask_f64 __attribute__((vector_size(VECTOR_BYTES)));
/* yes where the condition holds, else no; `condition` is the result of comparing two vectors */
#define SELECT(vec, mask, condition, yes, no) ((vec)(((condition) & (mask)(yes)) | (~(condition) & (mask)(no))))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline, unused))
#define COLD __attribute__((cold, noinline, unused)) /* made to be small */
/* Memory is not touched, but no load moves across: gcc 12 otherwise hoists broadcasts and spills accumulators, which
 * halves the speed of a tile (measured; see "Design decisions" in the README). */
#define KEEP_ORDER() __asm__ volatile("" ::: "memory")
/* A vector that starts a loop from a register: without this gcc 12 may, by flags that have nothing to do with it,
 * rotate accumulators through a sixteenth register and spill one (68 against 93% of the core's limit). */
#if defined(__x86_64__)
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#else
#define IN_REGISTER(v) ((void)0)
#endif
/* sum += left * right; `left` may be a scalar. gcc 12 otherwise writes some sums beside themselves and moves them back,
 * for which registers do not suffice where a tile has nearly all of them. */
#if VECTOR_BYTES >= 32 && defined(__FMA__)
#define MULTIPLY_ADD(sum, left, right) do { \
        const __typeof__(right) left_ = (left) - (__typeof__(right)){0}; \
        if (sizeof (sum)[0] == sizeof(float)) \
            __asm__("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(left_), "v"(right)); \
        else \
            __asm__("vfmadd231pd %1, %2, %0" : "+v"(sum) : "v"(left_), "v"(right)); \
    } while (0)
#else
#define MULTIPLY_ADD(sum, left, right) ((sum) += (left) * (right))
#endif
#else
#define LANES_OF(type) ((ptrdiff_t)1)
typedef float vec_f32;
typedef double vec_f64;
typedef int mask_f32;
typedef int mask_f64;
#define SELECT(vec, mask, condition, yes, no) ((condition) ? (yes) : (no))
#define ALWAYS_INLINE inline
#define NEVER_INLINE
#define COLD
#define KEEP_ORDER() ((void)0)
#define IN_REGISTER(v) ((void)0)
#define MULTIPLY_ADD(sum, left, right) ((sum) += (left) * (right))
#if !defined(restrict)
#define restrict __restrict
#endif
#endif

/* MULTIPLY_ADD of the lower half of a vector, whose upper half is zeros then; loads and stores of this half, or of the
 * lanes that a mask has, beside which a vector in a register is made zero. Code for shorter vectors has these in
 * branches that are not taken. */
#if VECTOR_BYTES == 64
typedef struct __attribute__((may_alias)) { char bytes[VECTOR_BYTES / 2]; } half_vector;
#define LOAD_HALF(v, p) __asm__("vmovups %1, %t0" : "=v"(v) : "m"(*(const half_vector *)(p)))
#define STORE_HALF(v, p) __asm__("vmovups %t1, %0" : "=m"(*(half_vector *)(p)) : "v"(v))
#define LOAD_UPPER(v, p) __asm__("vinsertf64x4 $1, %1, %0, %0" : "+v"(v) : "m"(*(const half_vector *)(p)))
#define MULTIPLY_ADD_HALF(sum, left, right) do { \
        const __typeof__(right) left_ = (left) - (__typeof__(right)){0}; \
        if (sizeof (sum)[0] == sizeof(float)) \
            __asm__("vfmadd231ps %t1, %t2, %t0" : "+v"(sum) : "v"(left_), "v"(right)); \
        else \
            __asm__("vfmadd231pd %t1, %t2, %t0" : "+v"(sum) : "v"(left_), "v"(right)); \
    } while (0)
#define LOAD_PART(v, p, lanes) do { \
        if (sizeof (v)[0] == sizeof(float)) \
            __asm__("vmovups %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(*(const __typeof__(v) *)(p)), "Yk"(lanes)); \
        else \
            __asm__("vmovupd %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(*(const __typeof__(v) *)(p)), "Yk"(lanes)); \
    } while (0)
#define KEEP_PART(v, lanes) do { \
        if (sizeof (v)[0] == sizeof(float)) \
            __asm__("vmovaps %0, %0%{%1%}%{z%}" : "+v"(v) : "Yk"(lanes)); \
        else \
            __asm__("vmovapd %0, %0%{%1%}%{z%}" : "+v"(v) : "Yk"(lanes)); \
    } while (0)
#define STORE_PART(v, p, lanes) do { \
        if (sizeof (v)[0] == sizeof(float)) \
            __asm__("vmovups %1, %0%{%2%}" : "+m"(*(__typeof__(v) *)(p)) : "v"(v), "Yk"(lanes)); \
        else \
            __asm__("vmovupd %1, %0%{%2%}" : "+m"(*(__typeof__(v) *)(p)) : "v"(v), "Yk"(lanes)); \
    } while (0)
#else
#define MULTIPLY_ADD_HALF(sum, left, right) ((void)0)
#define LOAD_HALF(v, p) ((void)0)
#define LOAD_UPPER(v, p) ((void)0)
#define STORE_HALF(v, p) ((void)0)
#define LOAD_PART(v, p, lanes) ((void)(lanes))
#define STORE_PART(v, p, lanes) ((void)(lanes))
#endif

/* v = min(max(v, lo), hi), NaN and the sign of zero as they are: where neither comparison holds, v stays. So do the
 * instructions take their second operand, which gcc does not know of vectors: it compares and blends. */
#if VECTOR_BYTES >= 32 && defined(__x86_64__)
#define CLAMP(vec, mask, v, lo, hi) do { \
        if (sizeof (v)[0] == sizeof(float)) { \
            __asm__("vmaxps %0, %1, %0" : "+v"(v) : "v"(lo)); \
            __asm__("vminps %0, %1, %0" : "+v"(v) : "v"(hi)); \
        } else { \
            __asm__("vmaxpd %0, %1, %0" : "+v"(v) : "v"(lo)); \
            __asm__("vminpd %0, %1, %0" : "+v"(v) : "v"(hi)); \
        } \
    } while (0)
#else
#define CLAMP(vec, mask, v, lo, hi) do { \
        (v) = SELECT(vec, mask, (v) < (lo), lo, v); \
        (v) = SELECT(vec, mask, (v) > (hi), hi, v); \
    } while (0)
#endif

/* elements of `size` bytes in a vector */
static inline ptrdiff_t lanes_of(size_t size) { return size == sizeof(float) ? LANES_OF(float) : LANES_OF(double); }

#define UNROLL _Pragma("GCC unroll 16") /* before a loop of constant bounds */

/* Products added one after the other. A longer chain gathers more than 6 eps of sum |a b| on data of one sign:
 * simulated over 121 to 4608 uniform products, chains of 64, 128, 256 in blocks of 256 reach 3.8, 5.9, 6.0 eps. */
#define CHUNK 64

#if defined(__GNUC__)
#define FETCH(p) __builtin_prefetch(p)
#define FETCH_TO_L2(p) __builtin_prefetch(p, 0, 2)
#define CLAIM_TO_L2(p) __builtin_prefetch(p, 1, 2) /* to be written */
#else
#define FETCH(p) ((void)0)
#define FETCH_TO_L2(p) ((void)0)
#define CLAIM_TO_L2(p) ((void)0)
#endif

/* Asks for the lines of [p, p + bytes), to be read soon. */
static inline void fetch_ahead(const void *p, ptrdiff_t bytes)
{
    for (ptrdiff_t i = 0; i < bytes; i += 64)
        FETCH((const char *)p + i);
}

/* The same for operands that would push others out of the first cache. */
static inline void fetch_to_l2(const void *p, ptrdiff_t bytes)
{
    for (ptrdiff_t i = 0; i < bytes; i += 64)
        FETCH_TO_L2((const char *)p + i);
}

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#endif
