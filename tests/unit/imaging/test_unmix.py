"""The soft rim of an outline is read from the colours on both of its sides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.foreground import foreground
from generator_service.imaging.cutting.matte import matte
from generator_service.imaging.cutting.unmix import unmix

_SIDE = 200
Floats = NDArray[np.float32]


def disc_on(backdrop: tuple[int, int, int], product: tuple[int, int, int]) -> tuple[NDArray[np.uint8], Floats]:
    """Return a photo of a disc with a soft rim, with a little noise, and its true alpha."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    hard = (np.hypot(rows - 100, columns - 100) < 60).astype(np.float32)
    alpha = np.asarray(cv2.GaussianBlur(hard, (0, 0), 1.2), np.float32)
    layers = [np.array(colour, np.float32) for colour in (backdrop, product)]
    mixed = layers[0] * (1.0 - alpha[:, :, None]) + layers[1] * alpha[:, :, None]
    noise = np.random.default_rng(1).normal(0.0, 2.0, mixed.shape)
    return np.clip(np.rint(mixed + noise), 0, 255).astype(np.uint8), alpha


def too_wide(alpha: Floats) -> Floats:
    """Return the alpha grown by about a pixel, as a mask that takes the backdrop's rim along."""
    return np.asarray(cv2.dilate(alpha, np.ones((3, 3), np.uint8)), np.float32)


@pytest.mark.parametrize("backdrop", [(200, 30, 40), (30, 90, 200), (40, 160, 70)])
@pytest.mark.parametrize("product", [(200, 200, 200), (50, 50, 55)])
def test_unmix_reads_share_of_each_layer(backdrop: tuple[int, int, int], product: tuple[int, int, int]) -> None:
    photo, alpha = disc_on(backdrop, product)
    rim = (alpha > 0.02) & (alpha < 0.98)
    before, after = (np.abs(found - alpha)[rim].mean() for found in (too_wide(alpha), unmix(photo, too_wide(alpha))))
    assert after < 0.04
    assert after < 0.3 * before


def test_unmix_leaves_alpha_where_colours_are_alike() -> None:
    photo, alpha = disc_on((200, 200, 200), (205, 205, 205))
    wide = too_wide(alpha)
    assert np.array_equal(unmix(photo, wide), wide)


def test_unmix_leaves_pixels_that_are_no_mixture() -> None:
    photo, alpha = disc_on((200, 30, 40), (200, 200, 200))
    photo[96:104, 156:164] = (0, 160, 0)  # A detail of a third colour on the rim.
    wide = too_wide(alpha)
    detail = (slice(98, 102), slice(158, 162))
    np.testing.assert_allclose(unmix(photo, wide)[detail], wide[detail], atol=0.1)


def test_rim_on_white_has_no_colour_of_the_backdrop() -> None:
    photo, true = disc_on((200, 30, 40), (200, 200, 200))
    alpha = matte(photo, true > 0.2)
    share = alpha[:, :, None] / 255.0
    on_white = foreground(photo, alpha) * share + 255.0 * (1.0 - share)
    rim = (true > 0.02) & (true < 0.98)
    redness = (on_white[:, :, 0] - on_white[:, :, 1])[rim]
    assert redness.mean() < 8.0
    assert np.percentile(redness, 95) < 25.0


def test_unmix_takes_no_soft_shadow_for_product() -> None:
    photo, alpha = disc_on((214, 216, 220), (170, 40, 30))
    shade = cv2.GaussianBlur((alpha > 0.5).astype(np.float32), (0, 0), 4.0)[:, :, None]
    shaded = np.clip(np.rint(photo * (1.0 - 0.25 * shade * (alpha < 0.02)[:, :, None])), 0, 255).astype(np.uint8)
    found = unmix(shaded, alpha)
    assert found[alpha < 0.02].max() < 0.05
