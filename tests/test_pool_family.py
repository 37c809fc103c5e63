"""The rest of pooling in every rank: lp, adaptive, global, max_unpool."""

import math

import numpy as np
import pytest

import fastconv
import reference
from tests import data, truth
from tests.layouts import DENSE, LAYOUTS
from tests.pool_cases import POOL1D, POOL2D, POOL3D
from tests.pool_checks import options
from tests.together import together

POOLS = [*POOL1D, *POOL3D, *(case for case in POOL2D if "width" not in case.name)]
over_cases = pytest.mark.parametrize("case", POOLS, ids=lambda case: f"{case.rank}d-{case.name}")
over_ranks = pytest.mark.parametrize("rank", [1, 2, 3])

# (spatial sizes, output sizes): shrinking, growing, overlapping windows, kept axes, one value
ADAPTIVE = (
    ((7,), (3,)), ((7,), 1), ((3,), (7,)), ((5,), (None,)), ((33,), (8,)),
    ((6, 8), (2, 4)), ((7, 9), (3, 4)), ((7, 9), 1), ((4, 5), (7, 3)), ((5, 6), (None, 2)), ((5, 6), 5),
    ((9, 35), (2, 17)), ((6, 15), (3, 5)), ((4, 56), (2, 7)), ((8, 6), (None, 6)),
    ((5, 6, 7), (2, 3, 4)), ((4, 5, 6), (None, 1, 4)), ((3, 4, 5), 2), ((4, 5, 18), (2, 5, 6)),
)  # fmt: skip
LEADS = (2, 3), (3,), (0, 3)
over_adaptive = pytest.mark.parametrize(("sizes", "out"), ADAPTIVE, ids=str)


def named(name, rank):
    return getattr(fastconv, f"{name}{rank}d")


def wanted(sizes, out):
    """Output sizes with the axes that are kept filled in."""
    sizes_out = (out,) * len(sizes) if isinstance(out, int) else out
    return tuple(size if o is None else o for size, o in zip(sizes, sizes_out, strict=True))


@over_cases
@together(layout=DENSE, p=(1, 2, 3, 1.5))
def test_lp(case, p, layout, dtype, cpu_level):
    """(sum |x| ** p) ** (1 / p), in float64 within a few roundings of the powers."""
    x = data.normal(case.input, dtype)
    result = named("lp_pool", case.rank)(LAYOUTS[layout](x, case.channel_axis), p, case.kernel, **options(case))
    exact = truth.lp_pool(x, p, case.kernel, **options(case), dtype=reference.wide(dtype))
    assert result.dtype == dtype
    assert result.shape == exact.shape
    # each power and the root have a relative error of about p eps, the sum of positive terms one of k eps
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(result, exact.astype(np.float64), rtol=(6 + 2 * p + math.prod(case.kernel)) * eps)


@pytest.mark.parametrize("p", [1, 2, 0.5, 3, -1])
@together(layout=LAYOUTS)
def test_lp_has_the_same_bits_for_any_threads_and_split(p, layout, dtype):
    """Few elements are left to NumPy for norms alone of which it has the C library's bits: 1 / x is no power of -1."""
    x = data.normal((20, 3, 40, 60), dtype)
    x[1, 0, :4, :4] = [-0.0, np.inf, np.nan, -np.inf]
    x = LAYOUTS[layout](x, 1)
    before = x.copy()
    with fastconv.num_threads(1):
        parts = [fastconv.lp_pool2d(image, p, 1) for image in x]
    for threads in (1, 2):
        with fastconv.num_threads(threads):
            whole = fastconv.lp_pool2d(x, p, 1)
        np.testing.assert_array_equal(np.stack(parts), whole, strict=True)
    np.testing.assert_array_equal(x, before)


def test_lp_of_negative_numbers_is_positive(dtype):
    data.assert_identical(fastconv.lp_pool1d(np.array([[-3, 4, 0, -2]], dtype), 2, 2), np.array([[5, 2]], dtype))


def test_lp_arguments_have_the_order_of_torch():
    x = data.normal((1, 2, 7, 8))
    data.assert_identical(
        fastconv.lp_pool2d(x, 2, 3, 2, True),
        fastconv.lp_pool2d(x, norm_type=2, kernel_size=3, stride=2, ceil_mode=True),
    )


@over_adaptive
@together(layout=DENSE, lead=LEADS)
def test_adaptive_average(sizes, out, layout, lead, dtype, cpu_level):
    x = data.integers((*lead, *sizes), dtype)
    result = named("adaptive_avg_pool", len(sizes))(LAYOUTS[layout](x, len(lead) - 1), out)
    data.assert_identical(result, truth.adaptive_avg_pool(x, wanted(sizes, out)))


@over_adaptive
@together(layout=DENSE, lead=LEADS, kind=("float32", "float64", "uint8", "int32"))
def test_adaptive_max(sizes, out, layout, lead, kind, cpu_level):
    x = data.generator(sizes).integers(0, 9, (*lead, *sizes)).astype(kind)
    function = named("adaptive_max_pool", len(sizes))
    expected = truth.adaptive_max_pool(x, wanted(sizes, out), return_indices=True)
    result = function(LAYOUTS[layout](x, len(lead) - 1), out, return_indices=True)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    np.testing.assert_array_equal(function(x, out), expected[0], strict=True)


def test_adaptive_windows_are_computed_in_integers():
    """5877 elements into 2855 windows: in float32 the bounds of some windows come out one too far (pytorch#81409)."""
    x = np.arange(5877, dtype=np.float64)[None]
    result = fastconv.adaptive_max_pool1d(x, 2855)
    data.assert_identical(result, np.array([[-(-(o + 1) * 5877 // 2855) - 1 for o in range(2855)]], np.float64))


@over_ranks
@together(layout=DENSE)
def test_global(rank, layout, dtype, cpu_level):
    x = data.integers((2, 3, *(5, 6, 7)[:rank]), dtype)
    laid = LAYOUTS[layout](x, 1)
    data.assert_identical(fastconv.global_avg_pool(laid), reference.global_avg_pool(x))
    data.assert_identical(fastconv.global_max_pool(laid), reference.global_max_pool(x))
    assert fastconv.global_avg_pool(laid).shape == (2, 3) + (1,) * rank


@over_ranks
def test_global_of_integers_and_nan(rank):
    x = data.generator("global").integers(-128, 127, (2, 3, *(5, 6, 7)[:rank])).astype(np.int8)
    data.assert_identical(fastconv.global_max_pool(x), reference.global_max_pool(x))
    x = x.astype(np.float32)
    x[(1, 2) + (3,) * rank] = np.nan
    np.testing.assert_array_equal(fastconv.global_max_pool(x), reference.global_max_pool(x), strict=True)
    np.testing.assert_array_equal(fastconv.global_avg_pool(x), reference.global_avg_pool(x), strict=True)


def test_global_average_of_a_large_plane():
    """65536 equal numbers: the error of the sum must not grow with the plane."""
    x = np.full((1, 2, 256, 256), 0.1, np.float32)
    exact = np.float64(np.float32(0.1))
    assert np.all(np.abs(fastconv.global_avg_pool(x) - exact) <= 6 * np.finfo(np.float32).eps * exact)


UNPOOLED = [case for case in POOLS if case.dilation == 1 and not case.ceil_mode and not isinstance(case.padding, str)]


@pytest.mark.parametrize("case", UNPOOLED, ids=lambda case: f"{case.rank}d-{case.name}")
@together(layout=DENSE)
def test_max_unpool(case, layout, dtype):
    """Values come back to where they were, zeros elsewhere, for the size that was pooled."""
    x = data.generator(case.input).permutation(math.prod(case.input)).reshape(case.input).astype(dtype) + 1
    arguments = {"kernel_size": case.kernel, "stride": case.stride, "padding": case.padding}
    values, indices = truth.max_pool(x, **arguments, return_indices=True)
    arguments["output_size"] = case.input[-case.rank :]
    laid = [LAYOUTS[layout](array, case.channel_axis) for array in (values, indices)]
    result = named("max_unpool", case.rank)(*laid, **arguments)
    data.assert_identical(result, reference.max_unpool(values, indices, **arguments))
    np.testing.assert_array_equal(result, np.where(result != 0, x, 0))


@over_ranks
def test_max_unpool_computes_its_size(rank, dtype):
    """Without output_size: (size - 1) * stride - 2 * padding + kernel."""
    x = data.positive((2, 3, *(8, 10, 6)[:rank]), dtype)
    values, indices = truth.max_pool(x, 2, return_indices=True)
    data.assert_identical(named("max_unpool", rank)(values, indices, 2), reference.max_unpool(values, indices, 2))


@over_ranks
def test_max_unpool_takes_a_full_output_size(rank, dtype):
    """As torch does: the whole shape as well as the spatial sizes."""
    x = data.positive((2, 3, *(9, 7, 5)[:rank]), dtype)
    values, indices = truth.max_pool(x, 2, return_indices=True)
    function = named("max_unpool", rank)
    spatial = function(values, indices, 2, output_size=x.shape[2:])
    data.assert_identical(function(values, indices, 2, output_size=x.shape), spatial)
    assert spatial.shape == x.shape
