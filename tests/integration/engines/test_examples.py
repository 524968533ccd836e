from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from generator_service.domain.presets import resolve
from generator_service.domain.task_options import TaskOptions
from generator_service.imaging.cutting.calibration import TRUSTED
from generator_service.imaging.output.encode import border_is
from generator_service.imaging.render import render
from tests.unit.imaging.photos import WHITE, decoded, silent

EXAMPLES = Path(__file__).parents[3] / "examples"
PHOTOS = sorted((EXAMPLES / "photos").glob("*.jpg"))


def test_there_are_examples() -> None:
    assert PHOTOS


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_every_bundled_photo_comes_out_ready_for_a_market(photo: Path) -> None:
    picture = render(photo.read_bytes(), resolve(TaskOptions(preset="taobao")), silent)
    assert border_is(decoded(picture.data), WHITE)
    assert 0.835 <= picture.fill <= 0.865
    assert picture.confidence is not None
    assert picture.confidence >= TRUSTED
    assert len(picture.data) <= 3_000_000


def test_every_listed_example_exists_with_a_mask_of_its_size() -> None:
    with (EXAMPLES / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {EXAMPLES / row["file"] for row in rows} == set(EXAMPLES.rglob("*.jpg"))
    rendered = [row for row in rows if row["mask"]]
    assert rendered
    for row in rendered:
        with Image.open(EXAMPLES / row["file"]) as photo, Image.open(EXAMPLES / row["mask"]) as mask:
            assert photo.size == mask.size
            assert max(photo.size) >= 1600
            assert mask.mode == "L"
