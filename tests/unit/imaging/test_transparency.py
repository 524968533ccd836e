"""Alpha is a cut-out only where it separates a foreground; any other transparent photo is cut out normally."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generator_service.imaging.cutting.cutout import find_outline, full_alpha
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.source.decode import decode
from generator_service.imaging.source.transparency import fill_invisible, interpret
from tests.unit.imaging.photos import codes, encoded, product_photo

Alpha = NDArray[np.uint8]
SIDE = 320


def opaque(width: int = SIDE, height: int = SIDE) -> Alpha:
    return np.full((height, width), 255, np.uint8)


def drawn(draw: Callable[[ImageDraw.ImageDraw], None], size: tuple[int, int] = (SIDE, SIDE)) -> Alpha:
    """Draw at four times the size and scale down, so that edges are anti-aliased; coordinates are in pixels × 4."""
    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    draw(ImageDraw.Draw(large))
    return np.asarray(large.resize(size, Image.Resampling.BOX), np.uint8)


def pair(draw: ImageDraw.ImageDraw) -> None:
    for left in (100, 700):
        draw.ellipse((left, 200, left + 400, 1000), fill=255)


def hairs(draw: ImageDraw.ImageDraw) -> None:
    for angle in range(63):
        draw.line((640, 640, 640 + 560 * math.cos(angle), 640 + 560 * math.sin(angle)), fill=255, width=12)


def rounded(radius: float) -> Alpha:
    return drawn(lambda draw: draw.rounded_rectangle((0, 0, 4 * SIDE - 1, 4 * SIDE - 1), 4 * SIDE * radius, fill=255))


def straightened(degrees: float, *, expand: bool) -> Alpha:
    image = Image.fromarray(opaque()).rotate(degrees, Image.Resampling.BICUBIC, expand=expand)
    return np.asarray(image.resize((SIDE, SIDE)), np.uint8)


def keystone() -> Alpha:
    inset = SIDE * 4 // 16
    return drawn(
        lambda draw: draw.polygon(((0, 0), (4 * SIDE, 0), (4 * SIDE - inset, 4 * SIDE), (inset, 4 * SIDE)), 255)
    )


def vignette(begin: float, end: float) -> Alpha:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return np.asarray(np.rint(255 * np.clip((end - np.hypot(x, y)) / (end - begin), 0, 1)), np.uint8)


def noisy(low: int, high: int) -> Alpha:
    return np.random.default_rng(0).integers(low, high + 1, (SIDE, SIDE)).astype(np.uint8)


def with_rim(depth: int, value: int) -> Alpha:
    alpha = opaque()
    alpha[:depth] = alpha[-depth:] = value
    alpha[:, :depth] = alpha[:, -depth:] = value
    return alpha


def with_hole() -> Alpha:
    alpha = opaque()
    alpha[10:60, 200:300] = 0
    return alpha


def between_bars() -> Alpha:
    alpha = opaque()
    alpha[:36] = alpha[-36:] = 0
    return alpha


PHOTOS = {
    "straightened by 1.5°": straightened(1.5, expand=True),
    "straightened by 6°": straightened(6, expand=True),
    "straightened by -14°": straightened(-14, expand=True),
    "straightened by 3°, same size": straightened(3, expand=False),
    "straightened by 9°, same size": straightened(9, expand=False),
    "keystone corrected": keystone(),
    "slightly rounded": rounded(0.03),
    "rounded": rounded(0.1),
    "strongly rounded": rounded(0.25),
    "opacity 200": np.full((SIDE, SIDE), 200, np.uint8),
    "opacity 60": np.full((SIDE, SIDE), 60, np.uint8),
    "opacity 1": np.full((SIDE, SIDE), 1, np.uint8),
    "opaque to a bit": noisy(254, 255),
    "uneven opacity": noisy(170, 230),
    "soft rim": with_rim(1, 120),
    "clear rim": with_rim(2, 0),
    "vignette": vignette(0.7, 1.3),
    "narrow vignette": vignette(0.75, 1.0),
    "hole": with_hole(),
    "bars": between_bars(),
    "empty": np.zeros((SIDE, SIDE), np.uint8),
    "opaque": opaque(),
}

CUTOUTS = {
    "blob with a margin": drawn(lambda draw: draw.ellipse((300, 200, 900, 1100), fill=255)),
    "box with a margin": drawn(lambda draw: draw.rectangle((300, 200, 900, 1100), fill=255)),
    "turned box": drawn(lambda draw: draw.polygon(((300, 200), (900, 300), (800, 1000), (200, 900)), 255)),
    "disc to the frame": drawn(lambda draw: draw.ellipse((0, 0, 4 * SIDE - 1, 4 * SIDE - 1), fill=255)),
    "ring": drawn(lambda draw: draw.ellipse((100, 100, 1180, 1180), outline=255, width=120)),
    "two parts": drawn(pair),
    "cut off below": drawn(lambda draw: draw.ellipse((200, 300, 1080, 1700), fill=255)),
    "tall, touching": drawn(lambda draw: draw.polygon(((500, 0), (780, 0), (900, 1280), (380, 1280)), 255)),
    "shoe to the frame": drawn(
        lambda draw: draw.polygon(((0, 900), (0, 1280), (1280, 1280), (700, 600), (500, 0)), 255)
    ),
    "small": drawn(lambda draw: draw.ellipse((600, 600, 700, 680), fill=255)),
}


@pytest.mark.parametrize("alpha", PHOTOS.values(), ids=PHOTOS)
def test_interpret_photo(alpha: Alpha) -> None:
    transparency = interpret(alpha)
    assert transparency.cutout is None
    if transparency.visible is not None:
        assert 0 < np.count_nonzero(transparency.visible) < alpha.size


@pytest.mark.parametrize("alpha", CUTOUTS.values(), ids=CUTOUTS)
@pytest.mark.parametrize("opacity", [1.0, 0.6])
def test_interpret_cutout_at_any_opacity(alpha: Alpha, opacity: float) -> None:
    cutout = interpret(np.rint(alpha * opacity).astype(np.uint8)).cutout
    assert cutout is not None
    assert np.abs(cutout.astype(int) - alpha).max() <= 2


def test_interpret_cutout_with_glass_shadow_and_fur() -> None:
    glass = CUTOUTS["blob with a margin"].copy()
    glass[120:220, 110:190] = 90
    assert interpret(glass).cutout is not None
    shadow = cv2.GaussianBlur(np.roll(CUTOUTS["turned box"], (14, 14), (0, 1)), (0, 0), 12) // 3
    assert interpret(np.maximum(CUTOUTS["turned box"], shadow)).cutout is not None
    fur = drawn(hairs)
    assert interpret(fur).cutout is not None


def test_interpret_large_channel_as_its_small_copy() -> None:
    large = np.asarray(Image.fromarray(PHOTOS["straightened by 6°"]).resize((2600, 2600)), np.uint8)
    assert interpret(large).cutout is None
    large = np.asarray(Image.fromarray(CUTOUTS["turned box"]).resize((2600, 2600)), np.uint8)
    assert interpret(large).cutout is not None


def test_fill_invisible_continues_the_backdrop_and_ignores_the_rim() -> None:
    rgb = np.full((64, 64, 3), (200, 205, 210), np.uint8)
    visible = np.ones((64, 64), np.bool_)
    visible[:20, :20] = False
    rgb[:21, :21] = 0  # Black under the transparent corner, and blended into the pixel beside it.
    assert (fill_invisible(rgb, visible) == (200, 205, 210)).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    # Of each kind of transparency one; what all of them are taken for is shown above.
    [
        *((name, "PNG") for name in ("rounded", "keystone corrected", "narrow vignette", "bars", "opacity 1")),
        ("opacity 200", "WEBP"),
        ("straightened by 6°", "TIFF"),
    ],
)
def test_a_photo_with_transparency_is_cut_out(name: str, kind: str) -> None:
    pixels, truth = product_photo(size=(SIDE, SIDE), shape="ellipse")
    alpha = PHOTOS[name]
    pixels = np.where((alpha > 0)[:, :, None], pixels, 0).astype(np.uint8)
    photo = decode(encoded(np.dstack((pixels, alpha)), kind, lossless=True))
    outline = find_outline(photo, prior=own_network())
    found = full_alpha(photo, outline) > 127
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.93
    assert outline.coarse is not None
    warned = "transparent_areas" in codes(photo.findings)
    assert warned == (photo.visible is not None and float(np.mean(photo.visible)) < 0.999)


def test_a_product_without_backdrop_but_rounded_corners_is_kept_with_a_warning() -> None:
    phone = np.full((SIDE, SIDE, 3), (30, 32, 36), np.uint8)
    photo = decode(encoded(np.dstack((phone, PHOTOS["rounded"]))))
    outline = find_outline(photo, prior=own_network())
    assert outline.confidence < 0.5
    assert codes(outline.findings) == ["no_product_inside"]
    alpha = full_alpha(photo, outline)
    assert alpha[0, 0] == 0
    assert alpha[SIDE // 2, SIDE // 2] == 255


def test_grey_and_palette_transparency() -> None:
    pixels, truth = product_photo(size=(SIDE, SIDE), shape="ellipse", product=(40, 40, 40))
    grey = Image.fromarray(pixels).convert("L")
    grey.putalpha(Image.fromarray(PHOTOS["straightened by 6°"]))
    palette = Image.fromarray(np.dstack((pixels, PHOTOS["rounded"]))).quantize(200)
    for image in (grey, palette):
        photo = decode(encoded(image))
        assert photo.alpha is None
        assert photo.visible is not None
        found = full_alpha(photo, find_outline(photo, prior=own_network())) > 127
        assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.93
