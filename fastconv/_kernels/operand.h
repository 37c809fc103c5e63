/* An array as kernels see it: where it starts, and five axes (n, c, d, h, w) whatever number it has.

       (c, w)               a signal     (1, c, 1, 1, w)
       (n, c, h, w)         images       (n, c, 1, h, w)
       (o, i, kd, kh, kw)   a kernel     itself

   It is read through Python's buffer protocol without asking for a format, 35 ns; a NumPy view of five axes and a typed
   memoryview of it take 500 (asv_bench/peers.py --family tiny). So who calls answers for the type of the elements, and
   keeps the array until the kernel is done: the buffer is given back at once. Strides are those of the array, along
   axes of one element too, where they say nothing: see `read_strides` in `shape.pxd`. */

#ifndef FASTCONV_OPERAND_H
#define FASTCONV_OPERAND_H

#include <Python.h>

#define OWN_RANK (-1)    /* all axes but the first two are spatial, as those of weights are */

typedef struct {
    void *data;
    Py_ssize_t shape[5];
    Py_ssize_t strides[5];    /* in bytes, as NumPy's */
    int rank;                 /* spatial axes of the array itself */
} operand;

/* An array of `rank` spatial axes, with or without n. */
static operand five(PyObject *array, int rank)
{
    operand result = {0};
    Py_buffer buffer;
    int axis, from = 0;
    if (PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES) < 0)
        return result;
    result.data = buffer.buf;
    result.rank = rank == OWN_RANK ? buffer.ndim - 2 : rank;
    for (axis = 0; axis < 5; axis++) {
        int absent = axis == 0 ? buffer.ndim == result.rank + 1 : axis > 1 && axis < 5 - result.rank;
        result.shape[axis] = absent ? 1 : buffer.shape[from];
        result.strides[axis] = absent ? 0 : buffer.strides[from];
        from += !absent;
    }
    PyBuffer_Release(&buffer);
    return result;
}

/* The first element of a contiguous array; NULL for None. */
static void *first_of(PyObject *array)
{
    Py_buffer buffer;
    if (array == Py_None || PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    PyBuffer_Release(&buffer);
    return buffer.buf;
}

#endif
