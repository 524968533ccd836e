"""The cut-out network that ships with the package, run by OpenCV on the CPU.

A small network sees the whole photo at once, which the colour-based engine does not: it recognises a product that has
the backdrop's colours, and overlooks objects that it was not trained on. The two are combined in `fusion`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.scaling import scaled_down

Prior = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A network's opinion: from an H×W×3 sRGB photo to an h×w alpha, 0 to 1, of any size with the photo's proportions."""

WEIGHTS = Path(__file__).parent.parent / "weights" / "cutout.onnx"
SHA256 = "b361f1eeed95324963270d1a80d1d81aaaac5ee6f3dd099f7172d419b61bb200"
"""Digest of the published weights."""

_SIDE = 384
"""The network sees the photo stretched to a square of this many pixels."""
_RESULT_SIDE = 480
"""Longest side of the answer: with common proportions, no side has fewer pixels than the network computed."""


class WeightsError(RuntimeError):
    """The network's weights are missing or are not the published ones."""


class Network:
    """A loaded network. It takes about 170 MiB, most of it while it runs, whatever the photo's size.

    OpenCV's thread count is a setting of the whole process: the engine's processes set it to one.
    """

    def __init__(self, weights: bytes) -> None:
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(weights, np.uint8))
        self._running = Lock()  # Input and output are state of the network.

    def __call__(self, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the alpha, 0 to 1, of an H×W×3 sRGB photo, its longest side 480 pixels."""
        height, width = photo.shape[:2]
        seen = scaled_down(photo, _SIDE, _SIDE)
        # 1×3×S×S, RGB, 0 to 255.
        batch = np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)
        with self._running:
            self._net.setInput(batch)
            alpha = self._net.forward()[0, 0].copy()
        scale = _RESULT_SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), 0.0, 1.0), np.float32)


@cache
def own_network() -> Network:
    """Return the network that ships with the package; the first call in a process loads it (about 0.1 s).

    Raises:
        WeightsError: the file is missing or altered.

    """
    return Network(_verified(WEIGHTS, SHA256))


def _verified(file: Path, digest: str) -> bytes:
    try:
        weights = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the network's weights {file} ({error}); reinstall whitebg") from error
    found = hashlib.sha256(weights).hexdigest()
    if found != digest:
        raise WeightsError(f"{file} has the SHA-256 {found} instead of {digest}; reinstall whitebg")
    return weights
