"""Backoff, restarts, names, tokens: what needs no service."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from whitebg.cli import ports
from whitebg.cli.connection import Wanted, resolve
from whitebg.cli.datadir import DataDir, Endpoints
from whitebg.cli.photos import NoPhotos, expand
from whitebg.cli.problems import Problem
from whitebg.cli.restart import RestartPolicy, RestartState
from whitebg.cli.saving import reserve
from whitebg.retry import Backoff
from whitebg.tokens import mint, minting

NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)
SECRET = "s" * 48


@given(st.integers(min_value=1, max_value=10**9))
def test_backoff_stays_within_its_bounds(failures: int) -> None:
    backoff = Backoff()
    assert 0 <= backoff.delay(failures) <= backoff.bound(failures) <= 10.0
    assert backoff.bound(1) == pytest.approx(0.1)
    assert backoff.bound(failures) <= backoff.bound(failures + 1)


def test_restarts_double_up_to_the_cap_and_end() -> None:
    policy, state = RestartPolicy(), RestartState()
    delays = []
    for _ in range(5):
        state, delay = state.after_death(policy, lived=0.5)
        delays.append(delay)
    assert delays == [0.2, 0.4, 0.8, 1.6, None]


def test_a_long_life_makes_up_for_quick_deaths() -> None:
    policy, state = RestartPolicy(), RestartState()
    for _ in range(4):
        state, _ = state.after_death(policy, lived=0.5)
    state, delay = state.after_death(policy, lived=60.0)
    assert (state.quick_deaths, delay) == (1, 0.2)


def test_arguments_become_photos_each_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", "[1].png"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    arguments = ["notes.txt", "", "*.png", "[1].png", "empty", "gone.png", "*.gif"]
    found = list(expand(str(tmp_path / argument) for argument in arguments))
    photos = [each.name for each in found if isinstance(each, Path)]
    assert photos == ["notes.txt", "[1].png", "a.png", "b.JPG"]
    problems = [str(each) for each in found if isinstance(each, NoPhotos)]
    assert [problem.split(" (")[0] for problem in problems] == [
        "no photos in this folder",
        "no such file",
        "nothing matches this pattern",
    ]


def test_names_are_taken_and_numbered(tmp_path: Path) -> None:
    taken = [reserve(tmp_path, "cup", "image/jpeg", force=False).name for _ in range(3)]
    assert taken == ["cup-white.jpg", "cup-white-2.jpg", "cup-white-3.jpg"]
    assert reserve(tmp_path, "cup", "image/jpeg", force=True).name == "cup-white.jpg"


def test_a_token_says_who_and_what() -> None:
    token = mint(SECRET, user="ann", scopes=("tasks", "service"), lifetime=timedelta(hours=1), now=datetime.now(UTC))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="whitebg")
    assert (claims["sub"], claims["scope"]) == ("ann", "tasks service")


@pytest.mark.parametrize(
    ("user", "scopes", "hours"), [("", ("tasks",), 1), ("ann", ("root",), 1), ("ann", (), 1), ("ann", ("tasks",), 0)]
)
def test_a_token_that_makes_no_sense_is_refused(user: str, scopes: tuple[str, ...], hours: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        mint(SECRET, user=user, scopes=scopes, lifetime=timedelta(hours=hours), now=NOW)


def test_a_minted_token_is_kept_until_shortly_before_its_end() -> None:
    now = NOW
    current = minting(SECRET, user="ann", scopes=("tasks",), lifetime=timedelta(hours=1), clock=lambda: now)
    first = current()
    now = NOW + timedelta(minutes=54)
    assert current() == first
    now = NOW + timedelta(minutes=55)
    assert current() != first


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "data")
    folder.create()
    secret = folder.ensure_secret()
    assert len(bytes.fromhex(secret)) == 32
    assert folder.ensure_secret() == secret
    assert stat.S_IMODE(folder.secret_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_connection_is_found_in_the_data_folder(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    folder.create()
    with pytest.raises(Problem, match="no service found"):
        resolve(Wanted(data_dir=tmp_path))
    with pytest.raises(Problem, match="no token"):
        resolve(Wanted(data_dir=tmp_path, target="far:1"))
    folder.ensure_secret()
    with folder.published(Endpoints("127.0.0.1:7", "http://x", 1)):
        found = resolve(Wanted(data_dir=tmp_path))
        assert found.target == "127.0.0.1:7"
        assert callable(found.token)
        assert resolve(Wanted(data_dir=tmp_path, target="far:1", token="t")).target == "far:1"
    assert folder.endpoints() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"grpc_target": "x"}'])
def test_endpoints_that_make_no_sense_are_none(tmp_path: Path, text: str) -> None:
    DataDir(tmp_path).endpoints_path.write_text(text)
    assert DataDir(tmp_path).endpoints() is None


def test_free_ports_differ_and_loopback_is_known() -> None:
    first, second = ports.choose([("--a", "127.0.0.1", 0), ("--b", "127.0.0.1", 0)])
    assert first != second
    assert [ports.is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert ports.reachable("0.0.0.0", 5) == "127.0.0.1:5"
    assert ports.reachable("::", 5) == "[::1]:5"
