"""whitebg for Python: marketplace-ready white-background images, with live progress."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whitebg.client import AsyncClient, GeneratorClient
    from whitebg.errors import (
        CertificateError,
        ClientStateError,
        CursorGap,
        DeadlineExceeded,
        DownloadFailed,
        FieldViolation,
        IdempotencyConflict,
        InvalidRequest,
        NotFound,
        Overloaded,
        PermissionDenied,
        QuotaExceeded,
        ServiceError,
        ServiceUnavailable,
        TaskFailed,
        Unauthenticated,
        WhitebgError,
        WrongState,
    )
    from whitebg.models import (
        TERMINAL_STATES,
        Batch,
        Bookmark,
        BreakerState,
        CircuitBreaker,
        ComplianceCheck,
        ComplianceReport,
        Content,
        DeletedTasks,
        Engine,
        EngineInfo,
        EventType,
        Finding,
        Hint,
        HintKind,
        Image,
        ImageInfo,
        ImageKind,
        InputInfo,
        NotReadyReason,
        OnGap,
        OutputFormat,
        Placement,
        Preset,
        QueueStats,
        Region,
        ResultInfo,
        ResultVerdict,
        Review,
        ReviewedTasks,
        Shadow,
        SnapshotBegin,
        SnapshotEnd,
        SnapshotReason,
        SnapshotTask,
        Submission,
        SubmissionResult,
        Task,
        TaskError,
        TaskEvent,
        TaskOptions,
        TaskProgress,
        TaskState,
        Verdict,
        WaitReason,
        WatchUpdate,
    )
    from whitebg.sync import Client, SyncGeneratorClient
    from whitebg.tls import ClientTls

    __version__: str

_MODULES = ("models", "errors", "client", "sync", "tls")
"""Where the names come from."""

__all__ = [
    "TERMINAL_STATES",
    "AsyncClient",
    "Batch",
    "Bookmark",
    "BreakerState",
    "CertificateError",
    "CircuitBreaker",
    "Client",
    "ClientStateError",
    "ClientTls",
    "ComplianceCheck",
    "ComplianceReport",
    "Content",
    "CursorGap",
    "DeadlineExceeded",
    "DeletedTasks",
    "DownloadFailed",
    "Engine",
    "EngineInfo",
    "EventType",
    "FieldViolation",
    "Finding",
    "GeneratorClient",
    "Hint",
    "HintKind",
    "IdempotencyConflict",
    "Image",
    "ImageInfo",
    "ImageKind",
    "InputInfo",
    "InvalidRequest",
    "NotFound",
    "NotReadyReason",
    "OnGap",
    "OutputFormat",
    "Overloaded",
    "PermissionDenied",
    "Placement",
    "Preset",
    "QueueStats",
    "QuotaExceeded",
    "Region",
    "ResultInfo",
    "ResultVerdict",
    "Review",
    "ReviewedTasks",
    "ServiceError",
    "ServiceUnavailable",
    "Shadow",
    "SnapshotBegin",
    "SnapshotEnd",
    "SnapshotReason",
    "SnapshotTask",
    "Submission",
    "SubmissionResult",
    "SyncGeneratorClient",
    "Task",
    "TaskError",
    "TaskEvent",
    "TaskFailed",
    "TaskOptions",
    "TaskProgress",
    "TaskState",
    "Unauthenticated",
    "Verdict",
    "WaitReason",
    "WatchUpdate",
    "WhitebgError",
    "WrongState",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the servers import `whitebg.v1` only, and none of the client."""
    if name == "__version__":
        from importlib.metadata import version  # as long to import as some commands run

        return version("whitebg")
    for module in _MODULES if name in __all__ else ():
        found = getattr(importlib.import_module(f"{__name__}.{module}"), name, None)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
