"""What is built from the repository holds the data: the wheel, the source distribution, and the wheel made from that."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
SHIPPED = "mmlearn/shipped/"


def build(kind, source, folder):
    """The one file that hatchling writes into ``folder``."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    (built,) = folder.iterdir()
    return built


def data():
    """{name below data/: bytes} of what ships."""
    paths = [DATA / "README.md", *(DATA / "world").rglob("*"), *(DATA / "models").rglob("*")]
    return {path.relative_to(DATA).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def shipped(wheel):
    """The same of what a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(SHIPPED)]
        return {name.removeprefix(SHIPPED): archive.read(name) for name in names}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_data_byte_for_byte(wheel):
    assert shipped(wheel) == data()


def test_the_installed_package_finds_and_reads_its_data_away_from_the_repository(wheel, tmp_path):
    site, away = tmp_path / "site-packages", tmp_path / "away"
    away.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    script = """
from mmlearn.data import read_folder, shipped
print(shipped.folder())
print(len(read_folder(shipped.folder() / "validation")))
print(*sorted(path.name for path in shipped.folder("models").iterdir()))
"""
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", script], cwd=away, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(site.resolve() / "mmlearn" / "shipped" / "world"), "32", "world-bert world-resnet"]


def test_an_editable_install_imports_the_clone_and_finds_its_data(tmp_path):
    """It puts the data into site-packages, too, in a folder mmlearn without __init__.py, which must not hide the package."""
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(build("wheel:editable", ROOT, tmp_path / "editable")) as archive:
        archive.extractall(site)
    script = f"""
import site, sys
sys.path[:] = [path for path in sys.path if path not in ("", {str(ROOT)!r})]
site.addsitedir({str(site)!r})
import mmlearn, runpy
shipped = runpy.run_path(mmlearn.__path__[0] + "/data/shipped.py")  # alone, without torch: faster
print(*mmlearn.__path__, shipped["folder"](), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(ROOT / "mmlearn"), str(DATA / "world")]


def test_a_wheel_made_from_the_source_distribution_holds_the_data(tmp_path):
    with tarfile.open(build("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert shipped(build("wheel", source, tmp_path / "wheel")) == data()
