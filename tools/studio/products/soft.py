"""Garments, scarves, plush and brushes: cloth, fringes, fur and bristles."""

from __future__ import annotations

import numpy as np

from tools.studio.layers import Mask, Points, filled, stroked
from tools.studio.materials import CLOTH, GLOSSY, MATTE, POLISHED, SATIN, STEEL, Colour, Material, grey
from tools.studio.products.bench import Bench, Place, any_colour, vivid
from tools.studio.products.cloth import facing, folded
from tools.studio.surfaces import curve, ellipse, rectangle, ribbon, rounded, turned
from tools.studio.textures import apart, printed


def garment(bench: Bench, place: Place, *, colour: Colour | None = None) -> None:
    """Add a T-shirt, jumper or shorts that lie flat, some with a print."""
    rng = bench.rng
    size = place.size
    colour = colour or any_colour(rng)
    shirt = rng.random() < 0.65
    if shirt:
        sleeve, hem = rng.uniform(0.3, 0.6), rng.uniform(0.24, 0.3)
        half = np.array(
            (
                *((0.07, -0.46), (0.2, -0.42), (0.42, -0.42 + sleeve * 0.55), (0.31, -0.34 + sleeve * 0.6)),
                *((0.235, -0.2), (0.24, 0.1), (hem, 0.47), (0.0, 0.485)),
            )
        )
        neck = (0.0, -0.4)
    else:
        half = np.array(((0.27, -0.42), (0.3, -0.1), (0.4, 0.38), (0.12, 0.42), (0.0, -0.02)))
        neck = (0.0, -0.42)
    half[:, 1] += rng.normal(0, 0.006, len(half))
    outline = np.concatenate((half, half[::-1] * (-1, 1), (neck,))) * size
    outline = _softened(outline, size * 0.02)
    lean = rng.uniform(-0.12, 0.12)
    at = np.array((place.x, place.y))
    mask = filled(bench.shape, turned(outline, lean) + at)
    normals = folded(bench, rounded(mask, size * 0.02, smooth=size * 0.006), 1.6)
    cloth = np.empty((*normals.shape[:2], 3), np.float32)
    cloth[:] = colour
    if rng.random() < 0.3:
        lines = (np.sin(np.arange(cloth.shape[0]) * 2 * np.pi / (size * rng.uniform(0.03, 0.1))) > 0.1)[:, None, None]
        cloth = np.where(lines, cloth, np.array(any_colour(rng), np.float32)).astype(np.float32)
    bench.add(mask, normals, cloth, CLOTH, texture=0.035)
    if shirt:
        _collar(bench, at, size, lean, colour)
    if shirt and rng.random() < 0.5:
        _print_on(bench, place, colour)


def _collar(bench: Bench, at: Points, size: float, lean: float, colour: Colour) -> None:
    """Show the inside of the neck and its ribbed edge."""
    front = np.array(((-0.085, -0.455), (-0.05, -0.395), (0.0, -0.375), (0.05, -0.395), (0.085, -0.455))) * size
    back = np.array(((0.085, -0.455), (0.0, -0.43), (-0.085, -0.455))) * size
    tone = np.array(colour)
    inside = np.concatenate((curve(front), curve(back)[1:-1]))
    bench.plate(turned(inside, lean) + at, np.asarray(tone * 0.45, np.float32), CLOTH)
    rib = np.asarray(tone * bench.rng.uniform(0.75, 1.0), np.float32)
    for edge, width in ((back, 0.016), (front, 0.022)):
        line = stroked(bench.shape, [turned(curve(edge), lean) + at], size * width)
        bench.add(line, rounded(line, size * width / 2), rib, CLOTH, occlusion=1.0)


def _print_on(bench: Bench, place: Place, under: Colour) -> None:
    """Print a word on cloth."""
    rng = bench.rng
    ink = any_colour(rng) if rng.random() < 0.5 else (grey(0.95) if sum(under) < 0.9 else grey(0.08))
    width, height = round(place.size * 0.34), round(place.size * 0.3)
    art = printed(rng, (width, height), under, ink, ink)
    left, top = round(place.x - width / 2), round(place.y - place.size * 0.22)
    outline = np.array(
        ((left, top), (left + width, top), (left + width, top + height), (left, top + height)), np.float64
    )
    mask = filled(bench.shape, outline, margin=0.0)
    rows, columns = mask.window
    patch = art[: rows.stop - rows.start, : columns.stop - columns.start]
    if patch.shape[:2] != mask.coverage().shape:
        return
    inked = np.abs(patch - np.array(under, np.float32)).sum(2) > 0.08
    fine = np.kron(inked, np.ones((4, 4), np.uint8)).astype(np.uint8) * 255
    shape = Mask(left=mask.left, top=mask.top, fine=np.minimum(fine, mask.fine))
    bench.add(shape, folded(bench, rounded(mask, 1.0), 0.3), ink, CLOTH, texture=0.03)


def _softened(outline: Points, reach: float) -> Points:
    """Round a closed outline's corners by cutting them off twice."""
    for _ in range(2):
        ahead, behind = np.roll(outline, -1, 0), outline
        steps = np.linalg.norm(ahead - behind, axis=1, keepdims=True)
        share = np.clip(reach / np.maximum(steps, 1e-6), 0.0, 0.33)
        outline = np.stack((behind + (ahead - behind) * share, ahead + (behind - ahead) * share), 1).reshape(-1, 2)
    return outline


def plush(bench: Bench, place: Place) -> None:
    """Add a plush animal: a body of a few soft parts, with fur that stands out all around."""
    rng = bench.rng
    size = place.size
    colour = np.array(any_colour(rng))
    length = size * rng.uniform(0.015, 0.05)
    ear = rng.uniform(0.07, 0.13)
    parts = (
        *((0.0, 0.18, 0.27, 0.3), (-0.2, 0.4, 0.11, 0.09), (0.2, 0.4, 0.11, 0.09), (-0.26, 0.08, 0.08, 0.17)),
        *((0.26, 0.08, 0.08, 0.17), (-0.15, -0.4, ear, ear), (0.15, -0.4, ear, ear), (0.0, -0.22, 0.23, 0.21)),
    )
    for x, y, across, down in parts:
        outline = ellipse(place.x + x * size, place.y + y * size, across * size, down * size)
        furry(bench, outline, tuple(colour * rng.uniform(0.85, 1.1)), length)
    for side in (-1, 1):
        eye = ellipse(place.x + side * 0.08 * size, place.y - 0.26 * size, 0.022 * size, 0.025 * size)
        bench.plate(eye, (0.01, 0.01, 0.012), GLOSSY, bevel=0.022 * size, occlusion=1.0)
    furry(
        bench,
        ellipse(place.x, place.y - 0.16 * size, 0.09 * size, 0.07 * size),
        tuple(np.minimum(colour * 1.4 + 0.1, 1)),
        length * 0.5,
    )
    bench.plate(
        ellipse(place.x, place.y - 0.19 * size, 0.03 * size, 0.022 * size),
        (0.02, 0.015, 0.015),
        SATIN,
        bevel=0.02 * size,
    )


def furry(bench: Bench, outline: Points, colour: Colour, length: float) -> None:
    """Add a cushion with strands of the given length, in pixels, over its edge."""
    rng = apart(bench.rng)
    mask = filled(bench.shape, outline, margin=1.5 * length + 2)
    centre = outline.mean(0)
    reach = np.linalg.norm(outline - centre, axis=1).mean()
    bench.add(mask, rounded(mask, 0.8 * reach, smooth=0.12 * reach), colour, CLOTH, occlusion=length, texture=0.06)
    for layer in range(5):
        strands = []
        count = int(2.2 * len(outline) * reach / 40)
        for at in rng.integers(0, len(outline), count):
            start = centre + (outline[at] - centre) * rng.uniform(0.55 + 0.08 * layer, 1.0)
            outwards = (outline[at] - centre) / max(np.linalg.norm(outline[at] - centre), 1e-6)
            bend = turned(outwards[None], rng.normal(0.25, 0.4))[0] + (0.0, 0.25)
            middle = start + outwards * length * rng.uniform(0.3, 0.6)
            strands.append(np.array((start, middle, middle + bend * length * rng.uniform(0.3, 0.7))))
        tone = np.asarray(np.array(colour) * rng.uniform(0.72, 1.2), np.float32)
        width = rng.uniform(0.5, 1.1) * max(1.0, length / 18)
        fur = stroked(bench.shape, strands, width)
        bench.add(fur, rounded(mask, 0.8 * reach) if fur.fine.shape == mask.fine.shape else facing(fur), tone, CLOTH)


def brush(bench: Bench, place: Place) -> None:
    """Add a brush: a handle, a ferrule, hundreds of bristles."""
    rng = bench.rng
    angle = rng.uniform(0, 2 * np.pi)
    at = np.array((place.x, place.y))
    size, wide = place.size, place.size * rng.uniform(0.05, 0.16)
    tone = np.array(any_colour(rng))
    for _ in range(6):
        strands = []
        for y in rng.uniform(-0.5, 0.5, 50):
            root = np.array((0.05, y * 0.9 * wide / size)) * size
            tip = np.array((0.33 + rng.normal(0.0, 0.012), y * rng.uniform(0.9, 1.5) * wide / size)) * size
            strands.append(turned(np.array((root, (root + tip) / 2 + rng.normal(0, 1.0, 2), tip)), angle) + at)
        bristles = stroked(bench.shape, strands, max(0.8, wide * 0.018))
        bench.add(bristles, facing(bristles), tuple(tone * rng.uniform(0.6, 1.2)), CLOTH)
    ferrule = turned(rectangle(0.16 * size, wide * 1.05, radius=2.0) + (0.02 * size, 0.0), angle) + at
    grip = np.array(((-0.05, 0.0), (-0.15, 0.0), (-0.3, 0.0), (-0.48, 0.0))) * size
    widths = np.interp(np.linspace(0, 1, 73), (0.0, 0.3, 0.7, 1.0), np.array((1.0, 0.45, 0.55, 0.3)) * wide)
    bench.plate(turned(ribbon(curve(grip), widths), angle) + at, any_colour(rng), GLOSSY, bevel=wide * 0.3)
    bench.plate(ferrule, STEEL, POLISHED, bevel=wide * 0.4, occlusion=1.5)


def ball(bench: Bench, place: Place, *, colour: Colour | None = None, material: Material = MATTE) -> None:
    """Add a ball, a fruit or a bead."""
    rng = bench.rng
    radius = place.size / 2
    outline = ellipse(place.x, place.y, radius, radius * rng.uniform(0.9, 1.0))
    bench.plate(outline, colour or vivid(rng), material, bevel=radius, texture=0.01)


def scarf(bench: Bench, place: Place) -> None:
    """Add a folded scarf or towel with fringes at its ends."""
    rng = bench.rng
    size, colour = place.size, any_colour(rng)
    wide = size * rng.uniform(0.3, 0.5)
    at = np.array((place.x, place.y))
    angle = rng.uniform(-0.4, 0.4)
    thread = max(1.0, size * 0.004)
    for end in (-1, 1):
        strands = []
        for x in np.linspace(-0.48, 0.48, 34) * wide:
            reach = size * rng.uniform(0.06, 0.09)
            root = np.array((x, end * size * 0.41))
            strands.append(
                turned(
                    np.array(
                        (root, root + (rng.normal(0, 2), end * reach * 0.6), root + (rng.normal(0, 4), end * reach))
                    ),
                    angle,
                )
                + at
            )
        fringe = stroked(bench.shape, strands, thread)
        bench.add(fringe, facing(fringe), colour, CLOTH)
    mask = filled(bench.shape, turned(rectangle(wide, size * 0.84, radius=4.0), angle) + at)
    normals = folded(bench, rounded(mask, 5.0), 1.0)
    y, x = np.mgrid[0 : normals.shape[0], 0 : normals.shape[1]]
    second = np.array(any_colour(rng), np.float32)
    bands = np.sin((y * np.cos(angle) + x * np.sin(angle)) * 2 * np.pi / (size * rng.uniform(0.08, 0.25))) > 0.3
    cloth = np.where(bands[:, :, None], second, np.array(colour, np.float32)).astype(np.float32)
    bench.add(mask, normals, cloth, CLOTH, texture=0.05, occlusion=1.0)
