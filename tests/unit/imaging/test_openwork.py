from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import model_backdrop
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.cutout import find_outline
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.openwork import filled_openwork, find_openwork
from generator_service.imaging.cutting.segment import Segmentation, shrink
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import codes, encoded

SIDE, FIRST, LAST = 960, 200, 760
BACKDROP, WIRE = 228, 50


def panel(*, pitch: int, opening: int | None) -> NDArray[np.uint8]:
    """Draw a square frame with a mesh in it; ``opening`` is the level inside the mesh, None for solid."""
    photo = np.full((SIDE, SIDE), BACKDROP, np.float32)
    photo[FIRST:LAST, FIRST:LAST] = WIRE
    for top in range(FIRST + 20, LAST - 20, pitch) if opening is not None else ():
        for left in range(FIRST + 20, LAST - 20, pitch):
            photo[top : top + pitch - 4, left : left + pitch - 4] = opening
    photo += np.random.default_rng(0).normal(0, 1.0, photo.shape)
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def filled(photo: NDArray[np.uint8]) -> Segmentation:
    small = shrink(photo, 480)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[FIRST:LAST, FIRST:LAST] = 1
    return Segmentation(mask=cv2.resize(mask, small.shape[1::-1]) > 0, backdrop=model_backdrop(small))


@pytest.mark.parametrize("opening", [BACKDROP, BACKDROP - 25], ids=["as it is", "in the mesh's shade"])
@pytest.mark.parametrize("pitch", [10, 30])
def test_a_filled_mesh_is_doubted(pitch: int, opening: int) -> None:
    photo = panel(pitch=pitch, opening=opening)
    (finding,) = filled_openwork(find_openwork(photo, filled(photo)))
    assert finding.code == "see_through"
    assert finding.region is not None
    assert finding.region.left == pytest.approx(FIRST / SIDE, abs=0.04)
    assert finding.region.bottom == pytest.approx(LAST / SIDE, abs=0.04)


@pytest.mark.parametrize("opening", [None, 110], ids=["solid", "printed"])
def test_a_solid_product_is_not(opening: int | None) -> None:
    photo = panel(pitch=10, opening=opening)
    assert filled_openwork(find_openwork(photo, filled(photo))) == ()


def test_a_few_patches_of_the_backdrops_colour_are_no_mesh() -> None:
    photo = panel(pitch=130, opening=BACKDROP)
    assert filled_openwork(find_openwork(photo, filled(photo))) == ()


def test_a_mesh_that_both_opinions_fill_is_not_trusted() -> None:
    outline = find_outline(decode(encoded(panel(pitch=10, opening=BACKDROP))), prior=own_network())
    assert "see_through" in codes(outline.findings)
    assert outline.confidence < TRUSTED
