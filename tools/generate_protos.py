"""Generate the typed gRPC stubs from ``protos/``; with ``--check``, say whether the committed ones are current.

protoc writes imports that start at the proto root (``whitebg.v1``). That name belongs to the Python client, so
the stubs live in, and import each other from, ``protos.whitebg.v1``. Descriptors keep their own names.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent.parent / "protos"
GENERATED_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
SCRIPTS = Path(sys.executable).parent
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
IMPORT_LINE = re.compile(r"^(\s*)(from|import) whitebg\.v1", re.MULTILINE)


def generate(target: Path) -> list[Path]:
    """Write the stubs of every proto file below ``target``; return them, relative to it."""
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTOS}",
            f"-I{WELL_KNOWN}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            *(f"--plugin={name}={SCRIPTS / name}" for name in PLUGINS),
            f"--mypy_out={target}",
            f"--mypy_grpc_out={target}",
            *sources,
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")
    written = sorted(path for path in target.rglob("*") if path.name.endswith(GENERATED_SUFFIXES))
    for path in written:
        path.write_text(IMPORT_LINE.sub(r"\1\2 protos.whitebg.v1", path.read_text()))
    return [path.relative_to(target) for path in written]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a committed stub is not current")
    check = parser.parse_args().check
    if not check:
        for path in generate(PROTOS):
            print(f"wrote protos/{path}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        names = generate(fresh)
        committed = {path.relative_to(PROTOS) for path in PROTOS.rglob("*") if path.name.endswith(GENERATED_SUFFIXES)}
        stale = sorted(committed ^ set(names)) + [
            name for name in names if name in committed and (PROTOS / name).read_bytes() != (fresh / name).read_bytes()
        ]
    for name in stale:
        print(f"protos/{name} is not what protos/ generates: run `make protos`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
