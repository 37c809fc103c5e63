"""What `method="auto"` costs beside the best method, and the thresholds it rests on: `python asv_bench/fit_methods.py`.

Times every method that takes a shape, on a grid of shapes, and prints how much slower the one that "auto" names is than
the fastest: the geometric mean, and every shape beyond a factor of `--list`. `--part 2/9` times the second of nine
samples of the grid, `--save` keeps the times and `--load` puts them together again; `--fit` prints the constants of
`fastconv/_tuned.py` that suit them best beside the present ones of this CPU at the level in use (FASTCONV_CPU forces
one).
"auto" looks at shapes alone, so that the thresholds are of one thread and of one image, whose weights are not prepared:
`--batch` and `--prepared` time the others, `--last` channels-last memory.
"""

import argparse
import json
import sys
from functools import cache, partial
from itertools import islice, product
from math import exp, log
from pathlib import Path
from zlib import crc32

import numpy as np
from benchmarks import layers  # sets the threads' variables: before anything that loads a BLAS

import fastconv

METHODS = ("winograd", "fft", "im2col", "direct")
MOST = 4e9  # operations of the direct sum: beyond, a shape takes too long to time
LEAST = 2e4


def grid():
    """Named layers: kernels of 1 to 63, 1 to 512 channels, few of output, maps of 3 to 512, strides, groups, ranks."""
    dense = product((1, 2, 3, 5, 7, 11, 15, 21, 31, 63), ((1, 1), (1, 16), (3, 32), (32, 32), (128, 128), (512, 512)),
                    (7, 14, 28, 56, 128, 256, 512))  # fmt: skip
    for kernel, (ic, oc), size in dense:
        if kernel <= 2 * size:
            yield layers.conv(f"{kernel}x{kernel} {ic}-{oc} @{size}", ic, size, oc, kernel, padding=kernel // 2)
    for kernel, (ic, oc), size in product((3, 7, 16), ((3, 32), (64, 64)), (28, 112, 224)):
        stride = kernel if kernel == 16 else 2
        yield layers.conv(f"{kernel}x{kernel} s{stride} {ic}-{oc} @{size}", ic, size, oc, kernel, stride=stride)
    split = ((3, 2, 1), (5, 2, 1), (7, 2, 1), (11, 4, 1), (3, 1, 2), (7, 1, 1), (5, 3, 1))
    for (kernel, stride, dilation), (ic, oc), size in product(
        split, ((3, 64), (16, 16), (32, 32), (128, 128), (256, 256)), (9, 28, 57, 112)
    ):
        name = f"{kernel}x{kernel} s{stride} d{dilation} {ic}-{oc} @{size}"
        yield layers.conv(name, ic, size, oc, kernel, stride=stride, dilation=dilation)
    for kernel, groups, size in product((3, 7, 31), (64, 4), (14, 56, 112)):
        yield layers.conv(f"{kernel}x{kernel} g{groups} 64-64 @{size}", 64, size, 64, kernel, groups=groups)
    for kernel, ic, oc, size in product((3, 4, 5, 7), (8, 32), (2, 4, 8), (20, 56, 112)):
        yield layers.conv(f"{kernel}x{kernel} {ic}-{oc} @{size}", ic, size, oc, kernel, padding=kernel // 2)
    small = product(((1, 3), (5, 1), (1, 7), 2, 3, 4, 5), ((32, 32), (64, 16), (256, 256)), (3, 5, 10, 20, 40))
    for kernel, (ic, oc), size in small:
        name = f"{kernel} {ic}-{oc} @{size}"
        padding = kernel // 2 if isinstance(kernel, int) else tuple(k // 2 for k in kernel)
        yield layers.conv(name, ic, size, oc, kernel, padding=padding)
    for kernel, channels, size in product((3, 9, 64, 512, 4096), (1, 16, 64), (1000, 16000, 100_000)):
        if kernel <= size:
            yield layers.conv(f"k{kernel} {channels}-{channels} @{size}", channels, size, channels, kernel, rank=1)
    for kernel, channels, size in product((3, 7, 11), (1, 4, 32), (16, 48)):
        name = f"{kernel}x{kernel}x{kernel} {channels}-{channels} @{size}"
        yield layers.conv(name, channels, size, channels, kernel, rank=3)


def shapes():
    """(layer, dtype) of the grid that take neither too long nor no time at all."""
    some = [layer for layer in grid() if LEAST <= layer.flops <= MOST]
    yield from product(some, ("float32",))
    yield from product((layer for layer in some if crc32(layer.name.encode()) % 3 == 0), ("float64",))


def times(layer, dtype, rounds, batch=1, prepared=False, last=False):
    """Median seconds of each method that takes the layer; those that are hopeless are called once."""
    from _peers.clock import alternate, seconds
    from benchmarks.common import data

    x, weight = data((batch, *layer.input[1:]), dtype, 1), data(layer.weight, dtype, 2)
    if last:
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    function = getattr(fastconv, f"conv{layer.rank}d")
    geometry = {"stride": layer.stride, "padding": layer.pads, "dilation": layer.dilation, "groups": layer.groups}
    once, calls = {}, {}
    for method in METHODS:
        calls[method] = partial(function, x, weight, method=method, **geometry)
        if prepared:
            calls[method] = partial(fastconv.prepare(weight, method=method, **geometry), x)
        try:
            once[method] = min(seconds(calls[method], 1) for _ in range(3))
        except ValueError:  # it does not take the layer
            continue
    near = {method: calls[method] for method in once if once[method] <= 4 * min(once.values())}
    return once | alternate(near, rounds)


def choice(layer, dtype, last=False):
    return fastconv.choose_method(
        layer.input, layer.weight, layer.stride, layer.pads, layer.dilation, layer.groups, dtype=dtype,
        channels_last=last,
    )  # fmt: skip


def regrets(measured, last):
    """[(how many times the best method's time "auto" takes, layer, dtype, its choice, the best)], the worst first."""
    found = []
    for layer, dtype, spent in measured:
        chosen, best = choice(layer, dtype, last), min(spent, key=spent.get)
        found.append((spent[chosen] / spent[best], layer, dtype, chosen, best))
    return sorted(found, key=lambda row: -row[0])


def mean(values):
    return exp(sum(map(log, values)) / len(values))


def report(measured, list_from, last):
    rows = regrets(measured, last)
    for regret, layer, dtype, chosen, best in rows:
        if regret >= list_from:
            spent = next(s for one, d, s in measured if (one, d) == (layer, dtype))
            detail = ", ".join(f"{method} {s * 1e3:.3g}" for method, s in sorted(spent.items(), key=lambda p: p[1]))
            print(f"{regret:5.2f}  {layer.name} {dtype}: takes {chosen}, {best} is faster; ms: {detail}")
    alone = {method: mean([s.get(method, s["direct"]) / min(s.values()) for *_, s in measured]) for method in METHODS}
    print(f"{len(rows)} shapes: auto takes {mean([r[0] for r in rows]):.3f} times the best method's time in geometric")
    print(f"mean, {rows[0][0]:.2f} times at worst. One method alone (direct where it does not take a shape):", end=" ")
    print(", ".join(f"{method} {value:.2f}" for method, value in alone.items()))


def geometry(layer, dtype, last=False):
    from fastconv._geometry import conv_geometry

    return conv_geometry(
        "fit", layer.rank, layer.input, layer.weight, layer.stride, layer.pads, layer.dilation, layer.groups, "zeros",
        np.dtype(dtype).itemsize, int(last),
    ).geometry  # fmt: skip


def fit_fft(measured, dtype, last):
    """The costs of `_costs.Fourier`, by least squares of relative errors."""
    from fastconv import _costs, _fft, _tuned

    rows = [(geometry(one, d, last), spent) for one, d, spent in measured if d == dtype and "fft" in spent]
    size = np.dtype(dtype).itemsize
    rate = np.median([g.macs / spent["direct"] for g, spent in rows if g.macs > 1e8])
    matrix = np.array([[1, *_fft.operations(g, _fft.best(g))] for g, _ in rows])
    seconds = np.array([spent["fft"] for _, spent in rows])
    found = np.linalg.lstsq(matrix / seconds[:, None], np.ones(len(rows)), rcond=None)[0] * rate
    print(f"{dtype}, direct sums at {rate / 1e9:.0f} GMAC/s:", end=" ")
    names = _costs.Fourier._fields[:-1]
    for name, present, value in zip(names, _tuned.tuned().fourier, found, strict=False):
        print(f"{name} {value:.3g} (now {present[size]:.3g})", end=", ")
    predicted = matrix @ found / rate
    spread = np.exp(np.std(np.log(np.maximum(predicted, 1e-9) / seconds)))
    print(f"predicts within a factor of {spread:.2f} (standard deviation)")


LOOSE = 0.1  # how much a squared error of the ratio of both methods' times counts beside regret
WORTH = 1e-4  # by which a step must lessen both


def fit_winograd(measured, last):
    """The costs of `_costs.Winograd` that are numbers, from the present ones by ever shorter steps along each, over the
    shapes that Winograd takes: those with the least regret, and with the ratio of times where methods are near, for
    regret alone leaves costs loose that other shapes need."""
    from fastconv import _direct, _tuned, _winograd

    rows = [(geometry(one, d, last), spent) for one, d, spent in measured if "winograd" in spent]
    level = _tuned.tuned()
    present = {name: value for name, value in level.winograd._asdict().items() if isinstance(value, int | float)}

    @cache
    def score(values):
        costs = level.winograd._replace(**dict(zip(present, values, strict=True)))
        _winograd.tuned = partial(level._replace, winograd=costs)
        ratios, errors = [], []
        for g, spent in rows:
            direct, winograd = spent["direct"], spent["winograd"]
            ratios.append((direct if _winograd.declines(g) else winograd) / min(direct, winograd))
            took = log(winograd / direct)
            if abs(took) < 1:
                errors.append(min((log(_winograd.cost(g) / _direct.cost(g)) - took) ** 2, 1))
        return log(mean(ratios)) + LOOSE * sum(errors) / len(rows), mean(ratios), max(ratios)

    best = near = tuple(present.values())
    for factor in (1.4, 1.2, 1.1):
        while near:
            best = near
            steps = [(*best[:i], best[i] * by, *best[i + 1 :]) for i in range(len(best)) for by in (factor, 1 / factor)]
            near = min((v for v in steps if score(v)[0] < score(best)[0] - WORTH), key=score, default=None)
        near = best
    _winograd.tuned = _tuned.tuned
    names = ", ".join(present)
    print(f"{names}: mean, worst regret over {len(rows)} shapes; now and the best")
    for values in (tuple(present.values()), best):
        print("    {}: {:.3f}, {:.2f}".format(", ".join(f"{value:.3g}" for value in values), *score(values)[1:]))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fit", action="store_true", help="print the constants that suit the times best")
    parser.add_argument("--list", type=float, default=1.3, help="list shapes where auto takes so many times the best")
    parser.add_argument("--only", default="", help="only shapes whose name contains this")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="only the I-th of N samples of the shapes")
    parser.add_argument("--batch", type=int, default=1, help="images")
    parser.add_argument("--prepared", action="store_true", help="weights are")
    parser.add_argument("--last", action="store_true", help="channels-last memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", metavar="JSON")
    parser.add_argument("--load", metavar="JSON", nargs="+", default=())
    arguments = parser.parse_args(argv)
    wanted = {f"{layer.name} {dtype}": (layer, dtype) for layer, dtype in shapes() if arguments.only in layer.name}
    if arguments.load:
        kept = {name: spent for path in arguments.load for name, spent in json.loads(Path(path).read_text()).items()}
    else:
        fastconv.set_num_threads(1)
        part, parts = map(int, arguments.part.split("/"))
        some = islice(wanted, part - 1, None, parts)
        how = arguments.rounds, arguments.batch, arguments.prepared, arguments.last
        kept = {name: times(*wanted[name], *how) for name in some}
    if arguments.save:
        Path(arguments.save).write_text(json.dumps(kept))
    measured = [(*wanted[name], spent) for name, spent in kept.items()]
    report(measured, arguments.list, arguments.last)
    if arguments.fit:
        for dtype in ("float32", "float64"):
            fit_fft(measured, dtype, arguments.last)
        fit_winograd(measured, arguments.last)
    return 0


if __name__ == "__main__":
    sys.exit(main())
