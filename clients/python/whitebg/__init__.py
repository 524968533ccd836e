"""whitebg for Python: product photos on pure white, watched live."""

from whitebg.client import GeneratorClient
from whitebg.errors import WhitebgError
from whitebg.models import Engine, ImageKind, OutputFormat, Task, TaskOptions, TaskState
from whitebg.sync import SyncGeneratorClient

__all__ = [
    "Engine",
    "GeneratorClient",
    "ImageKind",
    "OutputFormat",
    "SyncGeneratorClient",
    "Task",
    "TaskOptions",
    "TaskState",
    "WhitebgError",
]
