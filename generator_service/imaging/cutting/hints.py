"""Apply hints to masks: regions that a person marked as product or backdrop.

A region to drop is certainly backdrop. In a region to keep, GrabCut (Rother, Kolmogorov and Blake, 2004) separates the
product from the backdrop around it; areas then enclosed by product become product too. Where hints overlap, the later
one wins.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding, Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.imaging.barrier import reachable
from generator_service.imaging.cutting.border import lab
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.segment import shrink

Mask = NDArray[np.bool_]
Alpha = NDArray[np.uint8]
Pixels = NDArray[np.uint8]

_KEEP, _DROP = 1, 2
_SIDE = 480
"""Alpha masks are changed through a copy of at most this many pixels per side."""
_SURROUNDINGS = 0.25
"""The backdrop is learnt within this share of a region's longer side around it, …"""
_LEAST_SURROUNDINGS_PX = 8
"""… and at least within this many pixels."""
_LEAST_SAMPLES = 16
"""GrabCut needs more samples than its colour models have components."""
_DIFFERENCE = 6.0
"""A pixel that is farther than this, in Lab units, from every colour of the surroundings starts as product."""
_COLOURS = 5
_ROUNDS = 4
_LEAST_KEPT = 0.01
"""A hint is without effect where less than this share of its region became product."""


def apply_hints(mask: Mask, rgb: Pixels, hints: Sequence[Hint]) -> tuple[Mask, tuple[Finding, ...]]:
    """Return an H×W mask with hints applied, and findings. ``rgb`` is the H×W×3 sRGB photo at the same size."""
    labels = _labels(mask.shape[0], mask.shape[1], hints)
    dropped = labels == _DROP
    changed: Mask = mask & ~dropped
    keep = labels == _KEEP
    open_part = keep & ~changed
    if not open_part.any():
        return changed, ()
    kept = changed | _differing(changed, rgb, keep, dropped)
    kept |= keep & ~kept & ~reachable(~kept)
    return kept, tuple(_without_effect(hint) for hint in hints if not _has_product(hint, kept, keep))


def hinted_alpha(alpha: Alpha, rgb: Pixels, hints: Sequence[Hint]) -> tuple[Alpha, tuple[Finding, ...]]:
    """Return an H×W alpha with hints applied, and findings. ``rgb`` is the H×W×3 photo; the rest is unchanged."""
    if not hints:
        return alpha, ()
    small = shrink(rgb, _SIDE)
    coarse: Mask = cv2.resize(alpha, small.shape[1::-1], interpolation=cv2.INTER_AREA) >= 128
    kept, findings = apply_hints(coarse, small, hints)
    added = (kept & ~coarse).astype(np.uint8)
    if added.any():
        # Include a margin, where the old outline met the added part.
        near = cv2.dilate(added, np.ones((5, 5), np.uint8))
        area = cv2.resize(near, alpha.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
        alpha = np.where(area, np.maximum(alpha, matte(rgb, kept)), alpha)
    return without_dropped(alpha, hints), findings


def without_dropped(alpha: Alpha, hints: Sequence[Hint]) -> Alpha:
    """Clear an H×W alpha in the regions to drop."""
    if not hints:
        return alpha
    return np.where(_labels(alpha.shape[0], alpha.shape[1], hints) == _DROP, np.uint8(0), alpha)


def kept(height: int, width: int, hints: Sequence[Hint]) -> Mask:
    """Mark the regions to keep in a picture of this size."""
    marked: Mask = _labels(height, width, hints) == _KEEP
    return marked


def _labels(height: int, width: int, hints: Sequence[Hint]) -> NDArray[np.uint8]:
    labels = np.zeros((height, width), np.uint8)
    for hint in hints:
        labels[_pixels(hint.region, height, width)] = _KEEP if hint.kind is HintKind.KEEP else _DROP
    return labels


def _pixels(region: Region, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a region, at least one of each."""

    def part(first: float, last: float, size: int) -> slice:
        start = min(round(first * size), size - 1)
        return slice(start, max(start + 1, round(last * size)))

    return part(region.top, region.bottom, height), part(region.left, region.right, width)


def _differing(mask: Mask, rgb: Pixels, keep: Mask, dropped: Mask) -> Mask:
    """Return the part of the regions to ``keep`` that differs from the backdrop around them."""
    rows, columns = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    margin = max(_LEAST_SURROUNDINGS_PX, round(_SURROUNDINGS * longest))
    window = (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )
    inside, product = keep[window], mask[window]
    surroundings = ~inside & ~product
    found = np.zeros_like(mask)
    if np.count_nonzero(surroundings) < _LEAST_SAMPLES:
        # There is only product around it, or the whole photo is to be kept.
        found[window] = inside
        return found
    picture = np.ascontiguousarray(rgb[window])
    distance = _distance(picture, surroundings)
    trimap = np.where(distance > _DIFFERENCE, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[surroundings | dropped[window]] = cv2.GC_BGD
    trimap[product] = cv2.GC_FGD
    if np.count_nonzero(trimap & 1) >= _LEAST_SAMPLES:
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)  # Its k-means draws random numbers; the same photo must yield the same picture.
        cv2.grabCut(picture[:, :, ::-1].copy(), trimap, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found[window] = inside & ((trimap & 1) > 0)
    return found


def _distance(rgb: Pixels, samples: Mask) -> NDArray[np.float32]:
    """Return how far each pixel is, in Lab units, from the nearest of the colours that ``samples`` consist of."""
    colours = lab(rgb)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(0)
    no_labels = np.empty(0, np.int32)
    _, _, centres = cv2.kmeans(colours[samples], _COLOURS, no_labels, criteria, 1, cv2.KMEANS_PP_CENTERS)
    distances = [np.linalg.norm(colours - centre, axis=2) for centre in centres]
    return np.asarray(np.min(distances, axis=0), np.float32)


def _has_product(hint: Hint, mask: Mask, keep: Mask) -> bool:
    """Return whether a hint to keep has an effect; always true for other hints."""
    if hint.kind is not HintKind.KEEP:
        return True
    part = _pixels(hint.region, *mask.shape)
    asked = keep[part]
    kept, size = np.count_nonzero(mask[part] & asked), np.count_nonzero(asked)
    return size == 0 or bool(kept >= _LEAST_KEPT * size)


def _without_effect(hint: Hint) -> Finding:
    return Finding(
        code="hint_without_effect",
        message="Nothing in a region to keep differs from the backdrop around it; supply a mask of the product.",
        region=hint.region,
    )
