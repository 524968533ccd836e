"""Bags, watches, belts, spectacles, caps and shoes: leather, straps and openings."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Points, filled, stroked
from tools.studio.materials import CLOTH, GLOSSY, GOLD, MATTE, POLISHED, SATIN, STEEL, grey, shade
from tools.studio.products.bench import Bench, Place, any_colour, blackish, neutral
from tools.studio.products.cloth import facing, folded
from tools.studio.surfaces import curve, ellipse, rectangle, ribbon, rounded, turned


def bag(bench: Bench, place: Place) -> None:
    """Add a bag with a strap or handles, between which the backdrop shows."""
    rng = bench.rng
    size = place.size
    wide = size * rng.uniform(0.55, 0.8)
    high = size * rng.uniform(0.42, 0.6)
    top = place.foot - high
    colour = any_colour(rng)
    leather = rng.random() < 0.6
    material = SATIN if leather else CLOTH
    lean = wide * rng.uniform(-0.04, 0.1)
    strap = size * rng.uniform(0.018, 0.045)
    strap_colour = colour if rng.random() < 0.6 else (neutral(rng) if rng.random() < 0.6 else any_colour(rng))
    for offset in (-0.03, 0.03) if rng.random() < 0.5 else (0.0,):
        reach = size - high
        knots = ((-0.3, 0.1), (-0.27, -0.55), (0.0, -0.96), (0.27, -0.55), (0.3, 0.1))
        path = curve(np.array(knots) * (wide, reach)) + (place.x + offset * wide, top)
        bench.tube(path, strap, strap_colour, material, occlusion=1.5)
    outline = np.array(
        ((-0.5, 0.06), (-0.4, 0.0), (0.4, 0.0), (0.5, 0.06), (0.5, 0.9), (0.44, 1.0), (-0.44, 1.0), (-0.5, 0.9))
    )
    corners = outline * (wide, high) + (place.x, top)
    corners[4:, 0] += np.sign(corners[4:, 0] - place.x) * lean
    mask = filled(bench.shape, curve(corners, 8, closed=True))
    normals = folded(bench, rounded(mask, wide * 0.16, smooth=wide * 0.01), 0.6 if leather else 1.4)
    bench.add(mask, normals, colour, material, texture=0.02, occlusion=2.0)
    if rng.random() < 0.6:
        flap = np.array(((-0.45, 0.0), (0.45, 0.0), (0.44, 0.3), (0.0, 0.52), (-0.44, 0.3))) * (wide, high)
        flap_mask = filled(bench.shape, curve(flap, 8, closed=True) + (place.x, top))
        bench.add(flap_mask, folded(bench, rounded(flap_mask, 6.0), 0.5), colour, material, occlusion=2.5, texture=0.02)
        x, y = place.x, top + 0.46 * high
        bench.plate(
            rectangle(wide * 0.1, wide * 0.07, radius=2.0) + (x, y), GOLD if rng.random() < 0.5 else STEEL, POLISHED
        )


def watch(bench: Bench, place: Place) -> None:
    """Add a wristwatch laid out straight: a strap, a case, a dial."""
    rng = bench.rng
    angle = rng.uniform(-0.6, 0.6)
    at = np.array((place.x, place.y))
    length, wide = place.size, place.size * rng.uniform(0.09, 0.13)
    colour = neutral(rng) if rng.random() < 0.5 else any_colour(rng)
    y = np.linspace(-length / 2, length / 2, 80)
    widths = wide * (0.75 + 0.35 * np.exp(-((y / (0.2 * length)) ** 2)))
    path = np.stack((np.zeros_like(y), y), 1)
    holes = [
        turned(ellipse(0.0, 0.2 * length + index * wide * 0.4, wide * 0.07, wide * 0.1), angle) + at
        for index in range(5)
    ]
    bench.plate((turned(ribbon(path, widths), angle) + at, *holes), colour, SATIN, bevel=wide * 0.2, texture=0.015)
    case = wide * rng.uniform(0.85, 1.05)
    metal = (GOLD, STEEL, STEEL)[rng.integers(0, 3)]
    bench.plate(ellipse(at[0], at[1], case, case), metal, POLISHED, bevel=case * 0.18, occlusion=3.0)
    dial = grey(rng.choice((rng.uniform(0.04, 0.2), rng.uniform(0.85, 1.0))))
    bench.plate(ellipse(at[0], at[1], case * 0.82, case * 0.82), dial, SATIN, bevel=1.0)
    mark = grey(0.95) if dial[0] < 0.3 else grey(0.1)
    for hour in range(12):
        tick = np.array(((case * 0.66, 0.0), (case * 0.76, 0.0)))
        bench.tube(turned(tick, hour * np.pi / 6 + angle) + at, max(1.0, case * 0.04), mark, MATTE)
    for reach, width, turn in ((0.45, 0.07, rng.uniform(0, 6)), (0.66, 0.045, rng.uniform(0, 6))):
        hand = turned(np.array(((-0.1, 0.0), (reach, 0.0))) * case, turn) + at
        bench.tube(hand, max(1.0, case * width), mark, MATTE, occlusion=0.8)


def belt(bench: Bench, place: Place) -> None:
    """Add a belt rolled up or a leash in loops: a long strap with openings and a buckle."""
    rng = bench.rng
    turns = rng.uniform(1.3, 2.6)
    angle = np.linspace(0, 2 * np.pi * turns, 90)
    radius = np.linspace(0.16, 0.4, 90) * place.size
    path = np.stack((np.cos(angle), np.sin(angle) * rng.uniform(0.7, 1.0)), 1) * radius[:, None]
    tail = path[-1] + np.array(((0.0, 0.05), (-0.03, 0.14))) * place.size
    path = np.concatenate((path, tail)) + (place.x, place.y)
    width = place.size * rng.uniform(0.025, 0.05)
    colour = any_colour(rng)
    for start in range(0, len(path) - 1, 12):
        bench.tube(curve(path[start : start + 14], 6), width, colour, SATIN, occlusion=1.5)
    x, y = path[0]
    bench.tube(
        turned(rectangle(width * 1.8, width * 2.1, radius=3.0), 0.3) + (x, y),
        width * 0.28,
        STEEL,
        POLISHED,
        closed=True,
    )


def spectacles(bench: Bench, place: Place) -> None:
    """Add spectacles or sunglasses with their temples; the lenses let light through."""
    rng = bench.rng
    size = place.size
    colour = (blackish(rng), any_colour(rng), GOLD)[rng.integers(0, 3)]
    material = POLISHED if colour == GOLD else GLOSSY
    wide, high = size * 0.19, size * rng.uniform(0.11, 0.17)
    rim = size * rng.uniform(0.008, 0.03)
    shade_of = grey(rng.uniform(0.1, 0.95), rng.uniform(-0.02, 0.06))
    angle = rng.uniform(-0.15, 0.15)
    at = np.array((place.x, place.y))
    for side in (-1, 1):
        temple = np.array(((0.41, -0.06), (0.46, -0.1), (0.5, -0.2), (0.49, -0.24))) * (side * size, size)
        bench.tube(turned(curve(temple), angle) + at, rim * 0.9, colour, material)
        outline = curve(
            np.array(((-1, -0.6), (0, -0.95), (1, -0.7), (0.85, 0.5), (0.0, 1.0), (-0.85, 0.5))) * (wide * side, high),
            closed=True,
        ) + (side * size * 0.23, 0.0)
        lens = filled(bench.shape, turned(outline, angle) + at)
        normals = rounded(lens, wide * 0.5)
        shine = shade(normals, (0.0, 0.0, 0.0), GLOSSY, bench.light)
        passing = np.broadcast_to(np.array(shade_of, np.float32), shine.shape)
        bench.stage.add(lens, shine, transmitted=np.asarray(passing, np.float32))
        bench.tube(turned(outline, angle) + at, rim, colour, material, closed=True)
    bridge = curve(np.array(((-0.06, -0.03), (0.0, -0.06), (0.06, -0.03))) * size)
    bench.tube(turned(bridge, angle) + at, rim, colour, material)


def cap(bench: Bench, place: Place) -> None:
    """Add a cap with a peak, seen from the side."""
    rng = bench.rng
    size, colour = place.size, np.array(any_colour(rng))
    side = 1 if rng.random() < 0.5 else -1
    at = np.array((place.x, place.y))
    peak = np.array(((0.08, 0.2), (0.3, 0.16), (0.5, 0.27), (0.46, 0.33), (0.25, 0.27), (0.05, 0.29))) * (
        side * size,
        size,
    )
    bench.plate(curve(peak, 10, closed=True) + at, tuple(colour * rng.uniform(0.6, 1.0)), CLOTH, bevel=size * 0.015)
    crown = np.array(
        ((-0.42, 0.26), (-0.44, 0.0), (-0.3, -0.24), (-0.03, -0.32), (0.2, -0.2), (0.28, 0.05), (0.27, 0.24))
    )
    mask = filled(bench.shape, np.concatenate((curve(crown * (side * size, size)),)) + at)
    bench.add(
        mask,
        folded(bench, rounded(mask, size * 0.26, smooth=size * 0.01), 0.5),
        tuple(colour),
        CLOTH,
        texture=0.03,
        occlusion=2.0,
    )
    for seam in (-0.16, 0.08):
        path = curve(np.array(((seam, 0.24), (seam + 0.02, -0.05), (-0.03, -0.3))) * (side * size, size)) + at
        line = stroked(bench.shape, [path], max(1.0, size * 0.004)).within(mask)
        bench.add(line, facing(line), tuple(colour * 0.5), CLOTH)
    button = ellipse(at[0] - 0.03 * side * size, at[1] - 0.32 * size, size * 0.025, size * 0.014)
    bench.plate(button, tuple(colour), CLOTH, bevel=size * 0.012)


def sole_shoe(bench: Bench, place: Place) -> None:
    """Add a sneaker, seen from the side, with a sole and laces."""
    rng = bench.rng
    size, side = place.size, 1 if rng.random() < 0.5 else -1
    base = place.y + 0.2 * size
    upper, sole = any_colour(rng), (grey(rng.uniform(0.85, 0.98)) if rng.random() < 0.6 else any_colour(rng))

    def put(points: tuple[tuple[float, float], ...]) -> Points:
        return curve(np.array(points) * (side * size, size), 10, closed=True) + (place.x, base)

    body = put(
        (
            *((-0.46, -0.02), (-0.47, -0.2), (-0.43, -0.36), (-0.3, -0.33), (-0.18, -0.35), (-0.02, -0.24)),
            *((0.2, -0.15), (0.42, -0.11), (0.49, -0.03), (0.3, 0.0), (-0.2, 0.0)),
        )
    )
    mask = filled(bench.shape, body)
    bench.add(
        mask,
        folded(bench, rounded(mask, size * 0.1, smooth=3.0), 0.4),
        upper,
        SATIN if rng.random() < 0.5 else CLOTH,
        texture=0.02,
    )
    bench.plate(
        put(
            (
                (-0.49, -0.04),
                (-0.2, -0.03),
                (0.2, -0.03),
                (0.48, -0.06),
                (0.51, 0.0),
                (0.42, 0.045),
                (0.0, 0.05),
                (-0.45, 0.045),
            )
        ),
        sole,
        MATTE,
        bevel=size * 0.02,
        occlusion=1.5,
    )
    accent = any_colour(rng)
    stripe = curve(np.array(((-0.1, -0.04), (0.0, -0.12), (-0.16, -0.2))) * (side * size, size)) + (place.x, base)
    line = stroked(bench.shape, [stripe], size * 0.03).within(mask)
    bench.add(line, facing(line), accent, MATTE)
    lace = neutral(rng)
    for step in range(5):
        x, y = -0.12 + 0.06 * step, -0.3 + 0.035 * step
        path = np.array(((x + 0.01, y - 0.005), (x - 0.03, y + 0.055))) * (side * size, size) + (place.x, base)
        bench.tube(path, size * 0.012, lace, CLOTH, occlusion=0.8)
