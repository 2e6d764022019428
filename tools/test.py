"""Run every test with one pytest process tree. Called by `make test`; the last lines are pytest's own summary.

    .venv/bin/python tools/test.py                          everything, notebooks at the smoke profile
    .venv/bin/python tools/test.py --all                    the same, and all notebooks at the laptop profile, with both tools
    .venv/bin/python tools/test.py tests/unit/ops -k conv   what is left over goes to pytest

Notebooks are tests like the others: nbval makes one of every cell in chapters/, and tests/notebooks/test_solutions.py runs every
notebook of solutions/ with papermill.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = {"smoke": 120, "laptop": 600}
MOST_WORKERS = 4
STILL = 900  # seconds


def say(text):
    print(f"[mmlearn] {text}", flush=True)


def workers():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, cores))


def environment(everything, scratch):
    """The parent's environment, less the user's own settings, with one thread per process."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    return (
        kept
        | threads
        | {
            "MMLEARN_PROFILE": "laptop" if everything else "smoke",
            "MMLEARN_PROGRESS": str(scratch / "progress.json"),
            "MMLEARN_TEST_ALL": "1" if everything else "",
            "IPYTHONDIR": str(scratch / "ipython"),
            "JUPYTER_CONFIG_DIR": str(scratch / "jupyter-config"),
            "JUPYTER_DATA_DIR": str(scratch / "jupyter-data"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
    )


def chosen(rest):
    """The files and folders among pytest's arguments: with any of them, nothing else is run."""
    return [argument for argument in rest if not argument.startswith("-") and (ROOT / argument.split("::")[0]).exists()]


def pytest_arguments(everything, rest):
    folders = ["chapters", "solutions"] if everything else ["chapters"]
    seconds = CELL_SECONDS["laptop" if everything else "smoke"]
    return [
        *("-n", str(workers()), "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "15", "--durations-min", "5"),
        *("-p", "nbval", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", str(seconds)),
        *([] if chosen(rest) else ["tests", *folders]),
        *rest,
    ]


def run(command, child, journal):
    """pytest's exit status. Where nothing ends for `STILL` seconds, files that are not done are run once more, by one process.

    A test may take 600 seconds (pytest-timeout), so only a call into C that never returns, or workers and scheduler that wait for
    each other, come to this.
    """
    journal.touch()
    started = subprocess.Popen(command, cwd=ROOT, env=child | {"MMLEARN_TEST_JOURNAL": str(journal)}, start_new_session=True)
    try:
        while started.poll() is None:
            time.sleep(0.2)
            patience = STILL if journal.stat().st_size else 4 * STILL  # until the first test is known
            if time.time() - journal.stat().st_mtime > patience:
                return run_what_is_left(command, child, journal, started)
        return started.returncode
    finally:
        end(started)


def run_what_is_left(command, child, journal, started):
    entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    collected, done, failed = (
        {name for kind, names in entries if kind == which for name in names} for which in ("collected", "done", "failed")
    )
    left = sorted(collected - done)
    files = sorted({name.split("::")[0] for name in left})
    say(f"for {STILL} seconds no test has ended; {len(done)} of {len(collected)} are done")
    say(f"failed: {sorted(failed)}")
    say(f"left: {left}")
    end(started)
    if not files:
        say("all of them are done: only the process did not end" if done else "nothing was collected")
        return 0 if done and not failed else 1
    say("the files that they are in, once more, in a new process:")
    options = [part for part in command[3:] if part.startswith("-") or not (ROOT / part.split("::")[0]).exists()]
    again = subprocess.run(
        [*command[:3], *options, "-n", "0", "-o", "faulthandler_exit_on_timeout=true", *files], cwd=ROOT, env=child
    )
    return again.returncode or (1 if failed else 0)


def end(started):
    """End the process and what it started: it leads a session of its own."""
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL) if hasattr(os, "killpg") else started.kill()
        started.wait()


def main(arguments):
    everything = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    command = [sys.executable, "-m", "pytest", *pytest_arguments(everything, rest)]
    if not chosen(rest):
        say("unit tests, lint, the build check, the Colab-alike environment, JupyterLab in a browser, and")
        if everything:
            say("every notebook of both folders, with nbval and with papermill, at the laptop profile: this takes a while")
        else:
            say("every cell of chapters/ with nbval and every notebook of solutions/ with papermill, at the smoke profile")
    say(" ".join(command[2:]))
    with tempfile.TemporaryDirectory(prefix="mmlearn-test-") as scratch:
        child = environment(everything, Path(scratch))
        say(f"one thread a process; Jupyter's files and progress in {scratch}; started {time.strftime('%H:%M:%S')}")
        return run(command, child, Path(scratch) / "journal")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
