"""Textures: noise, wood, weave, and printed art. Noise is 0 to 1 unless stated; pictures are linear light."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.studio.layers import Floats
from tools.studio.materials import Colour, encoded, from_picture, grey, hsv

WORDS = (
    *("OLIVE", "SERUM", "Lavender", "PURE", "Nordic", "COFFEE", "mint", "No. 5", "Atlas", "SOAP", "Verde", "honey"),
    *("TEA", "fresh", "Luna", "OAT", "Citrus", "BALM", "Pacific", "tonic", "Aurora", "salt", "ROAST", "Wool", "cacao"),
)
SMALL = (
    *("extra virgin", "500 ml", "hand made", "net wt 250 g", "since 1984", "organic", "for daily use", "30 ml"),
    *("cold pressed", "unscented", "100 % cotton", "made in small batches", "dermatologically tested", "best before"),
)


def apart(rng: np.random.Generator) -> np.random.Generator:
    """Return a source of chance of its own, so that a scene's layout doesn't depend on its number of pixels."""
    return np.random.default_rng(int(rng.integers(0, 2**63)))


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the typeface that comes with Pillow, so that scenes don't depend on installed fonts."""
    return ImageFont.load_default(max(6, size))


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, *, octaves: int = 3, stretch: float = 1.0
) -> Floats:
    """Return value noise with features of about ``cell`` pixels, ``stretch`` times as wide as high."""
    own = apart(rng)
    total = np.zeros(shape, np.float32)
    weight = 1.0
    for octave in range(octaves):
        size = cell / 2**octave
        rows = max(2, round(shape[0] / max(size, 1.0)) + 1)
        columns = max(2, round(shape[1] / max(size * stretch, 1.0)) + 1)
        grid = own.random((rows, columns), np.float32)
        total += weight * np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
        weight *= 0.5
    return np.asarray(np.clip(total / (2.0 - 0.5 ** (octaves - 1)), 0.0, 1.0), np.float32)


def grain(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Floats:
    """Return factors around 1, h×w×1: the fine irregularity of a surface."""
    return np.asarray(1.0 + strength * apart(rng).normal(0.0, 1.0, shape), np.float32)[:, :, None]


def creases(rng: np.random.Generator, shape: tuple[int, int], count: int) -> Floats:
    """Return the height, about -1 to 1, of cloth with folds: soft ridges that fade out along bent lines."""
    scale = max(1.0, max(shape) / 240)
    rows, columns = max(4, round(shape[0] / scale)), max(4, round(shape[1] / scale))
    side = max(rows, columns)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    bent = (noise(rng, (rows, columns), side / 2, octaves=2) - 0.5) * side * 0.25
    height = 0.5 * (noise(rng, (rows, columns), side / 2, octaves=2) - 0.5)
    main = rng.uniform(0, np.pi)
    for _ in range(count):
        angle = main + rng.normal(0, 0.5)
        along = (x - rng.uniform(0, columns)) * np.cos(angle) + (y - rng.uniform(0, rows)) * np.sin(angle)
        across = (y - rng.uniform(0, rows)) * np.cos(angle) - (x - rng.uniform(0, columns)) * np.sin(angle) + bent
        wide, long = side * rng.uniform(0.008, 0.035), side * rng.uniform(0.1, 0.4)
        ridge = np.exp(-((across / wide) ** 2)) - 0.6 * np.exp(-(((across - 1.8 * wide) / wide) ** 2))
        height += rng.uniform(0.15, 0.5) * (wide / side / 0.035) * ridge * np.exp(-((along / long) ** 2))
    full = cv2.resize(height.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(full, np.float32)


def wood(rng: np.random.Generator, shape: tuple[int, int], colour: Colour | None = None) -> Floats:
    """Return planks or a solid board, along or across."""
    if rng.random() < 0.3:
        return np.ascontiguousarray(_boards(rng, shape[::-1], colour).transpose(1, 0, 2))
    return _boards(rng, shape, colour)


def _boards(rng: np.random.Generator, shape: tuple[int, int], colour: Colour | None) -> Floats:
    base = np.array(colour or hsv(rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.65), rng.uniform(0.35, 0.85)), np.float32)
    side = max(shape)
    lines = noise(rng, shape, side / 60, stretch=18.0, octaves=3)
    rings = np.sin(noise(rng, shape, side / 7, stretch=5.0, octaves=2) * rng.uniform(25, 60))
    tone = 0.75 + 0.35 * (lines - 0.5) + 0.09 * rings
    if rng.random() < 0.6:
        planks = rng.integers(3, 8)
        edge = np.arange(shape[0]) * planks / shape[0]
        plank = edge.astype(int) + rng.integers(0, 2)
        tones = rng.uniform(0.85, 1.1, planks + 2).astype(np.float32)
        tone = tone * tones[plank][:, None]
        gap = np.abs(edge - np.rint(edge)) < 0.0035 * planks
        tone = np.where(gap[:, None], tone * 0.35, tone)
    return np.asarray(base * np.clip(tone, 0.05, 1.4)[:, :, None], np.float32)


def weave(rng: np.random.Generator, shape: tuple[int, int], colour: Colour, thread: float) -> Floats:
    """Return cloth: threads of ``thread`` pixels, and soft folds."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    bent = 3.0 * thread * noise(rng, shape, max(shape) / 6, octaves=1)
    across, down = np.sin(2 * np.pi * (x + bent) / thread), np.sin(2 * np.pi * (y + bent) / thread)
    threads = 1.0 + 0.10 * across * down + 0.05 * (across + down)
    height = creases(rng, shape, int(rng.integers(2, 14))) * np.float32(max(shape) / 30)
    folds = 1.0 + 0.45 * (np.gradient(height, axis=1) - np.gradient(height, axis=0))
    light = np.array(colour, np.float32) * (threads * np.clip(folds, 0.5, 1.25))[:, :, None]
    return np.asarray(light * grain(rng, shape, 0.05), np.float32)


def pattern(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return stripes, checks, dots, tiles, brick or marble."""
    first = np.array(_any_colour(rng), np.float32)
    second = np.array(_any_colour(rng), np.float32)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    angle = rng.choice((0.0, 0.0, np.pi / 4, rng.uniform(0, np.pi)))
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    cell = max(shape) / rng.uniform(6, 24)
    match rng.choice(("stripes", "checks", "dots", "tiles", "bricks", "marble")):
        case "stripes":
            share = np.sin(2 * np.pi * u / cell) > rng.uniform(-0.6, 0.6)
        case "checks":
            share = 0.5 * (np.sin(np.pi * u / cell) > 0) + 0.5 * (np.sin(np.pi * v / cell) > 0)
        case "dots":
            share = np.hypot((u % cell) - cell / 2, (v % cell) - cell / 2) < cell * rng.uniform(0.12, 0.35)
        case "tiles":
            cell *= 2
            share = np.minimum(u % cell, v % cell) < cell * 0.04
        case "bricks":
            cell *= 1.6
            shift = np.floor(v / (cell / 2)) % 2 * cell / 2
            share = np.minimum((u + shift) % cell, 1.5 * (v % (cell / 2))) < cell * 0.05
        case _:
            swirl = np.sin(u / cell * 2 + 9 * noise(rng, shape, max(shape) / 4))
            share = np.clip(1.0 - 5 * np.abs(swirl), 0, 1) * 0.5
            first = np.array(grey(rng.uniform(0.75, 0.95)), np.float32)
    soft = np.asarray(cv2.GaussianBlur(share.astype(np.float32), (0, 0), 0.7), np.float32)[:, :, None]
    tone = (0.85 + 0.3 * noise(rng, shape, max(shape) / 4))[:, :, None]
    return np.asarray((first * (1 - soft) + second * soft) * tone, np.float32)


def _any_colour(rng: np.random.Generator) -> Colour:
    return hsv(rng.random(), rng.uniform(0.0, 0.6), rng.uniform(0.25, 0.95))


def printed(
    rng: np.random.Generator, size: tuple[int, int], paper: Colour, ink: Colour, accent: Colour, *, busy: bool = False
) -> Floats:
    """Return printed art of width and height ``size``: a name, small type, bands, a badge, a barcode."""
    width, height = max(8, size[0]), max(8, size[1])
    picture = Image.new("RGB", (width, height), _bytes(paper))
    draw = ImageDraw.Draw(picture)
    if busy or rng.random() < 0.4:
        _ornament(rng, draw, width, height, _bytes(accent))
    y = height * rng.uniform(0.08, 0.3)
    word = str(rng.choice(WORDS))
    letters = max(3, len(word))
    big = int(min(height * rng.uniform(0.14, 0.26), width * 0.8 / (0.62 * letters)))
    centred = rng.random() < 0.6
    x = width / 2 if centred else width * 0.12
    anchor = "ma" if centred else "la"
    draw.text((x, y), word, fill=_bytes(ink), font=font(big), anchor=anchor)
    y += big * 1.35
    for _ in range(rng.integers(1, 4)):
        line = str(rng.choice(SMALL))
        small = int(max(6, min(height * 0.07, width * 0.8 / (0.55 * len(line)))))
        draw.text((x, y), line, fill=_bytes(ink), font=font(small), anchor=anchor)
        y += small * 1.5
    if rng.random() < 0.5:
        draw.line(((width * 0.12, y), (width * 0.88, y)), fill=_bytes(ink), width=max(1, height // 150))
    if rng.random() < 0.35:
        _barcode(rng, draw, width, height, _bytes(ink))
    return from_picture(np.asarray(picture, np.uint8))


def _ornament(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, fill: tuple[int, int, int]
) -> None:
    match rng.integers(0, 4):
        case 0:
            share = rng.uniform(0.12, 0.4)
            draw.rectangle((0, height * (1 - share), width, height), fill=fill)
        case 1:
            radius = min(width, height) * rng.uniform(0.15, 0.35)
            x, y = width * rng.uniform(0.2, 0.8), height * rng.uniform(0.5, 0.85)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        case 2:
            for index in range(rng.integers(3, 9)):
                y = height * (0.55 + 0.05 * index)
                draw.rectangle((0, y, width, y + height * 0.02), fill=fill)
        case _:
            for _ in range(14):
                x, y = width * rng.random(), height * rng.uniform(0.5, 1.0)
                reach = width * rng.uniform(0.03, 0.12)
                draw.polygon(((x, y - reach), (x + reach, y + reach), (x - reach, y + reach / 2)), fill=fill)


def _barcode(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, width: int, height: int, fill: tuple[int, int, int]
) -> None:
    own = apart(rng)
    x, end = width * 0.62, width * 0.9
    while x < end:
        bar = max(1.0, width * own.choice((0.004, 0.008, 0.012)))
        draw.rectangle((round(x), height * 0.86, round(x) + round(bar) - 1, height * 0.95), fill=fill)
        x += bar + max(1.0, width * own.choice((0.004, 0.008)))


def _bytes(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = np.rint(encoded(np.array(colour, np.float32)) * 255.0).astype(int)
    return int(red), int(green), int(blue)


def sampled(texture: Floats, across: Floats, down: Floats) -> Floats:
    """Return a texture's light at shares of its width and height, each h×w, 0 to 1."""
    height, width = texture.shape[:2]
    x, y = (across * (width - 1)).astype(np.float32), (down * (height - 1)).astype(np.float32)
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def stretched(texture: Floats, corners: Floats, shape: tuple[int, int]) -> Floats:
    """Return a texture laid on a quadrilateral: its upper left, upper right, lower right, lower left corner (x, y)."""
    height, width = texture.shape[:2]
    source = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
    matrix = cv2.getPerspectiveTransform(source, np.asarray(corners, np.float32))
    flags = cv2.INTER_AREA if width > np.ptp(corners[:, 0]) else cv2.INTER_LINEAR
    placed = cv2.warpPerspective(texture, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(placed, np.float32)
