"""How near the register tile comes to the core's limit: both run here, in one program, for `fastconv info --measure`.

The limit is what chains of multiply-adds between registers reach, with as many chains as the tile has accumulators; the
tile works on operands that stay in L1, as those of a convolution do.
"""

from libc.string cimport memset

from fastconv._kernels.heap cimport give_back
from fastconv._kernels.queue cimport Queue, claim, queue_fill, queue_late, share_out
from fastconv._kernels.scratch cimport borrow
from fastconv._kernels.shape cimport real
from fastconv._kernels.tile cimport CHUNK, TILE_ROWS, tile, tile_finish, tile_width

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
    return 2 * CHAINS * (tile_width(sizeof(real)) // 2) * rounds


def tiles(real like, Py_ssize_t rounds, Py_ssize_t kc):
    """Run `rounds` of the whole tile over `kc` products; return how many operations that were."""
    cdef Py_ssize_t width = tile_width(sizeof(real)), size = TILE_ROWS * (kc + width) + kc * width, _r
    cdef real *b = <real *> borrow("probe", size * sizeof(real))     # as a panel lies: on a cache line
    cdef real *a = b + kc * width
    cdef real *c = a + TILE_ROWS * kc
    cdef tile_finish finish = tile_finish(False, False, CHUNK, 0, 0, NULL, NULL)
    memset(b, 0, size * sizeof(real))
    with nogil:
        for _r in range(rounds):
            tile(sizeof(real), TILE_ROWS, width, kc, a, kc, b, width, c, width, &finish)
    give_back(b)
    return 2 * TILE_ROWS * width * kc * rounds


def claims(Py_ssize_t pieces, int threads, turns):
    """Which of so many pieces of work each thread gets that asks in its turn, -1 for none; for tests."""
    cdef Queue queue
    cdef Py_ssize_t[2] never
    never[0] = never[1] = 0
    queue_fill(&queue, pieces, threads, never)      # whether threads of calls before came late or not
    return [claim(&queue, thread) for thread in turns]


def team(int threads, late=None):
    """How many of so many threads are to come; the second calls `late` before it asks for a piece; for tests."""
    cdef Queue queue
    share_out(&queue, 0, threads)
    if late is not None and queue.threads > 1:
        late()
        claim(&queue, 1)
    return queue.threads


def alone(Py_ssize_t since, Py_ssize_t now, Py_ssize_t until, Py_ssize_t span):
    """Until when calls stay alone, and for how long, once a thread comes `now`; both were said before; for tests."""
    cdef Py_ssize_t[2] said
    said[0], said[1] = until, span
    queue_late(said, since, now)
    return said[0], said[1]
