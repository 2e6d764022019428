"""Style, spelling and layering, by the tools of their field with the settings in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

TOOLS = {
    "ruff finds nothing, in code and in notebooks": ["ruff", "check", "--quiet", "."],
    "ruff would format nothing, in code and in notebooks": ["ruff", "format", "--check", "--quiet", "."],
    "codespell knows every word": ["codespell"],
    "import-linter: upper layers import lower ones, never back": ["lint-imports"],
}


@pytest.mark.parametrize("command", TOOLS.values(), ids=TOOLS.keys())
def test_the_tool_is_content(command):
    suffix = ".exe" if os.name == "nt" else ""
    program = BIN / f"{command[0]}{suffix}"
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
