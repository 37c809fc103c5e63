"""Memory that is kept between calls: what held a result or scratch of one call serves the next.

Fresh memory is cleared page by page when it is first written, which takes longer than to compute many a layer, and
`malloc` gives large blocks back to the operating system at once. Here they are kept, in mappings of whole huge pages
that are cut into blocks and joined again:

    mapping    | line block ... | line block ....... | line block |      a line before each says what it is
                 in use           free: among `oldest` ... `newest`      neighbours that are free are one block

Who takes memory may choose where in a page it begins; a line before it says of which block it is.

A request takes the smallest free block that holds it, of equals the newest. Kept are, together with the blocks in use,

    at most a quarter and 32 MiB more than was in use at once, in this period and the one before, and
    at most `most_kept` beyond what is in use,

so that a process never becomes much larger than its largest need made it, and memory that nobody asks for goes after a
while. Free huge pages are marked for the operating system to take if it runs short: all that are free when a period
ends, and at once those of a large block that is given back, but for as many bytes as were marked and taken again since
the period began. To mark what the next call writes takes a tenth of many a call, and interrupts the other threads'
cores. Less than `least_large` bytes come from `malloc`, whose own lists serve these. All of this happens with the GIL,
which is the lock.
"""

from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastconv._kernels.free_list cimport Block, FreeList, cut, join, link, smallest, unlink

cdef extern from "pages.h":
    enum: HUGE_PAGE, PAGES
    void *pages_map(size_t bytes) noexcept
    void pages_unmap(void *memory, size_t bytes) noexcept
    void pages_forget(void *begin, void *end) noexcept
    Py_ssize_t pages_grain() noexcept
    Py_ssize_t pages_seconds() noexcept

cdef enum:
    SLACK = 1 << 25             # bytes
    PERIOD = 10                 # seconds


cdef Py_ssize_t MOST = <Py_ssize_t> (<size_t> -1 >> 3)    # bytes in a block, so that no sum of sizes overflows
cdef FreeList spare = FreeList(NULL, NULL)
cdef Py_ssize_t mapped = 0, in_use = 0
cdef Py_ssize_t most = 0, most_before = 0, since = 0    # in use at once, in this period and the last; its start
cdef Py_ssize_t retaken = 0     # bytes that were marked and taken again in this period,
cdef Py_ssize_t unmarked = 0    # and that are free without being marked
cdef Py_ssize_t most_kept = (<Py_ssize_t> 1 << 30) if PAGES else 0
cdef Py_ssize_t grain = pages_grain()                   # blocks are cut in multiples of it
cdef Py_ssize_t least_large = 1 << 15
cdef bint filled = False


cdef bint is_large(Py_ssize_t bytes) noexcept:
    """Whether so many bytes come from kept memory."""
    return bytes >= least_large and most_kept > 0


cdef void *take(Py_ssize_t bytes) noexcept:
    """So many bytes from a cache line on, of any content; NULL if there is no such memory."""
    return take_at(bytes, LINE)


cdef void *take_at(Py_ssize_t bytes, Py_ssize_t place) noexcept:
    """The same, from this place in a page on where they are large: a line's, LINE to PAGE."""
    cdef Block *block
    cdef char *memory
    if not 0 <= bytes <= MOST:
        return NULL
    block = large(bytes) if is_large(bytes) else NULL
    if block == NULL:                       # of what is scarce, `malloc` needs no whole huge pages
        block, place = small(bytes), LINE
    if block == NULL:
        return NULL
    memory = <char *> block + place
    (<Block *> (memory - LINE)).whole = block
    if filled:
        memset(memory, 0xFF, bytes)
    return memory


cdef inline Block *block_of(void *memory) noexcept:
    return (<Block *> (<char *> memory - LINE)).whole


cdef void give_back(void *memory) noexcept:
    """What `take` or `resize` returned, or NULL."""
    cdef Block *block
    if memory == NULL:
        return
    block = block_of(memory)
    if block.allocated != NULL:
        free(block.allocated)
        return
    in_use_changes(-block.bytes)
    set_free(block)
    trim(0)


cdef void *resize(void *memory, Py_ssize_t bytes) noexcept:
    """As `realloc`: the content stays as far as it fits; NULL leaves all as it was."""
    cdef Block *block
    cdef Py_ssize_t held
    cdef void *other
    if memory == NULL:
        return take(bytes)
    block = block_of(memory)
    held = block.bytes - (0 if block.allocated != NULL else <char *> memory - <char *> block)
    if held // 2 <= bytes <= held:
        return memory
    other = take(bytes)
    if other != NULL:
        memcpy(other, memory, min(held, bytes))
        give_back(memory)
    return other


cdef Block *small(Py_ssize_t bytes) noexcept:
    cdef char *memory = <char *> malloc(bytes + 2 * LINE)
    cdef Block *block = <Block *> round_up(<Py_ssize_t> memory, LINE)
    if memory == NULL:
        return NULL
    block.allocated, block.bytes = memory, bytes
    return block


cdef Block *large(Py_ssize_t bytes) noexcept:
    cdef Py_ssize_t size = round_up(bytes + PAGE, grain)    # whatever the place, so that one fits where another was
    cdef Block *block = smallest(&spare, size)
    if block != NULL:
        take_again(size)
    else:
        block = new(size)
    if block == NULL:
        return NULL
    unlink(&spare, block)
    if block.bytes > size:
        cut(&spare, block, size)
    block.is_free = False
    in_use_changes(block.bytes)
    return block


cdef void take_again(Py_ssize_t size) noexcept:
    """Count so many bytes as not marked as long as there are such, and then as marked."""
    global retaken, unmarked
    cdef Py_ssize_t known = min(size, unmarked)
    if size >= HUGE_PAGE:
        unmarked -= known
        retaken += size - known


cdef Block *new(Py_ssize_t size) noexcept:
    """A new mapping as a free block, for which other free ones go if need be."""
    global mapped
    cdef Py_ssize_t bytes = round_up(size, HUGE_PAGE)
    cdef Block *block
    trim(bytes)
    block = <Block *> pages_map(bytes)
    if block == NULL:
        shrink(0)
        block = <Block *> pages_map(bytes)
    if block == NULL:
        return NULL
    mapped += bytes
    block.before = block.after = NULL
    block.bytes, block.allocated = bytes, NULL
    link(&spare, block)
    return block


cdef void in_use_changes(Py_ssize_t by) noexcept:
    global in_use, most, most_before, since
    cdef Py_ssize_t now = pages_seconds()
    if now - since >= PERIOD:
        most_before, most, since = most, in_use, now
        mark_free()
    in_use += by
    most = max(most, in_use)


cdef void mark_free() noexcept:
    """Leave all that is free to the system."""
    global retaken, unmarked
    cdef Block *block = spare.newest
    retaken = unmarked = 0
    while block != NULL:
        pages_forget(<char *> block + LINE, <char *> block + block.bytes)
        block = block.older


cdef void trim(Py_ssize_t more) noexcept:
    """Unmap what is not to be kept once `more` bytes are mapped and in use."""
    cdef Py_ssize_t needed = max(most, most_before, in_use + more)
    shrink(min(needed + needed // 4 + SLACK, in_use + more + most_kept) - more)


cdef void shrink(Py_ssize_t target) noexcept:
    """Unmap free blocks, the oldest first, of the last one only the end, until no more than `target` is mapped."""
    global mapped, unmarked
    cdef Block *block
    cdef Py_ssize_t rest
    while mapped > target and spare.oldest != NULL:
        block = spare.oldest
        rest = <Py_ssize_t> ((<uintptr_t> block + block.bytes - (mapped - target)) // HUGE_PAGE * HUGE_PAGE
                             - <uintptr_t> block)
        if 0 < rest < block.bytes:
            cut(&spare, block, rest)
            block = block.after
        unlink(&spare, block)
        if block.before != NULL:
            block.before.after = NULL
        if block.after != NULL:
            block.after.before = NULL
        mapped -= block.bytes
        unmarked -= min(unmarked, block.bytes)
        pages_unmap(block, block.bytes)


cdef void set_free(Block *block) noexcept:
    """Join a block with its free neighbours; the huge pages that it filled or completes may be forgotten."""
    global unmarked
    cdef char *begin = <char *> block + LINE
    cdef char *end = <char *> block + block.bytes
    cdef Py_ssize_t bytes = block.bytes
    if block.after != NULL and block.after.is_free:
        end = min(end + HUGE_PAGE, end + block.after.bytes)
        unlink(&spare, block.after)
        join(block)
    if block.before != NULL and block.before.is_free:
        block = block.before
        begin = max(begin - HUGE_PAGE, <char *> block + LINE)
        unlink(&spare, block)
        join(block)
    link(&spare, block)
    if bytes >= HUGE_PAGE:
        if unmarked + bytes <= retaken:
            unmarked += bytes
        else:
            pages_forget(begin, end)


def keep_at_most(Py_ssize_t bytes):
    """Keep so many bytes beyond what is in use; none for 0, and then large blocks are `malloc`'s too."""
    global most_kept
    most_kept = min(bytes, MOST) if PAGES else 0
    trim(0)


def release():
    """Unmap all that is free."""
    shrink(0)


def state():
    """How many bytes are mapped, and how many of these in use."""
    return mapped, in_use


# For tests:
def large_from(Py_ssize_t bytes):
    """Keep what has so many bytes or more; returns what that was before."""
    global least_large
    before, least_large = least_large, bytes
    return before


def refuse_beyond(Py_ssize_t bytes):
    """Have no memory for more bytes at a time; returns what that was before."""
    global MOST
    before, MOST = MOST, bytes
    return before


def fill(bint on):
    """Fill what is handed out with ones, NaN in any type, which shows who reads what nobody wrote."""
    global filled
    before, filled = filled, on
    return before


def pass_period():
    """Let the next call find that a period is over."""
    global since
    since -= PERIOD
