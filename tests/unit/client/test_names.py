"""The names that `whitebg` offers at its top."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import whitebg


@pytest.mark.parametrize("name", whitebg.__all__)
def test_each_name_is_there(name: str) -> None:
    assert hasattr(whitebg, name)


@pytest.mark.parametrize("module", ["errors", "models"])
def test_all_values_and_errors_are_offered(module: str) -> None:
    folder = Path(str(importlib.import_module(f"whitebg.{module}").__file__))
    files = folder.parent.glob("*.py") if folder.name == "__init__.py" else [folder]
    classes = {
        each.name for file in files for each in ast.parse(file.read_text()).body if isinstance(each, ast.ClassDef)
    }
    assert classes <= set(whitebg.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pictur'"):
        _ = whitebg.Pictur
