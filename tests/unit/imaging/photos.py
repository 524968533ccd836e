"""Synthetic product photos, and their files in every form."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generator_service.domain.finding import Finding
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Content, OutputFormat, Shadow

Pixels = NDArray[np.uint8]

WHITE = (255, 255, 255)


def product_photo(
    *,
    size: tuple[int, int] = (320, 240),
    backdrop: tuple[int, int, int] = (214, 216, 220),
    product: tuple[int, int, int] = (170, 40, 30),
    shape: str = "box",
    shadow: bool = True,
    seed: int = 0,
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Draw one product on a softly lit backdrop, size as (width, height); return the photo and the product's mask."""
    width, height = size
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    light = (0.93 + 0.07 * x - 0.05 * y * y)[:, :, None]
    photo = np.array(backdrop) * light
    mask = np.zeros((height, width), np.uint8)
    centre = (width // 2, height // 2)
    if shape == "box":
        cv2.rectangle(mask, (width * 3 // 10, height // 4), (width * 7 // 10, height * 3 // 4), 255, -1)
    elif shape == "ellipse":
        cv2.ellipse(mask, centre, (width // 4, height // 3), 0, 0, 360, 255, -1)
    elif shape == "ring":
        cv2.circle(mask, centre, height // 3, 255, height // 8)
    elif shape == "pair":
        cv2.ellipse(mask, (width * 3 // 10, height // 2), (width // 9, height // 4), 0, 0, 360, 255, -1)
        cv2.ellipse(mask, (width * 7 // 10, height // 2), (width // 9, height // 4), 0, 0, 360, 255, -1)
    else:
        raise ValueError(shape)
    if shadow:
        fallen = cv2.GaussianBlur(np.roll(mask, (height // 40, width // 40), (0, 1)), (0, 0), height / 40)
        photo = photo * (1.0 - 0.25 * fallen[:, :, None] / 255.0)
    soft = (cv2.GaussianBlur(mask, (0, 0), 0.7) / 255.0)[:, :, None]
    shaded = np.array(product) * (0.85 + 0.3 * x * y)[:, :, None]
    photo = photo * (1 - soft) + shaded * soft
    photo += np.random.default_rng(seed).normal(0, 1.5, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8), mask > 0


def encoded(pixels: Pixels | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Save as a file of one kind."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Pixels:
    """Decode with Pillow alone, as a viewer would."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def png_header(width: int, height: int) -> bytes:
    """Make a PNG that declares a size and has no pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def spec(
    *,
    size_px: int | None = 400,
    fill: float = 0.85,
    output: OutputFormat = OutputFormat.PNG,
    background: tuple[int, int, int] = WHITE,
    max_bytes: int | None = None,
    shadow: Shadow = Shadow.NONE,
    content: Content = Content.PICTURE,
) -> PictureSpec:
    """Return options for a small picture."""
    return PictureSpec(
        size_px=size_px,
        fill=fill,
        format=output,
        background=background,
        max_bytes=max_bytes,
        shadow=shadow,
        content=content,
    )


def silent(percent: int, stage: str) -> None:
    """Discard progress reports."""


def codes(findings: tuple[Finding, ...]) -> list[str]:
    """Return the codes of findings, in their order."""
    return [finding.code for finding in findings]
