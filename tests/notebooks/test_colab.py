"""The chapters run on Google Colab: in an environment with Colab's versions, with the built wheel, away from the repository.

colab-pins.txt holds what Colab's runtime ships (August 2026, Python 3.13). The environment is built into .venv-colab and kept
until the pins change; the course goes in anew each time, as a wheel. `google.colab` itself cannot be installed anywhere else.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).with_name("colab-pins.txt")
VENV = ROOT / ".venv-colab"
PYTHON = VENV / "bin" / "python"
READY = VENV / ".mmlearn-ready"
COLAB_PYTHON = "3.13"
CELL_SECONDS = 120
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
NO_NETWORK = re.compile(
    r"failed to fetch|could not connect|dns error|error sending request|connection refused|timed out", re.IGNORECASE
)

pytestmark = [
    pytest.mark.colab,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.name == "nt", reason="Colab is Linux; the environment is built on Linux and macOS only"),
]


def run(*command, **options):
    """The finished process, which must have succeeded."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def uv(*arguments):
    """The finished `uv` command on the environment; skips the test where uv or the network is missing."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        pytest.skip("uv is not installed: `make test` brings it")
    try:
        return run(program, *arguments, env=os.environ | {"VIRTUAL_ENV": str(VENV)})
    except AssertionError as error:
        if NO_NETWORK.search(str(error)):
            pytest.skip("the Colab-alike environment is downloaded once, and the network is out of reach")
        raise


def runs(program):
    """True when `program` is a Python of Colab's version that starts (a version manager's stand-in may not)."""
    check = f"import sys; raise SystemExit('.'.join(map(str, sys.version_info[:2])) != '{COLAB_PYTHON}')"
    return subprocess.run([str(program), "-c", check], capture_output=True).returncode == 0


def colab_python():
    """Colab's Python when this machine has it, else the one that runs the tests."""
    name = f"python{COLAB_PYTHON}"
    found = shutil.which(name)
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{COLAB_PYTHON}*/bin/{name}"))
    managed += sorted((Path.home() / ".local" / "share" / "uv" / "python").glob(f"cpython-{COLAB_PYTHON}*/bin/{name}"))
    return next(filter(runs, ([found] if found else []) + managed), sys.executable)


def packages():
    """{name: version} of everything in the environment."""
    return {package["name"]: package["version"] for package in json.loads(uv("pip", "list", "--format", "json").stdout)}


def plain_environment(scratch):
    """What a process started elsewhere would see: nothing that leads back to the repository or to the reader's settings."""
    dropped = ("PYTHON", "MMLEARN_", "JUPYTER", "IPYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {
        "MMLEARN_PROFILE": "smoke",
        "MMLEARN_PROGRESS": str(scratch / "progress.json"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_DATA_DIR": str(scratch / "data"),
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def pinned():
    """{name: version} of the environment as Colab ships it, before the course goes in."""
    python = str(colab_python())
    wanted = hashlib.sha256(PINS.read_bytes() + python.encode()).hexdigest()
    known = json.loads(READY.read_text()) if READY.exists() else {}
    if known.get("made from") != wanted or not PYTHON.exists():
        READY.unlink(missing_ok=True)
        uv("venv", "--quiet", "--clear", "--python", python, VENV)
        uv("pip", "install", "-r", PINS)
        known = {"made from": wanted, "packages": packages()}
        READY.write_text(json.dumps(known))
    print(f"Colab-alike environment: {run(PYTHON, '--version').stdout.strip()}")
    if added := sorted(set(packages()) - set(known["packages"])):
        uv("pip", "uninstall", *added)
    return packages()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(pinned, wheel):
    """What the environment holds after the wheel went in, and what the installer said it would do."""
    plan = uv("pip", "install", "--dry-run", wheel).stderr
    uv("pip", "install", wheel)
    return packages(), plan


def test_the_environment_has_colabs_versions(pinned):
    wanted = dict(line.split("==") for line in PINS.read_text().split())
    assert {name: pinned.get(name.replace("_", "-"), "missing") for name in wanted} == wanted


def test_installing_the_course_replaces_nothing(pinned, installed):
    after, plan = installed
    removed = [line for line in plan.splitlines() if re.match(r"\s*[-~] ", line)]
    assert removed == []
    assert {name: after.get(name) for name in pinned} == pinned
    assert "mmlearn-course" in after


def test_the_course_is_imported_from_the_wheel(installed, tmp_path):
    script = "import mmlearn, pathlib; print(pathlib.Path(mmlearn.__file__).resolve())"
    where = run(PYTHON, "-c", script, cwd=tmp_path, env=plain_environment(tmp_path)).stdout.strip()
    assert Path(where).is_relative_to(VENV.resolve())


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_with_the_wheel_from_an_empty_folder(chapter, installed, tmp_path):
    away = tmp_path / "content"
    away.mkdir()
    shutil.copy(chapter, away)
    run(
        *(PYTHON, "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "executed.ipynb"),
        *(f"--ExecutePreprocessor.timeout={CELL_SECONDS}", chapter.name),
        cwd=away,
        env=plain_environment(tmp_path),
    )
    cells = json.loads((away / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    assert all(cell["execution_count"] for cell in code)
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
