"""The user of this server that an account at the issuer stands for, and whether it may sign in. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whitebg_process.user_ids import SIGNED_IN_PREFIX
from ws_gateway.auth.oidc.problems import SignInFailed, SignInProblem

_MAX_NAME = 100
_NAMES = ("name", "preferred_username", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person who has signed in."""

    user_id: str
    name: str
    """For display only; empty if the issuer gives none."""
    is_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Which accounts of the issuer may sign in, and as what."""

    email_domains: frozenset[str] = frozenset()
    """In lower case; empty: every account may sign in."""
    admin_claim: str = ""
    """Name of the claim that makes an administrator; empty: none does."""
    admin_value: str = ""
    """The claim's value, or one of its values."""

    @property
    def claims(self) -> frozenset[str]:
        """The claims that the rules are applied to."""
        email = {"email", "email_verified"} if self.email_domains else set()
        return frozenset(email | ({self.admin_claim} if self.admin_claim else set()))


def user_id_of(issuer: str, subject: str) -> str:
    """Return the user id of an account: always the same, and never that of a guest, a local user or another issuer."""
    account = json.dumps([issuer, subject], ensure_ascii=True).encode()
    return f"{SIGNED_IN_PREFIX}{hashlib.sha256(account).hexdigest()[:32]}"


def identify(claims: Mapping[str, Any], rules: AccessRules) -> Identity:
    """Return the person of verified claims.

    Raises:
        SignInFailed: the rules exclude the account.

    """
    user_id = user_id_of(str(claims["iss"]), str(claims["sub"]))
    if rules.email_domains:
        _check_email(claims, rules.email_domains, user_id)
    return Identity(
        user_id=user_id,
        name=next((name for each in _NAMES if (name := _printable(claims.get(each)))), ""),
        is_admin=bool(rules.admin_claim) and rules.admin_value in _values(claims.get(rules.admin_claim)),
    )


def _check_email(claims: Mapping[str, Any], domains: frozenset[str], user_id: str) -> None:
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        raise SignInFailed(
            SignInProblem.NOT_ALLOWED,
            f"{user_id} has no verified e-mail address, which WHITEBG_OIDC_EMAIL_DOMAINS requires",
        )
    if email.rpartition("@")[2].lower() not in domains:
        raise SignInFailed(
            SignInProblem.NOT_ALLOWED, f"the e-mail domain of {user_id} is not in WHITEBG_OIDC_EMAIL_DOMAINS"
        )


def _values(claim: object) -> list[object]:
    return claim if isinstance(claim, list) else [claim]


def _printable(value: object) -> str:
    """Return a name without control characters, shortened; empty if it is none."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable()).strip()[:_MAX_NAME]
