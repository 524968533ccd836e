"""Fuse the colour-based mask of a photo and a network's into one mask.

The two err differently: colours lose a product part that looks like the backdrop, the network fills openings and
overlooks small items. GrabCut, started from the mean of both and free to move every pixel, resolves most of their
disagreements by the photo's own colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.barrier import reachable
from generator_service.imaging.box import Box
from generator_service.imaging.cutting.border import Backdrop
from generator_service.imaging.cutting.network import Prior
from generator_service.imaging.cutting.openings import openings
from generator_service.imaging.cutting.pieces import without_strays
from generator_service.imaging.cutting.seams import without_seams
from generator_service.imaging.cutting.segment import Mask, Segmentation, segment, shrink, surely_backdrop

Floats = NDArray[np.float32]

WORKING_SIDE = 480
"""Longest side, in pixels, of the copy that is segmented."""

_CUT_SIDE = 320
"""GrabCut runs on a copy of this size: no worse, and it is slow."""
_CUT_ROUNDS = 2
"""More change little, and the masks are no better."""
_CLOSE_MARGIN = 0.2
"""The close-up keeps this share of the product's longest side around it."""
_CLOSE_SHARE = 0.75
"""A close-up that shows more than this share of the photo adds no information."""
_SOFT_EDGE = 2.0
"""Width, in pixels at working size, of the colour-based mask's edge in the mean."""
_SHARP, _SHARP_FALLOFF = 0.35, 0.05
"""A network that is undecided about less than this share of its product is sharp: it counts more than the colours."""
_SURE = 0.95
"""Where a sharp network gives at least this alpha, near and far, GrabCut may not take product out."""
_THICK = 0.005
"""A difference thinner than twice this share of the longest side is a matter of the outline."""
_DISTINCT = 3.0
"""An item is distinct if its distance from the backdrop's colour is this multiple of the backdrop's tolerance."""
_OPEN = 1.0 / 3.0
"""A region that is not enclosed counts as an opening only within this share of the tolerance."""
_NO_OPENING = 2.0
"""An enclosed region further than this multiple of the tolerance from the backdrop's colour is no opening. Openings
measured up to 0.8, a plate in the backdrop's shade under its food 6, tinted lenses 2.5."""
_EDGE = 0.03
"""A region this close to the frame, as a share of the shorter side, counts as cut off by it."""
_SMALL_HOLE, _HOLE = 0.01, 0.03
"""In a cluttered photo, shares of the product below which holes are filled: the second where the prior agrees."""
_UNLIKELY = 0.15
"""Where the mean is below this, GrabCut may not add product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The evidence on a photo, before the decision on a mask; maps and masks are H×W at working size."""

    small: NDArray[np.uint8]
    """H×W×3 sRGB."""
    found: Segmentation
    """The colour-based segmentation, at its own size."""
    colour: Mask
    """The colour-based mask."""
    whole: Floats
    """The prior's alpha, 0 to 1, from the whole photo."""
    close: Floats
    """The prior's alpha, 0 to 1, from a close-up of what the colours found."""
    cut: Mask
    """GrabCut started from the mean of all of them; the colour-based mask where the prior sees no product."""


def gather(rgb: NDArray[np.uint8], prior: Prior) -> Evidence:
    """Collect all evidence on an H×W×3 sRGB photo."""
    small = shrink(rgb, WORKING_SIDE)
    shape = small.shape[:2]
    found = segment(small)
    colour = resized(found.mask, shape)
    whole = _resized_alpha(prior(rgb), shape)
    close = _close_up(rgb, colour, whole, prior)
    soft = cv2.GaussianBlur(colour.astype(np.float32), (0, 0), _SOFT_EDGE)
    trust, close_trust = _weight(whole), _weight(close)
    mean = np.asarray((soft + trust * whole + close_trust * close) / (1.0 + trust + close_trust), np.float32)
    sharp = max(undecided(whole), undecided(close)) < _SHARP
    sure: Mask = (np.minimum(whole, close) > _SURE) & ~_like_backdrop(found.backdrop, colour) & sharp
    return Evidence(
        small=small,
        found=found,
        colour=colour,
        whole=whole,
        close=close,
        cut=_grabcut(small, mean, sure) if (whole > 0.5).any() else colour,
    )


def undecided(alpha: Floats) -> float:
    """Return how many pixels of an alpha are neither product nor backdrop, per pixel of product."""
    between, product = int(np.count_nonzero((alpha > 0.1) & (alpha < 0.9))), int(np.count_nonzero(alpha > 0.5))
    return between / max(product, 1)


def _weight(alpha: Floats) -> float:
    """Return the weight of a prior's alpha in the mean, where the colours weigh 1: 1 to 2, higher if it is sharp."""
    return 1.0 + 1.0 / (1.0 + math.exp(min((undecided(alpha) - _SHARP) / _SHARP_FALLOFF, 50.0)))


def fuse(evidence: Evidence) -> Segmentation:
    """Decide on one mask. It may be empty.

    Networks take a line of the backdrop for a part of the product as colours do, and may bring back one that was
    removed from the colour-based mask.
    """
    mask, found = evidence.cut, evidence.found
    if found.backdrop.surface is None:
        mask = _small_holes_filled(evidence)
    else:
        mask = _colours_amended(evidence)
        mask &= ~openings(mask, evidence.small, np.asarray(_resized_alpha(found.backdrop.surface, mask.shape)))
    mask = without_seams(mask, evidence.small, found.backdrop.noise)
    mask = without_strays(mask, np.maximum(evidence.whole, evidence.close))
    return Segmentation(mask=mask, backdrop=found.backdrop, look=found.look, dropped=_still_dropped(mask, found))


def _small_holes_filled(evidence: Evidence) -> Mask:
    """Return the cut with holes filled that are too small for openings, or that the prior sees as product.

    On a cluttered backdrop its colours are the eyes, buttons and print of the product too.
    """
    mask = evidence.cut.copy()
    area = np.count_nonzero(mask)
    holes = ~mask & ~reachable(~mask)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(holes.astype(np.uint8), connectivity=4)
    for number in range(1, count):
        size = stats[number, cv2.CC_STAT_AREA]
        hole = labels == number
        if size < _SMALL_HOLE * area or (size < _HOLE * area and float(np.median(evidence.whole[hole])) > 0.5):
            mask |= hole
    return mask


def _still_dropped(mask: Mask, found: Segmentation) -> tuple[Box, ...]:
    """Return the parts that the colours dropped and that the mask lacks too.

    Parts cut off by the frame are left out: they are more often the backdrop's edge or another object than product.
    """
    height, width = found.mask.shape
    edge = round(_EDGE * min(height, width))
    at_size = resized(mask, found.mask.shape)
    return tuple(
        box
        for box in found.dropped
        if min(box.left, box.top, width - box.right, height - box.bottom) > edge
        and not at_size[box.top : box.bottom, box.left : box.right].any()
    )


def _colours_amended(evidence: Evidence) -> Mask:
    """Return the colour-based mask, with the cut's additions and removals of a minimum thickness applied.

    On a plain backdrop the colours resolve fine detail: openings, chains, thin items. They decide small differences,
    openings, and separate items that stand out from the backdrop, which networks overlook.
    """
    colour, cut = evidence.colour, evidence.cut
    backdrop, look = evidence.found.backdrop, evidence.found.look
    distance = _resized_alpha(backdrop.distance if look is None else look.distance, colour.shape)
    tolerance = surely_backdrop(backdrop)
    thick = _THICK * max(colour.shape)
    difference = (colour ^ cut).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(difference, connectivity=4)
    depth = cv2.distanceTransform(difference, cv2.DIST_L2, 3)
    holes = ~colour & ~reachable(~colour)
    mask = colour.copy()
    for number in range(1, count):
        left, top, width, height, _ = stats[number].tolist()
        window = (slice(max(top - 1, 0), top + height + 1), slice(max(left - 1, 0), left + width + 1))
        piece = labels[window] == number
        if float(depth[window][piece].max()) < thick:
            continue
        apart = float(np.median(distance[window][piece]))
        if colour[window][piece][0]:
            around = cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            if apart > _DISTINCT * tolerance and not (around & cut[window]).any():
                continue  # A separate item.
        elif apart <= tolerance * (1.0 if float(np.mean(holes[window][piece])) > 0.5 else _OPEN):
            continue  # An opening, or the backdrop inside a curve.
        mask[window][piece] = cut[window][piece]
    return mask | _no_openings(mask, evidence)


def _no_openings(mask: Mask, evidence: Evidence) -> Mask:
    """Mark enclosed regions that the colours count as product and that do not show the backdrop.

    Networks see an opening in whatever a rim encloses: the uncovered part of a plate, a tinted lens.
    """
    backdrop = evidence.found.backdrop
    distance = _resized_alpha(backdrop.distance, mask.shape)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (evidence.colour & ~mask & ~reachable(~mask)).astype(np.uint8), connectivity=4
    )
    closed = np.zeros(count, np.bool_)
    for number in range(1, count):
        left, top, width, height = stats[number, : cv2.CC_STAT_AREA]
        box = slice(top, top + height), slice(left, left + width)  # There may be thousands: none looks at all pixels.
        inside = distance[box][labels[box] == number]
        closed[number] = float(np.median(inside)) > _NO_OPENING * surely_backdrop(backdrop)
    marked: Mask = closed[labels]
    return marked


def overlap(mask: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; the other is scaled to the first one's size."""
    scaled = resized(other, mask.shape)
    union = int(np.count_nonzero(mask | scaled))
    return int(np.count_nonzero(mask & scaled)) / union if union else 0.0


def resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Scale a mask to the height and width of ``shape``, without new values."""
    scaled: Mask = cv2.resize(mask.astype(np.uint8), shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    return scaled


def _resized_alpha(alpha: Floats, shape: tuple[int, ...]) -> Floats:
    return np.asarray(cv2.resize(alpha, shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _close_up(rgb: NDArray[np.uint8], colour: Mask, whole: Floats, prior: Prior) -> Floats:
    """Run the prior again on the surroundings of the product, if that shows it larger.

    The product found by a sharp network is included: the colours may have found only a part of it.
    """
    product: Mask = colour | (whole > 0.5) if undecided(whole) < _SHARP else colour
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    if not rows.size:
        return whole
    height, width = colour.shape
    margin = round(_CLOSE_MARGIN * int(max(rows[-1] - rows[0], columns[-1] - columns[0])))
    top, bottom = max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)
    left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)
    if (bottom - top) * (right - left) > _CLOSE_SHARE * height * width:
        return whole
    y_scale, x_scale = rgb.shape[0] / height, rgb.shape[1] / width
    near = rgb[round(top * y_scale) : round(bottom * y_scale), round(left * x_scale) : round(right * x_scale)]
    close = np.zeros_like(whole)
    close[top:bottom, left:right] = _resized_alpha(prior(near), (bottom - top, right - left))
    return close


def _like_backdrop(backdrop: Backdrop, colour: Mask) -> Mask:
    """Mark pixels outside the colour-based mask with the colour of a plain backdrop: they may be openings."""
    if not backdrop.plain:
        return np.zeros_like(colour)
    return ~colour & (_resized_alpha(backdrop.distance, colour.shape) <= surely_backdrop(backdrop))


def _grabcut(small: NDArray[np.uint8], mean: Floats, sure: Mask) -> Mask:
    """Move the edge of a soft mask to the changes of colour, but not into certain product (``sure``)."""
    seen = shrink(small, _CUT_SIDE)
    soft = _resized_alpha(mean, seen.shape)
    trimap = np.where(soft > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[soft < _UNLIKELY] = cv2.GC_BGD
    trimap[resized(sure, seen.shape)] = cv2.GC_FGD
    possible: Mask = (trimap == cv2.GC_PR_FGD) | (trimap == cv2.GC_FGD)
    # GrabCut refuses to learn a colour model from fewer samples than it has components.
    if np.count_nonzero(possible) < 16 or np.count_nonzero(~possible) < 16:
        return resized(possible, small.shape)
    cv2.setRNGSeed(0)  # Its k-means draws random numbers; the same photo must yield the same picture.
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(seen[:, :, ::-1])
    cv2.grabCut(bgr, trimap, (0, 0, 1, 1), *models, _CUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    # Enlarged as a soft map, so that the edge at working size has no steps.
    return np.asarray(_resized_alpha((trimap & 1).astype(np.float32), small.shape) > 0.5, np.bool_)
