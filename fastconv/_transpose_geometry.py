"""Shape arithmetic of transposed convolution: its output size, and its split into stride-1 convolutions.

Along one axis, with stride s, dilation d, crop p and kernel w of k taps,

    out[o] = sum over i, t of  in[i] * w[t]        with  i * s + t * d = o + p.

Which taps reach an output depends on (o + p) mod s alone: with g = gcd(s, d), the solutions t of t * d = o + p (mod s)
lie s / g apart, and from one to the next i falls by d / g. So the outputs of one residue class, a *phase*, are an
ordinary convolution of stride 1 and dilation d / g with every (s / g)-th tap, reversed; a class without taps is zero:

    k = 4, s = 2, p = 1      o = 0 2 4 ...  taps 3 1 of i = -1  0, 0 1, 1 2, ...
                             o = 1 3 5 ...  taps 2 0 of i =  0  1, 1 2, 2 3, ...

Dumoulin & Visin 2016, arXiv:1603.07285, chapter 4, for the shapes; Shi et al. 2016, arXiv:1609.07009, for the phases.
"""

from functools import lru_cache
from itertools import product
from math import gcd
from typing import NamedTuple

from fastconv._geometry import check_rank, check_size, image_forms, moved_channels, weight_forms
from fastconv._sizes import LIMIT, integer, pairs, per_axis


class Transposed(NamedTuple):
    """A transposed convolution, or the input gradient of a convolution, of one image; three axes, plain integers."""

    ic: int  # channels of what is spread: input of a transposed convolution, grad_output of a gradient
    oc: int
    groups: int
    size: tuple
    output: tuple
    kernel: tuple
    stride: tuple
    dilation: tuple
    crop: tuple  # elements cut off before the first output: the padding of the convolution it transposes


class AxisPhase(NamedTuple):
    """Outputs first, first + stride, ... (`count` of them) of one axis."""

    first: int
    count: int
    tap: int  # the taps are tap, tap + step, ... (`taps` of them)
    step: int
    taps: int
    dilation: int  # between the inputs of neighbouring taps
    shift: int  # input under `tap` at output `first`


class Sight(NamedTuple):
    """What some windows of one axis see."""

    inputs: slice
    outputs: int
    taps: int
    dilation: int
    before: int  # zeros before the inputs; those after them follow

    @property
    def size(self):
        return self.inputs.stop - self.inputs.start


class Windows(NamedTuple):
    """Windows along one axis that slide over the input at stride 1: `count` of them, for phases of as many taps.

    Output j of a phase is what window j + phase.shift - shift sees. Phases of unlike shift have all but the outermost
    windows in common:

        inputs        0 1 2 3         phase of shift 0     u = 0 1 2 3
        windows     u 0 1 2 3 4       phase of shift 1     u =   1 2 3 4
    """

    phases: tuple
    taps: int
    dilation: int
    shift: int  # input under the last tap of the first window
    count: int

    def sight(self, u0, u1, size):
        """What windows u0 <= u < u1 see of an input of `size`; None if that is nothing."""
        low, end = u0 + self.shift - (self.taps - 1) * self.dilation, min(u1, self.count) + self.shift
        lo, hi = max(low, 0), min(end, size)
        if u0 >= self.count or lo >= hi:
            return None
        return Sight(slice(lo, hi), min(u1, self.count) - u0, self.taps, self.dilation, lo - low)

    def outputs(self, phase, u0, u1):
        """The outputs [j0, j1) of a phase that windows u0 <= u < u1 give, and the window of the first of these."""
        behind = phase.shift - self.shift
        j0, j1 = max(u0 - behind, 0), min(u1 - behind, phase.count)
        return j0, j1, j0 + behind


def windows(phases):
    """The windows that serve all of `phases`, which have as many taps and the same dilation."""
    shift = min(a.shift for a in phases)
    count = max(a.shift + a.count for a in phases) - shift
    return Windows(tuple(phases), phases[0].taps, phases[0].dilation, shift, count)


def classes(phases, by):
    """Phases for which the function `by` gives the same, as `Windows` each."""
    found = {}
    for phase in phases:
        found.setdefault(by(phase), []).append(phase)
    return [windows(some) for some in found.values()]


def axis_phases(size, output, kernel, stride, dilation, crop):
    """The phases of one axis that have taps, by their first output."""
    g = gcd(stride, dilation)
    step = stride // g
    phases = []
    for tap in range(min(kernel, step)):
        first = (tap * dilation - crop) % stride
        if first < output:
            taps = -(-(kernel - tap) // step)
            shift = (first + crop - tap * dilation) // stride
            phases.append(AxisPhase(first, -(-(output - first) // stride), tap, step, taps, dilation // g, shift))
    return sorted(phases)


def output_size(function, size, kernel, stride, dilation, output_padding, crops):
    """Outputs along each axis: (in - 1) * stride - before - after + dilation * (kernel - 1) + 1 + output_padding."""
    output = []
    for i, k, s, d, extra, crop in zip(size, kernel, stride, dilation, output_padding, crops, strict=True):
        if extra >= max(s, d):
            raise ValueError(
                f"{function}: output_padding must be smaller than stride or dilation, got {output_padding!r} "
                f"with stride {stride} and dilation {dilation}"
            )
        output.append((i - 1) * s - sum(crop) + d * (k - 1) + 1 + extra)
        if max(output[-1] + sum(crop), sum(crop)) >= LIMIT:
            raise ValueError(f"{function}: stride {s}, dilation {d} and padding {crop} reach beyond 2**62 elements")
    return output


@lru_cache(maxsize=1024)
def transposed_geometry(function, rank, input_shape, weight_shape, stride, padding, output_padding, groups, dilation):
    """Check every shape and size of a transposed convolution and describe it.

    `input_shape` is (n, ic, *spatial) or (ic, *spatial), `weight_shape` (ic, oc // groups, *kernel).
    """
    check_rank(function, "input", input_shape, rank, image_forms(rank))
    check_rank(function, "weight", weight_shape, rank, weight_forms(rank, "ic, oc // groups"))
    stride = per_axis(function, "stride", stride, rank)
    dilation = per_axis(function, "dilation", dilation, rank)
    crops = pairs(function, padding, rank)
    extra = per_axis(function, "output_padding", output_padding, rank, 0)
    groups = integer(function, "groups", groups, 1)
    wc, ocg, *kernel = weight_shape
    ic, *size = input_shape[-rank - 1 :]
    if min(kernel) < 1:
        raise ValueError(f"{function}: weight of shape {weight_shape} has an empty kernel")
    if ic != wc:
        raise ValueError(
            f"{function}: weight of shape {weight_shape} needs input with {wc} channels, "
            f"got input of shape {input_shape}{moved_channels(wc, input_shape, rank)}"
        )
    if ic % groups:
        raise ValueError(f"{function}: groups={groups} does not divide the {ic} channels of input {input_shape}")
    output = output_size(function, size, kernel, stride, dilation, extra, crops)
    if min(output) < 1:
        raise ValueError(
            f"{function}: padding {crops} leaves nothing of the result, size {tuple(output)}, "
            f"for input of shape {input_shape} and weight of shape {weight_shape}"
        )
    check_size(function, (*input_shape[: -rank - 1], ocg * groups, *output))
    ones, zeros = (1,) * (3 - rank), (0,) * (3 - rank)
    # Beyond the kernel a stride does not matter to a single element; some ways have tables of its length
    stride = tuple(
        s if i > 1 else min(s, d * (k - 1) + 1) for i, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )
    return Transposed(
        ic, ocg * groups, groups, (*ones, *size), (*ones, *output), (*ones, *kernel), (*ones, *stride),
        (*ones, *dilation), (*zeros, *(before for before, _ in crops)),
    )  # fmt: skip


def are_disjoint(g):
    """Whether each output of the `Transposed` has at most one input and one tap."""
    return all(k == 1 or (k <= s and d == 1) for k, s, d in zip(g.kernel, g.stride, g.dilation, strict=True))


def leaves_gaps(g):
    """Whether one whose outputs have one tap at most has outputs without any."""
    axes = zip(g.size, g.output, g.kernel, g.stride, g.crop, strict=True)
    return any(k < s or o + crop > n * s for n, o, k, s, crop in axes)


def boxes(counts, units, element, most):
    """Cover `counts` windows of `element` bytes each with boxes of at most `most` bytes, or of one unit.

    Along each axis boxes are whole `units`, tiles of an algorithm for example. Yields ((u0, u1), ...) per axis; rows
    are cut last.
    """
    room, ranges = max(most // max(element, 1), 1), []
    for count, unit in zip(reversed(counts), reversed(units), strict=True):
        pieces = -(-count // max(room // unit * unit, unit))
        length = -(-count // (pieces * unit)) * unit
        ranges.append([(u, min(u + length, count)) for u in range(0, count, length)])
        room = max(room // count, 1)
    return product(*reversed(ranges))
