"""How much one user may have at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from generator_service.domain.errors import QuotaExceeded, StorageQuotaExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one user may have at once, and how fast a refused one may come back."""

    pending_per_user: int = 1000
    running_per_user: int = 4
    retry_after: timedelta = timedelta(seconds=10)
    stored_bytes_per_user: int = 20 * 1024**3

    def of(self, own: UserLimits) -> Limits:
        """Return the limits of a user who has ``own`` ones."""
        return replace(
            self,
            pending_per_user=self.pending_per_user if own.pending is None else own.pending,
            running_per_user=self.running_per_user if own.running is None else own.running,
            stored_bytes_per_user=self.stored_bytes_per_user if own.stored_bytes is None else own.stored_bytes,
        )

    def require(self, user_id: str, *, pending: int, stored_bytes: int) -> None:
        """Check that a user with ``pending`` tasks may have another, and then ``stored_bytes`` bytes of images.

        Raises:
            QuotaExceeded: too many tasks are pending.
            StorageQuotaExceeded: too many bytes would be stored.

        """
        if pending >= self.pending_per_user:
            raise QuotaExceeded(user_id, self.pending_per_user, self.retry_after)
        if stored_bytes > self.stored_bytes_per_user:
            raise StorageQuotaExceeded(user_id, stored_bytes, self.stored_bytes_per_user)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """Limits of one user in place of the defaults; None: the default."""

    pending: int | None = None
    """Tasks that may wait, 0 or more."""
    running: int | None = None
    """Tasks that may run at the same time, 0 or more."""
    stored_bytes: int | None = None
    """Bytes of images, 0 or more."""
