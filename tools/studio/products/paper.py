"""Boxes, books, printed sheets and cut-out letters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tools.studio.layers import SUPERSAMPLING, Floats, Mask, Pixels, Points, filled
from tools.studio.materials import GLOSSY, MATTE, PAPER, SATIN, Colour, Material, grey
from tools.studio.products.bench import Bench, Place, any_colour, neutral
from tools.studio.surfaces import flat, rectangle, rounded, turned
from tools.studio.textures import WORDS, font, printed, stretched

_INK_LIGHT, _INK_DARK = (0.75, 1.0), (0.04, 0.4)


def ink_for(rng: np.random.Generator, paper: Colour) -> Colour:
    """Draw a grey that can be read on paper of this colour."""
    return grey(rng.uniform(*(_INK_DARK if sum(paper) > 0.9 else _INK_LIGHT)))


def _face(bench: Bench, corners: Points, texture: Floats, lean: tuple[float, float], material: Material) -> None:
    """Lay a texture on a flat side, given its corners from the upper left clockwise."""
    mask = filled(bench.shape, corners)
    rows, columns = mask.window
    colours = stretched(
        texture,
        (corners - (columns.start, rows.start)).astype(np.float32),
        (rows.stop - rows.start, columns.stop - columns.start),
    )
    bench.add(mask, flat(mask, *lean), colours, material)


def box(bench: Bench, place: Place, *, paper: Colour | None = None, plain: bool = False) -> None:
    """Add a printed carton that stands on a table, seen from above and from one side."""
    rng = bench.rng
    width, height = rng.uniform(0.4, 0.75), rng.uniform(0.5, 1.0)
    depth, side = rng.uniform(0.12, 0.3), 1 if rng.random() < 0.5 else -1
    rise = depth * rng.uniform(0.25, 0.6)
    scale = place.size / max(width + depth, height + rise)
    width, height, depth, rise = (scale * length for length in (width, height, depth, rise))
    left = place.x - (width + side * depth) / 2 if side > 0 else place.x - (width - depth) / 2
    right, bottom = left + width, place.foot
    top = bottom - height
    shrink = rng.uniform(0.96, 1.0)
    paper = paper or any_colour(rng)
    accent = any_colour(rng)
    material = (MATTE, SATIN, GLOSSY)[rng.integers(0, 3)]

    def art(across: float, down: float) -> Floats:
        size = (max(8, round(across)), max(8, round(down)))
        if plain and rng.random() < 0.5:
            return np.full((size[1], size[0], 3), paper, np.float32)
        return printed(rng, size, paper, ink_for(rng, paper), accent, busy=rng.random() < 0.5 and not plain)

    front = np.array(((left, top), (right, top), (right, bottom), (left, bottom)))
    near, far = (right, right + depth) if side > 0 else (left, left - depth)
    lower = bottom - rise * shrink
    flank = np.array(((near, top), (far, top - rise), (far, lower), (near, bottom)))
    lid = np.array(((left + side * depth, top - rise), (right + side * depth, top - rise), (right, top), (left, top)))
    blank = np.full((8, 8, 3), paper, np.float32)
    if side < 0:
        flank = flank[[1, 0, 3, 2]]
    _face(bench, flank, art(depth, height) if rng.random() < 0.4 else blank, (side * 0.75, 0.0), material)
    _face(bench, lid, blank, (0.0, -0.8), material)
    _face(bench, front, art(width, height), (-0.15 * side, 0.0), material)


def book(bench: Bench, place: Place, *, angle: float | None = None, cover: Colour | None = None) -> None:
    """Add a book or notebook that lies flat, its pages to be seen along two sides."""
    rng = bench.rng
    angle = rng.uniform(-0.5, 0.5) if angle is None else angle
    height = place.size * 0.92
    width = height * rng.uniform(0.62, 0.8)
    thick = height * rng.uniform(0.015, 0.05)
    cover = cover or any_colour(rng)
    at = np.array((place.x, place.y))
    shift = np.array((thick * 0.7, thick))
    bench.plate(turned(rectangle(width, height, radius=2.0), angle) + at + shift, cover, SATIN)
    bench.plate(turned(rectangle(width * 0.97, height * 0.98), angle) + at + shift * 0.6, grey(0.93, 0.02), PAPER)
    _sheet(bench, at, width, height, angle, cover, any_colour(rng), SATIN)


def sheet(bench: Bench, place: Place, *, paper: Colour | None = None) -> None:
    """Add a poster, card or flyer that lies flat."""
    rng = bench.rng
    ratio = rng.uniform(0.55, 0.95)
    height, width = (place.size * 0.92, place.size * 0.92 * ratio)
    if rng.random() < 0.4:
        height, width = width, height
    at = np.array((place.x, place.y))
    paper = paper or neutral(rng)
    _sheet(bench, at, width, height, rng.uniform(-0.25, 0.25), paper, any_colour(rng), MATTE)


def _sheet(
    bench: Bench,
    at: Points,
    width: float,
    height: float,
    angle: float,
    paper: Colour,
    accent: Colour,
    material: Material,
) -> None:
    rng = bench.rng
    art = printed(rng, (round(width), round(height)), paper, ink_for(rng, paper), accent, busy=rng.random() < 0.6)
    corners = turned(np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) * (width / 2, height / 2), angle) + at
    _face(bench, corners, art, (rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1)), material)


def letters(bench: Bench, place: Place) -> None:
    """Add cut-out letters, as of a sign: their counters are openings."""
    rng = bench.rng
    word = str(rng.choice([word for word in WORDS if len(word) <= 6])).upper()
    face = font(200)
    left, top, right, bottom = face.getbbox(word)
    scale = place.size / (right - left)
    size = int(200 * scale * SUPERSAMPLING)
    face = font(size)
    left, top, right, bottom = (int(edge) for edge in face.getbbox(word))
    picture = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(picture).text((-left, -top), word, fill=255, font=face)
    fine = np.zeros([side * SUPERSAMPLING for side in bench.shape], np.uint8)
    x = round((place.x - place.size / 2) * SUPERSAMPLING)
    y = round(place.y * SUPERSAMPLING - (bottom - top) / 2)
    ink = np.asarray(picture, np.uint8)
    ink = ink[max(0, -y) : fine.shape[0] - y, max(0, -x) : fine.shape[1] - x]
    fine[max(0, y) : max(0, y) + ink.shape[0], max(0, x) : max(0, x) + ink.shape[1]] = np.where(ink > 127, 255, 0)
    colour = any_colour(rng)
    depth = round(place.size * 0.012) * SUPERSAMPLING
    sides = np.maximum.reduce([np.roll(fine, (step, step), (0, 1)) for step in range(0, depth + 1, 2)])
    behind = _cropped(sides)
    bench.add(behind, rounded(behind, 2.0), tuple(0.55 * np.array(colour)), SATIN)
    front = _cropped(fine)
    bench.add(front, rounded(front, place.size * 0.006), colour, SATIN if rng.random() < 0.5 else GLOSSY)


def _cropped(fine: Pixels) -> Mask:
    rows, columns = np.flatnonzero(fine.any(1)), np.flatnonzero(fine.any(0))
    top, bottom = rows[0] // SUPERSAMPLING, -(-(rows[-1] + 1) // SUPERSAMPLING)
    left, right = columns[0] // SUPERSAMPLING, -(-(columns[-1] + 1) // SUPERSAMPLING)
    window = fine[top * SUPERSAMPLING : bottom * SUPERSAMPLING, left * SUPERSAMPLING : right * SUPERSAMPLING]
    return Mask(left=int(left), top=int(top), fine=np.ascontiguousarray(window))
