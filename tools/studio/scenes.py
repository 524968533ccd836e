"""Scenes: which product, on which backdrop, in which light. A scene is a pure function of its class, seed and size."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tools.studio.camera import developed, draw_camera, exposed, file_of, focused
from tools.studio.layers import Floats, Pixels, Stage
from tools.studio.lighting import draw_shadows, reflected, shadow
from tools.studio.materials import draw_light, encoded
from tools.studio.products.bench import Bench, Place
from tools.studio.recipes import CLASSES, Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A photo of products whose alpha is known."""

    kind: str
    """Name of its class."""
    photo: bytes
    """The encoded photo."""
    suffix: str
    """Suffix of the photo's file name: ``.jpg`` or ``.png``."""
    alpha: Pixels
    """The share of each pixel that is product, H×W, 0 to 255. Clear glass is product wherever it is, though light
    passes; shadows and reflections are not."""
    findings: tuple[str, ...]
    """Codes of the findings that a result of this photo should carry, however good its outline is."""


def scene(kind: str, seed: int, *, side: int = 900) -> Scene:
    """Make the scene of a class with this seed; ``side`` is the photo's longer side in pixels.

    Raises:
        KeyError: there is no such class.

    """
    recipe = CLASSES[kind]
    rng = np.random.default_rng((seed, zlib.crc32(kind.encode())))
    shape = _shape(rng, side)
    backdrop = _choose(rng, recipe.backdrops)(rng, shape)
    mean = backdrop.mean((0, 1))
    from_side = float(rng.uniform(-0.8, 0.8))
    light = draw_light(rng, (float(mean[0]), float(mean[1]), float(mean[2])), side=from_side)
    stage = Stage(shape=shape)
    bench = Bench(stage=stage, light=light, rng=rng)
    _choose(rng, recipe.products)(bench, _place(rng, shape, recipe))
    shadows = draw_shadows(rng, standing=recipe.standing, side=from_side, hard=bool(rng.random() < recipe.hard))
    lit = backdrop * shadow(stage.items, shadows)[:, :, None]
    if rng.random() < recipe.mirror:
        lit = reflected(lit, stage.alpha(), stage.light(), float(rng.uniform(0.1, 0.5)))
    return _photographed(kind, stage, lit, recipe, rng, side)


def _photographed(kind: str, stage: Stage, lit: Floats, recipe: Recipe, rng: np.random.Generator, side: int) -> Scene:
    camera = draw_camera(rng, side=side)
    product = stage.light() + stage.transmitted * lit
    alpha = stage.alpha()
    # Mixed in sRGB, as every compositing program does: so this alpha reproduces the photo's pixels.
    share = alpha[:, :, None]
    picture = encoded(exposed(product, camera)) * share + encoded(exposed(lit, camera)) * (1.0 - share)
    pixels = developed(focused(picture, camera), camera, rng)
    photo, suffix = file_of(pixels, camera)
    return Scene(
        kind=kind,
        photo=photo,
        suffix=suffix,
        alpha=np.rint(np.clip(focused(alpha, camera), 0.0, 1.0) * 255.0).astype(np.uint8),
        findings=recipe.findings,
    )


def _shape(rng: np.random.Generator, side: int) -> tuple[int, int]:
    other = round(side * float(rng.choice((1.0, 1.0, 0.8, 0.75, 0.667))) / 4) * 4
    return (side, other) if rng.random() < 0.6 else (other, side)


def _place(rng: np.random.Generator, shape: tuple[int, int], recipe: Recipe) -> Place:
    short = min(shape)
    size = short * float(rng.uniform(*recipe.sizes))
    room_x, room_y = (max(0.0, (side - size) / 2 - 0.04 * short) for side in (shape[1], shape[0]))
    x = shape[1] / 2 + float(rng.uniform(-0.5, 0.5)) * room_x
    y = shape[0] / 2 + float(rng.uniform(-0.5, 0.5)) * room_y
    return Place(x=x, y=y, size=size)


def _choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(0, len(options)))]
