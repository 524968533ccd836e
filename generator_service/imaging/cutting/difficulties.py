"""Products that an outline alone can't separate: transparent ones, ones in the backdrop's colour, omitted parts."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.finding import Finding
from generator_service.imaging.cutting.border import Floats, frame_ring
from generator_service.imaging.cutting.look import Look, Mask
from generator_service.imaging.cutting.reconcile import disc
from generator_service.imaging.cutting.regions import region_of
from generator_service.imaging.cutting.segment import Segmentation

_LEAST_INSIDE = 0.03
"""Enclosed regions of less than this share of the product are details."""
_TINT = 0.4
"""An opening shows the backdrop to within this Lab distance, besides noise; clear glass changes it by more."""
_TO_LINE = 8
"""Maximum distance, in pixels, of a see-through region from the line of its side."""
_ISLAND = 0.004
"""Pieces within an opening that are larger than this share of it are reflections or content."""
_SIDE_STEP = 3.0
"""Distance, in pixels, from the outline at which its two colours are read."""
_SAME_COLOUR = 4.0
"""Colours closer than this, in Lab units, give no reliable outline."""
_SAME_SHARE = 0.2
"""The outline is doubtful where more than this share of it divides the same colour."""


def difficulties(found: Segmentation) -> tuple[Finding, ...]:
    """Return findings about possible errors of the mask, with the affected regions."""
    findings: list[Finding] = []
    dropped = _dropped_mask(found)
    if dropped.any():
        findings.append(
            Finding(
                code="part_dropped",
                message="A part that stands out from the background was left out; if it belongs to the product, "
                "move it closer or mark it to be kept.",
                region=region_of(dropped),
            )
        )
    if found.look is None or not found.mask.any():
        return tuple(findings)
    clear = see_through(found.look, found.mask)
    if clear.any():
        findings.append(
            Finding(
                code="see_through",
                message="The background seems to show through a part of the product; check whether it should be kept.",
                region=region_of(clear),
            )
        )
    same = same_coloured_outline(found.look, found.mask)
    if same.any():
        findings.append(
            Finding(
                code="white_on_white",
                message="A part of the outline has nearly the background's colour; check it, or use another backdrop.",
                region=region_of(same),
            )
        )
    return tuple(findings)


def see_through(look: Look, mask: Mask) -> Mask:
    """Mark, H×W, regions enclosed by the product that nearly match the backdrop and are bounded by lines.

    An opening shows the backdrop unchanged. Glass tints it slightly, or has reflections: pieces of the product that
    lie in an opening without touching its sides.
    """
    whole = _filled(mask)
    enclosed = whole & ~mask
    faint = mask & ~look.hard & (look.distance <= 1.5 * look.tolerance) & (look.dimming < 1.0)
    least = _LEAST_INSIDE * float(np.count_nonzero(whole))
    around = cv2.dilate(whole.astype(np.uint8), disc(12)) > 0
    outside = around & ~(cv2.dilate(whole.astype(np.uint8), disc(4)) > 0) & ~look.hard
    if not outside.any():
        return np.zeros_like(mask)
    islands = _islands(mask)
    tint = _TINT + 0.5 * look.noise
    marked = np.zeros_like(mask)
    for candidates in (enclosed & ~look.hard, faint):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=4)
        for number in range(1, count):
            if stats[number, cv2.CC_STAT_AREA] < least:
                continue
            region = labels == number
            inside = float(np.median(look.distance[region])) - float(np.median(look.distance[outside]))
            beside = cv2.dilate(region.astype(np.uint8), disc(_TO_LINE)) > 0
            reflects = np.count_nonzero(islands & beside) > _ISLAND * stats[number, cv2.CC_STAT_AREA]
            if (inside > tint or reflects) and _is_lined(look, region):
                marked |= region
    return marked


def same_coloured_outline(look: Look, mask: Mask) -> Mask:
    """Mark, H×W, the outline where both its sides have the same colour; no pixels if that is a small share of it.

    Where the photo ends, so does the mask of a product that is cut off: that is no outline.
    """
    depth = np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    depth -= np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    smooth = cv2.GaussianBlur(depth, (0, 0), 1.5)
    outline = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    around_frame = np.ones((2 * math.ceil(_SIDE_STEP) + 1,) * 2, np.uint8)
    outline &= cv2.dilate(frame_ring(*mask.shape).astype(np.uint8), around_frame) == 0
    rows, columns = np.nonzero(outline)
    right, down = (cv2.Sobel(smooth, cv2.CV_32F, dx, dy)[rows, columns] for dx, dy in ((1, 0), (0, 1)))
    length = np.hypot(right, down) + 1e-3
    inner, outer = (
        _read(look.colours, columns + way * right / length, rows + way * down / length)
        for way in (_SIDE_STEP, -_SIDE_STEP)
    )
    same = np.linalg.norm(inner - outer, axis=1) < _SAME_COLOUR
    marked = np.zeros_like(mask)
    if same.size and float(np.mean(same)) > _SAME_SHARE:
        marked[rows[same], columns[same]] = True
    return marked


def _read(colours: Floats, x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats:
    at_x, at_y = (np.asarray(way, np.float32).reshape(1, -1) for way in (x, y))
    return np.asarray(cv2.remap(colours, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0], np.float32)


def _is_lined(look: Look, region: Mask) -> bool:
    """Return whether the region ends at lines that differ more from the backdrop than the region itself."""
    border = region & (cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    lines = cv2.dilate(look.distance, disc(_TO_LINE))
    return float(np.median(lines[border])) > float(np.median(look.distance[region])) + look.tolerance


def _islands(mask: Mask) -> Mask:
    """Mark the pieces of the product that lie in its openings without touching their sides."""
    outside = cv2.dilate((~_filled(mask)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    islands: Mask = mask & ~np.isin(labels, labels[outside & mask])
    return islands


def _filled(mask: Mask) -> Mask:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled > 0


def _dropped_mask(found: Segmentation) -> Mask:
    marked = np.zeros(found.mask.shape, np.bool_)
    for box in found.dropped:
        marked[box.top : box.bottom, box.left : box.right] = True
    return marked
