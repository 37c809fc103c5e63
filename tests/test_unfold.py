"""unfold and fold: im2col and col2im in torch's shapes, transposes of one another, and convolution as one product."""

import numpy as np
import pytest

import fastconv
import reference
from tests import data
from tests.cases import CONV2D
from tests.layouts import LAYOUTS
from tests.together import together

CASES = [
    case
    for case in CONV2D
    if case.padding_mode == "zeros" and case.activation is None and case.groups == 1 and "width" not in case.name
    and not case.name.startswith(("channels-", "sum-of"))
]  # fmt: skip
over_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def arguments(case):
    return {"kernel_size": case.weight[2:], "dilation": case.dilation, "padding": case.padding, "stride": case.stride}


@over_cases
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_unfold(case, kind):
    x = data.integers(case.input, kind)
    data.assert_identical(fastconv.unfold(x, **arguments(case)), reference.unfold(x, **arguments(case)))


@over_cases
def test_fold(case, dtype):
    columns = data.integers(reference.unfold(np.zeros(case.input), **arguments(case)).shape, dtype)
    sizes = case.input[-2:]
    data.assert_identical(
        fastconv.fold(columns, sizes, **arguments(case)), reference.fold(columns, sizes, **arguments(case))
    )


WAYS = {  # sizes, kernel, dilation, padding, stride
    "planes by a table": ((2, 40, 7, 7), 3, 1, 1, 2),
    "planes with empty taps": ((1, 70, 3, 9), (5, 2), (2, 3), (4, 1), (1, 2)),
    "planes of fewer columns than a vector": ((1, 70, 6, 4), (5, 3), 1, 0, 1),
    "rows by a table": ((1, 3, 30, 45), 3, 1, 1, 2),
    "rows of any stride": ((1, 3, 31, 64), (3, 4), (1, 2), (2, 3), (2, 3)),
    "long rows": ((1, 2, 40, 1500), (3, 9), 1, 1, 1),
    "few planes": ((1, 3, 7, 7), 3, 1, 1, 2),
    "a table larger than what it saves": ((1, 64, 16, 32), 8, 1, 0, 8),
    "rows of few windows": ((1, 2, 32, 400), (1, 25), 1, 0, (1, 25)),
    "planes smaller than a vector": ((2, 71, 3, 5), (5, 4), 1, (2, 1), (2, 3)),
    "planes of one pixel": ((1, 261, 1, 1), 3, 1, 1, 1),
    "columns smaller than a vector": ((1, 67, 5, 6), (1, 2), 1, 0, (3, 4)),
    "short rows of windows": ((1, 3, 40, 50), (4, 3), (2, 1), (3, 1), (3, 6)),
    "short rows of windows and pixels": ((1, 20, 13, 5), (6, 3), 1, (2, 1), (2, 1)),
    "one window": ((2, 9, 6, 7), (6, 7), 1, 0, 1),
    "short rows far apart": ((1, 3, 32, 80), 16, 1, 0, 16),
}


def last(x):
    """The same images in channels-last memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


over_ways = pytest.mark.parametrize("way", WAYS)


@over_ways
@together()
def test_unfold_ways(way, dtype, cpu_level):
    """Each way through the kernel, also over planes with gaps, upside down, or in channels-last images; a NaN goes to
    its own columns, and zeros keep signs."""
    size, *rest = WAYS[way]
    x = data.integers(size, dtype)
    x[0, 1, -1, size[3] // 2], x[0, 2 % size[1], 0] = np.nan, -0.0
    apart = data.integers((*size[:-1], size[-1] + 3), dtype)[..., :-3]
    one_row = np.broadcast_to(x[:, :, -1:], x.shape)
    for image in (x, apart, x[:, :, ::-1], x[:, ::-1], one_row, last(x), last(x)[..., ::-1, :]):
        result, expected = fastconv.unfold(image, *rest), reference.unfold(image, *rest)
        data.assert_identical(result, expected)
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))


@over_ways
@together()
def test_fold_ways(way, dtype, cpu_level):
    """The same of the transpose: a NaN goes to one element, or to none from the padding."""
    size, *rest = WAYS[way]
    columns = data.integers(reference.unfold(np.zeros(size), *rest).shape, dtype)
    columns[0, columns.shape[1] // 2, columns.shape[2] // 2] = np.nan
    data.assert_identical(fastconv.fold(columns, size[2:], *rest), reference.fold(columns, size[2:], *rest))


@over_ways
def test_threads_fold_alike(way, dtype):
    """Each thread has places of its own for the rows it sums."""
    size, *rest = WAYS[way]
    columns = data.integers(reference.unfold(np.zeros(size), *rest).shape, dtype)
    expected = reference.fold(columns, size[2:], *rest)
    for threads in (1, 2, 5):
        with fastconv.num_threads(threads):
            data.assert_identical(fastconv.fold(columns, size[2:], *rest), expected)


def test_known_calls(dtype):
    """A second call of the same shapes goes straight to the kernel; one in other memory does not."""
    x = data.integers((2, 40, 7, 7), dtype)
    columns = reference.unfold(x, 3, 1, 1, 2)
    images = reference.fold(columns, 7, 3, 1, 1, 2)
    for make in (np.array, np.array, np.asfortranarray, lambda a: a.astype(a.dtype.newbyteorder())):
        data.assert_identical(fastconv.unfold(make(x), 3, 1, 1, 2), columns)
        data.assert_identical(fastconv.fold(make(columns), 7, 3, 1, 1, 2), images)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory(layout, dtype):
    x = data.integers((2, 3, 6, 7), dtype)
    columns = reference.unfold(x, (2, 3), 1, 1, 2)
    data.assert_identical(fastconv.unfold(LAYOUTS[layout](x, 1), (2, 3), 1, 1, 2), columns)
    data.assert_identical(
        fastconv.fold(LAYOUTS[layout](columns, 1), (6, 7), (2, 3), 1, 1, 2),
        reference.fold(columns, (6, 7), (2, 3), 1, 1, 2),
    )


@over_cases
def test_fold_is_the_transpose_of_unfold(case, dtype):
    """<unfold(a), b> = <a, fold(b)>, exactly on integers."""
    a = data.integers(case.input, dtype, "a")
    unfolded = fastconv.unfold(a, **arguments(case))
    b = data.integers(unfolded.shape, dtype, "b")
    folded = fastconv.fold(b, case.input[-2:], **arguments(case))
    left, right = np.vdot(unfolded, b), np.vdot(a, folded)
    assert left == right
    assert left != 0 or case.input[0] == 0


@over_cases
def test_convolution_is_a_product_with_columns(case, dtype):
    """weight (oc, ic*kh*kw) @ columns, reshaped, is conv2d: the layout of the columns is that of the weights."""
    x, w, _ = data.operands(case, data.integers, dtype)
    product = w.reshape(len(w), -1) @ fastconv.unfold(x, **arguments(case))
    expected = fastconv.conv2d(x, w, None, **case.arguments(), method="direct")
    data.assert_identical(product.reshape(expected.shape), expected)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_channels_last_images_turned_in_parts(n, dtype, cpu_level):
    """As many images at a time as fit a part of the cache, the last ones fewer; then one, larger than that."""
    x = last(data.integers((n, 12, 40, 45), dtype))
    for threads in (1, 3):
        with fastconv.num_threads(threads):
            data.assert_identical(fastconv.unfold(x, 3, 1, 1, 2), reference.unfold(x, 3, 1, 1, 2))


def test_fold_of_unfold_counts_windows(dtype):
    x = np.ones((1, 1, 4, 4), dtype)
    counts = fastconv.fold(fastconv.unfold(x, 3), 4, 3)
    expected = np.outer([1, 2, 2, 1], [1, 2, 2, 1]).astype(dtype)
    data.assert_identical(counts[0, 0], expected)


def test_arguments_have_the_order_of_torch():
    x = data.integers((1, 2, 9, 9))
    columns = fastconv.unfold(x, 3, 2, 1, 2)
    data.assert_identical(columns, fastconv.unfold(x, kernel_size=3, dilation=2, padding=1, stride=2))
    data.assert_identical(
        fastconv.fold(columns, 9, 3, 2, 1, 2),
        fastconv.fold(columns, output_size=(9, 9), kernel_size=3, dilation=2, padding=1, stride=2),
    )


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding"),
    [((7, 7), 7, 1, 1, 0), ((14, 14), 7, 7, 1, 0), ((9, 20), (2, 3), (3, 4), 1, 1), ((8, 5), 5, 5, 1, 2),
     ((12, 11), (3, 4), 9, (4, 2), 0), ((28, 28), 4, 4, 1, 0), ((3, 30), (3, 2), (1, 2), 1, 0)],
)  # fmt: skip
def test_fold_of_windows_apart(size, kernel, stride, dilation, padding, dtype, cpu_level):
    """No element is summed then, and planes that are many are put together from their columns at once."""
    x = data.integers((2, 40, *size), dtype)
    columns = fastconv.unfold(x, kernel, dilation, padding, stride)
    found = fastconv.fold(columns, size, kernel, dilation, padding, stride)
    covered = fastconv.fold(np.ones_like(columns), size, kernel, dilation, padding, stride)
    assert set(np.unique(covered)) <= {0, 1}
    data.assert_identical(found, x * covered)
    one = fastconv.fold(columns[1, : columns.shape[1] // 40], size, kernel, dilation, padding, stride)
    data.assert_identical(one, found[1, :1])
