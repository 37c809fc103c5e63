"""ONNX's own tests of convolution and pooling: the installed package's node tests and its stored PyTorch results."""

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import numpy_helper  # noqa: E402

from tests.onnx_adapter import evaluate  # noqa: E402

OPERATORS = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "MaxUnpool",
)  # fmt: skip
# how many of each the package of version 1.16 has or more: a directory that moved must not pass as no tests
NODE_TESTS = {
    "Conv": 6, "ConvTranspose": 11, "MaxPool": 18, "AveragePool": 16, "LpPool": 8, "GlobalAveragePool": 2,
    "GlobalMaxPool": 2, "MaxUnpool": 2,
}  # fmt: skip
STORED_TESTS = 42


def node_tests():
    """The node tests of the operators: importing the module of an operator makes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about arithmetic in other operators
        node = importlib.import_module("onnx.backend.test.case.node")
        for operator in OPERATORS:
            importlib.import_module(f"onnx.backend.test.case.node.{operator.lower()}")
    return [case for case in node._NodeTestCases if case.model.graph.node[0].op_type in OPERATORS]


def stored_tests():
    """Directories with a model of the operators, inputs and PyTorch's outputs."""
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    models = [*data.glob("pytorch-operator/*/model.onnx"), *data.glob("pytorch-converted/*/model.onnx")]
    return sorted(m.parent for m in models if "conv" in m.parent.name.lower() or "pool" in m.parent.name.lower())


NODES = [case for case in node_tests() if len(case.model.graph.node) == 1]
STORED = stored_tests()


def assert_agrees(results, expected, rtol, atol):
    assert len(results) >= len(expected) > 0
    for result, wanted in zip(results, expected, strict=False):
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=rtol, atol=atol, strict=True)


@pytest.mark.parametrize("case", NODES, ids=lambda case: case.name)
def test_node(case):
    for inputs, outputs in case.data_sets:
        assert_agrees(evaluate(case.model, inputs), outputs, case.rtol, case.atol)


@pytest.mark.parametrize("directory", STORED, ids=lambda directory: directory.name)
def test_stored_result(directory):
    model = onnx.load(directory / "model.onnx")
    sets = sorted(directory.glob("test_data_set_*"))
    assert sets
    for folder in sets:
        inputs, outputs = (
            [numpy_helper.to_array(onnx.load_tensor(path)) for path in sorted(folder.glob(f"{kind}_*.pb"))]
            for kind in ("input", "output")
        )
        assert_agrees(evaluate(model, inputs), outputs, 1e-3, 1e-7)


@pytest.mark.parametrize("operator", OPERATORS)
def test_all_were_found(operator):
    found = [case for case in NODES if case.model.graph.node[0].op_type == operator]
    assert len(found) >= NODE_TESTS[operator]
    assert len(STORED) >= STORED_TESTS
