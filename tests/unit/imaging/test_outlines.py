"""Plain photos whose product can't be found by its colour alone: each kind is drawn, and must be cut out whole."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.contours import hardness
from generator_service.imaging.cutting.difficulties import difficulties
from generator_service.imaging.cutting.segment import segment

_SIDE = 400
Mask = NDArray[np.bool_]
Pixels = NDArray[np.float32]
Grey = float | tuple[float, float, float]


class Scene:
    """A photo that is painted layer by layer, with the mask of its product."""

    def __init__(self, seed: int, level: float = 236.0) -> None:
        self._random = np.random.default_rng(seed)
        x, y = np.meshgrid(np.linspace(-1, 1, _SIDE), np.linspace(-1, 1, _SIDE))
        light = level - 3.0 * (x * x + y * y) + 2.0 * y
        self.pixels = np.repeat(light[:, :, None], 3, axis=2).astype(np.float32)
        self.mask = np.zeros((_SIDE, _SIDE), np.bool_)

    def put(self, shape: Mask, colour: Grey) -> None:
        soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 0.6)[:, :, None]
        self.pixels = self.pixels * (1.0 - soft) + np.array(colour, np.float32) * soft
        self.mask |= shape

    def shade(self, shape: Mask, blur: float, darkness: float) -> None:
        soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), blur)[:, :, None]
        self.pixels = self.pixels * (1.0 - darkness * soft)

    def photo(self) -> NDArray[np.uint8]:
        noisy = self.pixels + self._random.normal(0.0, 1.2, self.pixels.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    shape = np.zeros((_SIDE, _SIDE), np.bool_)
    shape[top:bottom, left:right] = True
    return shape


def ellipse(x: int, y: int, width: int, height: int) -> Mask:
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    inside: Mask = np.square((columns - x) / width) + np.square((rows - y) / height) <= 1.0
    return inside


def full_width_label(seed: int) -> Scene:
    scene = Scene(seed)
    scene.shade(ellipse(200, 340, 90, 10), 8.0, 0.2)
    scene.put(box(130, 90, 270, 340), (40, 100, 60))
    scene.put(box(130, 160, 270, 260), 224.0)
    scene.put(box(150, 180, 240, 190), 80.0)
    return scene


def blade(seed: int) -> Scene:
    scene = Scene(seed)
    scene.put(box(160, 60, 230, 220), 180.0)
    scene.put(box(155, 215, 235, 340), (40, 28, 24))
    return scene


def bag_with_grey_handle(seed: int) -> Scene:
    scene = Scene(seed, level=228.0)
    scene.put(ellipse(200, 190, 70, 110) & ~ellipse(200, 190, 60, 100), 190.0)
    scene.put(box(100, 190, 300, 340), (150, 30, 40))
    scene.mask &= ~(ellipse(200, 190, 60, 100) & ~box(100, 190, 300, 340))
    return scene


def pale_plate(seed: int) -> Scene:
    scene = Scene(seed, level=205.0)
    scene.shade(ellipse(203, 206, 120, 120), 8.0, 0.2)
    scene.put(ellipse(200, 200, 120, 120), 225.0)
    scene.put(ellipse(200, 200, 50, 40), (120, 60, 30))
    return scene


def thin_ring(seed: int) -> Scene:
    scene = Scene(seed)
    scene.put(ellipse(200, 200, 120, 110) & ~ellipse(200, 200, 108, 98), (200, 160, 70))
    return scene


def mesh(seed: int) -> Scene:
    scene = Scene(seed)
    lines = np.zeros((_SIDE, _SIDE), np.bool_)
    for start in range(80, 321, 20):
        lines |= box(start, 80, start + 3, 323) | box(80, start, 323, start + 3)
    scene.put(lines, 50.0)
    return scene


def notebook_and_pen(seed: int) -> Scene:
    scene = Scene(seed)
    scene.put(box(70, 80, 250, 320), (30, 60, 130))
    scene.put(box(300, 120, 306, 300), (20, 20, 20))
    return scene


def white_on_contact_shadow(seed: int) -> Scene:
    scene = Scene(seed, level=222.0)
    scene.shade(ellipse(200, 320, 100, 10), 5.0, 0.45)
    scene.put(box(130, 120, 270, 320), 249.0)
    return scene


def white_box_on_white(seed: int) -> Scene:
    scene = Scene(seed, level=240.0)
    scene.put(box(120, 130, 250, 330), 247.0)
    scene.put(box(250, 130, 290, 330), 224.0)
    scene.put(box(140, 200, 230, 220), 70.0)
    return scene


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("scene", "least"),
    [
        (full_width_label, 0.96),
        (blade, 0.96),
        (bag_with_grey_handle, 0.93),
        (pale_plate, 0.96),
        (thin_ring, 0.85),
        (mesh, 0.75),
        (notebook_and_pen, 0.96),
        (white_on_contact_shadow, 0.96),
        (white_box_on_white, 0.96),
    ],
)
def test_segment_finds_product_by_outline(scene: Callable[[int], Scene], least: float, seed: int) -> None:
    made = scene(seed)
    found = segment(made.photo()).mask
    assert np.count_nonzero(found & made.mask) / np.count_nonzero(found | made.mask) >= least


def test_segment_keeps_pieces_apart_from_the_largest_one() -> None:
    found = segment(notebook_and_pen(3).photo()).mask
    assert found[130:290, 302:304].all()


def test_segment_reports_dropped_piece() -> None:
    scene = Scene(4)
    scene.put(box(120, 120, 280, 280), (30, 60, 130))
    scene.put(box(370, 150, 400, 200), (150, 30, 40))  # Cut off by the frame: probably not part of the product.
    found = segment(scene.photo())
    assert not found.mask[:, 360:].any()
    (dropped,) = found.dropped
    assert dropped.left <= 375
    assert dropped.top <= 155
    assert dropped.bottom >= 195


def test_hardness_separates_steps_from_shadows() -> None:
    random = np.random.default_rng(5)
    plane = random.normal(0.0, 0.3, (120, 240, 3)).astype(np.float32)
    plane[:, 60:120, 0] -= 3.0  # A faint step.
    soft = np.zeros((120, 240), np.float32)
    soft[:, 180:] = 1.0
    plane[:, :, 0] -= 35.0 * cv2.GaussianBlur(soft, (0, 0), 5.0)  # A dark, soft shadow.
    backdrop = np.zeros((120, 240), np.bool_)
    backdrop[:, :40] = True
    edges = hardness(plane, backdrop)
    assert np.median(edges[20:100, 58:62].max(axis=1)) > 2.0
    assert np.median(edges[20:100, 160:200].max(axis=1)) < 2.0


def glass_bottle(seed: int) -> Scene:
    scene = Scene(seed, level=215.0)
    body = box(140, 120, 260, 340)
    scene.pixels *= 1.0 - 0.03 * body[:, :, None].astype(np.float32)
    sides = body & ~box(144, 124, 256, 336)
    scene.put(sides, (115, 135, 135))
    scene.put(box(170, 80, 230, 120), 50.0)
    return scene


@pytest.mark.parametrize(
    ("scene", "codes"),
    [
        (glass_bottle, {"see_through"}),
        (white_box_on_white, {"white_on_white"}),
        (thin_ring, set()),
        (mesh, set()),
        (blade, set()),
        (notebook_and_pen, set()),
    ],
)
def test_difficulties_name_what_an_outline_cannot_settle(scene: Callable[[int], Scene], codes: set[str]) -> None:
    findings = difficulties(segment(scene(6).photo()))
    assert {finding.code for finding in findings} == codes
    assert all(finding.region is not None for finding in findings)


def test_difficulties_locate_dropped_part() -> None:
    scene = Scene(7)
    scene.put(box(120, 120, 280, 280), (30, 60, 130))
    scene.put(box(370, 150, 400, 200), (150, 30, 40))
    (finding,) = difficulties(segment(scene.photo()))
    assert finding.code == "part_dropped"
    assert finding.region is not None
    assert finding.region.left > 0.85
    assert finding.region.bottom < 0.55
