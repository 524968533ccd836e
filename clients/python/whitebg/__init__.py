"""whitebg for Python: marketplace-ready white-background images, with live progress."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whitebg.client import AsyncClient, GeneratorClient
    from whitebg.errors import WhitebgError
    from whitebg.models import (
        Content,
        Engine,
        Finding,
        Hint,
        HintKind,
        ImageKind,
        OutputFormat,
        Region,
        Review,
        Shadow,
        Task,
        TaskOptions,
        TaskState,
    )
    from whitebg.sync import Client, SyncGeneratorClient
    from whitebg.tls import ClientTls

    __version__: str

_MODULES = {
    "AsyncClient": "client",
    "Client": "sync",
    "ClientTls": "tls",
    "Content": "models",
    "Engine": "models",
    "Finding": "models",
    "GeneratorClient": "client",
    "Hint": "models",
    "HintKind": "models",
    "ImageKind": "models",
    "OutputFormat": "models",
    "Region": "models",
    "Review": "models",
    "Shadow": "models",
    "SyncGeneratorClient": "sync",
    "Task": "models",
    "TaskOptions": "models",
    "TaskState": "models",
    "WhitebgError": "errors",
}

__all__ = [
    "AsyncClient",
    "Client",
    "ClientTls",
    "Content",
    "Engine",
    "Finding",
    "GeneratorClient",
    "Hint",
    "HintKind",
    "ImageKind",
    "OutputFormat",
    "Region",
    "Review",
    "Shadow",
    "SyncGeneratorClient",
    "Task",
    "TaskOptions",
    "TaskState",
    "WhitebgError",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the servers import `whitebg.v1` only, and none of the client."""
    if name == "__version__":
        from importlib.metadata import version  # as long to import as some commands run

        return version("whitebg")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
