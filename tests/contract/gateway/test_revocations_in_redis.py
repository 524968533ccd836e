"""What several gateways know of one another's revocations, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.contract.gateway.conftest import KEEP, InRedis
from tests.contract.gateway.test_revocations import SECOND, covered
from ws_gateway.redis_server import connect
from ws_gateway.revocations import redis as module
from ws_gateway.revocations.contract import Kind, NotShared, Revocation, Revocations

PATIENCE = 20.0


class Gateway:
    """One of several; it can be waited for what it hears."""

    def __init__(self, revocations: Revocations) -> None:
        self.revocations = revocations
        self._heard = asyncio.Event()
        revocations.listen(self._listen)

    def _listen(self) -> int:
        self._heard.set()
        return 1

    async def revoke(self, token_id: str) -> int:
        return await self.revocations.revoke(Revocation(Kind.TOKEN, token_id))

    def refuses(self, token_id: str) -> bool:
        return covered(self.revocations, "ann", token_id)

    async def until_it_refuses(self, token_id: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.refuses(token_id):
                self._heard.clear()
                await self._heard.wait()


@asynccontextmanager
async def gateway(backend: InRedis) -> AsyncIterator[Gateway]:
    async with backend.revocations() as revocations:
        yield Gateway(revocations)


def away(backend: InRedis) -> bool:
    return backend.metrics.registry.get_sample_value("whitebg_redis_away", {"use": "revocations"}) == 1


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def client(in_redis: InRedis) -> AsyncIterator[Redis]:
    """Look into the server, and meddle with it."""
    async with connect(in_redis.redis.url, tries=2) as client:
        yield client


async def test_all_others_hear_of_it_at_once(in_redis: InRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 1000.0)
    async with gateway(in_redis) as one, gateway(in_redis) as two, gateway(in_redis) as three:
        began = time.monotonic()
        assert await one.revoke("s1") == 1
        await two.until_it_refuses("s1")
        await three.until_it_refuses("s1")
        assert time.monotonic() - began < 1.0
        await three.revoke("s2")
        await one.until_it_refuses("s2")


async def test_one_that_starts_later_knows_it_from_the_start(in_redis: InRedis) -> None:
    async with gateway(in_redis) as one:
        await one.revoke("s1")
        await one.revocations.revoke(Revocation(Kind.USER, "a:b"))
        await one.revoke("白底图 \n")
    async with gateway(in_redis) as later:
        assert later.refuses("s1")
        assert later.refuses("白底图 \n")
        assert later.revocations.covers(user_id="a:b", token_id="", issued_at=in_redis.clock.now())
        issued = in_redis.clock.advance(SECOND)
        assert not later.revocations.covers(user_id="a:b", token_id="", issued_at=issued)


async def test_a_message_that_never_came_is_noticed_by_the_next(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 1000.0)
    async with gateway(in_redis) as one, gateway(in_redis) as two:
        await unheard(in_redis, client, "s1")
        assert not two.refuses("s1")
        await one.revoke("s2")
        await two.until_it_refuses("s2")
        await two.until_it_refuses("s1")
        await one.until_it_refuses("s1")


async def test_a_message_that_never_came_is_noticed_in_the_silence(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.05)
    async with gateway(in_redis) as one:
        await unheard(in_redis, client, "s1")
        await one.until_it_refuses("s1")


async def unheard(backend: InRedis, client: Redis, token_id: str) -> None:
    """Revoke as a gateway does whose message gets lost."""
    at = module._score(backend.clock.now())
    arguments: list[str | int] = [0, 100, 60_000, "nobody", "[]", at, f"token:{token_id}"]
    await client.register_script(module._CHANGE)(keys=[module.ENTRIES, module.VERSION], args=arguments)


async def test_who_was_cut_off_catches_up(in_redis: InRedis, client: Redis) -> None:
    async with gateway(in_redis) as one, gateway(in_redis) as two:
        for number in range(3):
            await client.client_kill_filter(_type="pubsub")
            await one.revoke(f"s{number}")
        for number in range(3):
            await two.until_it_refuses(f"s{number}")


async def test_while_redis_is_away_what_was_known_holds_and_what_is_new_says_so(
    in_redis: InRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(in_redis) as one, gateway(in_redis) as two:
        await one.revoke("s1")
        await two.until_it_refuses("s1")
        in_redis.redis.kill()
        with pytest.raises(NotShared) as error:
            await one.revoke("s2")
        assert error.value.closed == 1
        assert one.refuses("s2"), "what could be done was done"
        await eventually(lambda: away(in_redis))
        assert one.refuses("s1")
        assert two.refuses("s1")
        assert not two.refuses("s2")

        # It comes back with nothing in it: those who know write it down again, for all others and those to come.
        in_redis.redis.start()
        await two.until_it_refuses("s2")
        await eventually(lambda: not away(in_redis))
        async with gateway(in_redis) as later:
            await later.until_it_refuses("s1")
            await later.until_it_refuses("s2")
    assert caplog.text.count("Redis can't be reached for revocations") == 2, "once for each gateway"


async def test_a_server_that_hangs_holds_an_admin_up_for_seconds_only(in_redis: InRedis) -> None:
    async with gateway(in_redis) as one, gateway(in_redis) as two:
        in_redis.redis.freeze()
        began = time.monotonic()
        with pytest.raises(NotShared):
            await one.revoke("s1")
        assert time.monotonic() - began < 10
        in_redis.redis.thaw()
        await one.revoke("s1")
        await two.until_it_refuses("s1")


async def test_one_that_starts_without_redis_says_that_it_knows_nothing(
    in_redis: InRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway(in_redis) as one:
        await one.revoke("s1")
        in_redis.redis.kill()
        async with gateway(in_redis) as new:
            assert not new.revocations.known
            assert "nobody is let in" in caplog.text
            in_redis.redis.start()
            await eventually(lambda: new.revocations.known)
            await new.until_it_refuses("s1")


async def test_what_is_kept_is_bounded_in_number_and_time(in_redis: InRedis, client: Redis) -> None:
    async with in_redis.revocations(capacity=3) as revocations:
        for number in range(5):
            in_redis.clock.advance(SECOND)
            await revocations.revoke(Revocation(Kind.TOKEN, f"s{number}"))
        assert await client.zrange(module.ENTRIES, 0, -1) == ["token:s2", "token:s3", "token:s4"]
        in_redis.clock.advance(KEEP)
        await revocations.revoke(Revocation(Kind.TOKEN, "s5"))
        assert await client.zrange(module.ENTRIES, 0, -1) == ["token:s4", "token:s5"]
    for key in map(str, await client.keys()):
        assert key.startswith("whitebg:")
        assert 0 < await client.ttl(key) <= KEEP.total_seconds()


async def test_many_are_written_again_in_bounded_messages(
    in_redis: InRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    async with gateway(in_redis) as one:
        for number in range(30):
            await one.revoke(f"s{number}")
        await client.flushall()
        await client.client_kill_filter(_type="pubsub")
        async with gateway(in_redis) as two:
            await two.until_it_refuses("s29")
    assert await client.zcard(module.ENTRIES) == 30


async def test_what_others_say_on_the_channel_does_no_harm(in_redis: InRedis, client: Redis) -> None:
    async with gateway(in_redis) as one, gateway(in_redis) as two:
        for text in ("", "hello", "1", "x []", "99 {}", '99 [["token:s1"]]', '1 [["shoe:s1", 5]]', '1 [["token:", 5]]'):
            await client.publish(module.CHANNEL, text)
        await one.revoke("s2")
        await two.until_it_refuses("s2")
        assert not two.refuses("s1")
