"""Materials and the light on them. Colours are linear light, 0 to 1 and above."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.studio.layers import Floats, Pixels

Colour = tuple[float, float, float]


def linear(srgb: NDArray[np.generic]) -> Floats:
    """Convert sRGB, 0 to 1, to linear light."""
    values = np.clip(np.asarray(srgb, np.float32), 0.0, 1.0)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encoded(light: Floats) -> Floats:
    """Convert linear light to sRGB, 0 to 1; light above 1 rolls off as in a camera."""
    soft = np.where(light > 0.85, 1.0 - 0.15 * np.exp((0.85 - light) / 0.15), np.maximum(light, 0.0))
    return np.where(soft <= 0.0031308, soft * 12.92, 1.055 * np.maximum(soft, 1e-8) ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return the linear light of a colour: hue 0 to 1, saturation and value 0 to 1 as in sRGB."""
    pixel = np.array([[[hue * 360.0 % 360.0, saturation, value]]], np.float32)
    red, green, blue = linear(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB))[0, 0]
    return float(red), float(green), float(blue)


def grey(value: float, tint: float = 0.0) -> Colour:
    """Return the linear light of a grey, 0 to 1 as in sRGB, warm (positive tint) or cold by a few hundredths."""
    red, green, blue = linear(np.array((value + tint, value, value - tint)))
    return float(red), float(green), float(blue)


def from_picture(picture: Pixels) -> Floats:
    """Return the linear light of an sRGB picture."""
    return linear(picture.astype(np.float32) / 255.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Optical properties of a surface."""

    roughness: float = 0.5
    """0: a mirror-like gloss; 1: none."""
    gloss: float = 1.0
    """Strength of reflections of non-metals."""
    metal: bool = False
    sheen: float = 0.0
    """Light that cloth and skin return at grazing angles."""


MATTE = Material(roughness=0.9, gloss=0.35)
SATIN = Material(roughness=0.45, gloss=0.8)
GLOSSY = Material(roughness=0.12, gloss=1.0)
PAPER = Material(roughness=1.0, gloss=0.1)
CLOTH = Material(roughness=1.0, gloss=0.05, sheen=0.25)
POLISHED = Material(roughness=0.08, metal=True)
BRUSHED = Material(roughness=0.4, metal=True)

STEEL: Colour = (0.78, 0.79, 0.82)
GOLD: Colour = (0.95, 0.66, 0.25)
COPPER: Colour = (0.90, 0.50, 0.36)
DARK_METAL: Colour = (0.16, 0.16, 0.18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Softbox:
    """A bright area around the product: a direction, the cosine of its half angle, its light."""

    towards: tuple[float, float, float]
    reach: float
    light: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The light of a scene: a key light, ambient light and the surroundings that shiny surfaces reflect."""

    key: tuple[float, float, float]
    """Direction to the key light, a unit vector."""
    ambient: float
    """Share of the light that comes from everywhere, 0 to 1."""
    boxes: tuple[Softbox, ...]
    above: Colour
    """Surroundings above the horizon, and below it: tinted by the backdrop."""
    below: Colour


def draw_light(rng: np.random.Generator, backdrop: Colour, *, side: float | None = None) -> Light:
    """Draw a studio's light around a backdrop of this colour. ``side``: from the left (-1) to the right (1)."""
    side = rng.uniform(-0.7, 0.7) if side is None else side
    key = _unit((side, -rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.9)))
    room = np.array(backdrop) * 0.5 + 0.08
    boxes = [
        Softbox(towards=_unit((side * 1.4, -0.75, 0.55)), reach=rng.uniform(0.8, 0.93), light=rng.uniform(1.2, 2.2))
    ]
    if rng.random() < 0.75:
        boxes.append(Softbox(towards=_unit((-np.sign(side) * 1.0, -0.1, 0.25)), reach=0.9, light=rng.uniform(0.4, 1.1)))
    if rng.random() < 0.4:
        boxes.append(Softbox(towards=_unit((0.0, -1.0, 0.1)), reach=0.85, light=rng.uniform(0.5, 1.4)))
    return Light(
        key=key,
        ambient=rng.uniform(0.35, 0.65),
        boxes=tuple(boxes),
        above=_colour(room * rng.uniform(0.7, 1.3)),
        below=_colour(np.array(backdrop) * rng.uniform(0.45, 0.8)),
    )


def _colour(values: NDArray[np.float64]) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _unit(vector: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = np.array(vector) / np.linalg.norm(vector)
    return float(x), float(y), float(z)


def shade(normals: Floats, colour: Floats | Colour, material: Material, light: Light) -> Floats:
    """Return the light, h×w×3, that a surface sends to the camera."""
    albedo = np.asarray(colour, np.float32)
    facing = np.clip(normals[:, :, 2:], 0.0, 1.0)
    mirrored = surroundings(2.0 * facing * normals - (0.0, 0.0, 1.0), material.roughness, light)
    if material.metal:
        grazing = (1.0 - facing) ** 5
        return np.asarray(mirrored * (albedo + (1.0 - albedo) * grazing) * 1.15, np.float32)
    toward = np.clip(normals @ np.array(light.key, np.float32), 0.0, 1.0)[:, :, None]
    sky = 0.75 - 0.25 * normals[:, :, 1:2]
    received = light.ambient * sky + (1.0 - light.ambient) * toward
    facing_camera = light.ambient * 0.75 + (1.0 - light.ambient) * light.key[2]
    fresnel = 0.04 + 0.5 * (1.0 - material.roughness) * (1.0 - facing) ** 5
    reflected = fresnel * material.gloss * mirrored
    sheen = material.sheen * (1.0 - facing) ** 2 * albedo
    return np.asarray(albedo * received / facing_camera + reflected + sheen, np.float32)


def surroundings(towards: Floats, roughness: float, light: Light) -> Floats:
    """Return the light, h×w×3, that comes from directions: the room, and softboxes with edges as soft as it's rough."""
    edge = 0.02 + 0.45 * roughness
    up = _ramp(-towards[:, :, 1:2] / (0.12 + roughness))
    room = np.array(light.below, np.float32) * (1.0 - up) + np.array(light.above, np.float32) * up
    for box in light.boxes:
        cosine = towards @ np.array(box.towards, np.float32)
        room = room + box.light * (1.0 - 0.5 * roughness) * _ramp((cosine - box.reach) / edge)[:, :, None]
    return np.asarray(room, np.float32)


def _ramp(values: Floats) -> Floats:
    """Return a smooth step from 0 (at -1) to 1 (at 1)."""
    t = np.clip(values * 0.5 + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)
