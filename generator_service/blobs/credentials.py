"""Who we are for an S3 store: the keys of the settings, or what AWS's own variables, files and roles give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from generator_service.blobs.bucket import Bucket
from generator_service.blobs.contract import BlobStoreConfigError

if TYPE_CHECKING:
    from obstore.store import S3Credential  # exists in the stubs only

ASK_AGAIN = timedelta(minutes=10)
"""How long credentials are used before the source is asked again; it renews them long before they expire."""


class Signer:
    """Signs links, and provides obstore with the credentials for its requests. Its methods may block."""

    def __init__(self, bucket: Bucket) -> None:
        """Find the credentials. May ask the network for a role's.

        Raises:
            BlobStoreConfigError: there are none.

        """
        keys = bucket.keys
        if keys is not None:
            found = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        else:
            found = Session().get_credentials()
        if found is None:
            raise BlobStoreConfigError(
                f"WHITEBG_S3_BUCKET: there are no credentials for bucket {bucket.name}; set WHITEBG_S3_ACCESS_KEY_ID "
                "and WHITEBG_S3_SECRET_ACCESS_KEY, or what AWS's own tools go by (AWS_PROFILE, a role, …)"
            )
        self._credentials = found
        self._region = bucket.region

    def credential(self) -> S3Credential:
        """Return the credentials of the moment, as obstore wants them."""
        now = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + ASK_AGAIN,
        }

    def sign(self, url: str, *, lifetime: timedelta, answer: dict[str, str]) -> str:
        """Return a link to an object that is valid for ``lifetime``; ``answer`` are the headers of the response."""
        request = AWSRequest("GET", url, params={f"response-{name}": value for name, value in answer.items()})
        frozen = self._credentials.get_frozen_credentials()
        S3SigV4QueryAuth(frozen, "s3", self._region, expires=max(1, int(lifetime.total_seconds()))).add_auth(request)
        signed: str = request.prepare().url
        return signed
