"""The canvas: the product on its background, its longest side filling the asked share, in the middle unless moved."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from generator_service.domain.position import AUTOMATIC, Position
from generator_service.imaging.box import Box, bounding_box
from generator_service.imaging.output.turning import Layer, turned
from generator_service.imaging.tiles import tiles

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

VISIBLE_DIFFERENCE = 4
"""A pixel shows product where a channel differs from the background by more than this, of 255."""

_FITTING_ROUNDS = 4
_CONTEXT = 2
"""Pixels beyond the canvas's edge from which those at the edge are interpolated."""
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
    offset: tuple[float, float]
    """Column and row of the canvas where the composed picture's top left corner lies; may be negative."""
    source: Layer
    """The part of the product that the canvas shows, turned but not scaled, on the background."""


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
    position: Position = AUTOMATIC,
) -> Canvas:
    """Fit a product, H×W×3 colours and H×W alpha, onto a square canvas; without a background it stays cut out.

    Without ``size_px``, the side is the one at which the product keeps its pixels, within ``sides_px``. If no pixel
    differs visibly from the background, the whole picture counts as product. ``position`` corrects the fit: the product
    is turned, fitted, scaled and moved, in this order; parts that leave the canvas are cut off.
    """
    whole = turned(blend(colours, alpha, background or _BLACK), alpha, position.rotation, background or _BLACK)
    box = _shown(whole.layer, background)
    product = whole.layer.cut(box)
    side = size_px or automatic_side(box.longest, fill * position.scale, sides_px)
    scale = fill * side / box.longest
    if size_px is None and abs(scale * position.scale - 1.0) < 2.0 / box.longest:
        scale = 1.0 / position.scale  # Only rounding: keep the photo's own pixels.
    fitted = _fitted(product, scale, fill * side, side, background)
    placed = _placed(product, fitted, side, position, background)
    pixels, canvas_alpha = np.empty((side, side, 3), np.uint8), np.zeros((side, side), np.uint8)
    pixels[:] = background or _BLACK
    visible = _paste(pixels, placed.layer.pixels, placed.corner)
    _paste(canvas_alpha, placed.layer.alpha, placed.corner)
    if background is None:
        _take_out_black(pixels, canvas_alpha)
    return Canvas(
        pixels=pixels,
        alpha=canvas_alpha,
        fill=(visible if position.automatic else _seen_box(Layer(pixels, canvas_alpha), background)).longest / side,
        enlargement=placed.scale * whole.scale,
        offset=(
            placed.origin[0] + (whole.corner[0] - box.left) * placed.scale,
            placed.origin[1] + (whole.corner[1] - box.top) * placed.scale,
        ),
        source=product.cut(_window(placed.origin, placed.scale, side, product)),
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A scaled product, and the box of what can be seen of it."""

    layer: Layer
    scale: float
    shown: Box


@dataclass(frozen=True, slots=True)
class _Placed:
    """A scaled product, cut to what can be seen of it, and its position."""

    layer: Layer
    scale: float
    corner: tuple[int, int]
    """Column and row of the canvas where the layer begins."""
    origin: tuple[int, int]
    """Column and row of the canvas where the product begins, which may have invisible margins."""


def _fitted(product: Layer, scale: float, wanted: float, side: int, background: Colour | None) -> _Fitted:
    """Scale a product until its longest visible side has ``wanted`` pixels.

    Faint tips vanish when a picture is made smaller, so the fit is measured on the result and corrected.
    """
    fitted = _scaled(product, scale, background)
    for _ in range(_FITTING_ROUNDS - 1):
        longest = fitted.shown.longest
        if abs(longest - wanted) <= 1.0 + 0.002 * side or longest == 0:
            break
        fitted = _scaled(product, fitted.scale * wanted / longest, background)
    return fitted


def _placed(product: Layer, fitted: _Fitted, side: int, position: Position, background: Colour | None) -> _Placed:
    """Enlarge and move a fitted product; only the part on the canvas is scaled again."""
    box, moved = fitted.shown, (round(position.move_x * side), round(position.move_y * side))
    if position.scale == 1.0:
        corner = (side - box.width) // 2 + moved[0], (side - box.height) // 2 + moved[1]
        layer = fitted.layer.cut(box)
        return _Placed(layer, fitted.scale, corner, (corner[0] - box.left, corner[1] - box.top))
    scale = fitted.scale * position.scale
    origin = (
        round(side / 2 - (box.left + box.right) / 2 * position.scale) + moved[0],
        round(side / 2 - (box.top + box.bottom) / 2 * position.scale) + moved[1],
    )
    if scale > 1.0:
        layer, corner = _enlarged(product, scale, origin, side)
        shown = _shown(layer, background)
        return _Placed(layer.cut(shown), scale, (corner[0] + shown.left, corner[1] + shown.top), origin)
    window = _window(origin, scale, side, product)
    part = _scaled(product.cut(window), scale, background)
    corner = (
        round(origin[0] + window.left * scale) + part.shown.left,
        round(origin[1] + window.top * scale) + part.shown.top,
    )
    return _Placed(part.layer.cut(part.shown), scale, corner, origin)


def _enlarged(product: Layer, scale: float, origin: tuple[int, int], side: int) -> tuple[Layer, tuple[int, int]]:
    """Enlarge the part of a product that the canvas shows, and its column and row there.

    Nothing else is drawn: enlarged whole, a product of a few pixels would be many times as large as the canvas.
    """
    height, width = product.alpha.shape
    left, top = min(max(origin[0], 0), side - 1), min(max(origin[1], 0), side - 1)
    size = (
        max(1, min(origin[0] + round(width * scale), side) - left),
        max(1, min(origin[1] + round(height * scale), side) - top),
    )
    # Pixels are squares, and their coordinates those of their centres.
    back = np.array(
        [
            [1.0 / scale, 0.0, (left - origin[0] + 0.5) / scale - 0.5],
            [0.0, 1.0 / scale, (top - origin[1] + 0.5) / scale - 0.5],
        ]
    )

    def draw(pixels: Pixels) -> Pixels:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(pixels, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    return Layer(draw(product.pixels), draw(product.alpha)), (left, top)


def _scaled(product: Layer, scale: float, background: Colour | None) -> _Fitted:
    layer = Layer(_resize(product.pixels, scale), _resize(product.alpha, scale))
    return _Fitted(layer, scale, _shown(layer, background))


def _shown(layer: Layer, background: Colour | None) -> Box:
    """Return the box of what can be seen; the whole picture where nothing can."""
    box = _seen_box(layer, background)
    return box if box.longest else Box(0, 0, layer.alpha.shape[1], layer.alpha.shape[0])


def _seen_box(layer: Layer, background: Colour | None) -> Box:
    """Return the box of what can be seen; an empty one where nothing can."""
    if background is None:
        seen = bounding_box(layer.alpha > VISIBLE_DIFFERENCE)
    else:
        seen = visible_box(layer.pixels, background)
    return seen or Box(0, 0, 0, 0)


def _window(origin: tuple[int, int], scale: float, side: int, product: Layer) -> Box:
    """Return the part of a product, in its own pixels, that the canvas shows; at least one pixel."""
    height, width = product.alpha.shape
    left, right = _range(origin[0], scale, side, width)
    top, bottom = _range(origin[1], scale, side, height)
    return Box(left, top, right, bottom)


def _range(origin: int, scale: float, side: int, length: int) -> tuple[int, int]:
    first = min(max(math.floor(-origin / scale) - _CONTEXT, 0), length - 1)
    return first, min(max(math.ceil((side - origin) / scale) + _CONTEXT, first + 1), length)


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


def _paste(canvas: Pixels, product: Pixels, corner: tuple[int, int]) -> Box:
    """Paste a product at column and row of a canvas, without the parts beyond its edges; return where it is shown."""
    side, (left, top) = canvas.shape[0], corner
    box = Box(max(left, 0), max(top, 0), min(left + product.shape[1], side), min(top + product.shape[0], side))
    if box.width <= 0 or box.height <= 0:
        return Box(0, 0, 0, 0)
    canvas[box.top : box.bottom, box.left : box.right] = product[
        box.top - top : box.bottom - top, box.left - left : box.right - left
    ]
    return box
