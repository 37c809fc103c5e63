"""Arrays of more than 2**31 bytes and of more than 2**31 elements: indices of 32 bits would wrap around silently.

Zeros that nobody has written to cost address space and no memory, so an input is `numpy.zeros` with a few ones where a
wrapped index would miss them; what a result really takes is written beside each case. Each runs in a child process.
"""

import os

import pytest

from tests.child import output

GIB = 1 << 30

# name, GiB of address space, GiB of memory, code that ends in a check
CASES = (
    (
        "conv2d input of 2**31 elements", 9, 0.5,
        """
x = np.zeros((1, 2, 2**20 + 8, 2**10), np.float32)
x[0, 1, 2**20 : 2**20 + 4, 5:9] = 1
for method in ("direct", "im2col"):
    for oc in (2, 8):
        out = fastconv.conv2d(x, np.ones((oc, 2, 4, 4), np.float32), stride=(2**12, 1), method=method)
        assert out.shape == (1, oc, 257, 1021)
        assert out[0, :, 256, 5].tolist() == [16] * oc and out.sum() == 64 * oc, (method, oc, out.sum())
""",
    ),
    (
        "conv1d signal of 2**31 elements", 9, 0.1,
        """
x = np.zeros((1, 1, 2**31 + 100), np.float32)
x[0, 0, -100:] = 1
for method in ("direct", "im2col"):
    out = fastconv.conv1d(x, np.ones((1, 1, 100), np.float32), stride=2**20, padding=((0, 2**20 - 100),), method=method)
    assert out.shape == (1, 1, 2**11 + 1) and out[0, 0, -1] == 100 and out.sum() == 100, (method, out[0, 0, -3:])
""",
    ),
    (
        "conv2d channels-last input of 2**31 elements", 9, 0.5,
        """
x = np.zeros((1, 2**17 + 8, 2**10, 16), np.float32)
x[0, 2**17 : 2**17 + 4, 4:8, 15] = 1
x = np.moveaxis(x, -1, 1)
for method in ("direct", "im2col"):
    out = fastconv.conv2d(x, np.ones((5, 16, 4, 4), np.float32), stride=(2**10, 4), method=method)
    assert out.shape == (1, 5, 129, 256)
    assert out[0, :, 128, 1].tolist() == [16] * 5 and out.sum() == 5 * 16, (method, out.sum())
""",
    ),
    (
        "conv2d result of 2**31 bytes", 5, 2.3,
        """
x = np.zeros((1, 1, 2**14 + 1, 2**15), np.float32)
x[0, 0, -1, -3:] = 3, 4, 5
out = fastconv.conv2d(x, np.full((1, 1, 1, 1), 2, np.float32))
assert out[0, 0, -1, -3:].tolist() == [6, 8, 10] and not out[0, 0, :-1:1024].any()
""",
    ),
    (
        "max_pool2d input and result of 2**31 elements", 5, 2.3,
        """
x = np.zeros((1, 1, 2**16 + 1, 2**15), np.uint8)
x[0, 0, -1, -3:] = 3, 4, 5
out = fastconv.max_pool2d(x, 1)
assert out[0, 0, -1, -3:].tolist() == [3, 4, 5] and not out[0, 0, :-1:1024].any()
""",
    ),
    (
        "max_pool2d indices beyond 2**31", 3, 0.6,
        """
x = np.zeros((1, 1, 2**16 + 4, 2**15), np.uint8)
x[0, 0, -1, -3:] = 3, 5, 4
values, indices = fastconv.max_pool2d(x, 4, (4, 64), return_indices=True)
assert values[0, 0, -1, -1] == 0 and values.max() == 0, values.max()
values, indices = fastconv.max_pool2d(x, (4, 64), return_indices=True)
assert values[0, 0, -1, -1] == 5 and indices[0, 0, -1, -1] == x.size - 2, indices[0, 0, -1, -1]
assert indices[0, 0, -2, -1] == (2**16 - 4) * 2**15 + 2**15 - 64, indices[0, 0, -2, -1]
""",
    ),
    (
        "avg_pool2d input of 2**31 elements", 9, 0.6,
        """
x = np.zeros((1, 2, 2**20 + 8, 2**10), np.float32)
x[0, 1, -4:, -4:] = 3
out = fastconv.avg_pool2d(x, 4)
assert out[0, 1, -1, -1] == 3 and out.sum() == 3, out.sum()
""",
    ),
)  # fmt: skip


def free_gib():
    """Memory that may be used without swapping, as far as the system says."""
    try:
        with open("/proc/meminfo") as lines:
            table = dict(line.split(":", 1) for line in lines)
        return int(table["MemAvailable"].split()[0]) / 2**20
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB / 2


@pytest.mark.parametrize(("name", "space", "memory", "code"), CASES, ids=[case[0] for case in CASES])
def test_indices_do_not_wrap(name, space, memory, code):
    resource = pytest.importorskip("resource", reason="limits of memory need POSIX")
    if free_gib() < memory + 1 or resource.getrlimit(resource.RLIMIT_AS)[0] not in (resource.RLIM_INFINITY,):
        pytest.skip(f"needs {memory} GiB of memory and {space} GiB of address space")
    limits = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({(space + 4) * GIB},) * 2)\n"
    output(limits + "import numpy as np, fastconv\n" + code, seconds=60)
