"""The build: what an sdist and a wheel hold, and that the wheel works.

The sdist is made from a clean copy of the checkout. From what it holds, with all kernels but three taken out to save
minutes, a wheel is built with FASTCONV_DEBUG=1; installed, it must convolve. The optimised build is the one that every
other test runs on.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("features", "heap", "team", "direct", "direct_last", "phases")
ONCE = ("features", "heap", "team", "_door", "_memory")  # compiled for every CPU alike
LEVELLED = ("direct", "direct_last", "phases")
SHARED = "_cyutility"  # Cython's own code, once for all kernels
NEEDED = ("setuptools", "Cython", "build")
IGNORED = (
    ".git", ".venv", ".asv", ".ci", ".*_cache", "build", "dist", "__pycache__", "*.so", "*.pyd", "*.c", "*.egg-info",
)  # fmt: skip
X86 = platform.machine().lower() in ("x86_64", "amd64")
LEVELS = ("baseline", "avx2", "avx512") if X86 else ("baseline",)

# The real compiler, but that every command is written down.
COMPILER = """#!/bin/sh
echo "$@" >> {log}
exec {compiler} "$@"
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stands a shell script in for the compiler")


@pytest.fixture(scope="module", autouse=True)
def requirements():
    for name in NEEDED:
        pytest.importorskip(name, reason="needs what builds the package")
    if not (ROOT / "setup.py").exists():
        pytest.skip("not a checkout")
    if shutil.which(real_compiler()) is None:
        pytest.skip("needs a C compiler")


def real_compiler():
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]


def run(*command, cwd, **variables):
    """Run a build command; its output shows when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """(sdist, the clean copy it was built from)."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*IGNORED))
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(folder), cwd=folder / "copy")
    (archive,) = folder.glob("*.tar.gz")
    return archive, folder / "copy"


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """(wheel, commands of the compiler, source): made of the sdist, with Cython's checks."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist[0]) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    for kernel in (source / "fastconv" / "_kernels").glob("*.pyx"):
        if kernel.stem not in KEPT:
            kernel.unlink()
    compiler, log = folder / "cc", folder / "commands"
    compiler.write_text(COMPILER.format(log=log, compiler=real_compiler()))
    compiler.chmod(0o755)
    linker = sysconfig.get_config_var("LDSHARED").split()[1:]
    run(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), cwd=source,
        CC=str(compiler), LDSHARED=" ".join([str(compiler), *linker]), FASTCONV_DEBUG="1",
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built, log.read_text().splitlines(), source


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds what the wheel installs, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel[0]) as archive:
        archive.extractall(folder)
    return folder


def test_sdist_holds_every_source(sdist):
    archive, copy = sdist
    with tarfile.open(archive) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = [
        path for folder in ("fastconv", "reference", "tests", "asv_bench")
        for pattern in ("*.py", "*.pyx", "*.pxd", "*.h") for path in (copy / folder).rglob(pattern)
    ]  # fmt: skip
    assert len(wanted) > 50
    missing = {str(path.relative_to(copy)) for path in wanted} - names
    assert not missing
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE", "fastconv/py.typed"} <= names


def test_sdist_holds_nothing_generated(sdist):
    with tarfile.open(sdist[0]) as archive:
        names = archive.getnames()
    assert not [name for name in names if name.endswith((".c", ".so", ".pyd", ".pyc", ".o", ".html"))]


def test_wheel_holds_modules_and_no_sources(wheel):
    with zipfile.ZipFile(wheel[0]) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".c", ".pyx", ".pxd", ".h", ".o"))]
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fastconv"}
    assert {"fastconv/__init__.py", "fastconv/py.typed", "fastconv/_kernels/__init__.py"} <= set(names)
    modules = {name.split("/")[-1].split(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert modules - {SHARED} == {*ONCE, *(f"{kernel}_{level}" for kernel in LEVELLED for level in LEVELS)}


def test_each_level_is_compiled_with_its_flags_alone(wheel):
    """Flags of one level that reach the module of a lesser one are illegal instructions on a lesser CPU."""
    machine = {}
    for command in wheel[1]:
        words = command.split()
        source = next((Path(word) for word in words if word.endswith(".c") and "cython" in word), None)
        if source is not None and "-c" in words:
            level = next((part for part in source.parts if part in LEVELS), "baseline")
            machine.setdefault((source.stem, level), set()).update(word for word in words if word.startswith("-m"))
            assert not {"-march=native", "-mtune=native", "-ffast-math", "-Ofast"} & set(words)
    shared = machine.pop((SHARED, "baseline"), machine["features", "baseline"])
    assert shared == machine["features", "baseline"]
    once = {(module, "baseline") for module in ONCE}
    assert machine.keys() == once | {(kernel, level) for kernel in LEVELLED for level in LEVELS}
    assert machine["_door", "baseline"] == machine["features", "baseline"]
    for kernel in LEVELLED:
        own = {level: machine[kernel, level] - machine["features", "baseline"] for level in LEVELS}
        assert own["baseline"] == set()
        if X86:
            assert own["avx2"] == {"-mavx2", "-mfma"}
            assert "-mavx512f" in own["avx512"]


def test_kernels_name_the_library_of_their_powers(wheel):
    """Without it a power in Python's own libraries is taken, of no version: the first one, of 1.3 times the time."""
    links = [command.split() for command in wheel[1] if "-shared" in command.split()]
    assert links
    assert all("-lm" in words for words in links)


def run_installed(folder, code):
    """Run `code` with the installed package, from a folder in which there is no other one."""
    return run(sys.executable, "-W", "error", "-c", code, cwd=folder, PYTHONPATH=str(folder), FASTCONV_CPU="").strip()


def test_wheel_convolves(installed):
    code = """
import numpy as np, fastconv
from fastconv import _cpu
x = np.arange(1.0, 2 * 9 * 40 * 50 + 1).reshape(2, 9, 40, 50) % 7
w = np.arange(1.0, 12 * 9 * 9 + 1).reshape(12, 9, 3, 3) % 5
windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
expected = np.einsum("nchwij,ocij->nohw", windows, w)
for level in _cpu.available():
    with _cpu.override(level), fastconv.num_threads(3):
        for input in (x, np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):
            for dtype in (np.float32, np.float64):
                out = fastconv.conv2d(input.astype(dtype), w.astype(dtype), method="direct")
                assert np.array_equal(out, expected), level
print(fastconv.__file__)
"""
    assert Path(run_installed(installed, code)).is_relative_to(installed.resolve())


SHOW = """
import sys, setuptools
sys.argv = ["setup.py"]
setuptools.setup = lambda **arguments: None
import runpy
print(runpy.run_path("setup.py")["DIRECTIVES"]["boundscheck"])
"""


@pytest.mark.parametrize(("value", "checked"), [("1", "True"), ("0", "False"), ("", "False")])
def test_debug_variable(value, checked):
    assert run(sys.executable, "-c", SHOW, cwd=ROOT, FASTCONV_DEBUG=value).strip() == checked


def test_debug_build_checks_bounds(wheel):
    """A translated kernel that indexes memoryviews checks bounds, and the C compiler does not optimise it far away."""
    _, commands, source = wheel
    translated = (source / "build/cython/fastconv/_kernels/phases.c").read_text()
    assert len(re.findall(r"__Pyx_RaiseBufferIndexError\w*\(__pyx_t", translated)) > 5
    kernels = [command.split() for command in commands if "direct.c" in command or "phases.c" in command]
    assert kernels
    assert all("-O1" in words and words.index("-O1") > words.index("-c") for words in kernels)
