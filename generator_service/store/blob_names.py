"""The names of images within the rows of tasks, as expressions that both databases can index and look up.

They are no columns of their own, so that rows which an older release writes have them too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, String, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class FieldOf(FunctionElement[str]):
    """A field of a column that holds JSON as text, or a field within one."""

    type = String()
    name = "field_of"
    inherit_cache = True

    def __init__(self, column: Column[Any], *path: str) -> None:
        super().__init__(column, *(literal_column(field) for field in path))


@compiles(FieldOf, "sqlite")
def _on_sqlite(element: FieldOf, compiler: SQLCompiler, **options: Any) -> str:
    column, *path = (compiler.process(each, **options) for each in element.clauses)
    return f"json_extract({column}, '$.{'.'.join(path)}')"


@compiles(FieldOf, "postgresql")
def _on_postgresql(element: FieldOf, compiler: SQLCompiler, **options: Any) -> str:
    column, *outer, field = (compiler.process(each, **options) for each in element.clauses)
    value = f"CAST({column} AS JSON)"
    for each in outer:
        value = f"({value} -> '{each}')"
    return f"({value} ->> '{field}')"
