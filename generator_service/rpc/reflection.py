"""Reflection, so that grpcurl and `buf curl` need no proto files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1 = "grpc.reflection.v1.ServerReflection"


class Symbols:
    """A descriptor pool that also finds the files of methods, unlike protobuf's own pool.

    grpcurl's ``describe`` requests them.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to protobuf's pool."""
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 (protobuf's name)
        """Return the file that defines a symbol.

        Raises:
            KeyError: no file defines the symbol.

        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def enable_reflection(services: Sequence[str], server: aio.Server) -> None:
    """Describe ``services`` under both names of the protocol.

    grpcio ships ``v1alpha`` only. ``v1``, which newer tools request, has the same messages: one servicer serves both.
    """
    names = (*services, reflection.SERVICE_NAME)
    symbols = Symbols()
    reflection.enable_server_reflection(names, server, symbols)
    servicer = reflection.aio.ReflectionServicer(names, symbols)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler}),))
