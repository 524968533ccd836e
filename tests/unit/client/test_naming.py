"""Names of downloaded pictures from a pattern, and the report beside them."""

from __future__ import annotations

import csv
import io
import os
from itertools import count
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitebg.cli.naming import name_pattern, result_file
from whitebg.cli.problems import Problem
from whitebg.cli.saving import OutputNames
from whitebg.convert.tasks import task_from_proto
from whitebg.models import Task
from whitebg.v1 import task_pb2
from whitebg_process.result_files import MAX_NAME_BYTES, ArchiveNames, FreeNames, ResultFile, report_text


def task(filename: str, market: str = "") -> Task:
    options, photo = task_pb2.TaskOptions(preset=market), task_pb2.InputInfo(filename=filename)
    return task_from_proto(task_pb2.Task(task_id=1, options=options, input=photo))


@pytest.mark.parametrize(
    ("pattern", "filename", "market", "path"),
    [
        ("{name}-white", "red cup.jpg", "", "red cup-white"),
        ("{market}/{sku}_{n}", "CUP12-front.jpg", "amazon", "amazon/CUP12_007"),
        ("{market}/{name}", "a:b*c.jpg", "", "custom/a_b_c"),
        ("{name}", "..", "", "photo"),
        ("x/{name}", "\u001b[31m.png", "", "x/[31m"),
    ],
)
def test_pattern_gives_a_path_below_the_folder(pattern: str, filename: str, market: str, path: str) -> None:
    assert name_pattern(pattern).path(result_file(task(filename, market)), 7) == PurePosixPath(path)


@pytest.mark.parametrize("pattern", ["", "/etc/{name}", "../{name}", "{name}/../../x", "{size}"])
def test_pattern_that_leaves_the_folder_or_names_an_unknown_field_is_rejected(pattern: str) -> None:
    with pytest.raises(Problem):
        name_pattern(pattern)


def test_equal_paths_are_numbered_in_each_folder(tmp_path: Path) -> None:
    names = OutputNames(tmp_path, force=False)
    taken = [names.reserve_path(Path(each), "image/jpeg") for each in ("jd/cup", "jd/CUP", "amazon/cup")]
    assert [str(path.relative_to(tmp_path)) for path in taken] == ["jd/cup.jpg", "jd/CUP-2.jpg", "amazon/cup.jpg"]


def test_archive_takes_the_names_that_a_folder_takes(tmp_path: Path) -> None:
    archive, folder = ArchiveNames(), OutputNames(tmp_path, force=False)
    for each in ("jd/cup", "jd/CUP", "jd/cup-2", "amazon/cup", "cup", "n" * 300, "n" * 299, "杯" * 100):
        in_folder = folder.reserve_path(Path(each), "image/jpeg").relative_to(tmp_path).as_posix()
        assert str(archive.reserve(PurePosixPath(each), "image/jpeg")) == in_folder


def test_report_is_a_table_that_no_spreadsheet_runs() -> None:
    text = report_text([result_file(task("=1+1.jpg", "jd")).report_line(PurePosixPath("jd/cup.jpg"))])
    assert text.startswith("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert (row["file"], row["photo"], row["market"]) == ("jd/cup.jpg", "'=1+1.jpg", "jd")
    missing = result_file(task("cup.jpg")).report_line(None, "it was deleted")
    assert (missing[0], missing[-1]) == ("", "it was deleted")


class Plainly:
    """The names of an archive by a simple model: try all numbers from the first, shorten character by character."""

    def __init__(self) -> None:
        self.taken = {"report.csv"}

    def reserve(self, stem: str) -> str:
        for number in count(1):
            end = ".png" if number == 1 else f"-{number}.png"
            short = stem
            while len(os.fsencode(short + end)) > MAX_NAME_BYTES:
                short = short[:-1]
            if (key := f"{short}{end}".casefold()) not in self.taken:
                self.taken.add(key)
                return f"{short}{end}"
        raise AssertionError


STEMS = st.one_of(
    st.sampled_from(["cup", "CUP", "cup-2", "cup-10", "straße", "STRASSE", "report.csv", "\udcff" * 300]),
    st.builds("".join, st.tuples(st.sampled_from(["n" * 245, "杯" * 83, "é" * 124]), st.text("nN-2杯é", max_size=12))),
)


@given(st.lists(STEMS, max_size=60))
def test_names_are_those_of_the_simple_model(stems: list[str]) -> None:
    archive, model = ArchiveNames(), Plainly()
    for stem in stems:
        assert str(archive.reserve(PurePosixPath(stem), "image/png")) == model.reserve(stem)


@pytest.mark.parametrize("unlike", [False, True])
def test_a_thousand_long_names_take_about_a_thousand_tries(unlike: bool) -> None:
    names, tried, taken = FreeNames(), 0, set[str]()

    def take(path: PurePosixPath) -> bool:
        nonlocal tried
        tried += 1
        free = path.name not in taken
        taken.add(path.name)
        return free

    for number in range(1000):
        stem = "n" * 250 + (f"{number:03}" if unlike else "")
        names.first(PurePosixPath("jd"), stem, "", "image/png", take)
    assert len(taken) == 1000
    assert tried <= 1100


def test_pattern_that_repeats_a_long_name_gives_no_more_than_a_file_system_takes() -> None:
    path = name_pattern("{name}" * 33).path(ResultFile(task_id=1, photo="n" * 250), 1)
    assert path == PurePosixPath("n" * MAX_NAME_BYTES)
