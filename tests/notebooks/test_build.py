"""chapters/ is what `mmlearn build` makes of solutions/, to the byte."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_chapters_are_up_to_date():
    done = subprocess.run([sys.executable, "-m", "mmlearn.cli", "build", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"run `mmlearn build` and commit what it writes\n{done.stdout}\n{done.stderr}"
