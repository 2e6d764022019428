"""Running chapters: what is remembered, what is redone, what a failure says, and what a killed run leaves behind."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from mmlearn.course import runner
from mmlearn.course.clone import choose
from mmlearn.course.errors import CourseError
from mmlearn.course.runner import Runs, remembered

PARAMETERS = 'profile = "laptop"'


def chapter(clone, name, *cells):
    return clone.write(name, clone.cell(PARAMETERS, "parameters"), *cells, folder="chapters")


def run(clone, *names, profile="smoke", force=False, **options):
    chapters = choose(names, clone.root)
    return Runs(profile, clone.root / "out", **options).run(chapters, force)


def test_a_chapter_runs_at_its_profile_in_an_empty_folder_and_leaves_notebook_page_and_report(clone):
    source = "import os\nprint(profile, os.environ['MMLEARN_PROFILE'], os.listdir(), os.environ.get('OMP_NUM_THREADS'))"
    chapter(clone, "04", source)
    cells, ended = [], []
    (result,) = run(clone, on_cell=lambda *progress: cells.append(progress), on_result=ended.append)
    assert (result.chapter, result.status, result.cells, result.unchanged) == ("04-convolution", "passed", 2, False)
    assert ended == [result]
    assert cells == [("04-convolution", number, 3) for number in (1, 2, 3)]
    out = clone.root / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "04-convolution.html",
        "04-convolution.ipynb",
        "index.html",
        "results.json",
    ]
    assert "smoke smoke []" in (out / "04-convolution.ipynb").read_text()
    assert "04-convolution.html" in (out / "index.html").read_text()
    assert not [path for path in clone.root.iterdir() if path.name.startswith(".out-")]


def test_what_is_unchanged_is_skipped_and_what_changed_is_redone(clone, monkeypatch):
    calls = []

    def papermill(self, chapter, source, target, threads):
        calls.append((chapter.number, self.profile))
        target.write_bytes(source.read_bytes())
        return 0, []

    monkeypatch.setattr(Runs, "_papermill", papermill)
    for name in ("04", "05"):
        chapter(clone, name, "1")

    def ran(*names, **options):
        calls.clear()
        results = run(clone, *names, **options)
        assert [result.chapter for result in results if not result.unchanged] == [
            choose([number], clone.root).popitem()[0].name for number, _ in calls
        ]
        return calls

    assert ran() == [("04", "smoke"), ("05", "smoke")]
    assert ran() == []
    chapter(clone, "05", "2")
    assert ran() == [("05", "smoke")]
    assert ran("04", force=True) == [("04", "smoke")]
    assert ran("04", profile="laptop") == [("04", "laptop")]
    (clone.root / "out" / "05-convolution-gradients.html").unlink()
    assert ran("05") == [("05", "smoke")]
    monkeypatch.setattr(runner.importlib.metadata, "version", lambda name: "9.9")
    assert ran("05") == [("05", "smoke")]
    assert set(remembered(clone.root / "out")) == {"04-convolution", "05-convolution-gradients"}


def test_outputs_do_not_change_a_chapters_fingerprint_and_its_cells_do(clone):
    path = clone.write("04", "1", clone.cell("words", kind="markdown"))
    before = runner.fingerprint(path, "smoke")
    clone.write("04", clone.cell("1", execution_count=3), clone.cell("words", kind="markdown"))
    assert runner.fingerprint(path, "smoke") == before
    clone.write("04", "1", clone.cell("other words", kind="markdown"))
    assert runner.fingerprint(path, "smoke") != before


def test_a_damaged_memory_is_forgotten(tmp_path):
    for damage in ("", "{", "[1]", '[{"chapter": "04"}]', '{"a": 1}'):
        (tmp_path / "results.json").write_text(damage)
        assert remembered(tmp_path) == {}


def test_failures_name_cell_and_error_are_shown_in_the_report_and_are_redone(clone):
    chapter(
        clone,
        "04",
        clone.cell("words", kind="markdown"),
        clone.cell("# why\n\nprint(profile)\n1 / 0", id="wrong"),
        "print('never')",
    )
    chapter(clone, "05", clone.cell("import os\nos._exit(1)", id="deadly"))
    failed, died = run(clone, jobs=2)
    assert (failed.status, failed.cell, failed.error) == (
        "failed",
        "cell [2] (id wrong) 'print(profile)'",
        "ZeroDivisionError: division by zero",
    )
    assert (died.status, died.cell) == ("failed", "cell [2] (id deadly) 'import os'")
    assert died.error == "the kernel died; was there enough memory?"
    report = (clone.root / "out" / "index.html").read_text()
    assert "2 of 2 chapters failed" in report
    assert "cell [2] (id wrong)" in report
    assert "ZeroDivisionError: division by zero" in report
    assert "04-convolution.html" in report
    assert not Runs("smoke", clone.root / "out")._unchanged(choose(["04"], clone.root).popitem()[0], failed.fingerprint)


def test_a_page_that_cannot_be_made_is_a_note_and_no_failure(clone, monkeypatch):
    def papermill(self, chapter, source, target, threads):
        target.write_bytes(source.read_bytes())
        return 0, []

    monkeypatch.setattr(Runs, "_papermill", papermill)
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    chapter(clone, "04", "1")
    (result,) = run(clone)
    assert result.status == "passed"
    assert "no page could be made of the notebook" in result.note
    assert sorted(path.name for path in (clone.root / "out").iterdir()) == ["04-convolution.ipynb", "index.html", "results.json"]


def test_several_at_once_take_one_thread_each(clone, monkeypatch):
    seen = []
    monkeypatch.setattr(Runs, "_papermill", lambda self, chapter, source, target, threads: seen.append(threads) or (1, []))
    for name in ("04", "05"):
        chapter(clone, name, "1")
    run(clone, jobs=2)
    run(clone, jobs=1)
    run(clone, "04", jobs=2)
    assert [threads.get("OMP_NUM_THREADS") for threads in seen] == ["1", "1", None, None, None]
    assert seen[0]["MMLEARN_THREADS"] == "1"


def test_the_notebooks_own_folder_is_refused_as_output(clone):
    chapter(clone, "04", "1")
    with pytest.raises(CourseError, match="where the notebooks themselves lie"):
        Runs("smoke", clone.root / "chapters").run(choose([], clone.root))
    with pytest.raises(CourseError, match=r"pyproject\.toml is a file"):
        Runs("smoke", clone.root / "pyproject.toml").run(choose([], clone.root))


def test_hidden_folders_of_killed_runs_are_cleared_after_a_week(tmp_path):
    old, new = tmp_path / ".out-old", tmp_path / ".out-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").touch()
    os.utime(old, (0, 0))
    runner._remove_old_drafts(tmp_path / "out")
    assert (old.exists(), new.exists()) == (False, True)


@pytest.fixture
def started(clone, ctrl_c):
    """A run of the command on a chapter that has begun its last cell and waits there: the process, and the line to the cell."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        wait = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]})).recv(1)"
        chapter(clone, "05", wait)
        command = [sys.executable, "-m", "mmlearn.cli", "run", "--profile", "smoke", "--output", "out"]
        process = subprocess.Popen(command, cwd=clone.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        line, _ = server.accept()
        line.settimeout(60)
        with line:
            yield process, line
        process.kill()
        process.wait()


def test_a_killed_run_leaves_the_output_folder_as_it_was(clone, started):
    process, _ = started
    out = clone.root / "out"
    out.mkdir()
    (out / "05-convolution-gradients.ipynb").write_text("of an earlier run")
    process.kill()
    process.wait()
    assert {path.name: path.read_text() for path in out.iterdir()} == {"05-convolution-gradients.ipynb": "of an earlier run"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_kernels_and_says_what_is_done(clone, started, number):
    process, line = started
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. Done: nothing. Not done: 05-convolution-gradients." in said
    assert line.recv(1) == b""  # the kernel at the other end is gone
    assert not (clone.root / "out").exists()
    assert not list(clone.root.glob(".out-*"))
