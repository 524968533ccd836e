"""Whether an image store and a database belong together, for every combination of their records."""

from __future__ import annotations

import pytest

from generator_service.image_store import Marker, Match, describe, match
from generator_service.store.image_contract import ImageBinding

PROPOSED, CONFIRMED = ImageBinding("ours", confirmed=False), ImageBinding("ours", confirmed=True)


@pytest.mark.parametrize(
    ("bound", "marker", "expected"),
    [
        (None, None, Match.NEW),
        (None, Marker("other", 0), Match.FOREIGN),
        (PROPOSED, None, Match.HALF_BOUND),
        (PROPOSED, Marker("ours", 0), Match.HALF_BOUND),
        (PROPOSED, Marker("other", 0), Match.FOREIGN),
        (CONFIRMED, None, Match.UNMARKED),
        (CONFIRMED, Marker("other", 0), Match.FOREIGN),
        (CONFIRMED, Marker("ours", 9), Match.BOUND),
        (CONFIRMED, Marker("ours", 10), Match.BOUND),
        (CONFIRMED, Marker("ours", 11), Match.OUTDATED),
    ],
)
def test_match_compares_both_sides(bound: ImageBinding | None, marker: Marker | None, expected: Match) -> None:
    assert match(bound, marker, revision=10) is expected


@pytest.mark.parametrize("found", Match)
def test_describe_names_the_store_and_the_remedy_of_every_mismatch(found: Match) -> None:
    text = describe(found, "folder /images")
    assert (text is None) == (found in {Match.BOUND, Match.NEW, Match.HALF_BOUND})
    if text is not None:
        assert "folder /images" in text
        assert "adopt-images" in text


def test_marker_survives_encoding() -> None:
    assert Marker.decode(Marker("ours", 7).encode()) == Marker("ours", 7)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"binding": "x", "revision": "many"}', b"\xff"])
def test_damaged_marker_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Marker.decode(data)
