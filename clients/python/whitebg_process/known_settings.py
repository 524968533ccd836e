"""Which ``WHITEBG_*`` variables exist, so that a misspelt one is reported instead of silently ignored."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PREFIX = "WHITEBG_"
_DECLARED_IN = ("generator_service.settings", "ws_gateway.settings")
_COMMAND_LINE = frozenset({"WHITEBG_TOKEN"})
"""Variables that only the command line reads; all its others belong to one of the processes too."""


@cache
def known_settings() -> frozenset[str]:
    """Return the names that any process of whitebg reads: they share one environment, so none is wrong for another.

    Empty where the servers are not installed: then it is not known which names they read.
    """
    declared = frozenset[str]().union(*map(_declared, _DECLARED_IN))
    return declared | _COMMAND_LINE if declared else declared


def _declared(module: str) -> Iterator[str]:
    # Read, not imported: a process must not load the other ones' libraries to know the names of their settings.
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # Only the client is installed.
        return
    if spec is None or spec.origin is None:
        return
    for statement in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ClassDef) and statement.name == "Settings":
            for field in statement.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    name = f"{PREFIX}{field.target.id.upper()}"
                    yield name
                    if "SecretStr" in ast.unparse(field.annotation):
                        yield f"{name}_FILE"


def unknown_settings(environment: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each ``WHITEBG_*`` name in ``environment`` that no process reads."""
    if not known_settings():
        return
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known_settings():
            # Without the prefix, which makes all names alike.
            known = [each.removeprefix(PREFIX) for each in known_settings()]
            nearest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
            hint = f"; did you mean {PREFIX}{nearest[0]}?" if nearest else ""
            yield f"{name} is not a setting and is ignored{hint}"
