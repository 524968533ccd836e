"""The soft shadow under a product that stands on its background, made from its outline alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.output.compose import Canvas, Colour

Floats = NDArray[np.float32]

_WORKING_SIDE = 512
"""The shadow is smooth: it is made small and enlarged."""
_OPACITY = 0.42
_FOOT = 0.07
"""How far above its lowest point, as a share of the side, a part of the product still counts as near the ground."""
_WIDE, _HIGH = 0.022, 0.007
"""Softness along and across the ground, as a share of the side."""
_LEAST_ROOM = 0.015
"""Below this much room under the product, as a share of the side, there is no shadow."""
_SOLID = 128


def contact_shadow(alpha: NDArray[np.uint8]) -> Floats:
    """Return the share of light that the shadow of an N×N alpha removes, N×N, 0 to 1; zero near the border."""
    side = alpha.shape[0]
    working = min(side, _WORKING_SIDE)
    small = np.asarray(cv2.resize(alpha, (working, working), interpolation=cv2.INTER_AREA), np.uint8)
    product = bounding_box(small >= _SOLID)
    if product is None or working - product.bottom < _LEAST_ROOM * working:
        return np.zeros((side, side), np.float32)
    shadow = _soft_line(small, product) * _fade(product, working)
    return np.asarray(cv2.resize(shadow, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _soft_line(small: NDArray[np.uint8], product: Box) -> Floats:
    """Draw a line along the ground, darkest where the product comes nearest to it, and blur it."""
    side = small.shape[0]
    foot = max(2, round(_FOOT * side))
    top = max(0, product.bottom - foot)
    nearness = np.linspace(0.0, 1.0, product.bottom - top, dtype=np.float32)[:, None]
    touch = (small[top : product.bottom].astype(np.float32) / 255.0 * nearness).max(axis=0)
    line = np.zeros((side, side), np.float32)
    thickness = max(1, round(_HIGH * side))
    line[product.bottom - thickness : product.bottom + thickness] = touch
    blurred = cv2.GaussianBlur(line, (0, 0), sigmaX=_WIDE * side, sigmaY=_HIGH * side)
    peak = float(blurred.max())
    return np.asarray(blurred * (_OPACITY / peak if peak > 0 else 0.0), np.float32)


def _fade(product: Box, side: int) -> Floats:
    """Return the weights, N×N, that fade the shadow to zero half way from the product to the border."""
    margin = 0.5 * (side - product.bottom)
    from_edge = np.minimum(np.arange(side), np.arange(side)[::-1]).astype(np.float32)
    weight = np.clip((from_edge - margin * 0.5) / max(margin * 0.5, 1.0), 0.0, 1.0)
    return np.asarray(np.minimum(weight[:, None], weight[None, :]), np.float32)


def shaded(canvas: Canvas, shadow: Floats, background: Colour) -> NDArray[np.uint8]:
    """Return the canvas's pixels with the shadow laid between background and product."""
    rows, columns = _where(shadow)
    behind = (1.0 - canvas.alpha[rows, columns].astype(np.float32) / 255.0) * shadow[rows, columns]
    pixels = canvas.pixels.copy()
    lost = behind[:, :, None] * np.array(background, np.float32)
    pixels[rows, columns] = np.rint(np.clip(pixels[rows, columns] - lost, 0.0, 255.0)).astype(np.uint8)
    return pixels


def shaded_cutout(canvas: Canvas, shadow: Floats) -> NDArray[np.uint8]:
    """Return a cut-out with its shadow, N×N×4: the shadow is black, with an alpha of its strength."""
    cutout = np.dstack([canvas.pixels, canvas.alpha])
    rows, columns = _where(shadow)
    own = canvas.alpha[rows, columns].astype(np.float32) / 255.0
    together = own + (1.0 - own) * shadow[rows, columns]
    share = np.divide(own, together, out=np.zeros_like(own), where=together > 0)
    cutout[rows, columns, :3] = np.rint(canvas.pixels[rows, columns] * share[:, :, None]).astype(np.uint8)
    cutout[rows, columns, 3] = np.rint(together * 255.0).astype(np.uint8)
    return cutout


def _where(shadow: Floats) -> tuple[slice, slice]:
    box = bounding_box(shadow > 0) or Box(0, 0, 0, 0)
    return slice(box.top, box.bottom), slice(box.left, box.right)
