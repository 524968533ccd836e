from __future__ import annotations

from pathlib import Path

import pytest

from generator_service.domain.presets import resolve
from generator_service.domain.task import TaskOptions
from generator_service.imaging.calibration import TRUSTED
from generator_service.imaging.encode import border_is
from generator_service.imaging.render import render
from tests.unit.imaging.photos import WHITE, decoded, silent

PHOTOS = sorted((Path(__file__).parents[3] / "examples" / "photos").glob("*.jpg"))


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
