"""Places for images. A further one joins by a function here and its name in `PLACES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator_service.blobs.contract import Blobs
from generator_service.blobs.local import LocalBlobs
from generator_service.blobs.s3 import S3Blobs
from tests.support.s3 import S3Server


def folder(_: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return LocalBlobs(tmp_path / "blobs")


def bucket(request: pytest.FixtureRequest, _: Path) -> Blobs:
    server: S3Server = request.getfixturevalue("s3")
    return S3Blobs(server.bucket())


def shared_bucket(request: pytest.FixtureRequest, _: Path) -> Blobs:
    """A prefix of two steps, as the same store is often shared."""
    server: S3Server = request.getfixturevalue("s3")
    shared = server.bucket()
    return S3Blobs(server.bucket(prefix=f"{shared.prefix}/whitebg.images"))


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], Blobs]] = {
    "folder": folder,
    "bucket": bucket,
    "shared bucket": shared_bucket,
}


@pytest.fixture(params=PLACES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Give an empty place."""
    return PLACES[request.param](request, tmp_path)
