"""Count constructions that make technical English hard to read, in docstrings, comments, protos and documents.

``python tools/check_language.py`` prints a table of occurrences per 1,000 words for each package, and fails where a
package is worse than recorded in ``tools/language.json``, or, without a record there, misses the goal. ``--worst N``
adds the N worst files with their lines; ``--write`` records today's figures where they are better; ``--limit X`` fails
above X per 1,000 words instead, for each construction. Generated code, translations and code in documents are left
out.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tools" / "language.json"
FOLDERS = (
    "generator_service", "ws_gateway", "clients/python", "clients/typescript", "clients/web",
    "protos", "deploy", "docs", "tools", "tests",
)  # fmt: skip
"""Packages in the order of the table; files directly in the repository's root are ``.``."""

CONSTRUCTIONS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "tell": r"\b(?:tell|tells|told|telling)\b",
        "say": r"\b(?:say|says|said|saying)\b",
        "nobody": r"\b(?:nobody|somebody|everybody|anybody)(?:'s)?\b",
        # A clause as a noun; questions are left out.
        "what is": (
            r"\bwhat(?:ever)? (?:\w+ ){0,2}(?:is|are|was|were|has|have|had|does|did|can|may|must|will|it|they)\b"
            r"(?![^.\n]*\?)"
        ),
        "whoever": r"\bwhoever\b|\bwho (?:has|have|is|are|asks|calls|waits|wants|needs|may|can|must)\b",
        "news": r"\bnews\b",
        "place": r"(?<!\bin )(?<!\btakes )(?<!\bdecimal )\bplaces?\b",
        "away": r"\b(?:is|are|was|were|goes|go|went|gone|be|been) away\b",
    }.items()
}
GOAL = 0.3
"""Upper limit of occurrences per 1,000 words, for each construction; other well-written projects stay below."""
_SUFFIXES = {".py", ".proto", ".md", ".ts", ".tsx", ".yaml", ".yml", ".toml", ".sh", ".template", ".mjs"}
_GENERATED = re.compile(
    r"_pb2|/static/|node_modules|/dist/|\.d\.ts$|package-lock|zh-CN|/zh\.ts$|CODE_OF_CONDUCT|CHANGELOG"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A piece of text and its first line, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An occurrence."""

    file: str
    line: int
    construction: str
    words: str


def python_texts(source: str) -> Iterator[Text]:
    """Yield the comments and docstrings, including those of attributes, of Python code.

    Raises:
        SyntaxError: the source is not valid Python.

    """
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(?:noqa|type:|fmt:|!)", token.string):
            yield Text(line=token.start[0], text=token.string.lstrip("# "))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Text(line=node.lineno, text=_without_code(node.value.value))


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the lines of a document outside code blocks, without inline code and link targets."""
    fenced = False
    for line, text in enumerate(source.splitlines(), 1):
        if text.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            yield Text(line=line, text=_without_code(re.sub(r"\]\([^)]*\)", "]", text)))


def slashed_texts(source: str) -> Iterator[Text]:
    """Yield the comments of protos and TypeScript: after ``//``, and in ``/* */``."""
    for found in re.finditer(r"(?<![:\"'`\w])//+ ?(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/", source, re.DOTALL):
        text = found["line"] if found["block"] is None else re.sub(r"^\s*\*+ ?", "", found["block"], flags=re.MULTILINE)
        yield Text(line=source.count("\n", 0, found.start()) + 1, text=_without_code(text))


def hashed_texts(source: str) -> Iterator[Text]:
    """Yield the comments of YAML, TOML and shell scripts."""
    for line, text in enumerate(source.splitlines(), 1):
        found = re.search(r"(?:^|\s)#(?!!)\s*(.*)", text)
        if found:
            yield Text(line=line, text=_without_code(found[1]))


READERS: Mapping[str, Callable[[str], Iterator[Text]]] = {
    ".py": python_texts, ".md": markdown_texts, ".proto": slashed_texts, ".ts": slashed_texts, ".tsx": slashed_texts,
    ".mjs": slashed_texts,
}  # fmt: skip


def _without_code(text: str) -> str:
    return re.sub(r"(`+)[^`]+\1", "", text)


def hits_in(file: str, texts: Iterable[Text]) -> tuple[list[Hit], int]:
    """Return the occurrences in these texts, and the number of words."""
    hits, words = [], 0
    for piece in texts:
        words += len(_WORD.findall(piece.text))
        for name, pattern in CONSTRUCTIONS.items():
            for found in pattern.finditer(piece.text):
                line = piece.line + piece.text.count("\n", 0, found.start())
                around = piece.text[max(0, found.start() - 30) : found.end() + 30].replace("\n", " ")
                hits.append(Hit(file=file, line=line, construction=name, words=around))
    return hits, words


@dataclass(slots=True)
class Package:
    """The figures of a package."""

    words: int
    hits: list[Hit]

    def rate(self, construction: str | None = None) -> float:
        """Return occurrences per 1,000 words, of one construction or of all."""
        count = sum(construction in {None, hit.construction} for hit in self.hits)
        return 1000 * count / self.words if self.words else 0.0


def read_packages(root: Path, files: Iterable[Path]) -> dict[str, Package]:
    """Count in files, by package."""
    packages: dict[str, Package] = {}
    for path in sorted(files):
        relative = path.relative_to(root).as_posix()
        if path.suffix not in _SUFFIXES or _GENERATED.search(f"/{relative}"):
            continue
        hits, words = hits_in(relative, READERS.get(path.suffix, hashed_texts)(path.read_text(encoding="utf-8")))
        package = packages.setdefault(package_of(relative), Package(words=0, hits=[]))
        package.words += words
        package.hits += hits
    return packages


def package_of(file: str) -> str:
    """Return the package that a file, relative to the root, belongs to."""
    return next((folder for folder in FOLDERS if file.startswith(f"{folder}/")), ".")


def worse(packages: Mapping[str, Package], recorded: Mapping[str, float]) -> Iterator[str]:
    """Yield a message for each package that is worse than recorded; one without a record must reach the goal."""
    for name, package in packages.items():
        if name not in recorded:
            yield from above({name: package}, GOAL)
        elif round(package.rate(), 2) > recorded[name]:
            yield f"{name}: {package.rate():.2f} per 1,000 words, {recorded[name]:.2f} recorded; see --worst"


def above(packages: Mapping[str, Package], limit: float) -> Iterator[str]:
    """Yield a message for each construction that a package uses more often than the limit."""
    for name, package in packages.items():
        for construction in CONSTRUCTIONS:
            if package.rate(construction) > limit:
                yield f"{name}: '{construction}' {package.rate(construction):.2f} per 1,000 words, above {limit}"


def main(arguments: list[str]) -> int:
    """Print the figures and the problems; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="print the N files with the most, with lines")
    parser.add_argument("--only", help="of this package, or of files whose path starts with this")
    parser.add_argument("--limit", type=float, help=f"fail above so many per 1,000 words (the goal: {GOAL})")
    parser.add_argument("--write", action="store_true", help="record today's figures where they are better")
    chosen = parser.parse_args(arguments)
    packages = read_packages(ROOT, tracked_files(ROOT))
    print_table(packages)
    print_worst(packages, chosen.worst, chosen.only or "")
    recorded: dict[str, float] = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if chosen.write:
        write_record(packages, recorded)
        return 0
    problems = list(worse(packages, recorded) if chosen.limit is None else above(packages, chosen.limit))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def tracked_files(root: Path) -> list[Path]:
    """Return the repository's files, including untracked ones and without ignored ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := root / name).is_file()]


def print_table(packages: Mapping[str, Package]) -> None:
    """Print occurrences per 1,000 words."""
    names = [*CONSTRUCTIONS, "all"]
    print(f"{'per 1,000 words':20}{'words':>8}" + "".join(f"{name:>9}" for name in names))
    for package, figures in sorted(packages.items()):
        rates = [figures.rate(None if name == "all" else name) for name in names]
        print(f"{package:20}{figures.words:8}" + "".join(f"{rate:9.2f}" for rate in rates))


def print_worst(packages: Mapping[str, Package], count: int, prefix: str) -> None:
    """Print the files with the most occurrences, with their lines."""
    hits = [hit for package in packages.values() for hit in package.hits if hit.file.startswith(prefix)]
    for file, number in Counter(hit.file for hit in hits).most_common(count):
        print(f"\n{file}: {number}")
        for hit in sorted((hit for hit in hits if hit.file == file), key=lambda hit: hit.line):
            print(f"  {hit.line:4} {hit.construction:8} … {hit.words} …")


def write_record(packages: Mapping[str, Package], recorded: Mapping[str, float]) -> None:
    """Record the figure of each package that misses the goal, unless a better one is recorded."""
    figures = {
        name: round(package.rate(), 2) for name, package in packages.items() if any(above({name: package}, GOAL))
    }
    better = {name: min(figure, recorded.get(name, figure)) for name, figure in sorted(figures.items())}
    RECORD.write_text(f"{json.dumps(better, indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
