"""whitebg for Python: product photos on pure white, watched live."""

from whitebg.client import GeneratorClient
from whitebg.errors import WhitebgError
from whitebg.models import Content, Engine, ImageKind, OutputFormat, Shadow, Task, TaskOptions, TaskState
from whitebg.sync import SyncGeneratorClient
from whitebg.tls import ClientTls

__all__ = [
    "ClientTls",
    "Content",
    "Engine",
    "GeneratorClient",
    "ImageKind",
    "OutputFormat",
    "Shadow",
    "SyncGeneratorClient",
    "Task",
    "TaskOptions",
    "TaskState",
    "WhitebgError",
]
