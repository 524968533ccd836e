"""Turns a request into a durable task: validates it, stores the photo and enqueues the task."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath, PureWindowsPath

from generator_service.blobs.contract import BlobMissing, discard
from generator_service.domain import fingerprints
from generator_service.domain.errors import ImageNotFound, ImageRejected, InvalidRequest, WhitebgError
from generator_service.domain.filename import shortened
from generator_service.domain.presets import resolve
from generator_service.domain.task import MAX_PRIORITY, MIN_PRIORITY, InputInfo, MaskInfo, NewTask, Task
from generator_service.domain.task_options import Engine, TaskOptions
from generator_service.engines.inspector import Inspector
from generator_service.engines.registry import Engines
from generator_service.images import Images, NewImage
from generator_service.imaging.source.header import same_aspect
from generator_service.ops.disk_space import DiskGuard
from generator_service.store.contract import Enqueued, TaskStore

MIN_TIMEOUT, MAX_TIMEOUT = timedelta(seconds=1), timedelta(minutes=15)
HASHED_AT_ONCE = 256 * 1024
"""Bytes of a photo whose hash takes no longer than handing it to another thread."""
MAX_DELAY = timedelta(days=30)
MAX_KEY_LENGTH = 200
MAX_OUTPUTS = 20
"""Pictures of one photo in one request."""
MAX_USER_ID_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request for a task, and one more for each of ``more_options``. They share one stored photo.

    It is ``image``, or the photo of the earlier task ``source_task_id``.
    """

    user_id: str
    image: bytes | None
    source_task_id: int | None
    filename: str
    options: TaskOptions
    idempotency_key: str | None
    priority: int
    timeout: timedelta | None
    reuse: bool = False
    """Whether a stored result of the same photo, mask and options may be returned."""
    mask: bytes | None = None
    """File with the product's mask, supplied by the user."""
    delay: timedelta = timedelta()
    """Time until the earliest start, at most `MAX_DELAY`."""
    run_at: datetime | None = None
    """The earliest start as requested, by which a repeated request is recognised."""
    drop_source_mask: bool = False
    """Whether to ignore the mask of ``source_task_id``."""
    batch_id: str | None = None
    """The batch to which the tasks are added."""
    more_options: Sequence[TaskOptions] = ()
    """Options of further pictures of the same photo."""

    @property
    def outputs(self) -> Sequence[TaskOptions]:
        """The options of all its tasks, in order."""
        return (self.options, *self.more_options)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Photo and mask of a request: bytes that are to be stored, or images that an earlier task has stored."""

    photo: bytes | InputInfo
    filename: str
    mask: bytes | MaskInfo | None

    @property
    def new_bytes(self) -> int:
        """Bytes that are to be stored."""
        return sum(len(each) for each in (self.photo, self.mask) if isinstance(each, bytes))

    @property
    def size_bytes(self) -> int:
        """Bytes of both."""
        parts = (self.photo, self.mask)
        return sum(len(each) if isinstance(each, bytes) else each.size_bytes for each in parts if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """Accepts submissions."""

    store: TaskStore
    images: Images
    engines: Engines
    inspector: Inspector
    disk: DiskGuard
    default_timeout: timedelta
    max_attempts: int
    deadline: timedelta = timedelta(hours=24)

    async def take(self, submission: Submission) -> Sequence[Enqueued]:
        """Validate a submission and create its durable tasks, one for each of its outputs: all, or on an error none.

        The photo is stored first: after a crash in between there may be a photo without a task, never a task
        without its photo.

        Raises:
            BatchClosed: no more tasks can be added to the batch.
            InvalidRequest: a field can't be used.
            ImageRejected: the bytes are not an acceptable photo or mask.
            TaskNotFound: this user has no task ``source_task_id``.
            ImageNotFound: its photo or its mask is lost.
            IdempotencyConflict: the key was already used for another request.
            QuotaExceeded: the user has too many tasks pending.
            StorageQuotaExceeded: the user has too many bytes of images stored.
            DiskFull: too little space is free.
            BlobStoreUnavailable: the photo can't be stored.
            InspectorUnavailable: the photo can't be inspected at present.

        """
        self._check(submission)
        source = await self._source(submission)
        if source.mask is not None:
            _require_cutters(submission.outputs)
        room = partial(
            self.store.require_room,
            submission.user_id,
            idempotency_key=submission.idempotency_key,
            size_bytes=source.size_bytes,
        )
        # An early check, before a large photo is stored and synced; the exact one comes with the task.
        checks_room = not self.images.is_small(source.size_bytes)
        if checks_room and not submission.reuse:
            await room()
        await self.disk.require(source.new_bytes)
        photo = await self._inspected(source)
        news = self._tasks(submission, photo)
        if checks_room and submission.reuse:
            # Earlier results need no room; they are found by the photo's hash.
            await room(pictures=[(new.picture_key or "", *new.older_picture_keys) for new in news])
        images = list(_images(photo, source))
        try:
            enqueued = await self.store.enqueue_all(news, await self.images.store(images))
        except WhitebgError:
            # Rejected. After any other error the tasks may exist nevertheless; a surplus photo is swept later.
            await discard(self.images, *(image.key for image in images))
            raise
        if all(each.deduplicated or each.reused for each in enqueued):
            await discard(self.images, *(image.key for image in images))
        return enqueued

    def _tasks(self, submission: Submission, photo: InputInfo) -> list[NewTask]:
        mask_sha256 = None if photo.mask is None else photo.mask.sha256
        batch_id = submission.batch_id
        if batch_id is None and submission.more_options:
            batch_id = f"outputs-{secrets.token_hex(16)}"
        news = []
        for number, options in enumerate(submission.outputs):
            request = fingerprints.of_request(
                photo.sha256,
                options,
                submission.priority,
                submission.timeout,
                mask_sha256=mask_sha256,
                batch_id=submission.batch_id,
                run_at=submission.run_at,
                source_task_id=submission.source_task_id,
            )
            picture = fingerprints.of_picture(photo.sha256, options, mask_sha256=mask_sha256)
            new = NewTask(
                user_id=submission.user_id,
                options=options,
                input=photo,
                idempotency_key=_key_of_output(submission.idempotency_key, number),
                fingerprint=request.current,
                older_fingerprints=request.older,
                picture_key=picture.current,
                older_picture_keys=picture.older,
                reuse=submission.reuse,
                priority=submission.priority,
                timeout=submission.timeout or self.default_timeout,
                max_attempts=self.max_attempts,
                deadline=self.deadline,
                source_task_id=submission.source_task_id,
                shares_input=submission.source_task_id is not None,
                batch_id=batch_id,
                closes_batch=submission.batch_id is None,
                delay=submission.delay,
            )
            news.append(new)
        return news

    async def _inspected(self, source: _Source) -> InputInfo:
        """Describe a photo and its mask, which other processes read where they are new, and assign their keys.

        Raises:
            ImageRejected: photo or mask are not acceptable, or the mask does not match the photo.

        """
        if isinstance(source.photo, InputInfo):
            photo = replace(source.photo, filename=source.filename, mask=None)
        else:
            # Some 20 ms for a large photo, while another process reads its header.
            large = len(source.photo) > HASHED_AT_ONCE
            hashing = asyncio.get_running_loop().run_in_executor(None, _digest, source.photo) if large else None
            header = await self.inspector.inspect(source.photo)
            photo = InputInfo(
                filename=source.filename,
                format=header.format,
                width=header.width,
                height=header.height,
                size_bytes=len(source.photo),
                sha256=_digest(source.photo) if hashing is None else await hashing,
                blob=self.images.new_key("input", len(source.photo)),
            )
        if isinstance(source.mask, bytes):
            return replace(photo, mask=await self._inspected_mask(source.mask, photo))
        return replace(photo, mask=source.mask)

    async def _inspected_mask(self, mask: bytes, photo: InputInfo) -> MaskInfo:
        header = await self.inspector.inspect_mask(mask)
        size = header.width, header.height
        # EXIF may rotate either of them, which is known only after the engine's process has decoded them.
        if not (same_aspect(size, (photo.width, photo.height)) or same_aspect(size, (photo.height, photo.width))):
            raise ImageRejected(
                "mask_mismatch",
                f"the mask has {header.width} × {header.height} pixels and the photo {photo.width} × {photo.height}, "
                "which is another aspect ratio; send a mask that covers all of the photo",
            )
        return MaskInfo(
            format=header.format,
            width=header.width,
            height=header.height,
            size_bytes=len(mask),
            sha256=_digest(mask),
            blob=self.images.new_key("mask", len(mask)),
        )

    def _check(self, submission: Submission) -> None:
        if not 1 <= len(submission.user_id) <= MAX_USER_ID_LENGTH:
            raise InvalidRequest(
                "user_id", f"has {len(submission.user_id)} characters; 1 to {MAX_USER_ID_LENGTH} are allowed"
            )
        check_pictures(len(submission.more_options))
        for options in submission.outputs:
            resolve(options)
            self.engines.require(options.engine)
        if not MIN_PRIORITY <= submission.priority <= MAX_PRIORITY:
            raise InvalidRequest("priority", f"{submission.priority} is not within {MIN_PRIORITY} to {MAX_PRIORITY}")
        if submission.timeout is not None and not MIN_TIMEOUT <= submission.timeout <= MAX_TIMEOUT:
            seconds = submission.timeout.total_seconds()
            raise InvalidRequest("timeout", f"{seconds:g} s is not within 1 s to {MAX_TIMEOUT.total_seconds():g} s")
        if submission.delay > MAX_DELAY:
            raise InvalidRequest("run_at", f"is more than {MAX_DELAY.days} days ahead")
        key = submission.idempotency_key
        if key is not None and len(key) > MAX_KEY_LENGTH:
            raise InvalidRequest("idempotency_key", f"has {len(key)} characters; at most {MAX_KEY_LENGTH} are allowed")
        if key is not None and "\0" in key:
            raise InvalidRequest("idempotency_key", "has a NUL in it; use printable characters")
        if (submission.image is None) == (submission.source_task_id is None):
            raise InvalidRequest("image", "is missing; send the file's bytes, or source_task_id")
        if submission.mask is not None:
            _require_cutters(submission.outputs)

    async def _source(self, submission: Submission) -> _Source:
        if submission.source_task_id is None:
            name = _bare_name(submission.filename)
            return _Source(photo=submission.image or b"", filename=name, mask=submission.mask)
        task = await self.store.get(submission.source_task_id, submission.user_id)
        mask: bytes | MaskInfo | None = submission.mask
        if mask is None and task.input.mask is not None and not submission.drop_source_mask:
            await self._require_stored(task, task.input.mask.blob, "mask")
            mask = task.input.mask
        await self._require_stored(task, task.input.blob, "input")
        name = _bare_name(submission.filename) or task.input.filename
        return _Source(photo=task.input, filename=name, mask=mask)

    async def _require_stored(self, task: Task, blob: str, kind: str) -> None:
        try:
            async for _ in self.images.stream(blob, offset=0, length=1):
                return
        except BlobMissing:
            why = "it is not in the blob store any more; submit the photo itself"
            raise ImageNotFound(task.task_id, kind, why) from None


def check_pictures(more: int) -> None:
    """Check how many further pictures of a photo are requested.

    Raises:
        InvalidRequest: more than `MAX_OUTPUTS`, the first included.

    """
    if more >= MAX_OUTPUTS:
        raise InvalidRequest("more_options", f"asks for {more} more pictures; at most {MAX_OUTPUTS - 1} are allowed")


def _key_of_output(key: str | None, number: int) -> str | None:
    """Return the idempotency key of a request's task: the request's own for the first, others derived from it."""
    return key if key is None or number == 0 else f"output-{number}-{_digest(key.encode())}"


def _require_cutters(outputs: Sequence[TaskOptions]) -> None:
    for options in outputs:
        _require_cutter(options.engine)


def _images(photo: InputInfo, source: _Source) -> Iterator[NewImage]:
    """Yield the images that are to be stored."""
    if photo.mask is not None and isinstance(source.mask, bytes):
        yield NewImage(photo.mask.blob, source.mask, photo.mask.content_type)
    if isinstance(source.photo, bytes):
        yield NewImage(photo.blob, source.photo, photo.content_type)


def _require_cutter(engine: Engine) -> None:
    """Check that an engine cuts the product out of the photo.

    Raises:
        InvalidRequest: the engine generates a new picture, to which a mask does not apply.

    """
    if engine.generative:
        raise InvalidRequest(
            "options.engine",
            f"{engine.value!r} makes a new picture, to which a mask of the photo does not apply; use auto or local, or "
            "no mask",
        )


def _digest(photo: bytes) -> str:
    return hashlib.sha256(photo).hexdigest()


def _bare_name(filename: str) -> str:
    """Return a file name without folders, of any system, and unprintable characters, at a limited length."""
    name = PureWindowsPath(PurePosixPath(filename).name).name
    return shortened("".join(filter(str.isprintable, name)))
