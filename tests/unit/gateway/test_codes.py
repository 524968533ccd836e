"""Close codes: the range determines the reconnect policy."""

from __future__ import annotations

import pytest

from ws_gateway.protocol.close_codes import Close, CloseCode, Policy


@pytest.mark.parametrize("code", CloseCode)
def test_the_range_is_the_policy(code: CloseCode) -> None:
    expected = {40: Policy.STOP, 41: Policy.BACK_OFF, 42: Policy.RECONNECT}
    assert code.policy is expected[code // 100]


def test_the_codes_are_those_of_the_protocol() -> None:
    assert sorted(CloseCode) == [4001, 4003, 4004, 4010, 4101, 4102, 4103, 4200]


@pytest.mark.parametrize("reason", ["x" * 500, "白" * 100, "a" + "白" * 100, ""])
def test_a_reason_fits_into_a_close_frame(reason: str) -> None:
    cut = Close(CloseCode.TOO_SLOW, reason).reason
    assert len(cut.encode()) <= 123
    assert reason.startswith(cut)
    assert len(reason) < 100 or len(cut.encode()) > 120
