"""What saves time where many pictures are made of the same photo."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting import cutout
from generator_service.imaging.cutting.fusion import Evidence, gather
from generator_service.imaging.cutting.network import Prior


@cache
def _found() -> dict[tuple[str, Prior], Evidence]:
    return {}


def _gather_once(rgb: NDArray[np.uint8], prior: Prior) -> Evidence:
    key = (f"{rgb.shape} {hashlib.sha256(rgb.tobytes()).hexdigest()}", prior)
    if key not in _found():
        evidence = gather(rgb, prior)
        for array in [*(getattr(evidence, each.name) for each in fields(evidence)), evidence.found.mask]:
            if isinstance(array, np.ndarray):
                array.setflags(write=False)  # Others see it again.
        _found()[key] = evidence
    return _found()[key]


@pytest.fixture
def evidence_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the product once in each photo: for tests of the steps after the outline, which takes most of the time.

    Not for tests of the outline itself.
    """
    monkeypatch.setattr(cutout, "gather", _gather_once)
