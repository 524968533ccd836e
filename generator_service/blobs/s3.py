"""Images as objects in a bucket of an S3-compatible store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from cryptography.x509 import load_pem_x509_certificates
from obstore.exceptions import BaseError
from obstore.store import S3Store

from generator_service.blobs.bucket import Bucket
from generator_service.blobs.contract import CHUNK, BlobMissing, BlobStoreConfigError, BlobStoreUnavailable, Stored
from generator_service.blobs.credentials import Signer
from whitebg_process.regular_files import read_file

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ClientConfig  # exists in the stubs only

# In an answer's XML; of one of many deletions, as obstore puts it; where an answer is nothing but a status.
_SAID = tuple(map(re.compile, (r"<Code>(\w+)</Code>", r"\(code: (\w+)\)", r"status code: (\d{3} [A-Z][A-Za-z ]*)")))
# A web server, or a proxy's page, answers 200 as well.
_FOREIGN = re.compile(r"(ETag Header missing|invalid \w+ response|non-partial response)")
MAX_AGE_S = 3600
"""How long a browser may keep what a signed link showed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the store may take."""

    connect: timedelta = timedelta(seconds=3)
    silence: timedelta = timedelta(seconds=30)
    """Without a byte of an answer. Sending a photo of 25 MiB counts, too."""
    request: timedelta = timedelta(minutes=5)
    """For one request with all of its answer: slow readers are slow."""
    retry: timedelta = timedelta(seconds=10)
    """How long after its beginning a request that failed is tried again."""


class S3BlobStore:
    """Objects in a bucket; see `generator_service.blobs.contract.BlobStore`. Its creation asks nothing of the store.

    Raises:
        BlobStoreConfigError: there are no credentials, or the file of the CA can't be used.

    """

    def __init__(self, bucket: Bucket, patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self._bucket = bucket
        self._signer = Signer(bucket)
        client: ClientConfig = {
            "allow_http": bucket.endpoint.startswith("http://"),
            "connect_timeout": patience.connect,
            "read_timeout": patience.silence,
            "timeout": patience.request,
        }
        if bucket.ca is not None:
            client["root_certificate"] = _certificates(bucket.ca)
        self._store = S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            endpoint=bucket.endpoint if bucket.path_style else bucket.url,
            virtual_hosted_style_request=not bucket.path_style,
            region=bucket.region,
            credential_provider=self._signer.credential,
            client_options=client,
            retry_config={
                # Time is the bound: a restart takes as long as it takes.
                "max_retries": 100,
                "retry_timeout": patience.retry,
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    @property
    def where(self) -> str:
        """The bucket and its store."""
        return f"bucket {self._bucket.name} at {self._bucket.endpoint}"

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store an object, in one request: there is all of it or nothing."""
        with self._told():
            await self._store.put_async(key, data, attributes={"Content-Type": content_type}, use_multipart=False)

    async def get(self, key: str) -> bytes:
        """Read a whole object."""
        with self._told(key):
            found = await self._store.get_async(key)
            self._require_own(found)
            return bytes(await found.bytes_async())

    async def stream(self, key: str, *, offset: int, length: int) -> AsyncIterator[bytes]:
        """Read a part of an object in chunks, as they come."""
        with self._told(key):
            # Also for no bytes: the response to a HEAD does not distinguish a missing object from a missing bucket.
            try:
                found = await self._store.get_async(key, options={"range": (offset, offset + max(length, 1))})
            except BaseError as error:
                if _code(error) == "InvalidRange":  # Past the end.
                    return
                raise
            self._require_own(found)
            if length == 0:
                return
            async for piece in found.stream(min_chunk_size=CHUNK):
                for start in range(0, len(piece), CHUNK):
                    yield piece[start : start + CHUNK]

    async def delete(self, *keys: str) -> None:
        """Delete objects, a thousand in a request."""
        if keys:
            with self._told():
                await self._store.delete_async(keys)

    async def list(self, *, after: str, limit: int) -> Sequence[Stored]:
        """Return the next objects."""
        with self._told():
            async for page in self._store.list(offset=after or None, chunk_size=limit):
                return [Stored(each["path"], each["last_modified"]) for each in page]
        return []

    async def url(self, key: str, *, lifetime: timedelta, content_type: str, disposition: str) -> str | None:
        """Sign a link to an object."""
        address = self._bucket.public_address(key)
        if address is None:
            return None
        # Equal keys are equal bytes, for ever.
        answer = {
            "content-type": content_type,
            "content-disposition": disposition,
            "cache-control": f"private, max-age={MAX_AGE_S}",
        }
        with self._told():
            return await asyncio.to_thread(self._signer.sign, address, lifetime=lifetime, answer=answer)

    @contextmanager
    def _told(self, key: str | None = None) -> Iterator[None]:
        """Translate errors of obstore into those of the contract."""
        try:
            yield
        except FileNotFoundError as error:
            # A store that has lost its bucket, or a proxy that has lost its store, answers 404 too, and the objects may
            # come back.
            if key is not None and _code(error) == "NoSuchKey":
                raise BlobMissing(key) from None
            raise self._away(error) from error
        except (BaseError, BotoCoreError, OSError) as error:
            raise self._away(error) from error

    def _require_own(self, found: GetResult) -> None:
        """Check that an object comes from an S3 store.

        Raises:
            BlobStoreUnavailable: the answer is another server's.

        """
        if found.meta["e_tag"] is None:
            content_type = found.attributes.get("Content-Type", "an unknown type")
            raise self._foreign(f"{content_type} without an ETag")

    def _away(self, error: Exception) -> BlobStoreUnavailable:
        if foreign := _FOREIGN.search(str(error)):
            return self._foreign(foreign[0])
        return BlobStoreUnavailable(f"{self.where} can't be used: {_code(error) or 'it does not answer'}")

    def _foreign(self, received: str) -> BlobStoreUnavailable:
        return BlobStoreUnavailable(
            f"{self.where} can't be used: the server is no S3 store ({received}); check WHITEBG_S3_ENDPOINT"
        )


def _certificates(file: Path) -> bytes:
    try:
        pem = read_file(file)
        load_pem_x509_certificates(pem)
    except OSError as error:
        raise BlobStoreConfigError(f"WHITEBG_S3_CA: {file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise BlobStoreConfigError(f"WHITEBG_S3_CA: {file} holds no certificates in PEM: {error}") from error
    return pem


def _code(error: Exception) -> str | None:
    """Return the store's own error code, such as ``AccessDenied``; None if there is none."""
    text = str(error)
    return next((said[1] for pattern in _SAID if (said := pattern.search(text))), None)
