"""Remove lines of the backdrop from the cut-out: the gap between two boards, a joint, a fold.

Where a line touches the product, the mask alone can't distinguish it from a strap, a handle or a wire. They differ in
their ends: a line of the backdrop continues behind the product and leaves the photo at both ends, a part of the product
does not. So thin parts of the mask are only candidates; each line is followed in the photo itself from one edge to the
other, and only lines visible along the whole path are removed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import frame_ring, smooth_lab

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

_THIN = 0.01
"""A part is thin if a disc of this radius, as a share of the longest side, does not fit into it."""
_SHORTEST = 0.03
"""A line shorter than this share of the longest side is fringe, and too short to determine its direction."""
_FIRST_LEEWAY, _LEEWAY = 0.03, 0.01
"""Lateral search range for a line, as a share of the longest side; then, how far lenses may bend it."""
_MOST_LINES = 8
"""Maximum number of lines followed, longest first: more than that are the product's own pattern."""
_JUST_NOTICEABLE = 2.3
"""A difference in Lab units that an eye just sees."""
_NOISES = 2.0
"""A line stands out from both its sides by this multiple of the backdrop's deviation from its own model."""
_SEEN = 0.9
"""A line must be visible along this share of its path wherever no product hides it."""
_BEND = 0.5
"""The cost of a lateral step; a column that shows the line gains up to 1, one that doesn't loses up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A straight line: one of its points, and its direction, of length 1."""

    x: float
    y: float
    ux: float
    uy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """The path of a line through the photo from edge to edge, pixel by pixel."""

    x: Floats
    y: Floats
    seen: Mask
    """Where it stands out from both its sides."""
    hidden: Mask
    """Where something thick covers it, or lies right beside it."""

    @property
    def points(self) -> Floats:
        return np.stack((self.x, self.y), axis=1)


def without_seams(mask: Mask, rgb: NDArray[np.uint8], noise: float) -> Mask:
    """Remove lines of the backdrop from the H×W mask of an H×W×3 sRGB picture at working size.

    ``noise`` is the backdrop's, in Lab units. A mask without such a line is returned unchanged.
    """
    side = max(mask.shape)
    radius = max(2, round(_THIN * side))
    thick = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _disc(radius)) > 0
    shortest = max(round(_SHORTEST * side), 2 * radius + 1)
    lines = _straight_lines(mask & ~thick, shortest, radius)
    if not lines or not thick.any():
        return mask
    colours = smooth_lab(rgb, 0.8)
    contrast = max(_JUST_NOTICEABLE, _NOISES * noise)
    covered = np.asarray(cv2.dilate(thick.astype(np.uint8), _disc(radius + 1)), np.uint8)
    ring = frame_ring(*mask.shape)
    for line in lines:
        course = _follow(line, colours, covered, contrast, leeway=round(_FIRST_LEEWAY * side), beside=radius + 1)
        if np.count_nonzero(course.seen) < shortest:
            continue
        # The line's visible pixels in the photo determine its course better than the mask does.
        refined = _line_through(course.points[course.seen])
        course = _follow(refined, colours, covered, contrast, leeway=round(_LEEWAY * side), beside=radius + 1)
        if _crosses_the_photo(course, ring):
            mask = _taken_out(mask, course)
    return mask


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _straight_lines(thin: Mask, shortest: int, radius: int) -> list[_Line]:
    """Find straight lines that thin parts of the mask lie on, the one with the most of them first."""
    left = thin.astype(np.uint8)
    found: list[_Line] = []
    while len(found) < _MOST_LINES:
        lines = cv2.HoughLines(left, 1.0, math.radians(1.0), shortest)
        if lines is None:
            break
        rho, theta = lines[0].ravel()[:2].tolist()
        line = _Line(x=rho * math.cos(theta), y=rho * math.sin(theta), ux=-math.sin(theta), uy=math.cos(theta))
        found.append(line)
        far = 2.0 * max(thin.shape)
        ends = [(round(line.x + way * line.ux), round(line.y + way * line.uy)) for way in (-far, far)]
        cv2.line(left, ends[0], ends[1], 0, 2 * radius + 1)
    return found


def _line_through(points: Floats) -> _Line:
    ux, uy, x, y = cv2.fitLine(points, cv2.DIST_HUBER, 0, 0.01, 0.01).ravel().tolist()
    return _Line(x=x, y=y, ux=ux, uy=uy)


def _follow(
    line: _Line, colours: Floats, covered: NDArray[np.uint8], contrast: float, *, leeway: int, beside: int
) -> _Course:
    """Follow a line over the whole photo: the smooth path, within the leeway, that shows it best.

    The photo is unrolled along the line, one column per step, so that the path is found by dynamic programming.
    ``beside`` is the distance on each side, in pixels, at which a line is compared with its surroundings.
    """
    height, width = covered.shape
    along = _inside(line, width, height)
    aside = np.arange(-leeway - beside, leeway + beside + 1, dtype=np.float32)[:, None]
    x, y = line.x + line.ux * along - line.uy * aside, line.y + line.uy * along + line.ux * aside
    strip = cv2.remap(colours, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    strip = np.asarray(cv2.GaussianBlur(strip, (0, 0), sigmaX=2.0, sigmaY=0.01), np.float32)
    one, other = (strip[beside:-beside] - flank for flank in (strip[: -2 * beside], strip[2 * beside :]))
    # Positive only where both sides differ in the same way: an edge, a shade or a slope has no ridge.
    ridge = np.sqrt(np.maximum(np.einsum("hwc,hwc->hw", one, other), 0.0))
    hidden = cv2.remap(covered, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)[beside:-beside] > 0
    gain = (ridge - contrast) / (ridge + contrast)
    # Beside the product a visible line still guides the path; an invisible one there is no evidence against it.
    way = _best_way(np.where(hidden, np.maximum(gain, 0.0), gain))
    at = way, np.arange(len(way))
    return _Course(
        # A path beside the middle of the strip may end slightly outside.
        x=np.clip(x[beside:-beside][at], 0.0, width - 1.0),
        y=np.clip(y[beside:-beside][at], 0.0, height - 1.0),
        seen=(ridge[at] > contrast) & ~hidden[at],
        hidden=hidden[at],
    )


def _inside(line: _Line, width: int, height: int) -> Floats:
    """Return the steps along the line, in pixels from its point, that are inside the photo."""
    begin, end = -np.inf, np.inf
    for start, step, size in ((line.x, line.ux, width), (line.y, line.uy, height)):
        if abs(step) > 1e-6:
            near, far = sorted((-start / step, (size - 1 - start) / step))
            begin, end = max(begin, near), min(end, far)
    return np.arange(np.ceil(begin), np.floor(end) + 1.0, dtype=np.float32)


def _best_way(gain: Floats) -> Indices:
    """Return for each column the row of the path from left to right with the highest gain, minus the cost of steps."""
    total = gain[:, 0]
    came_from = np.zeros(gain.shape, np.intp)
    rows = np.arange(len(gain))
    blocked = np.float32(-np.inf)
    for column in range(1, gain.shape[1]):
        ways = np.stack((total, np.append(blocked, total[:-1]) - _BEND, np.append(total[1:], blocked) - _BEND))
        best = ways.argmax(axis=0)
        came_from[:, column] = rows + np.array((0, -1, 1))[best]
        total = ways[best, rows] + gain[:, column]
    way = np.empty(gain.shape[1], np.intp)
    way[-1] = total.argmax()
    for column in range(gain.shape[1] - 1, 0, -1):
        way[column - 1] = came_from[way[column], column]
    return way


def _crosses_the_photo(course: _Course, ring: Mask) -> bool:
    """Return whether the line is visible in the frame at both ends, from there to the product, and in between."""
    in_frame = ring[np.rint(course.y).astype(np.intp), np.rint(course.x).astype(np.intp)]
    covers = np.flatnonzero(course.hidden)
    ends = (slice(covers[0]), slice(covers[-1] + 1, None)) if covers.size else (slice(None),)
    for end in ends:
        for looked_at in (course.seen[end], course.seen[end][in_frame[end]]):
            if not looked_at.size or float(np.mean(looked_at)) < _SEEN:
                return False
    return float(np.mean(course.seen[~course.hidden])) >= _SEEN


def _taken_out(mask: Mask, course: _Course) -> Mask:
    """Clear the line at the width of its exposed parts; parts that the product encloses from both sides stay."""
    drawn = np.ones(mask.shape, np.uint8)
    cv2.polylines(drawn, [np.rint(course.points).astype(np.int32)], isClosed=False, color=0)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.rint(course.y[course.seen]).astype(np.intp), np.rint(course.x[course.seen]).astype(np.intp)
    depths = depth[rows, columns]
    if not depths.any():
        return mask
    half = float(np.percentile(depths[depths > 0], 90)) + 1.0
    line = cv2.distanceTransform(drawn, cv2.DIST_L2, 5) <= half
    rest = mask & ~line
    closed = cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_CLOSE, _disc(round(2.0 * half))) > 0
    cleared: Mask = rest | (mask & line & closed)
    return cleared
