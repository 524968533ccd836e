"""A real S3 server: rejected settings, outage and recovery, and presigned links."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from generator_service.blobs.bucket import Bucket, Keys
from generator_service.blobs.contract import BlobMissing, BlobStoreConfigError, BlobStoreUnavailable, discard, new_key
from generator_service.blobs.local import LocalBlobStore
from generator_service.blobs.s3 import Patience, S3BlobStore
from tests.support.http import http_client
from tests.support.patience import PATIENCE
from tests.support.s3 import DOMAIN, S3Server, s3_server
from tools.certificates import make_certificates

MINUTE = timedelta(minutes=1)
HURRIED = Patience(connect=timedelta(seconds=1), silence=timedelta(seconds=1), retry=timedelta(seconds=1))
FORGED = Keys(access_key_id="whitebg", secret_access_key="not-the-secret-of-whitebg")
DISPOSITION = "attachment; filename=\"_-white.png\"; filename*=UTF-8''%E7%9B%92-white.png"


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """An empty bucket that browsers can reach."""
    return s3.bucket(public_url=f"{s3.endpoint}/images")


async def link(bucket: Bucket, key: str, lifetime: timedelta = MINUTE) -> str:
    url = await S3BlobStore(bucket).url(key, lifetime=lifetime, content_type="image/png", disposition=DISPOSITION)
    assert url is not None
    return url


async def refusals(blobs: S3BlobStore) -> set[str]:
    """Return the error messages of the store's methods."""
    said = set()
    for attempt in (
        lambda: blobs.put("input/ab/abc", b"x", content_type="image/png"),
        lambda: blobs.get("input/ab/abc"),
        lambda: anext(blobs.stream("input/ab/abc", offset=0, length=1)),
        lambda: blobs.delete("input/ab/abc", "input/ab/abd"),
        lambda: blobs.list(after="", limit=10),
    ):
        with pytest.raises(BlobStoreUnavailable) as away:
            await attempt()
        said.add(str(away.value))
    return said


async def test_wrong_keys_are_refused_and_not_repeated(bucket: Bucket) -> None:
    said = await refusals(S3BlobStore(replace(bucket, keys=FORGED)))
    assert said == {f"bucket images at {bucket.endpoint} can't be used: SignatureDoesNotMatch"}
    unknown = Keys(access_key_id="somebody", secret_access_key="x" * 40)
    assert {text.split()[-1] for text in await refusals(S3BlobStore(replace(bucket, keys=unknown)))} == {
        "InvalidAccessKeyId"
    }
    assert FORGED.secret_access_key not in repr(replace(bucket, keys=FORGED))


async def test_another_bucket_is_not_ours(bucket: Bucket) -> None:
    said = await refusals(S3BlobStore(replace(bucket, name="others")))
    assert {text.split()[-1] for text in said} == {"AccessDenied", "NoSuchBucket"}


async def test_who_may_only_read_deletes_nothing_and_is_told(s3: S3Server, bucket: Bucket) -> None:
    """A store answers a bulk deletion as a whole with success, whatever the result of each."""
    await S3BlobStore(bucket).put("input/ab/abc", b"x", content_type="image/png")
    reader = S3BlobStore(replace(bucket, keys=s3.readers_keys))
    assert await reader.get("input/ab/abc") == b"x"
    with pytest.raises(BlobStoreUnavailable, match="AccessDenied"):
        await reader.delete("input/ab/abc", "input/ab/abd")
    with pytest.raises(BlobStoreUnavailable, match="AccessDenied"):
        await reader.put("input/ab/abd", b"x", content_type="image/png")
    assert await S3BlobStore(bucket).get("input/ab/abc") == b"x"


async def test_a_bucket_that_is_gone_is_no_image_that_is_gone(s3: S3Server, bucket: Bucket) -> None:
    """A task whose image is missing fails permanently; one whose bucket is missing must not."""
    everything = S3BlobStore(replace(bucket, name="nowhere", keys=s3.admin))
    with pytest.raises(BlobStoreUnavailable, match="NoSuchBucket"):
        await everything.get("input/ab/abc")
    with pytest.raises(BlobStoreUnavailable, match="NoSuchBucket"):
        await anext(everything.stream("input/ab/abc", offset=0, length=1))
    with pytest.raises(BlobMissing):
        await S3BlobStore(bucket).get("input/ab/abc")


@asynccontextmanager
async def proxy_without_store(body: bytes) -> AsyncIterator[str]:
    """Answer every request with 404, as an ingress does whose backend has gone."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("body", [b"", b"<html>default backend - 404</html>"])
async def test_a_proxy_that_finds_no_store_is_no_image_that_is_gone(bucket: Bucket, body: bytes) -> None:
    async with proxy_without_store(body) as endpoint:
        blobs = S3BlobStore(replace(bucket, endpoint=endpoint), HURRIED)
        with pytest.raises(BlobStoreUnavailable, match="404 Not Found"):
            await blobs.get("input/ab/abc")
        with pytest.raises(BlobStoreUnavailable, match="404 Not Found"):
            await anext(blobs.stream("input/ab/abc", offset=0, length=1))


@asynccontextmanager
async def website() -> AsyncIterator[str]:
    """Answer every request with the same page."""
    page = b"<html><body>Welcome</body></html>"
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"(?i)content-length: (\d+)", asked)
        await reader.readexactly(int(size[1]) if size else 0)
        writer.write(head + page)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_website_is_no_store(bucket: Bucket) -> None:
    async with website() as endpoint:
        blobs = S3BlobStore(replace(bucket, endpoint=endpoint), HURRIED)
        for attempt in (
            lambda: blobs.get("input/ab/abc"),
            lambda: anext(blobs.stream("input/ab/abc", offset=0, length=1)),
            lambda: blobs.put("input/ab/abc", b"x", content_type="image/png"),
            lambda: blobs.delete("input/ab/abc"),
        ):
            with pytest.raises(BlobStoreUnavailable, match=r"no S3 store \(.*\); check WHITEBG_S3_ENDPOINT") as away:
                await attempt()
            assert endpoint in str(away.value)
        with pytest.raises(BlobStoreUnavailable, match="text/html without an ETag"):
            await blobs.get("input/ab/abc")


async def test_a_store_that_is_not_there(bucket: Bucket) -> None:
    away = S3BlobStore(replace(bucket, endpoint="http://127.0.0.1:9"), HURRIED)
    assert await refusals(away) == {"bucket images at http://127.0.0.1:9 can't be used: it does not answer"}
    await discard(away, "input/ab/abc")


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Accept connections and never answer."""
    silent = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        silent.set()
        server.close()
        await server.wait_closed()


async def test_a_store_that_says_nothing_is_not_waited_for_without_end(bucket: Bucket) -> None:
    async with silent_server() as endpoint, asyncio.timeout(PATIENCE):
        blobs = S3BlobStore(replace(bucket, endpoint=endpoint), HURRIED)
        with pytest.raises(BlobStoreUnavailable, match="it does not answer"):
            await blobs.get("input/ab/abc")
        with pytest.raises(BlobStoreUnavailable, match="it does not answer"):
            await blobs.put("input/ab/abc", b"x", content_type="image/png")


@pytest.fixture
def mortal() -> Iterator[S3Server]:
    """A server that the test may kill."""
    with s3_server() as server:
        yield server


async def test_a_short_absence_is_sat_out_and_what_was_stored_is_still_there(mortal: S3Server) -> None:
    blobs = S3BlobStore(mortal.bucket())
    await blobs.put("input/ab/abc", b"before", content_type="image/png")
    await asyncio.to_thread(mortal.kill)
    waiting = asyncio.create_task(blobs.get("input/ab/abc"))
    storing = asyncio.create_task(blobs.put("input/ab/abd", b"meanwhile", content_type="image/png"))
    await asyncio.to_thread(mortal.start)
    assert await waiting == b"before"
    await storing
    assert await blobs.get("input/ab/abd") == b"meanwhile"


async def test_no_keys_anywhere(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(
        BlobStoreConfigError, match=r"no credentials for bucket images; set WHITEBG_S3_ACCESS_KEY_ID and"
    ):
        S3BlobStore(replace(bucket, keys=None))


async def test_keys_of_aws_own_variables(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bucket.keys is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.keys.secret_access_key)
    found = replace(bucket, keys=None)
    await S3BlobStore(found).put("result/ab/abc", b"x", content_type="image/png")
    async with http_client() as browser:
        assert (await browser.get(await link(found, "result/ab/abc"))).content == b"x"


async def test_the_settings_keys_go_before_aws_own(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    await S3BlobStore(bucket).put("result/ab/abc", b"x", content_type="image/png")
    assert await S3BlobStore(bucket).get("result/ab/abc") == b"x"


async def test_a_link_gives_the_image_its_type_and_its_name_to_anybody(bucket: Bucket) -> None:
    await S3BlobStore(bucket).put("result/ab/abc.png", b"0123456789", content_type="image/webp")
    url = await link(bucket, "result/ab/abc.png")
    async with http_client() as browser:
        answer = await browser.get(url)
        assert (answer.status_code, answer.content) == (200, b"0123456789")
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"] == DISPOSITION
        assert answer.headers["cache-control"] == "private, max-age=3600"
        part = await browser.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["content-range"] == "bytes 2-4/10"
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["60"]


async def test_without_a_link_the_type_is_the_one_that_was_stored(s3: S3Server, bucket: Bucket) -> None:
    await S3BlobStore(bucket).put("result/ab/abc", b"x", content_type="image/webp")
    found = await S3BlobStore(bucket)._store.get_async("result/ab/abc")
    assert found.attributes["Content-Type"] == "image/webp"


async def test_a_link_is_good_for_nothing_else(bucket: Bucket) -> None:
    for key in ("result/ab/abc", "result/ab/abd"):
        await S3BlobStore(bucket).put(key, b"x", content_type="image/png")
    url = await link(bucket, "result/ab/abc")
    changed = [
        url.replace("ab/abc", "ab/abd"),
        url.replace("Expires=60", "Expires=600"),
        url.replace("attachment", "inline"),
        url.partition("?")[0],
    ]
    async with http_client() as browser:
        assert [(await browser.get(each)).status_code for each in changed] == [403] * 4
        assert (await browser.put(url, content=b"y")).status_code == 403
        assert (await browser.get(url)).content == b"x"


async def test_a_link_expires(bucket: Bucket) -> None:
    await S3BlobStore(bucket).put("result/ab/abc", b"x", content_type="image/png")
    url = await link(bucket, "result/ab/abc", timedelta(seconds=1))
    async with http_client() as browser, asyncio.timeout(PATIENCE):
        # Only the clock ends it.
        while (answer := await browser.get(url)).status_code == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert answer.status_code == 403


async def test_the_rule_of_the_docs_lets_the_page_in_and_no_other(mortal: S3Server) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "cluster.md").read_text()
    (rules,) = re.findall(r"```json\n(\{\"CORSRules.*?)```", docs, re.DOTALL)
    await asyncio.to_thread(mortal.set_cors, json.loads(rules))
    bucket = mortal.bucket(public_url=f"{mortal.endpoint}/images")
    await S3BlobStore(bucket).put("result/ab/abc", b"x", content_type="image/png")
    url = await link(bucket, "result/ab/abc")
    async with http_client() as browser:
        for origin, let_in in (("https://whitebg.example.com", True), ("https://other.example.com", False)):
            answer = await browser.get(url, headers={"Origin": origin})
            assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin") == origin) == (200, let_in)


async def test_the_bucket_may_be_part_of_the_hosts_name(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server acts as its own proxy, because the name can't be resolved.
    monkeypatch.setenv("HTTP_PROXY", bucket.endpoint)
    named = replace(bucket, endpoint=f"http://{DOMAIN}", path_style=False, public_url=f"http://{bucket.name}.{DOMAIN}")
    blobs = S3BlobStore(named)
    await blobs.put("input/ab/a bc", b"x", content_type="image/png")
    assert await blobs.get("input/ab/a bc") == b"x"
    assert [stored.key for stored in await blobs.list(after="", limit=10)] == ["input/ab/a bc"]
    async with http_client() as browser:
        assert (await browser.get(await link(named, "input/ab/a bc"))).content == b"x"
    await blobs.delete("input/ab/a bc", "input/ab/abd")
    monkeypatch.delenv("HTTP_PROXY")
    assert await S3BlobStore(bucket).list(after="", limit=10) == []


async def test_a_store_whose_certificate_our_own_ca_signed(tmp_path: Path) -> None:
    make_certificates(tmp_path, ["127.0.0.1"])
    with s3_server(certificates=tmp_path) as server:
        bucket = server.bucket()
        trusting = S3BlobStore(replace(bucket, ca=tmp_path / "ca.pem"))
        await trusting.put("input/ab/abc", b"x", content_type="image/png")
        assert await trusting.get("input/ab/abc") == b"x"
        with pytest.raises(BlobStoreUnavailable, match="it does not answer"):
            await S3BlobStore(bucket, HURRIED).get("input/ab/abc")


async def test_a_ca_that_can_not_be_used(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(BlobStoreConfigError, match=r"WHITEBG_S3_CA: .*ca.pem can't be read: No such file"):
        S3BlobStore(replace(bucket, ca=tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(BlobStoreConfigError, match=r"WHITEBG_S3_CA: .*ca.pem holds no certificates in PEM"):
        S3BlobStore(replace(bucket, ca=tmp_path / "ca.pem"))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_folder_moves_into_a_bucket_as_it_is(bucket: Bucket, tmp_path: Path) -> None:
    """With any tool that copies files: paths below the folder become keys below the prefix."""
    folder, blobs = LocalBlobStore(tmp_path), S3BlobStore(bucket)
    keys = [new_key(kind) for kind in ("input", "result", "thumbnail")]
    for key in keys:
        await folder.put(key, key.encode(), content_type="image/png")
    files = files_below(tmp_path)
    for path, data in files.items():
        await blobs.put(path, data, content_type="application/octet-stream")
    assert len(files) == 3
    for key in keys:
        assert await blobs.get(key) == key.encode()
        async with http_client() as browser:
            assert (await browser.get(await link(bucket, key))).headers["Content-Type"] == "image/png"


async def test_no_links_where_browsers_do_not_reach_the_store(s3: S3Server) -> None:
    blobs = S3BlobStore(s3.bucket())
    assert await blobs.url("a/b", lifetime=MINUTE, content_type="image/png", disposition="inline") is None
