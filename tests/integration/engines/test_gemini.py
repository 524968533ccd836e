"""The Gemini engine: the real SDK against a server on a real socket."""

from __future__ import annotations

import asyncio
import base64
import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from generator_service.domain.errors import EngineError, EngineUnavailable
from generator_service.domain.presets import PRESETS, PictureSpec
from generator_service.domain.report import Report
from generator_service.domain.task import WaitReason
from generator_service.domain.task_options import CUSTOM_PRESET, Engine, OutputFormat
from generator_service.engines.base import Picture
from generator_service.engines.gemini.engine import GeminiEngine
from generator_service.engines.gemini.prompt import MARKETS
from generator_service.engines.gemini_settings import CallObserver, GeminiSettings
from generator_service.engines.job_pool import JobPool
from generator_service.ops.metrics import Metrics
from tests.support import fake_gemini as wire
from tests.support.fake_gemini import Answer, FakeGemini
from tests.support.patience import PATIENCE
from tests.support.photos import product_photo

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the loop of the shared pool

KEY = "AIza-secret-of-the-test"
PHOTO = product_photo()
SPEC = PictureSpec(size_px=300, fill=0.85, format=OutputFormat.PNG)

MakeEngine = Callable[..., GeminiEngine]


def ignore(_percent: int, _stage: str) -> None:
    pass


@pytest_asyncio.fixture(loop_scope="module")
async def make_engine(job_pool: JobPool, gemini_server: FakeGemini) -> AsyncIterator[MakeEngine]:
    engines: list[GeminiEngine] = []

    def make(on_call: CallObserver | None = None, **changed: Any) -> GeminiEngine:
        fields: dict[str, Any] = {"base_url": gemini_server.url, "timeout": 20.0, "max_reply_bytes": 2**20} | changed
        settings = GeminiSettings(api_key=KEY, **fields)
        engines.append(GeminiEngine(settings, job_pool, **({} if on_call is None else {"on_call": on_call})))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


async def failure(generating: Awaitable[Picture]) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await generating
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


async def test_the_picture_is_rendered_to_the_exact_form(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    gemini_server.answers.append(wire.picture(product_photo(512, 512, backdrop="#fdfefd")))
    stages: list[tuple[int, str]] = []
    picture = await make_engine().generate(PHOTO, SPEC, lambda percent, stage: stages.append((percent, stage)))
    assert (picture.engine, picture.width, picture.height) == (Engine.GEMINI, 300, 300)
    assert picture.fill == pytest.approx(0.85, abs=0.015)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert [percent for percent, _ in stages] == sorted(percent for percent, _ in stages)
    assert stages[:3] == [(0, "preparing"), (5, "sending"), (10, "generating")]
    assert stages[3][0] == 70
    assert stages[-1][0] == 100


async def test_the_request_has_the_wire_form(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    gemini_server.answers.append(wire.picture(PHOTO))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    exif[0x010F] = "maker of the camera"
    photo = product_photo(3000, 2000, "JPEG", exif=exif)
    spec = PictureSpec(size_px=300, fill=0.85, format=OutputFormat.PNG, prompt="keep the ribbon")
    await make_engine().generate(photo, spec, ignore)
    (request,) = gemini_server.requests
    assert (request.method, request.path) == ("POST", "/v1/models/gemini-2.5-flash-image:generateContent")
    assert request.headers["x-goog-api-key"] == KEY
    config = request.body["generationConfig"]
    assert config["responseModalities"] == ["TEXT", "IMAGE"]
    assert config["imageConfig"] == {"aspectRatio": "1:1"}
    picture, text = request.parts
    blob = picture["inlineData"]
    assert (blob.get("mimeType") or blob.get("mime_type")) == "image/jpeg"
    sent = base64.urlsafe_b64decode(blob["data"])
    with Image.open(io.BytesIO(sent)) as image:
        assert image.size == (1365, 2048)  # upright and shrunk
        assert not image.getexif()
    assert b"maker of the camera" not in sent
    for words in ("#FFFFFF", "No shadow", "Keep the product exactly as it is", "centred", "keep the ribbon"):
        assert words in text["text"]


BLOCKED = [
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    *("SAFETY", "RECITATION", "BLOCKLIST", "SPII"),
]


@pytest.mark.parametrize("reason", BLOCKED)
async def test_a_blocked_picture_is_not_tried_again(
    make_engine: MakeEngine, gemini_server: FakeGemini, reason: str
) -> None:
    gemini_server.answers.append(wire.no_image(reason))
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.engine_fault) == ("blocked", False, False)
    assert reason in error.message


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
async def test_a_blocked_prompt_is_not_tried_again(
    make_engine: MakeEngine, gemini_server: FakeGemini, reason: str
) -> None:
    gemini_server.answers.append(wire.answer({"promptFeedback": {"blockReason": reason}}))
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.engine_fault) == ("blocked", False, False)
    assert reason in error.message


@pytest.mark.parametrize(
    "said",
    [
        wire.no_image("NO_IMAGE"),
        wire.no_image("IMAGE_OTHER"),
        wire.no_image("MAX_TOKENS"),
        wire.no_image("STOP", {"text": "I can't see a product."}),
        wire.no_image("STOP", wire.image_part(b"a draft", thought=True)),
        wire.answer({}),
        wire.answer({"candidates": []}),
        wire.answer({"candidates": [{"finishReason": "STOP"}]}),
    ],
)
async def test_no_picture_is_tried_once_more(make_engine: MakeEngine, gemini_server: FakeGemini, said: Answer) -> None:
    gemini_server.answers.append(said)
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.max_attempts) == ("no_image", True, 2)
    if b"product" in said.body:
        assert "I can't see a product." in error.message


async def test_a_used_up_quota_waits_as_long_as_it_is_told(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    message = f"Quota exceeded for key {KEY}"
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": []}
    gemini_server.answers.extend(
        [
            wire.error(429, "RESOURCE_EXHAUSTED", message, help_, wire.retry_info("37s")),
            wire.error(429, "RESOURCE_EXHAUSTED", message, wire.retry_info("1.5s")),
            wire.error(429, "RESOURCE_EXHAUSTED", message, **{"retry-after": "12"}),
            wire.error(429, "RESOURCE_EXHAUSTED", message),
        ]
    )
    hints = []
    for _ in range(4):
        error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
        assert isinstance(error, EngineUnavailable)
        assert (error.code, error.reason, error.lasting) == ("rate_limited", WaitReason.RATE_LIMITED, False)
        assert "Quota exceeded" in error.message
        hints.append(error.retry_after)
    assert hints == [timedelta(seconds=37), timedelta(seconds=1.5), timedelta(seconds=12), None]
    assert len(gemini_server.requests) == 4  # the SDK itself retries nothing


async def test_a_quota_of_the_day_is_known_to_last(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    violation = {"quotaMetric": "m", "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    gemini_server.answers.append(wire.error(429, "RESOURCE_EXHAUSTED", "full", quota, wire.retry_info("12s")))
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert isinstance(error, EngineUnavailable)
    assert (error.reason, error.lasting, error.retry_after) == (WaitReason.RATE_LIMITED, True, timedelta(hours=1))
    assert "quota of the day" in error.message


@pytest.mark.parametrize(
    ("code", "status", "check"),
    [
        (400, "INVALID_ARGUMENT", "WHITEBG_GEMINI_API_KEY is a valid key"),
        (401, "UNAUTHENTICATED", "WHITEBG_GEMINI_API_KEY"),
        (403, "PERMISSION_DENIED", "may use this model"),
        (404, "NOT_FOUND", "WHITEBG_GEMINI_MODEL"),
        (413, "", "smaller photo"),
    ],
)
async def test_a_refusal_says_what_to_check(
    make_engine: MakeEngine, gemini_server: FakeGemini, code: int, status: str, check: str
) -> None:
    gemini_server.answers.append(wire.error(code, status, f"no good:\n{KEY} " + "x" * 1000))
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.engine_fault) == ("engine_refused", False, code != 413)
    assert f"{code}" in error.message
    assert "no good: …" in error.message
    assert check in error.message
    assert len(error.message) < 600


async def test_a_redirect_is_not_followed_with_the_key(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    elsewhere = Answer(b"", 307, {"location": f"{gemini_server.url}elsewhere"})
    gemini_server.answers.extend([elsewhere, wire.picture(PHOTO)])
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable) == ("engine_refused", False)
    assert "WHITEBG_GEMINI_BASE_URL" in error.message
    assert len(gemini_server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        wire.error(500, "INTERNAL", "oh"),
        wire.html(502),
        wire.error(503, "UNAVAILABLE", "the model is overloaded"),
        wire.error(504, "DEADLINE_EXCEEDED", "too slow"),
        wire.error(408, "", "too slow"),
        wire.answer(["not", "an", "error"], 500),
        Answer(b"", 503),
    ],
)
async def test_a_failing_server_is_tried_again(
    make_engine: MakeEngine, gemini_server: FakeGemini, said: Answer
) -> None:
    gemini_server.answers.append(said)
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert isinstance(error, EngineUnavailable)
    assert (error.code, error.reason) == ("engine_unavailable", WaitReason.ENGINE_UNAVAILABLE)
    assert len(gemini_server.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        wire.html(200),
        Answer(b""),
        Answer(b"\xff\xfe not text"),
        wire.answer([]),
        wire.answer("text"),
        wire.answer({"candidates": "none"}),
        wire.answer(wire.candidate({"inlineData": {"mimeType": "image/png", "data": "this is not base64!"}})),
    ],
)
async def test_an_answer_that_can_not_be_read_is_tried_again(
    make_engine: MakeEngine, gemini_server: FakeGemini, said: Answer
) -> None:
    gemini_server.answers.append(said)
    error = await failure(make_engine().generate(PHOTO, SPEC, ignore))
    assert error.code in {"bad_reply", "no_image"}
    assert error.retryable


async def test_an_endless_answer_is_broken_off(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    gemini_server.answers.append(wire.picture(bytes(200_000)))
    error = await failure(make_engine(max_reply_bytes=100_000).generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.engine_fault) == ("bad_reply", True, False)
    assert "longer than 100000 bytes" in error.message


async def test_a_silent_server_is_tried_again(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    error = await failure(make_engine(timeout=2).generate(PHOTO, SPEC, ignore))
    assert (error.code, error.retryable, error.engine_fault) == ("engine_timeout", True, False)
    assert len(gemini_server.requests) == 1


async def test_a_refused_connection_is_tried_again(make_engine: MakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = await failure(make_engine(base_url=f"http://127.0.0.1:{port}/").generate(PHOTO, SPEC, ignore))
    assert isinstance(error, EngineUnavailable)
    assert (error.code, error.retryable) == ("engine_unreachable", True)


def flaws(report: Report) -> set[str]:
    return {check.name for check in report.checks if report.failed(check.name)}


OTHER = product_photo(512, 512, backdrop="#ffffff", product="#0a7f2e", label="#f4d35e", lies=True)
CROPPED = product_photo(512, 512, backdrop="#ffffff", shift=0.32)


@pytest.mark.parametrize("backdrop", ["#8a8d90", "#ffffff", "#f3efe6"])
async def test_whatever_the_background_came_out_as_the_result_is_white(
    make_engine: MakeEngine, gemini_server: FakeGemini, backdrop: str
) -> None:
    gemini_server.answers.append(wire.picture(product_photo(512, 384, backdrop=backdrop)))
    picture = await make_engine().generate(PHOTO, replace(SPEC, format=OutputFormat.JPEG), ignore)
    assert flaws(picture.report) == set()
    assert "same_product" in {check.name for check in picture.report.checks}
    assert len(gemini_server.requests) == 1


@pytest.mark.parametrize(("bad", "flaw"), [(OTHER, "same_product"), (CROPPED, "whole")])
async def test_another_product_or_a_cropped_one_is_asked_for_again(
    make_engine: MakeEngine, gemini_server: FakeGemini, bad: bytes, flaw: str
) -> None:
    gemini_server.answers.extend([wire.picture(bad), wire.picture(product_photo(512, 384, backdrop="#ffffff"))])
    stages: list[int] = []
    picture = await make_engine().generate(PHOTO, SPEC, lambda percent, _stage: stages.append(percent))
    assert flaws(picture.report) == set()
    assert len(gemini_server.requests) == 2
    assert stages == sorted(stages)

    gemini_server.answers.extend([wire.picture(bad), wire.picture(bad)])
    picture = await make_engine().generate(PHOTO, SPEC, ignore)
    assert flaw in flaws(picture.report)
    assert not picture.report.passed
    (message,) = {check.message for check in picture.report.checks if check.name == flaw}
    assert message in [finding.message for finding in picture.findings]


async def test_the_better_of_two_flawed_pictures_is_kept_and_a_refused_second_try_costs_nothing(
    make_engine: MakeEngine, gemini_server: FakeGemini
) -> None:
    gemini_server.answers.extend([wire.picture(CROPPED), wire.picture(OTHER)])
    first = await make_engine().generate(PHOTO, SPEC, ignore)
    gemini_server.answers.extend([wire.picture(OTHER), wire.picture(CROPPED)])
    second = await make_engine().generate(PHOTO, SPEC, ignore)
    assert first.data == second.data
    gemini_server.answers.extend([wire.picture(OTHER), wire.error(429, "RESOURCE_EXHAUSTED", "full")])
    alone = await make_engine().generate(PHOTO, SPEC, ignore)
    assert "same_product" in flaws(alone.report)


@pytest.mark.parametrize("output", list(OutputFormat))
async def test_a_generated_picture_says_so_in_its_metadata(
    make_engine: MakeEngine, gemini_server: FakeGemini, output: OutputFormat
) -> None:
    gemini_server.answers.append(wire.picture(product_photo(512, 384, backdrop="#ffffff")))
    picture = await make_engine().generate(PHOTO, replace(SPEC, format=output), ignore)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in image.info["xmp"]
        assert image.info["icc_profile"]


async def test_every_call_is_counted_with_what_it_cost(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    calls: list[tuple[str, str, dict[str, int]]] = []

    def note(model: str, outcome: str, tokens: Mapping[str, int]) -> None:
        calls.append((model, outcome, dict(tokens)))

    usage = {"promptTokenCount": 1400, "candidatesTokenCount": 1290, "thoughtsTokenCount": 33, "totalTokenCount": 2723}
    body = wire.candidate(wire.image_part(product_photo(512, 384, backdrop="#ffffff"))) | {"usageMetadata": usage}
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1400}}
    gemini_server.answers.extend([wire.answer(body), wire.answer(blocked), wire.html(502)])
    engine = make_engine(note, model="gemini-3.1-flash-image")
    await engine.generate(PHOTO, SPEC, ignore)
    await failure(engine.generate(PHOTO, SPEC, ignore))
    await failure(engine.generate(PHOTO, SPEC, ignore))
    model = "gemini-3.1-flash-image"
    assert calls == [
        (model, "picture", {"prompt": 1400, "output": 1290, "thoughts": 33}),
        (model, "blocked", {"prompt": 1400}),
        (model, "engine_unavailable", {}),
    ]
    metrics = Metrics()
    for call in calls:
        metrics.model_called(*call)
    labels = {"engine": "gemini", "model": model}
    sample = metrics.registry.get_sample_value
    assert sample("whitebg_model_calls_total", labels | {"outcome": "picture"}) == 1
    assert sample("whitebg_model_tokens_total", labels | {"kind": "prompt"}) == 2800


async def test_calls_a_minute_are_limited(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    engine = make_engine(calls_per_minute=2)
    gemini_server.answers.extend([wire.html(502)] * 3)
    for _ in range(2):
        await failure(engine.generate(PHOTO, SPEC, ignore))
    third = asyncio.create_task(engine.generate(PHOTO, SPEC, ignore))
    _, waiting = await asyncio.wait([third], timeout=1.0)
    assert waiting == {third}
    assert len(gemini_server.requests) == 2
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third


@pytest.mark.parametrize("preset", MARKETS)
async def test_each_market_has_its_prompt(make_engine: MakeEngine, gemini_server: FakeGemini, preset: str) -> None:
    gemini_server.answers.append(wire.no_image("SAFETY"))  # The request is looked at, and a picture takes seconds.
    await failure(
        make_engine().generate(PHOTO, replace(SPEC, preset=preset, fill=0.87, prompt="keep the ribbon"), ignore)
    )
    _, text = gemini_server.requests[0].parts
    assert "87% of the picture's side" in text["text"]
    assert MARKETS[preset] in text["text"]
    assert text["text"].endswith("keep the ribbon")
    assert set(MARKETS) == set(PRESETS) - {CUSTOM_PRESET}


async def test_a_useless_picture_is_tried_once_more(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    gemini_server.answers.append(wire.picture(b"not a picture"))
    with pytest.raises(EngineError, match="Gemini's picture can't be used") as caught:
        await make_engine().generate(PHOTO, SPEC, ignore)
    assert (caught.value.code, caught.value.retryable, caught.value.max_attempts) == ("bad_picture", True, 2)


async def test_a_bad_photo_is_never_sent(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    with pytest.raises(EngineError) as caught:
        await make_engine().generate(b"not a photo", SPEC, ignore)
    assert not caught.value.retryable
    assert not gemini_server.requests


async def test_calls_beyond_the_limit_wait(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    engine = make_engine(concurrency=2)
    calls = [asyncio.create_task(engine.generate(PHOTO, SPEC, ignore)) for _ in range(5)]
    async with asyncio.timeout(PATIENCE):
        await gemini_server.asked.acquire()
        await gemini_server.asked.acquire()
        gemini_server.speak()
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [end.code for end in ends if isinstance(end, EngineError)] == ["no_image"] * 5
    assert gemini_server.most_at_once == 2


async def test_a_cancelled_call_frees_its_place(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    engine = make_engine(concurrency=1)
    call = asyncio.create_task(engine.generate(PHOTO, SPEC, ignore))
    async with asyncio.timeout(PATIENCE):
        await gemini_server.asked.acquire()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gemini_server.answers.append(wire.no_image("SAFETY"))
        assert (await failure(engine.generate(PHOTO, SPEC, ignore))).code == "blocked"


async def test_closing_ends_calls_under_way(make_engine: MakeEngine, gemini_server: FakeGemini) -> None:
    engine = make_engine()
    call = asyncio.create_task(engine.generate(PHOTO, SPEC, ignore))
    async with asyncio.timeout(PATIENCE):
        await gemini_server.asked.acquire()
        await engine.close()
        error = await failure(call)
        assert (error.code, error.retryable) == ("shutting_down", True)
        error = await failure(engine.generate(PHOTO, SPEC, ignore))
        assert (error.code, error.retryable) == ("shutting_down", True)


async def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(GeminiSettings(api_key=KEY))
