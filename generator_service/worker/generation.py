"""One attempt, from a stored photo to a stored result."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from generator_service.blobs.contract import BlobMissing, BlobStoreUnavailable, discard
from generator_service.domain.breaker import Breaker, engine_breaker, title_of, without_pauses
from generator_service.domain.errors import EngineError, EngineUnavailable, InvalidRequest
from generator_service.domain.finding import Finding
from generator_service.domain.presets import PictureSpec, resolve
from generator_service.domain.routing import Route, Routing
from generator_service.domain.task import ResultInfo, Task
from generator_service.domain.task_options import Engine, TaskOptions
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.registry import Engines
from generator_service.image_store import ImageStoreGuard
from generator_service.images import Images, NewImage
from generator_service.ops.metrics import Metrics
from generator_service.store.contract import TaskStore
from generator_service.worker.attempt_errors import MustWait, engine_outage

THUMBNAIL_TYPE = "image/jpeg"
MASK_TYPE = "image/png"


class Generation:
    """Makes pictures with the engines and stores them."""

    def __init__(
        self, *, store: TaskStore, images: Images, engines: Engines, routing: Routing, metrics: Metrics
    ) -> None:
        self._store = store
        self._images = images
        self._engines = engines
        self._routing = routing
        self._metrics = metrics
        self._guard = ImageStoreGuard(store, images)

    async def make(
        self,
        task: Task,
        breakers: Mapping[str, Breaker],
        report: ProgressReport,
        on_engine: Callable[[Engine], None],
    ) -> Picture:
        """Make the picture of a task; ``on_engine`` is called with each engine before it is used.

        ``breakers`` are those of its claim.

        A task that requests AUTO gets the next engine if one is unavailable for long or fails for reasons of its own;
        the picture then has a finding with the cause.

        Raises:
            BlobStoreUnavailable: photo or mask can't be read at present, or the image store is another database's.
            EngineError: the attempt failed, or the engine is unavailable.
            MustWait: an open breaker blocks the task.

        """
        photo = await self._image(task.input.blob, "photo")
        spec = resolve(task.options)
        if task.input.mask is not None:
            spec = replace(spec, mask=await self._image(task.input.mask.blob, "mask"))
        requested, passed = task.options.engine, list[str]()
        routing, breakers = self._routing.of_task(task), without_pauses(breakers)
        route = routing.route(requested, breakers, self._store.queue_time(), task.task_id)
        while True:
            engine = _engine_of(route)
            passed += [f"{title_of(each.name)} was passed over: {each.message}" for each in route.passed_over]
            on_engine(engine)
            try:
                picture = await self._run(engine, photo, spec, report, automatic=requested is Engine.AUTO)
            except EngineError as error:
                if requested is not Engine.AUTO or not error.engine_fault:
                    raise
                name = engine_breaker(engine)
                if isinstance(error, EngineUnavailable):
                    breakers = without_pauses(await self._store.trip(engine_outage(error, engine)))
                    if not breakers[name].outlasts(self._routing.fallback_after, self._store.queue_time()):
                        raise
                routing = replace(routing, order=routing.order[routing.order.index(engine) + 1 :])
                if not routing.order:
                    raise
                passed.append(f"{title_of(name)} could not be used: {error.message}")
                route = routing.route(requested, breakers, self._store.queue_time(), task.task_id)
            else:
                return replace(picture, findings=(*_notices(passed, engine, task.options), *picture.findings))

    async def keep(self, picture: Picture) -> tuple[ResultInfo, Mapping[str, bytes]]:
        """Store a picture, its thumbnail and its mask; on failure, none of them.

        The small ones are returned, by key: they are stored as the task is completed.

        Raises:
            BlobStoreUnavailable: the images can't be stored at present.

        """
        result = ResultInfo(
            engine=picture.engine,
            format=picture.format,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.data),
            sha256=hashlib.sha256(picture.data).hexdigest(),
            fill=picture.fill,
            confidence=picture.confidence,
            findings=picture.findings,
            report=picture.report,
            placement=picture.placement,
            blob=self._images.new_key("result", len(picture.data), f".{picture.format.value}"),
            thumbnail_blob=self._images.new_key("thumbnail", len(picture.thumbnail), ".jpg"),
            thumbnail_bytes=len(picture.thumbnail),
            mask_blob=None if picture.mask is None else self._images.new_key("mask", len(picture.mask), ".png"),
            mask_bytes=0 if picture.mask is None else len(picture.mask),
        )
        made = [
            NewImage(result.blob, picture.data, picture.format.content_type),
            NewImage(result.thumbnail_blob, picture.thumbnail, THUMBNAIL_TYPE),
        ]
        if picture.mask is not None and result.mask_blob is not None:
            made.append(NewImage(result.mask_blob, picture.mask, MASK_TYPE))
        try:
            small = await self._images.store(made)
        except BaseException:
            # Cancelled, or the store is unavailable: no task will ever refer to these images.
            await discard(self._images, *result.blobs)
            raise
        return result, small

    async def drop(self, result: ResultInfo) -> None:
        """Delete a result that the store rejected."""
        await discard(self._images, *result.blobs)

    async def _image(self, blob: str, what: str) -> bytes:
        try:
            return await self._images.get(blob)
        except BlobMissing:
            # In the wrong bucket, or below an unmounted share, every image is missing.
            if not await self._guard.verified():
                raise BlobStoreUnavailable(self._guard.problem) from None
            raise EngineError(
                "input_missing", f"the {what} is not in the blob store any more; submit it again", retryable=False
            ) from None

    async def _run(
        self, engine: Engine, photo: bytes, spec: PictureSpec, report: ProgressReport, *, automatic: bool
    ) -> Picture:
        try:
            chosen = self._engines.require(engine, automatic=automatic)
        except InvalidRequest as error:
            raise EngineError("engine_not_configured", error.message, retryable=False) from error
        began = time.monotonic()
        picture = await chosen.generate(photo, spec, report)
        self._metrics.picture_made(picture.engine, time.monotonic() - began)
        return picture


def _engine_of(route: Route) -> Engine:
    if route.engine is not None:
        return route.engine
    assert route.blocked_by is not None  # noqa: S101 (one of the two is set)
    raise MustWait(route.blocked_by.outage())


def _notices(passed: list[str], engine: Engine, options: TaskOptions) -> list[Finding]:
    made_by = f"Made by {title_of(engine_breaker(engine))}"
    notices = [Finding(code="engine_fallback", message=f"{made_by}, because {reason}") for reason in passed]
    if options.prompt and engine is not Engine.GEMINI:
        message = f"{made_by}, which follows no prompt; request the engine gemini, or leave the prompt out"
        notices.append(Finding(code="prompt_ignored", message=message))
    return notices
