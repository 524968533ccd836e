"""The whole way: a photo's bytes in, a finished picture's bytes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.compliance import judge
from generator_service.domain.errors import ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task import Content, OutputFormat, Shadow
from generator_service.imaging.compose import Canvas, bounding_box, compose
from generator_service.imaging.cutout import Outline, find_outline, full_alpha
from generator_service.imaging.decode import Photo, decode
from generator_service.imaging.encode import encode, thumbnail
from generator_service.imaging.foreground import foreground
from generator_service.imaging.likeness import Product
from generator_service.imaging.measure import measure
from generator_service.imaging.shadow import contact_shadow, shaded, shaded_cutout

_MARGIN = 8
"""Pixels of backdrop kept around the product while its edge colours are estimated."""
_VISIBLE_ENLARGEMENT = 1.5

Cut = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Finds the product in an H×W×3 photo by other means than ours: returns its H×W alpha."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPicture:
    """A finished picture, encoded."""

    data: bytes
    format: OutputFormat
    width: int
    height: int
    fill: float
    """The product's longest side as a share of the picture's side, 0 to 1."""
    confidence: float | None
    """How far to trust the cut-out, 0 to 1."""
    warnings: tuple[str, ...]
    """What the sender should know, in plain English."""
    report: Report
    """The file measured against its preset's rule."""
    thumbnail: bytes
    """JPEG, at most 320 pixels."""


def render(
    photo: bytes,
    spec: PictureSpec,
    report: Callable[[int, str], None],
    *,
    original: bytes | None = None,
    cut: Cut | None = None,
) -> RenderedPicture:
    """Make the picture that ``spec`` asks for; the same photo and spec always give the same bytes.

    Where ``photo`` was itself made from another one, ``original`` is that: the product must still be the same.
    ``cut`` finds the product, unless the file's own alpha says what is product; None: as `find_outline` does.
    ``report`` is called with percent (0 to 100, never falling) and stage as the work goes on.

    Raises:
        ImageRejected: as `inspect_photo`; or ``image_truncated``, ``image_no_product``. Trying again won't help.

    """
    report(0, "decoding")
    decoded = decode(photo)
    report(15, "segmenting")
    if cut is not None and decoded.alpha is None:
        alpha = cut(decoded.rgb)
        # Whoever cut it has no opinion of its own on how well that went.
        unjudged = Outline(coarse=None, confidence=0.0, warnings=())
        return replace(finish(decoded, unjudged, alpha, spec, report), confidence=None)
    outline = find_outline(decoded)
    report(45, "refining")
    alpha = full_alpha(decoded, outline)
    return finish(
        decoded,
        outline,
        alpha,
        spec,
        report,
        original=None if original is None else _product_of(original),
        generated=original is not None,
    )


def finish(
    photo: Photo,
    outline: Outline,
    alpha: NDArray[np.uint8],
    spec: PictureSpec,
    report: Callable[[int, str], None],
    *,
    original: Product | None = None,
    generated: bool = False,
) -> RenderedPicture:
    """Turn a cut-out photo into the file: the second half of `render`.

    A photo that was ``generated`` is marked so; ``original`` is the product it was made from, if that can be told.

    Raises:
        ImageRejected: ``image_no_product``, where the alpha (H×W, 0 to 255) is zero everywhere.

    """
    report(65, "compositing")
    canvas = _on_canvas(photo, alpha, spec)
    pixels = _content(canvas, spec)
    report(85, "encoding")
    file = encode(pixels, spec.format, border_colour(spec), spec.max_bytes, generated=generated)
    report(92, "checking")
    side = canvas.pixels.shape[0]
    measured = measure(
        pixels=file.pixels,
        alpha=canvas.alpha,
        spec=spec,
        size_bytes=len(file.data),
        source=Product.cut(photo.rgb, alpha),
        border=border_colour(spec),
        outline=outline,
        enlargement=canvas.enlargement,
        original=original,
    )
    picture = RenderedPicture(
        data=file.data,
        format=spec.format,
        width=side,
        height=side,
        fill=round(canvas.fill, 4),
        confidence=outline.confidence,
        warnings=(*photo.warnings, *outline.warnings, *_size_warnings(canvas), *file.warnings),
        report=judge(measured, spec),
        thumbnail=thumbnail(pixels),
    )
    report(100, "checking")
    return picture


def _product_of(photo: bytes) -> Product | None:
    """Find the product in a photo that is only compared with; None where it can't be told from its backdrop."""
    decoded = decode(photo)
    try:
        outline = find_outline(decoded)
    except ImageRejected:
        return None
    if outline.coarse is not None and not outline.coarse.backdrop.plain:
        return None  # What is found on a cluttered photo is no yardstick.
    return Product.cut(decoded.rgb, full_alpha(decoded, outline))


def border_colour(spec: PictureSpec) -> tuple[int, ...]:
    """Return what the border of the result shall be, a number per channel."""
    match spec.content:
        case Content.PICTURE:
            return spec.background
        case Content.TRANSPARENT:
            return (0, 0, 0, 0)
        case Content.MASK:
            return (0,)


def _on_canvas(photo: Photo, alpha: NDArray[np.uint8], spec: PictureSpec) -> Canvas:
    box = bounding_box(alpha > 0)
    if box is None:
        raise ImageRejected("image_no_product", "the photo is fully transparent; send one that shows the product")
    near = box.grown(_MARGIN, alpha.shape)
    alpha = near.cut(alpha)
    colours = near.cut(photo.rgb)
    if photo.alpha is None:
        colours = foreground(colours, alpha)
    background = None if spec.content is Content.TRANSPARENT else spec.background
    return compose(colours, alpha, size_px=spec.size_px, fill=spec.fill, background=background)


def _content(canvas: Canvas, spec: PictureSpec) -> NDArray[np.uint8]:
    """Return what was asked for: N×N×3 with a background, N×N×4 without, or the N×N mask."""
    if spec.content is Content.MASK:
        return canvas.alpha
    if spec.shadow is Shadow.CONTACT:
        shadow = contact_shadow(canvas.alpha)
        if spec.content is Content.TRANSPARENT:
            return shaded_cutout(canvas, shadow)
        return shaded(canvas, shadow, spec.background)
    return np.dstack([canvas.pixels, canvas.alpha]) if spec.content is Content.TRANSPARENT else canvas.pixels


def _size_warnings(canvas: Canvas) -> tuple[str, ...]:
    if canvas.enlargement <= _VISIBLE_ENLARGEMENT:
        return ()
    return (f"The product was enlarged {canvas.enlargement:.1f} times, so it looks soft; send a larger photo.",)
