"""The connection to the service, opened again when its certificates were replaced."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2_grpc

from whitebg.v1 import generator_service_pb2 as pb
from whitebg.v1.admin_service_pb2_grpc import AdminServiceStub
from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceStub
from whitebg_process.certificates import CertificateError
from ws_gateway.upstream.tls import ClientCertificateFiles

if TYPE_CHECKING:
    # These exist in the stubs only.
    from whitebg.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from whitebg.v1.generator_service_pb2_grpc import GeneratorServiceAsyncStub

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
_SERVICE = pb.DESCRIPTOR.services_by_name["GeneratorService"]
_WATCH = "WatchTasks"
"""Resumed by its cursor instead."""
_SERVICE_CONFIG = {
    # Where a name stands for several services (``dns:///services:50051``), calls are spread over all of them.
    "loadBalancingConfig": [{"round_robin": {}}],
    # While a service is replaced or a connection breaks, a call waits up to three seconds instead of failing: all calls
    # are idempotent. The service's own errors are not retried (``grpc-retry-pushback-ms``).
    "methodConfig": [
        {
            "name": [
                {"service": _SERVICE.full_name, "method": name} for name in _SERVICE.methods_by_name if name != _WATCH
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "maxBackoff": "1.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_OPTIONS: list[tuple[str, int | str]] = [
    # A batch of a large snapshot may exceed the default of 4 MiB.
    ("grpc.max_receive_message_length", 64 * _MIB),
    # Notice a dead or silent peer no later than a call to it times out, and find one that came back within seconds.
    # Services accept a ping every 10 s.
    ("grpc.keepalive_time_ms", 11_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    # Newer gRPC waits this long for the answer to a ping, a minute by default, whatever the timeout above.
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A photo and its mask have to be kept for as long as their call may be tried again: 33 MiB and what goes with them.
    ("grpc.per_rpc_retry_buffer_size", 36 * _MIB),
]
_SUBMIT = "/whitebg.v1.GeneratorService/SubmitTask"
_UNTIL_ITS_LAST_CALL_S = timedelta(days=365).total_seconds()


class Connection:
    """A channel to the service. gRPC keeps a channel's certificates for ever, so new ones take a new channel.

    A watch that runs goes on over the channel that it began on, which closes after its last call.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: ClientCertificateFiles | None = None,
        server_name: str = "",
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        """Read the certificates; nothing is sent yet. An empty ``server_name`` is the target's own.

        Raises:
            CertificateError: they can't be used.

        """
        self._target = target
        self._tls = tls
        self._options = _OPTIONS + ([("grpc.ssl_target_name_override", server_name)] if server_name else [])
        self._interceptors = interceptors
        self._stamp: tuple[object, ...] = ()
        self._retired: set[asyncio.Task[None]] = set()
        self._channel = self._open()
        self._stub: GeneratorServiceAsyncStub = GeneratorServiceStub(self._channel)

    @property
    def admin(self) -> AdminServiceAsyncStub:
        """The operators' methods, for one call."""
        _ = self.stub
        return AdminServiceStub(self._channel)

    @property
    def stub(self) -> GeneratorServiceAsyncStub:
        """The service's methods, for one call: the next call asks again."""
        if self._tls is not None and self._tls.stamp() != self._stamp:
            self._renew()
        return self._stub

    @property
    def submit_encoded(self) -> grpc.aio.UnaryUnaryMultiCallable[bytes, pb.SubmitTaskResponse]:
        """SubmitTask, for one call, with a request that is encoded already."""
        _ = self.stub
        return self._channel.unary_unary(_SUBMIT, response_deserializer=pb.SubmitTaskResponse.FromString)

    @property
    def health(self) -> health_pb2_grpc.HealthStub:
        """The service's health checks, for one call."""
        _ = self.stub
        return health_pb2_grpc.HealthStub(self._channel)

    async def close(self) -> None:
        """End all calls and all channels."""
        for closing in self._retired:
            closing.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self._channel.close()

    def _open(self) -> grpc.aio.Channel:
        if self._tls is None:
            return grpc.aio.insecure_channel(self._target, options=self._options, interceptors=self._interceptors)
        self._stamp = self._tls.stamp()
        credentials = self._tls.read()
        return grpc.aio.secure_channel(
            self._target, credentials, options=self._options, interceptors=self._interceptors
        )

    def _renew(self) -> None:
        try:
            fresh = self._open()
        except CertificateError as error:
            # Certificate and key are often replaced one after the other: the next change is looked at again.
            log.warning("certificates changed but can't be used; those from before stay in force: %s", error)
            return
        log.info("certificates read again; new calls to the service use them")
        closing = asyncio.create_task(self._channel.close(_UNTIL_ITS_LAST_CALL_S))
        self._retired.add(closing)
        closing.add_done_callback(self._retired.discard)
        self._channel, self._stub = fresh, GeneratorServiceStub(fresh)
