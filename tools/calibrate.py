"""Fit what the agreement of the two masks says about the odds: ``nice python -m tools.calibrate DIR``.

Takes every photo of ``DIR/manifest.csv`` that has a mask, and lays each product by its mask on more, plain
backdrops: of a colour near one of its own or of a studio's, uneven, with a shadow, noise and JPEG, all drawn from a
fixed seed. Runs the engine on those that count as plain, fits the odds of an IoU of at least 0.9 by logistic
regression on one number, the disagreement of the two masks, and writes ``generator_service/imaging/calibration.py``.

The threshold of trust is chosen on odds cross-validated by product: whichever product is judged, the odds come from
a fit that has seen no picture of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from generator_service.imaging.border import lab
from generator_service.imaging.confidence import disagreement, overlap
from generator_service.imaging.decode import decode
from generator_service.imaging.segment import second_opinion, segment, shrink
from tools.quality import GOOD_IOU, compare, read_manifest

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

TARGET = Path(__file__).parent.parent / "generator_service" / "imaging" / "calibration.py"
SIDE = 640
"""Longest side, in pixels, of what is measured: the engine looks for products on smaller copies than that."""
WORKING_SIDE = 480
WANTED_PRECISION = 0.95
SEED = 20251124
_RIDGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A plain picture: whose product it shows, what the two masks said, and whether the first was good."""

    product: str
    disagreement: float
    good: bool


def composed(rgb: Pixels, alpha: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Lay a cut-out on a plain backdrop drawn at random; return the picture and its alpha."""
    margin = round(0.15 * max(alpha.shape))
    share = np.pad(alpha, margin).astype(np.float32) / 255.0
    padded = np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode="edge").astype(np.float32)
    height, width = share.shape
    solid = (share > 0.95).astype(np.float32)
    # Half transparent pixels hold the old backdrop too: they take the colours of the solid ones around them.
    window = (21, 21)
    spread = cv2.blur(padded * solid[:, :, None], window) / (cv2.blur(solid, window)[:, :, None] + 1e-4)
    product = np.where(solid[:, :, None] > 0, padded, spread)

    colours = lab(padded.astype(np.uint8))[solid > 0]
    if rng.random() < 0.5:
        colour = rng.choice(colours) + rng.normal(size=3) * rng.uniform(2.0, 14.0)
    else:
        colour = np.array([rng.uniform(40.0, 97.0), rng.normal(0.0, 6.0), rng.normal(0.0, 8.0)])
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = rng.normal(0.0, 4.0) * x + rng.normal(0.0, 4.0) * y + rng.normal(0.0, 2.0) * (x * x + y * y)
    backdrop = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
    backdrop[:, :, 0] = np.clip(np.clip(colour[0], 12.0, 97.0) + light, 0.0, 100.0)
    backdrop = np.asarray(cv2.cvtColor(backdrop, cv2.COLOR_Lab2RGB), np.float32) * 255.0
    shadow = cv2.GaussianBlur(share, (0, 0), rng.uniform(0.01, 0.04) * width)
    moved = (round(rng.uniform(0.0, 0.04) * height), round(rng.uniform(-0.04, 0.04) * width))
    backdrop *= (1.0 - rng.uniform(0.0, 0.45) * np.roll(shadow, moved, (0, 1)))[:, :, None]

    picture = backdrop + share[:, :, None] * (product - backdrop)
    picture = np.clip(picture + rng.normal(0.0, rng.uniform(0.5, 4.0), picture.shape), 0.0, 255.0)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(60, 95))]
    _, file = cv2.imencode(".jpg", picture.astype(np.uint8)[:, :, ::-1], quality)
    decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8)
    return shrink(decoded, SIDE), shrink(np.rint(share * 255.0).astype(np.uint8), SIDE)


def measure(product: str, rgb: Pixels, truth: Pixels) -> Sample | None:
    """Run the engine's two ways on one picture; None where it does not count as plain or nothing is found."""
    found = segment(shrink(rgb, WORKING_SIDE))
    if not found.backdrop.plain or not found.mask.any():
        return None
    mask = np.asarray(cv2.resize(found.mask.astype(np.uint8) * 255, truth.shape[::-1]), np.uint8)
    iou, _ = compare(mask, truth)
    agreement = overlap(found.mask, second_opinion(rgb))
    return Sample(product=product, disagreement=disagreement(agreement), good=iou >= GOOD_IOU)


def samples(folder: Path, copies: int) -> Iterator[Sample]:
    """Measure every photo with a mask, and ``copies`` composed pictures of every product of it."""
    rng = np.random.default_rng(SEED)
    entries = [(entry, entry.mask) for entry in read_manifest(folder) if entry.mask]
    for entry, mask in track(entries, "measuring", console=Console(stderr=True)):
        rgb = shrink(decode(entry.photo.read_bytes()).rgb, SIDE)
        truth = np.asarray(Image.open(mask).convert("L").resize(rgb.shape[1::-1], Image.Resampling.BOX), np.uint8)
        pictures = [(rgb, truth), *(composed(rgb, truth, rng) for _ in range(copies))]
        for picture, alpha in pictures:
            sample = measure(_product(entry.photo), picture, alpha)
            if sample is not None:
                yield sample


def _product(photo: Path) -> str:
    """Tell the product by the end of the name: ``syn_GT01`` and ``am_GT01`` show the same one."""
    return photo.stem.rpartition("_")[2]


def fit(x: Floats, good: Floats) -> Floats:
    """Fit a logistic curve by Newton's method, with a little ridge; return offset and slope."""
    design = np.stack((np.ones_like(x), x), axis=1)
    ridge = np.diag((0.0, _RIDGE))
    weights = np.zeros(2)
    for _ in range(50):
        odds = _odds(weights, x)
        curvature = (design.T * (odds * (1.0 - odds))) @ design + ridge
        weights -= np.linalg.solve(curvature, design.T @ (odds - good) + ridge @ weights)
    return weights


def _odds(weights: Floats, x: Floats) -> Floats:
    odds: Floats = 1.0 / (1.0 + np.exp(-(weights[0] + weights[1] * x)))
    return odds


def cross_validated(x: Floats, good: Floats, products: NDArray[np.str_]) -> Floats:
    """Return the odds of each sample by a fit without its product."""
    odds = np.zeros_like(x)
    for product in np.unique(products):
        mine = products == product
        odds[mine] = _odds(fit(x[~mine], good[~mine]), x[mine])
    return odds


def threshold_of_trust(odds: Floats, good: Floats) -> float:
    """Return the lowest odds such that of the samples with these or better, enough are good.

    Raises:
        SystemExit: there is none.

    """
    order = np.argsort(-odds, kind="stable")
    precision = np.cumsum(good[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= WANTED_PRECISION)
    if not enough.size:
        raise SystemExit("no threshold reaches the wanted precision on these photos")
    return float(odds[order][enough[-1]])


def main(arguments: list[str]) -> None:
    """Measure, fit, print, write."""
    parser = argparse.ArgumentParser(description="Calibrate the confidence of the local engine.")
    parser.add_argument("photos", type=Path, help="folder with manifest.csv and masks")
    parser.add_argument("--copies", type=int, default=3, help="pictures composed of each product")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    found = list(samples(options.photos, options.copies))
    x = np.array([sample.disagreement for sample in found])
    good = np.array([sample.good for sample in found], np.float64)
    odds = cross_validated(x, good, np.array([sample.product for sample in found]))
    offset, slope = fit(x, good)
    trusted = threshold_of_trust(odds, good)
    accepted = odds >= trusted
    summary = (
        f"{len(found)} plain pictures, {np.mean(good):.1%} of them good;\n"
        f"cross-validated by product: {np.mean(accepted):.1%} trusted, {np.mean(good[accepted]):.1%} of those good."
    )
    TARGET.write_text(
        f'"""Numbers fitted by ``tools/calibrate.py``; don\'t edit.\n\n{summary}\n"""\n\n'
        f"OFFSET = {offset:.3f}\nSLOPE = {slope:.3f}\n"
        f'"""The logistic curve from the disagreement of two masks to the odds of a good one."""\n'
        f"TRUSTED = {trusted:.3f}\n"
        f'"""Odds from which a cut-out may go out unseen."""\n',
        encoding="utf-8",
    )
    print(f"{summary}\nwritten: {TARGET.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
