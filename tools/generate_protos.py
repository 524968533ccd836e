"""Generate the typed gRPC stubs from ``protos/``; with ``--check``, report whether the committed ones are current.

The Python package of the stubs, ``whitebg.v1``, is named as the proto package, so their imports need no change.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent.parent / "protos"
STUBS = PROTOS.parent / "clients" / "python"
GENERATED_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
SCRIPTS = Path(sys.executable).parent
PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


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
    return [path.relative_to(target) for path in written]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a committed stub is not current")
    check = parser.parse_args().check
    if not check:
        for path in generate(STUBS):
            print(f"wrote {path}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        names = generate(fresh)
        committed = {path.relative_to(STUBS) for path in STUBS.rglob("*") if path.name.endswith(GENERATED_SUFFIXES)}
        stale = sorted(committed ^ set(names)) + [
            name for name in names if name in committed and (STUBS / name).read_bytes() != (fresh / name).read_bytes()
        ]
    for name in stale:
        print(f"{name} is not what protos/ generates: run `make protos`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
