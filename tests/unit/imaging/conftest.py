"""What saves time where many pictures are made of the same photo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting import cutout
from generator_service.imaging.cutting.fusion import Evidence, gather
from generator_service.imaging.cutting.network import Prior

KEPT = 24
"""Photos whose evidence is kept, about 5 MB each. A file's tests run one after the other, and few use more photos."""


class _Photo:
    """A photo that equals another one with the same pixels."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        self.rgb = rgb
        self._pixels = rgb.shape, hashlib.sha256(rgb.tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Photo) and self._pixels == other._pixels

    def __hash__(self) -> int:
        return hash(self._pixels)


@lru_cache(KEPT)
def _evidence(photo: _Photo, prior: Prior) -> Evidence:
    evidence = gather(photo.rgb, prior)
    for array in [*(getattr(evidence, each.name) for each in fields(evidence)), evidence.found.mask]:
        if isinstance(array, np.ndarray):
            array.setflags(write=False)  # Other tests see it again.
    return evidence


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Let OpenCV use one thread, as in the engine's processes: parallel tests have no core for others."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(autouse=True)
def _evidence_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the product once in each photo: that takes most of the time, by the network and GrabCut.

    Tests of that step call `fusion.gather`, which is not replaced.
    """
    monkeypatch.setattr(cutout, "gather", lambda rgb, prior: _evidence(_Photo(rgb), prior))
