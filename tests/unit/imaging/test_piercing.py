from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.cutout import find_outline, full_alpha
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.openwork import find_openwork
from generator_service.imaging.cutting.piercing import pierced
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import codes, encoded
from tests.unit.imaging.test_openwork import BACKDROP, FIRST, LAST, SIDE, WIRE, filled, panel
from tools.quality.scores import compare
from tools.studio.scenes import scene

INSIDE = slice(FIRST + 40, LAST - 40)


def cloth(pattern: NDArray[np.bool_], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Draw cloth in the backdrop's colour with a pattern in another one."""
    photo = np.full((SIDE, SIDE, 3), BACKDROP, np.float32)
    photo[FIRST:LAST, FIRST:LAST] = np.where(pattern[:, :, None], colour, BACKDROP)
    photo += np.random.default_rng(0).normal(0, 1.0, photo.shape[:2])[:, :, None]
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)


Y, X = np.mgrid[: LAST - FIRST, : LAST - FIRST]
DARK, BLUISH = (50, 50, 50), (222, 228, 240)
RINGS = np.abs(np.hypot(Y % 26 - 13, X % 26 - 13) - 8.0) < 3.0
STRIPES = X % 8 < 4
GRID = (X % 12 < 4) | (Y % 12 < 4)


@pytest.mark.parametrize("opening", [BACKDROP, BACKDROP - 25], ids=["as it is", "in the mesh's shade"])
@pytest.mark.parametrize("pitch", [10, 30])
def test_the_openings_of_a_mesh_are_cut_out_and_its_wires_kept(pitch: int, opening: int) -> None:
    photo = panel(pitch=pitch, opening=opening)
    found = find_openwork(photo, filled(photo))
    assert found is not None
    most = pierced(found)
    assert most is not None
    seen = photo[INSIDE, INSIDE, 0]
    assert np.percentile(most[INSIDE, INSIDE][seen > opening - 10], 99) == 0
    assert np.percentile(most[INSIDE, INSIDE][seen < WIRE + 10], 1) == 255
    assert (most[:FIRST] == 255).all(), "outside the mesh, the matte decides"


@pytest.mark.parametrize(
    ("pattern", "colour"),
    [(RINGS, DARK), (STRIPES, DARK), (GRID, BLUISH)],
    ids=["rings on a connected ground", "separate stripes", "a faint grid"],
)
def test_a_print_is_doubted_and_left_alone(pattern: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    photo = cloth(pattern, colour)
    found = find_openwork(photo, filled(photo))
    assert found is not None
    assert pierced(found) is None


def test_a_grid_of_dark_wires_is_no_print() -> None:
    photo = cloth(GRID, DARK)
    found = find_openwork(photo, filled(photo))
    assert found is not None
    assert pierced(found) is not None


def test_a_noisy_photo_hides_no_mesh() -> None:
    photo = panel(pitch=30, opening=BACKDROP)
    noise = np.random.default_rng(1).normal(0, 6.0, photo.shape)
    noisy = np.clip(np.rint(photo + noise), 0, 255).astype(np.uint8)
    found = find_openwork(noisy, filled(noisy))
    assert found is not None
    assert pierced(found) is not None


def test_a_mesh_comes_out_open_but_not_trusted() -> None:
    photo = decode(encoded(panel(pitch=10, opening=BACKDROP)))
    outline = find_outline(photo, prior=own_network())
    alpha = full_alpha(photo, outline)[INSIDE, INSIDE]
    assert float(np.mean(alpha < 128)) == pytest.approx((6 / 10) ** 2, abs=0.05)
    assert "see_through" in codes(outline.findings)
    assert outline.confidence < TRUSTED


def test_a_region_to_keep_stays_closed() -> None:
    photo = decode(encoded(panel(pitch=10, opening=BACKDROP)))
    keep = Hint(kind=HintKind.KEEP, region=Region(left=0.3, top=0.3, right=0.5, bottom=0.7))
    alpha = full_alpha(photo, find_outline(photo, prior=own_network(), hints=[keep]))
    rows = slice(round(0.32 * SIDE), round(0.68 * SIDE))
    assert (alpha[rows, round(0.32 * SIDE) : round(0.48 * SIDE)] > 250).all()
    assert (alpha[rows, round(0.52 * SIDE) : round(0.68 * SIDE)] < 10).any()


def test_the_racket_of_a_studio_scene_is_open() -> None:
    made = scene("mesh", 431_001)
    photo = decode(made.photo)
    iou, _ = compare(full_alpha(photo, find_outline(photo, prior=own_network())), made.alpha)
    assert iou > 0.85
