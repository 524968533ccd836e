"""The hint of `whitebg up` on how to sign in, where its output is no terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from whitebg.cli.datadir import DataDir
from whitebg.cli.up import _sign_in


def test_hint_names_the_data_folder(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "my data")
    ((_, hint),) = _sign_in("http://127.0.0.1:8000", folder, Console(file=io.StringIO()))
    assert f"whitebg token --link --data-dir '{folder.path}'" in hint
