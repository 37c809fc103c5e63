"""The design as rules: who imports whom, what is public and with which signature, how long a file may be."""

import ast
import functools
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from tests.child import output

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fastconv"
KERNELS = PACKAGE / "_kernels"
LONGEST = 300  # lines

MODULES = {f"fastconv.{path.stem}": path for path in sorted(PACKAGE.glob("*.py"))}
CYTHON = sorted(path for suffix in ("pyx", "pxd") for path in KERNELS.glob(f"*.{suffix}"))

# Arithmetic on shapes: the standard library and each other.
PURE = (
    "_sizes", "_geometry", "_methods", "_corners", "_costs", "_depthwise", "_direct", "_winograd", "_winograd_rows",
    "_winograd_rules", "_winograd_share", "_fft", "_pool_geometry", "_reach", "_shared_rows", "_sights",
    "_transpose_geometry", "_tuned", "_volumes", "_weight_choice",
)  # fmt: skip
# What everything else stands on; none of these may know a front.
LOWER = (
    *PURE, "_arrays", "_avg_grad", "_cpu", "_documented", "_fft_conv", "_gradients", "_packing", "_phase_corners",
    "_phase_cost", "_phase_parts", "_phase_plan", "_phase_rows", "_phases", "_plan", "_pool_plan", "_quota",
    "_scatter", "_threads", "_types", "_weight_axes",
)  # fmt: skip
# What callers see, and what is made of it: each may know others and all that is lower.
FRONTS = (
    "_adaptive", "_cli", "_conv", "_demo", "_demo_filters", "_demo_picture", "_explain", "_global_pool", "_lp_pool",
    "_patches", "_pool", "_pool_grad", "_prepare", "_signal_rules", "_transpose", "_unpool", "grad", "probe", "shapes",
    "signal",
)  # fmt: skip

# The contract, N standing for 1, 2 and 3.
SIGNATURES = """
convNd(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros", activation=None, method="auto", out=None)
conv_transposeNd(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1, *, out=None)
max_poolNd(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False, *, out=None)
avg_poolNd(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None, *, dilation=1, out=None)
lp_poolNd(input, norm_type, kernel_size, stride=None, ceil_mode=False, *, padding=0, dilation=1)
adaptive_max_poolNd(input, output_size, return_indices=False)
adaptive_avg_poolNd(input, output_size)
global_max_pool(input)
global_avg_pool(input)
max_unpoolNd(input, indices, kernel_size, stride=None, padding=0, output_size=None)
unfold(input, kernel_size, dilation=1, padding=0, stride=1)
fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1)
grad.convNd_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1)
grad.convNd_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1)
grad.convNd_bias(grad_output)
grad.max_poolNd(grad_output, indices, input_size)
grad.avg_poolNd(grad_output, input_size, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)
signal.convolve(in1, in2, mode="full", method="auto")
signal.correlate(in1, in2, mode="full", method="auto")
signal.convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0)
signal.correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0)
conv_output_shape(input_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1)
pool_output_shape(input_shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False)
receptive_field(layers)
explain(input_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros", dtype=np.float32, channels_last=False)
choose_method(input_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, *, padding_mode="zeros", dtype=np.float32, channels_last=False)
show_config()
prepare(weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, padding_mode="zeros", activation=None, method="auto")
set_num_threads(n)
get_num_threads()
num_threads(n)
"""  # noqa: E501


def contract():
    """(dotted name, signature without the name) of every function of the contract."""
    for line in SIGNATURES.strip().splitlines():
        name, _, arguments = line.partition("(")
        for n in "123" if "N" in name else " ":
            yield name.replace("N", n), "(" + arguments


CONTRACT = dict(contract())


def public():
    """Every public function: name -> function."""
    found = {name: getattr(fastconv, name) for name in fastconv.__all__}
    for name in ("grad", "signal"):
        module = found.pop(name, None)
        if module is not None:
            found |= {f"{name}.{part}": getattr(module, part) for part in module.__all__}
    return {name: value for name, value in found.items() if inspect.isfunction(value)}


@functools.cache
def imports(path):
    """Every module that a file imports, in functions too; "package.name" for `from package import name`."""
    return tuple(imported(path))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                package = path.relative_to(ROOT).with_suffix("").parts[: -node.level]
                origin = ".".join([*package, *filter(None, [origin])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def outside(path, allowed):
    """What a file imports beyond the standard library and `allowed`."""
    foreign = (name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names)
    return [name for name in foreign if not within(name, allowed)]


def test_there_is_something_to_check():
    assert len(MODULES) > 5
    assert len(CYTHON) > 5
    assert "numpy" in imports(PACKAGE / "_arrays.py")
    assert "fastconv._sizes.integer" in imports(PACKAGE / "_geometry.py")


@pytest.mark.parametrize("name", PURE)
def test_arithmetic_needs_the_standard_library_only(name):
    assert not outside(PACKAGE / f"{name}.py", [f"fastconv.{other}" for other in PURE])


def test_every_module_has_its_floor():
    """Fronts that no list named could be imported from below: gradients imported unpooling for helpers."""
    floors = [f"fastconv.{name}" for name in (*LOWER, *FRONTS)]
    assert sorted(floors) == sorted(set(MODULES) - {"fastconv.__init__", "fastconv.__main__"})


@pytest.mark.parametrize("name", LOWER)
def test_nothing_points_upward(name):
    upward = [other for other in imports(PACKAGE / f"{name}.py") if within(other, [f"fastconv.{f}" for f in FRONTS])]
    assert not upward


def test_no_module_imports_itself_by_a_detour():
    """The modules of the package can be put in an order in which each imports earlier ones only."""
    needs = {
        name: {other for other in MODULES if other != name and any(within(i, [other]) for i in imports(path))}
        for name, path in MODULES.items()
    }
    assert any(needs.values())
    while needs:
        ready = [name for name, others in needs.items() if not others & needs.keys()]
        assert ready, f"imports go round in a circle: {sorted(needs)}"
        for name in ready:
            del needs[name]


def test_one_module_looks_at_memory_order():
    order = re.compile(r"\.strides\b|[cf]_contiguous\b")
    assert [name for name, path in MODULES.items() if order.search(path.read_text("utf-8"))] == ["fastconv._arrays"]


@pytest.mark.parametrize("path", MODULES.values(), ids=[path.name for path in MODULES.values()])
def test_package_knows_neither_its_tests_nor_its_reference(path):
    assert not [name for name in imports(path) if within(name, ("tests", "reference", "asv_bench", "benchmarks"))]


@pytest.mark.parametrize("path", sorted((ROOT / "reference").glob("*.py")), ids=lambda path: path.name)
def test_reference_needs_numpy_only(path):
    assert not outside(path, ("numpy", "reference"))


@pytest.mark.parametrize("path", sorted((ROOT / "asv_bench").rglob("*.py")), ids=lambda path: path.name)
def test_benchmarks_use_the_public_api(path):
    """No private name of the package, neither imported nor as an attribute; but who fits thresholds sees them."""
    if path.name in ("fit_methods.py", "accuracy.py"):
        pytest.skip("fits or lifts the private thresholds")
    text = path.read_text(encoding="utf-8")
    assert not [name for name in imports(path) if within(name, ("fastconv",)) and re.search(r"\._(?!_)", name)]
    assert not re.findall(r"\bfastconv\._(?!_)\w*", text)


@pytest.mark.parametrize("path", CYTHON, ids=[path.name for path in CYTHON])
def test_kernels_import_their_own_declarations_and_libc(path):
    """`cimport` of libc, Cython and the kernels' .pxd files, of BLAS in `blas.pxd` alone; C from headers here."""
    text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
    allowed = ["libc", "cython", "fastconv._kernels"] + ["scipy.linalg.cython_blas"] * (path.name == "blas.pxd")
    for keyword, name in re.findall(r"^\s*(from|cimport|import)\s+([\w.]+)", text, re.MULTILINE):
        assert within(name, allowed), f"{keyword} {name}"
        if within(name, ["fastconv._kernels"]):
            assert (KERNELS / f"{name.rpartition('.')[2]}.pxd").exists(), name
    for header in re.findall(r'^\s*cdef extern from (?:"([^"]*)"|<[^>]*>)', text, re.MULTILINE):
        assert (KERNELS / header).exists(), header


def test_import_loads_neither_scipy_nor_extras():
    """Importing costs little more than importing numpy."""
    heavy = ("scipy", "rich", "matplotlib", "skimage", "torch", "onnx", "reference", "tests")
    code = f"import fastconv, sys; print([name for name in {heavy} if name in sys.modules])"
    assert output(code) == "[]"


def test_public_functions_are_those_of_the_contract():
    assert set(public()) == set(CONTRACT)


def test_public_names_exist_and_are_sorted_out():
    """`__all__` names what is there, once, and nothing private."""
    assert len(set(fastconv.__all__)) == len(fastconv.__all__)
    assert all(hasattr(fastconv, name) for name in fastconv.__all__)
    assert not [name for name in fastconv.__all__ if name.startswith("_")]


@pytest.mark.parametrize("name", CONTRACT)
def test_signature(name):
    """Names, order, defaults and what is keyword-only, to the letter of the contract."""
    function, wanted = public()[name], {"np": np}
    exec(f"def function{CONTRACT[name]}: pass", wanted)
    signature = inspect.signature(function)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(signature.replace(parameters=plain, return_annotation=signature.empty)) == str(
        inspect.signature(wanted["function"])
    )


def test_files_are_short():
    """One idea each: no file of the package, its reference, its tests or its benchmarks has more than 300 lines."""
    files = [path for suffix in ("py", "pyx", "pxd", "h") for path in PACKAGE.rglob(f"*.{suffix}")]
    files += [path for pattern in ("reference/*.py", "tests/*.py", "asv_bench/*.py", "asv_bench/[!.]*/*.py")
              for path in ROOT.glob(pattern)]  # fmt: skip
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 10
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_generated_file_is_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git does not answer: {done.stderr.strip()}")
    tracked = done.stdout.splitlines()
    assert "setup.py" in tracked
    generated = re.compile(r"\.(c|cpp|so|pyd|o|pyc|html|whl)$|(^|/)(build|dist|__pycache__|\.asv|[^/]+\.egg-info)/")
    assert not [name for name in tracked if generated.search(name)]
