"""Threads that compute pieces of work, of all kernels and callers; a module of no level, since there must be only one.

    each_piece(<Piece> one_piece, &call, pieces, threads, scratch, each)

runs `one_piece(&call, i, its thread's scratch)` for each i, on the thread that calls and on up to `threads - 1` of the
team's, which sleep or have just ended something else. Pieces are divided evenly: a thread takes its own share first,
piece by piece, and then what others have not begun,

    shares        | 0 1 2 3 4 | 5 6 7 8 9 |       so that what one call leaves in a core's cache the next one finds
    thread 1 done | 0 1 . . . |           |       there if it divides the same, and no core waits long for one that
    it takes          2                           is slower

and which thread computes a piece changes no bit of it. A call never waits for a thread to come: where other processes
have the cores, it goes through all pieces itself, and a thread that comes too late finds nothing to do. It waits only
for pieces that others are in the middle of.

A job is one word that all threads change atomically: seats that are left, threads that are active, whether it is open,
and whether its caller sleeps until the last thread leaves. Its memory is never freed, so that a thread may look at any
job at any time. There are as many jobs as calls can be under way on several threads at once; others stay alone.

Threads wake each other, thread k the threads 2k and 2k + 1, since to wake one takes a call of the system. Who waits
looks for a while before it sleeps, unless there are more threads than cores. Threads are Python's own, by its portable
interface, but know nothing of Python: they neither need the GIL nor keep a process from its end.
"""

cdef extern from "<pythread.h>" nogil:        # none of these needs the GIL
    ctypedef void *PyThread_type_lock
    enum: WAIT_LOCK
    const unsigned long PYTHREAD_INVALID_THREAD_ID
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
    void PyThread_release_lock(PyThread_type_lock lock)
    unsigned long PyThread_start_new_thread(void (*function)(void *) noexcept nogil, void *argument)

cdef enum:
    JOBS = 16
    MOST = 256                  # threads of a call: more have never helped
    SHARES = 64
    LOOKS = 4000                # of one who waits, before it sleeps: 100 to 200 us
    # Of a job's state:
    OPEN = 1
    TAKEN = 2                   # by a call
    WAITING = 4                 # its caller sleeps
    SEAT = 8                    # times how many more threads may come
    ACTIVE = 1 << 16            # times how many have come and not left
    # Of a worker's:
    ABSENT = 0
    AWAKE = 1
    ASLEEP = 2


cdef struct Share:              # of the pieces, in a cache line of its own
    Py_ssize_t next, end
    Py_ssize_t[6] _line


cdef struct Job:
    Py_ssize_t state
    Py_ssize_t[7] _line
    Piece piece
    const void *call
    char *scratch
    Py_ssize_t each
    int threads, shares
    PyThread_type_lock ended    # held, but when the last thread has left a caller that sleeps
    Share[SHARES] of


cdef struct Worker:
    Py_ssize_t state
    PyThread_type_lock wakes    # held, but when somebody has woken this one
    Py_ssize_t[6] _line


cdef Job[JOBS] jobs
cdef Worker[MOST] workers       # from 1 on: a caller is thread 0
cdef Py_ssize_t opened = 0      # jobs so far: a worker that looks for one waits for this to change
cdef int cores = 1
MOST_THREADS = MOST


cdef PyThread_type_lock held_lock() noexcept nogil:
    """A new lock that is held, or NULL."""
    cdef PyThread_type_lock lock = PyThread_allocate_lock()
    if lock != NULL:
        PyThread_acquire_lock(lock, WAIT_LOCK)
    return lock


def set_cores(int count):
    """How many cores this process may use: threads beyond them do not look around before they sleep."""
    global cores
    cores = count


cdef void each_piece(Piece piece, const void *call, Py_ssize_t pieces, int threads, void *scratch=NULL,
                     Py_ssize_t each=0) noexcept nogil:
    """Run all pieces of a call, which has `each` bytes of scratch for each thread."""
    cdef Py_ssize_t i
    cdef Job *job = free_job() if threads > 1 and pieces > 1 else NULL
    if job == NULL:
        for i in range(pieces):
            piece(call, i, scratch)
        return
    job.piece, job.call, job.scratch, job.each = piece, call, <char *> scratch, each
    open_job(job, pieces, <int> min(min(threads, MOST), pieces))
    work(job, 0, 0)
    end(job)


cdef Job *free_job() noexcept nogil:
    """A job that is this call's now, or NULL."""
    cdef Py_ssize_t i
    for i in range(JOBS):
        if atomic_get(&jobs[i].state) == 0 and atomic_replace(&jobs[i].state, 0, TAKEN):
            if jobs[i].ended == NULL:
                jobs[i].ended = held_lock()
            if jobs[i].ended != NULL:
                return &jobs[i]
            atomic_add(&jobs[i].state, -TAKEN)
    return NULL


cdef void open_job(Job *job, Py_ssize_t pieces, int threads) noexcept nogil:
    """Divide the pieces, and let others come."""
    cdef Py_ssize_t i
    job.threads, job.shares = threads, min(threads, SHARES)
    for i in range(job.shares):
        job.of[i].next, job.of[i].end = pieces * i // job.shares, pieces * (i + 1) // job.shares
    atomic_add(&job.state, OPEN + SEAT * (threads - 1))
    atomic_add(&opened, 1)
    wake(1, threads)


cdef void work(Job *job, Py_ssize_t thread, Py_ssize_t share) noexcept nogil:
    """Pieces of a share, and then of others, until all are begun."""
    cdef char *scratch = job.scratch + thread * job.each
    cdef Py_ssize_t s, i
    cdef Share *own
    for s in range(job.shares):
        own = &job.of[(share + s) % job.shares]
        while atomic_get(&own.next) < own.end:
            i = atomic_add(&own.next, 1)
            if i < own.end:
                job.piece(job.call, i, scratch)


cdef void end(Job *job) noexcept nogil:
    """Let nobody come any more, and wait for who is there."""
    cdef Py_ssize_t looks = LOOKS if job.threads <= cores else 0
    atomic_add(&job.state, -OPEN)
    while atomic_get(&job.state) >= ACTIVE and looks > 0:
        PAUSE()
        looks -= 1
    if atomic_add(&job.state, WAITING) >= ACTIVE:
        PyThread_acquire_lock(job.ended, WAIT_LOCK)
    atomic_add(&job.state, -atomic_get(&job.state))


cdef void leave(Job *job) noexcept nogil:
    cdef Py_ssize_t before = atomic_add(&job.state, -ACTIVE)
    if before & WAITING and before < 2 * ACTIVE:
        PyThread_release_lock(job.ended)


cdef Py_ssize_t join(Job *job) noexcept nogil:
    """Which thread of a job this one becomes, from 1 on; 0 if there is no seat."""
    cdef Py_ssize_t state = atomic_get(&job.state), seats = state % ACTIVE // SEAT
    while state & OPEN and seats > 0:
        if atomic_replace(&job.state, state, state - SEAT + ACTIVE):
            return seats
        state = atomic_get(&job.state)
        seats = state % ACTIVE // SEAT
    return 0


cdef void wake(Py_ssize_t number, Py_ssize_t threads) noexcept nogil:
    """Have worker `number` come if it sleeps or was never begun, and otherwise those that it would wake."""
    cdef Worker *w = &workers[number]
    if number >= threads:
        return
    if atomic_get(&w.state) == ASLEEP and atomic_replace(&w.state, ASLEEP, AWAKE):
        PyThread_release_lock(w.wakes)
    elif atomic_get(&w.state) == ABSENT and atomic_replace(&w.state, ABSENT, AWAKE):
        if not begin(w):
            atomic_add(&w.state, ABSENT - AWAKE)
    else:
        wake(2 * number, threads)
        wake(2 * number + 1, threads)


cdef bint begin(Worker *w) noexcept nogil:
    """Start a worker's thread; False where the system has no more."""
    if w.wakes == NULL:
        w.wakes = held_lock()
    return w.wakes != NULL and PyThread_start_new_thread(serve, w) != PYTHREAD_INVALID_THREAD_ID


cdef void serve(void *worker) noexcept nogil:
    """What a worker does for the rest of the process."""
    cdef Worker *w = <Worker *> worker
    cdef Py_ssize_t number = w - workers, most = LOOKS if number < cores else 0, looks = most, seen, i, thread
    cdef Job *job
    while True:
        seen = atomic_get(&opened)
        for i in range(JOBS):
            job = &jobs[i]
            thread = join(job)
            if thread > 0:
                wake(2 * number, job.threads)
                wake(2 * number + 1, job.threads)
                work(job, thread, number if number < job.shares else thread)
                leave(job)
                looks = most
        while looks > 0 and atomic_get(&opened) == seen:
            PAUSE()
            looks -= 1
        if atomic_get(&opened) != seen:
            continue
        atomic_add(&w.state, ASLEEP - AWAKE)
        if atomic_get(&opened) == seen or not atomic_replace(&w.state, ASLEEP, AWAKE):
            PyThread_acquire_lock(w.wakes, WAIT_LOCK)
        looks = most
