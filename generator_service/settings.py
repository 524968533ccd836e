"""The service's settings, read once at start from ``WHITEBG_*`` variables and passed down."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from generator_service.blobs.bucket import Bucket, Keys
from generator_service.domain.task import Engine
from generator_service.tls import ServerFiles

MIN_SECRET_BYTES = 32
_SCHEMES = {
    "database_url": ("postgresql://", "postgres://"),
    "redis_url": ("redis://", "rediss://", "unix://"),
}
_S3_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_PREFIX = re.compile(r"[\w!.*'()-]+(/[\w!.*'()-]+)*", re.ASCII)


def _inherited(*names: str) -> Callable[[], str | None]:
    """Return what reads the first of AWS's own variables that is set."""
    return lambda: next((value for name in names if (value := os.environ.get(name))), None)


class Settings(BaseSettings):
    """Everything that can be set. Spans of time are in seconds, or ISO 8601."""

    model_config = SettingsConfigDict(env_prefix="WHITEBG_", extra="ignore", frozen=True)

    data_dir: Path = Path("whitebg-data")
    """Folder of the SQLite database and of the images; with PostgreSQL, all processes share it for the images.

    Neither made nor used where the database is PostgreSQL and the images are in a bucket."""
    database_url: SecretStr | None = None
    """PostgreSQL database that several processes share, such as ``postgresql://user:password@host:5432/whitebg``.

    Unset: a SQLite file in the data folder, which then belongs to this process alone."""
    redis_url: SecretStr | None = None
    """Redis that carries hints between processes, ``redis://host:6379``; unset: the PostgreSQL database does."""
    s3_bucket: str | None = None
    """Bucket of an S3-compatible store that holds the images; unset: a folder below the data folder does.

    Bucket and prefix belong to one database alone: what no task of it names is deleted after a day."""
    s3_endpoint: str | None = Field(default_factory=_inherited("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    """Where the store is, such as ``https://s3.example.com:9000``; unset: AWS's own of the region."""
    s3_region: str | None = Field(default_factory=_inherited("AWS_REGION", "AWS_DEFAULT_REGION"))
    """Unset: us-east-1, which stores other than AWS mostly go by."""
    s3_prefix: str = ""
    """What all keys in the bucket begin with."""
    s3_access_key_id: SecretStr | None = None
    """Unset, as its companion: what AWS's own variables, files and roles give."""
    s3_secret_access_key: SecretStr | None = None
    s3_session_token: SecretStr | None = None
    """What goes with a pair of temporary keys."""
    s3_ca: Path | None = None
    """PEM file of a CA of your own that signed the store's certificate, beside those that the system trusts."""
    s3_path_style: bool = True
    """Whether the bucket is named in the path of an address; else in its host."""
    s3_allow_http: bool = False
    """Whether the store may be spoken with in plain text: photos, and links that anybody on the way could follow."""
    s3_public_url: str | None = None
    """Where browsers reach the bucket itself, such as ``https://s3.example.com/images``: gateways that are told the
    same send them there for images. Unset: all images go through service and gateway."""
    data_dir_wait: timedelta = timedelta(seconds=20)
    """How long to wait for another service to let go of the folder: a predecessor that drains."""
    grpc_host: str = "127.0.0.1"
    grpc_port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """0 takes a free one; the log says which."""
    grpc_server_cert: Path | None = None
    """PEM file of the certificate (chain) that the port shows; read again when it changes. Unset: no TLS."""
    grpc_server_key: Path | None = None
    """PEM file of its private key."""
    grpc_client_ca: Path | None = None
    """PEM file of who signs clients' certificates; every client must then show one. Unset: tokens alone decide."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port of ``/metrics``, ``/healthz`` and ``/readyz``; unset serves none, 0 takes a free one."""
    tracing: bool = False
    """Send traces by OpenTelemetry; where to, its own ``OTEL_EXPORTER_OTLP_*`` variables say."""
    exit_on_stdin_eof: bool = False
    """Drain when standard input ends, so that the service never outlives who started it."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    jwt_secret: SecretStr
    """Shared secret of HS256 tokens, at least 32 bytes."""
    jwt_audience: str = "whitebg"

    engine_order: Annotated[tuple[Engine, ...], NoDecode] = (Engine.GEMINI, Engine.LOCAL)
    """What "auto" tries, in order; engines that are not configured are passed over."""
    gemini_api_key: SecretStr | None = None
    gemini_model: str = "gemini-2.5-flash-image"
    gemini_base_url: str | None = None
    gemini_timeout: timedelta = timedelta(seconds=120)
    gemini_concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    gemini_calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Calls that may begin in any minute, in this process; unset is no limit."""
    gemini_tries: Annotated[int, Field(ge=1, le=5)] = 2
    """Pictures asked for, at most, until one shows the same product, whole; the best is kept, with a warning."""
    rembg_model: str | None = None
    """Model of the optional extra rembg, such as isnet-general-use; unset is no rembg. Only free ones are taken."""
    rembg_weights: Path | None = None
    """Its ONNX file; unset is where rembg keeps what it downloads."""

    worker_slots: Annotated[int, Field(ge=0, le=1024)] = os.cpu_count() or 1
    """Tasks at once in this process; 0 runs no worker here."""
    pool_processes: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """Processes for work that burns CPU."""
    pool_memory_mib: Annotated[int, Field(ge=512)] = 3072
    """Address space of each of these processes."""
    pool_job_timeout: timedelta = timedelta(seconds=120)
    """How long one of these processes may work on one photo before it is killed."""
    lease: timedelta = timedelta(seconds=15)
    heartbeat: timedelta = timedelta(seconds=5)
    task_timeout: timedelta = timedelta(seconds=180)
    """Of one attempt, where the request names none."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 4
    retry_base: timedelta = timedelta(seconds=1)
    retry_cap: timedelta = timedelta(seconds=60)
    drain: timedelta = timedelta(seconds=15)
    """How long calls and running tasks may go on after a stop was asked for."""

    pending_per_user: Annotated[int, Field(ge=1)] = 1000
    running_per_user: Annotated[int, Field(ge=1)] = 4

    ring_events: Annotated[int, Field(ge=0)] = 50_000
    """Events kept in memory for replays."""
    watcher_queue: Annotated[int, Field(ge=100)] = 10_000
    """Durable events that may wait for one watcher before it is cut off."""
    events_for: timedelta = timedelta(hours=24)
    events_per_user: Annotated[int, Field(ge=0)] = 1000
    tasks_for: timedelta = timedelta(days=30)

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes; make one with: openssl rand -hex 32")
        return secret

    @field_validator("database_url", "redis_url")
    @classmethod
    def _a_url(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = _SCHEMES[str(info.field_name)]
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        if url is not None:
            try:
                _ = urlsplit(url.get_secret_value()).port
            except ValueError as error:
                raise ValueError("the port must be a number from 0 to 65535") from error
        return url

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.grpc_server_cert is None) != (self.grpc_server_key is None):
            raise ValueError("WHITEBG_GRPC_SERVER_CERT and WHITEBG_GRPC_SERVER_KEY go together; only one is set")
        if self.grpc_client_ca is not None and self.grpc_server_cert is None:
            raise ValueError(
                "WHITEBG_GRPC_CLIENT_CA asks clients for certificates, which takes TLS: "
                "set WHITEBG_GRPC_SERVER_CERT and WHITEBG_GRPC_SERVER_KEY too"
            )
        return self

    @field_validator("s3_bucket")
    @classmethod
    def _a_bucket(cls, name: str | None) -> str | None:
        if name is not None and not _S3_NAME.fullmatch(name):
            raise ValueError("must have 3 to 63 lower-case letters, digits, dots and hyphens, and no address around it")
        return name

    @field_validator("s3_prefix")
    @classmethod
    def _a_prefix(cls, prefix: str) -> str:
        prefix = prefix.strip("/")
        if prefix and not _S3_PREFIX.fullmatch(prefix):
            raise ValueError("may have letters, digits and any of !.*'()-_ between slashes")
        return prefix

    @field_validator("s3_endpoint", "s3_public_url")
    @classmethod
    def _an_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None:
            return None
        url = url.rstrip("/")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise ValueError("the port must be a number from 0 to 65535") from error
        # What is between scheme and host is not repeated: it may be a secret.
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("must be https:// (or http://) and a host, without name, password or query")
        if parts.path and info.field_name == "s3_endpoint":
            raise ValueError(f"must end with the host or its port; {parts.path} is too much")
        return url

    @model_validator(mode="after")
    def _whole_bucket(self) -> Self:
        given = {name for name in self.model_fields_set if name.startswith("s3_")} - {"s3_bucket"}
        if self.s3_bucket is None:
            if given:
                raise ValueError(f"WHITEBG_{min(given).upper()} is set, but no bucket: set WHITEBG_S3_BUCKET too")
            return self
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("WHITEBG_S3_ACCESS_KEY_ID and WHITEBG_S3_SECRET_ACCESS_KEY go together; only one is set")
        if self.s3_session_token is not None and self.s3_access_key_id is None:
            raise ValueError("WHITEBG_S3_SESSION_TOKEN goes with WHITEBG_S3_ACCESS_KEY_ID; that is not set")
        for name in ("s3_endpoint", "s3_public_url"):
            if (getattr(self, name) or "").startswith("http://") and not self.s3_allow_http:
                raise ValueError(
                    f"WHITEBG_{name.upper()} is plain http, which shows photos and links to anybody on the way: "
                    "use https, or set WHITEBG_S3_ALLOW_HTTP=true where the network is your own"
                )
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("engine_order", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value

    @property
    def tls(self) -> ServerFiles | None:
        """The files of the gRPC port's TLS; None for plain text."""
        if self.grpc_server_cert is None or self.grpc_server_key is None:
            return None
        return ServerFiles(cert=self.grpc_server_cert, key=self.grpc_server_key, client_ca=self.grpc_client_ca)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "whitebg.db"

    @property
    def blobs_folder(self) -> Path:
        """The folder of images, where they are in no bucket."""
        return self.data_dir / "blobs"

    @property
    def bucket(self) -> Bucket | None:
        """The bucket of images; None if they are in a folder."""
        if self.s3_bucket is None:
            return None
        region = self.s3_region or "us-east-1"
        return Bucket(
            name=self.s3_bucket,
            endpoint=self.s3_endpoint or f"https://s3.{region}.amazonaws.com",
            region=region,
            prefix=self.s3_prefix,
            path_style=self.s3_path_style,
            public_url=self.s3_public_url,
            ca=self.s3_ca,
            keys=self._keys,
        )

    @property
    def _keys(self) -> Keys | None:
        if self.s3_access_key_id is None or self.s3_secret_access_key is None:
            return None
        token = self.s3_session_token
        return Keys(
            access_key_id=self.s3_access_key_id.get_secret_value(),
            secret_access_key=self.s3_secret_access_key.get_secret_value(),
            session_token=None if token is None else token.get_secret_value(),
        )

    @property
    def needs_data_dir(self) -> bool:
        """Whether anything is kept in the data folder."""
        return self.database_url is None or self.s3_bucket is None


def worker_name() -> str:
    """Make a name that no other worker has or will have."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
