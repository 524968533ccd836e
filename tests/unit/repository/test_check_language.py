from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_language import (
    CONSTRUCTIONS,
    above,
    hashed_texts,
    hits_in,
    markdown_texts,
    package_of,
    python_texts,
    read_packages,
    slashed_texts,
    worse,
)
from tools.check_language import Text as Piece


def constructions(text: str) -> list[str]:
    return [hit.construction for hit in hits_in("x.py", [Piece(line=1, text=text)])[0]]


@pytest.mark.parametrize(("text", "construction"), [
    ("Tells the client about it.", "tell"),
    ("The server said so.", "say"),
    ("Nobody's token is read.", "nobody"),
    ("Drops what was stored.", "what is"),
    ("Return what each task is.", "what is"),
    ("Whoever asks first.", "whoever"),
    ("News for watchers.", "news"),
    ("One contract and two places.", "place"),
    ("While the store is away.", "away"),
])  # fmt: skip
def test_each_construction_is_found(text: str, construction: str) -> None:
    assert constructions(text) == [construction]
    assert construction in CONSTRUCTIONS


@pytest.mark.parametrize("text", [
    "Replace the file in place.", "Two decimal places.", "Displaces the queue.", "What is a cursor?",
    "A newsletter.", "Take the lock away from it.",
])  # fmt: skip
def test_similar_words_are_left_alone(text: str) -> None:
    assert constructions(text) == []


def test_python_is_read_without_code_and_strings() -> None:
    source = '''"""Module."""
TOLD = "somebody says"  # a comment
"""Attribute."""
def f():
    """Do it.

    More `told` here.
    """
    return 1  # noqa: says
'''
    found = {(text.line, text.text.strip().split("\n")[0]) for text in python_texts(source)}
    assert found == {(1, "Module."), (2, "a comment"), (3, "Attribute."), (5, "Do it.")}
    assert constructions("".join(text.text for text in python_texts(source))) == []


def test_documents_are_read_without_code_and_links() -> None:
    source = "Told\n```sh\nsays\n```\n[link](told.md) `told` told\n"
    hits, words = hits_in("x.md", markdown_texts(source))
    assert [(hit.line, hit.construction) for hit in hits] == [(1, "tell"), (5, "tell")]
    assert words == 3


def test_comments_of_protos_and_typescript_are_read() -> None:
    source = 'const a = "https://told.example";  // told once\n/* one\n * told twice\n */\nlet told = 1;\n'
    hits, _ = hits_in("x.ts", slashed_texts(source))
    assert [hit.line for hit in hits] == [1, 3]


def test_comments_of_yaml_and_shell_are_read() -> None:
    hits, _ = hits_in("x.sh", hashed_texts("#!/bin/told\necho told#told\nx  # told\n"))
    assert [hit.line for hit in hits] == [3]


def test_packages_leave_generated_code_out(tmp_path: Path) -> None:
    for name in ("ws_gateway/a.py", "ws_gateway/static/b.md", "protos/c_pb2.py", "README.zh-CN.md", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# It told us\n")
    packages = read_packages(tmp_path, [path for path in tmp_path.rglob("*") if path.is_file()])
    assert set(packages) == {"ws_gateway", "."}
    assert packages["ws_gateway"].rate() == pytest.approx(1000 / 3)
    assert package_of("clients/python/whitebg/x.py") == "clients/python"


def test_the_ratchet_fails_for_a_package_that_gets_worse(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("It told us this and no more than that today here\n")  # 1 of 11 words
    packages = read_packages(tmp_path, [tmp_path / "a.md"])
    rate = round(packages["."].rate(), 2)
    assert list(worse(packages, {".": rate})) == []
    (problem,) = worse(packages, {".": rate - 0.01})
    assert problem.startswith(".: 90.91 per 1,000 words, 90.90 recorded")
    assert list(worse(packages, {})) == list(above(packages, 0.3))
    assert list(above(packages, 91)) == []
