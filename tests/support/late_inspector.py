"""An inspector for services in the test's own process: starting the usual processes takes longer than most tests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Self

from generator_service.engines.inspector import SETTINGS, Inspector
from generator_service.imaging.source.header import PhotoHeader


class LateInspector(Inspector):
    """Starts its process with the first photo, because most tests upload none."""

    def __init__(self) -> None:
        super().__init__(replace(SETTINGS, processes=1))
        self._starting = asyncio.Lock()
        self._started = False

    async def __aenter__(self) -> Self:
        return self

    async def inspect(self, photo: bytes) -> PhotoHeader:
        """Read the header of a photo."""
        async with self._starting:
            if not self._started:
                await super().__aenter__()
                self._started = True
        return await super().inspect(photo)
