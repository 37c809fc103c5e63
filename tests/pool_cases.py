"""Named geometries of pooling, once, for every test that runs over shapes; as those of convolution in `cases.py`."""

from typing import Any, NamedTuple


class Pool(NamedTuple):
    """One pooling of an ``input`` (n, c, *spatial) or (c, *spatial)."""

    name: str
    input: tuple
    kernel: tuple
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    ceil_mode: bool = False

    @property
    def rank(self):
        return len(self.kernel)

    @property
    def channel_axis(self):
        return len(self.input) - self.rank - 1


POOL2D = (
    Pool("2x2", (1, 3, 6, 8), (2, 2)),
    Pool("2x2-odd-size", (2, 3, 7, 9), (2, 2)),
    Pool("2x2-ceil", (1, 3, 7, 9), (2, 2), ceil_mode=True),
    Pool("3x3-stride-2", (1, 3, 9, 11), (3, 3), 2),
    Pool("3x3-stride-2-padded", (1, 3, 8, 10), (3, 3), 2, 1),
    Pool("3x3-stride-2-ceil", (1, 3, 8, 10), (3, 3), 2, 0, ceil_mode=True),
    Pool("3x3-stride-1-padded", (1, 3, 6, 7), (3, 3), 1, 1),
    Pool("5x5-stride-1-padded", (1, 2, 8, 9), (5, 5), 1, 2),
    Pool("1x1", (1, 3, 4, 5), (1, 1)),
    Pool("1x1-stride-2", (1, 3, 5, 6), (1, 1), 2),
    Pool("1x3", (1, 2, 3, 9), (1, 3), 1),
    Pool("3x1", (1, 2, 9, 3), (3, 1), 1),
    Pool("3x2-stride-1-2", (1, 2, 7, 8), (3, 2), (1, 2), (1, 0)),
    Pool("stride-beyond-kernel", (1, 2, 9, 11), (2, 2), 3),
    Pool("stride-beyond-kernel-ceil", (1, 2, 9, 12), (2, 2), (3, 4), ceil_mode=True),
    Pool("ceil-drops-a-window", (1, 2, 3, 6), (2, 2), 3, ceil_mode=True),
    Pool("ceil-drops-a-window-in-padding", (1, 2, 5, 5), (2, 2), 2, 1, ceil_mode=True),
    Pool("ceil-window-beyond-image", (1, 2, 2, 3), (3, 3), 2, ceil_mode=True),
    Pool("pairs", (1, 2, 5, 6), (3, 3), 2, ((0, 1), (2, 0))),
    Pool("pairs-ceil", (1, 2, 6, 6), (3, 3), 2, ((0, 2), (1, 0)), ceil_mode=True),
    Pool("same", (1, 2, 5, 6), (3, 2), 1, "same"),
    Pool("same-stride-2", (1, 2, 6, 7), (3, 3), 2, "same"),
    Pool("same-lower", (1, 2, 5, 6), (2, 4), 1, "same_lower"),
    Pool("same-lower-stride-2", (1, 2, 6, 7), (3, 3), 2, "same_lower"),
    Pool("valid", (1, 2, 6, 7), (3, 3), 2, "valid"),
    Pool("dilation-2", (1, 2, 8, 9), (3, 3), 1, 1, 2),
    Pool("dilation-2-3-stride-2", (1, 2, 9, 11), (2, 3), 2, 0, (2, 3)),
    Pool("dilation-2-ceil", (1, 2, 8, 8), (3, 2), 2, 1, 2, True),
    Pool("whole-image", (2, 3, 4, 5), (4, 5)),
    Pool("unbatched", (3, 6, 7), (2, 2)),
    Pool("batch-0", (0, 3, 6, 7), (2, 2)),
    Pool("batch-3", (3, 2, 5, 6), (3, 3), 2, 1),
    *(Pool(f"2x2-width-{w}", (1, 2, 2, w), (2, 2)) for w in (14, 16, 17, 31, 33, 66)),
    *(Pool(f"3x3-stride-2-width-{w}", (1, 1, 3, w), (3, 3), 2, 1) for w in (14, 15, 16, 17, 33, 66)),
    *(Pool(f"3x3-stride-1-width-{w}", (1, 1, 2, w), (3, 3), 1, 1) for w in (1, 7, 8, 9, 16, 17, 33)),
    *(Pool(f"channels-{c}", (1, c, 3, 5), (2, 3), (1, 2), 1) for c in (1, 7, 8, 9, 16, 17, 33)),
)

POOL1D = (
    Pool("k2", (2, 3, 8), (2,)),
    Pool("k3-stride-2-padded", (1, 3, 12), (3,), 2, 1),
    Pool("k3-stride-2-ceil", (1, 3, 12), (3,), 2, 0, ceil_mode=True),
    Pool("k5-stride-1", (1, 2, 33), (5,), 1, 2),
    Pool("dilation-3", (1, 2, 17), (3,), 1, 1, 3),
    Pool("pairs", (1, 2, 9), (4,), 3, ((3, 1),)),
    Pool("same-lower", (1, 2, 9), (4,), 1, "same_lower"),
    Pool("stride-beyond-kernel-ceil", (1, 2, 9), (2,), 4, ceil_mode=True),
    Pool("unbatched", (3, 9), (2,)),
    Pool("batch-0", (0, 3, 9), (2,)),
)

POOL3D = (
    Pool("2x2x2", (2, 3, 4, 4, 6), (2, 2, 2)),
    Pool("3x3x3-stride-2-padded", (1, 2, 5, 6, 7), (3, 3, 3), 2, 1),
    Pool("3x2x1-stride-1-2-3", (1, 2, 4, 5, 7), (3, 2, 1), (1, 2, 3), (1, 1, 0)),
    Pool("ceil", (1, 2, 4, 5, 6), (2, 3, 3), 2, 0, ceil_mode=True),
    Pool("dilation", (1, 2, 5, 5, 7), (2, 2, 3), 1, (1, 0, 1), (2, 1, 2)),
    Pool("pairs", (1, 2, 3, 4, 5), (2, 3, 3), 2, ((1, 0), (0, 2), (1, 1))),
    Pool("same", (1, 2, 4, 5, 6), (2, 3, 2), (1, 2, 2), "same"),
    Pool("unbatched", (2, 4, 5, 6), (2, 2, 2)),
    Pool("batch-0", (0, 2, 4, 5, 6), (2, 2, 2)),
)
