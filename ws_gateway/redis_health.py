"""Whether the Redis that several gateways share can be reached."""

from __future__ import annotations

import logging

from ws_gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class RedisHealth:
    """Whether Redis is reachable for one of its uses. Changes are logged once and exported as a metric."""

    def __init__(self, metrics: Metrics, use: str, *, without: str) -> None:
        """``without`` describes the behaviour without Redis, for the log."""
        self.ok = True
        """Whether it could be reached the last time, or has not been tried."""
        self._metrics = metrics
        self._use = use
        self._without = without
        metrics.redis_away(use, away=False)

    def lost(self, error: Exception) -> None:
        """Note that it could not be reached."""
        if self.ok:
            log.warning("Redis can't be reached for %s, so %s: %s", self._use, self._without, error)
        self.ok = False
        self._metrics.redis_away(self._use, away=True)

    def back(self) -> None:
        """Note that it answered."""
        if not self.ok:
            log.info("Redis can be reached again for %s", self._use)
        self.ok = True
        self._metrics.redis_away(self._use, away=False)
