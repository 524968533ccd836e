"""The service's settings, read once at start from ``WHITEBG_*`` variables and passed down."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from generator_service.blobs.bucket import Bucket, Keys
from generator_service.domain.task_options import Engine
from generator_service.tls import ServerFiles
from whitebg_process.settings import ProcessSettings, split_secrets
from whitebg_process.web_addresses import check_web_address, split_address

MIN_SECRET_BYTES = 32
SHORT_RETENTION = timedelta(hours=1)
"""A shorter retention of tasks is pointed out: it is probably a number of days without its unit."""
Positive = Annotated[timedelta, Field(gt=timedelta(0))]
ConnectionTime = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=24))]
"""gRPC counts these in milliseconds of 31 bits."""
_SCHEMES = {
    "database_url": ("postgresql://", "postgres://"),
    "redis_url": ("redis://", "rediss://", "unix://"),
}
_S3_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_PREFIX = re.compile(r"[\w!.*'()-]+(/[\w!.*'()-]+)*", re.ASCII)


def _inherited(*names: str) -> Callable[[], str | None]:
    """Return a function that reads the first of AWS's own variables that is set."""
    return lambda: next((value for name in names if (value := os.environ.get(name))), None)


class MissingSetting(Exception):
    """A setting that this process requires is not set."""


class Settings(ProcessSettings):
    """Everything that can be set. Durations are written as seconds, ``30s``, ``5m``, ``24h``, ``30d`` or ISO 8601."""

    # --- Storage ---
    data_dir: Path = Path("whitebg-data")
    """Folder of the SQLite database and the images. Unused if the database is PostgreSQL and the images are in a
    bucket; with PostgreSQL but without a bucket, all processes must share it."""
    data_dir_wait: timedelta = timedelta(seconds=20)
    """How long to wait at startup for another service to release the data folder."""
    min_free_mib: Annotated[int, Field(ge=0)] = 1024
    """Disk space in MiB that stays free in the data folder. With less, new photos are rejected and the process is not
    ready."""
    database_url: SecretStr | None = None
    """PostgreSQL database shared by several processes, such as ``postgresql://user:password@host:5432/whitebg``.
    Unset: a SQLite file in the data folder, used by this process alone."""
    redis_url: SecretStr | None = None
    """Redis that carries notifications and progress between processes, such as ``redis://host:6379``. Unset:
    PostgreSQL's LISTEN/NOTIFY."""
    inline_image_kib: Annotated[int, Field(ge=0, le=256)] | None = None
    """Size in KiB of the largest image that is stored in the database, with its task, instead of a file of its own.
    Unset: 64 with SQLite and a folder, otherwise 0, since processes of releases before 0.2 don't find such images."""

    # --- Images in a bucket ---
    s3_bucket: str | None = None
    """Bucket of an S3-compatible store for the images. Unset: a folder in the data folder. Bucket and prefix belong to
    one database alone: objects that it does not name are deleted after a day."""
    s3_prefix: str = ""
    """Prefix of all keys in the bucket."""
    s3_endpoint: str | None = Field(default_factory=_inherited("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    """Address of the store, such as ``https://s3.example.com:9000``. Unset: ``AWS_ENDPOINT_URL_S3``, or AWS itself."""
    s3_region: str | None = Field(default_factory=_inherited("AWS_REGION", "AWS_DEFAULT_REGION"))
    """Region of the bucket. Unset: ``AWS_REGION``, or ``us-east-1``."""
    s3_access_key_id: SecretStr | None = None
    """S3 credentials. Unset: AWS's own variables, files and roles."""
    s3_secret_access_key: SecretStr | None = None
    """S3 credentials: the secret of ``S3_ACCESS_KEY_ID``."""
    s3_session_token: SecretStr | None = None
    """S3 credentials: the session token of a temporary key."""
    s3_ca: Path | None = None
    """PEM file of a private CA that signed the store's certificate, in addition to the system's."""
    s3_path_style: bool = True
    """Whether the bucket's name is in the path of an address; otherwise it is part of the host name."""
    s3_allow_http: bool = False
    """Allow plain HTTP to the store: photos and signed links are then readable on the way."""
    s3_public_url: str | None = None
    """Address of the bucket for browsers, such as ``https://s3.example.com/images``; set it for service and gateway.
    Unset: all images pass through service and gateway."""

    # --- gRPC ---
    grpc_host: str = "127.0.0.1"
    """Address that gRPC listens on."""
    grpc_port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """Port that gRPC listens on; 0 takes a free one, which the log names."""
    grpc_server_cert: Path | None = None
    """PEM file of the port's certificate (chain); read again when it changes. Unset: no TLS."""
    grpc_server_key: Path | None = None
    """PEM file of the certificate's private key."""
    grpc_client_ca: Path | None = None
    """PEM file of the CA of clients' certificates; every client must then present one. Unset: tokens alone decide."""
    grpc_connection_age: ConnectionTime = timedelta(hours=1)
    """Age from which a connection takes no new calls; its client opens another, perhaps to another service."""
    grpc_connection_grace: ConnectionTime = timedelta(minutes=5)
    """How long running calls may continue after that. A watch is then ended, and its client resumes by its cursor."""
    grpc_connection_idle: ConnectionTime = timedelta(minutes=15)
    """A connection without calls is closed after this time."""
    upload_memory_mib: Annotated[int, Field(ge=136)] = 256
    """Memory in MiB for photos that are being received; more uploads wait. One user may take a quarter of it."""

    # --- Authentication ---
    jwt_secret: SecretStr | None = None
    """Shared secret of HS256 tokens, at least 32 bytes. Workers don't need it; ``whitebg up`` creates one."""
    jwt_former_secrets: SecretStr | None = None
    """Further secrets, separated by spaces or lines, whose tokens are valid too: for a rotation of ``JWT_SECRET``."""
    jwt_audience: str = "whitebg"
    """The ``aud`` that tokens must have."""

    # --- Engines ---
    engine_order: Annotated[tuple[Engine, ...], NoDecode] = (Engine.GEMINI, Engine.NEURAL, Engine.LOCAL)
    """Engines that ``auto`` tries, in order, separated by commas; those that are not configured are skipped."""
    engine_fallback_after: timedelta = timedelta(seconds=60)
    """How long an engine must be unusable, or expected to be, before ``auto`` uses the next one."""
    gemini_api_key: SecretStr | None = None
    """API key for Gemini. Unset: no Gemini."""
    gemini_model: str = "gemini-2.5-flash-image"
    """Gemini model that makes the pictures."""
    gemini_base_url: str | None = None
    """Address of a proxy for the Gemini API. Unset: Google's own."""
    gemini_timeout: Positive = timedelta(seconds=120)
    """Time limit of one Gemini call."""
    gemini_concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Gemini calls at the same time, in this process."""
    gemini_calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Gemini calls that may start in any minute, in this process. Unset: no limit."""
    gemini_tries: Annotated[int, Field(ge=1, le=5)] = 2
    """Pictures requested for one photo, at most, until one shows the same, whole product; otherwise the best one."""
    neural_model: str | None = None
    """Network of the neural engine, such as ``isnet-general-use``. Unset: the preferred one of those installed."""
    neural_weights: Path | None = None
    """ONNX file of the network. Unset: the one that ``whitebg models install`` stored in the data folder."""
    neural_allow_unverified: bool = False
    """Accept weights whose checksum is unknown; every result then has a finding."""
    neural_processes: Annotated[int, Field(ge=1, le=256)] | None = None
    """Processes that hold the network. Unset: ``POOL_PROCESSES``, or fewer if memory does not suffice."""
    models_mirror: str | None = None
    """Address of a folder with the models' files. Unset: their release on GitHub."""
    rembg_model: str | None = None
    """Deprecated: ``NEURAL_MODEL``."""
    rembg_weights: Path | None = None
    """Deprecated: ``NEURAL_WEIGHTS``."""
    pool_processes: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    """Processes of the local engine."""
    pool_memory_mib: Annotated[int, Field(ge=512)] = 3072
    """Address space in MiB of each of these processes."""
    pool_job_timeout: Positive = timedelta(seconds=120)
    """How long one of these processes may work on one photo before it is killed."""

    # --- Tasks and workers ---
    worker_slots: Annotated[int, Field(ge=0, le=1024)] = os.cpu_count() or 1
    """Tasks at the same time in this process; 0 runs no worker here."""
    task_timeout: Positive = timedelta(seconds=180)
    """Time limit of one attempt, if the request names none."""
    task_deadline: Positive = timedelta(hours=24)
    """How long after its submission a task may still wait for a quota, an engine or the image store; then it fails."""
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 4
    """Failed attempts after which a task fails."""
    max_lost_leases: Annotated[int, Field(ge=1, le=100)] = 5
    """Lost workers after which a task fails."""
    retry_base: timedelta = timedelta(seconds=1)
    """Longest wait after the first failed attempt; it doubles with each further one."""
    retry_cap: timedelta = timedelta(seconds=60)
    """Longest wait after any failed attempt."""
    lease: Positive = timedelta(seconds=15)
    """How long a worker may be silent before its tasks are given to others, and a service before others deliver to its
    webhook endpoints."""
    heartbeat: Annotated[timedelta, Field(ge=timedelta(milliseconds=100))] = timedelta(seconds=5)
    """How often these leases are renewed."""
    drain: timedelta = timedelta(seconds=15)
    """How long calls and running tasks may continue after a stop was requested. The process ends 5 s later at most."""
    priority_ageing: Annotated[timedelta, Field(ge=timedelta(seconds=1))] = timedelta(minutes=10)
    """How long a task waits for each level of priority below the highest waiting one, until it is raised to that."""
    stalled_after: Positive = timedelta(seconds=60)
    """Not ready when, for this long, tasks could run and slots should be free, but no attempt started or ended."""

    # --- Quotas ---
    pending_per_user: Annotated[int, Field(ge=1)] = 1000
    """Tasks of one user that may wait."""
    running_per_user: Annotated[int, Field(ge=1)] = 4
    """Tasks of one user that may run at the same time."""
    stored_mib_per_user: Annotated[int, Field(ge=1)] = 20 * 1024
    """MiB of photos, results and thumbnails of one user; freed when tasks are deleted."""

    # --- Webhooks ---
    webhook_allowed_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Networks that webhooks may connect to although not public, such as ``10.0.0.0/8``, separated by commas."""
    webhook_allow_http: bool = False
    """Allow webhooks over plain HTTP: messages are then readable on the way."""

    # --- Retention and delivery ---
    batch_idle: Positive = timedelta(hours=1)
    """A batch that its client leaves open is closed this long after its latest task was added."""
    tasks_for: Positive = timedelta(days=30)
    """How long ended tasks and their images are kept; no event is kept longer."""
    usage_for: Positive = timedelta(days=400)
    """How long the usage of users per day is kept."""
    events_for: timedelta = timedelta(hours=24)
    """How long events are kept, at least."""
    events_per_user: Annotated[int, Field(ge=0)] = 1000
    """Latest events of each user that are kept beyond ``EVENTS_FOR``."""
    ring_events: Annotated[int, Field(ge=0)] = 50_000
    """Events kept in memory for clients that reconnect."""
    watcher_queue: Annotated[int, Field(ge=100)] = 10_000
    """Events that may wait for one slow watcher before it is disconnected."""

    # --- Operation ---
    metrics_host: str = "127.0.0.1"
    """Address that the metrics listen on."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port of ``/metrics``, ``/healthz`` and ``/readyz``; 0 takes a free one. Unset: none."""
    tracing: bool = False
    """Send OpenTelemetry traces as configured by ``OTEL_EXPORTER_OTLP_*``. Needs the extra ``otel``."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    exit_on_stdin_eof: bool = False
    """Stop when standard input ends, so that the process never outlives its parent."""

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes; make one with: openssl rand -hex 32")
        return secret

    @field_validator("jwt_former_secrets")
    @classmethod
    def _each_long_enough(cls, secrets: SecretStr | None) -> SecretStr | None:
        split_secrets(secrets)
        return secrets

    @field_validator("database_url", "redis_url")
    @classmethod
    def _a_url(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = _SCHEMES[str(info.field_name)]
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        if url is not None:
            split_address(url.get_secret_value())
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

    @field_validator("s3_endpoint", "s3_public_url", "models_mirror")
    @classmethod
    def _a_web_address(cls, url: str | None, info: ValidationInfo) -> str | None:
        return url and check_web_address(url, path=info.field_name != "s3_endpoint").rstrip("/")

    @model_validator(mode="after")
    def _whole_network(self) -> Self:
        for name in ("model", "weights"):
            if getattr(self, f"neural_{name}") is not None and getattr(self, f"rembg_{name}") is not None:
                variable = f"WHITEBG_NEURAL_{name.upper()}"
                raise ValueError(f"{variable} and WHITEBG_REMBG_{name.upper()} are both set; keep {variable} only")
        if self.network_weights is not None and self.network is None:
            variable = "WHITEBG_REMBG_WEIGHTS" if self.neural_weights is None else "WHITEBG_NEURAL_WEIGHTS"
            raise ValueError(f"{variable} is set, but not which model it is: set WHITEBG_NEURAL_MODEL too")
        return self

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

    @model_validator(mode="after")
    def _renewed_in_time(self) -> Self:
        if self.heartbeat >= self.lease:
            raise ValueError(
                f"WHITEBG_HEARTBEAT ({self.heartbeat.total_seconds():g} s) must be shorter than WHITEBG_LEASE "
                f"({self.lease.total_seconds():g} s), or every lease runs out; a third of it is usual"
            )
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return tuple(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value

    @field_validator("engine_order", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, value.replace(" ", "").split(","))) if isinstance(value, str) else value

    @property
    def token_secret(self) -> str:
        """The secret for verifying tokens.

        Raises:
            MissingSetting: the secret is not set.

        """
        if self.jwt_secret is None:
            raise MissingSetting("WHITEBG_JWT_SECRET is not set; set it, or name a file in WHITEBG_JWT_SECRET_FILE")
        return self.jwt_secret.get_secret_value()

    @property
    def former_secrets(self) -> tuple[str, ...]:
        """Further secrets whose tokens are valid."""
        return split_secrets(self.jwt_former_secrets)

    @property
    def network(self) -> str | None:
        """The network named by the current or the deprecated variable."""
        return self.neural_model or self.rembg_model

    @property
    def network_weights(self) -> Path | None:
        """ONNX file of the network, if one is named."""
        return self.neural_weights or self.rembg_weights

    @property
    def models_folder(self) -> Path:
        """The folder of installed networks."""
        return self.data_dir / "models"

    @property
    def cautions(self) -> tuple[str, ...]:
        """A sentence for each setting in use that is deprecated, or probably a mistake."""
        old = [name for name in ("model", "weights") if getattr(self, f"rembg_{name}") is not None]
        found = [
            f"WHITEBG_REMBG_{name.upper()} is deprecated and will be removed; use WHITEBG_NEURAL_{name.upper()}"
            for name in old
        ]
        if self.tasks_for < SHORT_RETENTION:
            seconds = f"{self.tasks_for.total_seconds():g} s"
            found.append(
                f"WHITEBG_TASKS_FOR: tasks and their pictures are deleted {seconds} after they end; "
                "a number without a unit is in seconds, and 30d is 30 days"
            )
        return tuple(found)

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
        """The folder of images, unless they are in a bucket."""
        return self.data_dir / "blobs"

    @property
    def inline_image_bytes(self) -> int:
        """Size of the largest image that is stored in the database; 0 for none."""
        if self.inline_image_kib is None:
            return 0 if self.database_url is not None or self.s3_bucket is not None else 64 * 1024
        return self.inline_image_kib * 1024

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
    def folders(self) -> tuple[Path, ...]:
        """The folders that this service writes to."""
        database = () if self.database_url is not None else (self.data_dir,)
        return database + (() if self.s3_bucket is not None else (self.blobs_folder,))

    @property
    def min_free_bytes(self) -> int:
        """Free space that each of `folders` must have."""
        return self.min_free_mib * 2**20

    @property
    def needs_data_dir(self) -> bool:
        """Whether anything is stored in the data folder."""
        return self.database_url is None or self.s3_bucket is None


def worker_name() -> str:
    """Create a name that no other worker has or will have."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
