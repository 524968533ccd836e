"""Bottles, jars, mugs and glasses: bodies turned on a lathe."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Floats, Mask, Points, filled
from tools.studio.materials import BRUSHED, GLOSSY, MATTE, SATIN, STEEL, Colour, Material, grey, shade, surroundings
from tools.studio.products.bench import Bench, Place, any_colour, neutral
from tools.studio.surfaces import Revolved, curve, ellipse, flat, rounded
from tools.studio.textures import printed, sampled


def _profile(*knots: tuple[float, float], place: Place, height: float) -> Points:
    """Return a smooth profile through (share of the height from the top, radius as a share of the height)."""
    points = curve(np.array(knots, np.float64), 16)
    heights = np.linspace(points[0, 0], points[-1, 0], 240)
    radii = np.interp(heights, np.maximum.accumulate(points[:, 0]), points[:, 1])
    return np.stack((heights * height + place.foot - height, np.maximum(radii, 0.0) * height), 1)


def bottle(
    bench: Bench,
    place: Place,
    *,
    body: Colour | None = None,
    label: Colour | None = None,
    cap: Colour | None = None,
    material: Material | None = None,
) -> None:
    """Add a bottle with a cap; with a label of the given colour, or one drawn at random."""
    rng = bench.rng
    height = place.size
    radius = rng.uniform(0.14, 0.24)
    neck = radius * rng.uniform(0.28, 0.6)
    shoulder, collar = rng.uniform(0.28, 0.42), rng.uniform(0.1, 0.16)
    tilt = rng.uniform(0.03, 0.14)
    knots = (
        *((collar, neck), (collar + 0.03, neck), (shoulder - 0.04, radius * 0.9), (shoulder, radius)),
        *((0.65, radius * rng.uniform(0.94, 1.0)), (0.97, radius), (0.99 - radius * tilt, radius * 0.96)),
    )
    body = body or any_colour(rng)
    material = material or _finish(rng)
    turned = Revolved(bench.shape, place.x, _profile(*knots, place=place, height=height), tilt)
    bench.add(turned.mask, turned.normals, body, material)
    upper, lower = (shoulder + rng.uniform(0.02, 0.08)), rng.uniform(0.78, 0.95)
    around = (-0.1, 1.1) if rng.random() < 0.6 else (rng.uniform(0.1, 0.25), rng.uniform(0.75, 0.9))
    wrap(bench, turned, (place.foot - height * (1 - upper), place.foot - height * (1 - lower)), around, label)
    lid = Revolved(
        bench.shape,
        place.x,
        _profile((0.0, neck * 1.12), (collar, neck * rng.uniform(1.12, 1.3)), place=place, height=height),
        tilt,
    )
    cap = cap or any_colour(rng)
    kind = rng.choice((0, 0, 1))
    bench.add(lid.mask, lid.normals, STEEL if kind else cap, BRUSHED if kind else material, occlusion=height * 0.006)
    bench.add(lid.top, flat(lid.top, 0.0, -0.5), STEEL if kind else cap, BRUSHED if kind else material)


def _finish(rng: np.random.Generator) -> Material:
    return (GLOSSY, SATIN, MATTE)[rng.integers(0, 3)]


def wrap(
    bench: Bench,
    turned: Revolved,
    heights: tuple[float, float],
    turns: tuple[float, float],
    paper: Colour | None = None,
) -> None:
    """Stick a printed label around a body, between two heights (y) and two turns (0 to 1)."""
    rng = bench.rng
    paper = paper or neutral(rng)
    ink = grey(rng.uniform(0.05, 0.4)) if sum(paper) > 0.9 else grey(rng.uniform(0.75, 1.0))
    sticker = turned.band(*heights, *turns)
    high = heights[1] - heights[0]
    visible = np.ptp(np.flatnonzero(turned.mask.fine.any(0))) / 4 * np.pi / 2
    left, right = max(turns[0], 0.0), min(turns[1], 1.0)
    size = (max(8, round(visible * (right - left))), max(8, round(high)))
    art = printed(rng, size, paper, ink, any_colour(rng))
    across = np.clip((turned.turn - left) / (right - left), 0.0, 1.0)
    down = np.clip((turned.level - heights[0]) / high, 0.0, 1.0)
    colours = sampled(art, across, down)
    bench.add(sticker, turned.normals, colours, MATTE if rng.random() < 0.6 else SATIN)


def jar(bench: Bench, place: Place, *, body: Colour | None = None, lid: Colour | None = None) -> None:
    """Add a jar or tin with a wide lid."""
    rng = bench.rng
    radius = rng.uniform(0.32, 0.48)
    height = min(place.size, place.size * 0.5 / radius)
    tilt = rng.uniform(0.08, 0.22)
    top = rng.uniform(0.2, 0.35)
    body = body or any_colour(rng)
    material = _finish(rng)
    foot = 1.0 - tilt * radius
    knots = ((top, radius), (top + 0.06, radius), (foot - 0.08, radius), (foot, radius * 0.93))
    turned = Revolved(bench.shape, place.x, _profile(*knots, place=place, height=height), tilt)
    bench.add(turned.mask, turned.normals, body, material)
    if rng.random() < 0.7:
        upper, lower = place.foot - height * (0.95 - top), place.foot - height * (0.16 + tilt * radius)
        wrap(bench, turned, (upper, lower), (-0.1, 1.1))
    wide = radius * rng.uniform(1.0, 1.06)
    cover = Revolved(
        bench.shape, place.x, _profile((tilt * wide, wide), (top + 0.02, wide), place=place, height=height), tilt
    )
    colour = lid or any_colour(rng)
    bench.add(cover.mask, cover.normals, colour, material, occlusion=height * 0.008)
    bench.add(cover.top, flat(cover.top, 0.0, -0.6), colour, material)


def mug(bench: Bench, place: Place, *, colour: Colour | None = None, material: Material = GLOSSY) -> None:
    """Add a mug; its handle has an opening."""
    rng = bench.rng
    colour = colour or any_colour(rng)
    radius = rng.uniform(0.3, 0.4)
    height = place.size * 0.85
    tilt = rng.uniform(0.12, 0.28)
    centre = place.x - 0.1 * height
    side = 1 if rng.random() < 0.7 else -1
    centre = place.x - side * 0.12 * height
    upper, reach = place.foot - height * 0.75, rng.uniform(0.22, 0.32) * height
    ear = np.array(
        ((0.0, 0.0), (0.75, -0.06), (1.0, 0.35), (0.8, 0.8), (0.0, 1.05)),
    ) * (reach * side, height * 0.42) + (centre + side * radius * height * 0.93, upper)
    bench.tube(curve(ear), height * rng.uniform(0.055, 0.085), colour, material)
    foot = 1.0 - tilt * radius
    knots = ((tilt * radius, radius), (0.5, radius * rng.uniform(0.95, 1.0)), (foot - 0.05, radius * 0.95))
    turned = Revolved(bench.shape, centre, _profile(*knots, (foot, radius * 0.85), place=place, height=height), tilt)
    bench.add(turned.mask, turned.normals, colour, material)
    if rng.random() < 0.4:
        heights = (place.foot - height * 0.7, place.foot - height * 0.3)
        wrap(bench, turned, heights, (0.25, 0.75), colour)
    _opening(bench, turned, colour, radius * height, tilt)


def _opening(bench: Bench, turned: Revolved, colour: Colour, radius: float, tilt: float) -> None:
    """Show the rim and the inside of an open body."""
    rows, columns = turned.top.window
    x, y = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
    bench.add(turned.top, flat(turned.top, 0.0, -0.6), colour, SATIN)
    inner = filled(bench.shape, ellipse(x, y, radius * 0.92, max(1.0, radius * tilt * 0.88)))
    _, down = inner.grid()
    depth = np.clip((down - y) / max(radius * tilt, 1.0) * 0.5 + 0.5, 0.0, 1.0)
    shaded = shade(flat(inner, 0.0, 0.35), colour, SATIN, bench.light) * (0.35 + 0.5 * depth)[:, :, None]
    bench.stage.add(inner, np.asarray(shaded, np.float32))


def clear_glass(bench: Bench, place: Place) -> None:
    """Add a clear bottle, tumbler or wine glass: it lets the backdrop through."""
    rng = bench.rng
    height = place.size
    tilt = rng.uniform(0.05, 0.16)
    tint = np.array(grey(0.96)) * (1.0 - rng.uniform(0.0, 0.12, 3))
    knots: tuple[tuple[float, float], ...]
    neck = 0.0
    match rng.integers(0, 3):
        case 0:
            radius = rng.uniform(0.15, 0.22)
            neck = radius * rng.uniform(0.3, 0.5)
            knots = (
                (0.1, neck),
                (0.2, neck),
                (0.34, radius * 0.95),
                (0.5, radius),
                (0.96, radius),
                (0.98, radius * 0.9),
            )
        case 1:
            radius = rng.uniform(0.26, 0.36)
            knots = ((tilt * radius, radius), (0.5, radius * 0.94), (0.93, radius * 0.82), (0.95, radius * 0.75))
        case _:
            radius = rng.uniform(0.2, 0.27)
            knots = (
                *((tilt * radius, radius * 0.85), (0.25, radius), (0.45, radius * 0.7), (0.55, 0.025), (0.85, 0.02)),
                *((0.93, 0.03), (0.97, radius * 0.85)),
            )
    turned = Revolved(bench.shape, place.x, _profile(*knots, place=place, height=height), tilt)
    _pane(bench, turned.mask, turned.normals, tint.astype(np.float32))
    if neck and rng.random() < 0.7:
        lid = Revolved(
            bench.shape, place.x, _profile((0.0, neck * 1.1), (0.12, neck * 1.1), place=place, height=height), tilt
        )
        cap = any_colour(rng)
        bench.add(lid.mask, lid.normals, cap, SATIN)
        bench.add(lid.top, flat(lid.top, 0.0, -0.5), cap, SATIN)
    else:
        rim = turned.top
        _pane(bench, rim, rounded(rim, 2.5), tint.astype(np.float32))


def _pane(bench: Bench, mask: Mask, normals: Floats, tint: Floats) -> None:
    """Add clear glass: darker where it is seen edge on, with the surroundings' reflections."""
    facing = normals[:, :, 2:]
    edge = (1.0 - facing) ** 2.5
    passing = tint * (1.0 - 0.75 * edge)
    mirrored = surroundings(2.0 * facing * normals - (0.0, 0.0, 1.0), 0.05, bench.light)
    shine = mirrored * (0.05 + 0.55 * (1.0 - facing) ** 4) + 0.02
    bench.stage.add(mask, np.asarray(shine, np.float32), transmitted=np.asarray(passing, np.float32))


def tinted_bottle(bench: Bench, place: Place, colour: Colour) -> None:
    """Add a bottle of coloured, see-through glass or plastic with a label."""
    rng = bench.rng
    height, radius, tilt = place.size, rng.uniform(0.15, 0.22), rng.uniform(0.05, 0.12)
    neck = radius * rng.uniform(0.35, 0.55)
    knots = ((0.1, neck), (0.18, neck), (0.33, radius * 0.95), (0.45, radius), (0.95, radius), (0.98, radius * 0.93))
    turned = Revolved(bench.shape, place.x, _profile(*knots, place=place, height=height), tilt)
    facing = turned.normals[:, :, 2:]
    passing = np.array(colour, np.float32) * (0.25 + 0.35 * facing)
    body = shade(turned.normals, tuple(0.35 * np.array(colour)), GLOSSY, bench.light)
    bench.stage.add(turned.mask, body, transmitted=np.asarray(passing, np.float32))
    if rng.random() < 0.7:
        wrap(bench, turned, (place.foot - height * 0.55, place.foot - height * 0.15), (0.1, 0.9))
    lid = Revolved(
        bench.shape, place.x, _profile((0.0, neck * 1.1), (0.12, neck * 1.1), place=place, height=height), tilt
    )
    cap = any_colour(rng)
    bench.add(lid.mask, lid.normals, cap, SATIN)
    bench.add(lid.top, flat(lid.top, 0.0, -0.5), cap, SATIN)
