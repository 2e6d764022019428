"""The `mmlearn` command: what each command prints, which files it touches, and how it ends."""

import json
import signal
import subprocess
import sys

import pytest

from mmlearn import cli

COMMANDS = ("lab", "list", "run", "build", "doctor", "progress")
PYPROJECT = '[project]\nname = "mmlearn-course"\n[project.urls]\nRepository = "https://github.com/somebody/somecourse"\n'


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone in miniature with the working directory deep inside it."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    for folder in ("solutions", "chapters/deep"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "chapters" / "deep")
    return tmp_path


def write(path, *sources):
    """Write a notebook: its generated cells, still empty, and code cells of these sources."""
    tagged = [("markdown", "badge", ""), ("code", "parameters", ""), ("code", "setup", "")]
    cells = [{"cell_type": kind, "metadata": {"tags": [tag]}, "source": source} for kind, tag, source in tagged]
    cells += [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))


@pytest.fixture
def mmlearn(monkeypatch, capsys):
    """Run the command in this process; returns its exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mmlearn", *arguments])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        said = capsys.readouterr()
        return ending.value.code or 0, said.out, said.err

    handler = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text_with_examples(mmlearn, command):
    code, out, _ = mmlearn(command, "--help")
    assert code == 0
    assert "Examples" in out
    assert f"mmlearn {command}" in out.split("Examples")[1]
    assert mmlearn(command, "-h")[1] == out


def test_the_command_alone_shows_all_commands(mmlearn):
    _, out, err = mmlearn()
    assert all(command in out + err for command in COMMANDS)


def test_an_unknown_command_or_option_ends_friendly(mmlearn):
    for arguments, named in ((["builds"], "builds"), (["list", "--wrong"], "--wrong"), (["run", "--jobs", "0"], "--jobs")):
        code, _, err = mmlearn(*arguments)
        assert code == 2
        assert "Traceback" not in err
        assert named in err


def test_starting_the_command_imports_no_torch():
    program = "import sys, mmlearn.cli; sys.exit(bool({'torch', 'numpy', 'nbformat', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_typer_it_says_how_to_find_out_what_is_missing():
    program = "import sys; sys.modules['typer'] = None; import mmlearn.cli"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "mmlearn needs the package typer, which is not installed here. Run:  python -m mmlearn.course.doctor"
    )


def test_list_shows_every_chapter_and_what_is_written(mmlearn, clone):
    write(clone / "chapters" / "04-convolution.ipynb")
    code, out, _ = mmlearn("list")
    assert code == 0
    assert "capstone" in out
    assert "1 written. Open one:  mmlearn lab 04" in out
    assert "capstone" not in mmlearn("list", "--written")[1]


@pytest.fixture
def started(monkeypatch):
    """The command that `mmlearn lab` would have become."""
    commands = []
    monkeypatch.setattr("mmlearn.course.trust.trust_built_chapters", lambda root: [])
    monkeypatch.setattr("mmlearn.course.jupyter.become", lambda command: commands.append(command))
    monkeypatch.setattr("mmlearn.course.jupyter._is_superuser", lambda: False)
    return commands


def test_lab_opens_the_clones_chapters_from_any_folder_in_it(mmlearn, clone, started):
    assert mmlearn("lab")[0] == 0
    assert f"--ServerApp.root_dir={clone}" in started[0]
    assert "--LabApp.default_url=/lab/tree/chapters" in started[0]


@pytest.mark.parametrize("before", [True, False])
def test_lab_opens_a_chapter_and_passes_on_what_it_does_not_know(mmlearn, clone, started, before):
    write(clone / "chapters" / "04-convolution.ipynb")
    ours = ["--no-browser", "--port", "9999"]
    arguments = (
        [*ours, "conv", "--ip", "0.0.0.0", "--ServerApp.token=x"]
        if before
        else ["04", "--ip", "0.0.0.0", *ours, "--ServerApp.token=x"]
    )
    write(clone / "chapters" / "05-convolution-gradients.ipynb")
    if before:
        arguments[3] = "convolution"
    assert mmlearn("lab", *arguments)[0] == 0
    assert "--LabApp.default_url=/lab/tree/chapters/04-convolution.ipynb" in started[0]
    assert {"--no-browser", "--port=9999"} <= set(started[0])
    assert started[0][-3:] == ["--ip", "0.0.0.0", "--ServerApp.token=x"]


def test_lab_takes_options_of_jupyters_without_a_chapter(mmlearn, clone, started):
    assert mmlearn("lab", "--ip", "0.0.0.0")[0] == 0
    assert started[0][-2:] == ["--ip", "0.0.0.0"]


@pytest.mark.parametrize("command", ["lab", "run"])
def test_unknown_chapters_get_the_nearest_names(mmlearn, clone, started, command):
    code, _, err = mmlearn(command, "convolutoin")
    assert (code, started) == (2, [])
    assert err.startswith("mmlearn: unknown chapter 'convolutoin'; did you mean 04-convolution")
    assert len(err.splitlines()) == 1


def test_an_unknown_profile_gets_the_nearest_name(mmlearn, clone):
    code, _, err = mmlearn("run", "04", "--profile", "labtop")
    assert (code, err) == (2, "mmlearn: unknown profile 'labtop'; did you mean laptop? Valid: smoke, laptop, gpu\n")


def test_outside_of_a_clone_it_says_where_to_get_one(mmlearn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmlearn.course.clone._is_clone", lambda folder: False)
    for command in ("lab", "list", "run", "build"):
        code, _, err = mmlearn(command)
        assert code == 2
        assert "git clone https://github.com/" in err


def test_build_writes_then_has_nothing_to_do_and_check_agrees(mmlearn, clone):
    write(clone / "solutions" / "04-convolution.ipynb", "1")
    assert mmlearn("build", "--check")[0] == 1
    code, out, _ = mmlearn("build")
    assert code == 0
    assert out.splitlines() == ["wrote solutions/04-convolution.ipynb", "wrote chapters/04-convolution.ipynb"]
    assert "nothing to do" in mmlearn("build")[1]
    assert mmlearn("build", "--check") == (0, "chapters/ and the documents agree with solutions/\n", "")


def test_check_names_what_is_stale(mmlearn, clone):
    write(clone / "solutions" / "04-convolution.ipynb", "1")
    mmlearn("build")
    write(clone / "solutions" / "04-convolution.ipynb", "2")
    mmlearn("build", "--check")
    code, out, _ = mmlearn("build", "--check")
    assert code == 1
    assert "chapters/04-convolution.ipynb: stale; run mmlearn build" in out


def test_a_mistake_in_a_solution_is_one_line_and_no_traceback(mmlearn, clone):
    write(clone / "solutions" / "04-convolution.ipynb", "def f():\n    ### BEGIN SOLUTION\n    1")
    code, _, err = mmlearn("build")
    assert code == 2
    assert err.startswith("mmlearn: solutions/04-convolution.ipynb, cell cell-3")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["04"], ["--check", "--execute"], ["--check", "--force"]])
def test_options_of_build_that_do_not_go_together_are_refused(mmlearn, clone, arguments):
    assert mmlearn("build", *arguments)[0] == 2


def test_build_execute_stores_outputs_and_carries_them_into_the_chapter(mmlearn, clone, monkeypatch):
    monkeypatch.setattr("mmlearn.course.templates._SETUP", "print(profile)")
    write(clone / "solutions" / "04-convolution.ipynb", "print(6 * 7)")
    code, out, _ = mmlearn("build", "--execute", "04")
    assert code == 0
    cells = json.loads((clone / "chapters" / "04-convolution.ipynb").read_text())["cells"]
    assert [cell["outputs"][0]["text"] for cell in cells[2:]] == [["laptop\n"], ["42\n"]]
    assert "wrote chapters/04-convolution.ipynb" in out
    assert mmlearn("build", "--check")[0] == 0


def test_run_ends_with_1_and_one_line_for_the_cell_that_failed(mmlearn, clone):
    write(clone / "chapters" / "04-convolution.ipynb", "# why\nx = [1]\nx[1]")
    code, out, _ = mmlearn("run", "4", "--profile", "smoke")
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith("✗ 04-convolution  failed, 3 cells, ")
    assert lines[1] == "04-convolution: cell [3] (id cell-3) 'x = [1]': IndexError: list index out of range"
    assert lines[2] == f"Report: {clone / 'mmlearn-runs' / 'smoke' / 'index.html'}"


def test_run_says_what_is_unchanged(mmlearn, clone, monkeypatch):
    def papermill(self, chapter, source, target, threads):
        target.write_bytes(source.read_bytes())
        return 0, []

    monkeypatch.setattr("mmlearn.course.runner.Runs._papermill", papermill)
    for folder in ("chapters", "solutions"):
        write(clone / folder / "04-convolution.ipynb", "1")
    assert "✓ 04-convolution  passed" in mmlearn("run")[1]
    code, out, _ = mmlearn("run")
    assert code == 0
    assert "04-convolution  unchanged since it passed; --force runs it again" in out
    assert "✓ 04-convolution  passed" in mmlearn("run", "--force")[1]
    assert "✓ 04-convolution  passed" in mmlearn("run", "--solutions")[1]
    assert sorted(path.name for path in (clone / "mmlearn-runs").iterdir()) == ["laptop", "laptop-solutions"]
    assert mmlearn("run", "--output", str(clone / "elsewhere"))[0] == 0
    assert (clone / "elsewhere" / "index.html").exists()


def test_run_without_any_notebook_says_so(mmlearn, clone):
    code, _, err = mmlearn("run")
    assert code == 2
    assert "mmlearn build writes chapters/" in err


def test_progress_before_the_first_exercise_and_after(mmlearn, monkeypatch):
    rows = []
    monkeypatch.setattr("mmlearn.exercises.progress.summary", lambda: rows)
    assert "mmlearn lab" in mmlearn("progress")[1]
    rows.append({"chapter": "04", "name": "im2col", "title": "Columns", "status": "failed", "attempts": 2})
    code, out, _ = mmlearn("progress")
    assert code == 0
    assert "0 of 1" in out
    assert "Next: Columns (im2col, chapter 04):  mmlearn lab 04" in out


@pytest.mark.parametrize("status", ["ok", "fail"])
def test_doctor_ends_with_1_only_when_something_fails(mmlearn, monkeypatch, status):
    from mmlearn.course import doctor

    def check():
        return doctor.Finding(status, "[found] 1", "do this" if status == "fail" else "")

    monkeypatch.setattr(doctor, "CHECKS", (check,))
    code, out, _ = mmlearn("doctor")
    assert code == (status == "fail")
    assert "check: [found] 1" in out
