"""Who is calling, and for whom they may speak."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import jwt

from generator_service.domain.errors import InvalidRequest, PermissionDenied, Unauthenticated

ALGORITHMS = ("HS256",)
MAX_USER_ID_LENGTH = 255
SCHEME = "bearer "
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def usable_name(user_id: str) -> bool:
    """Say whether every database can store a user under this name: none takes lone surrogates, PostgreSQL no NUL."""
    return 1 <= len(user_id) <= MAX_USER_ID_LENGTH and not _UNSTORABLE.search(user_id)


class Scope(StrEnum):
    """What a token allows."""

    TASKS = "tasks"
    """One's own tasks."""
    ADMIN = "admin"
    """The state of the queue."""
    SERVICE = "service"
    """Everybody's tasks."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose token was good."""

    subject: str
    scopes: frozenset[Scope]

    def require(self, *any_of: Scope) -> None:
        """Check that the token has one of these scopes.

        Raises:
            PermissionDenied: it has none of them.

        """
        if not self.scopes.intersection(any_of):
            wanted = " or ".join(repr(scope.value) for scope in any_of)
            raise PermissionDenied(f"the token's scope must contain {wanted}; ask for a token that does")

    def acting_for(self, user_id: str) -> str:
        """Return the user a request is about: the named one, or the caller where none is named.

        Raises:
            InvalidRequest: nobody can have that name.
            PermissionDenied: the caller may not speak for that user.

        """
        if not user_id or user_id == self.subject:
            self.require(Scope.TASKS, Scope.SERVICE)
            return self.subject
        if not usable_name(user_id):
            raise InvalidRequest("user_id", f"must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable")
        if Scope.SERVICE not in self.scopes:
            raise PermissionDenied(
                f"the token of {self.subject!r} can't act for {user_id!r}; leave user_id empty, "
                "or use a token with the scope 'service'"
            )
        return user_id

    def owner_filter(self, user_id: str) -> str | None:
        """Return whose task a request may touch; None means anybody's."""
        if not user_id and Scope.SERVICE in self.scopes:
            return None
        return self.acting_for(user_id)


class Authenticator:
    """Checks JSON Web Tokens. Only the algorithms named here are accepted, whatever a token's header says."""

    def __init__(self, secret: str, audience: str) -> None:
        self._secret = secret
        self._audience = audience

    def authenticate(self, header: str | None) -> Caller:
        """Read the value of an ``authorization`` header.

        Raises:
            Unauthenticated: there is none, or its token is not good.

        """
        if header is None:
            raise Unauthenticated("the metadata 'authorization: Bearer <token>' is missing")
        if not header.lower().startswith(SCHEME):
            raise Unauthenticated("the metadata 'authorization' must read 'Bearer <token>'")
        try:
            claims = jwt.decode(
                header[len(SCHEME) :].strip(),
                self._secret,
                algorithms=ALGORITHMS,
                audience=self._audience,
                options={"require": ["sub", "exp", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired; get a new one") from None
        except jwt.InvalidAudienceError:
            raise Unauthenticated(
                f"the token is not for this service; its audience must be {self._audience!r}"
            ) from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        subject = claims["sub"]
        if not usable_name(subject):
            raise Unauthenticated(
                f"the token's 'sub' must have 1 to {MAX_USER_ID_LENGTH} characters, all of them storable"
            )
        named = str(claims.get("scope", "")).split()
        return Caller(subject, frozenset(scope for scope in Scope if scope.value in named))
