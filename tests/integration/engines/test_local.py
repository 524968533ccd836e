"""The local engine with real processes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from generator_service.domain.errors import EngineError
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine, OutputFormat
from generator_service.engines.job_pool import JobPool
from generator_service.engines.local import LocalEngine
from tests.support.photos import product_photo

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the loop of the shared pool

SPEC = PictureSpec(size_px=300, fill=0.85, format=OutputFormat.JPEG)


async def test_a_photo_becomes_a_picture(job_pool: JobPool) -> None:
    stages: list[tuple[int, str]] = []
    picture = await LocalEngine(job_pool).generate(product_photo(), SPEC, lambda *news: stages.append(news))
    assert (picture.engine, picture.width, picture.height) == (Engine.LOCAL, 300, 300)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert (image.format, image.size, image.getpixel((0, 0))) == ("JPEG", (300, 300), (255, 255, 255))
    percents = [percent for percent, _ in stages]
    assert percents == sorted(percents)
    assert percents[-1] == 100


async def test_a_bad_photo_fails_for_good(job_pool: JobPool) -> None:
    with pytest.raises(EngineError) as caught:
        await LocalEngine(job_pool).generate(b"not a photo", SPEC, lambda *_: None)
    assert caught.value.code.startswith("image_")
    assert not caught.value.retryable
