"""Blades with handles, scissors, meshes, racks, cables: metal and wire."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Points, filled
from tools.studio.materials import BRUSHED, DARK_METAL, GLOSSY, MATTE, POLISHED, SATIN, STEEL, Colour, Material
from tools.studio.products.bench import Bench, Place, any_colour, blackish, neutral, vivid
from tools.studio.surfaces import curve, ellipse, rectangle, ribbon, turned
from tools.studio.textures import wood


def blade(bench: Bench, place: Place, *, angle: float | None = None, handle: Colour | None = None) -> None:
    """Add a knife, spatula, chisel or file: a steel blade with a handle."""
    rng = bench.rng
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    length = place.size
    wide = length * rng.uniform(0.05, 0.14)
    cut = rng.uniform(0.42, 0.6)
    kind = rng.integers(0, 3)
    if kind == 0:
        edge = ((0.0, -0.5), (cut * 0.7, -0.5), (cut, -0.45), (cut, 0.5), (cut * 0.6, 0.5), (0.12, 0.1))
        outline = np.array(edge) * (length, wide)
        outline[0] = (0.0, -0.3 * wide)
    elif kind == 1:
        outline = rectangle(cut * length, wide * 1.6, radius=wide * 0.3) + (cut * length / 2, 0.0)
    else:
        outline = np.array(((0.0, -0.5), (cut, -0.5), (cut, 0.5), (0.0, 0.5))) * (length, wide)
    move = (-0.5 * length, 0.0)
    place_at = np.array((place.x, place.y))

    def put(points: Points) -> Points:
        return np.asarray(turned(points + move, angle) + place_at)

    metal = BRUSHED if rng.random() < 0.7 else POLISHED
    steel = tuple(np.array(STEEL) * rng.uniform(0.75, 1.05))
    bench.plate(put(outline), steel, metal, bevel=wide * rng.uniform(0.06, 0.3), texture=0.01)
    if kind == 1 and rng.random() < 0.6:
        slots = [rectangle(cut * length * 0.5, wide * 0.12, radius=wide * 0.06) for _ in range(3)]
        holes = tuple(put(slot + (cut * length * 0.4, wide * 0.4 * (row - 1))) for row, slot in enumerate(slots))
        _pierce(bench, holes)
    grip = np.array(((cut, 0.0), (0.55 + cut * 0.3, 0.1), (0.85, -0.06), (0.97, 0.08))) * (length, wide)
    widths = np.interp(np.linspace(0, 1, 73), (0.0, 0.2, 0.6, 0.95, 1.0), np.array((0.7, 0.85, 0.75, 0.95, 0.7)) * wide)
    shape = ribbon(curve(grip), widths)
    colour = handle or (blackish(rng) if rng.random() < 0.6 else any_colour(rng))
    held = bench.plate(put(shape), colour, SATIN if rng.random() < 0.6 else MATTE, bevel=wide * 0.35, occlusion=2.0)
    if handle is None and rng.random() < 0.3:
        rows, columns = held.window
        board = wood(rng, (rows.stop - rows.start, columns.stop - columns.start))
        bench.plate(put(shape), board * 0.6, SATIN, bevel=wide * 0.35)
    for share in (0.15, 0.5, 0.85) if rng.random() < 0.5 else ():
        x, y = put(np.array(((cut + (0.97 - cut) * share) * length, 0.0)) + np.zeros((1, 2)))[0]
        bench.plate(ellipse(x, y, wide * 0.1, wide * 0.1), STEEL, POLISHED, bevel=wide * 0.08)


def _pierce(bench: Bench, holes: tuple[Points, ...]) -> None:
    """Open holes in everything that is on the stage so far."""
    for hole in holes:
        bench.stage.open(filled(bench.shape, hole))


def scissors(bench: Bench, place: Place) -> None:
    """Add scissors: two crossing blades and two rings with openings."""
    rng = bench.rng
    size, angle, spread = place.size, rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.3)
    colour = vivid(rng) if rng.random() < 0.6 else blackish(rng)
    at = np.array((place.x, place.y))
    for sign in (1, -1):
        lean = sign * spread / 2
        edge = np.array(((-0.5, 0.0), (0.0, -0.045 * sign), (0.08, 0.0), (0.0, 0.035 * sign))) * size
        bench.plate(turned(edge, angle + lean) + at, STEEL, BRUSHED, bevel=size * 0.008, occlusion=1.5)
        shank = np.array(((0.02, 0.0), (0.12, -0.01 * sign), (0.2, -0.03 * sign))) * size
        bench.tube(turned(curve(shank), angle + lean) + at, size * 0.035, colour, SATIN)
        ring = ellipse(0.34 * size, -0.075 * size * sign, 0.14 * size, 0.085 * size)
        bench.tube(turned(ring, angle + lean) + at, size * 0.04, colour, SATIN, closed=True, occlusion=1.0)
    bench.plate(ellipse(at[0], at[1], size * 0.018, size * 0.018), STEEL, POLISHED, bevel=size * 0.012)


def mesh(bench: Bench, place: Place) -> None:
    """Add a wire rack, grille or net in a frame."""
    rng = bench.rng
    width, height = place.size * np.array((1.0, rng.uniform(0.55, 1.0)))
    angle = rng.uniform(-0.4, 0.4)
    at = np.array((place.x, place.y))
    gap = place.size * rng.uniform(0.035, 0.09)
    wire = max(1.2, gap * rng.uniform(0.1, 0.25))
    colour, material = _wire(rng)
    lines = []
    if rng.random() < 0.8:
        lines += [np.array(((-width / 2, y), (width / 2, y))) for y in np.arange(-height / 2 + gap, height / 2, gap)]
    lines += [np.array(((x, -height / 2), (x, height / 2))) for x in np.arange(-width / 2 + gap, width / 2, gap)]
    if rng.random() < 0.25:
        lines = [turned(line, np.pi / 4) * 0.7 for line in lines]
    for line in lines:
        bench.tube(turned(line, angle) + at, wire, colour, material)
    frame = rectangle(width, height, radius=rng.uniform(0, 0.12) * width)
    bench.tube(turned(frame, angle) + at, wire * rng.uniform(1.8, 4.0), colour, material, closed=True, occlusion=1.0)


def strainer(bench: Bench, place: Place) -> None:
    """Add a round sieve or racket with a handle."""
    rng = bench.rng
    angle = rng.uniform(0, 2 * np.pi)
    at = np.array((place.x, place.y))
    radius = place.size * rng.uniform(0.24, 0.32)
    centre = np.array((-place.size / 2 + radius, 0.0))
    squash = rng.uniform(0.75, 1.0)
    gap = radius * rng.uniform(0.08, 0.2)
    wire = max(1.0, gap * rng.uniform(0.1, 0.22))
    colour, material = _wire(rng)
    for direction in (0.0, np.pi / 2):
        for offset in np.arange(-radius + gap, radius, gap):
            half = np.sqrt(radius * radius - offset * offset)
            line = turned(np.array(((offset, -half), (offset, half))), direction) * (1.0, squash)
            bench.tube(turned(line + centre, angle) + at, wire, colour, material)
    rim = ellipse(0.0, 0.0, radius, radius * squash)
    bench.tube(turned(rim + centre, angle) + at, radius * 0.08, colour, material, closed=True, occlusion=1.0)
    grip = np.array(((centre[0] + radius, 0.0), (place.size / 2, 0.0)))
    bench.tube(turned(grip, angle) + at, radius * 0.13, any_colour(rng), SATIN, occlusion=1.0)


def wheel(bench: Bench, place: Place) -> None:
    """Add a wheel: a tyre, a rim, thin spokes."""
    rng = bench.rng
    radius = place.size / 2
    at = np.array((place.x, place.y))
    tyre = radius * rng.uniform(0.05, 0.14)
    count = int(rng.integers(8, 32))
    metal, material = _wire(rng)
    for turn in np.linspace(0, 2 * np.pi, count, endpoint=False):
        spoke = turned(np.array(((radius * 0.1, 0.0), (radius - tyre, 0.0))), turn + rng.normal(0, 0.01)) + at
        bench.tube(spoke, max(1.2, radius * 0.012), metal, material)
    bench.tube(
        ellipse(at[0], at[1], radius - 1.3 * tyre, radius - 1.3 * tyre), tyre * 0.5, metal, material, closed=True
    )
    bench.tube(
        ellipse(at[0], at[1], radius - tyre / 2, radius - tyre / 2),
        tyre,
        blackish(rng),
        MATTE,
        closed=True,
        occlusion=1.0,
    )
    bench.plate(
        ellipse(at[0], at[1], radius * 0.12, radius * 0.12), metal, material, bevel=radius * 0.05, occlusion=1.5
    )


def _wire(rng: np.random.Generator) -> tuple[Colour, Material]:
    match rng.integers(0, 4):
        case 0:
            return blackish(rng), SATIN
        case 1:
            return STEEL, POLISHED
        case 2:
            return DARK_METAL, BRUSHED
        case _:
            return any_colour(rng), GLOSSY


def cable(bench: Bench, place: Place) -> None:
    """Add a thin cable in loops with a plug at each end."""
    rng = bench.rng
    colour = (neutral(rng), blackish(rng), vivid(rng))[rng.integers(0, 3)]
    width = max(2.0, place.size * rng.uniform(0.006, 0.016))
    turns = rng.uniform(1.2, 3.2)
    angle = np.linspace(0, 2 * np.pi * turns, int(60 * turns))
    radius = place.size * (0.3 + 0.05 * np.sin(angle * 0.37 + rng.uniform(0, 6)))
    spread = np.array((1.0, rng.uniform(0.55, 1.0)))
    loop = np.stack((np.cos(angle), np.sin(angle)), 1) * radius[:, None] * spread
    loop += np.cumsum(rng.normal(0, 0.0012 * place.size, loop.shape), 0)
    away = np.array(((0.36, 0.1), (0.43, 0.28), (0.36, 0.42))) * place.size
    path = curve(np.concatenate((-away[::-1] * (1, 0.9), loop[6:-6:6], away))) + (place.x, place.y)
    for start in range(0, len(path) - 1, 40):
        bench.tube(path[start : start + 42], width, colour, SATIN, occlusion=1.0)
    for tip, before in ((path[0], path[6]), (path[-1], path[-7])):
        _plug(bench, tip, float(np.arctan2(*(tip - before)[::-1])), width, colour)


def _plug(bench: Bench, at: Points, angle: float, width: float, colour: Colour) -> None:
    shell = turned(rectangle(width * 5, width * 2.6, radius=width * 0.6), angle) + at
    tip = turned(rectangle(width * 3, width * 1.7) + (width * 3.6, 0.0), angle) + at
    bench.plate(tip, STEEL, BRUSHED, bevel=width * 0.3)
    bench.plate(shell, colour, SATIN, bevel=width * 0.7, occlusion=1.0)
