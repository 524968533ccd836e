"""Normals of the parts' surfaces: h×w×3 unit vectors, x to the right, y down, z towards the camera."""

from __future__ import annotations

import cv2
import numpy as np

from tools.studio.layers import SUPERSAMPLING, Floats, Mask, Points, filled


def flat(mask: Mask, x: float = 0.0, y: float = 0.0) -> Floats:
    """Return the normals of a plane that faces the camera, or leans by the given components."""
    rows, columns = mask.window
    normals = np.empty((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
    normals[:] = (x, y, np.sqrt(max(0.0, 1.0 - x * x - y * y)))
    return normals


def rounded(mask: Mask, bevel: float, *, smooth: float = 0.0) -> Floats:
    """Return normals of a surface that falls off in a quarter circle within ``bevel`` pixels of the edge.

    With the bevel of half a line's width this is a tube. ``smooth``, in pixels, blurs the surface, for cushions.
    """
    bordered = np.pad(mask.fine, 1)
    depth = cv2.distanceTransform(bordered, cv2.DIST_L2, 5)[1:-1, 1:-1] / SUPERSAMPLING
    rise = np.clip(1.0 - depth / max(bevel, 0.25), 0.0, 1.0)
    fine = np.asarray(np.sqrt(1.0 - rise * rise) * bevel, np.float32)
    size = (mask.fine.shape[1] // SUPERSAMPLING, mask.fine.shape[0] // SUPERSAMPLING)
    height = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)
    if smooth > 0:
        height = np.asarray(cv2.GaussianBlur(height, (0, 0), smooth), np.float32)
    return from_height(height)


def from_height(height: Floats) -> Floats:
    """Return the normals of a height field, h×w in pixels."""
    down = np.gradient(height, axis=0) if height.shape[0] > 1 else np.zeros_like(height)
    right = np.gradient(height, axis=1) if height.shape[1] > 1 else np.zeros_like(height)
    normals = np.dstack((-right, -down, np.ones_like(height))).astype(np.float32)
    return np.asarray(normals / np.linalg.norm(normals, axis=2, keepdims=True), np.float32)


def bumped(normals: Floats, height: Floats) -> Floats:
    """Tilt normals by a height field of the same size, in pixels."""
    tilted = normals + from_height(height) - np.array((0.0, 0.0, 1.0), np.float32)
    return np.asarray(tilted / np.linalg.norm(tilted, axis=2, keepdims=True), np.float32)


class Revolved:
    """A body turned on a lathe, standing upright, seen from slightly above.

    ``profile`` is N×2: heights y (growing, in pixels of the photo) and radii. ``tilt`` is the ratio of the axes of
    the ellipses that its circles appear as.
    """

    def __init__(self, shape: tuple[int, int], centre: float, profile: Points, tilt: float) -> None:
        self._centre, self._profile, self._tilt = centre, profile, tilt
        y, radius = profile[:, 0], profile[:, 1]
        bottom, last = y[-1], radius[-1]
        first = radius[0]
        angles = np.linspace(0.0, np.pi, 64)
        below = np.stack((centre + last * np.cos(angles), bottom + tilt * last * np.sin(angles)), 1)
        above = np.stack((centre - first * np.cos(angles), y[0] - tilt * first * np.sin(angles)), 1)
        right = np.stack((centre + radius, y), 1)
        left = np.stack((centre - radius, y), 1)[::-1]
        self.mask = filled(shape, np.concatenate((right, below, left, above)))
        self.top = filled(shape, ellipse(centre, y[0], max(first, 0.5), max(tilt * first, 0.5)))
        """The upper end: a lid, or an opening."""
        self._locate()

    def _locate(self) -> None:
        x, y = self.mask.grid()
        heights, radii = self._profile[:, 0], self._profile[:, 1]
        level = y
        across = depth = np.zeros_like(x)
        for _ in range(3):
            radius = np.maximum(np.interp(level, heights, radii), 1e-3)
            across = np.clip((x - self._centre) / radius, -0.999, 0.999)
            depth = np.sqrt(1.0 - across * across)
            level = y - self._tilt * radius * depth
        slope = np.clip(np.gradient(radii, heights), -4.0, 4.0)
        lean = np.interp(level, heights, slope)
        normals = np.dstack((across, -lean - self._tilt * depth, depth))
        self.normals: Floats = (normals / np.linalg.norm(normals, axis=2, keepdims=True)).astype(np.float32)
        self.turn: Floats = (np.arcsin(across) / np.pi + 0.5).astype(np.float32)
        """How far round the visible half each pixel lies, 0 (left) to 1 (right)."""
        self.level: Floats = np.asarray(level, np.float32)
        """The height, as a y of the photo, at which each pixel's circle meets the outline."""

    def band(self, upper: float, lower: float, left: float = -0.1, right: float = 1.1) -> Mask:
        """Return the part of the visible half between two heights and two turns: where a label sticks."""
        inside = (self.level >= upper) & (self.level < lower) & (self.turn >= left) & (self.turn <= right)
        size = (self.mask.fine.shape[1], self.mask.fine.shape[0])
        fine = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        return Mask(left=self.mask.left, top=self.mask.top, fine=np.where(fine, self.mask.fine, np.uint8(0)))


def ellipse(x: float, y: float, across: float, down: float, *, angle: float = 0.0, points: int = 128) -> Points:
    """Return the outline of an ellipse with the given half axes, turned by ``angle`` radians."""
    turn = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    return turned(np.stack((across * np.cos(turn), down * np.sin(turn)), 1), angle) + (x, y)


def rectangle(width: float, height: float, *, radius: float = 0.0) -> Points:
    """Return the outline of a rectangle around the origin, its corners rounded."""
    radius = min(radius, width / 2, height / 2)
    if radius <= 0:
        return np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float64) * (width / 2, height / 2)
    turn = np.linspace(0.0, np.pi / 2, 12)
    arc = np.stack((np.cos(turn), np.sin(turn)), 1) * radius
    inner = (width / 2 - radius, height / 2 - radius)
    corners = [turned(arc, quarter * np.pi / 2) + np.array(sign) * inner for quarter, sign in enumerate(_SIGNS)]
    return np.concatenate(corners)


_SIGNS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


def turned(points: Points, angle: float) -> Points:
    """Turn points around the origin by an angle in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array(((cosine, sine), (-sine, cosine)))


def curve(points: Points, steps: int = 24, *, closed: bool = False) -> Points:
    """Return a smooth curve (Catmull-Rom) through the points."""
    count = len(points)
    ends = (points[-1:], points[:2]) if closed else (points[:1], points[-1:])
    padded = np.concatenate((ends[0], points, ends[1]))
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    pieces = []
    for index in range(count if closed else count - 1):
        a, b, c, d = padded[index : index + 4]
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    if not closed:
        pieces.append(points[-1:])
    return np.concatenate(pieces)


def ribbon(path: Points, widths: Points) -> Points:
    """Return the outline of a band of varying width, N numbers, along a path of N points."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = np.stack((-along[:, 1], along[:, 0]), 1) * widths[:, None] / 2
    return np.concatenate((path + side, (path - side)[::-1]))
