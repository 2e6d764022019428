"""Every notebook of solutions/ runs from its first cell to its last under papermill, whose exit code is the verdict."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = {"smoke": 300, "laptop": 900}

everything = bool(os.environ.get("MMLEARN_TEST_ALL"))
CASES = [(path, "smoke") for path in sorted((ROOT / "solutions").glob("*.ipynb"))]
if everything:
    CASES += [(path, "laptop") for folder in ("solutions", "chapters") for path in sorted((ROOT / folder).glob("*.ipynb"))]

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(1000)]


@pytest.mark.parametrize(("notebook", "profile"), CASES, ids=[f"{path.parent.name}-{path.stem}-{name}" for path, name in CASES])
def test_papermill_runs_the_notebook(notebook, profile, tmp_path):
    command = [
        *(sys.executable, "-m", "papermill", str(notebook), str(tmp_path / notebook.name)),
        *("-p", "profile", profile, "-k", "python3", "--cwd", str(tmp_path), "--no-progress-bar"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT[profile])
    assert done.returncode == 0, f"{notebook.name} at {profile}:\n{done.stderr[-4000:]}"


def test_every_chapter_has_its_solution():
    chapters = {path.name for path in (ROOT / "chapters").glob("*.ipynb")}
    assert chapters == {path.name for path in (ROOT / "solutions").glob("*.ipynb")}
