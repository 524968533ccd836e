"""Revocations that several gateways share through Redis, each with a copy in memory that is kept in step.

A sorted set holds them with their times, and a number counts its changes. Each change is published with its number: who
misses one sees a gap in the numbers, or another number when it looks after a silence, and reads the set again. So
whether messages arrive decides how soon a revocation is known, never whether.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from ws_gateway.backoff import Backoff
from ws_gateway.beside import beside
from ws_gateway.redis_server import TIMEOUT_S, UNREACHABLE, Reach
from ws_gateway.revocations.contract import Kind, NotShared, Revocation
from ws_gateway.revocations.ledger import Ledger

log = logging.getLogger(__name__)

ENTRIES = "whitebg:revocations"
"""Sorted set: ``user:<id>`` or ``token:<jti>`` by the time in microseconds."""
VERSION = "whitebg:revocations:version"
"""How often the set has been changed."""
CHANNEL = "whitebg:revocations"
"""Each change, with its number before it."""
SILENCE_S = 2.0
"""After this long without a message the number is looked at, so that what no message told is known this much later."""
_AT_ONCE = 250
"""Revocations in one message or answer; more would keep the event loop from everything else."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Later times win, so it does no harm to write anything twice. What has expired or is too much goes, oldest first.
_CHANGE = """
for i = 6, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[2]))
local version = redis.call('INCR', KEYS[2])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
redis.call('PUBLISH', ARGV[4], version .. ' ' .. ARGV[5])
return version
"""


class RedisRevocations:
    """What was revoked at any gateway; see `ws_gateway.revocations.contract.Revocations`.

    While Redis is away, what was known stays in force. When it is back, the copy is compared with it both ways: what a
    gateway knows and Redis has lost, in a restart, is written again.
    """

    def __init__(self, client: Redis, line: Redis, ledger: Ledger, reach: Reach) -> None:
        """``line`` is the client to listen with; it must not connect again by itself."""
        self._client = client
        self._line = line
        self._ledger = ledger
        self._reach = reach
        self._change = client.register_script(_CHANGE)
        self._version = 0
        self._listener: Callable[[], int] = int
        self._caught_up = asyncio.Event()

    @property
    def known(self) -> bool:
        """Whether the set was read once."""
        return self._caught_up.is_set()

    def covers(self, *, user_id: str, token_id: str, issued_at: datetime | None) -> bool:
        """Say whether a token was revoked, as far as is known."""
        return self._ledger.covers(user_id=user_id, token_id=token_id, issued_at=issued_at)

    def listen(self, listener: Callable[[], int]) -> None:
        """Have this called after every revocation."""
        self._listener = listener

    async def revoke(self, revocation: Revocation) -> int:
        """Revoke from now on, here and everywhere; return how many sockets were closed here.

        Raises:
            NotShared: Redis can't be reached.

        """
        self._ledger.note(revocation)
        closed = self._listener()
        try:
            await self._share([(revocation, self._ledger.entries()[revocation])])
        except UNREACHABLE as error:
            log.warning("a revocation could not be shared: %s", error)
            raise NotShared(closed) from error
        return closed

    async def follow(self) -> None:
        """Keep the copy in step until cancelled."""
        backoff = Backoff(base=0.1, cap=2.0, random=random.SystemRandom())
        while True:
            try:
                async with self._line.pubsub() as channel:
                    await self._listen(channel, backoff.reset)
            except Exception as error:  # noqa: BLE001 (whatever cut it off, it is to be connected again)
                self._reach.lost(error)
                await asyncio.sleep(backoff.next())

    async def until_known(self, timeout: float) -> None:
        """Return once the set was read, or after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._caught_up.wait()
        except TimeoutError:
            log.warning("what was revoked could not be read yet; nobody is let in until it was")

    async def _listen(self, channel: PubSub, worked: Callable[[], None]) -> None:
        """Subscribe, then read the set, then take in changes; return when one was missed."""
        await channel.subscribe(CHANNEL)
        # In force before the set is read, so that nothing falls between.
        if await channel.get_message(timeout=TIMEOUT_S) is None:
            raise TimeoutError(f"no answer to SUBSCRIBE within {TIMEOUT_S:g} s")
        await self._catch_up()
        self._caught_up.set()
        self._reach.back()
        worked()
        while True:
            message = await channel.get_message(timeout=SILENCE_S)
            if message is None:
                if await self._current_version() != self._version:
                    return
            elif message["type"] == "message" and not self._take(message["data"]):
                return

    async def _catch_up(self) -> None:
        # The number first: a change while the set is read is told once more by its message.
        self._version = await self._current_version()
        found: dict[Revocation, datetime] = {}
        async for member, score in self._client.zscan_iter(ENTRIES, count=_AT_ONCE):
            if (revocation := _revocation(member)) is not None:
                found[revocation] = _time(score)
        known = sorted(found.items(), key=lambda item: item[1])
        for start in range(0, len(known), _AT_ONCE):
            self._note(known[start : start + _AT_ONCE])
            await asyncio.sleep(0)  # Others want to go on, too.
        missing = [(each, at) for each, at in self._ledger.entries().items() if each not in found or found[each] < at]
        for start in range(0, len(missing), _AT_ONCE):
            await self._share(missing[start : start + _AT_ONCE])

    def _take(self, text: str) -> bool:
        """Take in a message; say whether it is the next one, or older."""
        number, _, body = text.partition(" ")
        try:
            version, entries = int(number), [(str(member), int(score)) for member, score in json.loads(body)]
        except (ValueError, TypeError):
            log.warning("a message on %s that is none of ours was passed over", CHANNEL)
            return True
        self._note((found, _time(score)) for member, score in entries if (found := _revocation(member)) is not None)
        whole = version <= self._version + 1
        self._version = max(self._version, version)
        return whole

    def _note(self, entries: Iterable[tuple[Revocation, datetime]]) -> None:
        if [each for each in entries if self._ledger.note(*each)]:
            self._listener()

    async def _share(self, entries: Sequence[tuple[Revocation, datetime]]) -> None:
        pairs = [(f"{revocation.kind}:{revocation.name}", _score(at)) for revocation, at in entries]
        keep_ms = self._ledger.keep // timedelta(milliseconds=1)
        limits = [_score(self._ledger.oldest_kept), self._ledger.capacity, keep_ms]
        flat: list[str | int] = [word for member, score in pairs for word in (score, member)]
        await self._change(keys=[ENTRIES, VERSION], args=[*limits, CHANNEL, json.dumps(pairs), *flat])

    async def _current_version(self) -> int:
        return int(await self._client.get(VERSION) or 0)


@asynccontextmanager
async def redis_revocations(
    client: Redis, line: Redis, ledger: Ledger, reach: Reach
) -> AsyncIterator[RedisRevocations]:
    """Share revocations within the block. A Redis that is there has been read when it begins."""
    revocations = RedisRevocations(client, line, ledger, reach)
    async with beside(revocations.follow(), "revocations"):
        await revocations.until_known(2 * TIMEOUT_S)
        yield revocations


def _revocation(member: str) -> Revocation | None:
    kind, _, name = member.partition(":")
    return Revocation(Kind(kind), name) if kind in set(Kind) and name else None


def _score(at: datetime) -> int:
    """Return microseconds: a score holds them exactly, and a token may have been issued in the same second."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _time(score: float) -> datetime:
    return _EPOCH + timedelta(microseconds=int(score))
