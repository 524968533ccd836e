"""`whitebg user add`: a link that signs a colleague in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from generator_service.rpc.auth import Authenticator
from tests.support.processes import environment

SECRET = "s" * 48


def add(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "whitebg", "user", "add", *words]
    return subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=90, check=False)


def test_link_holds_a_token_of_the_user_for_the_page(tmp_path: Path) -> None:
    done = add("ann", "--url", "https://white.example.com/", data_dir=str(tmp_path), jwt_secret=SECRET)
    assert done.returncode == 0, done.stderr
    address, _, token = done.stdout.strip().partition("#token=")
    assert address == "https://white.example.com/"
    caller = Authenticator(SECRET, "whitebg").authenticate(f"Bearer {token}")
    assert (caller.subject, sorted(caller.scopes)) == ("ann", ["tasks"])


def test_link_of_an_operator_opens_the_page_for_operators(tmp_path: Path) -> None:
    url = "https://white.example.com"
    done = add("ops", "--operator", "--url", url, data_dir=str(tmp_path), jwt_secret=SECRET)
    assert done.returncode == 0, done.stderr
    address, _, token = done.stdout.strip().partition("#token=")
    assert address == f"{url}/admin"
    caller = Authenticator(SECRET, "whitebg").authenticate(f"Bearer {token}")
    assert (caller.subject, sorted(caller.scopes)) == ("ops", ["admin", "tasks"])


def test_a_secret_and_an_address_are_needed(tmp_path: Path) -> None:
    without = add("ann", data_dir=str(tmp_path))
    assert (without.returncode, "to sign with" in without.stderr) == (1, True)
    (tmp_path / "jwt-secret").write_text(SECRET)
    (tmp_path / "jwt-secret").chmod(0o600)
    without = add("ann", data_dir=str(tmp_path))
    assert (without.returncode, "--url" in without.stderr) == (1, True)


@pytest.mark.parametrize("name", ["guest-12", "oidc-0a1b", "OIDC-0a1b", "", "ann\x1b[31m", "a" * 256])
def test_names_that_the_server_gives_out_or_rejects_are_rejected(tmp_path: Path, name: str) -> None:
    done = add(name, "--url", "https://white.example.com", data_dir=str(tmp_path), jwt_secret=SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert "reserved" in done.stderr or "1 to 255 printable" in done.stderr
    assert "\x1b" not in done.stderr
