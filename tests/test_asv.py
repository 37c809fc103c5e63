"""The benchmarks: their oracle against SciPy, their table, and that a benchmark refuses to time a wrong result."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

import fastconv

FOLDER = Path(__file__).parent.parent / "asv_bench"
THREADS = ("FASTCONV_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.fixture
def load(monkeypatch):
    """Import a module of the benchmarks without leaving their environment variables behind."""
    for variable in THREADS:
        monkeypatch.setenv(variable, "1")
    monkeypatch.syspath_prepend(str(FOLDER))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def run(*command):
    """Run a Python command in the benchmarks' folder with the fastconv that is being tested."""
    paths = [str(Path(fastconv.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    environment = {**os.environ, "PYTHONPATH": path, "ASV_PYTHONPATH": path}
    done = subprocess.run([sys.executable, *command], cwd=FOLDER, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_asv_finds_the_benchmarks():
    """`asv check` imports all of them and fails on one that it could not run."""
    run("-m", "asv", "check", "--environment", f"existing:{sys.executable}")


@pytest.mark.parametrize("name", ["Winograd", "Fourier"])
def test_stages_make_what_is_made_of_the_whole(load, name):
    """They refused layers of which the whole sums edges and corners directly, and half of the points were not timed."""
    layers, stages, dtypes = getattr(load("stages"), name).params
    for layer in layers:
        for dtype in dtypes:
            benchmark = getattr(load("stages"), name)()
            benchmark.setup(layer, stages[0], dtype)
            for stage in stages:
                benchmark.time_stage(layer, stage, dtype)


def test_names_of_layers_are_unique(load):
    layers = load("layers")
    tables = [value for value in vars(layers).values() if isinstance(value, tuple)]
    names = [layer.name for table in tables for layer in table]
    assert len(names) > 50
    assert len(names) == len(set(names))


def test_timed_layers_are_in_the_table(load):
    table, conv = load("layers"), load("conv")
    classes = [value for value in vars(conv).values() if isinstance(value, type) and hasattr(value, "params")]
    assert len(classes) >= 4
    for each in classes:
        assert set(each.params[0]) <= set(table.ANY)


@pytest.mark.parametrize(("kernel", "stride", "dilation", "groups"), [(3, 1, 1, 1), (5, 2, 1, 2), (3, 3, 2, 4)])
def test_oracle_convolves_as_scipy(load, kernel, stride, dilation, groups):
    layers, oracle = load("layers"), load("oracle")
    layer = layers.conv("one", 4, (19, 23), 8, kernel, stride=stride, dilation=dilation, groups=groups, n=2)
    x, w = (np.random.default_rng(seed).integers(-9, 9, shape) for seed, shape in ((0, layer.input), (1, layer.weight)))
    spread = np.zeros((*w.shape[:2], *(dilation * (k - 1) + 1 for k in w.shape[2:])), int)
    spread[:, :, ::dilation, ::dilation] = w
    padded = oracle.pad(x, layer.pads)
    per_group = layer.weight[0] // groups
    for image, oc in np.ndindex(2, 8):
        channels = padded[image, oc // per_group * 4 // groups :][: 4 // groups]
        expected = sum(signal.correlate2d(c, k, mode="valid") for c, k in zip(channels, spread[oc], strict=True))
        assert np.array_equal(oracle.conv(layer, x, w)[image, oc], expected[::stride, ::stride])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_oracle_gradients_are_adjoint(load, stride):
    """<conv(x, w), g> = <x, grad_input> = <w, grad_weight>, exact on small integers; so for the transposed one."""
    layers, oracle = load("layers"), load("oracle")
    layer = layers.conv("one", 3, (13, 19), 5, (3, 5), stride=stride, n=2)
    rng = np.random.default_rng(0)
    x, w, g = (rng.integers(-9, 9, shape) for shape in (layer.input, layer.weight, layer.output))
    inner = np.vdot(oracle.conv(layer, x, w), g)
    assert inner != 0
    assert np.vdot(x, oracle.grad_input(layer, g, w)) == inner
    assert np.vdot(w, oracle.grad_weight(layer, g, x)) == inner
    up = layers.Layer("up", layer.output, layer.weight, stride, layer.padding)
    back = oracle.conv_transpose(up, g, w)
    assert np.vdot(x, back) == inner


def test_error_proves_nothing_about_zeros_or_nan(load):
    oracle = load("oracle")
    ones, zeros = np.ones((2, 2)), np.zeros((2, 2))
    eps = np.finfo(np.float32).eps
    assert oracle.error_in_eps(ones + 3 * eps, ones, ones, "float32") == pytest.approx(3)
    for result, exact in ((zeros, zeros), (ones * np.nan, ones), (np.ones(3), ones)):
        assert oracle.error_in_eps(result, exact, ones, "float32") == np.inf
    with pytest.raises(AssertionError, match="exceeds 2"):
        oracle.require(ones + 3 * eps, ones, ones, "float32", 2)


@pytest.mark.parametrize("method", ["direct", "im2col"])
def test_convolution_benchmarks_run(load, method):
    bench = load("conv").Conv2d()
    arguments = ("tiny 3x3 1-16 @28", method, "float32")
    bench.setup(*arguments)
    bench.time_conv2d(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LargeKernels", ("signal k64 @16000", "fft")),
        ("OtherRanks", ("audio k3 128-128 @4000", "float32")),
        ("Prepared", ("resnet50 3x3 64-64 @56",)),
        ("Memory", ("image 31x31 @1024", "fft")),
    ],
)
def test_other_convolution_benchmarks_run(load, name, arguments):
    bench = getattr(load("conv"), name)()
    bench.setup(*arguments)
    for timed in (attribute for attribute in dir(bench) if attribute.startswith(("time_", "peakmem_"))):
        getattr(bench, timed)(*arguments)


def test_a_method_that_does_not_take_a_layer_is_skipped(load):
    with pytest.raises(NotImplementedError, match="transform"):
        load("conv").Conv2d().setup("resnet50 1x1 64-256 @56", "winograd", "float32")


@pytest.mark.parametrize("gradient", ["input", "weight"])
def test_gradient_benchmarks_run(load, gradient):
    bench = load("gradients").Gradients()
    bench.setup("batch8 1x1 256-64 @56", gradient, "float32")
    bench.time_gradient("batch8 1x1 256-64 @56", gradient, "float32")


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("gradients", "BiasGradients", ("batch2 video 3x3x3 32-32 @8x56x56", "float32")),
        ("crossover", "Boundaries", ("convolve2d", "symm", 11)),
        ("crossover", "Crossover", ("100000 * 101", "auto", "float32")),
        ("pool", "PoolOfOtherRanks", ("audio k4 s4 64 @16000", "avg", "float32", "last")),
        ("pool", "PoolOfOtherRanks", ("video 3x3x3 s2 32 @16x56x56", "max", "float32", "first")),
    ],
)
def test_benchmarks_of_few_layers_run(load, module, name, arguments):
    bench = getattr(load(module), name)()
    bench.setup(*arguments)
    (timed,) = (attribute for attribute in dir(bench) if attribute.startswith("time_"))
    getattr(bench, timed)(*arguments)


def test_transposed_benchmarks_run(load):
    bench = load("gradients").Transposed()
    bench.setup("dcgan up 4x4 s2 64-64 @56", "float32")
    bench.time_conv_transpose2d("dcgan up 4x4 s2 64-64 @56", "float32")


@pytest.mark.parametrize(
    ("name", "layer"), [("Winograd", "resnet50 3x3 256-256 @14"), ("Fourier", "signal k1000 @16000")]
)
def test_stage_benchmarks_run(load, name, layer):
    """Signals are in a table of their own: each row of `Fourier` is looked up."""
    module = load("stages")
    bench = getattr(module, name)()
    bench.setup(layer, "input", "float32")
    bench.time_stage(layer, "input", "float32")
    assert set(bench.params[0]) <= set(module.layers.ANY)


def test_scripts_of_the_thresholds_run(tmp_path):
    """They see their thresholds, fit and print; a grid of two rows takes seconds."""
    printed = run("accuracy.py", "--seeds", "1", "--layer", "image 11x11")
    assert "worst" in printed
    run("accuracy.py", "--seeds", "1", "--limits", "--layer", "3x3 32-32")
    kept = str(tmp_path / "times.json")
    printed = run("fit_methods.py", "--rounds", "1", "--only", "3x3 32-32 @", "--save", kept)
    assert "geometric" in printed
    assert "weight_tap" in run("fit_methods.py", "--fit", "--load", kept)
    assert "geometric" in run("fit_methods.py", "--rounds", "1", "--only", "3x3 8-4 @", "--last")


def test_methods_are_drawn(load, monkeypatch, tmp_path):
    load("layers")
    plot_methods = importlib.import_module("plot_methods")
    few = {title: (what, values[:1], layer) for title, (what, values, layer) in plot_methods.PANELS.items()}
    monkeypatch.setattr(plot_methods, "PANELS", few)
    png = tmp_path / "methods.png"
    with fastconv.num_threads(1):
        plot_methods.main([str(png), "--rounds", "1"])
    assert png.stat().st_size > 10_000


@pytest.mark.parametrize("reduce", ["max", "avg"])
@pytest.mark.parametrize("layout", ["first", "last"])
def test_pooling_benchmarks_run(load, reduce, layout):
    bench = load("pool").Pool2d()
    arguments = ("tiny 2x2 s2 16 @28", reduce, "float32", layout)
    bench.setup(*arguments)
    bench.time_pool2d(*arguments)


def test_a_wrong_result_is_not_timed(load, monkeypatch):
    conv, right = load("conv"), fastconv.conv2d
    monkeypatch.setattr(fastconv, "conv2d", lambda *args, **kwargs: right(*args, **kwargs) * np.float32(1.01))
    with pytest.raises(AssertionError, match="eps"):
        conv.Conv2d().setup("tiny 3x3 1-16 @28", "direct", "float32")


def test_peers_prints_a_table():
    """It goes on without the peers that are not installed, and says what to install."""
    printed = run("peers.py", "--family", "tiny", "--rounds", "1")
    assert "tiny 3x3 1-16 @28" in printed
    assert "geometric mean" in printed


def test_scaling_prints_a_ratio_for_each_layer():
    printed = run("scaling.py", "--family", "tiny", "--threads", "2", "--rounds", "1")
    assert printed.count("tiny 3x3 16-32 @14") == 2  # weights transformed in the call, and before
    assert "geometric mean" in printed
