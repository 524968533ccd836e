from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.train.scoring import iou, read_examples, score


def test_iou_of_half_a_mask_is_one_half_and_of_two_empty_ones_one() -> None:
    full, half = np.ones((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    half[:2] = True
    assert iou(full, half) == 0.5
    assert iou(~full, ~full) == 1.0


def test_score_reports_each_kind(tmp_path: Path) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 255
    for name in ("left", "right"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), cv2.merge([mask if name == "right" else 255 - mask] * 3))
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,mask,kind\nright.png,mask.png,easy\nleft.png,mask.png,hard\nleft.png,,none\n")
    examples = read_examples(manifest, 32)
    figures = score(examples, lambda photo: np.asarray(photo[:, :, 0] > 127, np.float32))
    assert figures == {"iou": 0.5, "median": 0.5, "good": 0.5, "iou_easy": 1.0, "iou_hard": 0.0}


def test_examples_without_any_mask_are_rejected(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,mask,kind\na.png,,x\n")
    with pytest.raises(ValueError, match="no photo with a mask"):
        read_examples(manifest, 32)
    manifest.write_text("file,mask,kind\na.png,b.png,x\n")
    with pytest.raises(ValueError, match=r"can't read a\.png"):
        read_examples(manifest, 32)
