"""What Gemini's answers mean: the picture in a reply, or the `EngineError` that a reply or a failed call stands for.

Pure. The API key is taken out of every text that comes from the other side before it goes into an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

import httpx2
from google.genai import errors
from google.genai.types import BlockedReason, Candidate, FinishReason, GenerateContentResponse

from generator_service.domain.errors import EngineError

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
"""Ends of a candidate that another try would only repeat."""

_MAX_QUOTE = 300  # characters of the other side's text that an error repeats
_LONGEST_HINT = timedelta(days=1)
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s?")
_PASSING = frozenset({408, 409, 425, 499})  # 4xx that say "not now", besides 429

_CHECKS = {
    400: "check that WHITEBG_GEMINI_API_KEY is a valid key and that the model can edit images",
    401: "check WHITEBG_GEMINI_API_KEY",
    403: "check that WHITEBG_GEMINI_API_KEY may use this model, and the project's billing",
    404: "check WHITEBG_GEMINI_MODEL and WHITEBG_GEMINI_BASE_URL",
    413: "send a smaller photo",
}


def picture_in(reply: GenerateContentResponse) -> bytes:
    """Return the first finished picture in a reply; pictures that the model only thought of don't count.

    Raises:
        EngineError: there is none; ``blocked`` if there never will be, ``no_image`` if it may be tried once more.

    """
    for candidate in reply.candidates or []:
        for part in (candidate.content and candidate.content.parts) or []:
            blob = part.inline_data
            if not part.thought and blob and blob.data and (blob.mime_type or "").startswith("image/"):
                return blob.data
    raise _no_picture(reply)


def tokens_of(reply: GenerateContentResponse) -> dict[str, int]:
    """Return how many tokens a call took, by kind: what it costs."""
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
    """Return what a call that raised ``error`` means for the task."""
    match error:
        case errors.APIError():
            return _refusal(error, api_key)
        case httpx2.TimeoutException() | TimeoutError():
            return EngineError("engine_timeout", "Gemini did not answer in time; it is tried again", retryable=True)
        case httpx2.TransportError():
            return EngineError(
                "engine_unreachable",
                f"Gemini can't be reached ({type(error).__name__}); check the network and WHITEBG_GEMINI_BASE_URL",
                retryable=True,
            )
        case _:
            # Not JSON, not base64, not of the shape: the SDK has no error of its own for these. The error's text may
            # hold megabytes of the reply, so only its kind is told.
            return EngineError(
                "bad_reply",
                f"Gemini's answer can't be read ({type(error).__name__}); it is tried again",
                retryable=True,
            )


def _refusal(error: errors.APIError, api_key: str) -> EngineError:
    status = f"{error.code} {error.status}" if error.status else str(error.code)
    said = _quote(str(error.message or "").replace(api_key, "…"))
    told = f"{status}: {said}" if said else status
    if error.code == 429:
        return EngineError(
            "rate_limited",
            f"Gemini's quota is used up for now ({told}); it is tried again, or raise the quota of the key's project",
            retryable=True,
            retry_after=retry_delay(error),
        )
    if error.code >= 500 or error.code in _PASSING:
        return EngineError(
            "engine_unavailable",
            f"Gemini failed ({told}); it is tried again",
            retryable=True,
            retry_after=retry_delay(error),
        )
    check = _CHECKS.get(error.code, "check WHITEBG_GEMINI_BASE_URL")
    return EngineError("engine_refused", f"Gemini refused the request ({told}); {check}", retryable=False)


def retry_delay(error: errors.APIError) -> timedelta | None:
    """Return how long the other side asks to wait: its ``RetryInfo``, or else its ``Retry-After`` in seconds."""
    for detail in _details(error.details):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return _duration(detail.get("retryDelay"))
    headers = getattr(error.response, "headers", None)
    return _duration(headers.get("retry-after")) if headers is not None else None


def _details(body: object) -> Iterator[Mapping[str, object]]:
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping):
            yield detail


def _duration(text: object) -> timedelta | None:
    match = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    return min(timedelta(seconds=float(match[1])), _LONGEST_HINT) if match else None


def _quote(text: str) -> str:
    """Return the other side's text on one line, and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE else line[:_MAX_QUOTE] + "…"
