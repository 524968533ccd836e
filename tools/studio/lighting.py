"""Shadows and reflections: the effects of a product on the light on its backdrop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tools.studio.layers import Floats, Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadows:
    """How items darken the backdrop; strengths are shares of its light, 0 to 1, lengths shares of the photo's side."""

    standing: bool
    """Whether items stand upright before the camera, or lie flat beneath it."""
    contact: float
    """Strength right where an item touches."""
    ambient: float
    """Strength of the wide, soft darkening around."""
    cast: float
    """Strength of the shadow that the key light casts."""
    towards: tuple[float, float]
    """Lying: the cast shadow's shift. Standing: how far it leans to the side and lies down per unit of height."""
    softness: float
    """Width of the cast shadow's edge."""


def draw_shadows(rng: np.random.Generator, *, standing: bool, side: float, hard: bool = False) -> Shadows:
    """Draw shadows for a key light from ``side``: left (-1) to right (1)."""
    if standing:
        towards = (-side * rng.uniform(0.3, 0.9), rng.uniform(0.06, 0.3) * (1 if rng.random() < 0.8 else -0.5))
    else:
        reach = rng.uniform(0.004, 0.025)
        towards = (-side * reach, reach * rng.uniform(0.4, 1.0))
    return Shadows(
        standing=standing,
        contact=rng.uniform(0.35, 0.85),
        ambient=rng.uniform(0.08, 0.35),
        cast=rng.uniform(0.4, 0.7) if hard else rng.uniform(0.0, 0.35),
        towards=towards,
        softness=rng.uniform(0.002, 0.006) if hard else rng.uniform(0.008, 0.03),
    )


def shadow(items: list[Pixels], shadows: Shadows) -> Floats:
    """Return the share of light, H×W from 0 (none) to 1, that reaches the backdrop beside the items (H×W, 0 to 255)."""
    light = np.ones(items[0].shape, np.float32)
    for item in items:
        if item.any():
            light *= _standing(item, shadows) if shadows.standing else _lying(item, shadows)
    return light


def _blurred(picture: Floats, sigma: float) -> Floats:
    """Blur; wide kernels in a smaller copy."""
    if sigma < 6.0:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(sigma, 0.3)), np.float32)
    factor = 3.0 / sigma
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 3.0)
    return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32).clip(0.0, 1.0)


def _lying(item: Pixels, shadows: Shadows) -> Floats:
    share = item.astype(np.float32) / 255.0
    side = max(item.shape)
    touching = _blurred(share, 0.003 * side)
    around = _blurred(share, 0.03 * side)
    cast = _blurred(_moved(share, *(shift * side for shift in shadows.towards)), shadows.softness * side)
    return np.asarray(
        (1.0 - 0.6 * shadows.contact * touching) * (1.0 - shadows.ambient * around) * (1.0 - shadows.cast * cast),
        np.float32,
    )


def _standing(item: Pixels, shadows: Shadows) -> Floats:
    share = item.astype(np.float32) / 255.0
    side = max(item.shape)
    rows = np.flatnonzero(item.any(1))
    base, height = float(rows[-1] + 1), float(rows[-1] + 1 - rows[0])
    foot = share.copy()
    foot[: max(0, int(base - max(3.0, 0.1 * height)))] = 0.0
    squashed = np.array(((1, 0, 0), (0, 0.3, 0.705 * base)), np.float32)
    foot = np.asarray(cv2.warpAffine(foot, squashed, item.shape[::-1]), np.float32)
    touching = _blurred(foot, 0.004 * side)
    around = _blurred(foot, 0.03 * side)
    lean, down = shadows.towards
    # A point at height h lands h·lean to the side of its foot and h·down behind it.
    laid = np.array(((1, -lean, lean * base), (0, down, base - down * base)), np.float32)
    cast = np.asarray(cv2.warpAffine(share, laid, item.shape[::-1]), np.float32)
    near, far = _blurred(cast, shadows.softness * side), _blurred(cast, 3.0 * shadows.softness * side)
    distance = np.clip(np.abs(np.arange(item.shape[0]) - base) / max(abs(down) * height, 1.0), 0.0, 1.0)
    cast = near + (far - near) * distance[:, None].astype(np.float32)
    return np.asarray(
        (1.0 - shadows.contact * touching) * (1.0 - 1.6 * shadows.ambient * around) * (1.0 - shadows.cast * cast),
        np.float32,
    )


def _moved(share: Floats, right: float, down: float) -> Floats:
    matrix = np.array(((1, 0, right), (0, 1, down)), np.float32)
    return np.asarray(cv2.warpAffine(share, matrix, share.shape[::-1]), np.float32)


def reflected(backdrop: Floats, alpha: Floats, light: Floats, strength: float) -> Floats:
    """Return the backdrop, H×W×3, with the product mirrored below its foot, fading over a third of its height."""
    rows = np.flatnonzero((alpha > 0.5).any(1))
    if not rows.size:
        return backdrop
    base, height = int(rows[-1]) + 1, int(rows[-1]) + 1 - int(rows[0])
    depth = min(backdrop.shape[0] - base, base, max(1, height // 3))
    if depth <= 0:
        return backdrop
    fade = strength * np.linspace(1.0, 0.0, depth, dtype=np.float32)[:, None, None]
    share = cv2.GaussianBlur(alpha[base - depth : base][::-1], (0, 0), 1.2)[:, :, None] * fade
    mirrored = cv2.GaussianBlur(light[base - depth : base][::-1], (0, 0), 1.2)
    result = backdrop.copy()
    result[base : base + depth] = result[base : base + depth] * (1.0 - share) + mirrored * share
    return result
