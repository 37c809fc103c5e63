"""What was measured of the vectors of a CPU: the costs and thresholds by which methods and kernels are chosen.

`_costs` says what they are, and `_cpu` which vectors are in use; whoever keeps what follows from these numbers forgets
it when the level changes, as plans do. `asv_bench/fit_methods.py` times what they predict.
"""

from math import inf

from fastconv._costs import (
    ByRows,
    Few,
    First,
    Fourier,
    Last,
    Planes,
    Rings,
    Rows,
    Short,
    Sum,
    Transposed,
    Tuned,
    Volumes,
    WeightGrad,
    Winograd,
)  # fmt: skip

# By bytes of a vector and of the datapath, what a core multiplies and adds of it at once; cores with vectors of 64 have
# 32 of them, which keep rows and weights in registers
TUNED = {
    (64, 32): Tuned(  # Zen 4, 2026-11-28 and 29; points of gradients of weights Ice Lake, 2026-11-30
        Winograd(
            product=1.1, input=10, strided_input=10, packed_input=45, output=6, weight_point=1.9, part_point=1.9,
            pair_point=1.9, few_point=1.9, weight_tap=7.9, lanes={4: 16, 8: 16},
            # Zen 5, 2026-12-01, as those of the other vectors
            short=Short(product=1.1, input=7.8, stage=24, output=8.5, weight=18, few=1.5, packed=0.68),
        ),
        Fourier(
            start={4: 250_000, 8: 140_000}, transform={4: 2.8, 8: 3}, kernel={4: 7, 8: 5}, product={4: 10, 8: 10.5},
            last=1.5, radix=12,
        ),
        Rows(
            tile=12, group=60, long_tile=9.5, padded_tile=13, copied_tile=13, stage=8, store=16, load=0.5, alone=3,
            heights=range(3, 8, 2),
        ),
        Planes(
            vector=64, row_end=0.5, row_load=2, tall_tap=1, tall_load=2, tall_row=0, row_plane=190, staged_plane=690,
            split=inf, pick=22, turned_tap=0.6, turned_load=2.3, lone_tap=2.2, turn=7.5, entry=5, long=32,
        ),
        Transposed(
            sums={
                # product seen input weight output row group
                "direct": Sum(1.2, 6.8, 0, 11, 0, 230, 5200),
                "direct_last": Sum(1.1, 3.9, 13, 9.5, 5.2, 2300, 0),
                "few_last": Sum(1.4, 0, 0, 10, 80, 500, 0),
                "depthwise_last": Sum(2.1, 0, 0, 25, 15, 0, 0),
                "filter": Sum(1.3, 0.31, 21, 150, 0, 550, 1700),
                "near_rows": Sum(1.7, 0, 9, 41, 0, 160, 270),
                "planes": Sum(1.7, 0, 9, 41, 0, 160, 270),
                "grouped": Sum(1.2, 0, 25, 11, 2.7, 130, 6100),
                "winograd": Sum(1.3, 19, 0, 5.5, 17, 750, 0),
                "gather": Sum(2.2, 0, 4.6, 33, 1.5, 520, 3400),
                "gather_down": Sum(1.3, 0, 2.8, 20, 0.9, 310, 2000),
                "gather_last": Sum(1.7, 0, 0, 5, 7.2, 25, 0),
                "disjoint": Sum(0.91, 6.1, 9.5, 5.6, 4, 230, 0),
                "disjoint_last": Sum(0.89, 0, 3.2, 7.7, 4.8, 41, 0),
                "overlap": Sum(1.2, 14, 7.5, 2, 0, 920, 4400),
                "overlap_channels": Sum(1.2, 14, 7.5, 2, 0, 920, 4400),
                "pixel": Sum(0, 0, 0, 4.2, 5, 20, 4400),
            },
            woven=9.5, copied=13, copied_back=24, whole_rows=0.5, swapped=1, call=70_000,
        ),
        Last(lanes={4: 6, 8: 5}, pixel=100, group=20, store=8, row=2000, element={4: 8, 8: 14}, call=200_000),
        First(outputs=6, row=38, element=5.2, line=240),
        Volumes(store=5.9, plane=190, stage=5.9, product=1.6, row=67, element=0.51, call=52_000),
        Few(product={4: 0.75, 8: 0.75}, run=10, output=50, seen=70, weight=6),
        Rings(product=0.3, load=2, sum=8, group=4, entry=2.3, weight=2, most=8),
        WeightGrad(vector=64, rows=12, band=22, row=7, tile=3.3, lanes=0.55, pixel=3.1, points=0.3, in_place=inf),
    ),
    (32, 32): Tuned(  # Zen 3, 2026-11-28 and 29; transposed convolution and gradients of weights Zen 4, 2026-11-29
        Winograd(
            product=1, input=9, strided_input=9, packed_input=23, output=15, weight_point=1.6, part_point=1.6,
            pair_point=1.6, few_point=1.6, weight_tap=20, lanes={4: 8, 8: 4},
            by_rows=ByRows(product=1, input=7, output=1, row=60, weight=15, few=0.5),  # AVX2 on Zen 5, 2026-12-01
            short=Short(product=1.45, input=6, stage=12, output=4, weight=15, few=1, packed=0.9),
        ),
        Fourier(
            start={4: 100_000, 8: 80_000}, transform={4: 2.8, 8: 3}, kernel={4: 6, 8: 5}, product={4: 11, 8: 12},
            last=1.8, radix=8,
        ),
        Rows(
            tile=8.2, group=40, long_tile=9, padded_tile=13, copied_tile=13, stage=6.5, store=4, load=1, alone=3.5,
            heights=range(3, 65),
        ),
        Planes(
            vector=32, row_end=1, row_load=1.9, tall_tap=inf, tall_load=inf, tall_row=inf, row_plane=160,
            staged_plane=660, split=6, pick=32, turned_tap=1.35, turned_load=0, lone_tap=2.4, turn=6.6, entry=8,
            long=inf,
        ),
        Transposed(
            sums={
                # product seen input weight output row group
                "direct": Sum(1.1, 7.7, 0, 13, 4, 160, 10_000),
                "direct_last": Sum(0.91, 9, 6.1, 12, 12, 1600, 0),
                "few_last": Sum(1.4, 0, 0, 10, 150, 500, 0),
                "depthwise_last": Sum(1.3, 0, 0, 210, 23, 0, 0),
                "filter": Sum(1.6, 0.42, 16, 110, 0, 360, 730),
                "near_rows": Sum(1.1, 0, 0, 350, 16, 52, 53),
                "planes": Sum(1.1, 0, 0, 350, 16, 52, 53),
                "grouped": Sum(1.3, 0, 0, 3.8, 7.1, 190, 7500),
                "winograd": Sum(1.3, 16, 0, 13, 46, 35, 0),
                "gather": Sum(2.2, 0, 5.9, 42, 5.3, 390, 790),
                "gather_down": Sum(1.3, 0, 3.5, 25, 3.2, 230, 470),
                "gather_last": Sum(1.3, 0, 0, 25, 11, 0, 0),
                "disjoint": Sum(0.92, 13, 8.6, 7.1, 2.4, 100, 0),
                "disjoint_last": Sum(0.86, 0, 4.5, 3, 7.2, 28, 0),
                "overlap": Sum(1.1, 28, 9.8, 2.5, 3.1, 700, 3500),
                "overlap_channels": Sum(1.1, 28, 9.8, 2.5, 3.1, 700, 3500),
                "pixel": Sum(0, 0, 0, 4.2, 5, 20, 3500),
            },
            woven=9.6, copied=14, copied_back=14, whole_rows=1, swapped=0.45, call=59_000,
        ),
        Last(lanes={4: 8, 8: 4}, pixel=160, group=0, store=12, row=4000, element={4: 10, 8: 10}, call=600_000),
        First(outputs=6, row=16, element=5.3, line=165),
        Volumes(store=4.3, plane=380, stage=8.6, product=2, row=78, element=1, call=99_000),
        Few(product={4: 1.05, 8: 1.05}, run=10, output=50, seen=70, weight=8),
        Rings(product=0.5, load=1.8, sum=8, group=8, entry=2.2, weight=2, most=7),
        WeightGrad(vector=32, rows=6, band=30, row=21, tile=5.3, lanes=0.6, pixel=5.1, points=0.6, in_place=24),
    ),
}  # fmt: skip
# Cores with datapaths of 64 sum directly in half the time: transforms, which load and store, cost more of such sums,
# and depthwise planes have less beside them. Fitted to what is chosen: the register tile beside rows, copies and rings
# among 10,400 random layers, Winograd among 4600. Costs that gained less than 0.1% when fitted anew are Zen 4's.
TUNED[64, 64] = TUNED[64, 32]._replace(  # Emerald Rapids, 2026-12-01; Fourier and planes 2026-11-30
    planes=TUNED[64, 32].planes._replace(
        tall_tap=0.67, tall_load=1.1, tall_row=8, row_plane=100,  # `tall` Zen 5, 2026-12-01
    ),
    winograd=Winograd(
        product=1.4, input=1, strided_input=7, packed_input=75, output=8, weight_point=2.6, part_point=6.6,
        pair_point=3.5, few_point=0.7, weight_tap=8, lanes={4: 16, 8: 8},
        alone=1.3,  # and what follows Zen 5, 2026-12-01
        short=TUNED[64, 32].winograd.short._replace(few=1.15, packed=0.72),
        by_rows=ByRows(product=0.84, input=10, output=3.9, row=64, weight=37, few=1),
    ),
    # Kernels on Zen 5, 2026-12-01
    fourier=TUNED[64, 32].fourier._replace(product={4: 20, 8: 21}, kernel={4: 4.5, 8: 4.5}),
    transposed=Transposed(
        sums={
            # product seen input weight output row group
            "direct": Sum(0.67, 16, 0, 21, 0, 130, 6200),
            "direct_last": Sum(0.52, 11, 9.8, 18, 4.7, 2100, 0),
            "few_last": Sum(1.2, 2, 0, 11, 180, 680, 0),
            "depthwise_last": Sum(1.8, 0, 0, 25, 30, 0, 0),
            "filter": Sum(1.7, 0.33, 27, 75, 0, 360, 1700),
            "near_rows": Sum(2.1, 0, 9, 42, 0, 150, 270),
            "planes": Sum(2.1, 0, 9, 42, 0, 150, 270),
            "grouped": Sum(1.6, 0, 24, 12, 2.7, 130, 6100),
            "winograd": Sum(0.52, 32, 0, 4.8, 14, 940, 0),
            "gather": Sum(1.7, 0, 3.2, 48, 1.2, 910, 2300),
            "gather_down": Sum(0.42, 0, 0, 0, 5.8, 0, 3900),
            "gather_last": Sum(1.7, 0, 0, 5, 7.2, 25, 0),
            "disjoint": Sum(0.53, 12, 14, 4.9, 5.2, 250, 0),
            "disjoint_last": Sum(0.57, 0, 3.2, 7.4, 4.7, 41, 0),
            "overlap": Sum(0.76, 26, 14, 1.7, 0, 920, 4000),
            "overlap_channels": Sum(0.68, 7.2, 22, 6.8, 23, 0, 32_000),
            "pixel": Sum(0, 0, 0, 4.2, 5, 20, 4400),
        },
        woven=21, copied=18, copied_back=20, whole_rows=0.5, swapped=1, call=150_000, minimal=0.9,
    ),
    # Long sums on Zen 5, 2026-12-01
    rows=TUNED[64, 32].rows._replace(
        tile=10, group=31, alone=3.7, long_tile=6, padded_tile=6, copied_tile=14
    ),
    # Zen 5, 2026-12-01; `last` among 1000 random layers of channels-last memory
    last=TUNED[64, 32].last._replace(lanes={4: 9, 8: 5}, pixel=50, element={4: 6, 8: 14}),
    few=TUNED[64, 32].few._replace(product={4: 0.74, 8: 0.97}, run=8, output=40),
    rings=TUNED[64, 32].rings._replace(sum=5.4, group=2.8),
)  # fmt: skip
_key, _bytes, _kernels = (64, 64), 64, None


def tuned():
    """What was measured of the vectors in use."""
    return TUNED[_key]


def measured():
    """The key of `TUNED` whose costs are in use."""
    return _key


def vector_lanes(itemsize):
    """Elements of a vector in use, which may be shorter than any measured."""
    return _bytes // itemsize


def kernel(name):
    """The module of a kernel in use, to be asked what it does with shapes."""
    return _kernels(name)


def take(vector, datapath=64, kernels=None):
    """Let vectors of so many bytes be in use; of shorter ones than any measured, what is known of the shortest.

    datapath : bytes of one that the core multiplies and adds at once, at most
    kernels : by whose names kernels are found, if not as before
    """
    global _key, _bytes, _kernels
    _bytes = vector
    _key = max((known for known in TUNED if known <= (vector, min(datapath, vector))), default=min(TUNED))
    _kernels = kernels or _kernels
