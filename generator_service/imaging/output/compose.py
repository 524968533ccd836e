"""The canvas: the product on its background, its longest side filling the asked share, in the middle."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.tiles import tiles

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

VISIBLE_DIFFERENCE = 4
"""A pixel shows product where a channel differs from the background by more than this, of 255."""

_FITTING_ROUNDS = 4
_BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A finished square, not yet encoded."""

    pixels: Pixels
    """N×N×3, sRGB: the product on its background; where there is none, its own colours, black where it is clear."""
    alpha: Pixels
    """N×N: the product's alpha, 0 to 255."""
    fill: float
    """The product's longest visible side as a share of the canvas's side, 0 to 1."""
    enlargement: float
    """Pixels of the canvas per pixel of the photo."""
    offset: tuple[float, float] = (0.0, 0.0)
    """Column and row of the canvas where the composed picture's left and top edge lie; may be negative."""


def visible_box(pixels: Pixels, background: Colour) -> Box | None:
    """Return the smallest box around all pixels that visibly differ from the background; None if there are none."""
    return bounding_box(difference(pixels, background) > VISIBLE_DIFFERENCE)


def difference(pixels: Pixels, background: Colour) -> Pixels:
    """Return by how much each pixel, H×W, differs from the background in the channel where it does most."""
    red, green, blue = (
        cv2.absdiff(cv2.extractChannel(pixels, channel), np.array((level, 0, 0, 0), np.float64))
        for channel, level in enumerate(background)
    )
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def blend(colours: Pixels, alpha: Pixels, background: Colour) -> Pixels:
    """Lay H×W×3 colours over a background by their H×W alpha; full alpha and none are exact."""
    over = np.array(background, np.uint8)
    blended = np.empty_like(colours)
    blended[:] = over
    cv2.copyTo(colours, alpha, blended)
    partial = (alpha > 0) & (alpha < 255)
    for tile in tiles(partial, 0):
        share = alpha[tile.inner].astype(np.float32)[:, :, None] / 255.0
        mixed = over + share * (colours[tile.inner].astype(np.float32) - over)
        blended[tile.inner] = np.rint(mixed).astype(np.uint8)
    return blended


def automatic_side(longest: int, fill: float, sides_px: tuple[int, int]) -> int:
    """Return the side of a canvas on which a product of ``longest`` pixels need not be scaled, within bounds."""
    smallest, largest = sides_px
    return min(max(math.ceil(longest / fill), smallest), largest)


def compose(
    colours: Pixels,
    alpha: Pixels,
    *,
    size_px: int | None,
    fill: float,
    background: Colour | None,
    sides_px: tuple[int, int] = (1, sys.maxsize),
) -> Canvas:
    """Fit a product, H×W×3 colours and H×W alpha, onto a square canvas; without a background it stays cut out.

    Without ``size_px``, the side is the one at which the product keeps its pixels, within ``sides_px``. If no pixel
    differs visibly from the background, the whole picture counts as product.
    """
    blended = blend(colours, alpha, background or _BLACK)

    def shown(pixels: Pixels, alpha: Pixels) -> Box:
        seen = bounding_box(alpha > VISIBLE_DIFFERENCE) if background is None else visible_box(pixels, background)
        return seen or Box(0, 0, pixels.shape[1], pixels.shape[0])

    whole = box = shown(blended, alpha)
    product, product_alpha = box.cut(blended), box.cut(alpha)
    side = size_px or automatic_side(box.longest, fill, sides_px)
    wanted = fill * side
    scale = wanted / box.longest
    if size_px is None and abs(scale - 1.0) < 2.0 / box.longest:
        scale = 1.0  # Only rounding: keep the photo's own pixels.
    # Faint tips vanish when a picture is made smaller, so the fit is measured on the result and corrected.
    for _ in range(_FITTING_ROUNDS):
        scaled, scaled_alpha = _resize(product, scale), _resize(product_alpha, scale)
        applied = scale
        box = shown(scaled, scaled_alpha)
        if abs(box.longest - wanted) <= 1.0 + 0.002 * side or box.longest == 0:
            break
        scale *= wanted / box.longest
    pixels, canvas_alpha = np.empty((side, side, 3), np.uint8), np.zeros((side, side), np.uint8)
    pixels[:] = background or _BLACK
    column, row = _paste_centred(pixels, box.cut(scaled))
    _paste_centred(canvas_alpha, box.cut(scaled_alpha))
    offset = (column - box.left - whole.left * applied, row - box.top - whole.top * applied)
    if background is None:
        _take_out_black(pixels, canvas_alpha)
    fill = min(1.0, box.longest / side)
    return Canvas(pixels=pixels, alpha=canvas_alpha, fill=fill, enlargement=applied, offset=offset)


def _take_out_black(pixels: Pixels, alpha: Pixels) -> None:
    """Undo the blending with black, in place, which restores the product's own colours."""
    for tile in tiles((alpha > 0) & (alpha < 255), 0):
        share = np.maximum(alpha[tile.inner], 1).astype(np.float32)[:, :, None] / 255.0
        pixels[tile.inner] = np.rint(np.minimum(pixels[tile.inner] / share, 255.0)).astype(np.uint8)


def _resize(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    # Cubic enlargement would ring into the background beside hard edges.
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def _paste_centred(canvas: Pixels, product: Pixels) -> tuple[int, int]:
    """Paste a product into the middle of a canvas; return column and row of its left and top edge."""
    side = canvas.shape[0]
    height, width = min(product.shape[0], side), min(product.shape[1], side)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = product[:height, :width]
    return left, top
