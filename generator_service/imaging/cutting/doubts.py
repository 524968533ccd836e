"""What a fused cut-out may have wrong, as findings with their region: each is something neither opinion can decide."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.barrier import reachable
from generator_service.imaging.cutting.border import across_and_dimming, inside_frame, lab, smooth_lab, surface_at
from generator_service.imaging.cutting.fusion import Evidence
from generator_service.imaging.cutting.pieces import INTRUDER
from generator_service.imaging.cutting.regions import parts_with, region_of
from generator_service.imaging.cutting.segment import Mask, surely_backdrop

_RIM = 7
"""Pixels at working size: so near its outline, a product's colours are mixed with the backdrop's."""
_MOST_ALIKE = 0.1
"""A product may have the backdrop's colour on this share of its area."""
_WHITE = 88.0
"""Backdrops of at least this lightness L are white ones."""
_OWN_SHADE = 1.0
"""From this Lab distance on, a region like the backdrop has a distinct shade: it is not transparent."""
_COVERED = 0.5
"""An item is in a mask that has more than this share of it."""
_OPENING = 0.02
"""Openings smaller than this share of the product are details."""
_LEAST_ITEM = 0.01
"""Items smaller than this share of the largest one are details."""
_SEEN = 0.5
"""Pixels to which the network gives more than this, near and far, are product to it."""
_LOST_RIM = 0.0085
"""Share of the product from which parts along the outline are no detail. Nearly every mask measured above it was wrong,
nearly every one from half of it up to it was right."""
_UNSEEN = 0.3
"""Pixels to which the network gives less than this, near and far, are none of the product's to it."""
_SHADOW, _DARKEST = 3.0, 60.0
"""Range in which a shadow is darker than the backdrop, in Lab units."""
_TINT, _TINT_PER_DARKNESS = 4.0, 0.1
"""How far, in Lab units, a shadow may be from the backdrop's hue, of which the second times its darkness."""
_LEAST_SHADOW = 0.004
"""Share of the product from which a kept shadow is visible. All masks measured above it had kept one."""


def doubts(mask: Mask, evidence: Evidence) -> tuple[Finding, ...]:
    """List the doubts about a fused mask, H×W at working size."""
    return (*_alike(mask, evidence), *_disputed_openings(mask, evidence), *_disputed(mask, evidence))


def blemishes(mask: Mask, evidence: Evidence) -> tuple[Finding, ...]:
    """List what a person should look at in a mask that may be good nevertheless: parts of a few per cent."""
    return (*_disputed_rim(mask, evidence), *_kept_shadow(mask, evidence))


def _alike(mask: Mask, evidence: Evidence) -> list[Finding]:
    """Report product in the colour of a plain backdrop: transparent material, an opening, or white on white."""
    backdrop = evidence.found.backdrop
    inner = cv2.erode(mask.astype(np.uint8), np.ones((_RIM, _RIM), np.uint8)) > 0
    if not backdrop.plain or not inner.any():
        return []
    look = evidence.found.look
    distance = cv2.resize(backdrop.distance if look is None else look.distance, mask.shape[::-1])
    alike: Mask = inner & (distance <= surely_backdrop(backdrop))
    if np.count_nonzero(alike) <= _MOST_ALIKE * np.count_nonzero(inner):
        return []
    white = float(np.median(lab(evidence.small)[~mask][:, 0])) >= _WHITE if not mask.all() else False
    if white and float(np.median(distance[alike])) > _OWN_SHADE:
        code, message = "white_on_white", "Product and background have nearly the same colour; use a darker background."
    else:
        code = "see_through"
        message = "The background shows through the product, or through an opening in it; check the result."
    return [Finding(code=code, message=message, region=region_of(alike))]


def _disputed_openings(mask: Mask, evidence: Evidence) -> list[Finding]:
    """Report what the colours count as product and the cut as an opening in it, whether it was opened or not."""
    if not evidence.found.backdrop.plain:
        return []
    opened = mask & (evidence.cut | ~evidence.colour)
    holes = evidence.colour & ~opened & ~reachable(~opened)
    disputed = np.zeros_like(mask)
    for hole in _items(holes, _OPENING * np.count_nonzero(mask)):
        disputed |= hole
    if not disputed.any():
        return []
    message = "It is uncertain whether a part inside the outline is product or an opening; check the result."
    return [Finding(code="uncertain_outline", message=message, region=region_of(disputed))]


def _disputed_rim(mask: Mask, evidence: Evidence) -> list[Finding]:
    """Report parts along the outline that only the network sees as product: rims, prints, or gaps that it fills.

    It is vague about outlines; where the cut agrees with it, such parts count twice. Parts at the frame are none of the
    product's: the backdrop's edge, or other objects.
    """
    seen = np.minimum(evidence.whole, evidence.close) > _SEEN
    lost = _without_lines(seen & ~mask)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((_RIM, _RIM), np.uint8)) > 0
    lost = parts_with(lost, lost & near, connectivity=8)
    lost &= ~parts_with(lost, lost & inside_frame(*mask.shape), connectivity=8)
    agreed = lost & _without_lines(evidence.cut & seen & ~mask)
    if np.count_nonzero(lost) + np.count_nonzero(agreed) < _LOST_RIM * np.count_nonzero(mask):
        return []
    message = "It is uncertain whether parts along the outline belong to the product; check the result."
    return [Finding(code="uncertain_outline", message=message, region=region_of(lost))]


def _kept_shadow(mask: Mask, evidence: Evidence) -> list[Finding]:
    """Report parts along the lower outline that look like the backdrop in shadow and that the network does not see."""
    surface = evidence.found.backdrop.surface
    rows = np.flatnonzero(mask.any(axis=1))
    if surface is None or not rows.size:
        return []
    across, dimming = across_and_dimming(smooth_lab(evidence.small, 0.8), surface_at(surface, *mask.shape))
    like = (dimming < -_SHADOW) & (dimming > -_DARKEST) & (across < _TINT - _TINT_PER_DARKNESS * dimming)
    like[: int(rows[0] + rows[-1]) // 2] = False
    seen = np.maximum(evidence.whole, evidence.close)
    like &= parts_with(mask, mask & (seen > _SEEN), connectivity=8)  # A separate item is no shadow.
    shadow = _without_lines(like & (seen < _UNSEEN))
    beside = cv2.dilate((~mask).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    shadow = parts_with(shadow, shadow & beside, connectivity=8)
    if np.count_nonzero(shadow) < _LEAST_SHADOW * np.count_nonzero(mask):
        return []
    message = "A shadow beside the product may have been kept; check the result."
    return [Finding(code="uncertain_outline", message=message, region=region_of(shadow))]


def _without_lines(mask: Mask) -> Mask:
    """Remove parts narrower than three pixels: the blur of an outline."""
    opened: Mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return opened


def _disputed(mask: Mask, evidence: Evidence) -> list[Finding]:
    """Report separate items that only one of the two masks contains, whether they were kept or left out."""
    opinions = (evidence.colour, evidence.whole > 0.5)
    kept, lost = np.zeros_like(mask), np.zeros_like(mask)
    largest = max(_areas(mask), default=0)
    frame = inside_frame(*mask.shape)
    outside = reachable(~mask)  # A region in an opening of the product is no item.
    for item in _items(mask, _LEAST_ITEM * largest):
        if any(float(np.mean(opinion[item])) < _COVERED for opinion in opinions):
            kept |= item
    for opinion in opinions:
        for item in _items(opinion, _LEAST_ITEM * largest):
            if (item & frame).any() and np.count_nonzero(item) < INTRUDER * largest:
                continue
            near = cv2.dilate(item.astype(np.uint8), np.ones((_RIM, _RIM), np.uint8)) > 0
            if not (near & mask).any() and float(np.mean(outside[item])) > _COVERED:
                lost |= item
    findings = []
    if kept.any() and np.count_nonzero(kept) < np.count_nonzero(mask):
        message = "There are several items, and it is uncertain whether all of them belong to the product."
        findings.append(Finding(code="several_items", message=message, region=region_of(kept)))
    if lost.any() and evidence.found.backdrop.plain:
        message = "Something beside the product was left out; check the result."
        findings.append(Finding(code="part_dropped", message=message, region=region_of(lost)))
    return findings


def _areas(mask: Mask) -> list[int]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return [int(area) for area in stats[1:, cv2.CC_STAT_AREA]]


def _items(mask: Mask, least: float) -> list[NDArray[np.bool_]]:
    """Return the separate pieces of a mask that have at least ``least`` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return [labels == number for number in range(1, len(stats)) if stats[number, cv2.CC_STAT_AREA] >= max(least, 1.0)]
