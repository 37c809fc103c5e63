"""`fastconv.signal` gives what `scipy.signal` gives: values, dtypes, shapes, warnings and errors."""

import inspect
import itertools
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.signal

from fastconv import signal
from tests.data import assert_identical, integers, normal, positive
from tests.signal_checks import ANY_RANK, MODES, assert_same_outcome, outcome
from tests.tolerance import assert_within

PLANE = ("convolve2d", "correlate2d")
BOUNDARIES = (
    {"boundary": "fill"},
    {"boundary": "pad"},
    {"boundary": "fill", "fillvalue": 2.5},
    {"boundary": "wrap"},
    {"boundary": "circular"},
    {"boundary": "symm"},
    {"boundary": "symmetric"},
)
DTYPES = tuple(itertools.product(("float32", "float64"), repeat=2))

SIZES = {  # shapes of in1 and in2: odd and even kernels, larger than the image, larger along one axis only
    1: (
        ((9,), (3,)), ((9,), (4,)), ((8,), (2,)), ((3,), (9,)), ((2,), (7,)), ((5,), (5,)), ((6,), (1,)), ((1,), (4,)),
        ((40,), (17,)),
    ),
    2: (
        ((7, 8), (3, 3)), ((7, 8), (2, 4)), ((6, 5), (1, 4)), ((4, 9), (3, 1)), ((3, 3), (6, 7)), ((2, 3), (5, 8)),
        ((4, 4), (4, 4)), ((3, 9), (5, 2)), ((9, 2), (3, 4)), ((1, 1), (3, 2)), ((19, 34), (5, 5)),
    ),
    3: (
        ((4, 5, 6), (3, 2, 3)), ((3, 4, 3), (2, 5, 4)), ((2, 2, 2), (3, 4, 3)), ((3, 3, 3), (1, 1, 2)),
        ((5, 6, 20), (2, 3, 5)),
    ),
}  # fmt: skip
PAIRS = [pair for pairs in SIZES.values() for pair in pairs]


@pytest.mark.parametrize("name", signal.__all__)
def test_signature_is_scipys(name):
    assert inspect.signature(getattr(signal, name)) == inspect.signature(getattr(scipy.signal, name))


@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ANY_RANK)
def test_any_rank_equals_scipy_on_integers(name, mode, dtypes, summed_here):
    for (size1, size2), method in itertools.product(PAIRS, ("direct", "auto")):
        in1, in2 = integers(size1, dtypes[0], "in1"), integers(size2, dtypes[1], "in2")
        reference = outcome(scipy.signal, name, in1, in2, mode, "direct")[0]
        result = outcome(signal, name, in1, in2, mode, method)[0]
        if isinstance(reference, tuple):
            assert result == reference
        else:
            assert_identical(result, reference)
    assert len(summed_here) > 1.3 * len(PAIRS)


@pytest.mark.parametrize("dtypes", DTYPES, ids="-".join)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PLANE)
def test_planes_equal_scipy_on_integers(name, mode, dtypes, summed_here):
    for (size1, size2), arguments in itertools.product(SIZES[2], BOUNDARIES):
        in1, in2 = integers(size1, dtypes[0], "in1"), integers(size2, dtypes[1], "in2")
        assert_same_outcome(name, in1, in2, mode, **arguments)
    assert len(summed_here) >= 0.7 * len(SIZES[2]) * len(BOUNDARIES)


@pytest.mark.parametrize("data", [normal, positive])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", signal.__all__)
def test_error_of_direct_sums_is_bounded(name, mode, data, dtype):
    """Against SciPy's direct sum in a wider type, which is exact enough to measure by."""
    wider = np.longdouble if dtype == "float64" else np.float64
    arguments = {"method": "direct"} if name in ANY_RANK else {}
    exact = getattr(scipy.signal, name)
    for size1, size2 in (((33, 41), (5, 5)), ((33, 41), (8, 15)), ((12, 9), (31, 27))):
        in1, in2 = data(size1, dtype, "in1"), data(size2, dtype, "in2")
        result = getattr(signal, name)(in1, in2, mode, **arguments)
        assert result.dtype == dtype
        in1, in2 = in1.astype(wider), in2.astype(wider)
        assert_within(
            result, exact(in1, in2, mode, **arguments), exact(abs(in1), abs(in2), mode, **arguments), "direct"
        )


@pytest.mark.parametrize("name", signal.__all__)
def test_every_memory_order_and_no_input_is_changed(name, tmp_path):
    base1, base2 = integers((18, 22), np.float32, "in1"), integers((6, 10), np.float32, "in2")
    stored = np.memmap(tmp_path / "image", np.float32, "w+", shape=(9, 11))
    stored[:] = base1[:9, :11]
    views = (
        lambda a: a[::2, ::2],
        lambda a: a[::-1, ::-1][: a.shape[0] // 2, : a.shape[1] // 2],
        lambda a: np.asfortranarray(a[: a.shape[0] // 2, : a.shape[1] // 2]),
        lambda a: np.broadcast_to(a[0, : a.shape[1] // 2], (a.shape[0] // 2, a.shape[1] // 2)),
        lambda a: a[: a.shape[0] // 2, 1 : a.shape[1] // 2 + 1],
        lambda a: stored if a is base1 else a[:3, :5],
    )
    for view1, view2 in itertools.product(views, repeat=2):
        in1, in2 = view1(base1), view2(base2)
        before = in1.copy(), in2.copy()
        expected = getattr(scipy.signal, name)(np.ascontiguousarray(in1), np.ascontiguousarray(in2), "same")
        assert_identical(getattr(signal, name)(in1, in2, "same"), expected)
        np.testing.assert_array_equal(in1, before[0])
        np.testing.assert_array_equal(in2, before[1])


HANDED_ON = {
    "integers": (integers((5, 6), np.int32, "a"), integers((2, 3), np.int32, "b")),
    "integers and floats": (integers((5, 6), np.int64, "a"), integers((2, 3), np.float32, "b")),
    "unsigned": (abs(integers((5, 6), np.int8, "a")).astype(np.uint8), np.ones((2, 3), np.uint8)),
    "bool": (np.ones((3, 4), bool), np.ones((2, 2), bool)),
    "complex": (integers((5, 6), key="a") + 1j, integers((2, 3), key="b") - 2j),
    "complex and floats": (integers((5, 6), np.float32, "a"), (integers((2, 3), key="b") - 2j).astype(np.complex64)),
    "long double": (integers((5, 6), np.longdouble, "a"), integers((2, 3), np.longdouble, "b")),
    "half": (integers((5, 6), np.float16, "a"), integers((2, 3), np.float16, "b")),
    "objects": (integers((3, 4), object, "a"), integers((2, 2), object, "b")),
    "byte-swapped": (integers((5, 6), ">f4", "a"), integers((2, 3), ">f4", "b")),
    "lists": ([[1.0, 2.0], [3.0, 4.0]], [[1.0, -1.0]]),
    "list and array": (integers((5, 6), np.float32, "a"), [[1.0, -1.0]]),
    "matrix": (np.ones((3, 4)).view(np.matrix), np.ones((2, 2)).view(np.matrix)),
    "masked": (np.ma.array(integers((3, 4), key="a"), mask=np.eye(3, 4)), integers((2, 2), key="b")),
    "strings": (np.array([["a", "b"]]), np.array([["c"]])),
    "numbers": (3.0, 4.0),
    "0-d": (np.array(3.0), np.array(4.0)),
    "different ranks": (integers((5, 6), key="a"), integers((3,), key="b")),
    "four axes": (integers((3, 2, 4, 3), key="a"), integers((2, 1, 2, 2), key="b")),
    "empty": (np.empty((0, 3)), integers((2, 2), key="b")),
    "empty kernel": (integers((4, 4), key="b"), np.empty((0, 2))),
    "none": (None, None),
}


@pytest.mark.filterwarnings("ignore:.*matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", signal.__all__)
@pytest.mark.parametrize("operands", HANDED_ON)
def test_everything_else_is_scipys(name, mode, operands, summed_here):
    assert_same_outcome(name, *HANDED_ON[operands], mode)
    assert not summed_here


FLOATS = (integers((5, 6), key="a"), integers((2, 3), key="b"))
REFUSED = (
    *((name, {"mode": mode}) for name in signal.__all__ for mode in ("Same", "", 0, 1, None, ["full"], b"full")),
    *((name, {"method": method}) for name in ANY_RANK for method in ("Direct", "", None, 1)),
    *((name, {"boundary": boundary}) for name in PLANE for boundary in ("zeros", "", None, 0, 1)),
    *((name, {"fillvalue": value}) for name in PLANE for value in ([1, 2], "a", [])),
)


@pytest.mark.parametrize(("name", "arguments"), REFUSED)
def test_what_scipy_refuses_is_refused_alike(name, arguments):
    assert isinstance(assert_same_outcome(name, *FLOATS, **arguments), tuple)


@pytest.mark.parametrize("value", [True, 7, -2.5, 0.1, np.float64(0.1), 1e30, 10**25], ids=repr)
@pytest.mark.parametrize("dtype2", ["float32", "float64"])
@pytest.mark.parametrize("name", PLANE)
def test_fillvalue_of_the_wider_type(name, dtype2, value, summed_here):
    """A fill of 0.1 beside a float32 image and a float64 kernel is the float64 number."""
    in1, in2 = integers((5, 6), np.float32, "a"), integers((2, 3), dtype2, "b")
    result, function = getattr(signal, name)(in1, in2, fillvalue=value), getattr(scipy.signal, name)
    assert summed_here
    expected = function(in1, in2, fillvalue=value)
    magnitude = function(abs(in1), abs(in2), fillvalue=abs(value))
    assert result.dtype == expected.dtype == dtype2
    assert np.all(abs(result - expected) <= 12 * np.finfo(dtype2).eps * magnitude)


FILLS = (1j, [3.0], np.float32(0.1), np.array(2.0), None, np.nan, np.inf, 1e300, 10**400)


@pytest.mark.parametrize("value", FILLS, ids=[str(value)[:9] for value in FILLS])
@pytest.mark.parametrize("name", PLANE)
def test_unusual_fillvalues_are_scipys(name, value, summed_here):
    assert_same_outcome(name, integers((5, 6), np.float32, "a"), integers((2, 3), np.float32, "b"), fillvalue=value)
    assert not summed_here


@pytest.mark.parametrize("name", signal.__all__)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_pixel_touches_its_windows_only(name, bad):
    image, kernel = integers((9, 8), key="a"), integers((2, 3), key="b")
    image[4, 5] = bad
    assert_same_outcome(name, image, kernel, "same")
    assert np.sum(~np.isfinite(getattr(signal, name)(image, kernel, "same"))) == kernel.size


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", PAIRS, ids=str)
@pytest.mark.parametrize("name", ANY_RANK)
def test_bad_kernels_are_summed_as_scipy_sums_them(name, sizes, mode):
    """Whether an infinite tap times a zero beside the image counts is a matter of which loop SciPy takes."""
    in1, in2 = integers(sizes[0], key="a"), integers(sizes[1], key="b")
    in2.flat[in2.size // 2] = np.inf
    with np.errstate(invalid="ignore"):
        assert_same_outcome(name, in1, in2, mode, "direct")


@pytest.mark.parametrize("name", signal.__all__)
def test_a_whole_image_is_not_copied(name):
    """Kernels read the image where it lies and pad it as they go: nothing of its size but the result is allocated."""
    image, kernel = positive((512, 512), np.float32, "a"), positive((5, 5), np.float32, "b")
    function = getattr(signal, name)
    function(image, kernel, "same")
    tracemalloc.start()
    try:
        result = function(image, kernel, "same")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.nbytes <= peak < 1.1 * result.nbytes


@pytest.mark.parametrize("name", signal.__all__)
@pytest.mark.parametrize("first", [True, False])
def test_in_place_of_scipys_function(name, first, monkeypatch):
    """A program that patches SciPy, before the first call or after it: no function calls itself without end."""
    signal._scipy.cache_clear()
    image, kernel = np.array([[1, 2], [3, 4]]), np.array([[1, -1]])
    expected = getattr(scipy.signal, name)(image, kernel)
    if not first:
        getattr(signal, name)(image, kernel)
    monkeypatch.setattr(scipy.signal, name, getattr(signal, name))
    assert_identical(getattr(scipy.signal, name)(image, kernel), expected)
    signal._scipy.cache_clear()


def test_scipy_is_not_imported_before_it_is_needed():
    code = (
        "import sys, numpy as np, fastconv.signal as signal; signal.correlate2d(np.ones((3, 3)), np.ones((2, 2)));"
        "assert not any(name.split('.')[0] == 'scipy' for name in sys.modules);"
        "assert signal.convolve([1, 2], [3]).tolist() == [3, 6]; assert 'scipy.signal' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
