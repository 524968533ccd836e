"""Networks of a few operations, with the interface of the real ones: darker pixels are more likely product."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def write_network(file: Path, *, side: int = 320, memory_mib: int = 0, second_output: bool = False) -> Path:
    """Write a network that takes a 1×3×side×side photo; a run uses ``memory_mib`` of additional memory."""
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, 3, side, side])
    mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, side, side])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    steep = helper.make_tensor("steep", TensorProto.FLOAT, [1], [-20.0])
    constants = [axes, steep]
    nodes = [
        helper.make_node("ReduceMean", ["photo", "axes"], ["light"], keepdims=1),
        helper.make_node("Mul", ["light", "steep"], ["dark"]),
    ]
    if memory_mib:
        copies = memory_mib * 2**20 // (4 * side * side)
        constants.append(helper.make_tensor("large", TensorProto.INT64, [4], [1, copies, side, side]))
        nodes += [
            helper.make_node("Expand", ["dark", "large"], ["copies"]),
            helper.make_node("ReduceMean", ["copies", "axes"], ["darkness"], keepdims=1),
            helper.make_node("Sigmoid", ["darkness"], ["mask"]),
        ]
    else:
        nodes.append(helper.make_node("Sigmoid", ["dark"], ["mask"]))
    outputs = [mask]
    if second_output:
        outputs.append(helper.make_tensor_value_info("dark", TensorProto.FLOAT, [1, 1, side, side]))
    graph = helper.make_graph(nodes, "darkness", [photo], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file
