"""The camera: vignetting, white balance, blur, noise and compression."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tools.studio.layers import Floats, Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera and its settings."""

    vignette: float = 0.0
    """Share of light lost in the corners."""
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Gains of red, green and blue."""
    blur: float = 0.0
    """Standard deviation in pixels."""
    noise: float = 0.0
    """Standard deviation in a middle grey, of 255."""
    chroma_noise: bool = True
    """Whether the channels' noise differs."""
    quality: int | None = None
    """JPEG's, 1 to 100; None: PNG."""


def draw_camera(rng: np.random.Generator, *, side: int) -> Camera:
    """Draw a camera for photos of this longest side: from a good one with care to an old phone."""
    careless = rng.random() < 0.35
    warmth, tint = rng.normal(0.0, 0.04 if careless else 0.015), rng.normal(0.0, 0.012)
    return Camera(
        vignette=rng.uniform(0.0, 0.25 if careless else 0.08),
        balance=(1.0 + warmth, 1.0 + tint, 1.0 - warmth),
        blur=rng.uniform(0.35, 1.1 if careless else 0.65) * max(1.0, side / 1200),
        noise=rng.uniform(1.0, 6.0) if careless else rng.uniform(0.2, 1.8),
        chroma_noise=bool(rng.random() < 0.6),
        quality=int(rng.integers(62, 97)) if rng.random() < 0.85 else None,
    )


def exposed(light: Floats, camera: Camera) -> Floats:
    """Return linear light, H×W×3, behind the lens: with vignetting and white balance."""
    height, width = light.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    falloff = 1.0 - camera.vignette * (x * x + y * y)[:, :, None] / 2.0
    return np.asarray(light * falloff * np.array(camera.balance, np.float32), np.float32)


def focused(picture: Floats, camera: Camera) -> Floats:
    """Return a picture, or an alpha, as sharp as the lens draws it."""
    if camera.blur <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), camera.blur), np.float32)


def developed(picture: Floats, camera: Camera, rng: np.random.Generator) -> Pixels:
    """Return the sRGB pixels, H×W×3, of a picture of 0 to 1, with the sensor's noise."""
    height, width = picture.shape[:2]
    drawn = rng.normal(0.0, camera.noise / 255.0, (height, width, 3 if camera.chroma_noise else 1))
    # Neighbouring pixels share some noise, since sensors see one colour each.
    smooth = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 0.55).reshape(height, width, -1) * 1.7
    shot = np.sqrt(np.clip(picture, 0.02, 1.0)) * 1.4
    return np.rint(np.clip(picture + smooth * shot, 0.0, 1.0) * 255.0).astype(np.uint8)


def file_of(pixels: Pixels, camera: Camera) -> tuple[bytes, str]:
    """Return the encoded photo and its file name's suffix."""
    if camera.quality is None:
        _, data = cv2.imencode(".png", pixels[:, :, ::-1])
        return data.tobytes(), ".png"
    _, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    return data.tobytes(), ".jpg"
