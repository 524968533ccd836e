"""Models are installed over a real connection: resumed, verified, private, and never partially."""

from __future__ import annotations

import fcntl
import hashlib
import random
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from generator_service.engines.neural.download import DownloadFailed, InstallBusy, Source, install
from generator_service.engines.neural.files import ModelFolder
from generator_service.engines.neural.models import MODELS, Model, ModelUnusable
from tests.support.model_server import ModelServer, model_server

WEIGHTS = random.Random(7).randbytes(3_000_000)
MODEL = replace(MODELS["u2netp"], sha256=hashlib.sha256(WEIGHTS).hexdigest(), size_bytes=len(WEIGHTS))
PATH = f"/models/{MODEL.file}"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.files[PATH] = WEIGHTS
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "data" / "models")


class Told:
    """The progress reports and waits of a download."""

    def __init__(self) -> None:
        self.progress: list[tuple[int, int | None]] = []
        self.delays: list[float] = []

    def __call__(self, there: int, total: int | None) -> None:
        self.progress.append((there, total))


def get(
    server: ModelServer, folder: ModelFolder, model: Model = MODEL, *, told: Told | None = None, allow: bool = False
) -> bool:
    told = told or Told()
    source = Source.of(model, None, f"{server.url}/models/")
    return install(model, folder, source, told, allow_unverified=allow, delay=told.delays.append)


def left(folder: ModelFolder) -> list[str]:
    return sorted(file.name for file in folder.path.iterdir() if file.stat().st_size)


def test_a_model_is_downloaded_checked_and_private(server: ModelServer, folder: ModelFolder) -> None:
    told = Told()
    assert get(server, folder, told=told)
    file = folder.file(MODEL)
    assert file.read_bytes() == WEIGHTS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert left(folder) == ["u2netp.onnx"]
    assert told.progress[0] == (0, len(WEIGHTS))
    assert told.progress[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert folder.installed() == (MODELS["u2netp"],)


def test_the_mirror_may_redirect(server: ModelServer, folder: ModelFolder) -> None:
    server.files = {"/elsewhere": WEIGHTS}
    server.redirects = {PATH: f"{server.url}/elsewhere"}
    assert get(server, folder)


def test_a_cut_connection_is_resumed_where_it_broke(server: ModelServer, folder: ModelFolder) -> None:
    server.cut_after = [1_000_000, 500_000]
    told = Told()
    assert get(server, folder, told=told)
    assert server.asked == [(PATH, None), (PATH, "bytes=1000000-"), (PATH, "bytes=1500000-")]
    assert told.delays == [0.5, 0.5], "bytes arrived, so the wait does not grow"


def test_a_server_without_ranges_is_asked_for_all_of_it_again(server: ModelServer, folder: ModelFolder) -> None:
    server.ranges = False
    server.cut_after = [1_000_000]
    assert get(server, folder)
    assert folder.file(MODEL).read_bytes() == WEIGHTS


def test_a_server_that_does_not_say_the_length(server: ModelServer, folder: ModelFolder) -> None:
    server.lengths = False
    server.cut_after = [1_000_000]
    assert get(server, folder)


def test_an_interrupted_download_goes_on_in_the_next_run(server: ModelServer, folder: ModelFolder) -> None:
    server.cut_after = [1_000_000]
    told = Told()
    told.delays = _Interrupt()
    with pytest.raises(KeyboardInterrupt):
        get(server, folder, told=told)
    assert folder.installed() == ()
    assert get(server, folder)
    assert server.asked[-1] == (PATH, "bytes=1000000-")


class _Interrupt(list[float]):
    def append(self, delay: float) -> None:
        raise KeyboardInterrupt


def test_what_was_left_of_another_file_is_fetched_again(server: ModelServer, folder: ModelFolder) -> None:
    folder.path.mkdir(parents=True)
    part = folder.path / "u2netp.onnx.part"
    for old in (b"x" * 1000, b"x" * len(WEIGHTS), b"x" * (len(WEIGHTS) + 1)):
        part.write_bytes(old)
        assert get(server, folder)
        assert folder.file(MODEL).read_bytes() == WEIGHTS


def test_other_weights_are_rejected_and_deleted(server: ModelServer, folder: ModelFolder) -> None:
    server.files[PATH] = bytes(len(WEIGHTS))
    with pytest.raises(ModelUnusable, match=r"damaged, or not that model.*--allow-unverified"):
        get(server, folder)
    assert left(folder) == []


def test_other_weights_can_be_allowed(server: ModelServer, folder: ModelFolder) -> None:
    server.files[PATH] = b"weights of our own"
    assert not get(server, folder, allow=True)
    assert folder.file(MODEL).read_bytes() == b"weights of our own"


def test_weights_with_a_non_commercial_licence_are_never_allowed(
    server: ModelServer, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = replace(MODELS["bria-rmbg"], sha256=hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setitem(MODELS, "bria-rmbg", forbidden)
    with pytest.raises(ModelUnusable, match=r"bria-rmbg, whose licence CC-BY-NC-4\.0 does not allow commercial use"):
        get(server, folder, replace(MODEL, sha256="0" * 64), allow=True)
    assert left(folder) == []


def test_another_models_weights_are_named(
    server: ModelServer, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "u2net", replace(MODELS["u2net"], sha256=MODEL.sha256))
    with pytest.raises(ModelUnusable, match="is u2net, not silueta"):
        get(server, folder, replace(MODELS["silueta"], file=MODEL.file, size_bytes=len(WEIGHTS)))


def test_a_file_of_another_length_is_not_even_fetched(server: ModelServer, folder: ModelFolder) -> None:
    server.files[PATH] = WEIGHTS + b"more"
    told = Told()
    with pytest.raises(DownloadFailed, match="3000004 bytes long, but the model is 3000000"):
        get(server, folder, told=told)
    assert told.progress == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_reported_at_once(server: ModelServer, folder: ModelFolder, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(DownloadFailed, match=f"the server answered {status}; name another source with --from"):
        get(server, folder)
    assert len(server.asked) == 1


def test_a_server_that_is_busy_is_asked_again_with_growing_waits(server: ModelServer, folder: ModelFolder) -> None:
    server.statuses = [503, 429, 502]
    told = Told()
    assert get(server, folder, told=told)
    assert told.delays == [1.0, 2.0, 4.0]


def test_a_server_that_stays_busy_is_given_up(server: ModelServer, folder: ModelFolder) -> None:
    server.statuses = [503] * 5
    with pytest.raises(DownloadFailed, match="the server answered 503; try again later"):
        get(server, folder)


def test_an_unreachable_server_is_reported(folder: ModelFolder) -> None:
    with model_server() as gone:
        pass
    with pytest.raises(DownloadFailed, match=r"can't be fetched: .*; try again later"):
        get(gone, folder)


def test_two_installs_of_one_model_do_not_meet(server: ModelServer, folder: ModelFolder) -> None:
    folder.path.mkdir(parents=True)
    with (folder.path / "u2netp.onnx.part.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InstallBusy, match="another process installs u2netp"):
            get(server, folder)
        folder.remove(MODEL)
        with pytest.raises(InstallBusy):
            get(server, folder)
    assert get(server, folder)


def test_a_file_is_copied_and_stays_where_it_was(folder: ModelFolder, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(WEIGHTS)
    assert install(MODEL, folder, Source.of(MODEL, str(file), None), Told())
    assert file.read_bytes() == WEIGHTS
    assert folder.remove(MODEL) == len(WEIGHTS)
    assert folder.installed() == ()
    assert folder.remove(MODEL) == 0


def test_a_source_that_is_neither_file_nor_address_is_rejected() -> None:
    with pytest.raises(ModelUnusable, match="there is no file"):
        Source.of(MODEL, "ftp://example.com/model.onnx", None)


@pytest.mark.parametrize("address", ["http://example.com:port/model.onnx", "https://example.com/\x01.onnx"])
def test_an_invalid_address_is_rejected(address: str) -> None:
    with pytest.raises(ModelUnusable, match="is no address"):
        Source.of(MODEL, address, None)


def test_without_a_mirror_the_release_is_the_source() -> None:
    assert str(Source.of(MODEL, None, None)) == MODEL.url
    assert MODEL.url.startswith("https://")
