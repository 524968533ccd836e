"""What the backdrop looks like: a colour model learnt from the frame of the photo.

A studio backdrop changes slowly over the photo, so its colour is fitted as a quadratic surface in Lab, robustly,
because the product or a hand may cross the frame. Where the frame has no single colour, clusters of it that are
seen on at least two sides stand for the backdrop instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.tiles import dot, planes

Floats = NDArray[np.float32]

PLAIN_DELTA_E = 8.0
"""A frame pixel this close to the surface, in Lab units, counts as backdrop."""
PLAIN_SHARE = 0.72
"""More of the frame than this must be backdrop for the photo to count as plain."""

_CLUSTERS = 6
_SHADOW_WEIGHT = 0.5
_L_OFFSET = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """The model of the backdrop at working size."""

    distance: Floats
    """H×W: how far each pixel is from the backdrop's colour, in Lab units, shadows counting half."""
    noise: float
    """Typical distance of true backdrop pixels, in Lab units."""
    plain_share: float
    """Share of the frame that the one-surface model explains, 0 to 1."""
    seeds: NDArray[np.bool_]
    """H×W: the part of the frame that surely is backdrop; the rest of it may be a product that is cut off."""
    surface: Floats | None = None
    """H×W×3: the modelled backdrop in Lab, where it is plain."""

    @property
    def plain(self) -> bool:
        """Whether the frame has one slowly changing colour."""
        return self.plain_share > PLAIN_SHARE


def lab(rgb: NDArray[np.uint8]) -> Floats:
    """Convert an H×W×3 sRGB picture to CIE Lab: L from 0 to 100."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab), np.float32)


def smooth_lab(rgb: NDArray[np.uint8], sigma: float) -> Floats:
    """Convert an H×W×3 sRGB picture to CIE Lab, its noise smoothed by a Gaussian of ``sigma`` pixels."""
    return lab(np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8))


def gradient(colours: Floats) -> Floats:
    """Return the H×W change of colour per pixel of an H×W×3 Lab picture."""
    total = np.zeros(colours.shape[:2], np.float32)
    for channel in cv2.split(colours):
        total += cv2.Sobel(channel, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(channel, cv2.CV_32F, 0, 1) ** 2
    return np.asarray(np.sqrt(total) / 8.0, np.float32)


def surface_at(surface: Floats, height: int, width: int) -> Floats:
    """Return a `Backdrop.surface` at another size."""
    return np.asarray(cv2.resize(surface, (width, height)), np.float32)


def model_backdrop(rgb: NDArray[np.uint8]) -> Backdrop:
    """Learn the backdrop from the frame of an H×W×3 sRGB picture at working size."""
    colours = smooth_lab(rgb, 0.8)
    ring = frame_ring(colours.shape[0], colours.shape[1])
    surface = _fit_surface(colours, ring)
    residual = np.linalg.norm(colours[ring] - surface[ring], axis=1)
    plain_share = float(np.mean(residual < PLAIN_DELTA_E))
    if plain_share > PLAIN_SHARE:
        distance = shadow_tolerant_distance(colours, surface)
        seeds = ring  # All of it: a seam of the cloth or a wire crosses a plain frame more often than a product.
    else:
        distance, seeds = _cluster_distance(colours, ring)
    near = distance[ring]
    noise = float(np.median(near[near <= np.percentile(near, 100.0 * max(plain_share, 0.5))]))
    return Backdrop(
        distance=distance,
        noise=noise,
        plain_share=plain_share,
        seeds=seeds,
        surface=surface if plain_share > PLAIN_SHARE else None,
    )


def frame_ring(height: int, width: int) -> NDArray[np.bool_]:
    """Mark the outermost pixels, 2 % of the shorter side and at least 2 pixels deep."""
    depth = max(2, round(0.02 * min(height, width)))
    ring = np.ones((height, width), np.bool_)
    ring[depth:-depth, depth:-depth] = False
    return ring


def inside_frame(height: int, width: int) -> NDArray[np.bool_]:
    """Mark the pixels just inside `frame_ring`: product found there is likely cut off."""
    outer = frame_ring(height, width).astype(np.uint8)
    inner: NDArray[np.bool_] = cv2.dilate(outer, np.ones((5, 5), np.uint8)) > outer
    return inner


def shadow_tolerant_distance(colours: Floats, backdrop: Floats) -> Floats:
    """Measure the Lab distance to the backdrop, darkening of the same hue counting half."""
    across, dimming = across_and_dimming(colours, backdrop)
    return np.asarray(np.hypot(across, dimming * np.where(dimming < 0.0, _SHADOW_WEIGHT, 1.0)), np.float32)


def across_and_dimming(colours: Floats, backdrop: Floats) -> tuple[Floats, Floats]:
    """Split the Lab difference to the backdrop: change of hue and saturation (≥ 0), and of light (negative: darker).

    Light that is dimmed by a factor scales all of (L + 16, a, b) by its cube root, so a shadow moves a colour
    along the line through the origin of that space.
    """
    seen, clean = planes(colours), planes(backdrop)
    seen[0] += _L_OFFSET
    clean[0] += _L_OFFSET
    length = np.sqrt(dot(clean, clean))
    along = dot(seen, clean) / length
    across_squared = np.maximum(dot(seen, seen) - along * along, 0.0)
    return np.asarray(np.sqrt(across_squared), np.float32), np.asarray(along - length, np.float32)


def _basis(height: int, width: int) -> Floats:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=2)


def _fit_surface(colours: Floats, ring: NDArray[np.bool_]) -> Floats:
    """Fit a quadratic surface to the ring, each round trusting only what the last one came close to."""
    basis = _basis(*colours.shape[:2])
    points, targets = basis[ring], colours[ring]
    residual = np.linalg.norm(targets - np.median(targets, axis=0), axis=1)
    coefficients = np.zeros((basis.shape[2], 3), np.float32)
    for tolerance in (30.0, 20.0, 14.0, 10.0, PLAIN_DELTA_E, PLAIN_DELTA_E):
        scale = max(tolerance, float(np.percentile(residual, 30)) * 1.5)
        weights = np.square(np.maximum(1.0 - np.square(residual / scale), 0.0))
        # A little ridge keeps the surface tame where the trusted part of the ring is one-sided.
        normal = points.T @ (weights[:, None] * points) + 1e-3 * len(points) * np.diag([0, 0, 0, 1, 1, 1])
        right = points.T @ (weights[:, None] * targets)
        coefficients = np.linalg.lstsq(normal, right, rcond=None)[0].astype(np.float32)
        residual = np.linalg.norm(targets - points @ coefficients, axis=1)
    surface: Floats = basis @ coefficients
    return surface


def _cluster_distance(colours: Floats, ring: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Measure the distance to the nearest colour cluster of the ring that at least two sides of the frame show.

    Return it, H×W, with the pixels of the ring that belong to such a cluster; all of the ring if there is none.
    """
    samples = np.ascontiguousarray(colours[ring])
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 30, 0.5)
    cv2.setRNGSeed(0)
    count = min(_CLUSTERS, len(samples))
    _, labels, _ = cv2.kmeans(samples, count, np.empty(0, np.int32), criteria, 2, cv2.KMEANS_PP_CENTERS)
    labels = labels.ravel()
    sides = _side_of(ring)
    distances = []
    backdrop = np.zeros(len(samples), np.bool_)
    for cluster in range(count):
        mine = labels == cluster
        # In a photo of a few rows, no pixel is nearest to the left or right side.
        shares = [float(np.mean(mine[sides == side])) for side in range(4) if (sides == side).any()]
        if sum(share > 0.04 for share in shares) < 2:
            continue
        backdrop |= mine
        members = samples[mine]
        spread = max(float(np.linalg.norm(members.std(axis=0))), 4.0)
        # In units of the cluster's own spread, scaled back so that thresholds mean the same as on plain photos.
        distances.append(np.linalg.norm(colours - members.mean(axis=0), axis=2) * (6.0 / spread))
    if not distances:
        distances.append(np.linalg.norm(colours - np.median(samples, axis=0), axis=2))
        backdrop[:] = True
    seeds = np.zeros_like(ring)
    seeds[ring] = backdrop
    return np.asarray(np.minimum.reduce(distances), np.float32), seeds


def _side_of(ring: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the nearest side of the frame for each ring pixel: 0 top, 1 bottom, 2 left, 3 right."""
    rows, columns = np.nonzero(ring)
    height, width = ring.shape
    nearest: NDArray[np.intp] = np.argmin((rows, height - 1 - rows, columns, width - 1 - columns), axis=0)
    return nearest
