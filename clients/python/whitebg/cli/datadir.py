"""The data directory: what `whitebg up` leaves there for the other commands to find."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from whitebg.cli.problems import Problem
from whitebg_process.private_files import open_private, tighten
from whitebg_process.secret_files import read_secret


def default_data_dir() -> Path:
    """Return the folder that is used when none is named."""
    return Path(platformdirs.user_data_dir("whitebg", appauthor=False))


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running `whitebg up` can be reached, and its process id."""

    grpc_target: str
    http_url: str
    pid: int

    @property
    def alive(self) -> bool:
        """Whether that process still exists."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


@dataclass(frozen=True, slots=True)
class DataDir:
    """One data directory."""

    path: Path

    @property
    def secret_path(self) -> Path:
        """The file with the secret that tokens are signed with."""
        return self.path / "jwt-secret"

    @property
    def endpoints_path(self) -> Path:
        """The file with the addresses of the running service."""
        return self.path / "endpoints.json"

    @property
    def logs(self) -> Path:
        """The folder of the children's logs."""
        return self.path / "logs"

    def create(self) -> None:
        """Create the directory for its owner only, and restrict the permissions of an existing one.

        Raises:
            Problem: it can't be made or written, or others can replace the files in it.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = self.path.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise Problem(
                    f"other users can replace files in the data directory {self.path}, including the secret",
                    f"run `chmod o-w {shlex.quote(str(self.path))}`, or name another with --data-dir",
                )
            self.logs.mkdir(mode=0o700, exist_ok=True)
            tighten(self.logs, *self.logs.iterdir(), self.endpoints_path, self.path / "up.lock")
        except OSError as error:
            raise Problem(
                f"the data directory {self.path} can't be made: {error.strerror}", "name another with --data-dir"
            ) from error

    def secret(self) -> str | None:
        """Return the signing secret; None where there is none.

        Raises:
            Problem: it can't be read, is another user's, or others can write it.

        """
        try:
            if self.secret_path.stat().st_size == 0:  # Left by a full disk.
                return None
            secret = read_secret(self.secret_path, own=True)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Problem(
                f"{self.secret_path} can't be read: {error.strerror}", "run as its owner, or pass --token"
            ) from error
        except ValueError as error:
            raise Problem(f"the secret can't be used: {error}", "tokens may also be passed with --token") from error
        tighten(self.secret_path)
        return secret

    def ensure_secret(self) -> str:
        """Return the signing secret, made now if there is none. Only the owner can read it."""
        secret = self.secret()
        if secret is None:
            secret = secrets.token_hex(32)
            with contextlib.suppress(FileNotFoundError):
                self.secret_path.unlink()  # An empty one, left by a full disk.
            handle = os.open(self.secret_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secret)
        return secret

    def endpoints(self) -> Endpoints | None:
        """Return the service's addresses; None if the file is missing or invalid."""
        try:
            found = json.loads(self.endpoints_path.read_text())
            return Endpoints(str(found["grpc_target"]), str(found["http_url"]), int(found["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def published(self, endpoints: Endpoints) -> Iterator[None]:
        """Let other commands find the service while the block runs."""
        temporary = self.endpoints_path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        with open(temporary, "x", opener=open_private) as file:
            file.write(json.dumps(asdict(endpoints)) + "\n")
        temporary.replace(self.endpoints_path)
        try:
            yield
        finally:
            self.endpoints_path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for one `whitebg up`; the kernel lets go of it however the process ends.

        Raises:
            Problem: another one holds it.

        """
        with open(self.path / "up.lock", "a", opener=open_private) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = self.endpoints()
                where = f" at {running.http_url} (pid {running.pid})" if running else ""
                raise Problem(
                    f"whitebg is already running on {self.path}{where}",
                    "use it, stop it with Ctrl-C or SIGTERM, or name another folder with --data-dir",
                ) from None
            yield
