"""The folder of installed models: one ``<name>.onnx`` each, readable by its owner only. Only file I/O."""

from __future__ import annotations

import hashlib
from pathlib import Path

from generator_service.engines.neural.models import USABLE, Model, ModelUnusable, by_checksum
from whitebg_process.regular_files import is_file

_CHUNK_BYTES = 1024 * 1024


class ModelFolder:
    """The models in a data folder. The folder need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, model: Model | str) -> Path:
        """Return the path of the weights of a model, given or named, whether or not they exist."""
        return self.path / f"{model if isinstance(model, str) else model.name}.onnx"

    def installed(self) -> tuple[Model, ...]:
        """Return the installed models, the preferred one first."""
        return tuple(model for model in USABLE.values() if is_file(self.file(model)))

    def remove(self, model: Model) -> int:
        """Delete a model and its partial download; return the number of bytes freed.

        Raises:
            OSError: a file can't be deleted.

        """
        freed = 0
        # The lock of a download stays: without it, a second one could begin while the first is still running.
        for file in (self.file(model), self.path / f"{model.name}.onnx.part"):
            if is_file(file):
                freed += file.stat().st_size
                file.unlink()
        return freed


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        OSError: the file can't be read.

    """
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def verify(model: Model, sha256: str, what: str, *, allow_unverified: bool, remedy: str) -> bool:
    """Return whether a checksum is that of the known weights of ``model``.

    The error's message uses ``what`` as the name of the weights, and ``remedy`` as the way to allow them.

    Raises:
        ModelUnusable: the weights belong to another model whose licence forbids commercial use; or they are unknown,
            and unverified weights are not allowed.

    """
    if sha256 == model.sha256:
        return True
    other = by_checksum(sha256)
    if other is not None and not other.commercial:
        raise ModelUnusable(
            f"{what} is {other.name}, whose licence {other.licence} does not allow commercial use; use another model"
        )
    if other is not None:
        raise ModelUnusable(f"{what} is {other.name}, not {model.name}; name it so")
    if not allow_unverified:
        raise ModelUnusable(
            f"{what} has SHA-256 {sha256}, but {model.name} has {model.sha256}: "
            f"it is damaged, or not that model and its licence is unknown; {remedy}"
        )
    return False
