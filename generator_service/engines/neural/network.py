"""A network on ONNX Runtime, as a prior: a photo in, the product's alpha out. Imported by engine processes only."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from generator_service.engines.neural.files import sha256_of, verify
from generator_service.engines.neural.models import Model, ModelUnusable
from generator_service.imaging.cutting.ghosts import without_ghosts

_LEAST_PEAK = 0.1
"""A network whose highest alpha is lower found nothing; stretching its output would turn noise into a product."""
_ALLOCATION_FAILED = ("bad_alloc", "bad allocation", "failed to allocate", "out of memory")
"""Texts in ONNX Runtime's errors when memory ran out; such errors have no type of their own."""


class Network:
    """A loaded model. Calling it is a `Prior`: it returns a float32 H×W alpha, 0 to 1."""

    def __init__(self, model: Model, session: onnxruntime.InferenceSession, *, verified: bool) -> None:
        self._model = model
        self._session = session
        self._input: str = session.get_inputs()[0].name
        self._output: str = session.get_outputs()[0].name
        self.verified = verified
        """Whether the checksum of the weights is the model's."""

    @classmethod
    def load(cls, model: Model, weights: Path, *, allow_unverified: bool) -> Network:
        """Check weights and load them.

        Raises:
            MemoryError: the weights need more memory than available.
            ModelUnusable: the weights are missing, broken or not the model's.

        """
        remedy = (
            f"install it again: whitebg models install {model.name}; weights of your own are taken with "
            "WHITEBG_NEURAL_ALLOW_UNVERIFIED=true"
        )
        try:
            verified = verify(model, sha256_of(weights), str(weights), allow_unverified=allow_unverified, remedy=remedy)
        except OSError as error:
            raise ModelUnusable(f"{weights} can't be read: {error.strerror}; {remedy}") from error
        options = onnxruntime.SessionOptions()
        # An engine process has one core; the arena would never release the memory of a photo's peak.
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3  # Errors; warnings report unused initializers.
        try:
            session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(f"{model.name} does not fit into memory") from error
            raise ModelUnusable(f"{weights} can't be loaded as {model.name}: {_first_line(error)}; {remedy}") from error
        _check_form(model, session, weights)
        return cls(model, session, verified=verified)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the product's alpha in an H×W×3 sRGB photo.

        The alpha's longest side is the network's, or the photo's if that is smaller.

        Raises:
            MemoryError: the run needs more memory than available.
            ModelUnusable: the network fails, or its output is not an alpha.

        """
        try:
            (output,) = self._session.run([self._output], {self._input: prepare(rgb, self._model)})
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(f"{self._model.name} needs more memory") from error
            raise ModelUnusable(f"{self._model.name} failed: {_first_line(error)}") from error
        return without_ghosts(alpha_of(np.asarray(output), self._model, rgb.shape))


def prepare(rgb: NDArray[np.uint8], model: Model) -> NDArray[np.float32]:
    """Return the 1×3×side×side input for an H×W×3 photo, squeezed to a square."""
    side = model.side
    # By area for shrinking, where other filters alias; enlarging has nothing to average.
    how = cv2.INTER_AREA if max(rgb.shape[:2]) > side else cv2.INTER_LINEAR
    square = np.asarray(cv2.resize(rgb, (side, side), interpolation=how), np.float32)
    square /= max(float(square.max()), 1.0)
    square -= np.asarray(model.mean, np.float32)
    square /= np.asarray(model.deviation, np.float32)
    return np.ascontiguousarray(square.transpose(2, 0, 1)[None])


def alpha_of(output: NDArray[np.generic], model: Model, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the alpha, 0 to 1, of an output, in the proportions of a photo of this shape.

    It is stretched to the range 0 to 1, as these networks require.

    Raises:
        ModelUnusable: the output is not an alpha.

    """
    if output.ndim != 4 or output.shape[:2] != (1, 1) or not np.isfinite(output.astype(np.float32)).all():
        raise ModelUnusable(f"{model.name} returned no mask but numbers of shape {output.shape}; install it again")
    alpha = output[0, 0].astype(np.float32)
    if model.logits:
        alpha = 1.0 / (1.0 + np.exp(-np.clip(alpha, -50.0, 50.0)))
    low, high = float(alpha.min()), float(alpha.max())
    nothing = high < _LEAST_PEAK or high - low < _LEAST_PEAK
    alpha = np.zeros_like(alpha) if nothing else (alpha - low) / (high - low)
    height, width = shape[:2]
    scale = min(1.0, max(alpha.shape) / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    scaled = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    return np.clip(np.asarray(scaled, np.float32), 0.0, 1.0)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in _ALLOCATION_FAILED)


def _check_form(model: Model, session: onnxruntime.InferenceSession, weights: Path) -> None:
    """Check that input and output are a photo and a mask.

    Raises:
        ModelUnusable: they are not a photo and a mask.

    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(shape) == 4 and shape[1] in {3, None}
    sides = {side for side in shape[2:] if isinstance(side, int)}
    if not fits or not outputs or not sides <= {model.side}:
        raise ModelUnusable(
            f"{weights} takes {[(each.type, each.shape) for each in inputs]}, but {model.name} takes one float32 "
            f"picture of 3×{model.side}×{model.side}; name the model that these weights are of"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
