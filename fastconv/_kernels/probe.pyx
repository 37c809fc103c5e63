"""How near the register tile comes to the core's limit: both run here, in one program, for `fastconv info --measure`.

The limit is what chains of multiply-adds between registers reach, with as many chains as the tile has accumulators; the
tile works on operands that stay in L1, as those of a convolution do.
"""

from libc.string cimport memset

from fastconv._kernels.dilated cimport LEAST_SHARED, MOST_PHASES
from fastconv._kernels.heap cimport give_back
from fastconv._kernels.last_choice cimport SHARING, UNSEEN_ROWS
from fastconv._kernels.presence cimport still_missed
from fastconv._kernels.product cimport SMALL_MAP
from fastconv._kernels.ring cimport RING_MOST
from fastconv._kernels.scratch cimport LINE, borrow
from fastconv._kernels.shape cimport LONG_SUM, real
from fastconv._kernels.sights cimport KINDS
from fastconv._kernels.simd cimport lanes_of
from fastconv._kernels.team cimport PAUSE, Piece, atomic_add, atomic_get, each_piece
from fastconv._kernels.thread cimport leave_core, this_core
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, tile, tile_finish, tile_width
from fastconv._kernels.winograd_runs cimport LONGEST, MOST_PARTS, MOST_RUNS, WHOLE

cdef extern from "near_pairs.h" nogil:
    enum: PAIRED

cdef extern from "near_taps.h" nogil:
    enum: NEAR_ROWS, TALL

cdef extern from "depthwise_last.h" nogil:
    enum: MOST_SHARED, STRIP_PIXELS

cdef extern from *:
    """
    #include "tile.h"
    #define CHAINS 12
    #define CHAIN(name, vec, type) \\
        static NEVER_INLINE double name(ptrdiff_t rounds) \\
        { \\
            vec acc[CHAINS], x = (vec){0} + (type)0.5, y = (vec){0} + (type)1; \\
            UNROLL for (int i = 0; i < CHAINS; i++) \\
                acc[i] = (vec){0} + (type)(rounds + i); /* unknown: a compiler leaves out a constant chain */ \\
            for (ptrdiff_t r = 0; r < rounds; r++) \\
                UNROLL for (int i = 0; i < CHAINS; i++) \\
                    acc[i] = acc[i] * x + y; \\
            UNROLL for (int i = 1; i < CHAINS; i++) \\
                acc[0] += acc[i]; \\
            return (double)((type *)&acc[0])[0]; \\
        }
    CHAIN(chains_f32, vec_f32, float)
    CHAIN(chains_f64, vec_f64, double)
    #undef CHAIN
    static volatile double kept; /* a result that is used cannot be left out */
    static void chains(size_t size, ptrdiff_t rounds)
    {
        kept = size == sizeof(float) ? chains_f32(rounds) : chains_f64(rounds);
    }
    """
    enum: CHAINS
    void chains(size_t size, Py_ssize_t rounds) nogil


def limit(real like, Py_ssize_t rounds):
    """Run `rounds` of multiply-adds in registers, of the type of `like`; return how many operations that were."""
    chains(sizeof(real), rounds)
    return 2 * CHAINS * lanes_of(sizeof(real)) * rounds


def tiles(real like, Py_ssize_t rounds, Py_ssize_t kc):
    """Run `rounds` of the whole tile over `kc` products; return how many operations that were."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), size = TILE_ROWS * (kc + width) + kc * width, _r
    cdef real *b = <real *> borrow("probe", size * sizeof(real))     # as a panel lies: on a cache line
    cdef real *a = b + kc * width
    cdef real *c = a + TILE_ROWS * kc
    cdef tile_finish finish = tile_finish(False, False, CHUNK, 0, 0, NULL, NULL, NULL, 0, 0, 1)
    memset(b, 0, size * sizeof(real))
    with nogil:
        for _r in range(rounds):
            tile(sizeof(real), TILE_ROWS, width, kc, a, kc, b, width, c, width, &finish)
    give_back(b)
    return 2 * TILE_ROWS * width * kc * rounds


cdef struct Gated:
    Py_ssize_t *begun
    Py_ssize_t *gates
    Py_ssize_t *last
    Py_ssize_t *cores


cdef void gated_piece(const Gated *c, Py_ssize_t i, Py_ssize_t *scratch) noexcept nogil:
    """Say when it began, and wait for its gate; after one that shared its scratch meanwhile they count from 0 again."""
    cdef Py_ssize_t order = atomic_add(c.last, 1) + 1
    if c.cores != NULL:
        c.cores[i] = this_core()
    atomic_add(&c.begun[i], order)
    atomic_add(scratch, order)
    while atomic_get(&c.gates[i]) == 0:
        PAUSE()
    if atomic_get(scratch) != order:
        atomic_add(c.last, -1 - atomic_get(c.last))
    atomic_add(scratch, -order)


def gated(Py_ssize_t[::1] begun, Py_ssize_t[::1] gates, int threads, Py_ssize_t[::1] cores=None):
    """Pieces of work that end when their gates are no longer 0; the order in which they began is added to `begun`, and
    `cores` becomes the one that each began on.

    Return how many began, or fewer if two of them had the same scratch; for tests.
    """
    cdef Py_ssize_t last = 0
    cdef Gated c = Gated(&begun[0], &gates[0], &last, NULL) if begun.shape[0] else Gated(NULL, NULL, &last, NULL)
    cdef char *scratch = borrow("probe", LINE * threads)
    memset(scratch, 0, LINE * threads)
    if cores is not None and cores.shape[0] == begun.shape[0] > 0:
        c.cores = &cores[0]
    with nogil:
        each_piece(<Piece> gated_piece, &c, begun.shape[0], threads, scratch, LINE)
    give_back(scratch)
    return last


def missed_after(double missed, double wall, double core):
    """`presence.still_missed`, for tests."""
    return still_missed(missed, wall, core)


def core_left(int least):
    """Leave the core that this thread is on if there are so many others; return which one that is, and the one it is on
    then; for tests."""
    cdef int core = this_core()
    leave_core(core, least)
    return core, this_core()


def constants():
    """Numbers of the kernels that Python's choices repeat, by the kernels' names; for tests."""
    return {
        "CHUNK": CHUNK, "LONG_SUM": LONG_SUM, "SMALL_MAP": SMALL_MAP, "KINDS": KINDS, "RING_MOST": RING_MOST,
        "LONGEST": LONGEST, "WHOLE": WHOLE, "MOST_RUNS": MOST_RUNS, "MOST_PARTS": MOST_PARTS,
        "LEAST_SHARED": LEAST_SHARED, "MOST_PHASES": MOST_PHASES, "PAIRED": PAIRED, "MOST_SHARED": MOST_SHARED,
        "NEAR_ROWS": NEAR_ROWS, "TALL": TALL,
        "STRIP_PIXELS": STRIP_PIXELS, "SHARING": SHARING, "UNSEEN_ROWS": UNSEEN_ROWS,
    }
