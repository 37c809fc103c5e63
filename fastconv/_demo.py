"""The demonstration: a small layer and a real photograph through convolution and pooling, all of it checked.

    photograph -> luminance (1x1) -> 8 edge filters 7x7 -> 2x2 pool -> 16 contour and corner filters 5x5 -> 2x2 pool

Each step is computed by fastconv in float32, recomputed by SciPy in float64 from the same input, and compared: a
convolution must lie within `BOUND` eps of |input| conv |weight| (+ |bias|), the bound that `conv2d` documents for
whatever `method="auto"` picks; a rectifier moves no two numbers apart, so it keeps the bound; a maximum is exact.
"""

import time
from dataclasses import dataclass

import numpy as np
import scipy
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import ndimage, signal

import fastconv
from fastconv._demo_filters import contour_and_corner_filters, edge_filters, luminance
from fastconv._demo_picture import draw, read_photograph, writable

BOUND = 8
SMALLEST = 16  # pixels on a side: less would be pooled away


class DemoError(Exception):
    """Something the user can mend; its text is all that is shown."""


@dataclass(frozen=True)
class Step:
    """One operation that ran: its result, both times in seconds, and its error as a share of the bound."""

    name: str
    input: tuple
    result: np.ndarray
    seconds: float
    scipy_seconds: float
    error: float


def run(image, output):
    """Run everything, print it, draw it; return the exit code."""
    console = Console()
    try:
        writable(output)
        photograph = read_photograph(image)
    except (OSError, ValueError) as error:
        raise DemoError(error) from error
    if min(photograph.shape[-2:]) < SMALLEST:
        height, width = photograph.shape[-2:]
        raise DemoError(f"the image is {height} x {width} pixels; it takes at least {SMALLEST} x {SMALLEST}")

    with console.status("a small layer ...") as status:
        sample = small_layer()
        status.update("the photograph, checked against SciPy ...")
        levels = network(photograph)
    report_shapes(console, sample)
    steps = sample + levels
    report_times(console, steps)
    wrong = [step.name for step in steps if not step.error <= 1]
    if wrong:
        raise DemoError(f"not within the error bound of SciPy's result: {', '.join(wrong)}")
    draw(output, photograph, *(step.result for step in levels[2::2]))
    console.print(f"every result is within its error bound of SciPy's; feature maps drawn in [bold]{output}[/bold]")
    return 0


def small_layer():
    """A 28x28 image, 16 filters of 3x3 with padding 1, then 2x2 pooling."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 1, 28, 28), dtype=np.float32)
    weight = rng.standard_normal((16, 1, 3, 3), dtype=np.float32) / 3
    convolved = convolve("small 3x3", image, weight, rng.standard_normal(16, dtype=np.float32))
    return [convolved, pool("small pool", convolved.result)]


def network(photograph):
    """The steps from the photograph to the second level's feature maps."""
    layer = {"activation": "relu", "mirrored": True}
    grey = convolve("luminance", photograph, *luminance())
    edges = convolve("edges 7x7", grey.result, *edge_filters(), **layer)
    pooled = pool("edges pool", edges.result)
    parts = convolve("parts 5x5", pooled.result, *contour_and_corner_filters(), **layer)
    return [grey, edges, pooled, parts, pool("parts pool", parts.result)]


def convolve(name, x, weight, bias, activation=None, mirrored=False):
    """A convolution that keeps the image's size, beside SciPy's; beyond the edge are zeros or the mirrored image."""
    options = {
        "padding": weight.shape[-1] // 2,
        "padding_mode": "symmetric" if mirrored else "zeros",
        "activation": activation,
    }
    result, seconds = timed(lambda: fastconv.conv2d(x, weight, bias, **options))
    _, scipy_seconds = timed(lambda: rectified(correlate(x, weight, bias, mirrored), activation))
    double = [a.astype(np.float64) for a in (x, weight, bias)]
    exact = rectified(correlate(*double, mirrored), activation)
    bound = BOUND * np.finfo(x.dtype).eps * correlate(*map(np.abs, double), mirrored)
    return Step(name, x.shape, result, seconds, scipy_seconds, share(result, exact, bound))


def correlate(x, weight, bias, mirrored):
    """The same by `scipy.signal.correlate2d`, one pair of channels at a time."""
    options = {"mode": "same", "boundary": "symm" if mirrored else "fill"}
    sums = [
        [sum(signal.correlate2d(c, k, **options) for c, k in zip(image, kernels, strict=True)) for kernels in weight]
        for image in x
    ]
    return np.array(sums) + bias[:, None, None]


def rectified(x, activation):
    return np.maximum(x, 0) if activation == "relu" else x


def pool(name, x):
    """A 2x2 maximum, beside that of `scipy.ndimage`: a maximum at every pixel, then every second one."""
    result, seconds = timed(lambda: fastconv.max_pool2d(x, 2))
    height, width = (size // 2 * 2 for size in x.shape[2:])
    window = {"size": (1, 1, 2, 2), "origin": (0, 0, -1, -1)}
    exact, scipy_seconds = timed(lambda: ndimage.maximum_filter(x, **window)[:, :, :height:2, :width:2])
    return Step(name, x.shape, result, seconds, scipy_seconds, share(result, exact, np.zeros(exact.shape)))


def share(result, exact, bound):
    """The largest error as a share of its bound; infinite where the check proves nothing."""
    if result.shape != exact.shape or not np.isfinite(result).all() or not exact.any():
        return np.inf
    error = np.abs(result - exact)
    if (error[bound == 0] > 0).any():
        return np.inf
    return float(np.max(error[bound > 0] / bound[bound > 0], initial=0))


def timed(call, at_least=0.05, at_most=0.5):
    """The result and the best time of `call`, run until both 0.05 s and three runs are over, or half a second."""
    times, begin, elapsed = [], time.perf_counter(), 0.0
    while elapsed < at_least or (len(times) < 3 and elapsed < at_most):
        start = time.perf_counter()
        result = call()
        end = time.perf_counter()
        times.append(end - start)
        elapsed = end - begin
    return result, min(times)


def report_shapes(console, sample):
    """The three shapes of the small layer."""
    convolved, pooled = sample
    console.print(f"Input shape: {convolved.input}")
    console.print(f"After convolution: {convolved.result.shape}")
    console.print(f"After pooling: {pooled.result.shape}\n")


def report_times(console, steps):
    """One row for each step: shapes, both times, and how much of the error bound was used."""
    title = f"fastconv {fastconv.__version__} and SciPy {scipy.__version__}, float32, {threads()}"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("step", no_wrap=True)
    for heading in ("input", "output", "fastconv\nms", "SciPy\nms", "times\nfaster", "error\n/ bound"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step in steps:
        table.add_row(
            step.name,
            by(step.input),
            by(step.result.shape),
            f"{step.seconds * 1e3:.3f}",
            f"{step.scipy_seconds * 1e3:.2f}",
            f"{step.scipy_seconds / step.seconds:.1f}",
            "exact" if step.error == 0 else f"{step.error:.2f}",
            style=None if step.error <= 1 else "red",
        )
    console.print(table)


def threads():
    count = fastconv.get_num_threads()
    return f"{count} thread{'s' * (count > 1)}"


def by(shape):
    """A shape without its batch axis: 16x14x14."""
    return "x".join(map(str, shape[1:]))
