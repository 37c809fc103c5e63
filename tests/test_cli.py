"""The command line: the demonstration proves itself, and says in one line what is wrong where something is."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import fastconv
from fastconv import _cli


@pytest.fixture
def picture(tmp_path):
    return tmp_path / "maps.png"


@pytest.fixture
def photograph(tmp_path):
    """A small image file with structure in it."""
    y, x = np.mgrid[:40, :52]
    pixels = np.stack([4 * x, 5 * y, 128 + 100 * np.sin(x * y / 40)], axis=-1).astype(np.uint8)
    path = tmp_path / "photograph.png"
    Image.fromarray(pixels).save(path)
    return path


def demo(*arguments):
    return _cli.main(["demo", *map(str, arguments)])


def test_demo_on_the_packaged_photograph(picture, capsys):
    assert demo("--output", picture) == 0
    printed = capsys.readouterr().out
    assert "Input shape: (1, 1, 28, 28)" in printed
    assert "After convolution: (1, 16, 28, 28)" in printed
    assert "After pooling: (1, 16, 14, 14)" in printed
    assert printed.count("exact") == 3  # the three pooling steps
    with Image.open(picture) as drawn:
        assert drawn.size[0] == 1600
        assert np.asarray(drawn.convert("RGB")).std() > 20


def test_demo_on_an_image_of_the_users(photograph, picture, capsys):
    assert demo(photograph, "--output", picture) == 0
    assert "3x40x52" in capsys.readouterr().out
    assert picture.exists()


@pytest.mark.parametrize(("shape", "dtype"), [((40, 52), "u1"), ((40, 52), "u2"), ((40, 52, 4), "u1")])
def test_kinds_of_image(tmp_path, shape, dtype):
    """Grey of 8 and 16 bits, and colour with transparency."""
    from fastconv._demo_picture import read_photograph

    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    read = read_photograph(tmp_path / "image.png")
    assert read.shape == (1, 3, 40, 52)
    assert read.dtype == np.float32
    expected = pixels[..., 0] if len(shape) == 3 else pixels
    np.testing.assert_allclose(read[0, 0], expected / np.iinfo(dtype).max, rtol=1e-6)


@pytest.mark.parametrize("function", ["conv2d", "max_pool2d"])
def test_a_wrong_result_fails(photograph, picture, capsys, monkeypatch, function):
    """One element off by a few bounds is enough, and no picture of it is drawn."""
    right = getattr(fastconv, function)

    def wrong(*args, **kwargs):
        result = right(*args, **kwargs)
        where = np.unravel_index(result.argmax(), result.shape)
        result[where] *= 1 + 1e-4
        return result

    monkeypatch.setattr(fastconv, function, wrong)
    assert demo(photograph, "--output", picture) == 1
    assert "not within the error bound" in capsys.readouterr().err
    assert not picture.exists()


def test_the_check_proves_nothing_about_zeros_or_nan():
    from fastconv._demo import share

    zeros, ones = np.zeros((2, 2)), np.ones((2, 2))
    assert share(ones, ones, zeros) == 0
    assert share(ones, ones + 1, 2 * ones) == 0.5
    for result, exact in ((zeros, zeros), (ones * np.nan, ones), (np.ones((2, 3)), ones), (ones, 2 * ones)):
        assert share(result, exact, zeros) == np.inf


@pytest.mark.parametrize("package", ["rich", "matplotlib", "skimage"])
def test_a_missing_extra_is_named(package, picture, capsys, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("fastconv._demo")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    assert demo("--output", picture) == 1
    error = capsys.readouterr().err
    assert "pip install 'fastconv[demo]'" in error
    assert package in error
    assert error.count("\n") == 1


def test_images_that_cannot_be_used(tmp_path, picture, capsys):
    text, small = tmp_path / "text.png", tmp_path / "small.png"
    text.write_text("no image at all")
    Image.fromarray(np.full((5, 3, 3), 7, np.uint8)).save(small)
    for path, complaint in (
        (tmp_path / "absent.png", "no image file at"),
        (text, "cannot read"),
        (small, "5 x 3 pixels"),
    ):
        assert demo(path, "--output", picture) == 1
        error = capsys.readouterr().err
        assert error.startswith("fastconv demo: ")
        assert complaint in error
        assert error.count("\n") == 1


def test_a_picture_that_cannot_be_written_is_known_at_once(tmp_path, photograph, capsys):
    assert demo(photograph, "--output", tmp_path / "nowhere" / "maps.png") == 1
    assert "cannot write a picture" in capsys.readouterr().err
    assert demo(photograph, "--output", tmp_path) == 1


def test_info(capsys, monkeypatch):
    """What a build runs on, by the library alone: it asked for rich."""
    for package in _cli.EXTRAS:
        monkeypatch.setitem(sys.modules, package, None)
    assert _cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for text in (fastconv.show_config()["fastconv"], np.__version__, "baseline"):
        assert text in printed


def test_module_and_usage():
    """`python -m fastconv` is the command; no command at all is an error of usage."""
    run = [sys.executable, "-m", "fastconv"]
    helped = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True)
    assert "demo" in helped.stdout
    asked = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert asked.stdout == f"fastconv {fastconv.__version__}\n"
    assert subprocess.run(run, capture_output=True, text=True).returncode == 2
