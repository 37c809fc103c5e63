"""ONNX Runtime: a model of one node; the weights are constants of the model, as it is used, so it packs them ahead."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from .task import Contender

OPS = {"conv": "Conv", "conv_transpose": "ConvTranspose", "max_pool": "MaxPool", "avg_pool": "AveragePool"}
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
_threads = 1


def THREADS(n):
    global _threads
    _threads = n


def contenders(task):
    """Nothing for what it has no kernel for: gradients, and convolution in double precision."""
    if task.op not in OPS:
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
    layer, kind = task.layer, TYPES[task.dtype]
    initializers = [numpy_helper.from_array(np.ascontiguousarray(task.arrays["w"]), "w")] if "w" in task.arrays else []
    node = helper.make_node(OPS[task.op], ["x", "w"][: 1 + len(initializers)], ["y"], **attributes(task))
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", kind, layer.input)],
        [helper.make_tensor_value_info("y", kind, None)],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    return made.SerializeToString()


def attributes(task):
    layer, rank = task.layer, task.rank
    if task.op.endswith("pool"):
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
