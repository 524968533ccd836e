"""Each marketplace rule is judged by its own check, and by no other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator_service.domain.compliance import judge
from generator_service.domain.measurements import CutoutMeasurements, Measurements
from generator_service.domain.presets import PRESETS, resolve
from generator_service.domain.report import Report, Verdict
from generator_service.domain.task_options import Content, OutputFormat, TaskOptions

CLEAN = CutoutMeasurements(torn=0.0, edge_width=1.3, ghosts=0.0, holes=0, openings=0.0, shadow=0.0, lost=0.0)
GOOD = Measurements(
    border=0,
    white_border=0,
    near_white=0.5,
    fill=0.86,
    off_centre=0.0,
    side=1500,
    size_bytes=500_000,
    halo=0.02,
    parts=1,
    specks=0,
    sharpness=0.98,
    frame_touch=0.0,
    fringe=0.03,
    cutout=CLEAN,
)


def verdicts(report: Report) -> dict[str, Verdict]:
    """Return the verdicts that did not pass."""
    return {check.name: check.verdict for check in report.checks if check.verdict is not Verdict.PASSED}


@pytest.mark.parametrize("name", PRESETS)
def test_a_good_picture_passes_every_market(name: str) -> None:
    report = judge(replace(GOOD, fill=PRESETS[name].fill), resolve(TaskOptions(preset=name)))
    assert (report.preset, report.passed, verdicts(report)) == (name, True, {})
    assert all(not check.message for check in report.checks)


@pytest.mark.parametrize(
    ("preset", "measured", "check", "verdict"),
    [
        ("amazon", {"border": 1, "white_border": 1}, "border", Verdict.FAILED),
        ("amazon", {"fill": 0.84}, "fill", Verdict.FAILED),
        ("google_merchant", {"fill": 0.91}, "fill", Verdict.FAILED),
        ("custom", {"fill": 0.8}, "fill", Verdict.FAILED),
        ("amazon", {"side": 999}, "size", Verdict.FAILED),
        ("ebay", {"side": 499}, "size", Verdict.FAILED),
        ("taobao", {"size_bytes": 3_000_001}, "bytes", Verdict.FAILED),
        ("jd", {"size_bytes": 2_000_001}, "bytes", Verdict.FAILED),
        ("jd", {"off_centre": 0.03}, "centring", Verdict.FAILED),
        ("jd", {"near_white": 0.01}, "near_white", Verdict.WARNED),
        ("jd", {"halo": 0.5}, "halo", Verdict.WARNED),
        ("jd", {"parts": 9}, "components", Verdict.WARNED),
        ("jd", {"specks": 9}, "specks", Verdict.WARNED),
        ("jd", {"fringe": 0.2}, "fringe", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, torn=0.2)}, "torn", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, edge_width=3.0)}, "edge_width", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, ghosts=0.1)}, "ghosts", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, ghosts=0.5)}, "ghosts", Verdict.FAILED),
        ("jd", {"cutout": replace(CLEAN, holes=6)}, "holes", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, openings=0.4)}, "openings", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, shadow=0.1)}, "shadow", Verdict.WARNED),
        ("jd", {"cutout": replace(CLEAN, lost=0.05)}, "lost", Verdict.WARNED),
        ("jd", {"parts": 0}, "components", Verdict.FAILED),
        ("jd", {"sharpness": 0.3}, "sharpness", Verdict.WARNED),
        ("jd", {"frame_touch": 0.2}, "whole", Verdict.WARNED),
        ("jd", {"frame_touch": 0.2, "likeness": 0.9}, "whole", Verdict.FAILED),
        ("jd", {"likeness": 0.2}, "same_product", Verdict.FAILED),
    ],
)
def test_each_flaw_is_found_by_its_own_check_and_said(
    preset: str, measured: dict[str, Any], check: str, verdict: Verdict
) -> None:
    report = judge(replace(GOOD, **measured), resolve(TaskOptions(preset=preset)))
    assert verdicts(report) == {check: verdict}
    assert report.passed == (verdict is Verdict.WARNED)
    (flaw,) = (each for each in report.checks if each.name == check)
    assert flaw.message.endswith(".")
    assert report.failed(check) == (verdict is Verdict.FAILED)


def test_a_market_that_wants_white_takes_no_other_colour() -> None:
    beige = replace(GOOD, white_border=14)
    assert verdicts(judge(beige, resolve(TaskOptions(preset="jd", background="#f4f1ea")))) == {"border": Verdict.FAILED}
    assert judge(beige, resolve(TaskOptions(preset="shopify", background="#f4f1ea"))).passed


def test_a_format_that_the_market_does_not_take() -> None:
    options = TaskOptions(preset="jd", format=OutputFormat.WEBP)
    assert verdicts(judge(GOOD, resolve(options))) == {"format": Verdict.FAILED}


def test_a_product_that_is_to_reach_the_border_may() -> None:
    full = replace(GOOD, border=200, white_border=200, fill=1.0, near_white=0.0)
    assert verdicts(judge(full, resolve(TaskOptions(fill=1.0)))) == {"border": Verdict.WARNED}
    assert not judge(full, resolve(TaskOptions(preset="amazon", fill=1.0))).passed


def test_checks_that_could_not_be_measured_are_left_out() -> None:
    cluttered = replace(GOOD, cutout=replace(CLEAN, openings=None, shadow=None, lost=None))
    names = {check.name for check in judge(cluttered, resolve(TaskOptions())).checks}
    assert {"torn", "ghosts"} <= names
    assert names.isdisjoint({"openings", "shadow", "lost"})
    own_alpha = {check.name for check in judge(replace(GOOD, cutout=None), resolve(TaskOptions())).checks}
    assert own_alpha.isdisjoint({"torn", "edge_width", "ghosts", "holes", "openings", "shadow", "lost"})


def test_the_contract_documents_every_check() -> None:
    proto = (Path(__file__).parents[3] / "protos" / "whitebg" / "v1" / "task.proto").read_text()
    comment = proto[proto.index("message ComplianceCheck {") :]
    documented = re.findall(r'^ *// "(\w+)": ', comment[: comment.index("string name = 1;")], re.MULTILINE)
    everything = judge(replace(GOOD, likeness=0.9), resolve(TaskOptions()))
    assert sorted(documented) == sorted(check.name for check in everything.checks)


def test_of_a_mask_only_the_file_and_its_geometry_are_judged() -> None:
    mask = replace(GOOD, near_white=None, halo=None, sharpness=None, parts=9)
    report = judge(mask, resolve(TaskOptions(content=Content.MASK, fill=0.86)))
    assert [check.name for check in report.checks] == ["border", "fill", "centring", "size", "format", "bytes"]
    assert report.passed


@pytest.mark.parametrize("content", [Content.MASK, Content.TRANSPARENT])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_market_that_asks_for_white_takes_no_mask_and_no_transparency(preset: str, content: Content) -> None:
    made = replace(GOOD, near_white=None, white_border=0, border=0)
    (border,) = (
        check
        for check in judge(made, resolve(TaskOptions(preset=preset, content=content))).checks
        if check.name == "border"
    )
    # Google takes pictures with a transparent background.
    accepted = not PRESETS[preset].white or (preset == "google_merchant" and content is Content.TRANSPARENT)
    assert (border.verdict is Verdict.PASSED) == accepted
    assert accepted or (border.value, border.limit) == (None, "exactly 255, 255, 255")


def test_a_position_by_hand_is_measured_against_the_market_and_the_request() -> None:
    moved = replace(GOOD, off_centre=0.1, fill=0.6)
    request = TaskOptions(move_x=0.1, scale=0.7, fill=0.86)
    assert verdicts(judge(moved, resolve(request))) == {"centring": Verdict.WARNED}
    # A market's rule on the fill is broken, whatever the position.
    amazon = verdicts(judge(moved, resolve(replace(request, preset="amazon"))))
    assert amazon == {"fill": Verdict.FAILED, "centring": Verdict.WARNED}
    beyond = replace(GOOD, border=90, white_border=90, fill=0.7)
    cut_off = {"border": Verdict.WARNED, "fill": Verdict.WARNED}
    assert verdicts(judge(beyond, resolve(TaskOptions(scale=2.0)))) == cut_off
    assert verdicts(judge(beyond, resolve(TaskOptions(preset="jd", scale=2.0)))) == {"border": Verdict.FAILED}
