"""Named geometries of convolution, once, for every test that runs over shapes; those of pooling: `pool_cases.py`.

A row is one call: shapes first, then whatever is not the default. Maps are tiny, because the reference is a loop; what
they cover is written beside them. Numbers like 7, 8, 9 and 31, 33 stand around the widths of vectors, 5, 6, 7 and 13
around the height of a register tile, and 256 and 512 products around the depth of a block of the sum.
"""

from typing import Any, NamedTuple


class Conv(NamedTuple):
    """One convolution: ``input`` (n, ic, *spatial) or (ic, *spatial), ``weight`` (oc, ic // groups, *kernel)."""

    name: str
    input: tuple
    weight: tuple
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    padding_mode: str = "zeros"
    activation: str | None = None
    bias: bool = True

    @property
    def rank(self):
        return len(self.weight) - 2

    @property
    def channel_axis(self):
        return len(self.input) - self.rank - 1

    def arguments(self):
        """What follows input, weight and bias in a call, as keywords."""
        names = ("stride", "padding", "dilation", "groups", "padding_mode", "activation")
        return {name: getattr(self, name) for name in names}


def names(rows):
    """Test ids of `rows`."""
    return [row.name for row in rows]


def row(rows, name):
    """The one of `rows` called `name`."""
    return next(row for row in rows if row.name == name)


MODES = ("zeros", "reflect", "symmetric", "replicate", "circular")

CONV2D = (
    # kernels: odd, even, flat, tall, single, as large as the image
    Conv("1x1", (2, 5, 4, 5), (6, 5, 1, 1)),
    Conv("2x2", (1, 2, 5, 6), (3, 2, 2, 2)),
    Conv("3x3", (1, 3, 6, 7), (4, 3, 3, 3)),
    Conv("4x4-padded", (1, 2, 6, 7), (3, 2, 4, 4), padding=2),
    Conv("5x5-padded", (1, 2, 7, 9), (6, 2, 5, 5), padding=2),
    Conv("7x7-stride-2", (1, 3, 11, 13), (4, 3, 7, 7), stride=2, padding=3),
    Conv("1x7", (1, 2, 4, 12), (3, 2, 1, 7), padding=(0, 3)),
    Conv("7x1", (1, 2, 12, 4), (3, 2, 7, 1), padding=(3, 0)),
    Conv("2x3", (1, 2, 5, 6), (3, 2, 2, 3), padding=1),
    Conv("11x11-one-image", (1, 1, 15, 21), (1, 1, 11, 11), padding=5),
    Conv("whole-image", (2, 3, 4, 5), (7, 3, 4, 5)),
    Conv("kernel-beyond-image", (1, 2, 3, 2), (3, 2, 5, 5), padding=2),
    # strides, also longer than the kernel
    Conv("stride-2", (1, 3, 7, 8), (5, 3, 3, 3), stride=2, padding=1),
    Conv("stride-3", (1, 2, 10, 11), (3, 2, 3, 3), stride=3),
    Conv("stride-4-beyond-kernel", (1, 2, 9, 14), (3, 2, 3, 2), stride=4),
    Conv("stride-1-2", (1, 2, 6, 9), (3, 2, 3, 3), stride=(1, 2), padding=1),
    Conv("stride-2-1", (1, 2, 6, 9), (3, 2, 3, 3), stride=(2, 1), padding=1),
    Conv("1x1-stride-2", (1, 5, 5, 7), (6, 5, 1, 1), stride=2),
    # dilation
    Conv("dilation-2", (1, 2, 8, 9), (3, 2, 3, 3), dilation=2, padding=2),
    Conv("dilation-3-1", (1, 2, 9, 5), (3, 2, 3, 2), dilation=(3, 1)),
    Conv("dilation-2-stride-2", (1, 2, 9, 11), (3, 2, 3, 3), stride=2, dilation=2, padding=1),
    # phases of a stride that taps do not see in their order: 0 3 6 1 4 and 0 5 4 3
    Conv("dilation-3-stride-8-of-5", (1, 3, 2, 47), (8, 3, 1, 5), stride=(1, 8), dilation=(1, 3), padding=(0, 1)),
    Conv("dilation-5-stride-6-of-4", (1, 3, 2, 47), (8, 3, 1, 4), stride=(1, 6), dilation=(1, 5), padding=(0, 2)),
    # padding in every form
    Conv("pairs", (1, 2, 5, 6), (3, 2, 3, 3), padding=((0, 2), (1, 0))),
    Conv("pairs-stride-2", (1, 2, 6, 7), (3, 2, 3, 4), stride=2, padding=((2, 1), (0, 3))),
    Conv("padding-beyond-kernel", (1, 2, 3, 4), (3, 2, 2, 2), padding=4),
    Conv("valid", (1, 2, 5, 6), (3, 2, 3, 2), padding="valid"),
    Conv("same-odd", (1, 2, 5, 6), (3, 2, 3, 5), padding="same"),
    Conv("same-even", (1, 2, 5, 6), (3, 2, 2, 4), padding="same"),
    Conv("same-stride-2", (1, 2, 6, 7), (3, 2, 3, 3), stride=2, padding="same"),
    Conv("same-stride-beyond-kernel", (1, 2, 7, 8), (3, 2, 2, 1), stride=3, padding="same"),
    Conv("same-dilation", (1, 2, 7, 8), (3, 2, 3, 2), dilation=(2, 3), padding="same"),
    Conv("same-lower-even", (1, 2, 5, 6), (3, 2, 2, 4), padding="same_lower"),
    Conv("same-lower-stride-2", (1, 2, 6, 7), (3, 2, 3, 3), stride=2, padding="same_lower"),
    Conv("full", (1, 2, 4, 5), (3, 2, 3, 2), padding="full"),
    Conv("full-dilation", (1, 2, 4, 5), (3, 2, 2, 3), dilation=2, padding="full"),
    # groups
    Conv("groups-2", (1, 4, 5, 6), (6, 2, 3, 3), groups=2, padding=1),
    Conv("groups-3-stride-2", (2, 6, 5, 6), (9, 2, 3, 3), groups=3, stride=2),
    Conv("groups-of-8", (2, 16, 4, 17), (16, 8, 3, 3), groups=2, padding=((1, 0), (2, 1)), activation="relu"),
    Conv("groups-of-12-stride-2", (1, 24, 9, 8), (24, 12, 3, 3), groups=2, padding=1, stride=2, bias=False),
    Conv("groups-2-1x1", (1, 10, 3, 5), (14, 5, 1, 1), groups=2),
    Conv("depthwise", (1, 9, 6, 7), (9, 1, 3, 3), groups=9, padding=1),
    Conv("depthwise-5x5-stride-2", (1, 5, 9, 8), (5, 1, 5, 5), groups=5, stride=2, padding=2),
    Conv("depthwise-dilation", (1, 3, 8, 9), (3, 1, 3, 3), groups=3, dilation=2, padding="same"),
    Conv("depthwise-multiplier-2", (1, 4, 5, 6), (8, 1, 3, 3), groups=4, padding=1),
    Conv("depthwise-multiplier-3-17-channels", (1, 17, 3, 4), (51, 1, 2, 2), groups=17),
    # depthwise planes of at most 14 columns, turned: channels that do not fill a vector, two strips a row, few taps
    Conv("planes-7", (2, 19, 7, 7), (19, 1, 3, 3), groups=19, padding=1, activation="relu6"),
    Conv("planes-14-stride-2", (1, 16, 14, 13), (16, 1, 3, 3), groups=16, padding=1, stride=2),
    Conv("planes-14", (1, 8, 5, 14), (8, 1, 3, 3), groups=8, padding=1, bias=False),
    Conv("planes-5x4-dilation", (1, 9, 7, 8), (9, 1, 5, 4), groups=9, padding=((3, 1), (2, 4)), dilation=(1, 2)),
    Conv("planes-far-taps", (1, 8, 3, 4), (8, 1, 3, 3), groups=8, padding=30, dilation=30),
    Conv("planes-many-taps", (1, 8, 9, 9), (8, 1, 9, 9), groups=8, padding=2),
    Conv("planes-7x1", (1, 16, 9, 6), (16, 1, 7, 1), groups=16, padding=(2, 0), dilation=(2, 1)),
    Conv("planes-11x7", (1, 17, 12, 9), (17, 1, 11, 7), groups=17, padding=((5, 6), (3, 4)), activation="relu"),
    # rows read in place: bands of all heights, parts of a plane, rows with and without neighbours beside the image
    Conv("near-rows-8", (2, 3, 16, 16), (3, 1, 3, 3), groups=3, padding=1),
    Conv("near-rows-7", (1, 2, 27, 35), (2, 1, 3, 3), groups=2, padding=((0, 2), (1, 0)), activation="relu6"),
    Conv("near-rows-parts", (1, 1, 67, 18), (1, 1, 3, 3), bias=False),
    Conv("near-rows-stride-2", (2, 2, 65, 33), (2, 1, 3, 3), groups=2, padding=1, stride=2),
    Conv("near-rows-stride-2-even", (1, 3, 24, 34), (3, 1, 3, 3), groups=3, padding=((1, 0), (0, 1)), stride=2),
    Conv("near-rows-short", (2, 3, 11, 13), (3, 1, 3, 3), groups=3, padding=1, activation="relu"),
    Conv("near-rows-short-stride-2", (1, 9, 26, 24), (9, 1, 3, 3), groups=9, padding=1, stride=2),
    Conv("near-rows-padding-above", (1, 1, 1, 37), (1, 1, 3, 3), padding=((9, 12), (1, 1)), stride=2),
    # what is left of a row in half a vector at AVX-512: up to half of one, one more, all taps and none beside the image
    *(Conv(f"near-rows-of-{w}", (1, 2, 19, w), (2, 1, 3, 3), groups=2, padding=1) for w in (20, 24, 25, 56)),
    *(
        Conv(f"near-rows-of-{w}-stride-2", (1, 2, 19, w), (2, 1, 3, 3), groups=2, padding=1, stride=2)
        for w in (19, 24, 39, 47, 48, 50)
    ),
    Conv("near-rows-of-24-inside", (1, 2, 14, 26), (2, 1, 3, 3), groups=2, activation="relu6"),
    *(Conv(f"rows-7x7-of-{w}", (1, 2, 15, w), (2, 1, 7, 7), groups=2, padding=3) for w in (20, 24, 41, 56)),
    Conv("rows-5x5-of-40", (1, 1, 15, 40), (2, 1, 5, 5), padding=2, activation="relu6"),
    Conv("rows-5x5-stride-2-of-24", (1, 1, 31, 47), (1, 1, 5, 5), stride=2, padding=2),
    Conv("rows-9x9-of-24", (1, 1, 9, 24), (1, 1, 9, 9), padding=4),
    # taps of rows read in place: heights, columns of taps, parts of a plane, rests of rows, far and uneven padding
    *(
        Conv(f"near-taps-{h}x{w}-of-{ow}", (2, 3, 23, ow), (3, 1, h, w), groups=3, padding=(h // 2, w // 2))
        for h, w, ow in ((5, 5, 16), (7, 7, 29), (3, 7, 40), (7, 2, 57), (5, 1, 12), (1, 7, 57))
    ),
    Conv("near-taps-parts", (1, 2, 131, 17), (2, 1, 5, 5), groups=2, padding=((4, 1), (0, 6)), activation="relu6"),
    Conv("near-taps-inside", (1, 2, 12, 40), (2, 1, 7, 7), groups=2, bias=False),
    *(
        Conv(f"near-taps-{k}x{k}-stride-2-of-{w}", (2, 2, 31, w), (2, 1, k, k), groups=2, padding=k // 2, stride=2)
        for k, w in ((5, 23), (7, 32), (5, 47), (7, 69), (2, 45), (4, 45), (6, 45))
    ),
    Conv("near-taps-3x4-stride-2", (1, 2, 9, 40), (2, 1, 3, 4), groups=2, padding=((2, 5), (3, 6)), stride=2),
    *(Conv(f"near-taps-{k}x{k}", (2, 2, 31, 45), (2, 1, k, k), groups=2, padding=k // 2) for k in (2, 4, 6)),
    Conv("near-taps-4x2-dilation-2", (1, 2, 41, 37), (2, 1, 4, 2), groups=2, padding=2, dilation=2, activation="relu"),
    Conv("near-taps-1x5-stride-2", (1, 2, 25, 47), (2, 1, 1, 5), groups=2, padding=(0, 3), stride=2),
    Conv("near-taps-dilation-2", (1, 2, 67, 25), (2, 1, 3, 3), groups=2, padding=2, dilation=2, activation="relu"),
    Conv("near-taps-dilation-7-3", (1, 2, 22, 33), (2, 1, 3, 5), groups=2, padding=(7, 6), dilation=(7, 3)),
    Conv("near-taps-of-1024", (1, 1, 9, 1024), (1, 1, 5, 5), padding=2),
    # larger planes turned: a chunk of pixels at a time, taps in phases
    Conv("planes-of-26", (1, 9, 27, 26), (9, 1, 5, 5), groups=9, padding=2),
    Conv("planes-of-18-stride-2", (2, 8, 35, 36), (8, 1, 7, 7), groups=8, padding=3, stride=2, activation="relu6"),
    Conv("planes-in-phases", (1, 17, 13, 14), (17, 1, 3, 3), groups=17, padding=2, dilation=2),
    Conv("planes-in-phases-stride-2", (1, 8, 25, 28), (8, 1, 3, 3), groups=8, padding=3, dilation=3, stride=2),
    Conv("planes-of-26-full", (1, 16, 27, 26), (16, 1, 5, 5), groups=16, padding=2),
    Conv("planes-of-24-9x9", (2, 9, 24, 24), (9, 1, 9, 9), groups=9, padding=4, bias=False),
    Conv("planes-of-67-stride-3", (1, 16, 67, 61), (16, 1, 3, 3), groups=16, padding=1, stride=3),
    Conv("planes-of-18-stride-2-full", (1, 16, 35, 36), (16, 1, 7, 7), groups=16, padding=3, stride=2),
    # channels-last: weights of nine taps a row in registers, rows of taps that are columns
    Conv("channels-9x9", (2, 16, 10, 27), (16, 1, 9, 9), groups=16, padding=4, activation="relu6"),
    Conv("channels-3x9-stride-2", (1, 17, 9, 37), (34, 1, 3, 9), groups=17, padding=(1, 5), stride=2),
    Conv("columns-7x1", (2, 17, 15, 6), (34, 1, 7, 1), groups=17, padding=(3, 0)),
    Conv("columns-9x1-stride-2", (1, 16, 69, 4), (16, 1, 9, 1), groups=16, padding=((4, 6), (1, 0)), stride=(2, 1)),
    Conv("columns-5x1-dilation-2", (1, 16, 19, 3), (16, 1, 5, 1), groups=16, dilation=(2, 1), activation="relu"),
    # and sums of more products than one chain, and one chain of chains, may have
    Conv("channels-31x31", (1, 16, 34, 33), (16, 1, 31, 31), groups=16),
    Conv("channels-66x66", (1, 8, 66, 67), (8, 1, 66, 66), groups=8),
    # dilated rows that share loads by phases, of two channels a group, and channels-last, by a segment of the row
    Conv("rows-in-phases", (1, 4, 37, 21), (2, 2, 3, 3), groups=2, padding=3, dilation=3),
    Conv("rows-in-phases-stride-2", (1, 2, 50, 45), (1, 2, 5, 3), padding=4, dilation=4, stride=2),
    Conv("dilated-channels-of-70", (1, 16, 5, 71), (16, 1, 3, 5), groups=16, padding=4, dilation=2),
    Conv("dilated-channels-stride-3", (1, 16, 11, 70), (32, 1, 3, 3), groups=16, padding=1, dilation=2, stride=3),
    # rows: tiles of seven and eight that end early, split rows, rows in blocks, rows shorter than a vector
    Conv("rows-3x3", (1, 2, 29, 30), (2, 1, 3, 3), groups=2, padding=2),
    Conv("rows-3x3-stride-2", (1, 2, 18, 67), (2, 1, 3, 3), groups=2, stride=2, padding=((1, 0), (0, 2))),
    Conv("rows-4x3-stride-2-dilation-3", (1, 1, 17, 48), (1, 1, 4, 3), stride=2, dilation=(1, 3), padding=2),
    Conv("rows-of-8-outputs", (1, 14, 9, 20), (16, 7, 3, 3), groups=2, padding=1),
    Conv("rows-of-8-outputs-stride-2", (1, 2, 16, 39), (7, 2, 3, 3), stride=2, activation="relu"),
    Conv("rows-5x5", (1, 1, 10, 37), (2, 1, 5, 5), padding=2, activation="relu"),
    Conv("rows-5x5-stride-2", (1, 1, 19, 43), (1, 1, 5, 5), stride=2, padding=2),
    Conv("rows-7x7-stride-2", (1, 1, 21, 40), (1, 1, 7, 7), stride=2, padding=3),
    Conv("rows-7x7-sum-of-147", (1, 3, 11, 18), (1, 3, 7, 7), padding=3),
    Conv("rows-in-blocks", (1, 1, 1, 4200), (1, 1, 3, 3), padding=(1, 2)),
    Conv("rows-in-blocks-stride-2", (1, 1, 1, 4200), (1, 1, 3, 3), padding=(1, 2), stride=2),
    *(Conv(f"rows-of-{w}", (1, 1, 21, w), (1, 1, 3, 3), padding=1) for w in (3, 7, 14)),
    # output channels around the register tile, widths around the vectors
    *(Conv(f"channels-{oc}", (1, 2, 3, 6), (oc, 2, 3, 3), padding=1) for oc in (1, 5, 6, 7, 12, 13, 17, 33)),
    *(Conv(f"width-{w}", (1, 2, 2, w), (7, 2, 3, 3), padding=1) for w in (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33)),
    *(Conv(f"width-{w}-stride-2", (1, 2, 3, w), (5, 2, 3, 3), padding=1, stride=2) for w in (15, 17, 33, 65)),
    *(Conv(f"1x1-pixels-{w}", (1, 3, 1, w), (7, 3, 1, 1)) for w in (5, 8, 16, 17)),
    # sums of more than 256 and more than 512 products, odd numbers of channels
    Conv("sum-of-260", (1, 260, 2, 3), (7, 260, 1, 1)),
    Conv("sum-of-333", (1, 37, 3, 5), (5, 37, 3, 3), padding=1),
    Conv("sum-of-585", (1, 65, 4, 5), (7, 65, 3, 3)),
    Conv("sum-of-1100", (1, 275, 2, 4), (13, 275, 2, 2)),
    # batches, single pixels and what is optional
    Conv("batch-0", (0, 3, 5, 6), (4, 3, 3, 3), padding=1),
    Conv("batch-3", (3, 3, 5, 6), (7, 3, 3, 3), padding=1),
    Conv("unbatched", (3, 5, 6), (4, 3, 3, 3), padding=1),
    Conv("unbatched-depthwise", (5, 5, 6), (5, 1, 3, 3), groups=5),
    Conv("one-pixel", (1, 3, 1, 1), (5, 3, 3, 3), padding=1),
    Conv("column", (2, 3, 9, 1), (6, 3, 3, 1), padding=(1, 0)),
    Conv("no-bias", (1, 3, 5, 6), (7, 3, 3, 3), padding=1, bias=False),
    Conv("no-bias-1x1", (1, 8, 3, 4), (6, 8, 1, 1), bias=False),
    Conv("relu", (2, 3, 5, 6), (7, 3, 3, 3), padding=1, activation="relu"),
    Conv("relu6", (1, 3, 5, 6), (5, 3, 2, 2), activation="relu6", bias=False),
    Conv("relu-sum-of-585", (1, 65, 3, 5), (6, 65, 3, 3), padding=1, activation="relu"),
    Conv("relu6-depthwise", (1, 5, 5, 6), (5, 1, 3, 3), groups=5, padding=1, activation="relu6"),
    # modes
    *(Conv(f"{mode}-1", (1, 2, 4, 5), (3, 2, 3, 3), padding=1, padding_mode=mode) for mode in MODES),
    *(Conv(f"{mode}-pairs", (1, 2, 4, 5), (3, 2, 3, 2), padding=((2, 0), (1, 3)), padding_mode=mode) for mode in MODES),
    *(Conv(f"{mode}-same", (1, 2, 5, 6), (3, 2, 3, 4), padding="same", padding_mode=mode) for mode in MODES),
    *(
        Conv(f"{mode}-stride-2-groups-2", (1, 4, 5, 6), (4, 2, 3, 3), 2, 2, (1, 2), groups=2, padding_mode=mode)
        for mode in MODES
    ),
    Conv("circular-depthwise", (1, 3, 4, 5), (3, 1, 3, 3), padding=1, groups=3, padding_mode="circular"),
    # Winograd: ragged and whole tiles, rows of tiles longer than a run, blocks of tiles, panels, blocks of the depth
    Conv("winograd-ragged", (2, 33, 9, 11), (18, 33, 3, 3), padding=1),
    Conv("winograd-whole-tiles", (1, 32, 8, 8), (16, 32, 3, 3), padding=1, activation="relu6"),
    Conv("winograd-two-rows", (40, 2, 75), (9, 40, 3, 3), padding=1),
    Conv("winograd-two-columns", (1, 32, 13, 2), (5, 32, 3, 3), padding=1, bias=False),
    Conv("winograd-uneven-padding", (1, 35, 6, 7), (7, 35, 3, 3), padding=((0, 1), (1, 0)), activation="relu"),
    Conv("winograd-groups", (1, 64, 6, 9), (34, 32, 3, 3), padding=1, groups=2),
    Conv("winograd-blocks-of-tiles", (3, 32, 29, 30), (3, 32, 3, 3), padding=1),
    Conv("winograd-blocks-of-depth", (1, 150, 6, 6), (17, 150, 3, 3), padding=1),
    Conv("winograd-padded-ahead", (1, 32, 7, 6), (4, 32, 3, 3), padding=2, padding_mode="reflect"),
    Conv("winograd-3x1", (1, 33, 10, 3), (17, 33, 3, 1), padding=(1, 0)),
    Conv("winograd-1x3", (1, 33, 3, 10), (17, 33, 1, 3), padding=(0, 1)),
    Conv("winograd-5x5", (2, 17, 7, 6), (18, 17, 5, 5), padding=2),
    Conv("winograd-2x2", (1, 33, 8, 10), (17, 33, 2, 2), padding=((0, 0), (0, 1))),
    Conv("winograd-2x3", (2, 32, 6, 7), (5, 32, 2, 3), padding=(0, 1), activation="relu"),
    Conv("winograd-3x5", (1, 32, 9, 8), (4, 32, 3, 5), padding=(1, 2)),
    Conv("winograd-5x1", (1, 19, 9, 3), (4, 19, 5, 1), padding=(2, 0)),
    Conv("winograd-1x5", (1, 19, 3, 9), (4, 19, 1, 5), padding=(0, 2)),
    # Kernels in parts: strides, dilation and long kernels, lanes of one part's channels and of all parts'
    Conv("winograd-stride-2", (2, 32, 13, 20), (18, 32, 3, 3), stride=2, padding=1, activation="relu"),
    Conv("winograd-stride-2-ragged", (1, 21, 12, 11), (5, 21, 3, 3), stride=2, padding=((1, 0), (0, 2))),
    Conv("winograd-stride-2-1", (1, 16, 9, 12), (4, 16, 3, 3), stride=(2, 1), padding=1),
    Conv("winograd-stride-3", (1, 17, 20, 16), (6, 17, 5, 3), stride=3, padding=1),
    Conv("winograd-7x7-stride-2", (1, 3, 37, 30), (18, 3, 7, 7), stride=2, padding=3),
    Conv("winograd-11x11-stride-4", (2, 3, 47, 39), (6, 3, 11, 11), stride=4, padding=2, bias=False),
    Conv("winograd-stride-2-groups", (1, 66, 11, 10), (4, 33, 3, 3), stride=2, padding=1, groups=2),
    Conv("winograd-dilation-2", (2, 32, 19, 14), (17, 32, 3, 3), padding=2, dilation=2),
    Conv("winograd-dilation-3-ragged", (1, 33, 13, 19), (4, 33, 3, 3), padding=(1, 2), dilation=(3, 2)),
    Conv("winograd-stride-2-dilation-3", (1, 32, 17, 23), (4, 32, 3, 3), stride=2, padding=2, dilation=3),
    Conv("winograd-1x7", (1, 16, 5, 17), (5, 16, 1, 7), padding=(0, 3)),
    Conv("winograd-7x1", (1, 19, 17, 5), (5, 19, 7, 1), padding=(3, 0)),
    Conv("winograd-7x7", (1, 5, 16, 19), (4, 5, 7, 7), padding=3),
    Conv("winograd-6x9", (1, 16, 16, 19), (4, 16, 6, 9), padding=(2, 4)),
)

CONV1D = (
    Conv("k1", (2, 3, 7), (5, 3, 1)),
    Conv("k3", (1, 2, 9), (3, 2, 3), padding=1),
    Conv("k4-stride-3", (2, 2, 11), (3, 2, 4), stride=3, padding=2),
    Conv("k9-dilation-2", (1, 2, 40), (7, 2, 9), dilation=2, padding="same"),
    Conv("k101-one-signal", (1, 1, 150), (1, 1, 101), padding="full"),
    Conv("pairs", (1, 2, 9), (3, 2, 3), padding=((0, 2),)),
    Conv("same-lower-even", (1, 2, 9), (3, 2, 4), padding="same_lower"),
    Conv("depthwise", (1, 5, 17), (5, 1, 3), groups=5, padding=1),
    Conv("groups-2-multiplier", (1, 4, 9), (6, 2, 3), groups=2, stride=2),
    Conv("sum-of-600", (1, 120, 8), (7, 120, 5), padding=2),
    Conv("unbatched", (3, 9), (4, 3, 3), activation="relu"),
    Conv("batch-0", (0, 3, 9), (4, 3, 3)),
    *(Conv(f"{mode}", (1, 2, 6), (3, 2, 4), padding=((2, 3),), padding_mode=mode) for mode in MODES),
    *(Conv(f"width-{w}", (1, 3, w), (7, 3, 3), padding=1, bias=False) for w in (1, 7, 8, 9, 16, 17, 33)),
    Conv("winograd-3", (2, 37, 70), (18, 37, 3), padding=1),
    Conv("winograd-5", (17, 21), (5, 17, 5), padding=2),
    Conv("winograd-9", (2, 16, 75), (18, 16, 9), padding=4),
    Conv("winograd-16-stride-8", (1, 6, 150), (4, 6, 16), stride=8, padding=4),
)

CONV3D = (
    Conv("1x1x1", (2, 3, 2, 3, 4), (5, 3, 1, 1, 1)),
    Conv("3x3x3", (1, 2, 4, 5, 6), (3, 2, 3, 3, 3), padding=1),
    Conv("2x3x1", (1, 2, 3, 4, 5), (3, 2, 2, 3, 1), padding=(1, 1, 0)),
    Conv("stride-2-1-3", (1, 2, 5, 4, 7), (3, 2, 3, 2, 3), stride=(2, 1, 3), padding=1),
    Conv("dilation", (1, 2, 5, 6, 7), (3, 2, 2, 3, 3), dilation=(2, 1, 2), padding=(1, 0, 2)),
    Conv("pairs", (1, 2, 3, 4, 5), (3, 2, 2, 3, 3), padding=((0, 1), (2, 0), (1, 2))),
    Conv("same-even", (1, 2, 3, 4, 5), (3, 2, 2, 4, 3), stride=(1, 2, 1), padding="same"),
    Conv("full", (1, 1, 2, 3, 4), (2, 1, 2, 2, 3), padding="full"),
    Conv("depthwise", (1, 5, 3, 4, 5), (5, 1, 3, 3, 3), groups=5, padding=1),
    Conv("groups-2", (1, 4, 3, 4, 5), (6, 2, 2, 2, 2), groups=2),
    Conv("sum-of-540", (1, 20, 3, 4, 4), (7, 20, 3, 3, 3), padding=(0, 1, 0)),
    Conv("unbatched", (2, 3, 4, 5), (3, 2, 2, 2, 2), activation="relu6", bias=False),
    Conv("batch-0", (0, 2, 3, 4, 5), (3, 2, 2, 2, 2)),
    *(
        Conv(f"{mode}", (1, 2, 3, 3, 4), (3, 2, 3, 2, 3), padding=((2, 0), (1, 1), (0, 3)), padding_mode=mode)
        for mode in MODES
    ),
    *(Conv(f"width-{w}", (1, 2, 2, 2, w), (7, 2, 2, 2, 3), padding=(0, 1, 1)) for w in (7, 8, 9, 17)),
    Conv("winograd-3x3x3", (1, 33, 3, 5, 6), (17, 33, 3, 3, 3), padding=1),
    Conv("winograd-strided-depth", (1, 32, 5, 4, 5), (6, 32, 2, 3, 3), stride=(2, 1, 1), dilation=(2, 1, 1), padding=1),
    Conv("winograd-1x5x5", (1, 16, 2, 6, 5), (5, 16, 1, 5, 5), padding=(0, 2, 2)),
    Conv("winograd-3x3x3-stride-2", (1, 16, 5, 9, 8), (5, 16, 3, 3, 3), stride=2, padding=1),
    Conv("winograd-3x3x3-dilation-2", (1, 18, 6, 9, 7), (3, 18, 3, 3, 3), padding=2, dilation=2),
)
