"""One source, one module per CPU level: the right one is taken, and none holds instructions of a higher level."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import _cpu, _kernels, _tuned
from fastconv._geometry import conv_geometry
from fastconv._kernels import features
from fastconv._methods import DIRECT, choose
from fastconv._plan import plan_conv
from tests import data
from tests.child import output, script
from tests.geometries import MEASURED

LEVELS = ("baseline", "avx2", "avx512")
CPUINFO = Path("/proc/cpuinfo")
FOLDER = Path(_kernels.__file__).parent
MODULES = sorted(path for suffix in ("so", "pyd") for path in FOLDER.glob(f"*.{suffix}"))
SOURCES = sorted(path.stem for path in FOLDER.glob("*.pyx") if path.stem not in ("features", "heap", "team"))

SHOW = "from fastconv import _cpu; import fastconv; print(_cpu.level())"
RUN = """
import numpy as np, fastconv
from tests import data
x, w = data.integers((1, 3, 9, 17), np.float32), data.integers((8, 3, 3, 3), np.float32)
out = fastconv.conv2d(x, w)
assert out.any()
print(out.sum())
"""

# Registers that a level must not touch, as `objdump -d` prints them. What 256-bit code may not use of AVX-512 are its
# masks, its registers 16 to 31 and its width; a legacy-SSE baseline has no three-operand (v...) instruction at all.
FORBIDDEN = {
    "baseline": re.compile(r"%[yz]mm|%k[0-7]|\tv[a-z0-9]+ .*%xmm"),
    "avx2": re.compile(r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])\b"),
}


def of_level(path):
    """The level that a compiled module is built for: its name's last part, or baseline."""
    return next((level for level in LEVELS if path.name.split(".")[0].endswith(f"_{level}")), "baseline")


def test_available_levels_are_known_and_in_order():
    available = _cpu.available()
    assert available[0] == "baseline"
    assert list(available) == [level for level in LEVELS if level in available]
    assert _cpu.level() in available


def test_best_level_is_taken_unless_told_otherwise():
    assert output(SHOW, environment={"FASTCONV_CPU": None}) == _cpu.available()[-1]
    assert output(SHOW, environment={"FASTCONV_CPU": ""}) == _cpu.available()[-1]


@pytest.mark.parametrize("level", LEVELS)
def test_forced_level(level):
    """FASTCONV_CPU takes a level that is there, and is an error that names it and the choice where it is not."""
    if level in _cpu.available():
        assert output(SHOW, environment={"FASTCONV_CPU": level}) == level
        assert output(RUN, environment={"FASTCONV_CPU": level}) == output(RUN, environment={"FASTCONV_CPU": "baseline"})
    else:
        assert_refused(level)


@pytest.mark.parametrize("value", ["sse9", "AVX2", "avx", " ", "baseline,avx2", "native"])
def test_unknown_level_is_an_error(value):
    assert_refused(value)


def assert_refused(value):
    done = script(SHOW, environment={"FASTCONV_CPU": value})
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("ValueError: FASTCONV_CPU=")
    assert repr(value) in message
    assert "baseline" in message


LESSER = """
import sys, types
package, features = types.ModuleType("fastconv"), types.ModuleType("fastconv._kernels.features")
package.__path__ = ["fastconv"]                     # the package without its `__init__`, which would import `_cpu`
features.supported, features.datapath = lambda: ("baseline",), lambda: 64
sys.modules |= {"fastconv": package, "fastconv._kernels.features": features}
import fastconv._kernels
fastconv._kernels.features = features
from fastconv import _cpu
print(_cpu.available(), _cpu.level())
"""


def test_level_of_a_lesser_machine():
    """On a machine that runs the baseline only, that is taken, and a higher level is an error."""
    assert output(LESSER, environment={"FASTCONV_CPU": None}) == "('baseline',) baseline"
    done = script(LESSER, environment={"FASTCONV_CPU": "avx2"})
    assert done.returncode == 1
    assert "ValueError: FASTCONV_CPU='avx2'" in done.stderr


@pytest.mark.parametrize("level", _cpu.available())
def test_override_uses_the_level_and_restores(level):
    before = _cpu.level()
    x, w = data.integers((1, 3, 9, 17), np.float32), data.integers((8, 3, 3, 3), np.float32)
    expected = fastconv.conv2d(x, w)
    with _cpu.override(level):
        assert _cpu.level() == level
        assert _cpu.kernel("direct").__name__ == f"fastconv._kernels.direct_{level}"
        data.assert_identical(fastconv.conv2d(x, w), expected)
        with _cpu.override("baseline"):
            assert _cpu.level() == "baseline"
        assert _cpu.level() == level
    assert _cpu.level() == before


def test_override_restores_after_an_exception():
    before = _cpu.level()
    with pytest.raises(KeyError), _cpu.override("baseline"):
        raise KeyError
    assert _cpu.level() == before


@pytest.mark.parametrize("value", ["sse9", "", None, 2, ("baseline",)])
def test_override_refuses_what_is_not_available(value):
    before = _cpu.level()
    with pytest.raises((ValueError, TypeError), match="level"), _cpu.override(value):
        raise AssertionError("not refused")
    assert _cpu.level() == before


@pytest.mark.parametrize("vectors", MEASURED, indirect=True)
def test_choices_follow_what_was_measured_of_a_vector(vectors):
    """Eight output channels fill a vector of AVX2, whose 16 registers hold few rows that share loads.

    By what was measured of AVX-512 on Zen 4, 3x3 of 32 to 8 channels took 1.4 times as long there. Rows of points take
    0.63 of the time of direct sums where a core computes 64 bytes at once (Zen 5, 2026-12-01). By thresholds at stride
    2 they were rows at AVX-512 too, which took 1.25 times as long as the register tile.
    """
    method = "direct" if _tuned.measured() == (64, 32) else "winograd"
    kernel = "filter" if _tuned.measured()[0] == 64 else "direct"
    near, strided, short = (
        conv_geometry("", 2, (1, inputs, 56, 56), (outputs, inputs, k, k), stride, k // 2, 1, 1, "zeros", 4, 0).geometry
        for inputs, outputs, k, stride in ((32, 8, 3, 1), (32, 8, 3, 2), (6, 7, 5, 1))
    )
    assert choose(near)[0].name == method
    assert DIRECT.kernel(strided) == "direct"
    assert DIRECT.kernel(short) == kernel


def test_rows_share_loads_under_tall_kernels_at_short_vectors(vectors):
    """With vectors of 32 bytes 7x7 of 8 to 4 channels on 14x14 took 2.2 times as long by the register tile as by rows.

    Six channels under 3x3 fill the tile's rows, under 11x11 they repay rows. By a price that knew no padding seven
    under 5x5 were left to the tile: 2.5 times as long (Zen 4, AVX2, 2026-11-29).
    """
    layers = {(7, 4): "filter", (11, 6): "filter", (11, 16): "direct", (5, 6): "filter", (5, 7): "filter",
              (5, 16): "direct", (3, 5): "filter", (3, 6): "direct"}  # fmt: skip
    for (kernel, outputs), name in layers.items():
        shapes = (1, 8, 14, 14), (outputs, 8, kernel, kernel)
        g = conv_geometry("", 2, *shapes, 1, kernel // 2, 1, 1, "zeros", 4, 0).geometry
        assert DIRECT.kernel(g) == name, (kernel, outputs)


def test_override_takes_what_was_measured_of_the_level():
    with _cpu.override("baseline"):
        assert _tuned.measured() == min(_tuned.TUNED)
    vector = {"avx512": 64}.get(_cpu.level(), 32)
    assert _tuned.measured() == (vector, min(_cpu._datapath, vector))
    assert _tuned.tuned() is _tuned.TUNED[_tuned.measured()]


def test_costs_are_those_of_the_nearest_vectors_that_were_measured(vectors):
    for key in MEASURED:
        _tuned.take(*key)
        assert _tuned.measured() == key
    for vector, datapath, key in ((128, 128, (64, 64)), (32, 64, (32, 32)), (32, 16, (32, 32)), (16, 64, (32, 32))):
        _tuned.take(vector, datapath)
        assert _tuned.measured() == key


def test_override_takes_what_was_measured_of_another_core():
    """One that computes 32 bytes at once; nothing but choices changes."""
    level, before = _cpu.level(), _tuned.measured()
    with _cpu.override(level, 32):
        assert _tuned.measured() == (before[0], 32)
        with _cpu.override("baseline"):
            assert _tuned.measured() == (32, 32)
        assert _cpu.level() == level
    assert _tuned.measured() == before


@pytest.mark.skipif(not CPUINFO.exists(), reason="needs Linux")
def test_datapath_is_that_of_the_family():
    """Zen 3 and Zen 4, AMD's family 25, compute 32 bytes at once, others all of a vector as far as is known."""
    first = dict(re.findall(r"^(\S.*?)\s*: (.*)$", CPUINFO.read_text().partition("\n\n")[0], re.M))
    halves = (first.get("vendor_id"), first.get("cpu family")) == ("AuthenticAMD", "25")
    assert features.datapath() == (32 if halves else 64)


def test_override_forgets_plans():
    """A plan holds a kernel of its level: a cached one must not outlive the level."""
    x, w = data.integers((1, 3, 9, 17), np.float32), data.integers((8, 3, 3, 3), np.float32)
    fastconv.conv2d(x, w)
    assert plan_conv.cache_info().currsize > 0
    for level in _cpu.available():
        with _cpu.override(level):
            assert plan_conv.cache_info().currsize == 0
            fastconv.conv2d(x, w)
            assert plan_conv.cache_info().currsize == 1
        assert plan_conv.cache_info().currsize == 0


@pytest.mark.parametrize("level", _cpu.available())
def test_every_kernel_of_an_available_level_imports(level):
    code = f"from fastconv import _cpu; print(*(_cpu.kernel(source).__name__ for source in {SOURCES}))"
    names = output(code, environment={"FASTCONV_CPU": level}).split()
    assert names == [f"fastconv._kernels.{source}_{level}" for source in SOURCES]


def test_a_level_imports_no_other():
    """Merely importing a module of a higher level may run its instructions."""
    show = "import sys; print(*[name for name in sys.modules if name.startswith('fastconv._kernels.')])"
    names = output(RUN.replace("print(out.sum())", show), environment={"FASTCONV_CPU": "baseline"}).split()
    assert "fastconv._kernels.features" in names
    assert any(name.endswith("_baseline") for name in names)
    assert not [name for name in names if name.endswith(("_avx2", "_avx512"))]


@pytest.mark.parametrize("path", MODULES, ids=[path.name.split(".")[0] for path in MODULES])
def test_no_instruction_of_a_higher_level(path):
    level = of_level(path)
    if level not in FORBIDDEN:
        pytest.skip("the highest level may use everything")
    found, lines = disassembled(path, FORBIDDEN[level])
    assert lines > 500, "nothing was disassembled"
    assert not found, f"{path.name} holds {found}"


@pytest.mark.parametrize(("level", "register"), [("avx2", "%ymm"), ("avx512", "%zmm")])
def test_levels_use_what_they_are_for(level, register):
    """The opposite check: if no module ever matched, the one above would prove nothing."""
    path = next((path for path in MODULES if path.name.startswith(f"direct_{level}.")), None)
    if path is None:
        pytest.skip(f"not built for {level}")
    assert disassembled(path, re.compile(register))[0]


PROBES = [path for path in MODULES if path.name.startswith("probe_")]


@pytest.mark.parametrize("path", PROBES, ids=[path.name.split(".")[0] for path in PROBES])
@pytest.mark.parametrize(("function", "type"), [("chains_f32", "s"), ("chains_f64", "d")])
def test_limit_is_of_as_many_chains_as_are_counted(path, function, type):
    """A chain that started at the fixed point of its own step was a constant to gcc: eleven ran and twelve counted, so
    that the limit came out 9% too high and the tile 8% too slow beside it."""
    products = re.compile(rf"\tv?(fmadd[0-9]*|mul)p{type} ")
    found, lines = disassembled(path, products, most=100, function=function)
    assert lines > 20, "nothing was disassembled"
    assert len(found) == 12, found


def disassembled(path, pattern, most=3, function=None):
    """The first few instructions of a module, or of one of its functions, that match, and the number of lines read."""
    if shutil.which("objdump") is None or platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("needs objdump and x86-64")
    command = ["objdump", f"--disassemble{f'={function}' if function else ''}", "--no-show-raw-insn", str(path)]
    found, lines = [], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            lines += 1
            if len(found) < most and pattern.search(line):
                found.append(" ".join(line.split()))
    return found, lines
