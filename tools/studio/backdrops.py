"""Backdrops: H×W×3 linear light, lit but without the product's shadow."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tools.studio.layers import Floats
from tools.studio.materials import Colour, grey, hsv
from tools.studio.textures import grain, noise, pattern, weave, wood

Backdrop = Callable[[np.random.Generator, tuple[int, int]], Floats]
"""Draws a backdrop of the given height and width."""


def plain(colour: Colour, *, uneven: float = 0.12) -> Backdrop:
    """Return paper of one colour, lit unevenly by up to the given share."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
        slope = rng.uniform(-0.5, 0.5, 2) * uneven
        centre = rng.uniform(-0.5, 0.5, 2)
        falloff = rng.uniform(0.0, 0.5) * uneven * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
        light = 1.0 + slope[0] * x + slope[1] * y - falloff
        return np.asarray(np.array(colour, np.float32) * light[:, :, None] * grain(rng, shape, 0.004), np.float32)

    return draw


def white(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a white backdrop that is nearly blown out."""
    return plain(grey(rng.uniform(0.93, 1.0), rng.uniform(-0.012, 0.012)), uneven=0.07)(rng, shape)


def pale(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a light grey or cream backdrop."""
    return plain(grey(rng.uniform(0.78, 0.95), rng.uniform(-0.02, 0.03)))(rng, shape)


def middle(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a grey backdrop."""
    return plain(grey(rng.uniform(0.42, 0.75), rng.uniform(-0.03, 0.03)), uneven=0.25)(rng, shape)


def dark(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a black or dark grey backdrop."""
    return plain(grey(rng.uniform(0.06, 0.25), rng.uniform(-0.02, 0.02)), uneven=0.5)(rng, shape)


def coloured(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw paper of a clear colour."""
    return plain(hsv(rng.random(), rng.uniform(0.25, 0.8), rng.uniform(0.5, 0.95)), uneven=0.2)(rng, shape)


def sweep(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a wall above a table of the same material, with a soft horizon."""
    value, tint = rng.uniform(0.6, 0.95), rng.uniform(-0.02, 0.04)
    wall = plain(grey(value, tint))(rng, shape)
    table = plain(grey(min(1.0, value * rng.uniform(0.85, 1.15)), tint))(rng, shape)
    horizon, soft = rng.uniform(0.45, 0.75) * shape[0], rng.uniform(0.01, 0.15) * shape[0]
    share = 1.0 / (1.0 + np.exp(-(np.arange(shape[0]) - horizon) / max(soft, 1.0)))
    share = share[:, None, None].astype(np.float32)
    return np.asarray(wall * (1 - share) + table * share, np.float32)


def wooden(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a table of wood."""
    return wood(rng, shape) * _unevenness(rng, shape)


def cloth(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw linen, a sheet or a tablecloth."""
    neutral = rng.random() < 0.6
    colour = grey(rng.uniform(0.5, 0.95), rng.uniform(-0.02, 0.04))
    if not neutral:
        colour = hsv(rng.random(), rng.uniform(0.15, 0.6), rng.uniform(0.4, 0.9))
    return weave(rng, shape, colour, rng.uniform(3.0, 8.0)) * _unevenness(rng, shape)


def patterned(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw stripes, checks, tiles or marble."""
    return pattern(rng, shape) * _unevenness(rng, shape)


def cluttered(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw a room or shelf out of focus behind a table."""
    height, width = shape
    room = np.empty((height, width, 3), np.float32)
    room[:] = grey(rng.uniform(0.3, 0.85), rng.uniform(-0.03, 0.05))
    if rng.random() < 0.6:
        _shelves(rng, room)
    else:
        for _ in range(rng.integers(6, 18)):
            across, down = rng.uniform(0.05, 0.3, 2) * (width, height) * (1.0, 1.5)
            x, y = rng.uniform(0, width), rng.uniform(0, height * 0.8)
            _block(room, x - across / 2, y - down / 2, across, down, _thing(rng))
    blur = rng.uniform(0.004, 0.02) * width
    room = np.asarray(cv2.GaussianBlur(room, (0, 0), blur), np.float32)
    table = wooden(rng, shape) if rng.random() < 0.6 else pale(rng, shape)
    edge = round(rng.uniform(0.55, 0.75) * height)
    room[edge:] = table[edge:]
    return room * _unevenness(rng, shape)


def _shelves(rng: np.random.Generator, room: Floats) -> None:
    """Fill the picture with shelves of goods side by side."""
    height, width = room.shape[:2]
    high = height * rng.uniform(0.16, 0.32)
    board = grey(rng.uniform(0.2, 0.9), rng.uniform(0.0, 0.05))
    for bottom in np.arange(high, height + high, high):
        x = -width * rng.uniform(0.0, 0.1)
        goods = _thing(rng)
        while x < width:
            if rng.random() < 0.35:
                goods = _thing(rng)
            across, down = rng.uniform(0.25, 0.6) * high, rng.uniform(0.5, 0.9) * high
            _block(room, x, bottom - down, across, down, goods)
            _block(room, x + across * 0.15, bottom - down * 0.7, across * 0.7, down * 0.3, _thing(rng))
            x += across * rng.uniform(1.02, 1.2)
        _block(room, 0, bottom, width, high * 0.07, board)


def _thing(rng: np.random.Generator) -> Colour:
    return hsv(rng.random(), rng.uniform(0.05, 0.8), rng.uniform(0.1, 0.95))


def _block(room: Floats, left: float, top: float, across: float, down: float, colour: Colour) -> None:
    corner, other = (int(left), int(top)), (int(left + across), int(top + down))
    cv2.rectangle(room, corner, other, colour, -1)
    edge = max(1, int(across * 0.12))
    cv2.rectangle(room, (other[0] - edge, corner[1]), other, tuple(0.6 * part for part in colour), -1)


def _unevenness(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return (0.8 + 0.4 * noise(rng, shape, max(shape), octaves=1))[:, :, None]
