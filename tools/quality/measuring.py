"""Measures one photo with one engine, in a process of its own."""

from __future__ import annotations

import resource
import sys
import time
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generator_service.domain.errors import ImageRejected
from generator_service.domain.presets import resolve
from generator_service.domain.report import Verdict
from generator_service.domain.task_options import TaskOptions
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.confidence import touches_frame
from generator_service.imaging.cutting.fusion import WORKING_SIDE
from generator_service.imaging.cutting.segment import shrink
from generator_service.imaging.render import finish
from generator_service.imaging.source.decode import decode
from tools.quality.engines import Engine
from tools.quality.entries import Entry
from tools.quality.scores import CRASH, Score, compare
from tools.quality.sheets import cell


def measure(job: tuple[Entry, Engine]) -> tuple[Score, Image.Image]:
    """Run an engine on a photo; return the score and a picture of before, after and the mask's errors."""
    entry, engine = job
    data = entry.photo.read_bytes()
    cv2.setNumThreads(1)  # As in the service's worker processes.
    cut_out = engine.load()  # Workers load their engines once, so that isn't part of a photo's time.
    began = time.process_time()
    photo = decode(data)
    plain = trusted = False
    rejected: str | None = None
    findings: tuple[str, ...] = ()
    verdicts: dict[str, Verdict] = {}
    after: Image.Image | None = None
    try:
        # The two halves of `render`, for the alpha between them.
        outline, alpha = cut_out(photo)
        result = finish(photo, outline, alpha, resolve(TaskOptions()), lambda _percent, _stage: None)
    except ImageRejected as refusal:
        rejected, note = refusal.code, refusal.code
        alpha = np.zeros(photo.rgb.shape[:2], np.uint8)
    except Exception as error:  # noqa: BLE001  an engine that fails is a result, and the other photos still count
        rejected = note = f"{CRASH}{type(error).__name__}: {' '.join(str(error).split())[-120:]}"
        alpha = np.zeros(photo.rgb.shape[:2], np.uint8)
    else:
        plain = outline.coarse is None or outline.coarse.backdrop.plain
        trusted = outline.confidence >= TRUSTED
        findings = tuple(finding.code for finding in result.findings)
        verdicts = {check.name: check.verdict for check in result.report.checks}
        after, note = Image.open(BytesIO(result.data)), f"{'TRUSTED' if trusted else 'unsure'} {outline.confidence:.2f}"
    seconds = time.process_time() - began
    truth = None if entry.mask is None else _truth(entry.mask, alpha.shape)
    iou, mae = (None, None) if truth is None else compare(alpha, truth)
    height, width = photo.rgb.shape[:2]
    score = Score(
        engine=engine.name,
        photo=entry.photo.stem,
        kind=entry.kind,
        plain=plain,
        trusted=trusted,
        iou=iou,
        mae=mae,
        seconds_per_megapixel=seconds / (height * width / 1e6),
        peak_mib=peak_mib(),
        touches=None if truth is None else touches_frame(shrink(truth, WORKING_SIDE) > 127),
        rejected=rejected,
        expected=entry.findings,
        findings=findings,
        verdicts=verdicts,
    )
    caption = f"{engine.name} {entry.photo.stem[:22]} {'' if iou is None else f'IoU {iou:.3f} '}{note}"
    return score, cell(photo.rgb, after, alpha, truth, caption)


def peak_mib() -> float:
    """Return the peak memory, in MiB, of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _truth(mask: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    truth: NDArray[np.uint8] = np.asarray(Image.open(mask).convert("L"))
    if truth.shape != shape:
        raise SystemExit(f"{mask} has {truth.shape[::-1]} pixels, its photo {shape[::-1]}; they must be the same")
    return truth
