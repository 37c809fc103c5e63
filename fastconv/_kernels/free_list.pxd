"""Blocks of kept memory and the list of those that are free, for `heap.pyx`."""


cdef struct Block:              # the line before its memory
    Block *before               # neighbours in its mapping
    Block *after
    Block *older                # among the free
    Block *newer
    Py_ssize_t bytes            # with this line; of `malloc` without it
    void *allocated             # by `malloc`, else NULL
    bint is_free
    Block *whole                # of the line before memory that begins later in a block: that block; else this one


cdef struct FreeList:
    Block *oldest
    Block *newest


cdef inline void cut(FreeList *spare, Block *block, Py_ssize_t bytes) noexcept:
    """Leave so many bytes of a block; the rest is a free block after it."""
    cdef Block *rest = <Block *> (<char *> block + bytes)
    rest.before, rest.after = block, block.after
    rest.bytes, rest.allocated = block.bytes - bytes, NULL
    if rest.after != NULL:
        rest.after.before = rest
    block.after, block.bytes = rest, bytes
    link(spare, rest)


cdef inline void join(Block *block) noexcept:
    """Add the block after this one to it."""
    block.bytes += block.after.bytes
    block.after = block.after.after
    if block.after != NULL:
        block.after.before = block


cdef inline void link(FreeList *spare, Block *block) noexcept:
    """Make a block the newest of the free."""
    block.is_free, block.newer, block.older = True, NULL, spare.newest
    if spare.newest != NULL:
        spare.newest.newer = block
    else:
        spare.oldest = block
    spare.newest = block


cdef inline void unlink(FreeList *spare, Block *block) noexcept:
    if block.newer != NULL:
        block.newer.older = block.older
    else:
        spare.newest = block.older
    if block.older != NULL:
        block.older.newer = block.newer
    else:
        spare.oldest = block.newer


cdef inline Block *smallest(const FreeList *spare, Py_ssize_t size) noexcept:
    """The smallest free block of `size` bytes or more, the newest of equals; NULL if there is none."""
    cdef Block *block = spare.newest
    cdef Block *best = NULL
    while block != NULL:
        if block.bytes >= size and (best == NULL or block.bytes < best.bytes):
            best = block
        block = block.older
    return best
