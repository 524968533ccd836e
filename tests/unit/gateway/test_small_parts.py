"""Cursors, times, ranges, links, the ring, backoff and settings."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from whitebg.v1 import task_pb2
from whitebg_process.token_lifetime import CLOCK_SKEW
from ws_gateway.auth.image_urls import ImageUrls, Link, LinkExpired, LinkRejected
from ws_gateway.auth.jwt import Claims
from ws_gateway.clock import SystemClock
from ws_gateway.http.ranges import ByteRange, Unsatisfiable, parse_range
from ws_gateway.protocol.cursor import UserCursor, parse_since
from ws_gateway.settings import Settings

SECRET = "a secret that only the tests share with anyone"


class TestSince:
    """Cursors that a client may send."""

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("6f1c:42", UserCursor("6f1c", 42)),
            ("2026-01-08T10:00:00Z", datetime(2026, 1, 8, 10, tzinfo=UTC)),
            ("2026-01-08T10:00:00.123Z", datetime(2026, 1, 8, 10, 0, 0, 123_000, tzinfo=UTC)),
            ("2026-01-08T10:00:00+08:00", datetime(2026, 1, 8, 2, tzinfo=UTC)),
            ("2026-01-08T10:00:00 08:00", datetime(2026, 1, 8, 2, tzinfo=UTC)),
        ],
    )
    def test_cursor_or_time(self, text: str, meant: UserCursor | datetime) -> None:
        assert parse_since(text) == meant

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "42",
            "6f1c:r42",
            "6f1c:-1",
            "6F1C:1",
            "6f1c:1:2",
            "6f1c:9999999999999999999",
            "2026-01-08",
            "2026-01-08T10:00:00",
            "0001-01-01T00:00:00+14:00",
            "\ud800",
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="since"):
            parse_since(text)

    @given(st.text(max_size=300).filter(lambda text: ":" not in text))
    def test_no_text_breaks_it_or_comes_back_at_length(self, text: str) -> None:
        with pytest.raises(ValueError, match="since") as refused:
            parse_since(text)
        assert len(str(refused.value)) < 1100


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", ByteRange(0, 10)),
        ("bytes=90-", ByteRange(90, 10)),
        ("bytes=90-1000", ByteRange(90, 10)),
        ("bytes=-10", ByteRange(90, 10)),
        ("bytes=-1000", ByteRange(0, 100)),
        ("bytes=99-99", ByteRange(99, 1)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("pages=1-2", None),
    ],
)
def test_ranges(header: str | None, expected: ByteRange | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_past_the_end(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


class SetClock(SystemClock):
    """A clock that shows the time it is set to."""

    time = datetime(2026, 1, 8, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def read(link: str) -> tuple[Link, str]:
    """Return the content of a link, and its signature."""
    path = urlsplit(link).path.split("/")
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    found = Link(
        task_id=int(path[2]),
        kind=path[3],
        user_id=query["user"],
        expires=int(query["exp"]),
        session_id=query.get("sid", ""),
        issued=int(query["iat"]) if "iat" in query else None,
    )
    return found, query["sig"]


class TestLinks:
    """Signed links to images."""

    def setup_method(self) -> None:
        self.clock = SetClock()
        self.urls = ImageUrls(secret=SECRET, base_url="https://img", ttl=timedelta(hours=24), clock=self.clock)
        self.claims = Claims(
            subject="a b&c/白",
            expires_at=self.clock.time + timedelta(days=7),
            scopes=frozenset({"tasks"}),
            session_id="s\n1",
            issued_at=self.clock.time,
        )
        self.link = self.urls.url(5, "result", self.claims)
        self.parts, self.signature = read(self.link)

    def check(self, signature: str = "", **changes: Any) -> None:
        self.urls.check(replace(self.parts, **changes), signature or self.signature)

    def test_a_link_is_good_for_at_least_its_time(self) -> None:
        assert self.link.startswith("https://img/images/5/result?")
        self.check()
        self.clock.time += timedelta(hours=24)
        self.check()
        self.clock.time = datetime.fromtimestamp(self.parts.expires + 59, UTC)
        self.check()  # by a gateway whose clock is ahead
        self.clock.time += timedelta(seconds=1)
        with pytest.raises(LinkExpired):
            self.check()

    def test_links_stay_the_same_for_a_while_so_that_browsers_can_cache(self) -> None:
        self.clock.time += timedelta(minutes=1)
        assert self.urls.url(5, "result", self.claims) == self.link

    def test_a_link_ends_with_the_token_that_it_was_given_for(self) -> None:
        soon = replace(self.claims, expires_at=self.clock.time + timedelta(minutes=5))
        parts, signature = read(self.urls.url(5, "result", soon))
        assert parts.expires == int(soon.expires_at.timestamp())
        self.clock.time = soon.expires_at + CLOCK_SKEW
        with pytest.raises(LinkExpired):
            self.urls.check(parts, signature)

    def test_it_names_the_session(self) -> None:
        assert (self.parts.session_id, self.parts.issued_at) == ("s\n1", self.claims.issued_at)
        nameless = Claims(subject="ann", expires_at=self.claims.expires_at, scopes=frozenset())
        link = self.urls.url(5, "result", nameless)
        assert re.fullmatch(r"https://img/images/5/result\?user=ann&exp=\d+&sig=[\w-]+", link)
        parts, signature = read(link)
        self.urls.check(parts, signature)

    def test_each_session_gets_its_own_links_in_a_message_that_is_encoded_once(self) -> None:
        task = task_pb2.Task(task_id=5, user_id=self.claims.subject)
        text = f'{{"a": "{self.urls.slot(task, "result")}", "b": "{self.urls.slot(task, "input")}"}}'
        other = replace(self.claims, session_id="s2")
        for claims in (self.claims, other):
            found = json.loads(self.urls.fill(text, claims))
            assert found == {kind[0]: self.urls.url(5, kind[1], claims) for kind in (("a", "result"), ("b", "input"))}
        assert self.urls.fill(text, other) != self.urls.fill(text, self.claims)
        assert self.urls.fill('{"a": "/images/5/result"}', other) == '{"a": "/images/5/result"}'

    @pytest.mark.parametrize(
        "change",
        [
            {"task_id": 6},
            {"kind": "input"},
            {"user_id": "eve"},
            {"expires": 2**40},
            {"session_id": "s2"},
            {"session_id": ""},
            {"session_id": "s", "user_id": "1\na b&c/白"},
            {"issued": 2**40},
            {"issued": None},
            {"signature": "x"},
            {"signature": "é"},
        ],
    )
    def test_no_part_can_be_changed(self, change: dict[str, Any]) -> None:
        with pytest.raises(LinkRejected) as refused:
            self.check(**change)
        assert not isinstance(refused.value, LinkExpired)

    def test_the_key_is_not_the_secret(self) -> None:
        other = ImageUrls(secret=SECRET + "!", base_url="", ttl=timedelta(hours=24), clock=self.clock)
        with pytest.raises(LinkRejected):
            other.check(self.parts, self.signature)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "JWT_SECRET": SECRET,
        "HTTP_PORT": "9000",
        "ALLOWED_ORIGINS": "https://a.example, https://b.example",
        "LOG_LEVEL": "debug",
        "PUBLIC_URL": "https://img.example/",
        "EXIT_ON_STDIN_EOF": "1",
    }.items():
        monkeypatch.setenv(f"WHITEBG_{name}", value)
    settings = Settings()  # type: ignore[call-arg]  # from the environment
    assert settings.http_port == 9000
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert (settings.log_level, settings.public_url, settings.exit_on_stdin_eof) == (
        "DEBUG",
        "https://img.example",
        True,
    )
    assert SECRET not in repr(settings)


def test_where_browsers_reach_the_bucket_is_also_an_origin() -> None:
    def origin(url: str) -> str:
        return Settings(jwt_secret=SECRET, s3_public_url=url).image_origin  # type: ignore[arg-type]

    assert origin("") == ""
    assert origin("https://s3.example.com:9000/images") == "https://s3.example.com:9000"
    assert origin("https://images.s3.example.com") == "https://images.s3.example.com"
    for url in ("s3://images", "https://", "https://me:secret@s3.example.com/x", "https://a b/x", "https://a;b/x"):
        with pytest.raises(ValidationError, match="a host in ASCII and perhaps a path, without name, password"):
            origin(url)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="shorter than 32 bytes"):
        Settings(jwt_secret="short")  # type: ignore[arg-type]  # pydantic makes a SecretStr of it


@pytest.mark.parametrize("url", ["nonsense", "async+redis://host:6379", "redis://:secret@host:port", "redis://h?db=x"])
def test_a_redis_that_can_not_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"must begin with|looks like") as refused:
        Settings(jwt_secret=SECRET, redis_url=url)  # type: ignore[arg-type]  # pydantic makes SecretStrs of them
    assert "secret@" not in str(refused.value.errors(include_input=False))
