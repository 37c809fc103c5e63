"""Short copies of rows without a call, of elements of `size` bytes: see `copy.h`."""

cdef extern from "copy.h" nogil:
    void clear_bytes(char *to, Py_ssize_t n)
    void copy_elements(size_t size, void *to, const void *source, Py_ssize_t n, Py_ssize_t stride)
    void copy_runs(size_t size, void *to, const void *source, Py_ssize_t rows, Py_ssize_t n, Py_ssize_t pitch)
    void copy_rows(size_t size, void *to, Py_ssize_t step, const void *source, Py_ssize_t source_step, Py_ssize_t rows,
                   Py_ssize_t n)
    void copy_tiles(size_t size, void *to, Py_ssize_t step, Py_ssize_t apart, Py_ssize_t width, const void *source,
                    Py_ssize_t source_step, Py_ssize_t rows, Py_ssize_t n)
    void split_rows(size_t size, void *even, void *odd, Py_ssize_t step, const void *source, Py_ssize_t source_step,
                    Py_ssize_t rows, Py_ssize_t n)
    enum: TAPS_TOGETHER
    void copy_taps(size_t size, void *to, Py_ssize_t to_row, Py_ssize_t step, const void *source, Py_ssize_t source_row,
                   Py_ssize_t stride, Py_ssize_t rows, Py_ssize_t count, Py_ssize_t n, Py_ssize_t room)
