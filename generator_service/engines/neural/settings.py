"""Settings of the neural engine, and checks of them that need no process."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generator_service.engines.neural.models import USABLE, Model, ModelUnusable, usable_model
from whitebg_process.regular_files import is_file

EXTRA = "pip install 'whitebg[neural]'"
"""The command that installs ONNX Runtime."""

_MIB = 1024**2
_ADDRESS_SPACE = 1024 * _MIB
"""Address space of a process beyond its used memory: libraries, mapped files, reserves."""
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralSettings:
    """A model and the path of its weights."""

    model: str
    """One of `models.USABLE`."""
    weights: Path
    """Its ONNX file."""
    allow_unverified: bool = False
    """Whether weights with an unknown checksum are accepted; every result then has a finding."""
    processes: int | None = None
    """Processes that run the model; None: as many as the pool has and memory allows."""


def has_runtime() -> bool:
    """Return whether ONNX Runtime is installed, without importing it."""
    return importlib.util.find_spec("onnxruntime") is not None


def check(settings: NeuralSettings) -> Model:
    """Check that the model may and can be used, without loading it.

    Raises:
        ModelUnusable: the model is unknown or not for commercial use, or its weights or ONNX Runtime are missing.

    """
    model = usable_model(settings.model)
    if not has_runtime():
        raise ModelUnusable(f"onnxruntime is not installed; run: {EXTRA}")
    if not is_file(settings.weights):
        raise ModelUnusable(
            f"there is no file {settings.weights}; install the model: whitebg models install {model.name} "
            "(with --from FILE where you have it already), or set WHITEBG_NEURAL_WEIGHTS to its ONNX file"
        )
    return model


def offer(installed: Sequence[Model]) -> str:
    """Return the instructions to install a missing neural engine, and its benefit, in one sentence."""
    if installed and not has_runtime():
        return f"{installed[0].name} is installed, but ONNX Runtime is not: {EXTRA}"
    if installed:
        return f"{installed[0].name} is installed; restart the service to use it"
    model = next(iter(USABLE.values()))
    runtime = "" if has_runtime() else f"{EXTRA}, and "
    return (
        f"no network is installed. {runtime}whitebg models install {model.name} ({model.licence}, "
        f"{(model.size_bytes or 0) / 1e6:.0f} MB) adds: {model.adds}; {model.memory_mib:,} MiB of memory per process"
    )


def process_memory(model: Model, pool_bytes: int | None) -> int | None:
    """Return the address space of a process that runs this model: at least that of the pool."""
    return None if pool_bytes is None else max(pool_bytes, model.memory_mib * _MIB + _ADDRESS_SPACE)


def process_count(model: Model, wanted: int | None, pool_processes: int, memory: int) -> int:
    """Return the number of processes for a model on a machine with this many bytes of memory."""
    return wanted or max(1, min(pool_processes, memory // (model.memory_mib * _MIB)))


def machine_memory() -> int:
    """Return the bytes of memory that this process may use: the machine's, or its container's limit."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:  # No cgroup v2: use the machine's memory.
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine


def encode(settings: NeuralSettings) -> str:
    """Return the settings as an argument for an engine process."""
    return json.dumps(
        {
            "model": settings.model,
            "weights": str(settings.weights.absolute()),
            "allow_unverified": settings.allow_unverified,
        }
    )


def decode(text: str) -> NeuralSettings:
    """Decode the output of `encode`."""
    fields = json.loads(text)
    return NeuralSettings(
        model=fields["model"], weights=Path(fields["weights"]), allow_unverified=fields["allow_unverified"]
    )
