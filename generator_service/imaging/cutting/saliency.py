"""The likely position of the product in a cluttered photo: robust background detection.

After Zhu, Liang, Wei and Sun, "Saliency Optimization from Robust Background Detection" (2014): a region is backdrop
if, for its size, many regions similar to it lie on the frame; regions that differ from the backdrop around them are
salient; and similar regions get similar values. Regions come from a watershed, and since their borders are partly
random, the maps of several region sizes are averaged.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]

_REGION_COUNTS = (120, 200, 320)
_SAME_COLOUR = 3.0
"""Steps between neighbouring regions of up to this, in Lab units, don't add to the path between them."""
_ALIKE, _NEAR, _SMOOTH = 7.0, 0.4, 10.0
"""Widths of the falloffs: along a path and between colours, in Lab units; in space, in longest sides of the picture."""
_LEAST_TIE = 0.1
_BRIGHTEST_SHARE = 3.0
"""This percentage of the pixels, the most salient, all count as 1, so that a glint does not dominate the product."""


def saliency(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the saliency, 0 to 1, of each pixel of an H×W×3 Lab picture with some hundred pixels per side."""
    return np.asarray(np.mean([_saliency(colours, count) for count in _REGION_COUNTS], axis=0), np.float32)


def _saliency(colours: NDArray[np.float32], count: int) -> Floats:
    labels = _regions(colours, count)
    height, width = labels.shape
    sizes = np.bincount(labels.ravel()).astype(np.float64)

    def mean(values: NDArray[np.float32]) -> Floats:
        return np.bincount(labels.ravel(), values.ravel()) / sizes

    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width)
    colour = _pairwise_distance(np.stack([mean(colours[:, :, channel]) for channel in range(3)], axis=1))
    place = _pairwise_distance(np.stack((mean(y), mean(x)), axis=1))
    touching, framed = _neighbours(labels)

    # All regions of the frame are linked to each other, so a region near one of them is near the whole frame.
    around = np.logical_and.outer(framed, framed)
    linked = touching | around
    similar = _gaussian(_geodesic(colour, linked), _ALIKE)
    boundary = similar[:, framed].sum(axis=1) / np.sqrt(similar.sum(axis=1))
    backdrop = 1.0 - np.exp(-np.square(boundary) / 2.0)
    contrast = (colour * _gaussian(place, _NEAR)) @ backdrop
    contrast = (contrast - contrast.min()) / max(float(np.ptp(contrast)), 1e-9)

    # The least squares of: backdrop is 0, contrast is 1, and neighbours up to two steps apart agree.
    hops = linked.astype(np.float32)
    ties = (touching | (hops @ hops > 0)) & ~(around | np.eye(len(sizes), dtype=np.bool_))
    weight = np.where(ties, _gaussian(colour, _SMOOTH) + _LEAST_TIE, 0.0)
    system = np.diag(weight.sum(axis=1) + backdrop + contrast + 1e-9) - weight
    found = np.linalg.solve(system, contrast)[labels]
    top = max(float(np.percentile(found, 100.0 - _BRIGHTEST_SHARE)), 1e-9)
    return np.clip(found / top, 0.0, 1.0)


def _regions(colours: NDArray[np.float32], count: int) -> Labels:
    """Flood the picture from a grid of about ``count`` seeds; return for each pixel the number of its region."""
    height, width = colours.shape[:2]
    step = np.sqrt(height * width / count)
    rows, columns = max(2, round(height / step)), max(2, round(width / step))
    labels = np.zeros((height, width), np.int32)
    seed_rows = ((np.arange(rows) + 0.5) * height / rows).astype(np.intp)
    seed_columns = ((np.arange(columns) + 0.5) * width / columns).astype(np.intp)
    labels[np.ix_(seed_rows, seed_columns)] = np.arange(1, rows * columns + 1).reshape(rows, columns)
    # The watershed needs bytes: the scale maps all of L to them, and of a and b the range that photos reach.
    scale, origin = np.array((2.0, 1.4, 1.4), np.float32), np.array((0.0, 128.0, 128.0), np.float32)
    quantised = np.clip(colours * scale + origin, 0.0, 255.0)
    seeds = labels.copy()
    cv2.watershed(np.ascontiguousarray(quantised, np.uint8), labels)
    # Its dividing lines and the picture's edge, a pixel wide, go to a neighbour; of a thin picture that is all of it.
    np.maximum(labels, seeds, out=labels)
    while not labels.all():
        grown = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        labels = np.where(labels == 0, grown, labels)
    _, compact = np.unique(labels, return_inverse=True)
    return compact.reshape(height, width).astype(np.int32)


def _neighbours(labels: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which regions touch each other (N×N), corners included, and which touch the frame (N)."""
    count = int(labels.max()) + 1
    touching = np.zeros((count, count), np.bool_)
    for one, other in (
        (labels[:, :-1], labels[:, 1:]),
        (labels[:-1], labels[1:]),
        (labels[:-1, :-1], labels[1:, 1:]),
        (labels[1:, :-1], labels[:-1, 1:]),
    ):
        touching[one, other] = touching[other, one] = True
    framed = np.zeros(count, np.bool_)
    for edge in (labels[:2], labels[-2:], labels[:, :2], labels[:, -2:]):
        framed[edge] = True
    return touching, framed


def _geodesic(colour: Floats, linked: NDArray[np.bool_]) -> Floats:
    """Return the shortest paths between all regions (Floyd and Warshall); a step costs its change of colour."""
    ways = np.where(linked, np.maximum(colour - _SAME_COLOUR, 0.0), np.inf)
    np.fill_diagonal(ways, 0.0)
    for middle in range(len(ways)):
        np.minimum(ways, ways[:, middle, None] + ways[middle], out=ways)
    return ways


def _pairwise_distance(points: Floats) -> Floats:
    difference: Floats = np.linalg.norm(points[:, None] - points[None], axis=2)
    return difference


def _gaussian(distance: Floats, width: float) -> Floats:
    weight: Floats = np.exp(-np.square(distance) / (2.0 * width * width))
    return weight
