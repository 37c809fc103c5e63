"""The door: a call like an earlier one goes straight to its kernel.

What `_arrays` decides of an array depends on its type, shape, strides and alignment, and what a plan decides on shapes
and settings. So where all of these are as in an earlier call, and the arrays of that one were used as they lay, its
kernel is called at once, for a result that lies as the earlier one did. No rule is written here: what is not known goes
the long way, through `_conv`, `_pool_plan` and their like, which make it known.

    again      key of the arrays, settings  ->  what is known  ->  result or two, kernel
    settled    settings that nobody can change, at the beginning of the long way
    remember   at the end of the long way

The long way takes 4 us beside the kernel and this one 0.4 (asv_bench/peers.py --family tiny).
"""

cimport numpy as np
from cpython.number cimport PyNumber_Index
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.string cimport memcmp

from fastconv._memory cimport behind, end, is_large, lend
from fastconv._threads import get_num_threads

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(PyTypeObject *kind, np.dtype stolen, int ndim, const np.npy_intp *shape,
                                const np.npy_intp *strides, void *data, int flags, PyObject *like)
    bint PyArray_IsIntegerScalar(object value)

np.import_array()

cdef enum:
    SLOTS = 256         # calls that are known at a time: more than a network has layers
    AXES = 5
    FIELDS = 48         # of a key: of four arrays the number of axes, type, shape and strides
    LONGEST = 8         # sequence that is a setting
    DEEPEST = 3         # settings are a tuple, of paddings, of pairs


cdef struct Key:
    Py_ssize_t length
    Py_ssize_t field[FIELDS]


cdef class Result:
    """An array to be made."""
    cdef np.dtype dtype
    cdef np.npy_intp strides[AXES]
    cdef bint is_large
    cdef Py_ssize_t behind              # what it is computed from


cdef class Call:
    """What is known of the calls that have one key and the same settings."""
    cdef Key key
    cdef tuple settings, dtypes         # the types of operands are kept because the key holds their addresses
    cdef object plan, run, geometry, packing
    cdef object first, second           # what the kernel takes last, before the threads
    cdef bint takes_two                 # operands: weights, places of maxima or a gradient besides the input
    cdef Py_ssize_t threads             # that it is worth
    cdef int ndim                       # of a result
    cdef np.npy_intp shape[AXES]
    cdef Result result, places          # the latter, where a maximum was, may be None


cdef list known = [None] * SLOTS


def cache_clear():
    """Forget all; for `_cpu`, when kernels of another level come into use."""
    known[:] = [None] * SLOTS


cdef bint add(Key *key, value):
    """Add what decides how an operand is used; False if it is not an array that may be used as it lies."""
    cdef Py_ssize_t *to = key.field + key.length
    cdef np.ndarray array
    cdef int axis, n
    if value is None:
        to[0] = -1
        key.length += 1
        return True
    if not np.PyArray_CheckExact(value):
        return False
    array = <np.ndarray> value
    n = np.PyArray_NDIM(array)
    if n > AXES or not np.PyArray_ISBEHAVED_RO(array):      # aligned, native
        return False
    to[0] = n
    to[1] = <Py_ssize_t> <void *> np.PyArray_DESCR(array)
    for axis in range(n):
        to[2 + axis] = np.PyArray_DIM(array, axis)
        to[2 + n + axis] = np.PyArray_STRIDE(array, axis)
    key.length += 2 + 2 * n
    return True


cdef bint read(Key *key, x, w, b, out):
    """Fill the key; False if no call with these can be known."""
    key.length = 0
    return add(key, x) and add(key, w) and add(key, b) and (out is None or add(key, out))


cdef struct Extent:
    size_t first, end       # addresses


cdef Extent extent(np.ndarray array):
    """Between which addresses the elements of an array lie; of an empty one some more."""
    cdef size_t address = <size_t> np.PyArray_DATA(array)
    cdef Extent its = Extent(address, address + np.PyArray_ITEMSIZE(array))
    cdef np.npy_intp last
    for axis in range(np.PyArray_NDIM(array)):
        last = (np.PyArray_DIM(array, axis) - 1) * np.PyArray_STRIDE(array, axis)
        if last < 0:
            its.first += last
        else:
            its.end += last
    return its


cdef bint may_write(np.ndarray out, tuple operands):
    """Whether a kernel may write to `out`: it is not read-only, and ends before each operand begins or the reverse."""
    cdef Extent own = extent(out), its
    if not np.PyArray_ISWRITEABLE(out):
        return False
    for operand in operands:
        if operand is not None:
            its = extent(operand)
            if own.first < its.end and its.first < own.end:
                return False
    return True


cdef Py_ssize_t slot(const Key *key, tuple settings) except -1:
    cdef size_t mixed = <size_t> hash(settings)
    cdef Py_ssize_t i
    for i in range(key.length):
        mixed = mixed * 31 + <size_t> key.field[i]
    return <Py_ssize_t> ((mixed ^ mixed >> 32) % SLOTS)


cdef bint fixed(tuple settings):
    """Whether all are plain numbers, names, True, False, None or tuples of these: nothing that can change."""
    for value in settings:
        if type(value) is tuple:
            if not fixed(<tuple> value):
                return False
        elif not (value is None or type(value) is int or type(value) is str or type(value) is bool
                  or type(value) is float):
            return False
    return True


def settled(tuple settings):
    """The settings as they are now: lists as tuples, integers as Python's own.

    What takes longer to read, or is to be refused, stays as it is; calls with it are not known.
    """
    return settings if fixed(settings) else settled_items(settings, DEEPEST)


cdef tuple settled_items(sequence, int depth):
    return tuple([settled_value(value, depth - 1) for value in sequence])


cdef settled_value(value, int depth):
    if isinstance(value, (list, tuple)):
        return settled_items(value, depth) if depth and len(value) <= LONGEST else value
    if type(value) is bool or not PyArray_IsIntegerScalar(value):
        return value
    try:
        return PyNumber_Index(value)
    except TypeError:                   # a span of time is an integer of NumPy's
        return value


cdef bint same(tuple some, tuple others):
    """Equal, and of the same types: 1 and True are not the same setting. Both are fixed."""
    cdef Py_ssize_t i
    if len(some) != len(others):
        return False
    for i in range(len(some)):
        if some[i] is others[i]:
            continue
        if type(some[i]) is not type(others[i]):
            return False
        if type(some[i]) is tuple:
            if not same(<tuple> some[i], <tuple> others[i]):
                return False
        elif some[i] != others[i]:
            return False
    return True


def again(pack, x, w, b, tuple settings, out=None):
    """The result of a known call, which is `out` if there is one; None if it is not known.

    pack : pack(plan, w) gives weights packed beforehand; or None
    x, w, b : the operands, None where there is none
    settings : the function's name and whatever else a plan depends on
    """
    cdef Key key
    cdef Call call
    if not fixed(settings):
        settings = settled_items(settings, DEEPEST)
        if not fixed(settings):
            return None
    if not read(&key, x, w, b, out):
        return None
    call = known[slot(&key, settings)]
    if call is None or key.length != call.key.length:
        return None
    if memcmp(key.field, call.key.field, key.length * sizeof(key.field[0])) or not same(settings, call.settings):
        return None
    if out is not None and not may_write(out, (x, w, b)):
        return None
    try:
        return call_again(call, pack, x, w, b, out)
    except MemoryError:
        return None                     # the long way says of which function


cdef np.ndarray make(Call call, Result like, source):
    if not like.is_large:
        return new(call, like)
    lent = lend(<size_t> np.PyArray_DATA(<np.ndarray> source) + like.behind)
    try:
        return new(call, like)
    finally:
        end(lent)


cdef np.ndarray new(Call call, Result like):
    Py_INCREF(like.dtype)
    return PyArray_NewFromDescr(<PyTypeObject *> np.ndarray, like.dtype, call.ndim, call.shape, like.strides, NULL, 0,
                                NULL)


cdef call_again(Call call, pack, x, w, b, out):
    cdef np.ndarray result = make(call, call.result, x) if out is None else out
    cdef np.ndarray places
    threads = 1 if call.threads == 1 else min(call.threads, get_num_threads())
    if call.places is not None:
        places = make(call, call.places, x)
        call.run(call.geometry, x, result, places, call.first, call.second, threads)
        return result, places
    if not call.takes_two:
        call.run(call.geometry, x, result, call.first, call.second, threads)
    elif pack is None or call.packing is None:
        call.run(call.geometry, x, w, b, result, call.first, call.second, threads)
    else:
        call.run(call.geometry, x, w, b, result, call.first, call.second, threads, pack(call.plan, w))
    return result


cdef Result kind_of(np.ndarray array):
    cdef Result kind = Result()
    cdef int axis
    kind.dtype = array.dtype
    for axis in range(np.PyArray_NDIM(array)):
        kind.strides[axis] = np.PyArray_STRIDE(array, axis)
    kind.is_large = is_large(np.PyArray_NBYTES(array))
    if kind.is_large:
        kind.behind = behind(np.PyArray_DIM(array, np.PyArray_NDIM(array) - 1) * np.PyArray_ITEMSIZE(array))
    return kind


def remember(np.ndarray result, plan, constants, Py_ssize_t threads, x, w, b, tuple settings, np.ndarray places=None,
             out=None):
    """Make a call known whose operands went to the kernel of `plan` as they were, and whose result is `result`.

    constants : the two that the kernel takes after the arrays
    threads : the most that are worth it
    places : a second result, of the shape of the first
    out : the argument of the call; nothing is known unless it is None or `result`
    """
    cdef Call call = Call()
    cdef int axis
    if not (out is None or out is result) or not fixed(settings):
        return
    if not read(&call.key, x, w, b, out) or np.PyArray_NDIM(result) > AXES:
        return
    call.settings, call.dtypes = settings, tuple([None if a is None else a.dtype for a in (x, w, b)])
    call.plan, call.run, call.geometry = plan, plan.run, plan.geometry
    call.takes_two = w is not None
    call.packing = plan.packing if call.takes_two else None
    call.first, call.second = constants
    call.threads, call.ndim = threads, np.PyArray_NDIM(result)
    for axis in range(call.ndim):
        call.shape[axis] = np.PyArray_DIM(result, axis)
    call.result = kind_of(result)
    call.places = None if places is None else kind_of(places)
    known[slot(&call.key, settings)] = call
