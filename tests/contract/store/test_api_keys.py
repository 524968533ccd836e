"""API keys: stored by their hash, revoked once, with the time of their latest use."""

from __future__ import annotations

from datetime import timedelta

import pytest

from generator_service.domain.api_key import ApiKey, generate, parse
from generator_service.domain.errors import ApiKeyNotFound, Unauthenticated
from generator_service.watch.api_key_checks import ApiKeyChecker
from generator_service.watch.watchers import Watchers
from tests.contract.store.conftest import OpenStore
from tests.support.store import StoreHarness

MINUTE = timedelta(minutes=1)


def checker(desk: StoreHarness) -> ApiKeyChecker:
    return ApiKeyChecker(desk.store, desk.clock, end_watches=Watchers(10).end_revoked)


async def new_key(desk: StoreHarness, name: str = "shop", lasts: timedelta | None = None) -> tuple[ApiKey, str]:
    key_id, secret_hash, text = generate()
    now = desk.clock.now()
    key = ApiKey(
        key_id=key_id,
        name=name,
        secret_hash=secret_hash,
        user_id="shop",
        scopes=frozenset({"tasks", "admin"}),
        created_at=now,
        created_by="ops",
        expires_at=None if lasts is None else now + lasts,
    )
    await desk.store.admin.create_api_key(key)
    return key, text


async def test_a_key_is_stored_without_its_secret_and_checked(open_store: OpenStore) -> None:
    desk, other = open_store(), open_store()
    key, text = await new_key(desk)
    parts = parse(text)
    assert parts is not None
    assert parts[1] not in repr(await desk.store.admin.api_keys())
    assert await other.store.admin.api_keys() == [key]
    keys = checker(other)
    await keys.load()
    assert keys.check(text) == key
    forged = text[:-1] + ("A" if text[-1] != "A" else "B")
    for wrong in (forged, f"wbk_{'0' * 16}_{parts[1]}", "wbk_", text + "x", "something else"):
        with pytest.raises(Unauthenticated, match="not known"):
            keys.check(wrong)


async def test_revoked_and_expired_keys_are_rejected(desk: StoreHarness) -> None:
    key, text = await new_key(desk)
    short, short_text = await new_key(desk, "short", MINUTE)
    revoked = await desk.store.admin.revoke_api_key(key.key_id)
    desk.clock.advance(MINUTE)
    assert revoked.revoked_at is not None
    assert (await desk.store.admin.revoke_api_key(key.key_id)).revoked_at == revoked.revoked_at
    keys = checker(desk)
    await keys.load()
    with pytest.raises(Unauthenticated, match="was revoked"):
        keys.check(text)
    with pytest.raises(Unauthenticated, match="expired"):
        keys.check(short_text)
    assert short.usable(desk.clock.now() - MINUTE)
    with pytest.raises(ApiKeyNotFound):
        await desk.store.admin.revoke_api_key("0" * 16)


async def test_the_latest_use_is_recorded_once_a_minute(open_store: OpenStore) -> None:
    desk, other = open_store(), open_store()
    key, text = await new_key(desk)
    keys, others = checker(desk), checker(other)

    async def recorded() -> object:
        return (await desk.store.admin.api_keys())[0].last_used_at

    await keys()
    await others()
    assert await recorded() is None
    first = desk.clock.now()
    keys.check(text)
    await keys()
    assert await recorded() == first
    desk.clock.advance(MINUTE / 2)
    keys.check(text)
    await keys()
    assert await recorded() == first, "recorded too often"
    desk.clock.advance(MINUTE / 2)
    others.check(text)
    await others()
    latest = desk.clock.now()
    assert await recorded() == latest
    desk.clock.advance(MINUTE)
    await keys()
    assert await recorded() == latest, "an earlier use, recorded later, won"
    assert key.last_used_at is None
