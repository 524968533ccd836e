"""Checkpoints: averaged weights in float16 (``ema.pt``) and the complete state of a run (``run.pt``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tools.train.network import Network
from tools.train.shape import Shape, shape_of
from tools.train.widen import grown

State = dict[str, Tensor]


def read_weights(path: Path) -> State:
    """Read ``ema.pt`` as float32, on the CPU.

    Raises:
        ValueError: the file holds no weights of the network.

    """
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    state: State = {name: value.float() if value.is_floating_point() else value for name, value in loaded.items()}
    shape_of({name: tuple(value.shape) for name, value in state.items()})
    return state


def network_from(path: Path, shape: Shape | None = None) -> Network:
    """Return the network of a checkpoint, grown to ``shape`` if one is given.

    Raises:
        ValueError: the file holds no weights of the network, or those of one that is larger than ``shape``.

    """
    state = read_weights(path)
    own = shape_of({name: tuple(value.shape) for name, value in state.items()})
    network = Network(shape or own)
    network.load_state_dict(state if shape in {None, own} else grown(state, network.shape))
    return network


def write_weights(path: Path, network: Network) -> None:
    """Write a network's weights in float16, replacing the file at once."""
    state = network.state_dict()
    write(path, {name: value.half() if value.is_floating_point() else value for name, value in state.items()})


def write(path: Path, content: Any) -> None:
    """Write any content that torch can save, replacing the file atomically."""
    draft = path.with_suffix(".tmp")
    torch.save(content, draft)
    draft.replace(path)
