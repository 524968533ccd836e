from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.imaging.cutting.border import model_backdrop
from generator_service.imaging.cutting.cutout import find_outline, full_alpha, judged
from generator_service.imaging.cutting.gaps import filled_gaps, find_gaps
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.segment import Segmentation, shrink
from generator_service.imaging.source.decode import Photo, decode
from tests.unit.imaging.photos import codes, encoded
from tools.quality.scores import compare
from tools.studio.scenes import scene

SIDE = 900
BACKDROP, GREEN = (226, 226, 228), (60, 120, 40)
SLITS = [(slice(top, top + 50), slice(left, left + 10)) for top in range(220, 560, 60) for left in range(210, 290, 20)]
SOLID = (slice(200, 600), slice(200, 600))
STRIP = (slice(200, 600), slice(200, 300))
Pixels = NDArray[np.uint8]


def filled(body: tuple[slice, slice]) -> Pixels:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[body] = 255
    return alpha


def slits() -> NDArray[np.bool_]:
    marked = np.zeros((SIDE, SIDE), np.bool_)
    for slit in SLITS:
        marked[slit] = True
    return marked


def drawn(
    body: tuple[slice, slice], *, gap: tuple[int, int, int] = BACKDROP, shade: float = 0.85, slit_shade: float = 0.85
) -> Pixels:
    """Draw a body with slits near its left side, and its shadow."""
    photo = np.full((SIDE, SIDE, 3), BACKDROP, np.float32)
    cast = cv2.GaussianBlur(np.roll(filled(body) / np.float32(255.0), 8, (0, 1)), (0, 0), 8)
    photo *= 1.0 - (1.0 - shade) * cast[:, :, None]
    photo[body] = GREEN
    for slit in SLITS:
        photo[slit] = np.array(gap) * slit_shade
    photo += np.random.default_rng(0).normal(0, 1.0, photo.shape[:2])[:, :, None]
    return np.clip(np.rint(cv2.GaussianBlur(photo, (0, 0), 0.6)), 0, 255).astype(np.uint8)


def found_in(photo: Pixels, body: tuple[slice, slice]) -> Segmentation:
    small = shrink(photo, 480)
    mask = cv2.resize(filled(body), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 127
    return Segmentation(mask=mask, backdrop=model_backdrop(small))


def decoded(photo: Pixels) -> Photo:
    return decode(encoded(photo))


def test_shaded_slits_are_found_and_nothing_else() -> None:
    photo = drawn(SOLID)
    gaps = find_gaps(photo, found_in(photo, SOLID))
    assert gaps is not None
    assert np.mean(gaps.marked[slits()]) > 0.6
    assert not gaps.marked[~slits()].any()
    (finding,) = filled_gaps(gaps)
    assert finding.code == "see_through"
    assert finding.region is not None
    assert finding.region.right == pytest.approx(280 / SIDE, abs=0.03)


@pytest.mark.parametrize(
    ("gap", "slit_shade"),
    [((226, 180, 150), 0.85), ((120, 120, 122), 1.0), (BACKDROP, 1.0)],
    ids=["of another hue", "darker than the shadow", "with no shade"],
)
def test_stripes_are_no_gaps(gap: tuple[int, int, int], slit_shade: float) -> None:
    photo = drawn(SOLID, gap=gap, slit_shade=slit_shade)
    assert find_gaps(photo, found_in(photo, SOLID)) is None


def test_a_highlight_is_no_gap() -> None:
    """A gap shows one shade of the backdrop, a gloss all of them."""
    photo = drawn(SOLID)
    ramp = np.linspace(1.0, 0.62, 50)[:, None, None]
    for slit in SLITS:
        photo[slit] = np.clip(np.array(BACKDROP) * ramp, 0, 255).astype(np.uint8)
    assert find_gaps(photo, found_in(photo, SOLID)) is None


def test_a_product_without_gaps_has_none() -> None:
    photo = drawn(SOLID, gap=GREEN, slit_shade=1.0)
    assert find_gaps(photo, found_in(photo, SOLID)) is None


def test_gaps_of_a_thin_product_are_cut_out_to_their_edge_but_in_regions_to_keep() -> None:
    photo = drawn(STRIP)
    found = found_in(photo, STRIP)
    keep = Hint(kind=HintKind.KEEP, region=Region(left=0.2, top=0.2, right=0.8, bottom=0.8))
    opened, kept = (judged(decoded(photo), found, 0.99, (), (), hints) for hints in ((), (keep,)))
    for outline in (opened, kept):
        assert codes(outline.findings) == ["see_through"]
        assert outline.confidence == 0.99
    truth = np.where(slits(), np.uint8(0), filled(STRIP))
    assert compare(filled(STRIP), truth)[0] < 0.75
    assert compare(full_alpha(decoded(photo), opened), truth)[0] > 0.93
    assert np.mean(full_alpha(decoded(photo), kept)[slits()] > 127) > 0.95


def test_a_solid_product_keeps_what_may_be_a_print() -> None:
    photo = drawn(SOLID)
    outline = judged(decoded(photo), found_in(photo, SOLID), 0.99, (), (), ())
    assert codes(outline.findings) == ["see_through"]
    assert np.mean(full_alpha(decoded(photo), outline)[slits()] > 127) > 0.95


def test_the_links_of_a_chain_are_opened_and_doubted() -> None:
    made = scene("chain", 700000)
    photo = decode(made.photo)
    outline = find_outline(photo, prior=own_network())
    assert "see_through" in codes(outline.findings)
    closed = compare(full_alpha(photo, replace(outline, gaps=None)), made.alpha)[0]
    assert compare(full_alpha(photo, outline), made.alpha)[0] > closed + 0.05
