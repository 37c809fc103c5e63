"""What is told twice, in Python for choices and in kernels for what they do, is the same."""

from itertools import product

from fastconv import _cpu, _depthwise, _direct, _shared_rows, _sights, _winograd_rules
from tests.geometries import geometry


def test_tiles_of_minimal_filtering_are_those_of_its_kernel(cpu_level):
    """Their rules stand in `_winograd_rules.py`, for errors and costs, and in `winograd_rules.pxd`, for sums."""
    kernel, rules = _cpu.kernel("winograd"), {}
    sizes = product((16, 31, 32, 47, 48), (5, 8, 9, 63, 64), (1, 2, 3, 4, 5), (2, 3, 6), (1, 2), (1, 2))
    for channels, side, height, width, stride, dilation in sizes:
        if max(height, width) * dilation <= side:
            weight = (8, channels, height, width)
            g = geometry((1, channels, side, side), weight, stride, 0, dilation=dilation)
            for code, rule in zip(kernel.packed_layout(tuple(g)), _winograd_rules.rules(g), strict=True):
                rules.setdefault(code, set()).add(rule)
    assert all(len(found) == 1 for found in rules.values())
    assert len(set().union(*rules.values())) == len(rules) == 7


def test_numbers_that_choices_and_kernels_share(cpu_level):
    """Told one by one in two languages: a choice by other ones would say what no kernel does."""
    kernels = _cpu.kernel("probe").constants()
    assert kernels["CHUNK"] == _depthwise.CHAIN
    assert kernels["PAIRED"] == _depthwise.PAIRED
    assert kernels["NEAR_ROWS"] == _depthwise.BAND
    assert kernels["TALL"] == _depthwise.TALL
    assert kernels["MOST_SHARED"] == max(_depthwise.SHARED)
    assert kernels["STRIP_PIXELS"] == _depthwise.STRIP
    assert kernels["LONG_SUM"] == _sights.SORTED
    assert kernels["SMALL_MAP"] == _direct.FEW_PATCHES
    assert kernels["KINDS"] == _sights.KINDS
    assert kernels["SHARING"] == _direct.SHARING
    assert kernels["UNSEEN_ROWS"] == _direct.UNSEEN_ROWS
    assert kernels["LEAST_SHARED"] == _shared_rows.LEAST_SHARED
    assert kernels["MOST_PHASES"] == _shared_rows.MOST_PHASES
    for name in ("LONGEST", "WHOLE", "MOST_RUNS", "MOST_PARTS"):
        assert kernels[name] == getattr(_winograd_rules, name)
