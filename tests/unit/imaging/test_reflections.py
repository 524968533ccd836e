from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.cutting.border import model_backdrop
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.cutting.cutout import find_outline, judged
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.reflections import kept_reflection, reflection
from generator_service.imaging.cutting.segment import Segmentation
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import codes, encoded
from tools.studio.scenes import scene

SIDE, TOP, FOOT, END = 480, 120, 320, 380
LEFT, RIGHT = 170, 310
BACKDROP, PURPLE, YELLOW = (46, 44, 42), (150, 80, 180), (220, 190, 60)
Pixels = NDArray[np.uint8]


def stood(below: NDArray[np.floating], *, narrow: int = 0) -> tuple[Pixels, Segmentation]:
    """Draw a jar with a band on a dark surface; ``below`` is the strength, row by row, of its mirror image.

    The jar is ``narrow`` pixels narrower on each side than the part below it. The mask has both.
    """
    photo = np.full((SIDE, SIDE, 3), BACKDROP, np.float32)
    photo[TOP:FOOT, LEFT:RIGHT] = PURPLE
    photo[FOOT - 40 : FOOT - 15, LEFT:RIGHT] = YELLOW
    image = photo[2 * FOOT - END : FOOT][::-1]
    photo[FOOT:END] += below[:, None, None] * (image - photo[FOOT:END])
    photo[TOP:FOOT, LEFT : LEFT + narrow] = photo[TOP:FOOT, RIGHT - narrow : RIGHT] = BACKDROP
    photo += np.random.default_rng(0).normal(0, 1.0, (SIDE, SIDE, 1))
    shown = np.clip(np.rint(cv2.GaussianBlur(photo, (0, 0), 0.7)), 0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[TOP:FOOT, LEFT + narrow : RIGHT - narrow] = mask[FOOT:END, LEFT:RIGHT] = True
    return shown, Segmentation(mask=mask, backdrop=model_backdrop(shown))


FADING = np.linspace(0.5, 0.1, END - FOOT)


def test_a_kept_reflection_is_doubted_with_its_region() -> None:
    photo, found = stood(FADING)
    outline = judged(decode(encoded(photo)), found, 0.99, (), (), ())
    assert outline.confidence < TRUSTED
    assert codes(outline.findings) == ["uncertain_outline"]
    (finding,) = kept_reflection(reflection(photo, found))
    assert finding.region is not None
    assert finding.region.top == pytest.approx(FOOT / SIDE, abs=0.04)
    assert finding.region.bottom == pytest.approx(END / SIDE, abs=0.04)


@pytest.mark.parametrize(
    "below",
    [np.full(END - FOOT, 0.4), np.linspace(1.0, 0.4, END - FOOT)],
    ids=["a pale foot", "a foot that grows pale"],
)
def test_a_foot_of_the_products_colours_is_no_reflection(below: NDArray[np.floating]) -> None:
    assert reflection(*stood(below)) is None


def test_a_foot_wider_than_the_product_is_no_reflection() -> None:
    assert reflection(*stood(FADING, narrow=20)) is None


def test_nothing_is_a_reflection_on_a_cluttered_backdrop() -> None:
    photo, found = stood(FADING)
    noisy = np.random.default_rng(0).integers(0, 255, photo.shape, np.uint8)
    cluttered = Segmentation(mask=found.mask, backdrop=model_backdrop(noisy))
    assert cluttered.backdrop.surface is None
    assert reflection(photo, cluttered) is None


def test_a_scene_on_a_glossy_surface_is_not_trusted_with_its_reflection() -> None:
    outline = find_outline(decode(scene("reflection", 3100004).photo), prior=own_network())
    assert outline.confidence < TRUSTED
    assert codes(outline.findings) == ["uncertain_outline"]
