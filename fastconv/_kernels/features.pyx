"""What the CPU and the operating system allow: asked of the compiler's run-time support, which reads CPUID and XCR0."""

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
    #include <cpuid.h>
    static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
    static int has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    /* AMD's family 19h: of Zen 3 and Zen 4 the latter takes longer vectors, by halves. The name "amdfam19h" would need
       gcc 11 or clang 12. */
    static int halves_vectors(void) {
        unsigned eax, ebx, ecx, edx;
        return __builtin_cpu_is("amd") && __get_cpuid(1, &eax, &ebx, &ecx, &edx)
            && (eax >> 8 & 0xf) + (eax >> 20 & 0xff) == 0x19;
    }
    #else
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    static int halves_vectors(void) { return 0; }
    #endif
    """
    bint has_avx2()
    bint has_avx512()
    bint halves_vectors()


def supported():
    """Names of the CPU levels that this machine can run, the best last."""
    levels = ["baseline"]
    if has_avx2():
        levels.append("avx2")
    if has_avx512():
        levels.append("avx512")
    return tuple(levels)


def datapath():
    """Bytes of a vector that the core multiplies and adds at once, as far as is known; shorter ones it takes whole."""
    return 32 if halves_vectors() else 64
