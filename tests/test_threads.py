"""Threads: the same bits for any number of them, concurrent calls, and the GIL free while a kernel runs."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv import _cpu
from fastconv._kernels import features
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
    "few outputs": ((1, 3, 101, 103), (2, 3, 5, 5), {"padding": "same"}),
    "stride 2": ((1, 5, 61, 67), (24, 5, 7, 7), {"stride": 2, "padding": 3}),
    "depthwise": ((2, 37, 41, 43), (37, 1, 3, 3), {"groups": 37, "padding": 1}),
    "groups": ((1, 24, 41, 43), (36, 8, 3, 3), {"groups": 3}),
    "one pixel": ((1, 300, 3, 3), (259, 300, 3, 3), {}),
    "winograd, few weights": ((1, 37, 61, 45), (18, 37, 3, 3), {"padding": 1}),
    "winograd, many weights": ((1, 129, 9, 10), (131, 129, 3, 3), {"padding": 1}),
    "large kernel": ((2, 3, 61, 67), (5, 3, 11, 9), {"padding": 4}),
    "dilation": ((1, 7, 45, 47), (9, 7, 3, 3), {"dilation": 3, "padding_mode": "reflect", "padding": 2}),
}
POOLS = {
    "max_pool2d": {"kernel_size": 3, "stride": 2, "padding": 1},
    "avg_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
}
over_layers = pytest.mark.parametrize("layer", LAYERS)
over_layouts = pytest.mark.parametrize("layout", DENSE)
with_openmp = pytest.mark.skipif(not features.OPENMP, reason="built without OpenMP: one thread")


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


@with_openmp
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc to count threads")
def test_a_call_takes_the_threads_it_may():
    """One thread starts none, five start four more: otherwise the comparisons above compare nothing."""
    code = """
import os, numpy as np, fastconv
from tests.test_threads import operands
x, w, keywords = operands("3x3", "float32", "contiguous")
counts = []
for n in (1, 5):
    before = len(os.listdir("/proc/self/task"))
    with fastconv.num_threads(n):
        fastconv.conv2d(x, w, **keywords, method="direct")
    counts.append(len(os.listdir("/proc/self/task")) - before)
print(*counts)
"""
    assert output(code) == "0 4"


@pytest.mark.parametrize("pieces", [0, 1, 2, 7, 64, 1000])
@pytest.mark.parametrize("count", COUNTS)
def test_threads_take_what_others_have_left(pieces, count):
    """Equal shares had all threads wait for one whose core was slow or taken by another process."""
    claims = _cpu.kernel("probe").claims
    for thread in range(count):
        own = pieces * thread // count
        assert claims(pieces, count, [thread] * (pieces + 1)) == [*range(own, pieces), *range(own), -1]
    in_turn = claims(pieces, count, [*range(count)] * (pieces + 1))
    assert sorted(piece for piece in in_turn if piece >= 0) == list(range(pieces))


def test_threads_share_shares_where_they_are_many():
    claims = _cpu.kernel("probe").claims
    assert sorted(claims(1000, 256, [*range(256)] * 4)) == [*[-1] * 24, *range(1000)]


def test_a_stack_of_64_kib_is_enough():
    """Queues of 16 KiB, of which Fourier transforms had several, left the stack and ended the process."""
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
]
fastconv.set_num_threads(2)
threading.stack_size(64 * 1024)
for job in jobs:
    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
print(len(jobs))
"""
    assert output(code) == "7"


LONGEST = 250_000  # microseconds


@pytest.mark.parametrize(
    ("since", "now", "until", "span", "said"),
    [
        pytest.param(0, 5_000, 0, 0, (10_000, 5_000), id="for as long"),
        pytest.param(5_000, 15_000, 4_500, 3_000, (25_000, 10_000), id="soon again, by more than twice that"),
        pytest.param(48_000, 50_000, 1_000, 40_000, (130_000, 80_000), id="soon again, for twice as long"),
        pytest.param(48_000, 50_000, 1_000, 200_000, (50_000 + LONGEST, LONGEST), id="no longer than that"),
        pytest.param(0, 10**10, 0, 0, (10**10 + LONGEST, LONGEST), id="stopped for hours"),
        pytest.param(500, 5_000, 1_000, 7, (1_000, 7), id="another said so"),
    ],
)
def test_calls_stay_alone_for_a_quarter_of_a_second_at_most(since, now, until, span, said):
    """A process that had been stopped for an hour as a thread was to begin stayed on one thread for another one."""
    assert _cpu.kernel("probe").alone(since, now, until, span) == said


@with_openmp
def test_calls_stay_on_one_thread_while_others_come_late():
    """A core that another process had took part in each region, which waited 4 to 20 ms for it: 0.7 ms became 24."""
    team = _cpu.kernel("probe").team

    def late():
        time.sleep(0.05)

    def sooner_or_later(condition):
        """Processes beside this one make threads late too."""
        return any(condition() or time.sleep(0.01) for _ in range(1000))

    assert sooner_or_later(lambda: team(2) == 2)
    assert sooner_or_later(lambda: team(2, late) == 2 and team(2) == 1)
    assert _cpu.kernel("probe").claims(4, 2, [1, 1, 1]) == [2, 3, 0]  # else threads of tests that follow had no share
    assert sooner_or_later(lambda: team(2) == 2)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores > 1:  # more threads than these: 3 on two cores took twice as long
        assert sooner_or_later(lambda: team(cores + 1, late) == cores + 1 and team(2) == 2)


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
