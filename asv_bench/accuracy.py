"""How far each method's results lie from the exact ones, in eps of |x| conv |w|: `python asv_bench/accuracy.py`.

On the layers of real networks and on large kernels, for normal data, for rectified input, for positive data (where
nothing cancels and errors only add up) and for rectified input and weights (where much is zero besides), against sums
in float64, or in long double for float64. `--limits` looks beyond the limits that `fastconv/_winograd.py` and
`fastconv/_fft.py` set: fewer channels, wider padding. What "auto" may take must stay below 8 eps but for rectified
weights, what sums directly below 6; the exit code is 1 where it does not.
"""

import argparse
import sys
from itertools import product
from math import inf

import numpy as np
from benchmarks import layers, oracle
from rich import box
from rich.console import Console
from rich.table import Table

import fastconv

METHODS = ("direct", "im2col", "winograd", "fft")
MOST = 5e8  # operations: the exact sums are slow


def normal(rng, shape):
    return rng.standard_normal(shape)


def rectified(rng, shape):
    return np.maximum(normal(rng, shape), 0)


def positive(rng, shape):
    return rng.random(shape)


KINDS = {
    "normal": (normal, normal),
    "rectified": (rectified, normal),
    "positive": (positive, positive),
    "both rectified": (rectified, rectified),
}
BEYOND = {("auto", "both rectified")}  # the bound: the README says where

LARGE = (
    *(layers.conv(f"image {k}x{k} @{size}", 1, size, 1, k) for k, size in ((15, 128), (31, 128), (63, 128), (63, 300))),
    *(layers.conv(f"image {k}x{k} 3-8 @96", 3, 96, 8, k) for k in (11, 21)),
    *(layers.conv(f"signal k{k} 1-1 @16000", 1, 16000, 1, k, rank=1) for k in (64, 513, 4096)),
    layers.conv("signal k101 16-16 @4000", 16, 4000, 16, 101, rank=1),
    *(layers.conv(f"volume {k}x{k}x{k} 1-2 @{n}", 1, n, 2, k, rank=3) for k, n in ((7, 48), (11, 32), (15, 30))),
)
REAL = (
    *layers.DENSE_3X3, *layers.POINTWISE, *layers.FIRST, *layers.DEPTHWISE, *layers.DENSE, *layers.CONV1D,
    *layers.CONV3D,
)  # fmt: skip


def beyond_the_limits():
    """Layers around the limits of Winograd and of Fourier transforms."""
    for kernel, channels, padding in product((2, 3, 5), (8, 16, 32, 64), (0, 1, 2)):
        if padding < kernel:
            name = f"{kernel}x{kernel} {channels}-32 p{padding} @34"
            yield layers.conv(name, channels, 34, 32, kernel, padding=padding)
    split = ((3, 2, 1), (7, 2, 1), (11, 4, 1), (3, 1, 2), (7, 1, 1))
    for (kernel, stride, dilation), channels in product(split, (3, 8, 32)):
        name = f"{kernel}x{kernel} s{stride} d{dilation} {channels}-32 @64"
        yield layers.conv(name, channels, 64, 32, kernel, stride=stride, dilation=dilation)
    for kernel, padding in product((3, 5, 9, 31), (0, 0.5, 1)):
        padding = int(padding * (kernel - 1))
        yield layers.conv(f"{kernel}x{kernel} 1-4 p{padding} @64", 1, 64, 4, kernel, padding=padding)


def error(layer, method, dtype, kind, seed):
    """The largest error of a method, or None where it does not take the layer."""
    rng = np.random.default_rng(seed)
    shapes = layer.input, layer.weight
    x, weight = (make(rng, shape).astype(dtype) for make, shape in zip(KINDS[kind], shapes, strict=True))
    function = getattr(fastconv, f"conv{layer.rank}d")
    geometry = {"stride": layer.stride, "padding": layer.pads, "dilation": layer.dilation, "groups": layer.groups}
    try:
        result = function(x, weight, method=method, **geometry)
    except ValueError:
        return None
    exact, scale = (oracle.conv(layer, *arrays) for arrays in ((x, weight), (np.abs(x), np.abs(weight))))
    return oracle.error_in_eps(result, exact, scale, dtype)


def lift_limits():
    """Let methods take what they would turn down for its accuracy."""
    from fastconv import _fft, _winograd

    _winograd.least_share, _winograd.MOST_GAIN = lambda g: 0, inf
    _winograd.LEAST_SHARE = _fft.LEAST_SHARE = 0


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--method", action="append", choices=(*METHODS, "auto"))
    parser.add_argument("--layer", default="", help="only layers whose name contains this")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--limits", action="store_true", help="around the limits of Winograd and Fourier transforms")
    arguments = parser.parse_args(argv)
    if arguments.limits:
        lift_limits()
    methods = arguments.method or (("winograd", "fft") if arguments.limits else (*METHODS, "auto"))
    some = tuple(beyond_the_limits()) if arguments.limits else (*REAL, *LARGE)
    some = [layer for layer in some if arguments.layer in layer.name and layer.flops <= MOST]

    table = Table(title=f"{arguments.dtype}: largest error in eps of |x| conv |w|", box=box.SIMPLE_HEAD)
    table.add_column("layer", no_wrap=True)
    for method, kind in product(methods, KINDS):
        table.add_column(f"{method}\n{kind}", justify="right")
    worst = dict.fromkeys(product(methods, KINDS), 0.0)
    for layer in some:
        row = []
        for method, kind in worst:
            found = [error(layer, method, arguments.dtype, kind, seed) for seed in range(arguments.seeds)]
            row.append("" if None in found else f"{max(found):.2f}")
            worst[method, kind] = max(worst[method, kind], *(0 if value is None else value for value in found))
        table.add_row(layer.name, *row)
    table.add_section()
    table.add_row("worst", *(f"{value:.2f}" for value in worst.values()))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    limits = {"direct": oracle.DIRECT_BOUND, "im2col": oracle.DIRECT_BOUND, "auto": oracle.AUTO_BOUND}
    bounded = {key: value for key, value in worst.items() if key[0] in limits and key not in BEYOND}
    over = [f"{m} {kind}" for (m, kind), value in bounded.items() if not value <= limits[m]]
    if over and not arguments.limits:
        print("beyond the documented bound:", ", ".join(over))
    return bool(over) and not arguments.limits


if __name__ == "__main__":
    sys.exit(main())
