"""Photo headers are read in real child processes, and no file outlives its process."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from generator_service.domain.errors import ImageRejected
from generator_service.engines.inspector import SETTINGS, Inspector, InspectorUnavailable
from generator_service.imaging.source.header import PhotoHeader
from generator_service.imaging.source.inspect import MAX_PHOTO_BYTES
from generator_service.rpc.receiving import MAX_MESSAGE_BYTES
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo
from tests.support.processes import children

ONE = replace(SETTINGS, processes=1)
SCRIPTED = "tests.support.inspections:perform"
"""Executes the command in the photo's bytes."""
PHOTO = product_photo(64, 48)
HEADER = PhotoHeader(format="PNG", width=64, height=48)


async def test_reads_a_header() -> None:
    async with Inspector(ONE) as inspector:
        assert await inspector.inspect(PHOTO) == HEADER


async def test_passes_a_rejection_on() -> None:
    async with Inspector(ONE) as inspector:
        with pytest.raises(ImageRejected) as caught:
            await inspector.inspect(b"no photo")

    assert caught.value.code == "image_not_recognised"


@pytest.mark.parametrize("size", [MAX_PHOTO_BYTES + 1, MAX_MESSAGE_BYTES])
async def test_any_file_that_a_request_can_hold_is_rejected_for_its_size(size: int) -> None:
    async with Inspector(ONE) as inspector:
        with pytest.raises(ImageRejected, match="at most 25 MiB") as photo:
            await inspector.inspect(bytes(size))
        with pytest.raises(ImageRejected, match="at most 8 MiB") as mask:
            await inspector.inspect_mask(bytes(size))

    assert (photo.value.code, mask.value.code) == ("image_too_large", "mask_too_large")


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        (b"hang", "image_too_complex", "more than 1 s"),
        (b"allocate", "image_too_complex", "more than 1,024 MiB of memory"),
        (b"crash", "image_not_readable", "save it again"),
        (b"fail", "image_not_readable", "save it again"),
    ],
)
async def test_a_file_that_costs_the_process_is_rejected_and_the_next_is_read(
    order: bytes, code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the hanging job should time out: a loaded machine may need longer for the others.
    seconds = 1.0 if order == b"hang" else PATIENCE
    async with Inspector(replace(ONE, job_timeout=seconds), SCRIPTED) as inspector:
        with pytest.raises(ImageRejected, match=said) as caught:
            await inspector.inspect(order)

        assert caught.value.code == code
        monkeypatch.setattr(inspector._pool, "_settings", replace(ONE, job_timeout=PATIENCE))
        assert await inspector.inspect(b"read") == HEADER


async def test_a_process_that_is_killed_by_others_costs_the_file_nothing() -> None:
    async with Inspector(ONE) as inspector:
        (process,) = inspector_processes()
        os.kill(process, signal.SIGSTOP)
        inspecting = asyncio.create_task(inspector.inspect(PHOTO))
        await asyncio.sleep(0)
        os.kill(process, signal.SIGKILL)

        async with asyncio.timeout(PATIENCE):
            assert await inspecting == HEADER


async def test_after_the_end_the_request_may_be_repeated() -> None:
    async with Inspector(ONE) as inspector:
        pass

    with pytest.raises(InspectorUnavailable, match="try again"):
        await inspector.inspect(PHOTO)


def inspector_processes() -> list[int]:
    return [pid for pid in children(os.getpid()) if b"inspect_runner" in Path(f"/proc/{pid}/cmdline").read_bytes()]
