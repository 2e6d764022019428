"""What the doctor finds: each check with its condition brought about."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections import namedtuple

import pytest

from mmlearn.course import doctor
from mmlearn.data.download import cache_folder

GOOD = {"torch": "2.11.0+cu128", "torch_cuda": "12.8", "torchvision": "0.26.0+cu128", "gpu": None, "threads": 2, "seconds": 1.5}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def probe(monkeypatch):
    """Set what torch and torchvision say of themselves."""

    def says(**found):
        answer = {name: value for name, value in (GOOD | found).items() if value != "absent"}
        monkeypatch.setattr(doctor, "torch_probe", lambda: answer)

    says()
    return says


@pytest.fixture
def installed(monkeypatch):
    """Set what is installed: {distribution: version}, and what the course requires."""

    def these(versions, requires=()):
        def version(name):
            if name not in versions:
                raise importlib.metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(importlib.metadata, "requires", lambda name: version(name) and list(requires))

    return these


def test_an_old_python_fails_and_names_the_one_that_is_needed(monkeypatch):
    assert doctor.python_version().status == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    finding = doctor.python_version()
    assert finding.status == "fail"
    assert "3.10.4" in finding.found
    assert "3.11" in finding.advice


REQUIRES = ["numpy>=2.1", "ipywidgets<9,>=7.7.1", "papermill>=2.6; extra == 'lab'", 'ruff>=0.11; extra == "test"']
ALL = {"mmlearn-course": "0.1.0", "numpy": "2.1.3", "ipywidgets": "8.1", "papermill": "2.7.0"}


@pytest.mark.parametrize(
    ("change", "status", "found"),
    [
        ({}, "ok", "recent enough"),
        ({"numpy": "2.1"}, "ok", ""),
        ({"numpy": "2.10.0rc1"}, "ok", ""),
        ({"numpy": "2.0.9"}, "fail", "numpy is 2.0.9, needed is >=2.1"),
        ({"numpy": None}, "fail", "numpy is missing"),
        ({"ipywidgets": "9.0"}, "fail", "ipywidgets is 9.0, needed is <9"),
        ({"ipywidgets": "7.7"}, "fail", "ipywidgets is 7.7, needed is >=7.7.1"),
        ({"papermill": None}, "warn", "papermill is missing"),
        ({"mmlearn-course": None}, "fail", "mmlearn-course is not installed"),
    ],
)
def test_missing_old_and_too_new_packages_are_named(installed, change, status, found):
    installed({name: version for name, version in (ALL | change).items() if version}, REQUIRES)
    finding = doctor.packages()
    assert finding.status == status
    assert found in finding.found
    assert bool(finding.advice) == (status != "ok")


def test_this_environment_has_all_it_needs():
    assert doctor.packages().status == "ok"
    assert doctor.python_version().status == "ok"
    assert doctor.name_clash().status == "ok"


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Install a distribution named mmlearn, as far as metadata go."""
    info = tmp_path / "mmlearn-0.3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mmlearn\nVersion: 0.3.1\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_another_projects_mmlearn_beside_ours_fails(foreign):
    finding = doctor.name_clash()
    assert finding.status == "fail"
    assert "mmlearn 0.3.1 is installed beside the course's" in finding.found
    assert "pip uninstall mmlearn" in finding.advice


def test_another_projects_mmlearn_alone_fails(installed):
    installed({"mmlearn": "0.3.1"})
    finding = doctor.name_clash()
    assert finding.status == "fail"
    assert "the course's package (mmlearn-course) is not" in finding.found


def fake_package(folder, name, version, init):
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(init)
    (package / "version.py").write_text(f"__version__ = '{version}'\n")


FAKE_TORCH = """
__version__ = "2.11.0+cpu"
class version: cuda = None
class cuda: is_available = staticmethod(lambda: False)
get_num_threads = lambda: 1
"""


@pytest.fixture
def fake_torch(tmp_path, monkeypatch):
    """A torch and a torchvision of our own, seen by the process that the doctor asks."""

    def install(torchvision, version="0.26.0", torch=FAKE_TORCH):
        fake_package(tmp_path, "torch", "2.11.0+cpu", torch)
        fake_package(tmp_path, "torchvision", version, torchvision)

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    doctor.torch_probe.cache_clear()
    yield install
    doctor.torch_probe.cache_clear()


def test_a_cpu_torch_beside_a_cuda_torchvision_is_named(fake_torch):
    fake_torch('raise RuntimeError("operator torchvision::nms does not exist")', version="0.26.0+cu128")
    finding = doctor.torch_and_torchvision()
    assert finding.status == "fail"
    assert "torch 2.11.0+cpu, torchvision 0.26.0+cu128: a CPU-only torch beside a torchvision built for CUDA" in finding.found
    assert "torchvision::nms does not exist" in finding.found
    assert "--force-reinstall torch torchvision" in finding.advice


def test_a_torchvision_that_does_not_fit_is_told_from_that(fake_torch):
    fake_torch('raise RuntimeError("operator torchvision::nms does not exist")', version="0.20.0")
    finding = doctor.torch_and_torchvision()
    assert finding.status == "fail"
    assert "CPU-only" not in finding.found


def test_a_torchvision_that_imports_and_whose_operations_are_broken_fails(fake_torch):
    fake_torch(
        "class ops:\n    @staticmethod\n    def nms(*a): raise NotImplementedError('nms')",
        torch=FAKE_TORCH + "tensor = ones = list\n",
    )
    assert doctor.torch_and_torchvision().status == "fail"


def test_a_torch_that_takes_python_with_it_is_reported(fake_torch):
    fake_torch("", torch="import os; os._exit(3)")
    finding = doctor.torch_and_torchvision()
    assert finding.status == "fail"
    assert "ended Python with code 3" in finding.found


def test_a_missing_torch_is_told_from_a_broken_one(fake_torch):
    fake_torch("", torch="raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    finding = doctor.torch_and_torchvision()
    assert "torch cannot be imported" in finding.found
    assert "make lab" in finding.advice


def test_a_pair_that_works_is_fine(probe):
    assert doctor.torch_and_torchvision() == ("ok", "torch 2.11.0+cu128, torchvision 0.26.0+cu128", "")


def test_no_gpu_is_a_warning_that_names_the_laptop_profile(probe, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    finding = doctor.gpu()
    assert (finding.status, finding.found) == ("warn", "no GPU")
    assert "on the CPU at the laptop profile" in finding.advice


def test_a_driver_that_torch_cannot_use_is_told_from_no_gpu(probe, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    probe(torch="2.11.0+cpu")
    finding = doctor.gpu()
    assert finding.status == "warn"
    assert "torch 2.11.0+cpu cannot use it" in finding.found


def test_a_gpu_is_named(probe):
    probe(gpu="Tesla T4")
    assert doctor.gpu() == ("ok", "Tesla T4: profile gpu will use it", "")


@pytest.mark.parametrize(("free_gb", "status"), [(0.5, "fail"), (3, "warn"), (50, "ok")])
def test_little_disk_is_a_warning_and_next_to_none_a_failure(monkeypatch, tmp_path, free_gb, status):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage(100, 0, 50e9 if folder == tmp_path else free_gb * 1e9))
    finding = doctor.disk()
    assert finding.status == status
    assert f"50.0 GB free for the data cache ({tmp_path})" in finding.found
    assert f"{free_gb:.1f} GB free for the working directory" in finding.found


def test_the_cache_is_where_the_data_module_puts_it(monkeypatch, tmp_path):
    assert doctor.cache_folder() == cache_folder()
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    assert doctor.cache_folder() == cache_folder() == tmp_path


def test_a_cache_that_cannot_be_written_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path / "cache"))
    assert doctor.cache().status == "ok"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert doctor.cache().status == "fail"


def test_a_cache_that_is_a_file_fails(monkeypatch, tmp_path):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path / "cache"))
    assert "is a file" in doctor.cache().found


@pytest.mark.parametrize(
    ("cores", "found", "status", "word"),
    [
        (4, {"threads": 4}, "ok", "4 cores"),
        (1, {"threads": 1}, "warn", "1 cores"),
        (2, {"threads": 64}, "warn", "more threads than cores"),
        (4, {"seconds": 60}, "warn", "importing torch took 60 s"),
        (4, {"threads": "absent", "seconds": "absent"}, "ok", "4 cores"),
    ],
)
def test_what_makes_a_machine_slow_is_named(monkeypatch, probe, cores, found, status, word):
    probe(**found)
    monkeypatch.setattr(doctor, "usable_cores", lambda: cores)
    finding = doctor.processor()
    assert finding.status == status
    assert word in finding.found


def test_a_containers_limit_counts_and_not_the_machines_cores(monkeypatch, tmp_path):
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(doctor, "CPU_LIMIT", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert doctor.usable_cores() == 8
    limit.write_text("150000 100000\n")
    assert doctor.usable_cores() == 1.5
    limit.write_text("max 100000\n")
    assert doctor.usable_cores() == 8


def test_environment_variables_in_force_are_shown(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS=3" in doctor.environment().found
    monkeypatch.setenv("MMLEARN_PROFILE", "smoke")
    assert doctor.environment().status == "warn"
    monkeypatch.setenv("MMLEARN_PROFILE", "labtop")
    finding = doctor.environment()
    assert finding.status == "fail"
    assert "did you mean laptop" in finding.found


def test_without_notebooks_it_says_where_to_get_them(monkeypatch, clone):
    assert str(clone.root) in doctor.notebooks().found
    monkeypatch.setattr("mmlearn.course.clone.project", lambda folder: {"name": "other"})
    finding = doctor.notebooks()
    assert finding.status == "warn"
    assert "git clone" in finding.advice


def test_the_exit_code_tells_failures_from_warnings(monkeypatch, capsys):
    def fine():
        return doctor.Finding("ok", "good")

    def so_so():
        return doctor.Finding("warn", "hm", "look")

    def broken():
        return doctor.Finding("fail", "bad", "mend it")

    monkeypatch.setattr(doctor, "CHECKS", (fine, so_so))
    assert doctor.main() == 0
    monkeypatch.setattr(doctor, "CHECKS", (fine, so_so, broken))
    assert doctor.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-5:] == ["! so so: hm", "    → look", "✗ broken: bad", "    → mend it", "1 to mend, 1 to know, 1 fine"]


def test_it_runs_where_nothing_but_python_is_installed(root, tmp_path):
    (tmp_path / "mmlearn").symlink_to(root / "mmlearn")
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    environment = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-S", "-m", "mmlearn.course.doctor"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.stderr == ""
    assert done.returncode == 1
    assert "✗ packages: mmlearn-course is not installed" in done.stdout


def test_the_probe_speaks_of_the_real_torch():
    doctor.torch_probe.cache_clear()
    found = doctor.torch_probe()
    assert "error" not in found
    assert found["torch"].split("+")[0] == importlib.metadata.version("torch").split("+")[0]
    assert json.dumps(found)
