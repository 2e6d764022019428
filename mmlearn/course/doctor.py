"""What can be wrong with an installation, and what to do about it: one small check for each.

Runs on Python's own library alone, so that it can say what else is missing:  python -m mmlearn.course.doctor
"""

import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from mmlearn.course.clone import DISTRIBUTION, find_clone
from mmlearn.course.errors import CourseError
from mmlearn.course.settings import check_profile

MINIMUM_PYTHON = (3, 11)
ENOUGH_GB, LITTLE_GB = 5, 1
SLOW_IMPORT_SECONDS = 15
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container, on Linux
VARIABLES = (
    *("MMLEARN_PROFILE", "MMLEARN_DATA", "MMLEARN_THREADS", "MMLEARN_PROGRESS"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_OFFLINE", "PYTHONPATH"),
)


class Finding(NamedTuple):
    """What one check found. status: "ok", "warn" or "fail"; advice: what to do, empty when there is nothing to do."""

    status: str
    found: str
    advice: str = ""


def python_version():
    """Python is recent enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    if sys.version_info[:2] < MINIMUM_PYTHON:
        return Finding("fail", f"Python {version} ({sys.executable})", f"install Python {wanted} or newer, then run  make lab")
    return Finding("ok", f"Python {version} ({sys.executable})")


def packages():
    """Every package that the course needs is there and recent enough."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Finding("fail", f"{DISTRIBUTION} is not installed", "in a clone of the course run  make lab")
    required = _lacking(line for line in lines if "extra" not in line)
    for_lab = _lacking(line for line in lines if re.search(r"""extra == ['"]lab['"]""", line))
    if required:
        return Finding(
            "fail", "; ".join(required + for_lab), "in the clone run  make lab;  elsewhere  pip install --upgrade  these"
        )
    if for_lab:
        return Finding("warn", f"for JupyterLab and mmlearn run: {'; '.join(for_lab)}", f"pip install '{DISTRIBUTION}[lab]'")
    return Finding("ok", "all that the course needs, recent enough")


def _lacking(requirements):
    """What is wrong with the installed packages, one text for each of "numpy>=2.1", … that is not satisfied."""
    return [problem for requirement in requirements if (problem := _problem(requirement))]


def _problem(requirement):
    name = re.match(r"[\w.-]+", requirement)[0]
    installed = _version(name)
    if installed is None:
        return f"{name} is missing"
    for relation, bound in re.findall(r"(>=|<)\s*([\d.]+)", requirement):
        if (_numbers(installed) < _numbers(bound)) == (relation == ">="):
            return f"{name} is {installed}, needed is {relation}{bound}"
    return None


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version):
    parts = [int(part) for part in re.match(r"\d+(?:\.\d+)*", version)[0].split(".")]
    return parts + [0] * (4 - len(parts))


def foreign_mmlearn():
    """The version of the other project's distribution that is also named `mmlearn`, when it is installed; else None."""
    return _version("mmlearn")


def name_clash():
    """No other project's package answers to `import mmlearn`."""
    foreign = foreign_mmlearn()
    if not foreign:
        return Finding("ok", f"import mmlearn is the course, in {Path(__file__).resolve().parents[1]}")
    if _version(DISTRIBUTION):
        found = f"another project's mmlearn {foreign} is installed beside the course's and overwrites files of it"
    else:
        found = f"another project's mmlearn {foreign} is installed, and the course's package ({DISTRIBUTION}) is not"
    return Finding("fail", found, f"pip uninstall mmlearn  then install {DISTRIBUTION} again (make lab in the clone)")


_PROBE = """
import importlib.util, json, pathlib, re, time
found, began = {}, time.perf_counter()
spec = importlib.util.find_spec("torchvision")
if spec:  # its version is wanted also when it cannot be imported
    text = pathlib.Path(spec.origin).with_name("version.py").read_text()
    found["torchvision"] = re.search(r"__version__ = ['\\"](.+?)['\\"]", text)[1]
try:
    import torch
    found.update(torch=torch.__version__, torch_cuda=torch.version.cuda, seconds=time.perf_counter() - began)
    found.update(gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None, threads=torch.get_num_threads())
    import torchvision
    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
except BaseException as problem:
    found["error"] = f"{type(problem).__name__}: {problem}"
print(json.dumps(found))
"""


@functools.cache
def torch_probe():
    """What torch and torchvision say of themselves, asked in a process of their own: a broken build may take Python with it."""
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=300)
        return json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": "importing torch and torchvision took more than 300 s"}
    except (IndexError, ValueError):
        return {"error": f"importing torch ended Python with code {done.returncode}: {done.stderr.strip()[-200:]}"}


def torch_and_torchvision():
    """torch and torchvision import, fit each other, and torchvision's compiled operations work."""
    probe = torch_probe()
    pair = f"torch {probe.get('torch', 'missing')}, torchvision {probe.get('torchvision', 'missing')}"
    if "error" not in probe:
        return Finding("ok", pair)
    if "torch" not in probe:
        return Finding(
            "fail", f"torch cannot be imported ({probe['error']})", "in the clone run  make lab;  elsewhere  pip install torch"
        )
    if not probe["torch_cuda"] and "+cu" in probe.get("torchvision", ""):
        pair += ": a CPU-only torch beside a torchvision built for CUDA"
    again = "install both anew, together and from one index:  pip install --force-reinstall torch torchvision"
    return Finding("fail", f"{pair}; torchvision does not work ({probe['error']})", again)


def gpu():
    """There is a GPU, and torch can use it."""
    probe = torch_probe()
    if probe.get("gpu"):
        return Finding("ok", f"{probe['gpu']}: profile gpu will use it")
    if shutil.which("nvidia-smi") and "torch" in probe:
        found = f"an NVIDIA driver is here, but torch {probe['torch']} cannot use it"
        return Finding("warn", found, "install the torch that is built for this driver's CUDA")
    advice = "nothing to do: chapters run on the CPU at the laptop profile; the badge on a chapter opens it on a GPU of Colab's"
    return Finding("warn", "no GPU", advice)


def disk():
    """There is room for downloads, checkpoints and executed notebooks."""
    folders = {"the data cache": _existing(cache_folder()), "the working directory": Path.cwd()}
    free = {f"{name} ({folder})": shutil.disk_usage(folder).free / 1e9 for name, folder in folders.items()}
    found = "; ".join(f"{gb:.1f} GB free for {name}" for name, gb in free.items())
    advice = "free some space, or set MMLEARN_DATA to a folder on a larger disk"
    status = "fail" if min(free.values()) < LITTLE_GB else "warn" if min(free.values()) < ENOUGH_GB else "ok"
    return Finding(status, found, "" if status == "ok" else f"{advice}; the largest chapters at profile gpu want {ENOUGH_GB} GB")


def cache_folder():
    """Where mmlearn.data keeps downloads; said here again, since mmlearn.data cannot be imported without torch."""
    if folder := os.environ.get("MMLEARN_DATA"):
        return Path(folder).expanduser()
    try:
        import platformdirs
    except ImportError:
        return Path.home() / ".cache" / "mmlearn"
    return platformdirs.user_cache_path("mmlearn", appauthor=False)


def _existing(folder):
    return next(candidate for candidate in (folder, *folder.absolute().parents) if candidate.exists())


def cache():
    """Downloads can be kept."""
    folder = cache_folder()
    if folder.exists() and not folder.is_dir():
        return Finding("fail", f"{folder} is a file", "set MMLEARN_DATA to a folder")
    if not os.access(_existing(folder), os.W_OK):
        return Finding("fail", f"{folder} cannot be written", "set MMLEARN_DATA to a folder of your own")
    return Finding("ok", f"downloads are kept in {folder}")


def processor():
    """The machine's cores are few or many, and nothing makes torch slow on them."""
    cores, threads = usable_cores(), torch_probe().get("threads")
    seconds = torch_probe().get("seconds", 0)
    found = f"{cores:g} cores" + (f", {threads} torch threads outside of notebooks" if threads else "")
    if seconds > SLOW_IMPORT_SECONDS:
        found += f"; importing torch took {seconds:.0f} s"
        return Finding("warn", found, "the disk is slow (a network drive?): put the environment on a local one")
    if threads and threads > max(cores, 1):
        advice = "several times slower than need be: set OMP_NUM_THREADS to the number of cores"
        return Finding("warn", f"{found}: more threads than cores", advice)
    if cores < 2:
        return Finding("warn", found, "chapters take about twice the minutes they state")
    return Finding("ok", found)


def usable_cores():
    """The cores that this process may use: fewer than the machine has, in a container with a limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_LIMIT.read_text().split()
        return min(cores, int(quota) / int(period))
    except (OSError, ValueError):
        return cores


def environment():
    """Environment variables that change what the course does."""
    in_force = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    found = ", ".join(f"{name}={value}" for name, value in in_force.items()) or "none of the course's variables is set"
    try:
        check_profile(in_force.get("MMLEARN_PROFILE", "laptop"))
    except CourseError as mistake:
        return Finding("fail", f"MMLEARN_PROFILE: {mistake}", "unset it, or set it to one of these")
    if "MMLEARN_PROFILE" in in_force:
        return Finding("warn", found, "MMLEARN_PROFILE overrides what the notebooks say; unset it to let them decide")
    return Finding("ok", found)


def notebooks():
    """The course's notebooks are here."""
    try:
        return Finding("ok", f"the clone in {find_clone()}")
    except CourseError as mistake:
        return Finding("warn", "no notebooks here", str(mistake))


CHECKS = (
    *(python_version, packages, name_clash, torch_and_torchvision, gpu, processor),
    *(disk, cache, environment, notebooks),
)


def main(say=lambda text, style: print(text)):
    """Run all checks and print what they find; returns 1 when one of them fails, else 0."""
    marks = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
    findings = []
    for check in CHECKS:
        finding = check()
        findings.append(finding)
        mark, style = marks[finding.status]
        say(f"{mark} {check.__name__.replace('_', ' ')}: {finding.found}", style)
        if finding.advice:
            say(f"    → {finding.advice}", "")
    failed, warned = (sum(finding.status == status for finding in findings) for status in ("fail", "warn"))
    say(f"{failed} to mend, {warned} to know, {len(findings) - failed - warned} fine", "bold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
