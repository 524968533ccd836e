"""Interprets Gemini's replies: the picture in a reply, or the `EngineError` for a reply or a failed call.

Pure. The API key is removed from all text of the API before it goes into an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

import httpx2
from google.genai import errors
from google.genai.types import BlockedReason, Candidate, FinishReason, GenerateContentResponse

from generator_service.domain.errors import EngineError, EngineUnavailable
from generator_service.domain.task import WaitReason
from generator_service.engines.gemini.http import ReplyTooLarge

BLOCKED = frozenset(
    {
        FinishReason.IMAGE_SAFETY,
        FinishReason.IMAGE_PROHIBITED_CONTENT,
        FinishReason.IMAGE_RECITATION,
        FinishReason.PROHIBITED_CONTENT,
        FinishReason.SAFETY,
        FinishReason.RECITATION,
        FinishReason.BLOCKLIST,
        FinishReason.SPII,
        FinishReason.MODEL_ARMOR,
        FinishReason.ESCALATION,
        FinishReason.PUP_LIMITED_DISABLED,
    }
)
"""Finish reasons of a candidate that a retry would only repeat."""

_MAX_QUOTE = 300  # characters of the API's text quoted in an error
_LONGEST_HINT = timedelta(days=1)
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s?")
_PASSING = frozenset({408, 409, 425, 499})  # temporary 4xx errors, besides 429
_SETUP = frozenset({400, 401, 403, 404})  # Due to the key, the model or the address: another engine may succeed.
DAILY_RETRY = timedelta(hours=1)
"""Shortest wait after a daily quota is used up: the API's own hint is that of the quota per minute."""

_CHECKS = {
    400: "check that WHITEBG_GEMINI_API_KEY is a valid key and that the model can edit images",
    401: "check WHITEBG_GEMINI_API_KEY",
    403: "check that WHITEBG_GEMINI_API_KEY may use this model, and the project's billing",
    404: "check WHITEBG_GEMINI_MODEL and WHITEBG_GEMINI_BASE_URL",
    413: "send a smaller photo",
}


def picture_in(reply: GenerateContentResponse) -> bytes:
    """Return the first finished picture in a reply; pictures from the model's thoughts are ignored.

    Raises:
        EngineError: there is none; ``blocked`` if a retry is useless, ``no_image`` if it may be retried once.

    """
    for candidate in reply.candidates or []:
        for part in (candidate.content and candidate.content.parts) or []:
            blob = part.inline_data
            if not part.thought and blob and blob.data and (blob.mime_type or "").startswith("image/"):
                return blob.data
    raise _no_picture(reply)


def tokens_of(reply: GenerateContentResponse) -> dict[str, int]:
    """Return the tokens used by a call, by kind; they determine its cost."""
    usage = reply.usage_metadata
    if usage is None:
        return {}
    counts = {
        "prompt": usage.prompt_token_count,
        "output": usage.candidates_token_count,
        "thoughts": usage.thoughts_token_count,
    }
    return {kind: count for kind, count in counts.items() if count}


def _no_picture(reply: GenerateContentResponse) -> EngineError:
    feedback = reply.prompt_feedback
    reason: BlockedReason | FinishReason | None = feedback.block_reason if feedback else None
    if reason is None:
        ends = [candidate.finish_reason for candidate in reply.candidates or [] if candidate.finish_reason]
        reason = next((end for end in ends if end in BLOCKED), None)
        if reason is None:
            why = f" ({ends[0].value})" if ends else ""
            said = " ".join(_texts(reply.candidates or []))
            return EngineError(
                "no_image",
                f"Gemini answered without a picture{why}" + (f" and said {_quote(said)!r}" if said else ""),
                retryable=True,
                max_attempts=2,
            )
    return EngineError(
        "blocked",
        f"Gemini's content rules blocked this photo or prompt ({reason.value}); "
        "use another photo, change the prompt, or choose the engine local",
        retryable=False,
    )


def _texts(candidates: list[Candidate]) -> Iterator[str]:
    for candidate in candidates:
        for part in (candidate.content and candidate.content.parts) or []:
            if part.text and not part.thought:
                yield part.text


def failure_of(error: Exception, api_key: str) -> EngineError:
    """Return the error of the task for a call that raised ``error``.

    `EngineUnavailable` if any photo would have failed alike: the quota, an error of the server, no connection. A
    reply that is late or can't be parsed may be due to the photo, so it is a failed attempt.
    """
    match error:
        case errors.APIError():
            return _refusal(error, api_key)
        case ReplyTooLarge():
            return EngineError("bad_reply", f"Gemini's answer can't be used: {error}", retryable=True, max_attempts=2)
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return _unreachable(error)
        case httpx2.TimeoutException() | TimeoutError():
            return EngineError("engine_timeout", "Gemini did not answer in time", retryable=True)
        case httpx2.TransportError():
            return _unreachable(error)
        case _:
            # Invalid JSON, base64 or structure, for which the SDK has no error class of its own. The error's text may
            # hold megabytes of the reply, so only its kind is reported.
            return EngineError("bad_reply", f"Gemini's answer can't be read ({type(error).__name__})", retryable=True)


def _unreachable(error: Exception) -> EngineUnavailable:
    return EngineUnavailable(
        "engine_unreachable",
        f"Gemini can't be reached ({type(error).__name__}); check the network and WHITEBG_GEMINI_BASE_URL",
    )


def _refusal(error: errors.APIError, api_key: str) -> EngineError:
    status = f"{error.code} {error.status}" if error.status else str(error.code)
    said = _quote(str(error.message or "").replace(api_key, "…"))
    told = f"{status}: {said}" if said else status
    if error.code == 429:
        daily = _is_daily(error)
        hint = retry_delay(error)
        return EngineUnavailable(
            "rate_limited",
            f"Gemini's quota{' of the day' if daily else ''} is used up ({told}); "
            "wait for it, or raise the quota of the key's project",
            reason=WaitReason.RATE_LIMITED,
            retry_after=max(hint or timedelta(), DAILY_RETRY) if daily else hint,
            lasting=daily,
        )
    if error.code >= 500 or error.code in _PASSING:
        return EngineUnavailable(
            "engine_unavailable", f"Gemini is unavailable ({told})", retry_after=retry_delay(error)
        )
    check = _CHECKS.get(error.code, "check WHITEBG_GEMINI_BASE_URL")
    return EngineError(
        "engine_refused",
        f"Gemini refused the request ({told}); {check}",
        retryable=False,
        engine_fault=error.code in _SETUP,
    )


def _is_daily(error: errors.APIError) -> bool:
    """Return whether the quota that was exceeded is one of a whole day, by the ids of google.rpc.QuotaFailure."""
    return any(
        "PerDay" in str(violation.get("quotaId", ""))
        for detail in _details(error.details)
        if str(detail.get("@type", "")).endswith("google.rpc.QuotaFailure")
        for violation in _mappings(detail.get("violations"))
    )


def retry_delay(error: errors.APIError) -> timedelta | None:
    """Return the wait that the API requests: its ``RetryInfo``, or else its ``Retry-After`` in seconds."""
    for detail in _details(error.details):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return _duration(detail.get("retryDelay"))
    headers = getattr(error.response, "headers", None)
    return _duration(headers.get("retry-after")) if headers is not None else None


def _details(body: object) -> Iterator[Mapping[str, object]]:
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    yield from _mappings(details)


def _mappings(values: object) -> Iterator[Mapping[str, object]]:
    for value in values if isinstance(values, list) else []:
        if isinstance(value, Mapping):
            yield value


def _duration(text: object) -> timedelta | None:
    match = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    return min(timedelta(seconds=float(match[1])), _LONGEST_HINT) if match else None


def _quote(text: str) -> str:
    """Return the API's text on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE else line[:_MAX_QUOTE] + "…"
