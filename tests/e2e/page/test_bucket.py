"""The page with images in a bucket: the browser fetches them directly, without service or gateway."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.page.conftest import Visit
from tests.e2e.page.stack import PHOTOS, Stack, running_stack
from tests.support.s3 import S3Server


@pytest.fixture
def stack(tmp_path: Path, s3: S3Server) -> Iterator[Stack]:
    public = {"s3_public_url": f"{s3.endpoint}/images"}
    with running_stack(tmp_path / "data", s3.settings | public, public) as stack:
        yield stack


def test_pictures_are_shown_and_saved_from_the_bucket(stack: Stack, visit: Visit, s3: S3Server) -> None:
    ann = visit().arrive()
    fetched: list[str] = []
    ann.page.on("requestfinished", lambda request: fetched.append(request.url))
    ann.drop([PHOTOS / "pink-cap.jpg", PHOTOS / "loafers.jpg"])
    ann.sees(2, "done")

    with zipfile.ZipFile(Path(ann.saves("Download all 2 as ZIP").path())) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["loafers-white.png", "pink-cap-white.png", "report.csv"]

    with ann.page.expect_download() as one:
        ann.page.get_by_role("link", name="Download").first.click()
    assert one.value.suggested_filename in {"loafers-white.png", "pink-cap-white.png"}
    assert Path(one.value.path()).read_bytes().startswith(b"\x89PNG")

    shown = ann.page.evaluate("[...document.images].filter((each) => each.complete && each.naturalWidth > 0).length")
    assert shown >= 2
    assert [url for url in fetched if url.startswith(f"{s3.endpoint}/images/")], "all came through the gateway"
