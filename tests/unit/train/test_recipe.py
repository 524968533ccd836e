from __future__ import annotations

import pytest

from tools.train.recipe import (
    EMPHASIS,
    GROUPS,
    OTHER_GROUP,
    SCENES,
    WHOLE_GROUPS,
    Scene,
    allot,
    draw_weights,
    kind_of,
    stands_on_shelves,
    whole_weights,
)  # fmt: skip


@pytest.mark.parametrize("n", [1, 7, 64, 128])
def test_allot_divides_the_whole_batch(n: int) -> None:
    counts = allot(n, SCENES)
    assert sum(counts.values()) == n
    assert all(abs(count - n * SCENES[scene]) < 1 for scene, count in counts.items())


def test_allot_leaves_out_scenes_without_a_share() -> None:
    assert allot(10, {Scene.WHOLE: 1.0, Scene.GLASS: 0.0}) == {Scene.WHOLE: 10}


@pytest.mark.parametrize("shares", [{Scene.WHOLE: 0.0}, {Scene.WHOLE: 2.0, Scene.GLASS: -1.0}])
def test_allot_rejects_impossible_shares(shares: dict[Scene, float]) -> None:
    with pytest.raises(ValueError, match="shares must be"):
        allot(10, shares)


def test_the_shares_of_the_recipe_sum_to_one() -> None:
    assert sum(SCENES.values()) == pytest.approx(1.0)
    assert sum(GROUPS.values()) == pytest.approx(1.0)
    assert sum(WHOLE_GROUPS.values()) == pytest.approx(1.0)


def test_draw_weights_keep_each_groups_share_and_emphasise_within_it() -> None:
    cutouts = [("clothes", "1"), ("clothes", "2"), ("render", "r1_0_carton"), ("render", "r1_1_wires")]
    clothes, _, carton, wires = weights = draw_weights(cutouts)
    assert clothes * 2 == pytest.approx(GROUPS["clothes"])
    assert carton + wires == pytest.approx(GROUPS["render"])
    assert wires / carton == pytest.approx(EMPHASIS["wires"])
    assert sum(weights) == pytest.approx(GROUPS["clothes"] + GROUPS["render"])


def test_whole_photos_are_drawn_by_their_groups_share_and_mostly_real_ones() -> None:
    clothes, studio, another, other = whole_weights(["clothes", "studio", "studio", "other"])
    assert clothes == pytest.approx(WHOLE_GROUPS["clothes"])
    assert studio + another == pytest.approx(WHOLE_GROUPS["studio"])
    assert other == pytest.approx(OTHER_GROUP)
    assert WHOLE_GROUPS["studio"] < 0.4


def test_only_packaging_stands_on_shelves() -> None:
    assert kind_of("render", "r21_00227_bottle") == "bottle"
    assert stands_on_shelves("render", "r21_00227_bottle")
    assert stands_on_shelves("trash", "00254")
    assert not stands_on_shelves("clothes", "bottle")
