"""The Gemini engine: the model generates the picture, and the local renderer brings it into the exact form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

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
from generator_service.domain.finding import Finding
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task_options import Engine
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.gemini import http as gemini_http
from generator_service.engines.gemini.pace import Pace
from generator_service.engines.gemini.prompt import compose
from generator_service.engines.gemini.reply import failure_of, picture_in, tokens_of
from generator_service.engines.gemini_settings import CallObserver, GeminiSettings
from generator_service.engines.job_pool import JobPool
from generator_service.engines.jobs import RenderJob, ShrinkJob
from generator_service.engines.metering import count_call, count_tokens
from generator_service.engines.work_timeout import waiting

WAITING = "waiting for a free call to Gemini"
"""Stage while the limit of concurrent calls, or of calls per minute, is reached."""

BASE_URL = "https://generativelanguage.googleapis.com/"

_MAX_SIDE_PX = 2048  # more than the models look at; keeps requests near 1 MiB, far below the API's 20 MB

# Percent of the work at which each stage begins; rendering has the rest.
_PREPARING, _SENDING, _GENERATING, _RENDERING = 0, 5, 10, 70


RETRIED_FLAWS = {"whole": "generated_cropped", "same_product": "generated_differs"}
"""Checks whose failure rendering can't fix: another picture is requested. Each maps to the code of its finding."""


def _nobody(_model: str, _outcome: str, _tokens: Mapping[str, int]) -> None:
    """Ignore a call: the default observer."""


class GeminiEngine:
    """Requests the picture from the model, then renders it like any photo: every result passes the same checks.

    The request holds a plain JPEG made from the photo: every format that whitebg accepts becomes one that Gemini
    accepts, and the photo's metadata (location, camera, owner) is not sent.
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
            vertexai=False,  # not from the environment
            http_options=HttpOptions(
                base_url=settings.base_url or BASE_URL,
                timeout=round(settings.timeout * 1000),
                # One attempt: the task itself retries, durably, and after the delay that the reply requests.
                retry_options=HttpRetryOptions(attempts=1),
                httpx_async_client=self._http,
            ),
        )
        self._config = GenerateContentConfig(
            response_modalities=["TEXT", "IMAGE"],
            image_config=ImageConfig(aspect_ratio="1:1"),
            # Follow-up requests by the SDK would bypass the task's limits.
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
        try:
            jpeg = await self._pool.shrink(
                ShrinkJob(photo=photo, max_side_px=_MAX_SIDE_PX), lambda _percent, stage: report(_PREPARING, stage)
            )
        except ImageRejected as error:
            raise EngineError(error.code, str(error), retryable=False) from error
        prompt = compose(self._settings.prompt, spec)
        best: Picture | None = None
        reached = 0

        def rising(percent: int, stage: str) -> None:
            # A second picture must not lower the percentage.
            nonlocal reached
            reached = max(reached, percent)
            report(reached, stage)

        for _ in range(self._settings.tries):
            try:
                picture = await self._picture(jpeg, prompt, spec, rising)
            except EngineError:
                if best is None or self._closing:
                    raise
                break  # A flawed picture for review is better than none, and than paying again.
            if not picture.report.failed(*RETRIED_FLAWS):
                return picture
            best = picture if best is None else max(best, picture, key=_likeness)
        if best is None:
            raise ValueError("at least one try is needed")
        flaws = [
            Finding(code=RETRIED_FLAWS[check.name], message=check.message)
            for check in best.report.checks
            if check.name in RETRIED_FLAWS and check.message
        ]
        return replace(best, findings=(*best.findings, *flaws))

    async def _picture(self, jpeg: bytes, prompt: str, spec: PictureSpec, report: ProgressReport) -> Picture:
        """Have the model generate a picture, and cut it out onto exact white, for any background."""
        made = await self._ask(jpeg, prompt, report)
        try:
            return await self._pool.render(
                RenderJob(photo=made, spec=spec, engine=self.name, original=jpeg),
                lambda percent, stage: report(_RENDERING + percent * (100 - _RENDERING) // 100, stage),
            )
        except ImageRejected as error:
            # The photo was accepted before, so the model's picture is unusable.
            raise EngineError(
                "bad_picture", f"Gemini's picture can't be used: {error}", retryable=True, max_attempts=2
            ) from error

    async def check(self) -> str:
        """Check that the key is valid and the model can make pictures, at no cost; return the outcome in words.

        Raises:
            EngineError: the check failed; the message has the reason.

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
        """Close the connections. Calls under way end with ``shutting_down``; the pool stays open."""
        self._closing = True
        now = asyncio.get_running_loop().time()
        for call in self._calls:
            call.reschedule(now)
        await self._http.aclose()
        await self._client.aio.aclose()
        self._client.close()

    async def _ask(self, jpeg: bytes, prompt: str, report: ProgressReport) -> bytes:
        """Return the picture that the model generated, in the model's choice of format."""
        outcome, tokens = "cancelled", {}
        if self._free.locked() or not self._pace.free:
            report(_SENDING, WAITING)
        with waiting():
            await self._free.acquire()
        try:
            with waiting():
                await self._pace.turn()
            report(_SENDING, "sending")
            count_call()
            try:
                reply = await self._call(jpeg, prompt, report)
                tokens = tokens_of(reply)
                count_tokens(tokens)
                picture = picture_in(reply)
                outcome = "picture"
            except EngineError as error:
                outcome = error.code
                raise
            finally:
                self._on_call(self._settings.model, outcome, tokens)
        finally:
            self._free.release()
        return picture

    async def _call(self, jpeg: bytes, prompt: str, report: ProgressReport) -> GenerateContentResponse:
        """Make one call; convert all of its errors to `EngineError`."""
        parts = [Part.from_bytes(data=jpeg, mime_type="image/jpeg"), Part.from_text(text=prompt)]
        # Each asyncio task has its own context: only this call's request uses the callback.
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
            # No chained cause: some of the SDK's errors hold the whole reply.
            raise failure_of(error, self._settings.api_key) from None
        finally:
            gemini_http.on_sent.set(None)


def _likeness(picture: Picture) -> tuple[int, float]:
    """Order pictures by fewest flaws, then by likeness to the product."""
    likeness = next((check.value or 0.0 for check in picture.report.checks if check.name == "same_product"), 1.0)
    return -sum(picture.report.failed(name) for name in RETRIED_FLAWS), likeness
