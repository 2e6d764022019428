"""What `import mmlearn` adds to starting Python."""

import subprocess
import sys

from side_by_side import side_by_side


def importing():
    """Both start an interpreter; the difference is the import."""
    bare, package = (lambda program=program: _python(program) for program in ("pass", "import mmlearn"))
    yield side_by_side("python -c 'import mmlearn' beside python -c 'pass'", package, bare, rounds=10)


def _python(program):
    subprocess.run([sys.executable, "-c", program], check=True)
