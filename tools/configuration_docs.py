"""Write ``docs/configuration.md`` from the settings of service and gateway, or check that it is up to date.

The texts are the docstrings of the settings' fields; a field without one is an error.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from generator_service.settings import Settings as ServiceSettings
from whitebg_process.settings import PREFIX, ProcessSettings
from ws_gateway.settings import Settings as GatewaySettings

TARGET = Path(__file__).parent.parent / "docs" / "configuration.md"
_SECTION = re.compile(r"^\s*# --- (.+) ---$")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_HEAD = f"""# Configuration

Every setting is an environment variable `{PREFIX}…`, read once at startup; an unknown name is reported with the nearest
known one. Durations are written as seconds (`300`), `30s`, `5m`, `24h`, `30d` or in ISO 8601 (`PT5M`). A secret may be
in a file, named by the variable with `_FILE` appended, such as `{PREFIX}JWT_SECRET_FILE`.

`whitebg up` passes its environment on and sets the addresses, the data folder and the secret itself. This page is
generated from the settings of service and gateway by `tools/configuration_docs.py`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table."""

    section: str
    name: str
    default: str
    text: str


def settings_of(kind: type[ProcessSettings]) -> Iterator[Setting]:
    """Yield the settings of a class in the order of its source.

    Raises:
        SystemExit: a field has no docstring.

    """
    lines, _ = inspect.getsourcelines(kind)
    (tree,) = ast.parse("".join(lines)).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
            raise SystemExit(f"{kind.__module__}.{kind.__name__}.{name} has no docstring; add one")
        sections = [match[1] for line in lines[: field.lineno] if (match := _SECTION.match(line))]
        info = kind.model_fields[name]
        text = " ".join(str(after.value.value).split()).replace("``", "`")
        yield Setting(
            section=sections[-1],
            name=name.upper(),
            default=_default(info, ast.unparse(field.value) if field.value else ""),
            text=f"{text}{_range(info)}{_secret(info)}",
        )


def _default(field: FieldInfo, source: str) -> str:
    if "cpu_count" in source:
        return "number of cores"
    if field.default_factory is not None:
        return ""
    return _written(field.default)


def _written(value: Any) -> str:
    """Return a value in the form used in the environment; empty for None."""
    match value:
        case None | "" | ():
            return ""
        case _ if value is PydanticUndefined:
            return "required"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{','.join(str(each) for each in value)}`"
        case timedelta():
            seconds = int(value.total_seconds())
            size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
            return f"`{seconds // size}{unit}`"
        case _:
            return f"`{value}`"


def _range(field: FieldInfo) -> str:
    low = next((each.ge for each in field.metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in field.metadata if hasattr(each, "le")), None)
    if isinstance(high, timedelta):
        return f" At most {_written(high)}."
    if high is not None:
        return f" {low} to {high}."
    return "" if low is None or low in {0, 1} or isinstance(low, timedelta) else f" At least {low}."


def _secret(field: FieldInfo) -> str:
    return " *Secret.*" if "SecretStr" in str(field.annotation) or field.annotation is SecretStr else ""


def document() -> str:
    """Return the document."""
    parts = [_HEAD]
    for title, kind in (("Service and workers", ServiceSettings), ("Gateway", GatewaySettings)):
        parts.append(f"\n## {title}\n")
        section = ""
        for each in settings_of(kind):
            if each.section != section:
                section = each.section
                parts.append(f"\n### {section}\n\n| variable | default | meaning |\n|---|---|---|\n")
            parts.append(f"| `{each.name}` | {each.default} | {each.text} |\n")
    return "".join(parts)


def main(arguments: list[str]) -> int:
    """Write the document, or with ``--check`` return 1 if it is out of date."""
    text = document()
    if arguments == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != text:
            sys.stderr.write(f"{TARGET} is out of date; run: python tools/configuration_docs.py\n")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
