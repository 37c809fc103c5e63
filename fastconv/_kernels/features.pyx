"""What the CPU and the operating system allow: asked of the compiler's run-time support, which reads CPUID and XCR0."""

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
    static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
    static int has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    #endif
    """
    bint has_avx2()
    bint has_avx512()


def supported():
    """Names of the CPU levels that this machine can run, the best last."""
    levels = ["baseline"]
    if has_avx2():
        levels.append("avx2")
    if has_avx512():
        levels.append("avx512")
    return tuple(levels)
