"""The Gemini engine: the model makes the picture, and the local renderer gives it the exact form."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from google.genai import Client
from google.genai.types import (
    Content,
    GenerateContentConfig,
    GenerateContentResponse,
    HttpOptions,
    HttpRetryOptions,
    ImageConfig,
    Part,
)

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine
from generator_service.engines import gemini_http
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.gemini_prompt import PROMPT, compose
from generator_service.engines.gemini_reply import failure_of, picture_in, tokens_of
from generator_service.engines.jobs import JobPool, RenderJob, ShrinkJob
from generator_service.engines.pace import Pace

BASE_URL = "https://generativelanguage.googleapis.com/"

_MAX_SIDE_PX = 2048  # more than the models look at; keeps requests near 1 MiB, far below the API's 20 MB

# Percent of the work at which each stage begins; rendering has the rest.
_PREPARING, _SENDING, _GENERATING, _RENDERING = 0, 5, 10, 70


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings:
    """How to reach Gemini."""

    api_key: str = field(repr=False)
    model: str = "gemini-2.5-flash-image"
    base_url: str | None = None
    """None: Google's."""
    timeout: float = 120.0
    """Seconds that a call may take in all."""
    concurrency: int = 4
    """Calls under way at once; more wait."""
    calls_per_minute: int | None = None
    """Calls that may begin in any minute; more wait. None: no limit."""
    tries: int = 2
    """Pictures asked for, at most, until one shows the same product, whole."""
    prompt: str = PROMPT
    """What is asked of the model; a task's own wish is added to it."""
    max_reply_bytes: int = 64 * 1024**2


CallObserver = Callable[[str, str, Mapping[str, int]], None]
"""Is told of every call: the model, ``picture`` or the error's code, and how many tokens of which kind it took."""

RETRIED_FLAWS = ("whole", "same_product")
"""Checks that no cut to white can mend: another picture is asked for."""


def _nobody(_model: str, _outcome: str, _tokens: Mapping[str, int]) -> None:
    """Take what nobody counts."""


class GeminiEngine:
    """Asks the model for the picture, then has it rendered like any photo: every result is checked alike.

    What is sent is a plain JPEG made from the photo: every format that whitebg takes becomes one that Gemini takes,
    and the photo's metadata (place, camera, owner) stays here.
    """

    def __init__(self, settings: GeminiSettings, pool: JobPool, on_call: CallObserver = _nobody) -> None:
        self._settings = settings
        self._pool = pool
        self._on_call = on_call
        self._pace = Pace(settings.calls_per_minute)
        self._http = gemini_http.make_client(
            timeout=settings.timeout, max_reply_bytes=settings.max_reply_bytes, connections=settings.concurrency
        )
        self._client = Client(
            api_key=settings.api_key,
            vertexai=False,  # not left to the environment
            http_options=HttpOptions(
                base_url=settings.base_url or BASE_URL,
                timeout=round(settings.timeout * 1000),
                # One attempt: the next is the task's own, durable, and at the time that the reply asks for.
                retry_options=HttpRetryOptions(attempts=1),
                httpx_async_client=self._http,
            ),
        )
        self._config = GenerateContentConfig(
            response_modalities=["TEXT", "IMAGE"],
            image_config=ImageConfig(aspect_ratio="1:1"),
            # Follow-up requests of the SDK's own would escape the task's limits.
            automatic_continuation=False,
        )
        self._free = asyncio.Semaphore(settings.concurrency)
        self._calls: set[asyncio.Timeout] = set()
        self._closing = False

    @property
    def name(self) -> Engine:
        """GEMINI."""
        return Engine.GEMINI

    async def generate(self, photo: bytes, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Make the picture; see `ImageEngine.generate`."""
        report(_PREPARING, "preparing")
        try:
            jpeg = await self._pool.shrink(ShrinkJob(photo=photo, max_side_px=_MAX_SIDE_PX))
        except ImageRejected as error:
            raise EngineError(error.code, str(error), retryable=False) from error
        prompt = compose(self._settings.prompt, spec)
        best: Picture | None = None
        reached = 0

        def rising(percent: int, stage: str) -> None:
            # A second picture is no step back.
            nonlocal reached
            reached = max(reached, percent)
            report(reached, stage)

        for _ in range(self._settings.tries):
            try:
                picture = await self._picture(jpeg, prompt, spec, rising)
            except EngineError:
                if best is None or self._closing:
                    raise
                break  # One to look at is there: better than none, and than paying for it once more.
            if not picture.report.failed(*RETRIED_FLAWS):
                return picture
            best = picture if best is None else max(best, picture, key=_likeness)
        if best is None:
            raise ValueError("at least one try is needed")
        flaws = [check.message for check in best.report.checks if check.name in RETRIED_FLAWS and check.message]
        return replace(best, warnings=(*best.warnings, *flaws))

    async def _picture(self, jpeg: bytes, prompt: str, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Have the model make a picture, and cut that to exact white, whatever its background came out as."""
        made = await self._ask(jpeg, prompt, report)
        try:
            return await self._pool.render(
                RenderJob(photo=made, spec=spec, engine=self.name, original=jpeg),
                lambda percent, stage: report(_RENDERING + percent * (100 - _RENDERING) // 100, stage),
            )
        except ImageRejected as error:
            # The photo was good, so it is the model that made something useless.
            raise EngineError(
                "bad_picture", f"Gemini's picture can't be used: {error}", retryable=True, max_attempts=2
            ) from error

    async def check(self) -> str:
        """See that the key is good and the model can make pictures, without paying for one; return what was found.

        Raises:
            EngineError: it is not so, and why.

        """
        try:
            async with asyncio.timeout(self._settings.timeout):
                model = await self._client.aio.models.get(model=self._settings.model)
        except Exception as error:  # noqa: BLE001  as in `_call`
            raise failure_of(error, self._settings.api_key) from None
        actions = model.supported_actions or []
        if actions and "generateContent" not in actions:
            raise EngineError(
                "engine_refused",
                f"the model {self._settings.model} can't make pictures, only {', '.join(actions)}; "
                "check WHITEBG_GEMINI_MODEL",
                retryable=False,
            )
        return f"the key is good, and the model {self._settings.model} is there"

    async def close(self) -> None:
        """Close the connections. Calls under way end with ``shutting_down``; the pool is not touched."""
        self._closing = True
        now = asyncio.get_running_loop().time()
        for call in self._calls:
            call.reschedule(now)
        await self._http.aclose()
        await self._client.aio.aclose()
        self._client.close()

    async def _ask(self, jpeg: bytes, prompt: str, report: ProgressReport) -> bytes:
        """Return the picture that the model made, encoded as it likes."""
        outcome, tokens = "cancelled", {}
        async with self._free:
            report(_SENDING, "sending")
            if (held := self._pace.held) is not None:
                raise EngineError(
                    "rate_limited",
                    "Gemini's quota is used up for now; the task is tried again when Gemini said it may be",
                    retryable=True,
                    retry_after=held,
                )
            await self._pace.turn()
            try:
                reply = await self._call(jpeg, prompt, report)
                tokens = tokens_of(reply)
                picture = picture_in(reply)
                outcome = "picture"
            except EngineError as error:
                outcome = error.code
                if error.code == "rate_limited" and error.retry_after is not None:
                    self._pace.hold(error.retry_after)
                raise
            finally:
                self._on_call(self._settings.model, outcome, tokens)
        return picture

    async def _call(self, jpeg: bytes, prompt: str, report: ProgressReport) -> GenerateContentResponse:
        """Make one call; whatever it raises becomes an `EngineError`."""
        parts = [Part.from_bytes(data=jpeg, mime_type="image/jpeg"), Part.from_text(text=prompt)]
        # One task, one context: the callback is seen by this call's request only.
        gemini_http.on_sent.set(lambda: report(_GENERATING, "generating"))
        try:
            async with asyncio.timeout(0 if self._closing else self._settings.timeout) as call:
                self._calls.add(call)
                try:
                    return await self._client.aio.models.generate_content(
                        model=self._settings.model,
                        contents=Content(role="user", parts=parts),
                        config=self._config,
                    )
                finally:
                    self._calls.discard(call)
        except Exception as error:  # noqa: BLE001  the SDK lets its libraries' errors through
            if self._closing:
                raise EngineError(
                    "shutting_down", "the service is shutting down; the task runs again later", retryable=True
                ) from None
            # No cause: some of the SDK's errors hold the whole reply.
            raise failure_of(error, self._settings.api_key) from None
        finally:
            gemini_http.on_sent.set(None)


def _likeness(picture: Picture) -> tuple[int, float]:
    """Order pictures by how few of the flaws they have, then by how like the product is."""
    likeness = next((check.value or 0.0 for check in picture.report.checks if check.name == "same_product"), 1.0)
    return -sum(picture.report.failed(name) for name in RETRIED_FLAWS), likeness
