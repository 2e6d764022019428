"""Build or mend the course's environment in .venv. Called by make; needs nothing but Python ≥ 3.11.

    python3 tools/bootstrap.py            make .venv agree with requirements.lock; silent about what is done already

From any state: no .venv, a cut-off one, one of another Python, one of an older lock file. The environment is complete when
.venv/.mmlearn-ready holds the fingerprint of what it was built from, and that file is written last.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
READY = VENV / ".mmlearn-ready"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
MINIMUM = (3, 11)
FREE_GB = 12


def say(text):
    print(f"[mmlearn] {text}", flush=True)


def fail(text):
    print(f"[mmlearn] {text}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def newer_python():
    """The path of an installed Python that is new enough, when the one that runs this file is not."""
    for minor in range(20, MINIMUM[1] - 1, -1):
        candidate = shutil.which(f"python3.{minor}")
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def fingerprint():
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for name in ("requirements.lock", "pyproject.toml", "tools/bootstrap.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def venv_works():
    """True when .venv starts and is of this Python's minor version."""
    if not PYTHON.exists():
        return False
    try:
        found = subprocess.run(
            [str(PYTHON), "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and found.stdout.split() == [str(part) for part in sys.version_info[:2]]


def run(command, doing):
    say(doing)
    started = time.monotonic()
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env=environment)
    if done.returncode:
        fail(
            f"failed after {time.monotonic() - started:.0f} s: {doing}\n"
            "          The messages above say why. Is the network reachable and is there disk left?\n"
            "          Run the same make command again: it goes on where this one stopped."
        )
    say(f"  done in {time.monotonic() - started:.0f} s")


def create_venv():
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        fail(
            f"this Python ({sys.executable}) cannot make virtual environments: its venv module is not installed.\n"
            f"          On Debian or Ubuntu: sudo apt install python3.{sys.version_info[1]}-venv"
        )
    run([sys.executable, "-m", "venv", "--clear", VENV], f"1/4 making .venv with Python {sys.version.split()[0]}")


def main():
    if sys.version_info < MINIMUM:
        other = newer_python()
        wanted = ".".join(map(str, MINIMUM))
        if other is None:
            fail(f"the course needs Python ≥ {wanted}; this one is {sys.version.split()[0]}: install a newer one from python.org")
        say(f"python3 is {sys.version.split()[0]}, older than {wanted}: using {other}")
        raise SystemExit(subprocess.run([other, __file__]).returncode)

    wanted = fingerprint()
    works = venv_works()
    if works and READY.exists() and READY.read_text() == wanted:
        return
    free = shutil.disk_usage(ROOT).free / 1e9
    if not works and free < FREE_GB:
        say(f"only {free:.0f} GB of disk are free; the environment takes about {FREE_GB} GB while it is being installed")

    READY.unlink(missing_ok=True)
    if works:
        say("1/4 .venv is there; bringing it up to date")
    else:
        create_venv()
    uv = BIN / ("uv.exe" if os.name == "nt" else "uv")
    if subprocess.run([str(PYTHON), "-m", "uv", "--version"], capture_output=True).returncode:
        run([PYTHON, "-m", "pip", "install", "--quiet", "uv>=0.5"], "2/4 installing uv, which installs the rest quickly")
    else:
        say("2/4 uv is there")
    run(
        [uv, "pip", "sync", "--python", PYTHON, "--require-hashes", "requirements.lock"],
        "3/4 installing the locked packages (torch and JupyterLab among them: several GB the first time)",
    )
    # After `sync`, which removes what the lock does not name: the course itself would go with it.
    run(
        [uv, "pip", "install", "--python", PYTHON, "--quiet", "--no-deps", "--no-build-isolation", "--editable", "."],
        "4/4 installing the course itself",
    )
    READY.write_text(wanted)
    say("the environment is ready: .venv")


if __name__ == "__main__":
    main()
