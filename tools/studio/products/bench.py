"""Where products are made: the stage, the light and the source of chance, with short ways to add parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.studio.layers import Floats, Mask, Points, Stage, filled, stroked
from tools.studio.materials import Colour, Light, Material, grey, hsv, shade
from tools.studio.surfaces import flat, rounded
from tools.studio.textures import grain, noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a product goes: the middle, and the side of the square that it fits in, in pixels."""

    x: float
    y: float
    size: float

    @property
    def foot(self) -> float:
        """The lowest y."""
        return self.y + self.size / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A stage being filled."""

    stage: Stage
    light: Light
    rng: np.random.Generator

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return self.stage.shape

    def add(
        self,
        mask: Mask,
        normals: Floats,
        colour: Floats | Colour,
        material: Material,
        *,
        occlusion: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        """Shade a part and lay it over the others; ``texture`` is the strength of its surface's irregularity."""
        light = shade(normals, colour, material, self.light)
        if texture > 0:
            light = light * grain(self.rng, light.shape[:2], texture)
        self.stage.add(mask, light, occlusion=occlusion)

    def plate(
        self,
        outline: Points | tuple[Points, ...],
        colour: Floats | Colour,
        material: Material,
        *,
        bevel: float = 1.5,
        occlusion: float = 0.0,
        texture: float = 0.0,
    ) -> Mask:
        """Add a flat part with rounded edges; further outlines are holes. Return its mask."""
        contours = outline if isinstance(outline, tuple) else (outline,)
        mask = filled(self.shape, *contours)
        normals = rounded(mask, bevel) if bevel > 0 else flat(mask)
        if material.metal:
            normals = self._brushed(normals)
        self.add(mask, normals, colour, material, occlusion=occlusion, texture=texture)
        return mask

    def tube(
        self,
        paths: Points | list[Points],
        width: float,
        colour: Colour,
        material: Material,
        *,
        closed: bool = False,
        occlusion: float = 0.0,
    ) -> Mask:
        """Add wires, cords or pipes of one width along paths. Return their mask."""
        mask = stroked(self.shape, paths if isinstance(paths, list) else [paths], width, closed=closed)
        self.add(mask, rounded(mask, width / 2), colour, material, occlusion=occlusion)
        return mask

    def _brushed(self, normals: Floats) -> Floats:
        """Tilt a metal's surface a little, so that its reflections run."""
        height = noise(self.rng, normals.shape[:2], 0.7 * max(normals.shape[:2]), octaves=1)
        tilted = normals.copy()
        tilted[:, :, 0] += 0.5 * (height - 0.5)
        tilted[:, :, 1] += 0.5 * (noise(self.rng, normals.shape[:2], 0.7 * max(normals.shape[:2]), octaves=1) - 0.5)
        return np.asarray(tilted / np.linalg.norm(tilted, axis=2, keepdims=True), np.float32)


def vivid(rng: np.random.Generator) -> Colour:
    """Draw a saturated colour."""
    return hsv(rng.random(), rng.uniform(0.55, 0.95), rng.uniform(0.4, 0.95))


def any_colour(rng: np.random.Generator) -> Colour:
    """Draw a colour as products have them: a third of them neutral."""
    if rng.random() < 0.33:
        return neutral(rng)
    return hsv(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.25, 0.95))


def neutral(rng: np.random.Generator) -> Colour:
    """Draw a grey from black to white."""
    return grey(rng.uniform(0.06, 0.96), rng.uniform(-0.02, 0.02))


def blackish(rng: np.random.Generator) -> Colour:
    """Draw a black or very dark colour."""
    return hsv(rng.random(), rng.uniform(0.0, 0.5), rng.uniform(0.05, 0.2))


def whitish(rng: np.random.Generator) -> Colour:
    """Draw a white."""
    return grey(rng.uniform(0.88, 1.0), rng.uniform(-0.01, 0.015))
