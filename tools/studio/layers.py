"""Masks with a known coverage, and the stage on which the parts of products are stacked.

Coordinates are pixels of the photo, x to the right and y down, (0, 0) being the upper left corner of the first pixel.
Outlines are filled at ``SUPERSAMPLING`` times the photo's resolution, so an edge is exact to about 1/8 of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

SUPERSAMPLING = 4
_SHIFT = 4
_SEAM = 0.02

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A shape inside the photo: an upper left corner and a fine raster, 0 or 255, of the rows and columns below it."""

    left: int
    top: int
    fine: Pixels

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the photo that the raster covers."""
        height, width = (side // SUPERSAMPLING for side in self.fine.shape)
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def fine_window(self) -> tuple[slice, slice]:
        """The same in the raster of the whole photo."""
        rows, columns = self.window
        return (
            slice(rows.start * SUPERSAMPLING, rows.stop * SUPERSAMPLING),
            slice(columns.start * SUPERSAMPLING, columns.stop * SUPERSAMPLING),
        )

    def coverage(self) -> Floats:
        """Return the share of each pixel that is covered, h×w, 0 to 1."""
        return coverage(self.fine)

    def grid(self) -> tuple[Floats, Floats]:
        """Return x and y of the middle of each pixel, each h×w."""
        rows, columns = self.window
        y, x = np.mgrid[rows, columns].astype(np.float32) + np.float32(0.5)
        return x, y

    def without(self, other: Mask) -> Mask:
        """Return this shape with the other one cut out."""
        return Mask(left=self.left, top=self.top, fine=np.where(other.placed_like(self) > 0, np.uint8(0), self.fine))

    def within(self, other: Mask) -> Mask:
        """Return the part of this shape that lies in the other one."""
        return Mask(left=self.left, top=self.top, fine=np.where(other.placed_like(self) > 0, self.fine, np.uint8(0)))

    def placed_like(self, other: Mask) -> Pixels:
        """Return the raster of this shape inside the other one's window."""
        placed = np.zeros_like(other.fine)
        down, right = (self.top - other.top) * SUPERSAMPLING, (self.left - other.left) * SUPERSAMPLING
        height, width = self.fine.shape
        rows = slice(max(0, down), max(0, min(placed.shape[0], down + height)))
        columns = slice(max(0, right), max(0, min(placed.shape[1], right + width)))
        if rows.start < rows.stop and columns.start < columns.stop:
            placed[rows, columns] = self.fine[
                rows.start - down : rows.stop - down, columns.start - right : columns.stop - right
            ]
        return placed


def coverage(fine: Pixels) -> Floats:
    """Return the share of each pixel that a fine raster covers, 0 to 1."""
    size = (fine.shape[1] // SUPERSAMPLING, fine.shape[0] // SUPERSAMPLING)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255.0)


def filled(shape: tuple[int, int], *contours: Points, margin: float = 2.0) -> Mask:
    """Fill closed contours, each N×2 points (x, y), by the even-odd rule; parts outside the photo are cut off."""
    corners = np.concatenate(contours)
    left, top, width, height = _window(shape, corners, margin)
    fine = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    cv2.fillPoly(fine, [_fixed(contour, left, top) for contour in contours], 255, shift=_SHIFT)
    return Mask(left=left, top=top, fine=fine)


def stroked(shape: tuple[int, int], paths: Sequence[Points], width: float, *, closed: bool = False) -> Mask:
    """Draw lines of one width, in pixels, with round ends; each path is N×2 points (x, y)."""
    left, top, columns, rows = _window(shape, np.concatenate(paths), width / 2 + 2.0)
    fine = np.zeros((rows * SUPERSAMPLING, columns * SUPERSAMPLING), np.uint8)
    # OpenCV draws a line of thickness t about one pixel wider than t - 1.
    thickness = max(1, round(width * SUPERSAMPLING))
    fixed = [_fixed(path, left, top) for path in paths]
    cv2.polylines(fine, fixed, closed, 255, thickness, cv2.LINE_8, _SHIFT)
    return Mask(left=left, top=top, fine=fine)


def _window(shape: tuple[int, int], corners: Points, margin: float) -> tuple[int, int, int, int]:
    low = np.floor(corners.min(0) - margin).astype(int)
    high = np.ceil(corners.max(0) + margin).astype(int)
    # A shape beyond the photo's edge gets a window of one pixel there, in which nothing is drawn.
    left, right = int(np.clip(low[0], 0, shape[1] - 1)), int(np.clip(high[0], 1, shape[1]))
    top, bottom = int(np.clip(low[1], 0, shape[0] - 1)), int(np.clip(high[1], 1, shape[0]))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    return left, top, right - left, bottom - top


def _fixed(points: Points, left: int, top: int) -> NDArray[np.int32]:
    """Convert to the fixed-point coordinates of a fine raster, whose pixels OpenCV addresses by their middles."""
    fine = (points - (left, top)) * SUPERSAMPLING - 0.5
    return np.asarray(np.rint(fine * 2**_SHIFT), np.int32)[:, None, :]


@dataclass(slots=True, kw_only=True)
class Stage:
    """The parts of the products so far, stacked from back to front. Colours are linear light, 0 to 1 and above."""

    shape: tuple[int, int]
    """Height and width of the photo."""
    fine: Pixels = field(init=False)
    """The union of all parts at ``SUPERSAMPLING`` times the resolution, 0 or 255."""
    items: list[Pixels] = field(init=False, default_factory=list)
    """The light that each separate item blocks, H×W, 0 to 255: each casts its own shadow."""
    transmitted: Floats = field(init=False)
    """The share of the light from behind that the product lets through, H×W×3; 0 where it is opaque."""
    _light: Floats = field(init=False)
    _covered: Floats = field(init=False)

    def __post_init__(self) -> None:
        height, width = self.shape
        self.fine = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
        self.transmitted = np.zeros((height, width, 3), np.float32)
        self._light = np.zeros((height, width, 3), np.float32)
        self._covered = np.zeros((height, width, 1), np.float32)
        self.new_item()

    def new_item(self) -> None:
        """Let the parts that follow belong to another item."""
        if not self.items or self.items[-1].any():
            self.items.append(np.zeros(self.shape, np.uint8))

    def add(self, mask: Mask, light: Floats, *, occlusion: float = 0.0, transmitted: Floats | None = None) -> None:
        """Lay a part over the others.

        ``light`` is the h×w×3 light from the part, in the mask's window. ``occlusion``, in pixels, darkens parts behind
        near the edge. ``transmitted`` is the h×w×3 share of the light from behind that passes; None: none.
        """
        window = mask.window
        share = mask.coverage()[:, :, None]
        if occlusion > 0:
            self._occlude(mask, occlusion)
        passing = np.zeros_like(light) if transmitted is None else transmitted
        behind = self._light[window]
        self._light[window] = behind * (1.0 - share) + share * (light + behind * passing)
        through = self.transmitted[window]
        open_share = np.where(self._covered[window] > _SEAM, through, 1.0)
        self.transmitted[window] = through * (1.0 - share) + share * passing * open_share
        self._covered[window] = self._covered[window] * (1.0 - share) + share
        fine = self.fine[mask.fine_window]
        np.maximum(fine, mask.fine, out=fine)
        item = self.items[-1][window]
        blocked = share[:, :, 0] * (1.0 - passing.mean(2))
        np.maximum(item, np.rint(blocked * 255.0).astype(np.uint8), out=item)

    def open(self, mask: Mask) -> None:
        """Cut a hole through everything so far."""
        fine = self.fine[mask.fine_window]
        np.minimum(fine, 255 - mask.fine, out=fine)
        left = np.rint(coverage(fine) * 255.0).astype(np.uint8)
        for item in self.items:
            np.minimum(item[mask.window], left, out=item[mask.window])

    def _occlude(self, mask: Mask, reach: float) -> None:
        margin = round(3 * reach)
        rows, columns = mask.window
        top, left = max(0, rows.start - margin), max(0, columns.start - margin)
        bottom, right = min(self.shape[0], rows.stop + margin), min(self.shape[1], columns.stop + margin)
        near = np.zeros((bottom - top, right - left), np.float32)
        near[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = mask.coverage()
        near = np.asarray(cv2.GaussianBlur(near, (0, 0), reach), np.float32)
        self._light[top:bottom, left:right] *= 1.0 - 0.45 * near[:, :, None]

    def alpha(self) -> Floats:
        """Return the share of each pixel that is product, H×W, 0 to 1."""
        return coverage(self.fine)

    def light(self) -> Floats:
        """Return the product's light, H×W×3, continued across pixels that it covers in part."""
        return np.asarray(self._light / np.maximum(self._covered, 1e-3), np.float32)
