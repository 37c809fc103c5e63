"""Threads that compute pieces of work, of all kernels and callers; a module of no level, since there must be only one.

    each_piece(<Piece> one_piece, &call, pieces, threads, scratch, each)

runs `one_piece(&call, i, its thread's scratch)` for each i, on the thread that calls and on up to `threads - 1`
workers, which sleep or have just ended something else. Pieces are divided evenly: a thread takes its own share first,
piece by piece, and then what others have not begun,

    shares        | 0 1 2 3 4 | 5 6 7 8 9 |       so that what one call leaves in a core's cache the next one finds
    thread 1 done | 0 1 . . . |           |       there if it divides the same, and no core waits long for one that
    it takes          2                           is slower

and which thread computes a piece changes no bit of it. A call never waits for a thread to come: where other processes
have the cores, it goes through all pieces itself, and a worker that comes too late finds nothing to do. It waits only
for who has come and not left.

A job is one word that all threads change atomically: seats that are left, threads that are active, whether it is open,
and whether its caller sleeps until the last thread leaves. Its memory is never freed, so that a worker may look at any
job at any time. There are as many jobs as calls can be under way on several threads at once; others stay alone.

A call may open ten jobs in fifty microseconds, and a line that another core wrote last takes 0.05 to 0.25 of one to
come. So who takes a seat finds all that the job says in the line of its word and reads it once, those who look for work
look at a line that hardly anybody writes but who opens a job, and how many are idle follows from the jobs' words.

Who opens a job wakes a worker if those that are idle are fewer than free seats, and each worker that finds this wakes
two before it takes a seat, since to wake one takes a call of the system and tens of microseconds. So a worker also
looks for work for tens of milliseconds before it sleeps; but not where there are more of them than cores, nor while
other processes want the core: who sleeps soon gets it sooner than who has used up its time, and is then less often
stopped in the middle of a piece, and who finds itself on the core of a job's caller goes to another (`presence.pxd`).
Workers are as many as the cores or as the most threads of any call, less the one that calls.
"""

from libc.stdlib cimport calloc

from fastconv._kernels.heap cimport LINE, round_up
from fastconv._kernels.patience cimport Patience, patience, waits
from fastconv._kernels.presence cimport Presence, begins, has_core, has_slept, leave_caller
from fastconv._kernels.thread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_release_lock,
    PyThread_type_lock,
    held_lock,
    this_core,
    thread_begins,
)

cdef enum:
    JOBS = 16
    MOST = 256                  # threads of a call: more have never helped
    SHARES = 64
    # Microseconds for which a thread looks for what it waits for:
    LOOKS = 30000               # a worker before it sleeps,
    LOOKS_SOON = 3              # and before it asks how long it had a core, which takes a tenth of that
    LOOKS_AT_END = 600          # a caller: longer than most pieces take
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


# Each of these fills cache lines of its own, on a 64-bit system.
cdef struct Share:              # of the pieces
    Py_ssize_t next, end
    Py_ssize_t[6] _line


cdef struct Job:
    Py_ssize_t state
    Piece piece
    const void *call
    char *scratch
    Py_ssize_t each
    short threads, shares
    int core                    # that its caller was on when it opened the job
    PyThread_type_lock ended    # held, but when the last thread has left a caller that sleeps
    Share *share


cdef struct Worker:
    Py_ssize_t state
    PyThread_type_lock wakes    # held, but when somebody has woken this one
    Py_ssize_t[6] _line


cdef struct Team:
    Py_ssize_t opened           # jobs so far: a worker that has found none waits for this to change
    Py_ssize_t awake            # workers that are
    Py_ssize_t widest           # the most threads that a call had
    Py_ssize_t[5] _line
    Job[JOBS] job
    Share[JOBS * SHARES] share
    Worker[MOST] worker         # from 1 on: who calls is thread 0


cdef Team *team = NULL
cdef int cores = 1
MOST_THREADS, MOST_JOBS = MOST, JOBS


cdef int form_team() except -1:
    global team
    cdef int number
    cdef char *memory = <char *> calloc(1, sizeof(Team) + LINE)
    if memory == NULL:
        raise MemoryError("fastconv: no memory for the team of threads")
    team = <Team *> (memory + round_up(<Py_ssize_t> memory, LINE) - <Py_ssize_t> memory)
    for number in range(JOBS):
        team.job[number].share = &team.share[number * SHARES]
        team.job[number].ended = held_lock()
    for number in range(1, MOST):
        team.worker[number].wakes = held_lock()
    return 0


form_team()


def set_cores(int count):
    """How many cores this process may use: as many workers and callers there may be without a call that asks for more;
    those beyond sleep without looking around."""
    global cores
    cores = min(count, MOST)


def stay_alone():
    """No call finds a job from now on; for a forked child, which has no workers."""
    cdef int number
    for number in range(JOBS):
        team.job[number].state = TAKEN


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
        if atomic_get(&team.job[i].state) == 0 and atomic_replace(&team.job[i].state, 0, TAKEN):
            return &team.job[i]
    return NULL


cdef void open_job(Job *job, Py_ssize_t pieces, int threads) noexcept nogil:
    """Divide the pieces, and let others come."""
    cdef Py_ssize_t i, widest = atomic_get(&team.widest)
    job.threads, job.shares, job.core = threads, min(threads, SHARES), this_core()
    for i in range(job.shares):
        job.share[i].next, job.share[i].end = pieces * i // job.shares, pieces * (i + 1) // job.shares
    while widest < threads and not atomic_replace(&team.widest, widest, threads):
        widest = atomic_get(&team.widest)
    atomic_add(&job.state, OPEN + SEAT * (threads - 1))
    atomic_add(&team.opened, 1)
    wake(1)


cdef void work(Job *job, Py_ssize_t thread, Py_ssize_t first) noexcept nogil:
    """Pieces of the first share, and then of others, until all are begun."""
    cdef Piece piece = job.piece
    cdef const void *call = job.call
    cdef char *scratch = job.scratch + thread * job.each
    cdef int s, shares = job.shares
    cdef Py_ssize_t i
    cdef Share *share
    for s in range(shares):
        share = &job.share[(first + s) % shares]
        while atomic_get(&share.next) < share.end:
            i = atomic_add(&share.next, 1)
            if i < share.end:
                piece(call, i, scratch)


cdef void end(Job *job) noexcept nogil:
    """Let nobody come any more, and wait for who is there."""
    cdef Patience p = patience(LOOKS_AT_END if job.threads <= cores else 0)
    atomic_add(&job.state, -OPEN)
    while atomic_get(&job.state) >= ACTIVE and waits(&p):
        PAUSE()
    if atomic_add(&job.state, WAITING) >= ACTIVE:
        PyThread_acquire_lock(job.ended, WAIT_LOCK)
    atomic_add(&job.state, -atomic_get(&job.state))     # to 0: nobody else changes what is closed and left


cdef void leave(Job *job) noexcept nogil:
    cdef Py_ssize_t before = atomic_add(&job.state, -ACTIVE)
    if before & WAITING and before < 2 * ACTIVE:
        PyThread_release_lock(job.ended)


cdef inline Py_ssize_t seats_of(Py_ssize_t state) noexcept nogil:
    return state % ACTIVE // SEAT if state & OPEN else 0


cdef Py_ssize_t take_seat(Job *job) noexcept nogil:
    """Which thread of a job this worker becomes, from 1 on; 0 if there is no seat."""
    cdef Py_ssize_t state = atomic_get(&job.state)
    while seats_of(state) > 0:
        if atomic_replace(&job.state, state, state - SEAT + ACTIVE):
            return seats_of(state)
        state = atomic_get(&job.state)
    return 0


cdef void wake(int most) noexcept nogil:
    """Have workers come that sleep or were never begun, while those that are idle are fewer than free seats."""
    cdef Py_ssize_t number, state, wanted = 0, i, end = max(<Py_ssize_t> cores, atomic_get(&team.widest))
    cdef Worker *w
    if atomic_get(&team.awake) >= end - 1:
        return
    for i in range(JOBS):
        state = atomic_get(&team.job[i].state)
        wanted += seats_of(state) + state // ACTIVE     # who is active is awake and not idle
    for number in range(1, end):
        if most == 0 or atomic_get(&team.awake) >= wanted:
            return
        w = &team.worker[number]
        if atomic_get(&w.state) == ASLEEP and atomic_replace(&w.state, ASLEEP, AWAKE):
            atomic_add(&team.awake, 1)
            PyThread_release_lock(w.wakes)
            most -= 1
        elif atomic_get(&w.state) == ABSENT and atomic_replace(&w.state, ABSENT, AWAKE):
            atomic_add(&team.awake, 1)
            if not thread_begins(serve, w):             # a later call tries again
                atomic_add(&team.awake, -1)
                atomic_add(&w.state, ABSENT - AWAKE)
                return
            most -= 1


cdef bint finds_more(Py_ssize_t seen, int microseconds) noexcept nogil:
    """Whether more jobs are opened than were seen, within this time."""
    cdef Patience p = patience(microseconds)
    while atomic_get(&team.opened) == seen and waits(&p):
        PAUSE()
    return atomic_get(&team.opened) != seen


cdef void sleep(Worker *w, Py_ssize_t seen) noexcept nogil:
    """Until somebody wakes this worker, or not at all if a job is opened meanwhile."""
    atomic_add(&team.awake, -1)
    atomic_add(&w.state, ASLEEP - AWAKE)
    if atomic_get(&team.opened) != seen and atomic_replace(&w.state, ASLEEP, AWAKE):
        atomic_add(&team.awake, 1)
    else:
        PyThread_acquire_lock(w.wakes, WAIT_LOCK)


cdef void serve(void *worker) noexcept nogil:
    """What a worker does for the rest of the process."""
    cdef Worker *w = <Worker *> worker
    cdef Py_ssize_t number = w - team.worker, seen, thread, i
    cdef Presence presence = begins()
    cdef Job *job
    while True:
        seen = atomic_get(&team.opened)
        wake(2)                                         # before it takes a seat: its caller waits for who has one
        for i in range(JOBS):
            job = &team.job[i]
            if seats_of(atomic_get(&job.state)) > 0:
                leave_caller(&presence, job.core, number)
            thread = take_seat(job)
            if thread > 0:
                work(job, thread, number if number < job.shares else thread)
                leave(job)
        if finds_more(seen, LOOKS_SOON if number < cores else 0):
            continue
        if not finds_more(seen, LOOKS if has_core(&presence) and number < cores else 0):
            sleep(w, seen)
            has_slept(&presence)
