"""The records about images; `tests/contract/store/test_image_records.py` holds each backend to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ImageBinding:
    """The image store that a database belongs with, by the random id that both hold."""

    id: str
    confirmed: bool
    """Whether the image store is known to hold the id too."""


class ImageRecords(Protocol):
    """What is recorded about images. No method blocks the event loop."""

    async def inline_image(self, key: str) -> bytes | None:
        """Read an image that was stored with its task's row; None if there is none."""
        ...

    async def named_blobs(self, keys: Collection[str]) -> Collection[str]:
        """Return those of these keys that a task names as its photo, its result or its thumbnail; up to 1000."""
        ...

    async def image_binding(self) -> ImageBinding | None:
        """Read which image store belongs to this database; None if none was bound yet."""
        ...

    async def propose_image_binding(self, binding_id: str) -> ImageBinding:
        """Bind an image store, not yet confirmed, unless one is bound; return the binding that holds now."""
        ...

    async def confirm_image_binding(self, binding_id: str) -> None:
        """Bind this image store, confirmed, in place of any other."""
        ...

    async def orphan_marks(self, keys: Collection[str]) -> Mapping[str, datetime]:
        """Read which of these keys are marked for deletion, and since when; up to 1000."""
        ...

    async def update_orphan_marks(self, *, add: Mapping[str, datetime], remove: Collection[str]) -> None:
        """Mark keys for deletion, up to 1000, and take marks back; an existing mark keeps its time."""
        ...

    async def image_deletions(self, *, limit: int) -> Sequence[str]:
        """Read the keys of images that are still to be removed, earliest request first."""
        ...

    async def end_image_deletions(self, keys: Collection[str]) -> None:
        """Note that these images, up to 1000, were removed."""
        ...
