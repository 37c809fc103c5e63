"""ONNX Runtime: a model of a node or a network; its weights are constants, as it is used, so it packs them ahead."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from .task import Contender

OPS = {"conv": "Conv", "conv_transpose": "ConvTranspose", "max_pool": "MaxPool", "avg_pool": "AveragePool"}
ACTIVATIONS = {"relu": ("Relu", ()), "relu6": ("Clip", ("zero", "six"))}
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
_threads = 1


def THREADS(n):
    global _threads
    _threads = n


def contenders(task):
    """Nothing for what it has no kernel for: gradients, and convolution in double precision."""
    if task.op not in OPS and task.op != "network":
        return []
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = _threads, 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model(task), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        return []
    feed = {"x": task.plain["x"]}
    return [Contender("onnxruntime", lambda: session.run(None, feed)[0])]


def model(task):
    kind = TYPES[task.dtype]
    constants = {name: array for name, array in task.plain.items() if name != "x"}
    if task.op == "network":
        nodes = network_nodes(task.layer, list(constants))
        constants |= {"zero": np.zeros((), task.dtype), "six": np.full((), 6, task.dtype)}
    else:
        nodes = [helper.make_node(OPS[task.op], ["x", *constants], ["y"], **attributes(task.op, task.layer))]
    graph = helper.make_graph(
        nodes,
        "all",
        [helper.make_tensor_value_info("x", kind, task.layer.input)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made.SerializeToString()


def network_nodes(network, weights):
    """A node for each layer and each activation; the last one's result is "y"."""
    nodes, value, weights = [], "x", iter(weights)
    for i, (layer, activation) in enumerate(network.steps):
        last = i == len(network.steps) - 1
        op, inputs = ("conv", [value, next(weights)]) if hasattr(layer, "weight") else ("max_pool", [value])
        value = "y" if last and activation is None else f"sum{i}"
        nodes.append(helper.make_node(OPS[op], inputs, [value], **attributes(op, layer)))
        if activation is not None:
            name, limits = ACTIVATIONS[activation]
            nodes.append(helper.make_node(name, [value, *limits], ["y" if last else f"value{i}"]))
            value = f"value{i}"
    return nodes


def attributes(op, layer):
    rank = len(layer.input) - 2
    if op.endswith("pool"):
        return {
            "kernel_shape": [layer.kernel] * rank,
            "strides": [layer.stride] * rank,
            "pads": [layer.padding] * 2 * rank,
        }
    return {
        "kernel_shape": list(layer.weight[2:]),
        "strides": [layer.stride] * rank,
        "pads": list(layer.pads) * 2,
        "dilations": [layer.dilation] * rank,
        "group": layer.groups,
    }
