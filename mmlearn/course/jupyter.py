"""Starting JupyterLab on the course."""

import os
import subprocess
import sys
from pathlib import Path

from mmlearn.course.clone import CHAPTERS

SETTINGS = Path(__file__).parent / "lab_settings"  # the course's defaults; what a reader chooses in JupyterLab goes first


def lab_command(root, notebook=None, browser=True, port=None, options=()):
    """The command that starts JupyterLab with the clone as its root, works offline, and opens `notebook` or the list of chapters.

    options: more arguments for Jupyter, passed on as they are
    """
    target = f"{CHAPTERS}/{notebook.name}" if notebook else CHAPTERS
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{target}",
        f"--LabApp.app_settings_dir={SETTINGS}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    if not browser:
        command.append("--no-browser")
    if port is not None:
        command.append(f"--port={port}")
    if _is_superuser() and "--allow-root" not in options:
        command.append("--allow-root")  # in a container there is often nobody else, and Jupyter would refuse to start
    return [*command, *options]


def _is_superuser():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def become(command):
    """Let this process become `command`, so that signals and the exit code are its own; where that cannot be, wait for it."""
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    raise SystemExit(subprocess.call(command))
