"""The roofline: rate against arithmetic intensity, under the limits of this machine measured in the same run.

A computation that does I operations for each byte it must move reaches at most min(peak, I * bandwidth)
(Williams, Waterman & Patterson 2009, doi:10.1145/1498765.1498785). The peak here is what the matrix product reaches,
the bandwidths are those of reading one array and writing another. A point above the roof is a method that needs fewer
operations than it is counted.
"""

import numpy as np
from matplotlib.figure import Figure


def draw(path, families, bandwidths, header):
    """One point for each layer; `families` maps a name to its results."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplots()
    intensities = np.logspace(-1, 3, 200)
    rates = [r.gemm_rate for results in families.values() for r in results if r.gemm_rate]
    peak = float(np.median(rates)) if rates else None
    for (level, bandwidth), style in zip(bandwidths.items(), (":", "--", "-"), strict=True):
        roof = intensities * bandwidth / 1e9
        label = f"{level}: {bandwidth / 1e9:.0f} GB/s"
        axes.plot(intensities, np.minimum(roof, peak) if peak else roof, style, color="0.4", lw=1, label=label)
    if peak:
        axes.annotate(f"matrix product {peak:.0f} GFLOP/s", (1000, peak * 1.05), ha="right", fontsize=9)
    for i, (name, results) in enumerate(families.items()):
        first = results[0].ours[0]
        x = [r.task.flops / r.task.bytes for r in results]
        axes.scatter(x, [r.rate(first) for r in results], color=f"C{i % 10}", s=30, label=name, zorder=3)
        peers = [(a, r.rate(r.best_peer(first))) for a, r in zip(x, results, strict=True) if r.best_peer(first)]
        if peers:
            axes.scatter(*zip(*peers, strict=True), facecolors="none", edgecolors=f"C{i % 10}", s=30, zorder=2)
    axes.set(xscale="log", yscale="log", xlabel="operations per byte of input, weight and output", ylabel="GFLOP/s")
    axes.set_title(f"fastconv (filled) and the best of the others (open)\n{header}", fontsize=9)
    axes.grid(alpha=0.25, which="both")
    axes.legend(fontsize=9, ncols=2, loc="lower right")
    figure.savefig(path, dpi=110)
