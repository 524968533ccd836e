"""Score masks against a set of photos with hand-made ones, by kind. Free of torch."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
GOOD_IOU = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A photo with its mask."""

    kind: str
    photo: Pixels
    """S×S×3 sRGB, stretched to the network's square."""
    mask: NDArray[np.bool_]
    """S×S."""


def read_examples(manifest: Path, side: int) -> list[Example]:
    """Read the photos of a manifest (CSV with ``file``, ``mask`` and ``kind``) that have a mask.

    Raises:
        ValueError: a photo or mask can't be read, or none has a mask.

    """
    examples = []
    with manifest.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if not row["mask"]:
                continue
            photo = cv2.imread(str(manifest.parent / row["file"]))
            mask = cv2.imread(str(manifest.parent / row["mask"]), cv2.IMREAD_GRAYSCALE)
            if photo is None or mask is None:
                raise ValueError(f"can't read {row['file']} or {row['mask']}")
            small = np.asarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            wanted = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) > 127
            examples.append(Example(kind=row["kind"], photo=np.ascontiguousarray(small[:, :, ::-1]), mask=wanted))
    if not examples:
        raise ValueError(f"{manifest} names no photo with a mask")
    return examples


def score(examples: list[Example], predict: Callable[[Pixels], Floats]) -> dict[str, float]:
    """Return IoU (mean, median, share of at least .9, mean of each kind) of S×S alphas, 0 to 1, cut at one half."""
    overlaps = np.array([iou(predict(example.photo) > 0.5, example.mask) for example in examples])
    result = {"iou": overlaps.mean(), "median": np.median(overlaps), "good": (overlaps >= GOOD_IOU).mean()}
    for kind in sorted({example.kind for example in examples}):
        result[f"iou_{kind}"] = np.mean(
            [v for v, example in zip(overlaps, examples, strict=True) if example.kind == kind]
        )
    return {name: round(float(value), 4) for name, value in result.items()}


def iou(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks; 1 where both are empty."""
    union = int((found | wanted).sum())
    return int((found & wanted).sum()) / union if union else 1.0


class OnnxModel:
    """An exported network, run by OpenCV on one thread as the engine runs it."""

    def __init__(self, path: Path) -> None:
        cv2.setNumThreads(1)
        self._net = cv2.dnn.readNetFromONNX(str(path))

    def __call__(self, photo: Pixels) -> Floats:
        """Return the S×S alpha, 0 to 1, of an S×S×3 sRGB photo."""
        self._net.setInput(np.ascontiguousarray(photo.transpose(2, 0, 1)[None].astype(np.float32)))
        return np.asarray(self._net.forward()[0, 0], np.float32)
