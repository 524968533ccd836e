"""The outline of neutral products is as smooth as in the photo, and equals a plain float64 computation."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.matte import guided_filter, matte
from generator_service.imaging.cutting.segment import shrink

RADIUS, EPSILON = 4, 3e-5
# Product and backdrop, sRGB. The more the channels correlate, the closer the covariance is to singular.
COLOURS = [
    pytest.param((18, 18, 18), (212, 212, 212), id="black on light grey"),
    pytest.param((0, 0, 0), (255, 255, 255), id="black on white"),
    pytest.param((120, 120, 120), (252, 252, 252), id="grey on white"),
    pytest.param((235, 235, 235), (40, 40, 40), id="white on dark grey"),
    pytest.param((20, 26, 52), (214, 216, 220), id="navy on light grey"),
    pytest.param((170, 40, 30), (214, 216, 220), id="red on light grey"),
]

Pixels = NDArray[np.uint8]


def wavy_product(
    product: tuple[int, ...], backdrop: tuple[int, ...], side: int = 600, noise: float = 0.0
) -> tuple[Pixels, NDArray[np.float64]]:
    """Draw a product with a wavy outline; return the photo, N×N×3, and the true alpha, N×N, 0 to 1."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2.0
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    alpha = np.clip(side * (0.28 + 0.05 * np.sin(6.0 * angle)) - distance + 0.5, 0.0, 1.0)
    light = (0.97 + 0.03 * x / side)[:, :, None]
    photo = np.array(backdrop) * light * (1.0 - alpha[:, :, None]) + np.array(product) * alpha[:, :, None]
    photo += np.random.default_rng(0).normal(0.0, noise, photo.shape) if noise else 0.0
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8), alpha


def filtered_in_float64(guide: NDArray[np.float32], source: NDArray[np.float32]) -> NDArray[np.float64]:
    """The filter by its definition: one 3×3 system per window, solved by LAPACK."""
    colours, target = guide.astype(np.float64), source.astype(np.float64)
    side = 2 * RADIUS + 1

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        padding = [(RADIUS, RADIUS)] * 2 + [(0, 0)] * (values.ndim - 2)
        padded = np.pad(values, padding, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
        return np.asarray(windows.mean(axis=(-2, -1)))

    centre, target_mean = mean(colours), mean(target)
    products = mean(np.einsum("hwi,hwj->hwij", colours, colours))
    covariance = products - np.einsum("hwi,hwj->hwij", centre, centre) + EPSILON * np.eye(3)
    shared = mean(colours * target[:, :, None]) - centre * target_mean[:, :, None]
    slope = np.linalg.solve(covariance, shared[..., None])[..., 0]
    offset = target_mean - (slope * centre).sum(axis=2)
    return np.asarray((mean(slope) * colours).sum(axis=2) + mean(offset))


@pytest.mark.parametrize("noise", [0.0, 1.5])
@pytest.mark.parametrize(("product", "backdrop"), COLOURS)
def test_guided_filter_equals_float64(product: tuple[int, ...], backdrop: tuple[int, ...], noise: float) -> None:
    photo, alpha = wavy_product(product, backdrop, side=160, noise=noise)
    guide = photo.astype(np.float32) / 255.0
    source = np.roll(alpha > 0.5, (2, 1), (0, 1)).astype(np.float32)
    difference = guided_filter(guide, source, RADIUS, EPSILON) - filtered_in_float64(guide, source)
    assert np.abs(difference).max() < 1e-4


@pytest.mark.parametrize(("product", "backdrop"), COLOURS)
def test_matte_outline_is_as_smooth_as_in_the_photo(product: tuple[int, ...], backdrop: tuple[int, ...]) -> None:
    photo, truth = wavy_product(product, backdrop, side=900)
    coarse = shrink(np.rint(truth * 255.0).astype(np.uint8), 480) > 127
    alpha = matte(photo, coarse)
    wrong = np.abs(alpha / 255.0 - truth) > 0.3
    assert np.count_nonzero(wrong) < 0.01 * outline_length(truth > 0.5)
    assert outline_length(alpha > 127) == pytest.approx(outline_length(truth > 0.5), rel=0.02)


def outline_length(mask: NDArray[np.bool_]) -> float:
    """Return the length of all contours in pixels."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return sum(cv2.arcLength(contour, closed=True) for contour in contours)


@pytest.mark.parametrize("side", [961, 1500, 1999, 2000])
def test_any_size_of_photo_is_refined_to_the_edge(side: int) -> None:
    photo, truth = wavy_product((120, 30, 40), (214, 216, 220), side=side)
    coarse = shrink((truth * 255).astype(np.uint8), 480) > 127
    alpha = matte(photo, coarse)
    assert alpha.shape == (side, side)
    assert np.abs(alpha / 255.0 - truth).mean() < 5e-4


def test_a_product_at_the_frame_is_refined_too() -> None:
    photo, truth = wavy_product((120, 30, 40), (214, 216, 220), side=1400)
    photo, truth = np.ascontiguousarray(photo[400:900, 300:780]), truth[400:900, 300:780]
    coarse = shrink(np.rint(truth * 255.0).astype(np.uint8), 250) > 127
    assert coarse[-1].any()
    assert np.abs(matte(photo, coarse) / 255.0 - truth).mean() < 4e-3
