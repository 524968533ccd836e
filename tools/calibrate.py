"""Fit the odds that a mask is good to the agreement of two masks: ``nice python -m tools.calibrate DIR``.

Measures every photo of ``DIR/manifest.csv`` that has a mask, and scenes of the classes of `tools.studio` that the
network was not trained on. Fits the odds that the refined cut-out has an IoU of at least 0.9 by logistic regression on
one number, the disagreement of the fused mask with the network, and writes
``generator_service/imaging/cutting/calibration.py``.

Photos and scenes have the same weight. The threshold of trust is chosen on cross-validated odds: those of a photo come
from a fit that has seen no picture of its product, those of a scene from one that has seen no scene of its class. It is
chosen such that enough trusted pictures are right not just among the measured ones, but with `_Z` to spare.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from generator_service.imaging.cutting.confidence import agreement_of_fusion, difficulties, disagreement, doubtful
from generator_service.imaging.cutting.doubts import doubts
from generator_service.imaging.cutting.fusion import Evidence, fuse, gather
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.openwork import filled_openwork, find_openwork
from generator_service.imaging.cutting.reflections import kept_reflection, reflection
from generator_service.imaging.source.decode import decode
from tools.quality.entries import read_manifest
from tools.quality.scores import GOOD_IOU, compare
from tools.studio.recipes import UNTRAINED
from tools.studio.scenes import scene

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

TARGET = Path(__file__).parent.parent / "generator_service" / "imaging" / "cutting" / "calibration.py"
SIDE = 640
"""Longest side, in pixels, of scenes: the engine looks for products on smaller copies than that."""
WANTED_PRECISION = 0.95
_Z = 1.28
"""Standard errors between the precision and its lower bound: nine times in ten, it is above that."""
SEED = 11
_RIDGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A measured picture."""

    photo: bool
    """Whether it is a photo rather than a scene."""
    group: str
    """The photo's product, or the scene's class."""
    agreement: float
    """Overlap of the mask with the other one."""
    trustable: bool
    """Whether nothing else keeps the mask from being trusted."""
    iou: float

    @property
    def good(self) -> bool:
        """Whether the mask is as good as a trusted one should be."""
        return self.iou >= GOOD_IOU


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with its true alpha, H×W."""

    photo: bool
    group: str
    rgb: Pixels
    truth: Pixels


def pictures(folder: Path, scenes: int) -> Iterator[Picture]:
    """Yield every photo that has a mask, and ``scenes`` scenes of each class that the network was not trained on."""
    for entry in read_manifest(folder):
        if entry.mask is not None:
            truth = np.asarray(Image.open(entry.mask).convert("L"), np.uint8)
            rgb = decode(entry.photo.read_bytes()).rgb
            yield Picture(photo=True, group=product_of(entry.photo), rgb=rgb, truth=truth)
    for kind in UNTRAINED:
        for index in range(scenes):
            made = scene(kind, SEED * 100_000 + index, side=SIDE)
            yield Picture(photo=False, group=kind, rgb=decode(made.photo).rgb, truth=made.alpha)


def product_of(photo: Path) -> str:
    """Return the product encoded at the end of the name: ``syn_GT01`` and ``am_GT01`` show the same one."""
    return photo.stem.rpartition("_")[2]


def measure(picture: Picture, evidence: Evidence) -> Sample | None:
    """Measure the cut-out by the fused mask; None where it is empty."""
    found = fuse(evidence)
    if not found.mask.any():
        return None
    openwork = find_openwork(picture.rgb, found)
    kept = kept_reflection(reflection(picture.rgb, found))
    evident = (*filled_openwork(openwork), *kept)
    findings = [*difficulties(found), *doubts(found.mask, evidence), *evident]
    iou, _ = compare(matte(picture.rgb, found.mask), picture.truth)
    return Sample(
        photo=picture.photo,
        group=picture.group,
        agreement=agreement_of_fusion(found.mask, evidence),
        trustable=not doubtful(findings),
        iou=iou,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A logistic curve and the threshold of trust that goes with it."""

    curve: Floats
    """Offset and slope."""
    trusted: float
    summary: str


def fit_samples(samples: Sequence[Sample]) -> Fit:
    """Fit the odds and choose the threshold.

    Raises:
        SystemExit: no threshold reaches the wanted precision.

    """
    x = np.array([disagreement(sample.agreement) for sample in samples])
    good = np.array([sample.good for sample in samples], np.float64)
    photo = np.array([sample.photo for sample in samples])
    weight = np.where(photo, 1.0 / max(1, int(photo.sum())), 1.0 / max(1, int((~photo).sum()))) * len(samples) / 2.0
    groups = np.array([f"{sample.photo} {sample.group}" for sample in samples])
    odds = cross_validated(x, good, weight, groups)
    odds[[not sample.trustable for sample in samples]] = 0.0
    sources = [photo, ~photo]
    trusted = threshold_of_trust(odds, good, weight)
    accepted = odds >= trusted
    lines = [
        f"{int(source.sum())} {name}, {np.mean(good[source]):.1%} of them good: "
        f"{np.mean(accepted[source]):.1%} trusted, {np.mean(good[source & accepted]):.1%} of those good"
        for name, source in zip(("photos", "scenes"), sources, strict=True)
        if source.any()
    ]
    return Fit(curve=fit(x, good, weight), trusted=trusted, summary=";\n".join(lines))


def fit(x: Floats, good: Floats, weight: Floats) -> Floats:
    """Fit a logistic curve by Newton's method, with a little ridge; return offset and slope."""
    design = np.stack((np.ones_like(x), x), axis=1)
    ridge = np.diag((0.0, _RIDGE))
    curve = np.zeros(2)
    for _ in range(50):
        odds = _odds(curve, x)
        curvature = (design.T * (weight * odds * (1.0 - odds))) @ design + ridge
        curve -= np.linalg.solve(curvature, design.T @ (weight * (odds - good)) + ridge @ curve)
    return curve


def _odds(curve: Floats, x: Floats) -> Floats:
    odds: Floats = 1.0 / (1.0 + np.exp(-(curve[0] + curve[1] * x)))
    return odds


def cross_validated(x: Floats, good: Floats, weight: Floats, groups: NDArray[np.str_]) -> Floats:
    """Return the odds of each sample by a fit without its group."""
    odds = np.zeros(len(x))
    for group in np.unique(groups):
        mine = groups == group
        odds[mine] = _odds(fit(x[~mine], good[~mine], weight[~mine]), x[mine])
    return odds


def threshold_of_trust(odds: Floats, good: Floats, weight: Floats) -> float:
    """Return the lowest odds such that of the samples with these or better, surely enough by weight are good.

    Raises:
        SystemExit: there is none.

    """
    order = np.argsort(-odds, kind="stable")
    total = np.cumsum(weight[order])
    precision = np.cumsum((weight * good)[order]) / total
    # Samples of unequal weight are worth fewer of equal weight.
    worth = np.square(total) / np.cumsum(np.square(weight[order]))
    enough = np.flatnonzero((lower_bound(precision, worth) >= WANTED_PRECISION) & (odds[order] > 0.0))
    if not enough.size:
        raise SystemExit("no threshold reaches the wanted precision on these pictures")
    return float(odds[order][enough[-1]])


def lower_bound(share: Floats, count: Floats) -> Floats:
    """Return the lower end of Wilson's interval of a share, 0 to 1, of so many samples."""
    spread = _Z * np.sqrt(share * (1.0 - share) / count + (_Z / (2.0 * count)) ** 2)
    bound: Floats = (share + _Z**2 / (2.0 * count) - spread) / (1.0 + _Z**2 / count)
    return bound


def written(fitted: Fit) -> str:
    """Return the text of ``calibration.py``."""
    offset, slope = fitted.curve
    return (
        f'"""Numbers fitted by ``tools/calibrate.py``; don\'t edit.\n\n{fitted.summary};\n'
        'cross-validated by product and by class of scenes.\n"""\n\n'
        f"OFFSET = {offset:.3f}\nSLOPE = {slope:.3f}\n"
        '"""The logistic curve from the disagreement of the fused mask with the network to the odds of a good one."""\n'
        f"TRUSTED = {fitted.trusted:.3f}\n"
        '"""Odds from which a cut-out may go out unseen."""\n'
    )


def main(arguments: list[str]) -> None:
    """Measure, fit, print, write."""
    parser = argparse.ArgumentParser(description="Calibrate the confidence of the local engine.")
    parser.add_argument("photos", type=Path, help="folder with manifest.csv and masks")
    parser.add_argument("--scenes", type=int, default=8, help="scenes of each class")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    samples = list[Sample]()
    for picture in track(pictures(options.photos, options.scenes), "measuring", console=Console(stderr=True)):
        sample = measure(picture, gather(picture.rgb, own_network()))
        if sample is not None:
            samples.append(sample)
    text = written(fit_samples(samples))
    TARGET.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
