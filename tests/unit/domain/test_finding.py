"""Every finding code is documented in the contract and has a text on the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator_service.domain.finding import CODES

ROOT = Path(__file__).parents[3]
DOCUMENTED = re.compile(r'^ *// "(\w+)": (.*)[;.]$', re.MULTILINE)


def codes_used() -> Iterator[tuple[str, str]]:
    """Yield the literal codes of the service's findings, each with its file."""
    for path in sorted((ROOT / "generator_service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value), path.name


def test_codes_used_by_the_service_are_declared() -> None:
    used = dict(codes_used())
    assert {"cluttered", "enlarged", "engine_fallback"} <= set(used), "the scan finds the calls"
    assert {code: file for code, file in used.items() if code not in CODES} == {}


def test_proto_documents_every_code_with_its_meaning() -> None:
    proto = (ROOT / "protos" / "whitebg" / "v1" / "task.proto").read_text()
    comment = proto[
        proto.index("message Finding {") : proto.index("string code = 1;", proto.index("message Finding {"))
    ]
    assert dict(DOCUMENTED.findall(comment)) == CODES


@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_has_a_text_for_every_code(language: str) -> None:
    texts = (ROOT / "clients" / "web" / "src" / "i18n" / f"{language}.ts").read_text()
    block = texts[texts.index("  finding: {") :]
    block = block[: block.index("\n  },")]
    assert set(re.findall(r"^    (\w+):", block, re.MULTILINE)) == set(CODES) - {"unknown"}
