"""The rembg engine: a neural network finds the product, the local renderer does the rest. An optional extra.

The model is always named by us: rembg's own default needs a paid licence for commercial use.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import JobPool, RembgCut, RenderJob

FREE_MODELS = {
    "isnet-general-use": "Apache-2.0",
    "u2net": "Apache-2.0",
    "u2netp": "Apache-2.0",
    "birefnet-general": "MIT",
    "birefnet-general-lite": "MIT",
}
"""Models of rembg whose licences allow commercial use, and these licences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RembgSettings:
    """Which model, and where its weights are."""

    model: str
    """One of `FREE_MODELS`."""
    weights: Path | None = None
    """The model's ONNX file; None: where rembg itself puts what it downloads."""


class RembgUnusable(ValueError):
    """The settings name a model that can't be used here; the string says why and what to do."""


def check(settings: RembgSettings) -> None:
    """See that the model may and can be used, without loading it.

    Raises:
        RembgUnusable: it is not free, the extra is not installed, or the configured weights are not there.

    """
    if settings.model not in FREE_MODELS:
        raise RembgUnusable(
            f"{settings.model!r} is not a model whose licence is known to allow commercial use; "
            f"set WHITEBG_REMBG_MODEL to one of: {', '.join(FREE_MODELS)}"
        )
    missing = [name for name in ("rembg", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise RembgUnusable(f"{' and '.join(missing)} is not installed; run: pip install 'whitebg[rembg]'")
    if settings.weights is not None and not settings.weights.is_file():
        raise RembgUnusable(
            f"there is no file {settings.weights}; set WHITEBG_REMBG_WEIGHTS to the ONNX file of {settings.model}, "
            "or leave it out and let rembg download it"
        )


class RembgEngine:
    """Renders in the pool, as the local engine does, with another way of finding the product."""

    def __init__(self, settings: RembgSettings, pool: JobPool) -> None:
        check(settings)
        self._cut = RembgCut(settings.model, None if settings.weights is None else str(settings.weights.absolute()))
        self._pool = pool

    @property
    def name(self) -> Engine:
        """REMBG."""
        return Engine.REMBG

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture; see `ImageEngine.generate`."""
        try:
            job = RenderJob(photo=photo, spec=spec, engine=self.name, cut=self._cut)
            return await self._pool.render(job, report)
        except ImageRejected as error:
            raise EngineError(error.code, str(error), retryable=False) from error

    async def close(self) -> None:
        """Nothing to let go of: the pool is shared."""
