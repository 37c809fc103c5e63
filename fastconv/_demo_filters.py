"""The filters of the demonstration: written down as formulas, as a network would have learnt them.

The first layer of a trained network looks much like derivatives of a Gaussian in several directions, and the second
combines directions into longer contours and corners (Zeiler & Fergus 2013, arXiv:1311.2901). Each function returns
`weight` and `bias`; the absolute weights of an edge filter sum to one, so its results stay within the image's range.
"""

import numpy as np

DIRECTIONS = 8
ANGLES = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS  # of the step from dark to bright


def luminance():
    """Red, green and blue to one channel (ITU-R BT.709)."""
    return np.float32([0.2126, 0.7152, 0.0722]).reshape(1, 3, 1, 1), np.zeros(1, np.float32)


def edge_filters(sigma=1.4, threshold=0.015):
    """(8, 1, 7, 7): the derivative of a Gaussian along each direction; the bias drops what is next to flat."""
    filters = []
    for angle in ANGLES:
        along, _ = rotated(7, angle)
        derivative = along * gaussian(7, sigma)
        filters.append(derivative / np.abs(derivative).sum())
    return np.float32(filters)[:, None], np.full(DIRECTIONS, -threshold, np.float32)


def contour_and_corner_filters(sigma=1.2, threshold=0.008):
    """(16, 8, 5, 5): eight contours, one direction supported along its line, and eight corners, where two meet."""
    blur = gaussian(5, sigma) / gaussian(5, sigma).sum()
    weight = np.zeros((2 * DIRECTIONS, DIRECTIONS, 5, 5))
    for i, angle in enumerate(ANGLES):
        across, _ = rotated(5, angle)
        line = np.exp(-2 * across**2) * gaussian(5, 2)
        weight[i] = -blur / DIRECTIONS
        weight[i, i] += line / line.sum()
        corner = weight[DIRECTIONS + i]
        corner[i] = corner[(i + 2) % DIRECTIONS] = blur
        corner[(i + 1) % DIRECTIONS] = -blur
        corner[(i + 4) % DIRECTIONS] = corner[(i + 6) % DIRECTIONS] = -blur / 2
    return np.float32(weight), np.full(2 * DIRECTIONS, -threshold, np.float32)


def rotated(size, angle):
    """Coordinates of a size x size grid, centred: along the direction and across it (rows grow downwards)."""
    y, x = np.mgrid[:size, :size] - size // 2
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def gaussian(size, sigma):
    """An unnormalised Gaussian on a centred grid."""
    y, x = np.mgrid[:size, :size] - size // 2
    return np.exp(-(x**2 + y**2) / (2 * sigma**2))
