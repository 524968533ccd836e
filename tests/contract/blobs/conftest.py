"""The image stores under test. To add one, write a function here and add its name to `PLACES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator_service.blobs.contract import BlobStore
from generator_service.blobs.local import LocalBlobStore
from generator_service.blobs.s3 import S3BlobStore
from tests.support.s3 import S3Server


def folder(_: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return LocalBlobStore(tmp_path / "blobs")


def bucket(request: pytest.FixtureRequest, _: Path) -> BlobStore:
    server: S3Server = request.getfixturevalue("s3")
    return S3BlobStore(server.bucket())


def shared_bucket(request: pytest.FixtureRequest, _: Path) -> BlobStore:
    """Use a prefix of two segments, as in a shared bucket."""
    server: S3Server = request.getfixturevalue("s3")
    shared = server.bucket()
    return S3BlobStore(server.bucket(prefix=f"{shared.prefix}/whitebg.images"))


PLACES: dict[str, Callable[[pytest.FixtureRequest, Path], BlobStore]] = {
    "folder": folder,
    "bucket": bucket,
    "shared bucket": shared_bucket,
}


@pytest.fixture(params=PLACES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Return an empty store."""
    return PLACES[request.param](request, tmp_path)
