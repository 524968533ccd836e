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
    """A field of a column that holds JSON as text."""

    type = String()
    name = "field_of"
    inherit_cache = True

    def __init__(self, column: Column[Any], field: str) -> None:
        super().__init__(column, literal_column(field))


@compiles(FieldOf, "sqlite")
def _on_sqlite(element: FieldOf, compiler: SQLCompiler, **options: Any) -> str:
    column, field = (compiler.process(each, **options) for each in element.clauses)
    return f"json_extract({column}, '$.{field}')"


@compiles(FieldOf, "postgresql")
def _on_postgresql(element: FieldOf, compiler: SQLCompiler, **options: Any) -> str:
    column, field = (compiler.process(each, **options) for each in element.clauses)
    return f"(CAST({column} AS JSON) ->> '{field}')"
