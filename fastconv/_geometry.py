"""From shapes and size arguments to the numbers that describe one image's convolution.

Everything is computed here once, in Python's integers, for any rank: one- and two-dimensional geometries are
three-dimensional ones with leading ones. This is the only place for shape formulas of convolution and for the errors
about its shapes; the kernels trust what leaves it.
"""

from functools import cache, lru_cache
from math import prod
from typing import NamedTuple

from fastconv._sizes import LIMIT, integer, one_of, per_axis, resolve_padding

INF = float("inf")
LONG_STRIDE = 64  # longer ones end where an image does: kernels lay out tables of a stride's length
ACTIVATIONS = {None: (-INF, INF), "relu": (0.0, INF), "relu6": (0.0, 6.0)}  # what results are clamped to
# How much wider than the image one side may be; `numpy.pad`'s constant 0, reflect, symmetric, edge and wrap
PADDING_MODES = {"zeros": None, "reflect": -1, "symmetric": 0, "replicate": None, "circular": 0}


class ConvGeometry(NamedTuple):
    """The convolution of one image: plain integers, in the order of `ConvShape` in `_kernels/shape.pxd`.

    Letters are oneDNN's: i input, o output, k kernel, s stride, d dilation, p zeros before; d h w the axes.
    """

    ic: int
    oc: int
    groups: int
    id: int
    ih: int
    iw: int
    od: int
    oh: int
    ow: int
    kd: int
    kh: int
    kw: int
    sd: int
    sh: int
    sw: int
    dd: int
    dh: int
    dw: int
    pd: int
    ph: int
    pw: int
    itemsize: int  # 4 float32, 8 float64
    last: int  # 1 channels-last memory, 0 channels-first

    @property
    def macs(self):
        """Multiply-adds of one image."""
        return self.oc * self.od * self.oh * self.ow * (self.ic // self.groups) * self.kd * self.kh * self.kw

    @property
    def axes(self):
        """(size, outputs, taps, stride, dilation, zeros before) along d, h and w."""
        return tuple(zip(*(self[first : first + 3] for first in range(3, 21, 3)), strict=True))


def output_size(function, size, kernel, stride, padding, dilation):
    """Outputs along each axis: floor((in + before + after - dilation * (kernel - 1) - 1) / stride) + 1.

    Raises ValueError where a dilated kernel is larger than its padded input, or an extent is too large to index.
    """
    result = []
    for i, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True):
        padded, span = i + before + after, d * (k - 1) + 1
        if max(padded, span) >= LIMIT:
            raise ValueError(f"{function}: padding {before, after} and dilation {d} reach beyond 2**62 elements")
        if span > padded:
            raise ValueError(
                f"{function}: kernel of size {tuple(kernel)} and dilation {tuple(dilation)} is larger than "
                f"the padded input, size {tuple(size)} with padding {padding}"
            )
        result.append((padded - span) // s + 1)
    return tuple(result)


def check_size(function, shape):
    """Refuse a result that no 64-bit machine can hold; one that this machine cannot is NumPy's MemoryError."""
    if prod(shape) * 8 >= LIMIT:
        raise ValueError(f"{function}: the result would have shape {shape}, more than can be addressed")


def moved_channels(channels, input_shape, rank):
    """What to say besides where the channels that are asked for seem to be the last axis."""
    if input_shape[-1] != channels:
        return ""
    return f"; if its last axis is channels, pass numpy.moveaxis(input, -1, {-rank - 1})"


def check_channels(function, input_shape, weight_shape, groups, rank):
    """Channels of input and weight agree with each other and with `groups`; no kernel extent is zero."""
    oc, icg, *kernel = weight_shape
    ic = input_shape[-rank - 1]
    if min(kernel) < 1:
        raise ValueError(f"{function}: weight of shape {weight_shape} has an empty kernel")
    if ic != icg * groups:
        raise ValueError(
            f"{function}: weight of shape {weight_shape} with groups={groups} needs input with {icg * groups} "
            f"channels, got input of shape {input_shape}{moved_channels(icg * groups, input_shape, rank)}"
        )
    if oc % groups:
        raise ValueError(
            f"{function}: groups={groups} does not divide the {oc} output channels of weight {weight_shape}"
        )


@cache
def image_forms(rank, channels="ic"):
    """What `check_rank` is told of images."""
    axes = ", ".join("dhw"[3 - rank :])
    return {2: f"(n, {channels}, {axes})", 1: f"({channels}, {axes})"}


@cache
def weight_forms(rank, channels="oc, ic // groups"):
    """What `check_rank` is told of weights."""
    return {2: f"({channels}, {', '.join(f'k{axis}' for axis in 'dhw'[3 - rank :])})"}


def check_rank(function, name, shape, rank, forms):
    """`shape` has one of the ranks that `forms` describes, by the number of axes besides."""
    if len(shape) - rank not in forms:
        raise ValueError(f"{function}: {name} must have shape {' or '.join(forms.values())}, got {tuple(shape)}")


def spatial_rank(function, name, shape, leading=2, form="(n, c, *spatial)"):
    """How many spatial axes a shape has besides its `leading` ones; `form` is what it must be, for the message."""
    rank = len(shape) - leading
    if not 1 <= rank <= 3:
        raise ValueError(f"{function}: {name} must have one to three spatial axes, {form}, got {tuple(shape)}")
    return rank


def check_wrap(function, mode, padding, size):
    """Mirrored and circular padding take their elements from the image, once: it must be wide enough."""
    margin = PADDING_MODES[mode]
    for (before, after), i in zip(padding, size, strict=True):
        if margin is not None and max(before, after) > max(i + margin, 0):
            raise ValueError(
                f"{function}: padding {before, after} is too wide for padding_mode {mode!r} on an axis of {i}"
            )
        if i == 0 and before + after:
            raise ValueError(f"{function}: padding_mode {mode!r} has nothing to repeat on an axis of 0")


class Conv(NamedTuple):
    """What a front needs to know of a convolution besides its geometry."""

    geometry: ConvGeometry
    ahead: tuple | None  # padding to be applied to the input beforehand, ((before, after), ...); None: by the kernel
    output: tuple  # (oc, *spatial)


@lru_cache(maxsize=1024)
def conv_geometry(function, rank, input_shape, weight_shape, stride, padding, dilation, groups, mode, itemsize, last):
    """Check every shape and size of a convolution and describe it.

    `input_shape` is (n, ic, *spatial) or (ic, *spatial), `weight_shape` (oc, ic // groups, *kernel).
    """
    check_rank(function, "input", input_shape, rank, image_forms(rank))
    check_rank(function, "weight", weight_shape, rank, weight_forms(rank))
    stride = per_axis(function, "stride", stride, rank)
    dilation = per_axis(function, "dilation", dilation, rank)
    groups = integer(function, "groups", groups, 1)
    check_channels(function, input_shape, weight_shape, groups, rank)
    one_of(function, "padding_mode", mode, PADDING_MODES)

    oc, _, *kernel = weight_shape
    ic, *size = input_shape[-rank - 1 :]
    before = resolve_padding(function, padding, size, kernel, stride, dilation)
    out = output_size(function, size, kernel, stride, before, dilation)
    check_size(function, (*input_shape[: -rank - 1], oc, *out))
    ahead = None
    if mode != "zeros" and any(map(any, before)):
        check_wrap(function, mode, before, size)
        ahead = before
        size = [i + sum(p) for i, p in zip(size, before, strict=True)]
        check_size(function, (*input_shape[:-rank], *size))
        before = ((0, 0),) * rank

    beyond = [0 if o == 1 else i + p for i, o, (p, _) in zip(size, out, before, strict=True)]  # where the second sees 0
    stride = [min(s, max(b, LONG_STRIDE)) for s, b in zip(stride, beyond, strict=True)]
    ones, zeros = (1,) * (3 - rank), (0,) * (3 - rank)
    geometry = ConvGeometry(
        ic, oc, groups, *ones, *size, *ones, *out, *ones, *kernel, *ones, *stride, *ones, *dilation,
        *zeros, *(p for p, _ in before), itemsize, last,
    )  # fmt: skip
    return Conv(geometry, ahead, (oc, *out))
