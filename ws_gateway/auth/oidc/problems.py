"""Why a sign-in failed: stable codes for the page, messages for the operator's log."""

from __future__ import annotations

from enum import StrEnum


class SignInProblem(StrEnum):
    """What the page shows; each has its own remedy."""

    ISSUER_UNREACHABLE = "issuer_unreachable"
    """The issuer did not answer, or not in time."""
    ISSUER_ERROR = "issuer_error"
    """The issuer answered with an error or with something that can't be used; trying again may help."""
    CONSENT_REFUSED = "consent_refused"
    """The person, or the issuer's rules for this application, refused."""
    INTERRUPTED = "interrupted"
    """This browser has no sign-in in progress that the answer belongs to: it expired, was used or began elsewhere."""
    CLOCK = "clock"
    """The clocks of gateway and issuer differ by more than the leeway."""
    MISCONFIGURED = "misconfigured"
    """The issuer does not accept this application: client id, client secret, redirect URI or scopes."""
    NOT_ALLOWED = "not_allowed"
    """The account is good, but may not use this server."""


class SignInFailed(Exception):
    """A sign-in that ended without a session; the message is for the log and contains no token or code."""

    def __init__(self, problem: SignInProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
