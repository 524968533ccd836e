"""The Gemini engine: the model makes the picture, and the local renderer gives it the exact form."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from google.genai import Client
from google.genai.types import Content, GenerateContentConfig, HttpOptions, HttpRetryOptions, ImageConfig, Part

from generator_service.domain.errors import EngineError, ImageRejected
from generator_service.domain.presets import PictureSpec
from generator_service.domain.task import Engine
from generator_service.engines import gemini_http
from generator_service.engines.base import Picture, ProgressReport
from generator_service.engines.gemini_reply import failure_of, picture_in
from generator_service.engines.jobs import JobPool, RenderJob, ShrinkJob

BASE_URL = "https://generativelanguage.googleapis.com/"

PROMPT = """\
Edit this product photo. Keep the product exactly as it is: the same shape, proportions, colours, materials, surface, \
labels, logos and lettering, seen from the same side. Do not redraw, restyle, repair, clean, complete or add anything.

Replace everything that is not the product by one even background of pure white, #FFFFFF (RGB 255, 255, 255), up to \
every edge of the picture. No shadow, reflection, gradient, surface, horizon, vignette, frame or border. No props, \
hands, people, text or watermark that are not part of the product itself.

Show the whole product, in one piece and not cut off, centred, with an even margin on all sides, in sharp focus, with \
clean natural edges and no halo. Holes and gaps through which the old background was seen show white.

Answer with the edited picture only."""

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
    prompt: str = PROMPT
    """What is asked of the model; a task's own wish is added to it."""
    max_reply_bytes: int = 64 * 1024**2


class GeminiEngine:
    """Asks the model for the picture, then has it rendered like any photo: every result is checked alike.

    What is sent is a plain JPEG made from the photo: every format that whitebg takes becomes one that Gemini takes,
    and the photo's metadata (place, camera, owner) stays here.
    """

    def __init__(self, settings: GeminiSettings, pool: JobPool) -> None:
        self._settings = settings
        self._pool = pool
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
        made = await self._ask(jpeg, compose(self._settings.prompt, spec.prompt), report)
        try:
            return await self._pool.render(
                RenderJob(photo=made, spec=spec, engine=self.name),
                lambda percent, stage: report(_RENDERING + percent * (100 - _RENDERING) // 100, stage),
            )
        except ImageRejected as error:
            # The photo was good, so it is the model that made something useless.
            raise EngineError(
                "bad_picture", f"Gemini's picture can't be used: {error}", retryable=True, max_attempts=2
            ) from error

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
        parts = [Part.from_bytes(data=jpeg, mime_type="image/jpeg"), Part.from_text(text=prompt)]
        async with self._free:
            report(_SENDING, "sending")
            # One task, one context: the callback is seen by this call's request only.
            gemini_http.on_sent.set(lambda: report(_GENERATING, "generating"))
            try:
                async with asyncio.timeout(0 if self._closing else self._settings.timeout) as call:
                    self._calls.add(call)
                    try:
                        reply = await self._client.aio.models.generate_content(
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
        return picture_in(reply)


def compose(prompt: str, wish: str) -> str:
    """Return the whole prompt: the fixed part, and the task's own wish where there is one."""
    if not wish.strip():
        return prompt
    return (
        f"{prompt}\n\nThe seller adds this wish. Follow it as far as it leaves the product unchanged and the "
        f"background pure white:\n{wish.strip()}"
    )
