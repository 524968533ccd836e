"""Finds the product with a model of rembg. Imported by child processes only, and only where a job asks for it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from rembg.sessions import sessions

from generator_service.domain.errors import ImageRejected
from generator_service.engines.jobs import RembgCut

_INVISIBLE_ALPHA = 6


def cut(rgb: NDArray[np.uint8], how: RembgCut) -> NDArray[np.uint8]:
    """Return the H×W alpha, 0 to 255, of an H×W×3 photo.

    Raises:
        ImageRejected: ``weights_missing`` or ``weights_unusable``; or ``image_no_product``, where nothing was found.

    """
    (mask,) = _session(how).predict(Image.fromarray(rgb))[:1]
    alpha = np.array(mask.convert("L"), np.uint8)
    alpha[alpha <= _INVISIBLE_ALPHA] = 0
    if not alpha.any():
        raise ImageRejected("image_no_product", f"{how.model} found no product in the photo; use a plainer backdrop")
    return alpha


@lru_cache(maxsize=1)
def _session(how: RembgCut) -> Any:
    """Load a model; a process keeps it for all its jobs."""
    kind = sessions[how.model]
    weights = how.weights or kind.resolve_existing(f"{how.model}.onnx")
    if weights is None or not Path(weights).is_file():
        raise ImageRejected(
            "weights_missing",
            f"the weights of {how.model} are not on this machine; whoever runs the service can fetch them with: "
            f"python -c \"import rembg; rembg.new_session('{how.model}')\", or set WHITEBG_REMBG_WEIGHTS to their file",
        )

    class Local(kind):  # type: ignore[misc, valid-type]  # rembg has no types
        """The model as rembg knows it, from a file of ours: nothing is downloaded while a task waits."""

        @classmethod
        def download_models(cls, *_args: object, **_options: object) -> str:
            return str(weights)

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1  # a process of the pool has one core
    try:
        return Local(how.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ImageRejected(
            "weights_unusable", f"{weights} can't be loaded as {how.model} ({type(error).__name__}); fetch it again"
        ) from error
