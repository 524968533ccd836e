from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from generator_service.imaging.box import Box
from generator_service.imaging.cutting.border import frame_ring, model_backdrop
from generator_service.imaging.cutting.cutout import find_outline
from generator_service.imaging.cutting.difficulties import same_coloured_outline
from generator_service.imaging.cutting.doubts import blemishes, doubts
from generator_service.imaging.cutting.fusion import Evidence, fuse
from generator_service.imaging.cutting.network import own_network
from generator_service.imaging.cutting.segment import Mask, Segmentation, segment
from generator_service.imaging.source.decode import decode
from tests.unit.imaging.photos import codes
from tools.studio.scenes import scene

SIDE = 200


def box(top: int = 50, left: int = 50, bottom: int = 150, right: int = 150) -> Mask:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def photo(product: int = 60, backdrop: int = 210, item: Mask | None = None) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, 1.0, (SIDE, SIDE))
    shown = box() if item is None else box() | item
    level = np.where(shown, product, backdrop) + noise
    return np.clip(np.rint(level), 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def evidence(
    small: NDArray[np.uint8], *, colour: Mask | None = None, network: Mask | None = None, dropped: tuple[Box, ...] = ()
) -> Evidence:
    colour, network = box() if colour is None else colour, box() if network is None else network
    found = Segmentation(mask=colour, backdrop=model_backdrop(small), dropped=dropped)
    alpha = network.astype(np.float32)
    return Evidence(small=small, found=found, colour=colour, whole=alpha, close=alpha, cut=colour)


def test_an_ordinary_product_raises_no_doubt() -> None:
    assert doubts(box(), evidence(photo())) == ()


@pytest.mark.parametrize(
    ("product", "backdrop", "code"),
    [(210, 210, "see_through"), (252, 252, "see_through"), (244, 251, "white_on_white")],
)
def test_a_product_of_the_backdrops_colour_is_doubted(product: int, backdrop: int, code: str) -> None:
    (finding,) = doubts(box(), evidence(photo(product, backdrop)))
    assert finding.code == code
    assert finding.region is not None
    assert finding.region.left == pytest.approx(0.25, abs=0.04)
    assert finding.region.bottom == pytest.approx(0.75, abs=0.04)


def test_what_the_colours_dropped_stays_dropped_unless_it_was_kept_after_all() -> None:
    dropped, at_the_edge = Box(170, 60, 180, 140), Box(170, 0, 180, 60)
    seen = evidence(photo(), dropped=(dropped, at_the_edge))
    assert fuse(seen).dropped == (dropped,)
    both = box() | box(60, 170, 140, 180)
    kept = evidence(photo(item=both), colour=both, network=both, dropped=(dropped,))
    assert fuse(kept).dropped == ()


def test_an_item_of_one_opinion_alone_is_doubted_kept_or_left_out() -> None:
    item = box(60, 170, 140, 190)
    both, seen = box() | item, photo(item=item)
    assert codes(doubts(both, evidence(seen, colour=both))) == ["several_items"]
    assert codes(doubts(box(), evidence(seen, network=both))) == ["part_dropped"]
    assert doubts(both, evidence(seen, colour=both, network=both)) == ()


def test_what_the_network_sees_in_an_opening_is_no_item() -> None:
    frame, within = box(20, 20, 180, 180) & ~box(40, 40, 160, 160), box(70, 70, 130, 130)
    seen = np.where(frame, np.uint8(60), np.uint8(210))[:, :, None].repeat(3, axis=2)
    assert doubts(frame, evidence(seen, colour=frame, network=frame | within)) == ()


def test_where_the_frame_cuts_a_product_off_is_no_outline() -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (100, 400, 1))
    cut_off = np.zeros((100, 400), np.bool_)
    cut_off[58:, 100:300] = True
    small = np.where(cut_off[:, :, None], (170, 60, 50), (225, 225, 225)) + noise
    found = segment(np.clip(np.rint(small), 0, 255).astype(np.uint8))
    assert found.look is not None
    kept = cut_off & ~frame_ring(*cut_off.shape)
    assert kept[-3, 100:300].all(), "the mask ends at the frame that counts as backdrop"
    assert not same_coloured_outline(found.look, kept).any()


def test_a_rim_that_the_network_sees_and_the_colours_lack_is_doubted() -> None:
    rim = box(50, 150, 150, 154)
    (finding,) = blemishes(box(), evidence(photo(), network=box() | rim))
    assert finding.code == "uncertain_outline"
    assert finding.region is not None
    assert finding.region.left == pytest.approx(0.75, abs=0.03)


def test_half_as_large_a_rim_is_doubted_where_the_cut_agrees() -> None:
    rim = box(50, 150, 70, 153)
    seen = evidence(photo(), network=box() | rim)
    assert blemishes(box(), seen) == ()
    assert codes(blemishes(box(), replace(seen, cut=box() | rim))) == ["uncertain_outline"]


@pytest.mark.parametrize(
    "beyond",
    [box(50, 150, 150, 152), box(149, 120, 200, 130), box(50, 175, 90, 185) & ~box()],
    ids=["the outline's blur", "reaching the frame", "away from the product"],
)
def test_other_parts_that_the_network_alone_sees_are_no_rim(beyond: Mask) -> None:
    assert "uncertain_outline" not in codes(blemishes(box(), evidence(photo(), network=box() | beyond)))


@pytest.mark.parametrize(
    ("shade", "seen", "doubted"),
    [
        pytest.param(0.8, False, True, id="a shadow"),
        pytest.param(0.8, True, False, id="seen by the network"),
        pytest.param(1.0, False, False, id="as light as the backdrop"),
        pytest.param(0.25, False, False, id="darker than a shadow"),
    ],
)
def test_a_kept_shadow_that_the_network_does_not_see_is_doubted(shade: float, seen: bool, doubted: bool) -> None:
    below = box(150, 60, 158, 140)
    both = box() | below
    shown = photo()
    shown[below] = np.rint(shown[below] * shade)
    found = blemishes(both, evidence(shown, colour=both, network=both if seen else box()))
    assert ("uncertain_outline" in codes(found)) is doubted


def test_a_product_part_of_another_hue_is_no_shadow() -> None:
    below = box(150, 60, 158, 140)
    shown = photo()
    shown[below] = (180, 120, 110)
    assert "uncertain_outline" not in codes(blemishes(box() | below, evidence(shown, colour=box() | below)))


def test_a_scene_with_its_contact_shadow_has_a_finding() -> None:
    outline = find_outline(decode(scene("label", 700002).photo), prior=own_network())
    assert codes(outline.findings) == ["uncertain_outline"]
