"""Transposed convolutions by name, and how to run them."""

import functools
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import fastconv
import reference
from fastconv import _cpu, _phase_parts, _phase_plan
from fastconv._arrays import FIRST
from fastconv._sizes import frozen
from fastconv._transpose_geometry import transposed_geometry
from tests import data
from tests.cases import Conv


class Transpose(NamedTuple):
    """One transposed convolution: ``input`` (n, ic, *spatial), ``weight`` (ic, oc // groups, *kernel)."""

    name: str
    input: tuple
    weight: tuple
    stride: Any = 1
    padding: Any = 0
    output_padding: Any = 0
    groups: int = 1
    dilation: Any = 1
    bias: bool = True

    rank, channel_axis = Conv.rank, Conv.channel_axis

    def arguments(self):
        names = ("stride", "padding", "output_padding", "groups", "dilation")
        return {name: getattr(self, name) for name in names}


TAPS_OF_COLUMNS = [(kh, kw) for kh in (1, 2, 3, 4) for kw in (2, 3, 4)]  # `gather_down.h`
CASES = (
    Transpose("3x3", (1, 3, 4, 5), (3, 4, 3, 3)),
    Transpose("1x1", (2, 3, 4, 5), (3, 5, 1, 1)),
    Transpose("3x3-padded", (1, 3, 4, 5), (3, 4, 3, 3), padding=1),
    Transpose("2x2-stride-2", (1, 3, 4, 5), (3, 7, 2, 2), 2),
    Transpose("4x4-stride-2-padded", (1, 5, 4, 5), (5, 6, 4, 4), 2, 1),
    Transpose("3x3-stride-2-output-padding", (1, 2, 4, 5), (2, 3, 3, 3), 2, 1, 1),
    Transpose("stride-beyond-kernel", (1, 2, 3, 4), (2, 3, 2, 2), 3, output_padding=(2, 0)),
    Transpose("1x1-stride-2", (1, 2, 3, 4), (2, 3, 1, 1), 2, output_padding=1),
    Transpose("stride-2-3", (1, 2, 4, 5), (2, 3, 3, 4), (2, 3), (1, 0), (0, 1)),
    Transpose("dilation-2", (1, 2, 4, 5), (2, 3, 3, 3), dilation=2, padding=1),
    Transpose("dilation-3-stride-2", (1, 2, 4, 5), (2, 3, 2, 3), (2, 2), dilation=(3, 2), output_padding=(1, 0)),
    Transpose("padding-beyond-kernel", (1, 2, 8, 9), (2, 3, 2, 2), padding=3),
    Transpose("pairs", (1, 2, 5, 6), (2, 3, 3, 4), 2, ((0, 2), (1, 0))),
    Transpose("groups-2", (2, 4, 4, 5), (4, 3, 3, 3), 2, 1, groups=2),
    Transpose("depthwise", (1, 5, 4, 5), (5, 1, 4, 4), 2, 1, groups=5),
    Transpose("depthwise-multiplier", (1, 3, 4, 5), (3, 2, 3, 3), groups=3),
    Transpose("many-channels", (1, 70, 3, 4), (70, 13, 3, 3), 2, 1),
    Transpose("tiles", (2, 33, 9, 10), (33, 3, 4, 4), 2, 1),
    *(Transpose(f"depthwise-stride-{s}", (2, 3, 4, 9), (3, 1, 4, 5), (2, s), 1, groups=3) for s in (2, 3, 4, 5)),
    Transpose("depthwise-taps-below-stride", (1, 3, 4, 9), (3, 2, 1, 2), (3, 4), 0, (1, 1), groups=3),
    Transpose("depthwise-padding-beyond-kernel", (1, 3, 7, 8), (3, 1, 2, 2), 2, 5, groups=3),
    Transpose("depthwise-wide", (1, 2, 3, 150), (2, 1, 4, 4), 2, 1, groups=2),
    Transpose("depthwise-dilation", (1, 3, 4, 9), (3, 1, 3, 3), (3, 2), 1, dilation=(2, 1), groups=3),
    *(Transpose(f"depthwise-columns-{w}", (1, 2, 5, w), (2, 1, 4, 4), 2, 1, (1, 0), groups=2) for w in (1, 6, 16, 19)),
    *(Transpose(f"depthwise-columns-of-{k}", (1, 2, 6, 35), (2, 2, *k), 2, 1, 1, groups=2) for k in TAPS_OF_COLUMNS),
    *(Transpose(f"depthwise-columns-cut-{p}", (1, 1, 7, 17), (1, 1, 3, 4), 2, p) for p in (0, 2, 3)),
    Transpose("depthwise-columns-in-bands", (1, 2, 130, 60), (2, 1, 4, 3), 2, (2, 0), 1, groups=2),
    Transpose("depthwise-columns-wide", (1, 1, 3, 1100), (1, 1, 3, 4), 2, 1, (1, 1)),
    Transpose("depthwise-columns-3d", (2, 3, 3, 4, 9), (3, 1, 3, 4, 4), (2, 2, 2), (1, 1, 0), groups=3),
    Transpose("depthwise-pairs", (1, 3, 4, 45), (3, 1, 4, 4), 2, 0, 1, groups=3),
    Transpose("depthwise-pairs-apart", (2, 3, 5, 20), (3, 2, 2, 2), 2, 1, 1, groups=3),
    Transpose("depthwise-pairs-of-one-tap", (1, 3, 3, 40), (3, 1, 3, 2), 2, groups=3),
    Transpose("two-to-one-pairs", (1, 4, 4, 19), (4, 2, 4, 4), 2, 1, groups=2),
    Transpose("two-to-one", (1, 4, 4, 9), (4, 2, 3, 3), 2, 1, groups=2),
    Transpose("depthwise-channels", (2, 19, 4, 5), (19, 1, 4, 4), 2, 1, groups=19),
    Transpose("depthwise-channels-multiplier", (1, 16, 3, 4), (16, 3, 3, 5), (2, 3), 1, (1, 0), groups=16),
    Transpose("depthwise-channels-dilation", (1, 16, 4, 5), (16, 1, 3, 4), (2, 3), 1, dilation=(3, 2), groups=16),
    Transpose("depthwise-channels-taps-below-stride", (2, 19, 4, 4), (19, 2, 5, 1), (2, 3), (0, 2), (0, 2), groups=19),
    Transpose("depthwise-1d", (1, 17, 130), (17, 1, 7), 3, 2, groups=17),
    Transpose("depthwise-3d", (1, 16, 3, 3, 4), (16, 1, 3, 2, 3), (2, 1, 2), (1, 0, 1), (1, 0, 0), groups=16),
    Transpose("nine-six-and-four-taps", (2, 21, 12, 13), (21, 18, 5, 5), 2, 2),
    *(Transpose(f"rows-of-{s}-phases", (1, 20, 7, 13), (20, 24, 3, s + 2), (1, s), (1, 2)) for s in (6, 7, 9, 10)),
    Transpose("taps-below-stride", (2, 9, 4, 5), (9, 20, 1, 2), (2, 3), ((1, 0), (0, 0)), (1, 2)),
    Transpose("unbatched", (3, 4, 5), (3, 4, 3, 3), 2),
    Transpose("batch-0", (0, 3, 4, 5), (3, 4, 3, 3), 2),
    Transpose("one-pixel", (1, 3, 1, 1), (3, 4, 4, 4), bias=False),
    *(Transpose(f"width-{w}", (1, 2, 2, w), (2, 7, 4, 4), 2, 1, bias=False) for w in (1, 7, 8, 9, 16, 17)),
    Transpose("1d", (2, 3, 9), (3, 4, 4), 2, 1),
    Transpose("1d-dilation", (1, 3, 9), (3, 4, 3), 3, 1, 1, dilation=2),
    Transpose("1d-unbatched", (3, 9), (3, 4, 3)),
    Transpose("3d", (1, 2, 3, 3, 4), (2, 3, 3, 2, 3), 2, (1, 0, 1), (1, 0, 0)),
    Transpose("3d-groups", (1, 4, 2, 3, 4), (4, 2, 2, 2, 2), (1, 2, 2), groups=2),
    Transpose("3d-unbatched", (2, 2, 3, 4), (2, 3, 2, 2, 2)),
)
DISJOINT = (  # kernels no larger than the stride: whole vectors of a row, cut-off borders, gaps, blocks of weights
    Transpose("disjoint-rows", (2, 5, 3, 67), (5, 6, 2, 2), 2),
    Transpose("disjoint-rows-of-vectors", (1, 3, 3, 48), (3, 5, 2, 2), 2),
    Transpose("disjoint-3x3", (1, 5, 4, 37), (5, 5, 3, 3), 3, bias=False),
    Transpose("disjoint-4x4", (1, 70, 3, 33), (70, 3, 4, 4), 4),
    Transpose("disjoint-cut", (2, 70, 7, 35), (70, 3, 2, 3), (2, 3), ((1, 2), (4, 5))),
    Transpose("disjoint-gaps", (1, 66, 3, 34), (66, 3, 2, 2), (3, 2), 0, (2, 1)),
    Transpose("disjoint-groups", (2, 140, 5, 9), (140, 5, 2, 2), 2, groups=2),
    Transpose("disjoint-weights", (2, 130, 4, 9), (130, 130, 2, 2), 2),
    Transpose("disjoint-weights-once", (1, 130, 4, 9), (130, 130, 2, 2), 2),
    Transpose("disjoint-weights-in-parts", (1, 130, 4, 9), (130, 260, 2, 2), 2),
    Transpose("disjoint-rows-in-pieces", (1, 40, 700), (40, 60, 2), 2),
    Transpose("disjoint-1d", (2, 66, 41), (66, 7, 2), 2, 1, 1),
    Transpose("disjoint-3d", (1, 66, 3, 3, 16), (66, 3, 2, 1, 2), 2, (1, 0, 0), 1),
)
CASES += DISJOINT
OVERLAPPED = (  # one product, whose results are added up: lanes along pixels or weights, boxes, gaps, borders
    Transpose("overlap-pixels", (1, 40, 26, 27), (40, 1, 4, 4), 2, 1),
    Transpose("overlap-pixels-of-images", (5, 40, 5, 7), (40, 1, 1, 3), 2, 1, 1),
    Transpose("overlap-weights", (3, 70, 3, 5), (70, 33, 5, 5), 2, 2, 1),
    Transpose("overlap-one-pixel", (2, 130, 1, 1), (130, 40, 4, 4)),
    Transpose("overlap-one-pixel-cut", (3, 67, 1, 1), (67, 5, 5, 4), 2, ((1, 1), (1, 0)), dilation=(2, 1)),
    Transpose("overlap-one-pixel-rows", (1, 131, 1), (131, 7, 9), 4, ((2, 1),), 2, dilation=3, bias=False),
    Transpose("overlap-one-pixel-3d", (2, 130, 1, 1, 1), (130, 9, 2, 3, 2), 2, (0, 1, 0), (1, 0, 1), groups=2),
    Transpose("overlap-few-pixels", (1, 134, 3, 3), (134, 11, 3, 3), 2, 1),
    Transpose("overlap-stride-5", (2, 64, 4, 31), (64, 1, 7, 11), (3, 5), 2, (1, 3)),
    Transpose("overlap-stride-8", (1, 64, 5, 6), (64, 3, 11, 10), 8, 1),
    Transpose("overlap-stride-1", (1, 80, 2, 2), (80, 20, 4, 4), dilation=(2, 1)),
    Transpose("overlap-dilation", (1, 96, 9, 19), (96, 1, 3, 5), (2, 3), (1, 4), (1, 0), dilation=(3, 2)),
    Transpose("overlap-gaps", (1, 64, 12, 13), (64, 1, 2, 3), (3, 4), 0, 1),
    Transpose("overlap-crops-all-of-a-tap", (1, 64, 12, 13), (64, 1, 3, 3), 2, 3),
    Transpose("overlap-groups", (2, 96, 5, 9), (96, 1, 4, 4), 2, 1, groups=2),
    Transpose("overlap-3d", (2, 64, 3, 4, 5), (64, 1, 3, 4, 4), (1, 2, 2), 1, (0, 1, 0)),
)
CASES += OVERLAPPED
CASES += (  # the same with results added up along channels, which are turned then
    Transpose("overlap-channels", (3, 131, 5, 6), (131, 37, 4, 4), 2, 1),
    Transpose("overlap-channels-in-parts", (7, 13, 9, 8), (13, 75, 5, 5), 2, 2, 1, bias=False),
    Transpose("overlap-channels-dilation", (2, 70, 7, 9), (70, 33, 3, 4), (2, 1), (3, 1), dilation=(3, 2)),
    Transpose("overlap-channels-1d", (2, 67, 300), (67, 17, 16), 8, 5, 3),
    Transpose("overlap-channels-3d-groups", (2, 80, 3, 4, 5), (80, 19, 3, 3, 3), (1, 2, 2), 1, (0, 1, 0), groups=2),
    Transpose("overlap-channels-beyond-crops", (1, 70, 8, 7), (70, 40, 3, 3), 1, 4),
)
CUT = (  # into boxes of some rows, or of a part of each
    Transpose("overlap-rows-cut", (1, 33, 75, 70), (33, 1, 5, 5), 2, ((1, 2), (2, 0)), (0, 1), bias=False),
    Transpose("overlap-weights-cut", (2, 33, 24, 25), (33, 1, 15, 15), 4, 3, 1),
    Transpose("overlap-signal-cut", (1, 64, 6500), (64, 1, 16), 2, 7, 1),
)
ENDS = (  # that see one of two taps: last tiles of three outputs, of two and of one
    Transpose("ends-of-groups", (5, 128, 13, 14), (128, 40, 4, 4), 2, 1, groups=2),
    Transpose("ends-of-three", (9, 141, 8, 17), (141, 48, 4, 4), 2, 1, bias=False),
    Transpose("ends-of-one-channel", (2, 96, 9, 12), (96, 1, 4, 4), 2, 1),
    Transpose("ends-of-more-channels", (1, 96, 28, 27), (96, 60, 4, 4), 2, 1),
    Transpose("ends-of-one-side", (2, 70, 11, 10), (70, 32, 4, 4), 2, ((0, 1), (1, 0))),
    Transpose("ends-of-boxes", (3, 64, 57, 58), (64, 64, 4, 4), 2, 1),
    Transpose("ends-1d", (2, 100, 300), (100, 32, 16), 8, 4),
    Transpose("ends-3d", (2, 48, 3, 12, 13), (48, 32, 3, 4, 4), (1, 2, 2), 1),
)
TRANSFORMED = (  # by Winograd's method, whose transforms round
    Transpose("phases-as-channels", (1, 33, 8, 7), (33, 1, 9, 9), 3, 4, bias=False),
    Transpose("two-taps", (2, 64, 12, 13), (64, 8, 4, 4), 2, 1),
    Transpose("corners-6x6", (2, 48, 12, 13), (48, 8, 6, 6), 2, 2),
    Transpose("corners-of-groups", (5, 128, 13, 14), (128, 40, 6, 6), 2, 2, groups=2),
    Transpose("corners-of-four-phases", (2, 64, 18, 21), (64, 40, 5, 5), 2, 2),
    Transpose("corners-of-many-channels", (1, 91, 18, 19), (91, 40, 6, 6), 2, 2, bias=False),
    Transpose("corners-of-many-windows", (2, 64, 12, 13), (64, 1, 12, 12), 4, 4),
    Transpose("corners-3d", (2, 16, 3, 12, 13), (16, 32, 3, 6, 6), (1, 2, 2), (1, 2, 2)),
    *ENDS,
    Transpose("edges-that-see-nothing", (1, 100, 8, 7), (100, 70, 4, 3), (1, 4), (1, 0), (0, 3)),
)
SWAPPED = (  # at stride 1, where Winograd's method transforms the weights as they lie
    Transpose("swapped-3x3", (1, 100, 14, 14), (100, 83, 3, 3), 1, 1),
    Transpose("swapped-4x4-batch", (9, 48, 12, 12), (48, 35, 4, 4), 1, 2),
    Transpose("swapped-1d", (1, 140, 600), (140, 75, 3), 1, 1),
    Transpose("swapped-3d", (1, 70, 4, 8, 8), (70, 61, 3, 3, 3), 1, 1),
)


def operands(case, make, dtype):
    oc = case.weight[1] * case.groups
    bias = make((oc,), dtype, key="bias") if case.bias else None
    return make(case.input, dtype, key="input"), make(case.weight, dtype, key="weight"), bias


def run(case, x, w, b, **keywords):
    return getattr(fastconv, f"conv_transpose{case.rank}d")(x, w, b, **case.arguments(), **keywords)


@functools.cache
def on_integers(case):
    """The exact result on small integers, in float64."""
    return reference.conv_transpose(*operands(case, data.integers, np.float64), **case.arguments())


def geometry_of(case):
    sizes = frozen("conv_transpose", **case.arguments())
    return transposed_geometry("conv_transpose", case.rank, case.input, case.weight, *sizes)


def planned(case, dtype="float32", order=FIRST):
    return _phase_plan.plan_phases("conv_transpose", geometry_of(case), np.dtype(dtype), order)


@contextmanager
def replanned(**replaced):
    """Functions of `_phase_plan` and `_phase_parts` replaced for a while, and plans made by these alone."""
    of_parts = {name: replaced.pop(name) for name in set(replaced) & set(vars(_phase_parts))}
    try:
        with ExitStack() as stack:
            for module, some in ((_phase_parts, of_parts), (_phase_plan, replaced)):
                if some:
                    stack.enter_context(mock.patch.multiple(module, **some))
            _cpu._forget()
            yield
    finally:
        _cpu._forget()
