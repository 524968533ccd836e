"""Settings of the gateway, from the environment (``WHITEBG_*``); made once at start and passed down."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from whitebg_process.loopback import is_loopback
from whitebg_process.settings import ProcessSettings, split_secrets
from whitebg_process.token_lifetime import MAX_TOKEN_LIFETIME
from whitebg_process.web_addresses import check_web_address
from ws_gateway.auth.oidc.config import OidcConfig, is_protected, make_config
from ws_gateway.auth.origins import normalise_origin
from ws_gateway.upstream.tls import ClientCertificateFiles

MIB = 1024 * 1024


class Settings(ProcessSettings):
    """All that can be set, with its unit and default. Durations are written as in the service's settings."""

    # --- HTTP ---
    http_host: str = "127.0.0.1"
    """Address that HTTP and WebSocket listen on."""
    http_port: int = Field(default=8000, ge=0, le=65535)
    """Port that HTTP and WebSocket listen on; 0 takes a free one."""
    http_shared_port: bool = False
    """Share the port with other gateways of this machine and user; the system divides connections among them. Limits
    then apply to each gateway, unless ``REDIS_URL`` is set."""
    public_url: str = ""
    """Prefix of image links, such as ``https://img.example.com``. Empty: relative links."""
    s3_public_url: str = ""
    """Address of the image bucket for browsers, as set for the service. Browsers are redirected there with signed links
    that are valid for minutes. Empty: the gateway sends the images."""
    image_url_ttl: timedelta = Field(default=timedelta(hours=24), gt=timedelta(0))
    """How long an image link is valid, at least."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of other sites and desktop apps (such as ``tauri://localhost``) whose pages may call, separated by
    commas. ``null`` allows every sandboxed frame: take care."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Networks (CIDR) of reverse proxies whose ``X-Forwarded-For`` is trusted, separated by commas."""

    # --- Connection to the service ---
    grpc_target: str = "127.0.0.1:50051"
    """Address of the service."""
    grpc_tls: bool = False
    """Use TLS to the service."""
    grpc_server_ca: Path | None = None
    """PEM file of the CA of the service's certificate. Unset: gRPC's own roots."""
    grpc_server_name: str = ""
    """Expected name in the service's certificate. Empty: the host of ``GRPC_TARGET``."""
    grpc_client_cert: Path | None = None
    """PEM file of the gateway's certificate (chain) for the service; read again when it changes."""
    grpc_client_key: Path | None = None
    """PEM file of the certificate's private key."""
    call_timeout: timedelta = Field(default=timedelta(seconds=15), gt=timedelta(0), le=timedelta(hours=1))
    """Time limit of one call to the service."""

    # --- Authentication ---
    jwt_secret: SecretStr
    """Shared secret of HS256 tokens, the same as the service's, at least 32 bytes."""
    jwt_former_secrets: SecretStr | None = None
    """Further secrets, separated by spaces or lines, whose tokens and links are valid too: for a rotation of
    ``JWT_SECRET``."""
    jwt_audience: str = "whitebg"
    """The ``aud`` that tokens must have."""
    jwks_url: str = ""
    """Address of an identity provider's public keys, by https unless it is on this machine. Empty: only tokens
    signed with ``JWT_SECRET`` are valid."""
    jwt_issuer: str = ""
    """The exact ``iss`` of the provider's tokens; required with ``JWKS_URL``."""
    jwks_algorithms: Annotated[tuple[Literal["RS256", "ES256"], ...], NoDecode] = ("RS256", "ES256")
    """Algorithms that the provider may sign with, separated by commas."""
    jwks_admin: bool = False
    """Whether the provider's tokens may grant the scope ``admin``; otherwise only tokens of ``JWT_SECRET`` may."""
    ws_token_ttl: timedelta = Field(default=timedelta(days=7), gt=timedelta(0), le=MAX_TOKEN_LIFETIME)
    """Longest lifetime of a token for a WebSocket."""
    auth_timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """Time for a WebSocket without a token in its URL to send one."""
    guest_login: bool = False
    """Issue tokens to anyone on this machine; only with a loopback ``HTTP_HOST``."""
    guest_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """More host names of this machine under which guests may open the page, without a port, separated by commas;
    ``localhost``, ``127.0.0.0/8`` and ``[::1]`` are always allowed. A name that others control lets their pages
    log in."""
    guest_token_ttl: timedelta = Field(default=timedelta(days=30), gt=timedelta(0), le=MAX_TOKEN_LIFETIME)
    """Lifetime of a guest's token. Not shorter than the service's ``TASKS_FOR``, or guests lose access to their photos
    first."""

    # --- Sign-in on the page (OpenID Connect) ---
    oidc_issuer: str = ""
    """Address of the OpenID Connect issuer at which people sign in, exactly as in its metadata, such as
    ``https://accounts.google.com``. Empty: no such sign-in."""
    oidc_name: str = ""
    """Name of the issuer on the page's button. Empty: its host."""
    oidc_client_id: str = ""
    """Client id that the issuer gave to this application; required with ``OIDC_ISSUER``."""
    oidc_client_secret: SecretStr | None = None
    """Client secret that the issuer gave to this application. Unset: a public client, which PKCE alone protects."""
    oidc_redirect_uri: str = ""
    """Redirect URI as registered with the issuer: the page's address and ``auth/callback``. Empty: below
    ``PUBLIC_URL``."""
    oidc_scopes: Annotated[tuple[str, ...], NoDecode] = ("openid", "profile", "email")
    """Scopes to request from the issuer, separated by spaces or commas; ``openid`` is required."""
    oidc_email_domains: Annotated[tuple[str, ...], NoDecode] = ()
    """Domains whose verified e-mail addresses may sign in, separated by commas. Empty: every account of the issuer may,
    which at a public issuer is everyone."""
    oidc_admin_claim: str = ""
    """Claim and value that make an administrator, such as ``groups=whitebg-admins``. Empty: no one who signs in is."""
    oidc_session_ttl: timedelta = Field(default=timedelta(days=30), gt=timedelta(0), le=timedelta(days=30))
    """Lifetime of a session that began with a sign-in at the issuer. It doesn't end with the issuer's own session."""

    # --- Limits ---
    redis_url: SecretStr | None = None
    """Redis through which several gateways share limits, ``redis://host:6379``, or ``rediss://`` for TLS. Unset: each
    gateway counts alone."""
    uploads_per_minute: int = Field(default=120, ge=0)
    """Photos per minute and user; 0 means no limit."""
    max_upload_bytes: int = Field(default=25 * MIB, gt=0)
    """Largest photo in bytes; the service has its own limit of 25 MiB."""
    max_concurrent_uploads: int = Field(default=16, gt=0)
    """Photos in memory at the same time, a quarter of them of one user; more wait in temporary files."""
    max_receiving_uploads: int = Field(default=256, gt=0)
    """Photos received at the same time into temporary files, a quarter of them of one user; more wait unread."""
    max_concurrent_archives: int = Field(default=8, gt=0)
    """ZIP files of results sent at the same time, a quarter of them to one user; more wait."""
    body_grace: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))
    """Time for the body of a request, in addition to a second for each 32 KiB received; also how late the reader of a
    ZIP file may be, measured against 32 KiB a second."""
    connections_per_user: int = Field(default=20, ge=0)
    """Open WebSockets per user, at all gateways that share a Redis; 0 means no limit."""
    connections_per_minute: int = Field(default=60, ge=0)
    """WebSockets that one user may open per minute; 0 means no limit."""
    connections_per_address: int = Field(default=600, ge=0)
    """WebSockets that may be opened per minute from one address, perhaps that of an office; 0 means no limit."""
    failed_handshakes_per_minute: int = Field(default=30, ge=0)
    """Failed handshakes per minute from one address before further ones are rejected unread; 0 means no limit."""
    sign_ins_per_minute: int = Field(default=120, ge=0)
    """Requests to sign in or out (``/auth/…``) per minute from one address, perhaps that of an office; 0 means no
    limit."""
    connection_lease: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    """How long the sockets of a killed gateway still count, if gateways share a Redis."""
    status_polls_per_minute: int = Field(default=10, ge=0)
    """Status requests per minute for one task; 0 means no limit."""
    max_concurrent_reads: int = Field(default=64, gt=0)
    """Histories read from the service at the same time; more clients wait."""
    ring_events: int = Field(default=20_000, gt=0)
    """Recent events kept in memory for clients that reconnect."""

    # --- Operation ---
    metrics_host: str = "127.0.0.1"
    """Address that the metrics listen on."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of ``/metrics`` for Prometheus, without a token; 0 takes a free one. Unset: none; ``/metrics`` on
    ``HTTP_PORT`` is for administrators."""
    drain_timeout: timedelta = timedelta(seconds=10)
    """How long sockets and requests may take to end at shutdown. The process ends 5 s later at most."""
    flags_file: Path | None = None
    """JSON file of rollout flags; read again when it changes. Unset: all users get the WebSocket."""
    tracing: bool = False
    """Send OpenTelemetry traces as configured by ``OTEL_EXPORTER_OTLP_*``. Needs the extra ``otel``."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    exit_on_stdin_eof: bool = False
    """Stop when standard input ends, so that the process never outlives its parent."""

    @field_validator(
        "allowed_origins", "guest_hosts", "jwks_algorithms", "oidc_email_domains", "trusted_proxies", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
        return value

    @field_validator("http_host", "metrics_host")
    @classmethod
    def _a_host(cls, value: str) -> str:
        try:
            value.encode("idna")
        except UnicodeError as error:
            raise ValueError(f"{value!r} is no name or address of a host: {error}") from error
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normalise_origin(origin) for origin in value)

    @model_validator(mode="after")
    def _guests_of_this_machine(self) -> Self:
        if self.guest_login and not is_loopback(self.http_host):
            raise ValueError(
                f"WHITEBG_GUEST_LOGIN is on, but WHITEBG_HTTP_HOST is {self.http_host}, which other machines reach: "
                "set WHITEBG_HTTP_HOST=127.0.0.1, or turn guests off"
            )
        return self

    @model_validator(mode="after")
    def _known_issuer(self) -> Self:
        if self.jwks_url and not self.jwt_issuer:
            raise ValueError(
                "WHITEBG_JWKS_URL is set, but WHITEBG_JWT_ISSUER is not: set it to the iss of the provider's tokens, "
                "or tokens that the provider made for other issuers would be accepted"
            )
        if self.jwt_issuer and not self.jwks_url:
            raise ValueError("WHITEBG_JWT_ISSUER is set, but WHITEBG_JWKS_URL is not: set both or neither")
        return self

    @field_validator("oidc_scopes", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("oidc_email_domains", mode="before")
    @classmethod
    def _no_empty_list(cls, value: object) -> object:
        if isinstance(value, str) and value.strip(", ") != value.strip():
            raise ValueError(f"{value!r} has an empty entry; write domains separated by commas, or unset it")
        return value

    @field_validator("oidc_email_domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(domain.lower().removeprefix("@") for domain in value)

    @model_validator(mode="after")
    def _whole_oidc(self) -> Self:
        _ = self.oidc
        return self

    @property
    def oidc(self) -> OidcConfig | None:
        """Sign-in at an OpenID Connect issuer; None for none."""
        return make_config(
            issuer=self.oidc_issuer,
            name=self.oidc_name,
            client_id=self.oidc_client_id,
            client_secret=self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else "",
            scopes=self.oidc_scopes,
            redirect_uri=self.oidc_redirect_uri,
            page_url=self.public_url,
            session_ttl=self.oidc_session_ttl,
            email_domains=self.oidc_email_domains,
            admin_claim=self.oidc_admin_claim,
        )

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.grpc_client_cert is None) != (self.grpc_client_key is None):
            raise ValueError("WHITEBG_GRPC_CLIENT_CERT and WHITEBG_GRPC_CLIENT_KEY go together; only one is set")
        needing = [name for name in ("grpc_server_ca", "grpc_server_name", "grpc_client_cert") if getattr(self, name)]
        if needing and not self.grpc_tls:
            variables = " and ".join(f"WHITEBG_{name.upper()}" for name in needing)
            raise ValueError(f"{variables} set, but WHITEBG_GRPC_TLS is not: set it to true")
        return self

    @property
    def tls(self) -> ClientCertificateFiles | None:
        """What the connection to the service is secured with; None for plain text."""
        if not self.grpc_tls:
            return None
        return ClientCertificateFiles(ca=self.grpc_server_ca, cert=self.grpc_client_cert, key=self.grpc_client_key)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @property
    def image_origin(self) -> str:
        """Where browsers are sent for images, as a content security policy names it; empty if nowhere."""
        parts = urlsplit(self.s3_public_url)
        return f"{parts.scheme}://{parts.netloc}" if self.s3_public_url else ""

    @field_validator("public_url", "jwks_url", "s3_public_url")
    @classmethod
    def _a_web_address(cls, value: str) -> str:
        return value and check_web_address(value)

    @field_validator("jwks_url")
    @classmethod
    def _protected(cls, value: str) -> str:
        if value and not is_protected(value):
            raise ValueError(
                f"{value!r} is plain http, so that others on the way could replace the keys: use https:// "
                "(http:// is for localhost only)"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("grpc_target")
    @classmethod
    def _a_target(cls, value: str) -> str:
        if value.startswith(("http://", "https://", "grpc://")):
            raise ValueError(f"{value!r} is no target; write the host and port alone, such as 127.0.0.1:50051")
        return value

    @field_validator("redis_url")
    @classmethod
    def _a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            # Imported here because few gateways have one, and it takes a tenth of the start.
            from ws_gateway.redis_client import check_url

            check_url(url.get_secret_value())
        return url

    @field_validator("jwt_former_secrets")
    @classmethod
    def _each_long_enough(cls, secrets: SecretStr | None) -> SecretStr | None:
        split_secrets(secrets)
        return secrets

    @property
    def former_secrets(self) -> tuple[str, ...]:
        """Further secrets whose tokens and links are valid."""
        return split_secrets(self.jwt_former_secrets)

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < 32:
            raise ValueError("the secret is shorter than 32 bytes; make one with: openssl rand -hex 32")
        return value
