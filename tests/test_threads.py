"""Threads: the same bits for any number of them, concurrent calls, and the GIL free while a kernel runs."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv._methods import METHODS
from tests import data
from tests.child import output
from tests.conv_checks import attempt
from tests.layouts import DENSE, LAYOUTS

COUNTS = (1, 2, 3, 5)
OWN_THREADS = [method.name for method in METHODS if method.name != "im2col"]  # im2col's threads are BLAS's

# Large enough that every front takes more than one thread; sizes that no number of threads divides.
LAYERS = {
    "3x3": ((2, 13, 31, 37), (19, 13, 3, 3), {"padding": 1}),
    "1x1": ((1, 67, 23, 29), (71, 67, 1, 1), {}),
    "1x1, uneven tiles of channels": ((1, 577, 1, 193), (48, 577, 1, 1), {}),
    "few outputs": ((1, 3, 101, 103), (2, 3, 5, 5), {"padding": "same"}),
    "stride 2": ((1, 5, 61, 67), (24, 5, 7, 7), {"stride": 2, "padding": 3}),
    "depthwise": ((2, 37, 41, 43), (37, 1, 3, 3), {"groups": 37, "padding": 1}),
    "groups": ((1, 24, 41, 43), (36, 8, 3, 3), {"groups": 3}),
    "one pixel": ((1, 300, 3, 3), (259, 300, 3, 3), {}),
    "winograd, few weights": ((1, 37, 61, 45), (18, 37, 3, 3), {"padding": 1}),
    "winograd, many weights": ((1, 129, 9, 10), (131, 129, 3, 3), {"padding": 1}),
    # A thread that goes on with another group has what it transformed itself for the last one.
    "winograd, groups of few weights": ((1, 72, 30, 29), (36, 24, 3, 3), {"groups": 3, "padding": 1}),
    "winograd, groups of many weights": ((1, 72, 6, 7), (240, 24, 3, 3), {"groups": 3, "padding": 1}),
    "large kernel": ((2, 3, 61, 67), (5, 3, 11, 9), {"padding": 4}),
    "few transforms": ((3, 1, 61, 67), (1, 1, 11, 9), {"padding": 4}),
    "one transform for two outputs": ((1, 1, 61, 67), (2, 1, 11, 9), {}),
    "dilation": ((1, 7, 45, 47), (9, 7, 3, 3), {"dilation": 3, "padding_mode": "reflect", "padding": 2}),
}
POOLS = {
    "max_pool2d": {"kernel_size": 3, "stride": 2, "padding": 1},
    "avg_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
}
over_layers = pytest.mark.parametrize("layer", LAYERS)
over_layouts = pytest.mark.parametrize("layout", DENSE)


def operands(layer, dtype, layout):
    input, weight, keywords = LAYERS[layer]
    x = LAYOUTS[layout](data.normal(input, dtype), 1)
    return x, data.normal(weight, dtype), {"bias": data.normal(weight[:1], dtype), **keywords}


def on_each_count(call):
    """The result of `call` on each number of threads; the first one is on one thread."""
    results = []
    for count in COUNTS:
        with fastconv.num_threads(count):
            results.append(call())
    assert np.any(results[0]), "a result of zeros proves nothing"
    return results


def run(layer, dtype, layout, method):
    """The convolution, or None where the method does not take it."""
    x, w, keywords = operands(layer, dtype, layout)
    return attempt(fastconv.conv2d, x, w, **keywords, method=method)


@over_layers
@over_layouts
@pytest.mark.parametrize("method", [*OWN_THREADS, "auto"])
def test_same_bits_for_any_number_of_threads(layer, layout, method, dtype, cpu_level):
    if run(layer, dtype, layout, method) is None:
        pytest.skip(f"{method} does not take this layer")
    one, *others = on_each_count(lambda: run(layer, dtype, layout, method))
    for other in others:
        assert one.tobytes() == other.tobytes()


@over_layers
@over_layouts
@pytest.mark.parametrize("method", [*OWN_THREADS, "auto"])
def test_same_bits_for_any_split_of_the_batch(layer, layout, method, dtype):
    x, w, keywords = operands(layer, dtype, layout)
    x = LAYOUTS[layout](np.concatenate([x, x[::-1] + 1, x]), 1)
    if run(layer, dtype, layout, method) is None:
        pytest.skip(f"{method} does not take this layer")
    with fastconv.num_threads(3):
        whole = fastconv.conv2d(x, w, **keywords, method=method)
        single = np.concatenate([fastconv.conv2d(x[i : i + 1], w, **keywords, method=method) for i in range(len(x))])
    assert np.ascontiguousarray(whole).tobytes() == np.ascontiguousarray(single).tobytes()


@over_layouts
@pytest.mark.parametrize("rank", [1, 3])
def test_same_bits_in_other_ranks(rank, layout, dtype):
    size = {1: (5003,), 3: (9, 21, 23)}[rank]
    x = LAYOUTS[layout](data.normal((2, 5, *size), dtype), 1)
    w = data.normal((7, 5, *(3,) * rank), dtype)
    function = getattr(fastconv, f"conv{rank}d")
    one, *others = on_each_count(lambda: function(x, w, padding=1))
    for other in others:
        assert one.tobytes() == other.tobytes()


@over_layouts
@pytest.mark.parametrize("name", POOLS)
def test_same_bits_in_pooling(name, layout, dtype, cpu_level):
    x = LAYOUTS[layout](data.normal((2, 17, 75, 77), dtype), 1)
    one, *others = on_each_count(lambda: getattr(fastconv, name)(x, **POOLS[name]))
    for other in others:
        assert one.tobytes() == other.tobytes()


def test_same_bits_of_im2col_on_one_blas_thread():
    """Its products run on the threads of BLAS, whose number the environment sets before the library is loaded."""
    code = """
import hashlib, fastconv
from tests.test_threads import LAYERS, on_each_count, run
for layer in LAYERS:
    for layout in ("contiguous", "channels_last"):
        for dtype in ("float32", "float64"):
            assert len({r.tobytes() for r in on_each_count(lambda: run(layer, dtype, layout, "im2col"))}) == 1, layer
print("equal")
"""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
    assert output(code, environment=one, seconds=120) == "equal"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc to count threads")
def test_a_call_takes_the_threads_it_may():
    """One thread starts none, five start four more, if not in the first call: else nothing is compared above."""
    code = """
import os, numpy as np, fastconv
from fastconv._kernels import team
from tests.test_threads import operands
team.set_cores(5)  # on more of them a call may begin another worker while one goes to sleep
x, w, keywords = operands("3x3", "float32", "contiguous")
before = len(os.listdir("/proc/self/task"))

def started(n, wanted):
    with fastconv.num_threads(n):
        for _ in range(1000):
            fastconv.conv2d(x, w, **keywords, method="direct")
            count = len(os.listdir("/proc/self/task")) - before
            if count >= wanted:
                break
    return count

print(started(1, 1), started(5, 4), started(5, 5))
"""
    assert output(code) == "0 4 4"


def test_a_stack_of_64_kib_is_enough():
    """Queues of 16 KiB, of which Fourier transforms had several, left the stack and ended the process, and so did sums
    of small maps in float64."""
    code = f"""
import threading
import numpy as np
import fastconv
x, image, grad = (np.ones(shape, np.float32) for shape in ((2, 64, 40, 41), (1, 1, 300, 300), (2, 64, 38, 39)))
w, point, large = (np.ones(shape, np.float32) for shape in ((64, 64, 3, 3), (64, 64, 1, 1), (1, 1, 15, 15)))
jobs = [
    *(lambda method=method: fastconv.conv2d(x, w, method=method) for method in {OWN_THREADS} if method != "fft"),
    lambda: fastconv.conv2d(image, large, method="fft"),
    lambda: fastconv.conv2d(x, point),
    lambda: fastconv.conv_transpose2d(x, w, stride=2),
    lambda: fastconv.grad.conv2d_weight(x, w.shape, grad),
    lambda: fastconv.max_pool2d(x, 3, 2, return_indices=True),
    *(lambda small=small: fastconv.conv2d(small, np.ones((130, 600, 1, 1)))
      for small in (np.ones((2, 600, 7, 7)), np.moveaxis(np.ones((2, 7, 7, 600)), -1, 1))),
]
fastconv.set_num_threads(2)
threading.stack_size(64 * 1024)
for job in jobs:
    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
print(len(jobs))
"""
    assert output(code) == "9"


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_sixteen_python_threads(method, count):
    """Concurrent calls, each on data of its own, do not disturb each other."""
    jobs = []
    for i in range(32):
        layer = list(LAYERS)[i % len(LAYERS)]
        x, w, keywords = operands(layer, ("float32", "float64")[i % 2], DENSE[i // 2 % 2])
        jobs.append((x + i, w, {**keywords, "method": method}))

    def job(arguments):
        x, w, keywords = arguments
        return attempt(fastconv.conv2d, x, w, **keywords)

    with fastconv.num_threads(count):
        expected = [job(arguments) for arguments in jobs]
        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(job, jobs))
    assert any(result is not None for result in expected)
    for result, one in zip(results, expected, strict=True):
        if one is not None:
            np.testing.assert_allclose(result, one, rtol=1e-4 if method == "im2col" else 0, atol=0)


def heavy(function):
    """Calls that keep one core busy for some tenths of a second."""
    image = data.normal((8, 64, 56, 56), np.float32)
    weight = data.normal((128, 64, 3, 3), np.float32)
    many = data.normal((16, 64, 112, 112), np.float32)
    return {
        "direct": lambda: fastconv.conv2d(image, weight, method="direct"),
        "im2col": lambda: fastconv.conv2d(image, weight, method="im2col"),
        "max_pool2d": lambda: fastconv.max_pool2d(many, 7, 1, 3),
        "avg_pool2d": lambda: fastconv.avg_pool2d(many, 7, 1, 3),
    }[function]


@pytest.mark.parametrize("function", ["direct", "im2col", "max_pool2d", "avg_pool2d"])
def test_other_python_threads_run_meanwhile(function):
    """A counter in another thread moves while a kernel runs.

    With a switch interval of minutes, nothing takes the GIL from the calling thread: the counter moves between the two
    readings only if the kernel has given the GIL away.
    """
    call, counter, done = heavy(function), [0], threading.Event()

    def count():
        while not done.is_set():
            counter[0] += 1
            time.sleep(1e-4)

    with fastconv.num_threads(1):
        call()
        other = threading.Thread(target=count)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(600)
        try:
            other.start()
            time.sleep(0.01)
            before = counter[0]
            call()
            after = counter[0]
        finally:
            done.set()
            sys.setswitchinterval(interval)
            other.join()
    assert before > 0
    assert after > before + 2
