"""Settings of the gateway, from the environment (``WHITEBG_*``); made once at start and passed down."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ws_gateway.redis_server import check_url
from ws_gateway.tls import ClientFiles

MIB = 1024 * 1024


class Settings(BaseSettings):
    """All that can be set, with its unit and default."""

    model_config = SettingsConfigDict(env_prefix="WHITEBG_", extra="ignore", frozen=True)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    """0 takes a free port."""
    public_url: str = ""
    """What image links begin with, such as ``https://img.example.com``; empty makes them relative."""
    s3_public_url: str = ""
    """Where browsers reach the bucket of images itself, the same as the service has it; they are then redirected there,
    with links that are good for minutes, and the page may load images from there. Empty: images are sent from here."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of pages that may call from elsewhere, exactly as browsers send them, separated by commas.

    Desktop apps count too, such as ``tauri://localhost``, and ``null``, which any sandboxed frame sends: take care."""
    grpc_target: str = "127.0.0.1:50051"
    grpc_tls: bool = False
    """Speak TLS with the service."""
    grpc_server_ca: Path | None = None
    """PEM file of who signed the service's certificate; unset: the roots that gRPC brings along."""
    grpc_server_name: str = ""
    """Name that the service's certificate must hold; empty: that of ``grpc_target``."""
    grpc_client_cert: Path | None = None
    """PEM file of the certificate (chain) that the gateway shows the service; read again when it changes."""
    grpc_client_key: Path | None = None
    """PEM file of its private key."""
    jwt_secret: SecretStr
    """Shared with the service; at least 32 bytes."""
    jwt_audience: str = "whitebg"
    jwks_url: str = ""
    """Where an identity provider shows its public keys; empty: only tokens signed with ``jwt_secret`` are good."""
    jwks_algorithms: Annotated[tuple[Literal["RS256", "ES256"], ...], NoDecode] = ("RS256", "ES256")
    """Algorithms that the provider may sign with, separated by commas."""
    auth_timeout: timedelta = timedelta(seconds=10)
    """How long a WebSocket without a token in its URL has for sending one."""
    revocation_keep: timedelta = timedelta(days=30)
    """How long a revoked session is remembered; longer than any token lives."""
    guest_login: bool = False
    """Give tokens to anyone on this machine; works on a loopback ``http_host`` only."""
    guest_token_ttl: timedelta = timedelta(days=7)
    ws_token_ttl: timedelta = timedelta(days=7)
    image_url_ttl: timedelta = timedelta(hours=24)
    """How long an image link is good, at least."""
    max_upload_bytes: int = Field(default=25 * MIB, gt=0)
    """Largest photo; the service has the last word."""
    max_concurrent_uploads: int = Field(default=16, gt=0)
    """Photos held in memory at the same time; further ones wait unread."""
    redis_url: SecretStr | None = None
    """Redis through which several gateways limit and revoke together, ``redis://host:6379``, or ``rediss://`` for TLS.

    Unset: this gateway counts and remembers by itself."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Networks (CIDR) of the proxies in front, believed about ``X-Forwarded-For``, separated by commas."""
    connections_per_minute: int = Field(default=10, ge=0)
    """New WebSockets a minute from one client address; 0 means any number."""
    connections_per_user: int = Field(default=20, ge=0)
    """WebSockets that one user may have open, at all gateways that share a Redis together; 0 means any number."""
    connection_lease: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    """How long the sockets of a gateway that was killed still count, where gateways count together."""
    status_polls_per_minute: int = Field(default=10, ge=0)
    """Questions a minute for the status of one task; 0 means any number."""
    uploads_per_minute: int = Field(default=120, ge=0)
    """Photos a minute of one user; 0 means any number."""
    max_concurrent_reads: int = Field(default=64, gt=0)
    """Histories read from the service at the same time; further clients wait."""
    ring_events: int = Field(default=20_000, gt=0)
    """Recent events kept in memory."""
    call_timeout: timedelta = timedelta(seconds=15)
    """Deadline of one call to the service."""
    drain_timeout: timedelta = timedelta(seconds=10)
    """How long sockets and requests may take to end at shutdown."""
    flags_file: Path | None = None
    """JSON file with the rollout flags, read again when it changes; unset: everybody is on the WebSocket."""
    tracing: bool = False
    """Send traces by OpenTelemetry; where to, its own ``OTEL_EXPORTER_OTLP_*`` variables say."""
    exit_on_stdin_eof: bool = False
    """Shut down when standard input ends: the parent process has gone."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_origins", "jwks_algorithms", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
        return value

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.grpc_client_cert is None) != (self.grpc_client_key is None):
            raise ValueError("WHITEBG_GRPC_CLIENT_CERT and WHITEBG_GRPC_CLIENT_KEY go together; only one is set")
        files = (self.grpc_server_ca, self.grpc_server_name, self.grpc_client_cert)
        if any(files) and not self.grpc_tls:
            raise ValueError("certificates for the service are set, but WHITEBG_GRPC_TLS is not: set it to true")
        return self

    @property
    def tls(self) -> ClientFiles | None:
        """What the connection to the service is secured with; None for plain text."""
        if not self.grpc_tls:
            return None
        return ClientFiles(ca=self.grpc_server_ca, cert=self.grpc_client_cert, key=self.grpc_client_key)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("s3_public_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.-]+(:\d+)?", parts.netloc)):
            raise ValueError("must be https:// (or http://) and a host, without name or password")
        return value

    @property
    def image_origin(self) -> str:
        """Where browsers are sent for images, as a content security policy names it; empty if nowhere."""
        parts = urlsplit(self.s3_public_url)
        return f"{parts.scheme}://{parts.netloc}" if self.s3_public_url else ""

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_url(url.get_secret_value())
        return url

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < 32:
            raise ValueError("the secret is shorter than 32 bytes; make one with: openssl rand -hex 32")
        return value
