"""Fingerprints are compared with stored rows, so the values here must never change."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from generator_service.domain import fingerprints
from generator_service.domain.finding import Region
from generator_service.domain.hints import Hint, HintKind
from generator_service.domain.task_options import Content, Engine, OutputFormat, Shadow, TaskOptions

PHOTO = "ab" * 32

# Computed by the release that stored them: a hash of a repr.
UNVERSIONED = [
    (
        TaskOptions(),
        0,
        None,
        "4c6fc111fb34b97aeb8819f8752e6ac9644e8e5a38736ea7593d64a23a7fba1b",
        "dbff687947b0e052e3dc03d0bb81e00ddcfeab4f0023dd15e7ef7f2d6976fba0",
    ),
    (
        TaskOptions(engine=Engine.LOCAL, preset="amazon", fill=0.86),
        0,
        timedelta(seconds=60),
        "1ffa46e71859e70cfb4f71703f15cf42a37317086b4901e7dd52f39a37fb8986",
        "40989e0534c0976b2bf16a9eef9d6fd7aaa0d8afd5b9b9a0fbc7b96397129c79",
    ),
    (
        TaskOptions(
            engine=Engine.GEMINI,
            format=OutputFormat.JPEG,
            size_px=1600,
            margin=0.05,
            background="#FFFFFF",
            shadow=Shadow.CONTACT,
            prompt="a 'quoted' \"杯子\"\n",
        ),
        -3,
        timedelta(minutes=2, microseconds=5),
        "0303ece486f5be6bd8b21b9eaecd13ce2f62ef2d02ac631b2ef192e6f60ff286",
        "28e92a6999347a9b160dd1c97afac1a8bbd5437e4ec4bda822be390e74463522",
    ),
    (
        TaskOptions(engine=Engine("rembg"), format=OutputFormat.WEBP, content=Content.MASK, fill=1.0),
        10,
        timedelta(seconds=900),
        "b26f3f7d16190c905d0cc79dcea69da56662558848f60bbd824c464cad401654",
        "de8740b44b4d4e2344237d1d62daa947ea947be1e99167e513575c0c176e466f",
    ),
    (
        TaskOptions(format=OutputFormat.PNG, content=Content.TRANSPARENT, prompt="it's"),
        1,
        None,
        "928c11c61476878771ab8dc9f9f13cd52da255a96c7df5766c2a8f14f43d0343",
        "18b674e64fbac1902e5a052fbb5b26d0321213416355783cf069d249c650cb03",
    ),
]
# Computed once by the first versioned rule.
V1 = [
    ("v1:dxOq670xjO1_ATzjEIh0eor7uDmAIw0UIrfvwXsbGTI", "v1:dxOq670xjO1_ATzjEIh0eor7uDmAIw0UIrfvwXsbGTI"),
    ("v1:MhKjK7Fh6ZtfnvjsBRuA0l-6aTELHYb93mzBue6YlFs", "v1:hANbZfeRcVFftfpGSj8hsVi4YFdrgJ6eN4UKPw-MW5Q"),
    ("v1:P-tYRPoF9rl2QWKlk-kWwhsx9QpY7HVFGRPgYvo9NUs", "v1:LoQePoPSELJSgSylftqNLnr7UUwnkqT0O428oJk6CgY"),
    ("v1:XcBSpOr32U6CwYvG1ii5Wj7_HwEwTpU_of--1u2zR_U", "v1:X998gpEt3GmYfP4rhbjWXUEH-b_JJpFsE4WNE0Fvy14"),
    ("v1:cjnv9JGM0l3FrfMLNr-yD8tXjNsUFS_QL7g7mHwsJx4", "v1:Q_ruBTtWQbZkXLKJ9uOqxSMQ-9ETXHRrUsiWhtB3cBM"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterOptions(TaskOptions):
    """The options of a later release."""

    mirror: int = 0


@pytest.mark.parametrize(("options", "priority", "timeout", "request_hash", "picture_hash"), UNVERSIONED)
def test_what_older_releases_stored_is_computed_alike(
    options: TaskOptions, priority: int, timeout: timedelta | None, request_hash: str, picture_hash: str
) -> None:
    assert fingerprints.of_request(PHOTO, options, priority, timeout).older[1:] == (request_hash,)
    assert fingerprints.of_picture(PHOTO, options).older == (picture_hash,)


@pytest.mark.parametrize(("asked", "expected"), list(zip(UNVERSIONED, V1, strict=True)))
def test_the_first_versioned_rule_is_computed_alike(
    asked: tuple[TaskOptions, int, timedelta | None, str, str], expected: tuple[str, str]
) -> None:
    """Of pictures, it is the current rule."""
    options, priority, timeout, _, _ = asked
    request = fingerprints.of_request(PHOTO, options, priority, timeout, batch_id="b", source_task_id=1).older[0]
    picture = fingerprints.of_picture(PHOTO, options).current
    assert (request, picture) == expected
    assert max(len(request), len(picture)) <= 64, "the columns hold no more"


def test_an_option_that_is_added_later_changes_nothing_until_it_is_used() -> None:
    before = fingerprints.of_request(PHOTO, TaskOptions(fill=0.8), 0, None)
    assert fingerprints.of_request(PHOTO, LaterOptions(fill=0.8), 0, None) == before
    used = fingerprints.of_request(PHOTO, LaterOptions(fill=0.8, mirror=1), 0, None)
    assert used.current != before.current
    assert len(used.older) == 1, "the oldest rule had no such option"


RUN_AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_what_this_release_stores_of_requests_never_changes() -> None:
    plain = fingerprints.of_request(PHOTO, TaskOptions(), 0, None)
    whole = fingerprints.of_request(PHOTO, TaskOptions(), 0, None, batch_id="spring", run_at=RUN_AT, source_task_id=17)
    assert plain.current == "v2:dxOq670xjO1_ATzjEIh0eor7uDmAIw0UIrfvwXsbGTI"
    assert whole.current == "v2:l8VI1ldBU5X5_8aEUwUnixPkaudC1JCAXBcb2pE1obE"
    assert whole.older == plain.older, "former rules had none of these"


def test_everything_that_makes_a_difference_is_in_it() -> None:
    request = fingerprints.of_request(PHOTO, TaskOptions(), 0, None)
    others = [
        fingerprints.of_request("cd" * 32, TaskOptions(), 0, None),
        fingerprints.of_request(PHOTO, TaskOptions(), 1, None),
        fingerprints.of_request(PHOTO, TaskOptions(), 0, timedelta(seconds=1)),
        *(
            fingerprints.of_request(PHOTO, dataclasses.replace(TaskOptions(), **{name: value}), 0, None)
            for name, value in cast(
                "dict[str, Any]",
                {
                    "engine": Engine.LOCAL,
                    "preset": "jd",
                    "format": OutputFormat.PNG,
                    "size_px": 800,
                    "fill": 0.9,
                    "margin": 0.0,
                    "background": "#000000",
                    "shadow": Shadow.CONTACT,
                    "content": Content.MASK,
                    "prompt": "x",
                },
            ).items()
        ),
    ]
    assert len({each.current for each in (request, *others)}) == len(others) + 1
    assert len({each.older for each in (request, *others)}) == len(others) + 1


HINTS = (
    Hint(region=Region(left=0.25, top=0.0, right=0.5, bottom=1.0), kind=HintKind.KEEP),
    Hint(region=Region(left=0.0, top=0.5, right=1.0, bottom=0.75), kind=HintKind.DROP),
)


def test_hints_and_mask_make_a_difference_and_the_old_rule_had_neither() -> None:
    plain = fingerprints.of_picture(PHOTO, TaskOptions())
    guided = [
        fingerprints.of_picture(PHOTO, TaskOptions(hints=HINTS)),
        fingerprints.of_picture(PHOTO, TaskOptions(hints=HINTS[::-1])),
        fingerprints.of_picture(PHOTO, TaskOptions(), mask_sha256="cd" * 32),
        fingerprints.of_picture(PHOTO, TaskOptions(), mask_sha256="ef" * 32),
    ]
    assert len({each.current for each in (plain, *guided)}) == 5
    assert all(each.older == () for each in guided)
    requests = [
        fingerprints.of_request(PHOTO, TaskOptions(hints=HINTS), 0, None),
        fingerprints.of_request(PHOTO, TaskOptions(), 0, None, mask_sha256="cd" * 32),
    ]
    assert [each.older for each in requests] == [(guided[0].current,), (guided[2].current,)]


def test_what_this_release_stores_of_hints_and_masks_never_changes() -> None:
    guided = fingerprints.of_picture(PHOTO, TaskOptions(hints=HINTS), mask_sha256="cd" * 32)
    assert guided.current == "v1:ssEkx8PgTx3oA9ZRPDRiZ3w2ywFv9Dy4q03xiRNkM-Q"
