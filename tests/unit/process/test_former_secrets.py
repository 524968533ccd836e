"""Signing secrets of a rotation, as the settings read them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from whitebg_process.settings import split_secrets


def test_secrets_are_separated_by_white_space() -> None:
    assert split_secrets(None) == ()
    assert split_secrets(SecretStr(f" {'a' * 32}\n{'b' * 40} ")) == ("a" * 32, "b" * 40)


def test_a_short_secret_is_rejected_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="secret 2 has less than 32 bytes") as refused:
        split_secrets(SecretStr(f"{'a' * 32} hunter2"))
    assert "hunter2" not in str(refused.value)
