"""From a request to a durable task: check, store the photo, enqueue."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import PurePosixPath, PureWindowsPath

from generator_service.blobs.contract import BlobMissing, Blobs, discard, new_key
from generator_service.domain.errors import ImageNotFound, InvalidRequest, WhitebgError
from generator_service.domain.presets import resolve
from generator_service.domain.task import MAX_PRIORITY, MIN_PRIORITY, InputInfo, NewTask, TaskOptions
from generator_service.engines.registry import Engines
from generator_service.imaging.inspect import PhotoHeader, inspect_photo
from generator_service.store.contract import Enqueued, TaskStore

MIN_TIMEOUT, MAX_TIMEOUT = timedelta(seconds=1), timedelta(minutes=15)
MAX_KEY_LENGTH = 200
MAX_FILENAME_LENGTH = 255
MAX_USER_ID_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request for a task. The photo is ``image``, or that of the earlier task ``source_task_id``."""

    user_id: str
    image: bytes | None
    source_task_id: int | None
    filename: str
    options: TaskOptions
    idempotency_key: str | None
    priority: int
    timeout: timedelta | None
    reuse: bool = False
    """Whether a stored result of the same photo and options may answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """Takes submissions in."""

    store: TaskStore
    blobs: Blobs
    engines: Engines
    default_timeout: timedelta
    max_attempts: int

    async def take(self, submission: Submission) -> Enqueued:
        """Check a submission and make it a durable task.

        The photo is stored first: after a crash in between there may be a photo without a task, never a task
        without its photo.

        Raises:
            InvalidRequest: a field can't be used.
            ImageRejected: the bytes are not a photo that can be taken.
            TaskNotFound: there is no task ``source_task_id`` of this user.
            ImageNotFound: its photo is lost.
            IdempotencyConflict: the key stands for another request.
            QuotaExceeded: the user has too many tasks pending.
            BlobsAway: the photo can't be stored.

        """
        self._check(submission)
        photo, filename = await self._photo(submission)
        header, digest = await asyncio.to_thread(_examine, photo)
        timeout = submission.timeout or self.default_timeout
        new = NewTask(
            user_id=submission.user_id,
            options=submission.options,
            input=InputInfo(
                filename=filename,
                format=header.format,
                width=header.width,
                height=header.height,
                size_bytes=len(photo),
                sha256=digest,
                blob=new_key("input"),
            ),
            idempotency_key=submission.idempotency_key,
            fingerprint=_fingerprint(digest, submission),
            picture_key=_hash((digest, *_asked(submission.options))),
            reuse=submission.reuse,
            priority=submission.priority,
            timeout=timeout,
            max_attempts=self.max_attempts,
        )
        await self.blobs.put(new.input.blob, photo, content_type=new.input.content_type)
        try:
            enqueued = await self.store.enqueue(new)
        except WhitebgError:
            # Refused. After any other error the task may be there all the same: a photo too many is swept later.
            await discard(self.blobs, new.input.blob)
            raise
        if enqueued.deduplicated or enqueued.reused:
            await discard(self.blobs, new.input.blob)
        return enqueued

    def _check(self, submission: Submission) -> None:
        if not 1 <= len(submission.user_id) <= MAX_USER_ID_LENGTH:
            raise InvalidRequest(
                "user_id", f"has {len(submission.user_id)} characters; 1 to {MAX_USER_ID_LENGTH} are allowed"
            )
        resolve(submission.options)
        self.engines.require(submission.options.engine)
        if not MIN_PRIORITY <= submission.priority <= MAX_PRIORITY:
            raise InvalidRequest("priority", f"{submission.priority} is not within {MIN_PRIORITY} to {MAX_PRIORITY}")
        if submission.timeout is not None and not MIN_TIMEOUT <= submission.timeout <= MAX_TIMEOUT:
            seconds = submission.timeout.total_seconds()
            raise InvalidRequest("timeout", f"{seconds:g} s is not within 1 s to {MAX_TIMEOUT.total_seconds():g} s")
        key = submission.idempotency_key
        if key is not None and len(key) > MAX_KEY_LENGTH:
            raise InvalidRequest("idempotency_key", f"has {len(key)} characters; at most {MAX_KEY_LENGTH} are allowed")
        if key is not None and "\0" in key:
            raise InvalidRequest("idempotency_key", "has a NUL in it; use printable characters")
        if (submission.image is None) == (submission.source_task_id is None):
            raise InvalidRequest("image", "is missing; send the file's bytes, or source_task_id")

    async def _photo(self, submission: Submission) -> tuple[bytes, str]:
        if submission.source_task_id is not None:
            source = await self.store.get(submission.source_task_id, submission.user_id)
            try:
                photo = await self.blobs.get(source.input.blob)
            except BlobMissing:
                why = "it is not in the blob store any more; submit the photo itself"
                raise ImageNotFound(source.task_id, "input", why) from None
            return photo, _bare_name(submission.filename) or source.input.filename
        return submission.image or b"", _bare_name(submission.filename)


def _examine(photo: bytes) -> tuple[PhotoHeader, str]:
    """Read a photo's header and hash all of it: some 20 ms for a large one, not for the event loop."""
    return inspect_photo(photo), hashlib.sha256(photo).hexdigest()


def _bare_name(filename: str) -> str:
    """Cut off folders, of whichever system the name comes from, and what can't be printed."""
    name = PureWindowsPath(PurePosixPath(filename).name).name
    return "".join(filter(str.isprintable, name))[-MAX_FILENAME_LENGTH:]


def _fingerprint(digest: str, submission: Submission) -> str:
    """Hash what makes two requests the same: the photo and what to make of it."""
    return _hash((digest, _asked(submission.options), submission.priority, submission.timeout))


def _asked(options: TaskOptions) -> list[tuple[str, object]]:
    return sorted(asdict(options).items())


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
