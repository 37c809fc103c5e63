"""Draw the time of each method against kernel size and channels: `python asv_bench/plot_methods.py methods.png`.

Beside the curves, what `method="auto"` takes: the lower edge of them all, if it chooses well.
"""

import argparse
import sys

import fit_methods
import matplotlib
from _peers import machine
from benchmarks import layers

import fastconv

matplotlib.use("Agg")
from matplotlib import pyplot

KERNELS = (1, 2, 3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
CHANNELS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PANELS = {  # title -> (what varies, its values, the layer)
    "one image, 512x512": ("kernel", KERNELS, lambda k: layers.conv("", 1, 512, 1, k, padding=k // 2)),
    "16 to 16 channels, 56x56": ("kernel", KERNELS[:-1], lambda k: layers.conv("", 16, 56, 16, k, padding=k // 2)),
    "3x3 kernels, 28x28": ("channels, in and out", CHANNELS, lambda c: layers.conv("", c, 28, c, 3)),
    "one signal, 160000 long": (
        "kernel", tuple(2**i for i in range(1, 14)), lambda k: layers.conv("", 1, 160_000, 1, k, rank=1),
    ),
}  # fmt: skip
STYLE = {"direct": "C0o-", "winograd": "C1s-", "fft": "C2^-", "im2col": "C7.:"}


def panel(axes, title, what, values, layer, rounds):
    """One panel: a curve for each method over those values that it takes."""
    spent = {value: fit_methods.times(layer(value), "float32", rounds) for value in values}
    for method, style in STYLE.items():
        points = [(value, times[method] * 1e3) for value, times in spent.items() if method in times]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=method, markersize=4)
    taken = [times[fit_methods.choice(layer(value), "float32")] * 1e3 for value, times in spent.items()]
    axes.plot(values, taken, "ko", fillstyle="none", markersize=9, label='"auto" takes', linestyle="none")
    axes.set(title=title, xlabel=what, ylabel="ms", xscale="log", yscale="log")
    axes.set_xticks(values, [str(value) for value in values], minor=False)
    axes.tick_params(axis="x", labelrotation=60, labelsize=7)
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("png")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args(argv)
    fastconv.set_num_threads(1)
    figure, grid = pyplot.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for axes, (title, row) in zip(grid.flat, PANELS.items(), strict=True):
        panel(axes, title, *row, arguments.rounds)
    grid.flat[1].legend(fontsize=8)  # where every method takes part
    figure.suptitle(machine.describe(1).replace(", fastconv", "\nfastconv"), fontsize=7)
    figure.savefig(arguments.png, dpi=90)
    return 0


if __name__ == "__main__":
    sys.exit(main())
