"""A call into C that never returns hears no signal: the run must come to its end all the same, and say what happened."""

import importlib.util
import os
import shutil
import sys

import pytest

HANGS_ONCE = """
import ctypes, pathlib

def test_before():
    pass

def test_hangs():
    been = pathlib.Path(__file__).with_suffix(".been")
    if not been.exists():
        been.touch()
        ctypes.PyDLL(None).sleep(600)

def test_after():
    assert {after}
"""


@pytest.fixture
def runner(root, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("test_runner_of_tools", root / "tools" / "test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copy(root / "tests" / "conftest.py", tmp_path / "conftest.py")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "STILL", 12)
    return module


@pytest.mark.skipif(os.name == "nt", reason="needs sleep of the C library")
@pytest.mark.parametrize(("quick", "after", "status"), [(True, True, 0), (False, True, 1)])
def test_what_a_hanging_call_leaves_undone_is_run_again(runner, tmp_path, capfd, quick, after, status):
    (tmp_path / "test_quick.py").write_text(f"def test_quick():\n    assert {quick}\n")
    (tmp_path / "test_hangs.py").write_text(HANGS_ONCE.replace("{after}", str(after)))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        "2",
        "--dist",
        "loadfile",
        "-o",
        "timeout=600",
        ".",
    ]
    child = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "MMLEARN_TEST_JOURNAL"))}
    assert runner.run(command, child, tmp_path / "journal") == status
    printed = capfd.readouterr().out
    assert "for 12 seconds no test has ended" in printed
    assert "test_hangs.py::test_hangs" in printed.split("left: ")[1].split("\n")[0]
    assert "collected 3 items" in printed


@pytest.mark.parametrize(("quick", "status"), [(True, 0), (False, 1)])
def test_a_run_that_ends_by_itself_keeps_its_status(runner, tmp_path, capfd, quick, status):
    (tmp_path / "test_quick.py").write_text(f"def test_quick():\n    assert {quick}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."]
    assert runner.run(command, dict(os.environ), tmp_path / "journal") == status
    assert "once more" not in capfd.readouterr().out
