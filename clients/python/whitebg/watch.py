"""A watch that outlives its streams: read, and open again with the last cursor."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from whitebg import errors
from whitebg.convert.updates import on_gap_to_proto, updates_from_proto
from whitebg.models import OnGap, WatchUpdate
from whitebg.v1 import generator_service_pb2 as pb
from whitebg_process.backoff import Backoff

OnRetry = Callable[[errors.WhitebgError, float], None]
"""Called when a stream broke, with the error and the seconds until the next try."""

RETRYABLE = (errors.ServiceUnavailable, errors.Overloaded, errors.QuotaExceeded)
"""After these the same request may be sent again, and nothing is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What to watch, and from where. ``after`` is the cursor to resume behind; None means from now on."""

    user_id: str | None = None
    all_users: bool = False
    task_ids: tuple[int, ...] = ()
    after: str | None = None
    snapshot: bool = False
    on_gap: OnGap = OnGap.SNAPSHOT
    stop_at_head: bool = False

    def to_proto(self) -> pb.WatchTasksRequest:
        """Return the request as the service takes it.

        Raises:
            ValueError: both one user and all users are named.

        """
        if self.all_users and self.user_id is not None:
            raise ValueError("watch either all users or one user_id, not both")
        request = pb.WatchTasksRequest(
            task_ids=self.task_ids,
            after=self.after or "",
            on_gap=on_gap_to_proto(self.on_gap),
            snapshot=self.snapshot,
            stop_at_head=self.stop_at_head,
        )
        if self.all_users:
            request.all_users = True
        else:
            request.user_id = self.user_id or ""
        return request


async def follow(
    open_stream: Callable[[pb.WatchTasksRequest], AsyncGenerator[pb.WatchTasksResponse]],
    request: WatchRequest,
    *,
    backoff: Backoff,
    connect_timeout: float = math.inf,
    on_retry: OnRetry | None = None,
    renewable_token: bool = False,
) -> AsyncGenerator[WatchUpdate]:
    """Yield what happens, over as many streams as it takes.

    The cursor moves only after a whole batch was yielded, and a stream can only break between two batches: so the
    next stream skips exactly the updates yielded so far, and none is lost or repeated. A snapshot that is
    cut off begins again.

    ``connect_timeout``: seconds within which the first stream must have brought something. Later streams are opened
    for as long as it takes.

    ``renewable_token``: an UNAUTHENTICATED stream that had worked is opened once more, with a new token.

    Raises:
        DeadlineExceeded: nothing came within ``connect_timeout``.
        WhitebgError: the stream broke in a way that trying again does not mend.

    """
    failures, connected, deadline = 0, False, time.monotonic() + connect_timeout
    while True:
        worked = False
        failure: errors.WhitebgError
        try:
            async with aclosing(open_stream(request.to_proto())) as stream:
                async for response in stream:
                    worked, connected, failures = True, True, 0
                    for update in updates_from_proto(response, request.after or "", all_users=request.all_users):
                        yield update
                    request = replace(request, after=response.cursor or request.after)
        except RETRYABLE as error:
            failure = error
        except errors.Unauthenticated as error:
            if not (renewable_token and worked):
                raise
            failure = error
        else:
            if request.stop_at_head:
                return
            failure = errors.ServiceUnavailable("the service ended the stream")
        failures += 1
        delay = backoff.delay(failures)
        if not connected and time.monotonic() + delay >= deadline:
            raise errors.DeadlineExceeded(
                f"no connection within {connect_timeout:g} s: {failure.message}", reason=failure.reason
            )
        if on_retry is not None:
            on_retry(failure, delay)
        await asyncio.sleep(delay)
