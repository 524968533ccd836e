"""The whole pipeline, from a photo's bytes to a finished picture's bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from generator_service.domain.compliance import judge
from generator_service.domain.cutout_checks import MAX_LOST
from generator_service.domain.errors import ImageRejected
from generator_service.domain.finding import Finding
from generator_service.domain.measurements import Measurements
from generator_service.domain.placement import Placement
from generator_service.domain.presets import PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task_options import Content, OutputFormat, Shadow
from generator_service.imaging.box import bounding_box
from generator_service.imaging.checks.evidence import gather
from generator_service.imaging.checks.likeness import Product
from generator_service.imaging.checks.measure import measure
from generator_service.imaging.cutting.choice import choose
from generator_service.imaging.cutting.cutout import Outline, find_outline, full_alpha, within
from generator_service.imaging.cutting.foreground import foreground
from generator_service.imaging.cutting.hints import hinted_alpha, without_dropped
from generator_service.imaging.cutting.mask import mask_alpha, read_mask
from generator_service.imaging.cutting.network import Prior, own_network
from generator_service.imaging.output.compose import Canvas, compose
from generator_service.imaging.output.cropping import cropped, uncropped, with_lost_region
from generator_service.imaging.output.encode import encode, encode_mask, thumbnail
from generator_service.imaging.output.shadow import contact_shadow, shaded, shaded_cutout
from generator_service.imaging.source.decode import Photo, decode

_MARGIN = 8
"""Pixels of backdrop kept around the product while its edge colours are estimated."""
_VISIBLE_ENLARGEMENT = 1.5


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
    """The confidence in the cut-out, 0 to 1; None where the user supplied the mask."""
    findings: tuple[Finding, ...]
    """Notes on the picture, for review by a person."""
    report: Report
    """The file measured against its preset's rule."""
    placement: Placement | None
    """Position of the photo in the picture; None if a model generated the picture."""
    thumbnail: bytes
    """JPEG, at most 320 pixels."""
    mask: bytes | None
    """The product's alpha as a greyscale PNG over the upright photo; None if the photo itself was generated."""
    by_network: bool = False
    """Whether the network that `render` was given found the product."""


def render(
    photo: bytes,
    spec: PictureSpec,
    report: Callable[[int, str], None],
    *,
    original: bytes | None = None,
    prior: Prior | None = None,
    compare: bool = False,
) -> RenderedPicture:
    """Make the picture described by ``spec``; the same photo and spec always yield the same bytes.

    If ``photo`` was itself generated from another photo, ``original`` is that one, and their products are compared.
    ``prior`` is a network that finds the product, unless the file's own alpha is the cut-out; with ``compare``, the
    better of its outline and the local one is used (`choose`). A mask in ``spec`` replaces both.
    ``report`` is called with percent (0 to 100, never falling) and stage during the work.

    Raises:
        ImageRejected: as `inspect_photo`, `read_mask` and `mask_alpha`; or ``image_truncated``, ``image_no_product``.
            A retry won't help.

    """
    report(0, "decoding")
    decoded = decode(photo)
    report(15, "segmenting")
    if spec.mask is not None:
        alpha, notices = hinted_alpha(within(_users_alpha(decoded, spec.mask), decoded), decoded.rgb, spec.hints)
        unjudged = Outline(coarse=None, confidence=0.0, findings=notices)  # It is the user's decision.
        return replace(finish(decoded, unjudged, alpha, spec, report), confidence=None)
    sent = None if original is None else decode(original)
    if sent is not None:
        decoded = replace(decoded, dpi=sent.dpi, findings=(*sent.findings, *decoded.findings))
    by_network = False
    if prior is None or decoded.alpha is not None:
        outline = find_outline(decoded, prior=own_network(), hints=spec.hints)
    else:
        choice = choose(decoded, prior, compare=compare, hints=spec.hints)
        outline, by_network = choice.outline, choice.by_network
    report(45, "refining")
    alpha = full_alpha(decoded, outline)
    if outline.coarse is not None:
        alpha = without_dropped(alpha, spec.hints)
    else:
        alpha, notices = hinted_alpha(alpha, decoded.rgb, spec.hints)
        outline = replace(outline, findings=(*outline.findings, *notices))
    picture = finish(
        decoded,
        outline,
        alpha,
        spec,
        report,
        original=None if sent is None else _product_of(sent),
        generated=original is not None,
    )
    return replace(picture, by_network=by_network)


def _users_alpha(photo: Photo, mask: bytes) -> NDArray[np.uint8]:
    alpha = mask_alpha(read_mask(mask), photo.rgb)
    return alpha if photo.alpha is None else np.minimum(alpha, photo.alpha)


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

    A photo that was ``generated`` is marked so; ``original`` is the product it was made from, if it was found.

    Raises:
        ImageRejected: ``image_no_product``, where the alpha (H×W, 0 to 255) is zero everywhere, or in the whole crop.

    """
    report(65, "compositing")
    cut_out = alpha
    if spec.crop is not None:
        photo, alpha = cropped(photo, alpha, spec.crop)
    canvas, placement = _on_canvas(photo, alpha, spec)
    pixels = _content(canvas, spec)
    report(85, "encoding")
    file = encode(pixels, spec.format, border_colour(spec), spec.max_bytes, generated=generated, dpi=photo.dpi)
    report(92, "checking")
    side = canvas.pixels.shape[0]
    measured = measure(
        pixels=file.pixels,
        canvas=canvas,
        spec=spec,
        size_bytes=len(file.data),
        source=Product.cut(photo.rgb, alpha),
        border=border_colour(spec),
        outline=outline,
        placement=placement,
        evidence=None if photo.alpha is not None else gather(photo.rgb, alpha, photo.visible),
        original=original,
    )
    if spec.crop is not None:
        placement = uncropped(placement, spec.crop, cut_out.shape)
        measured = with_lost_region(measured, spec.crop)
    picture = RenderedPicture(
        data=file.data,
        format=spec.format,
        width=side,
        height=side,
        fill=round(canvas.fill, 4),
        confidence=outline.confidence,
        findings=(
            *photo.findings,
            *outline.findings,
            *_lost_findings(measured, outline),
            *_size_findings(canvas),
            *file.findings,
        ),
        report=judge(measured, spec),
        # A generative model doesn't report the position of the photo's parts.
        placement=None if generated else placement,
        thumbnail=thumbnail(pixels),
        # Of the whole product, so that another crop can follow.
        mask=None if generated else encode_mask(cut_out),
    )
    report(100, "checking")
    return picture


def _product_of(photo: Photo) -> Product | None:
    """Find the product in a photo used only for comparison; None if it can't be separated from its backdrop."""
    try:
        outline = find_outline(photo, prior=own_network())
    except ImageRejected:
        return None
    if outline.coarse is not None and not outline.coarse.backdrop.plain:
        return None  # An outline on a cluttered backdrop is no reliable reference.
    return Product.cut(photo.rgb, full_alpha(photo, outline))


def border_colour(spec: PictureSpec) -> tuple[int, ...]:
    """Return the required colour of the result's border, a number per channel."""
    match spec.content:
        case Content.PICTURE:
            return spec.background
        case Content.TRANSPARENT:
            return (0, 0, 0, 0)
        case Content.MASK:
            return (0,)


def _on_canvas(photo: Photo, alpha: NDArray[np.uint8], spec: PictureSpec) -> tuple[Canvas, Placement]:
    """Return the product on its canvas, and the photo's position in it."""
    box = bounding_box(alpha > 0)
    if box is None:
        raise ImageRejected("image_no_product", "the photo is fully transparent; send one that shows the product")
    near = box.grown(_MARGIN, alpha.shape)
    alpha = near.cut(alpha)
    colours = near.cut(photo.rgb)
    if photo.alpha is None:
        colours = foreground(colours, alpha)
    background = None if spec.content is Content.TRANSPARENT else spec.background
    canvas = compose(
        colours,
        alpha,
        size_px=spec.size_px,
        sides_px=spec.sides_px,
        fill=spec.fill,
        background=background,
        position=spec.position,
    )
    height, width = photo.rgb.shape[:2]
    placement = Placement(
        scale=canvas.enlargement,
        x=canvas.offset[0],
        y=canvas.offset[1],
        photo_width=width,
        photo_height=height,
        rotation=spec.position.rotation,
    )
    return canvas, placement.shifted(-near.left, -near.top)


def _content(canvas: Canvas, spec: PictureSpec) -> NDArray[np.uint8]:
    """Return the requested content: N×N×3 with a background, N×N×4 without, or the N×N mask."""
    if spec.content is Content.MASK:
        return canvas.alpha
    if spec.shadow is Shadow.CONTACT:
        shadow = contact_shadow(canvas.alpha)
        if spec.content is Content.TRANSPARENT:
            return shaded_cutout(canvas, shadow)
        return shaded(canvas, shadow, spec.background)
    return np.dstack([canvas.pixels, canvas.alpha]) if spec.content is Content.TRANSPARENT else canvas.pixels


def _lost_findings(measured: Measurements, outline: Outline) -> tuple[Finding, ...]:
    """Return a finding about product parts cut away, unless the engine itself reported them."""
    cutout = measured.cutout
    if cutout is None or cutout.lost is None or cutout.lost <= MAX_LOST:
        return ()
    if any(finding.code == "part_dropped" for finding in outline.findings):
        return ()
    message = "A part of the photo that differs from the backdrop was left out; check that it is not the product's."
    return (Finding(code="part_dropped", message=message, region=cutout.lost_region),)


def _size_findings(canvas: Canvas) -> tuple[Finding, ...]:
    if canvas.enlargement <= _VISIBLE_ENLARGEMENT:
        return ()
    message = f"The product was enlarged {canvas.enlargement:.1f} times, so it looks soft; send a larger photo."
    return (Finding(code="enlarged", message=message),)
