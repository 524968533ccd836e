"""Where a bucket is, and by whose leave. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A pair of keys, and the token that goes with a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket of an S3-compatible store."""

    name: str
    endpoint: str
    """Scheme, host and port of the store, such as ``https://s3.eu-west-1.amazonaws.com``."""
    region: str
    prefix: str = ""
    """What all keys begin with, without slashes at its ends; empty for the whole bucket."""
    path_style: bool = True
    """Whether the bucket is part of the path; else it is part of the host."""
    public_url: str | None = None
    """Where browsers reach the bucket; None if they don't."""
    ca: Path | None = None
    """PEM file of who else may have signed the store's certificate, beside the CAs that the system trusts."""
    keys: Keys | None = None
    """None: whatever AWS's own variables, files and roles give."""

    @property
    def url(self) -> str:
        """Where the bucket itself is."""
        if self.path_style:
            return f"{self.endpoint}/{self.name}"
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{self.name}.{parts.netloc}"

    def public_address(self, key: str) -> str | None:
        """Return where browsers find an object, not signed yet."""
        if self.public_url is None:
            return None
        path = f"{self.prefix}/{key}" if self.prefix else key
        return f"{self.public_url}/{quote(path, safe='/~')}"
