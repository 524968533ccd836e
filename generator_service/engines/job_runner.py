"""Does the pool's jobs. Imported by child processes only: here is where the heavy imports are."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.jobs import RembgCut, RenderJob, ShrinkJob
from generator_service.imaging.decode import decode
from generator_service.imaging.render import Cut, render

_JPEG_QUALITY = 92

# A broken file makes Pillow warn, over and over. Whoever sent it is told what matters; the log needs none of it.
warnings.filterwarnings("ignore", module=r"PIL\.")


def perform(job: object, report: ProgressReport) -> Picture | bytes:
    """Do one job.

    Raises:
        ImageRejected: the photo can't be used.

    """
    match job:
        case RenderJob():
            return _render(job, report)
        case ShrinkJob():
            return shrink(job.photo, job.max_side_px)
        case _:
            raise TypeError(f"{type(job).__name__} is not a job")


def _render(job: RenderJob, report: ProgressReport) -> Picture:
    made = render(job.photo, job.spec, report, original=job.original, cut=_cutter(job.cut))
    return Picture(
        data=made.data,
        format=made.format,
        width=made.width,
        height=made.height,
        fill=made.fill,
        confidence=made.confidence,
        warnings=made.warnings,
        report=made.report,
        thumbnail=made.thumbnail,
        engine=job.engine,
    )


def _cutter(how: RembgCut | None) -> Cut | None:
    if how is None:
        return None
    from generator_service.engines import rembg_cut  # An optional extra, and slow to import.

    return lambda rgb: rembg_cut.cut(rgb, how)


def shrink(photo: bytes, max_side_px: int) -> bytes:
    """Return ``photo`` as a JPEG, upright, in sRGB, no side longer than ``max_side_px``, and without its metadata.

    Raises:
        ImageRejected: as `generator_service.imaging.decode.decode`.

    """
    decoded = decode(photo)
    image = Image.fromarray(decoded.rgb)
    if decoded.alpha is not None:
        # What a cut-out hides is not product.
        image = Image.composite(image, Image.new("RGB", image.size, "white"), Image.fromarray(decoded.alpha))
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return jpeg.getvalue()
