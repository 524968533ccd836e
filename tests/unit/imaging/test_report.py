"""Measurements of a finished file match its content."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from generator_service.domain.presets import PRESETS, resolve
from generator_service.domain.report import Report, Verdict
from generator_service.domain.task_options import Content, OutputFormat, Shadow, TaskOptions
from generator_service.imaging.checks.fringe import FULL_SIDE, pale_share
from generator_service.imaging.checks.likeness import Product, likeness, sharpness
from generator_service.imaging.cutting.segment import shrink
from generator_service.imaging.render import render
from tests.unit.imaging.photos import Pixels, encoded, product_photo, silent, spec


def value(report: Report, name: str) -> float:
    (found,) = (check.value for check in report.checks if check.name == name)
    assert found is not None
    return found


def textured(shape: str = "ellipse", seed: int = 0, size: tuple[int, int] = (800, 600)) -> tuple[Pixels, Pixels]:
    """A product with a pattern on white, and its alpha."""
    _, mask = product_photo(size=size, shape=shape)
    noise = np.random.default_rng(seed).integers(0, 160, (size[1] // 10, size[0] // 10, 3)).astype(np.uint8)
    pattern = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    rgb = np.where(mask[:, :, None], pattern, 255).astype(np.uint8)
    return rgb, np.where(mask, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("preset", "shadow"), [*((preset, Shadow.NONE) for preset in PRESETS), ("custom", Shadow.CONTACT)]
)
def test_every_presets_picture_of_a_plain_photo_passes_its_own_report(preset: str, shadow: Shadow) -> None:
    photo = encoded(product_photo(size=(900, 700), shape="ellipse")[0], "JPEG", quality=95)
    made = render(photo, resolve(TaskOptions(preset=preset, shadow=shadow)), silent)
    assert made.report.preset == preset
    assert [check for check in made.report.checks if check.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("output", list(OutputFormat))
def test_the_figures_are_those_of_the_file(output: OutputFormat) -> None:
    made = render(encoded(product_photo(shape="pair")[0]), spec(output=output), silent)
    report = made.report
    assert value(report, "border") == 0
    assert value(report, "bytes") == len(made.data)
    assert value(report, "size") == 400
    assert value(report, "components") == 2
    assert value(report, "fill") == pytest.approx(made.fill, abs=0.01)
    assert value(report, "centring") < 0.01
    assert 0.3 < value(report, "near_white") < 0.9
    assert value(report, "sharpness") > 0.65, "noise is smoothed, nothing else"


@pytest.mark.parametrize("content", [Content.TRANSPARENT, Content.MASK])
def test_cut_outs_and_masks_are_measured_too(content: Content) -> None:
    report = render(encoded(product_photo()[0]), spec(content=content), silent).report
    assert report.passed
    assert value(report, "border") == 0
    assert value(report, "fill") == pytest.approx(0.85, abs=0.015)


def measured_halo(rgb: Pixels, alpha: Pixels) -> float:
    return pale_share(shrink(rgb, FULL_SIDE), alpha > 0, (255, 255, 255), 1.0)


def test_a_pale_fringe_is_a_halo() -> None:
    alpha = np.zeros((1000, 1000), np.uint8)
    cv2.circle(alpha, (500, 500), 400, 255, -1)
    clean = np.full((1000, 1000, 3), 255, np.uint8)
    cv2.circle(clean, (500, 500), 400, (90, 30, 40), -1)
    fringed = np.full((1000, 1000, 3), 255, np.uint8)
    cv2.circle(fringed, (500, 500), 400, (225, 226, 228), -1)
    cv2.circle(fringed, (500, 500), 394, (90, 30, 40), -1)
    assert measured_halo(clean, alpha) == 0.0
    assert measured_halo(fringed, alpha) > 0.9


def test_a_product_that_is_pale_all_over_has_no_halo() -> None:
    alpha = np.zeros((1000, 1000), np.uint8)
    cv2.circle(alpha, (500, 500), 400, 255, -1)
    pale = np.full((1000, 1000, 3), 255, np.uint8)
    cv2.circle(pale, (500, 500), 400, (228, 226, 220), -1)
    assert measured_halo(pale, alpha) == 0.0


def test_blur_is_seen_and_a_change_of_size_is_not() -> None:
    rgb, alpha = textured()
    product = Product.cut(rgb, alpha)
    small = Product.cut(shrink(rgb, 400), shrink(alpha, 400))
    assert sharpness(small, product) == pytest.approx(1.0, abs=0.15)
    blurred = Product.cut(np.asarray(cv2.GaussianBlur(rgb, (0, 0), 6.0), np.uint8), alpha)
    assert (sharpness(blurred, product) or 1.0) < 0.5
    even = Product.cut(np.full_like(rgb, 90), alpha)
    assert sharpness(even, even) is None


def test_the_same_product_is_alike_however_it_lies_and_another_is_not() -> None:
    rgb, alpha = textured()
    product = Product.cut(rgb, alpha)
    moved = np.full((900, 1000, 3), 255, np.uint8)
    moved_alpha = np.zeros((900, 1000), np.uint8)
    smaller, smaller_alpha = cv2.resize(rgb, (480, 360)), cv2.resize(alpha, (480, 360))
    moved[100:460, 50:530], moved_alpha[100:460, 50:530] = smaller, smaller_alpha
    brighter = np.clip(moved.astype(int) + 8, 0, 255).astype(np.uint8)
    assert likeness(Product.cut(brighter, moved_alpha), product) > 0.85
    other, other_alpha = textured("box", seed=5)
    other[other_alpha > 0] = np.array((20, 90, 30), np.uint8)
    assert likeness(Product.cut(other, other_alpha), product) < 0.5


def test_a_made_picture_of_another_product_fails() -> None:
    original, _ = product_photo(shape="ellipse", product=(30, 60, 160))
    other, _ = product_photo(shape="ring", product=(170, 40, 30))
    asked = replace(spec(), size_px=400)
    report = render(encoded(other), asked, silent, original=encoded(original)).report
    assert report.failed("same_product")
    assert not report.passed
    same = render(encoded(original), asked, silent, original=encoded(original)).report
    assert value(same, "same_product") > 0.9
    assert same.passed


def test_a_made_picture_that_cuts_the_product_off_fails() -> None:
    original, _ = product_photo(shape="box")
    report = render(encoded(original[:, 110:]), spec(), silent, original=encoded(original)).report
    assert report.failed("whole")


def test_a_cluttered_original_is_no_yardstick() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    clutter = np.asarray(cv2.resize(noise, (320, 240), interpolation=cv2.INTER_NEAREST), np.uint8)
    report = render(encoded(product_photo()[0]), spec(), silent, original=encoded(clutter)).report
    assert "same_product" not in {check.name for check in report.checks}
