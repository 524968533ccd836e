"""Names of downloaded pictures from a pattern, and the report beside them."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

import pytest

from whitebg.cli.naming import name_pattern, result_file
from whitebg.cli.problems import Problem
from whitebg.cli.saving import OutputNames
from whitebg.convert.tasks import task_from_proto
from whitebg.models import Task
from whitebg.v1 import task_pb2
from whitebg_process.result_files import ArchiveNames, report_text


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
