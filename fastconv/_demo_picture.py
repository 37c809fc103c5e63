"""The photograph in and the picture out: reading any image as RGB, drawing what each level of filters responds to."""

import os

import matplotlib as mpl
import numpy as np
import skimage.data
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from fastconv._demo_filters import ANGLES, DIRECTIONS

INK, PAPER = "#e8e6e3", "#16181d"
WIDTH = 16  # inches, of 100 pixels


def read_photograph(path=None):
    """A float32 RGB image of shape (1, 3, h, w) in 0..1: the file at `path`, or scikit-image's cat.

    Raises `OSError`, or `ValueError` where Pillow cannot make an image of the file, with a text that names it.
    """
    if path is None:
        pixels = skimage.data.chelsea()
    elif not os.path.isfile(path):
        raise FileNotFoundError(f"no image file at {path}")
    else:
        pixels = read_pixels(path)
    return np.ascontiguousarray(np.moveaxis(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max, -1, 0))[None]


def read_pixels(path):
    """(h, w, 3) of unsigned integers, upright; grey of 16 bits keeps them, and an animation gives its first image."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                return np.stack([np.asarray(upright, np.uint16)] * 3, axis=-1)
            return np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read {path} as an image ({type(error).__name__})") from error


def writable(path):
    """Raise `OSError` now if the picture could not be written later."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise OSError(f"cannot write a picture to {path}")


def draw(path, photograph, edges, parts):
    """Photograph, edge directions as colours, and the maps of both levels, as one PNG."""
    aspect = min(photograph.shape[2] / photograph.shape[3], 1.2)
    heights = [rows * (WIDTH / columns * aspect + 0.3) + 0.5 for rows, columns in ((1, 2), (2, 4), (2, 8))]
    with mpl.rc_context({"text.color": INK, "font.size": 11}):
        figure = Figure(figsize=(WIDTH, sum(heights)), facecolor=PAPER, layout="constrained")
        top, middle, bottom = figure.subfigures(3, 1, height_ratios=heights)
        hue = "strongest edge: its direction as hue, its strength as brightness"
        panels(top, 1, [np.moveaxis(photograph[0], 0, -1), coloured(edges[0])], ["photograph", hue])
        angles = [f"{np.degrees(angle):.0f}°" for angle in ANGLES]
        maps(middle, edges[0], angles, "level 1: edge filters 7x7, by direction from dark to bright")
        names = [f"contour {angle}" for angle in angles] + [f"corner {angle} + 90°" for angle in angles]
        maps(bottom, parts[0], names, "level 2: contour and corner filters 5x5")
        figure.savefig(path, dpi=100, format="png")


def maps(figure, features, names, title):
    """Two rows of feature maps on one scale whose top is the 99.5th percentile, brightened a little."""
    figure.suptitle(f"{title}; rectified, pooled 2x2 to {features.shape[1]} x {features.shape[2]}")
    top = np.percentile(features, 99.5) or 1
    panels(figure, 2, np.clip(features / top, 0, 1) ** 0.7, names, cmap="magma", vmin=0, vmax=1)


def panels(figure, rows, images, titles, **options):
    """Images in a grid, row by row, each under its title."""
    figure.set_facecolor(PAPER)
    axes = figure.subplots(rows, len(images) // rows)
    for axis, image, title in zip(axes.flat, images, titles, strict=True):
        axis.imshow(image, interpolation="nearest", **options)
        axis.set_title(title, fontsize=11, color=INK)
        axis.set_axis_off()


def coloured(edges):
    """(8, h, w) responses as an RGB image: hue from the strongest direction, value from its strength."""
    strength = edges.max(axis=0)
    value = np.clip(strength / (np.percentile(strength, 99) or 1), 0, 1) ** 0.6
    return hsv_to_rgb(np.stack([edges.argmax(axis=0) / DIRECTIONS, np.full_like(value, 0.75), value], axis=-1))
