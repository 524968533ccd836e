"""The coarse cut-out: which pixels of a small copy of the photo are product."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.barrier import barrier_distance, reachable
from generator_service.imaging.box import Box
from generator_service.imaging.cutting.border import Backdrop, inside_frame, lab, model_backdrop
from generator_service.imaging.cutting.enclosure import enclosed
from generator_service.imaging.cutting.look import Look, look_at
from generator_service.imaging.cutting.pieces import left_out, products_among
from generator_service.imaging.cutting.reconcile import reconcile
from generator_service.imaging.cutting.saliency import saliency
from generator_service.imaging.cutting.seams import without_seams
from generator_service.imaging.scaling import scaled_down

Mask = NDArray[np.bool_]

_LEVELS = np.concatenate((np.arange(1.0, 20.0, 1.0), np.arange(20.0, 46.0, 2.0))).astype(np.float32)
_LOWEST_THRESHOLD, _HIGHEST_THRESHOLD = 6.0, 24.0
_GRABCUT_ROUNDS = 4
_NO_RECTANGLE = (0, 0, 1, 1)
"""OpenCV requires one even if only the mask is used."""
_CLUTTERED_SIDE = 320
"""Cluttered photos are cut at this size: no worse there, and GrabCut is slow on them."""
_SALIENCY_SIDE = 160
_CALM = 0.8
"""Above this much noise, in Lab units, folds and textures of the backdrop have hard edges too."""
_BALL = 3
"""Radius, in pixels, of the ball that finds outlines; gaps up to twice as wide don't let it in."""
_MIN_PIECE = 0.04
"""A component smaller than this share of the largest one is dust, not a second product."""
_MIN_THICKNESS = 0.12
"""A component thinner than this share of the largest one is a seam of the table, not a product."""
_INTRUDER = 0.5
"""A component cut off by the frame must be this share of the largest whole one to count as a product."""
_MIN_HOLE = 0.0005
"""A hole smaller than this share of the product is filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A coarse mask and the evidence that it was made from."""

    mask: Mask
    """H×W at working size: the product."""
    backdrop: Backdrop
    look: Look | None = None
    """The evidence on outlines, where the backdrop is plain and calm."""
    dropped: tuple[Box, ...] = ()
    """Parts removed although they stand out from the backdrop, in pixels of the mask."""


def shrink(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale a picture down so that its longest side is at most ``side`` pixels."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return rgb
    return scaled_down(rgb, max(1, round(width * scale)), max(1, round(height * scale)))


def segment(small: NDArray[np.uint8]) -> Segmentation:
    """Find the product in an H×W×3 sRGB picture of some hundred pixels a side. The mask may be empty."""
    backdrop = model_backdrop(small)
    if not backdrop.plain and max(small.shape) > _CLUTTERED_SIDE:
        return segment(shrink(small, _CLUTTERED_SIDE))
    if not backdrop.plain:
        mask = _clean(_cut(small, _salient_trimap(small, backdrop), backdrop), backdrop)
        return Segmentation(mask=mask, backdrop=backdrop)
    pieces = _cut(small, _plain_trimap(backdrop), backdrop)
    mask = _clean(pieces, backdrop)
    look = None
    if backdrop.surface is not None and backdrop.noise <= _CALM:
        look = look_at(small, backdrop.surface, backdrop.seeds)
        by_outline = without_seams(enclosed(look, _BALL), small, backdrop.noise)
        mask = products_among(look, reconcile(look, mask, by_outline))
        pieces |= by_outline
    return Segmentation(mask=mask, backdrop=backdrop, look=look, dropped=left_out(backdrop, pieces, mask))


def second_opinion(rgb: NDArray[np.uint8]) -> Mask:
    """Find the product of a plain photo by the other method, saliency, on a smaller copy of the photo."""
    small = shrink(rgb, _CLUTTERED_SIDE)
    backdrop = model_backdrop(small)
    return _clean(_cut(small, _salient_trimap(small, backdrop), backdrop), backdrop)


def _cut(small: NDArray[np.uint8], trimap: NDArray[np.uint8], backdrop: Backdrop) -> Mask:
    mask = _grabcut(small, trimap)
    if backdrop.plain:  # On a cluttered one, lines are everywhere.
        mask = without_seams(mask, small, backdrop.noise)
    return mask


def _plain_trimap(backdrop: Backdrop) -> NDArray[np.uint8]:
    """Seed by the barrier: the area flooded by the frame's colour is backdrop, the one past Otsu's threshold product.

    The backdrop is certain, the product never: openings in a ring are past the barrier too, and GrabCut must be free to
    return them to the backdrop.
    """
    barrier = barrier_distance(backdrop.distance, _LEVELS)
    top = float(_LEVELS[-1])
    scaled = np.rint(np.minimum(barrier, top) * (255.0 / top)).astype(np.uint8)
    otsu, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    threshold = min(max(otsu * top / 255.0, _LOWEST_THRESHOLD), _HIGHEST_THRESHOLD)
    trimap = np.where(barrier > threshold, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[barrier <= surely_backdrop(backdrop)] = cv2.GC_BGD
    trimap[backdrop.seeds] = cv2.GC_BGD
    return trimap


def _salient_trimap(small: NDArray[np.uint8], backdrop: Backdrop) -> NDArray[np.uint8]:
    """Seed by saliency, for cluttered photos, where the distance to the frame's colours is no reliable sign."""
    smooth = cv2.GaussianBlur(shrink(small, _SALIENCY_SIDE), (0, 0), 0.8)
    salient = saliency(lab(np.asarray(smooth, np.uint8)))
    scaled = cv2.resize(np.rint(salient * 255.0).astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    otsu, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    trimap = np.where(scaled > otsu, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[backdrop.seeds] = cv2.GC_BGD
    return trimap


def surely_backdrop(backdrop: Backdrop) -> float:
    """Return the distance, in Lab units, up to which a pixel may be backdrop."""
    return max(3.0, 2.5 * backdrop.noise)


def _grabcut(small: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> Mask:
    possible: Mask = (trimap == cv2.GC_PR_FGD) | (trimap == cv2.GC_FGD)
    # GrabCut refuses to learn a colour model from fewer samples than it has components.
    if np.count_nonzero(possible) < 16 or np.count_nonzero(~possible) < 16:
        return possible
    cv2.setRNGSeed(0)  # Its k-means draws random numbers; the same photo must yield the same picture.
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(
        np.ascontiguousarray(small[:, :, ::-1]), trimap, _NO_RECTANGLE, *models, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    mask: Mask = (trimap & 1).astype(np.bool_)
    return mask


def _clean(mask: Mask, backdrop: Backdrop) -> Mask:
    """Keep the products, drop the rest, and fill holes that don't show the backdrop; real openings stay."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 1:
        return np.zeros_like(mask)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0.0
    main = int(np.argmax(areas))
    keep = areas >= max(_MIN_PIECE * areas[main], 4.0)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    thickness = np.zeros(count, np.float32)
    np.maximum.at(thickness, np.asarray(labels, np.int32), depth)
    keep &= thickness >= _MIN_THICKNESS * thickness[main]
    cut_off = np.isin(np.arange(count), labels[inside_frame(*mask.shape)])
    whole = np.where(cut_off, 0.0, areas).max()
    keep &= ~(cut_off & (areas < _INTRUDER * whole))
    cleaned: Mask = keep[labels]
    return cleaned | _false_holes(cleaned, backdrop)


def _false_holes(mask: Mask, backdrop: Backdrop) -> Mask:
    holes = ~mask & ~reachable(~mask)
    count, labels = cv2.connectedComponents(holes.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    smallest = max(4.0, _MIN_HOLE * float(np.count_nonzero(mask)))
    false = np.zeros(count, np.bool_)
    for hole in range(1, count):
        distances = backdrop.distance[labels == hole]
        false[hole] = distances.size < smallest or float(np.median(distances)) > 1.5 * surely_backdrop(backdrop)
    filled: Mask = false[labels]
    return filled
