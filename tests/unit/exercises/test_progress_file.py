"""Progress is never lost: not to another kernel, a damaged file, a folder that cannot be written, or a later failure."""

import json
import os
import subprocess
import sys

import pytest

from mmlearn.exercises import progress


@pytest.fixture(autouse=True)
def as_after_a_fresh_import(monkeypatch):
    monkeypatch.setattr(progress, "_unsaved", {})
    monkeypatch.setattr(progress, "_said", set())


def test_at_first_there_is_nothing(progress_file):
    assert progress.load() == {}
    assert not progress_file.exists()


def test_attempts_are_counted_and_once_passed_stays_passed():
    for status in ("failed", "passed", "failed"):
        progress.record("04", "im2col", status=status)
    entry = progress.load()["04"]["im2col"]
    assert entry["status"] == "passed"
    assert entry["attempts"] == 3
    assert entry["when"].endswith("+00:00")


def test_hints_and_solutions_are_kept_and_are_no_attempts():
    progress.record("04", "im2col", hints=2)
    progress.record("04", "im2col", hints=1)
    progress.record("04", "im2col", solution=True)
    entry = progress.load()["04"]["im2col"]
    assert (entry["hints"], entry["solution"], entry["attempts"], entry["status"]) == (2, True, 0, "untouched")


def test_what_a_later_version_wrote_survives(progress_file):
    progress_file.write_text(json.dumps({"12": {"elbo": {"status": "failed", "attempts": 1, "stars": 3}}}))
    progress.record("12", "elbo", status="failed")
    assert progress.load()["12"]["elbo"]["stars"] == 3


def test_kernels_that_write_at_once_lose_nothing(progress_file):
    code = "from mmlearn.exercises import progress\nfor _ in range(40): progress.record('04', 'im2col', status='failed')"
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [kernel.wait() for kernel in kernels] == [0, 0, 0]
    assert progress.load()["04"]["im2col"]["attempts"] == 120
    assert [path.name for path in progress_file.parent.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"04": 3}', '{"04": {"im2col": "passed"}}', '{"04": {"im2col": {"attempts": "3"}}}', "\x00"]
)
def test_a_damaged_file_is_set_aside_and_said_once(text, progress_file, capsys):
    progress_file.write_text(text)
    assert progress.load() == {}
    progress.record("04", "im2col", status="passed")
    assert progress.load()["04"]["im2col"]["status"] == "passed"
    assert progress_file.with_name("progress.json.damaged").read_text() == text
    assert capsys.readouterr().err.count("was damaged") == 1


def test_a_file_that_is_no_text_is_damaged_too(progress_file):
    progress_file.write_bytes(b"\xff\xfe\xfa")
    assert progress.load() == {}
    assert progress_file.with_name("progress.json.damaged").read_bytes() == b"\xff\xfe\xfa"


def test_where_nothing_can_be_written_progress_is_kept_in_memory(tmp_path, monkeypatch, capsys):
    blocker = tmp_path / "a file, not a folder"
    blocker.write_text("")
    monkeypatch.setenv("MMLEARN_PROGRESS", str(blocker / "progress.json"))
    progress.record("04", "im2col", status="failed")
    progress.record("04", "im2col", status="passed")
    assert progress.load()["04"]["im2col"]["attempts"] == 2
    assert progress.load()["04"]["im2col"]["status"] == "passed"
    assert capsys.readouterr().err.count("cannot be saved") == 1
    blocker.unlink()
    progress.record("04", "im2col", hints=1)
    assert json.loads((blocker / "progress.json").read_text())["04"]["im2col"]["attempts"] == 2


def test_a_write_that_fails_half_way_leaves_the_old_file(progress_file, monkeypatch):
    progress.record("04", "im2col", status="passed")
    before = progress_file.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    progress.record("04", "conv2d", status="passed")
    assert progress_file.read_text() == before
    assert progress.load()["04"]["conv2d"]["status"] == "passed"
    assert [path.name for path in progress_file.parent.iterdir() if path.suffix == ".part"] == []


def test_without_the_variable_it_lies_in_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("MMLEARN_PROGRESS")
    assert progress.path().name == "progress.json"
    assert "mmlearn" in progress.path().parts


def test_the_summary_has_a_row_for_every_exercise_tried_or_not(moving_average, linear_backward, monkeypatch):
    monkeypatch.setattr("mmlearn.exercises.catalogue.all_exercises", lambda: [moving_average, linear_backward])
    progress.record("99", "linear_backward", status="failed")
    progress.record("99", "an old name", status="failed")
    progress.record("98", "elsewhere", status="passed")
    rows = [(row["chapter"], row["name"], row["status"], row["attempts"]) for row in progress.summary()]
    assert rows == [
        ("98", "elsewhere", "passed", 1),
        ("99", "moving_average", "untouched", 0),
        ("99", "linear_backward", "failed", 1),
    ]


def test_reading_progress_needs_no_torch():
    code = "import sys; from mmlearn.exercises import progress; progress.load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_check_is_recorded(moving_average):
    moving_average.check(moving_average.oracle)
    moving_average.check(lambda signal, width, stride=1: signal)
    moving_average.hint()
    entry = progress.load()["99"]["moving_average"]
    assert (entry["status"], entry["attempts"], entry["hints"]) == ("passed", 2, 1)
