"""Runs the pool's jobs. Imported by child processes only, because its imports are heavy."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from generator_service.domain.task_options import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import RenderJob, ShrinkJob
from generator_service.imaging.cutting.network import Prior, own_network
from generator_service.imaging.render import render
from generator_service.imaging.source.decode import decode

_JPEG_QUALITY = 92

# A broken file makes Pillow warn repeatedly. Relevant problems are reported to the client, so the log omits them.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Loaded at import, so that the first photo doesn't wait for it; damaged weights make the process fail at start.
own_network()


def perform(job: object, report: ProgressReport) -> Picture | bytes:
    """Run one job.

    Raises:
        ImageRejected: the photo can't be used.

    """
    match job:
        case RenderJob():
            return picture_of(job, report, None)
        case ShrinkJob():
            report(0, "preparing")
            return shrink(job.photo, job.max_side_px)
        case _:
            raise TypeError(f"{type(job).__name__} is not a job")


def picture_of(job: RenderJob, report: ProgressReport, prior: Prior | None) -> Picture:
    """Make a picture; ``prior`` is the network of the process, if it has one.

    Raises:
        ImageRejected: the photo can't be used.

    """
    made = render(job.photo, job.spec, report, original=job.original, prior=prior, compare=job.compare)
    return Picture(
        data=made.data,
        format=made.format,
        width=made.width,
        height=made.height,
        fill=made.fill,
        confidence=made.confidence,
        findings=made.findings,
        report=made.report,
        placement=made.placement,
        thumbnail=made.thumbnail,
        engine=Engine.LOCAL if prior is not None and not made.by_network else job.engine,
        mask=made.mask,
    )


def shrink(photo: bytes, max_side_px: int) -> bytes:
    """Return ``photo`` as a JPEG, upright, in sRGB, no side longer than ``max_side_px``, and without its metadata.

    Raises:
        ImageRejected: as `generator_service.imaging.source.decode.decode`.

    """
    decoded = decode(photo)
    image = Image.fromarray(decoded.rgb)
    if decoded.alpha is not None:
        # Pixels hidden by a cut-out are not product.
        image = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(decoded.alpha))
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return jpeg.getvalue()
