"""The engines to measure, as functions from a decoded photo to its outline and alpha."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.choice import choose
from generator_service.imaging.cutting.cutout import Outline, find_outline, full_alpha
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.source.decode import Photo

CutOut = tuple[Outline, NDArray[np.uint8]]
"""An outline and the H×W alpha, 0 to 255."""
CutOuts = Callable[[Photo], CutOut]
"""Cuts a photo out; raises `ImageRejected` where it finds no product."""

LOCAL, NEURAL, AUTO = "local", "neural", "auto"
NAMES = (LOCAL, NEURAL, AUTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine to measure."""

    name: str
    """One of `NAMES`."""
    model: str = ""
    """The network of ``neural`` and ``auto``."""
    weights: Path | None = None
    """Its ONNX file."""

    def load(self) -> CutOuts:
        """Load it.

        Raises:
            ModelUnusable: the network's weights are missing or broken.

        """
        if self.name == LOCAL:
            return _local
        from generator_service.engines.neural.models import usable_model
        from generator_service.engines.neural.network import Network

        if self.weights is None:
            raise ValueError(f"{self.name} needs weights")
        # Other weights may well be measured; only results for customers need known ones.
        network = Network.load(usable_model(self.model), self.weights, allow_unverified=True)

        def cut_out(photo: Photo) -> CutOut:
            if photo.alpha is not None:
                return _local(photo)
            outline = choose(photo, network, compare=self.name == AUTO).outline
            return outline, full_alpha(photo, outline)

        return cut_out


def _local(photo: Photo) -> CutOut:
    outline = find_outline(photo, prior=own_network())
    return outline, full_alpha(photo, outline)
