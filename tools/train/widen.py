"""Start a larger network from a smaller one's parameters without changing its output.

New channels start at random, but everything that reads them starts with weight zero, so the larger network returns the
smaller one's alpha and then learns to use the rest; a variant of Chen et al., "Net2Net" (2016). More blocks start as
identities, since a block's residual branch starts at zero. The learned positions of the attention are resized with
the grid.
"""

from __future__ import annotations

import math
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.network import Network
from tools.train.shape import Shape, shape_of

State = dict[str, Tensor]


def grown(state: State, shape: Shape) -> State:
    """Return parameters for a network of ``shape`` that starts with the function of ``state``'s network.

    The function is the same for the same side; at another side, the positions are resized and it is close.

    Raises:
        ValueError: the checkpoint's network is wider or deeper than ``shape``, or is no such network.

    """
    old_shape = shape_of({name: tuple(value.shape) for name, value in state.items()})
    if any(
        new < old for new, old in zip(shape.widths + shape.depths, old_shape.widths + old_shape.depths, strict=True)
    ):
        raise ValueError(f"the checkpoint's network, {old_shape}, is larger than {shape}")
    target: State = Network(shape).state_dict()
    for name, new in target.items():
        if name not in state:
            continue
        old = state[name].float() if state[name].is_floating_point() else state[name]
        if name.endswith(".place"):
            old = functional.interpolate(old, size=new.shape[-2:], mode="bilinear", align_corners=False)
            new.zero_()
        target[name] = _filled(name, old, new, old_shape, shape)
    return target


def _filled(name: str, old: Tensor, new: Tensor, old_shape: Shape, shape: Shape) -> Tensor:
    """Copy ``old`` into ``new``: where the kept outputs read new inputs, zero."""
    if old.ndim == 0:
        return old.clone()
    layer = name.rsplit(".", 1)[0]
    if name.endswith(".place"):
        new[:, : old.shape[1]] = old
        return new
    rows = _kept(old_shape.outputs(layer) or (old.shape[0],), shape.outputs(layer) or (new.shape[0],))
    scale = torch.ones(old.shape[0])
    if layer.endswith(".qkv"):
        # Scores are divided by the root of the head's size, which has grown. New query channels start at zero, so that
        # they don't change the scores; new key channels don't, or neither would ever learn.
        scale[: old.shape[0] // 3] = math.sqrt(shape.widths[4] / old_shape.widths[4])
        new[: new.shape[0] // 3] = 0.0
    if old.ndim == 1:
        new[rows] = old * scale
        return new
    columns = _kept(old_shape.inputs(layer) or (old.shape[1],), shape.inputs(layer) or (new.shape[1],))
    new_columns = torch.tensor(sorted(set(range(new.shape[1])) - set(columns.tolist())), dtype=torch.long)
    new[rows[:, None], new_columns[None, :]] = 0.0
    new[rows[:, None], columns[None, :]] = old * scale.view(-1, 1, 1, 1)
    return new


def _kept(old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """Return the positions of the old channels among the new ones, group by group."""
    starts = [0, *accumulate(new)]
    return torch.cat([torch.arange(count) + start for count, start in zip(old, starts, strict=False)])
