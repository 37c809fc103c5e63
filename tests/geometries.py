"""Geometries of convolutions, as choices are asked about."""

from fastconv._geometry import conv_geometry
from fastconv._methods import lay_out
from fastconv._tuned import TUNED

MEASURED = sorted(TUNED)  # vectors, as the fixture of that name takes them
LONG = [key for key in MEASURED if key[0] == 64]


def geometry(input, weight, stride=1, padding=0, groups=1, itemsize=4, last=0, dilation=1):
    rank = len(input) - 2
    return conv_geometry("", rank, input, weight, stride, padding, dilation, groups, "zeros", itemsize, last).geometry


def is_copied(g, method="auto"):
    return lay_out(g, method)[0].last != g.last
