"""What every benchmark shares: seeded data and memory layouts."""

import numpy as np

LAYOUTS = ("first", "last")


def data(shape, dtype, seed=0):
    """Seeded normal values; writing them touches every page, so that no benchmark times page faults of its input."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def in_layout(x, layout):
    """The same logical array with channels first or channels last in memory."""
    return x if layout == "first" else np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
