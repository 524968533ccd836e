"""Export a checkpoint to ONNX: batch norms folded into convolutions, large weights stored as float16.

The graph computes in float32: each float16 weight is followed by a Cast that is folded when the file is loaded.
Input ``photo``: 1×3×S×S float32 sRGB, 0 to 255; output ``alpha``: 1×1×S×S, 0 to 1.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tools.train.network import Exported, Network

OPSET = 17
_SMALL = 256
"""Weights of at most so many values stay float32."""
TOLERANCE = 1e-3
"""How much folding may change alpha."""


def export(network: Network, path: Path) -> float:
    """Write ``network`` as ONNX; return how much folding changed the alpha of a random picture.

    The network is changed: its side outputs are dropped and its batch norms folded.

    Raises:
        ValueError: folding changed the alpha by more than ``TOLERANCE``.

    """
    network.eval()
    network.side = nn.ModuleList()
    side = network.shape.side
    picture = torch.rand(1, 3, side, side) * 255
    with torch.no_grad():
        before = Exported(network)(picture)
        _fold(network)
        difference = float((Exported(network)(picture) - before).abs().max())
    if difference > TOLERANCE:
        raise ValueError(f"folding batch norms changed alpha by {difference:.2g}, more than {TOLERANCE}")
    with warnings.catch_warnings():
        # The exporter that torch prefers now writes shapes that OpenCV can't read.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        torch.onnx.export(
            Exported(network), (picture,), str(path), input_names=["photo"], output_names=["alpha"],
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    model = onnx.load(path)
    _halve(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return difference


def _fold(module: nn.Module) -> None:
    """Fold each batch norm that follows a convolution into it, in all sequences."""
    for child in module.children():
        _fold(child)
    if not isinstance(module, nn.Sequential):
        return
    for index in range(len(module) - 1):
        if isinstance(module[index], nn.Conv2d) and isinstance(module[index + 1], nn.BatchNorm2d):
            module[index] = fuse_conv_bn_eval(module[index], module[index + 1])
            module[index + 1] = nn.Identity()


def _halve(model: Any) -> None:
    """Store the large float32 weights of an ONNX model as float16, cast to float32 before use."""
    stored, casts = [], []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= _SMALL:
            stored.append(weight)
            continue
        half = f"{weight.name}_half"
        stored.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [weight.name], to=TensorProto.FLOAT, name=f"cast_{weight.name}"))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(stored)
    model.graph.node.extend([*casts, *nodes])
