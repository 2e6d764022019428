"""Starting JupyterLab."""

import json
import sys
from pathlib import Path

import pytest

from mmlearn.course import jupyter
from mmlearn.course.jupyter import lab_command

ROOT = Path("/clone")


@pytest.fixture(autouse=True)
def ordinary_user(monkeypatch):
    monkeypatch.setattr(jupyter, "_is_superuser", lambda: False)


def test_lab_opens_the_list_of_chapters_with_the_clone_as_its_root():
    command = lab_command(ROOT)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.root_dir=/clone" in command
    assert "--LabApp.default_url=/lab/tree/chapters" in command
    assert "--no-browser" not in command


def test_lab_asks_for_neither_news_nor_updates():
    command = lab_command(ROOT)
    assert "--LabApp.news_url=None" in command
    assert f"--LabApp.app_settings_dir={jupyter.SETTINGS}" in command
    (settings,) = json.loads((jupyter.SETTINGS / "overrides.json").read_text()).values()
    assert settings == {"fetchNews": "false", "checkForUpdates": False}
    assert "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate" in command


def test_a_notebook_and_options_are_passed_on_in_order():
    command = lab_command(ROOT, Path("/clone/chapters/04-convolution.ipynb"), False, 9999, ["--ip", "0.0.0.0", "--debug"])
    assert "--LabApp.default_url=/lab/tree/chapters/04-convolution.ipynb" in command
    assert command[-5:] == ["--no-browser", "--port=9999", "--ip", "0.0.0.0", "--debug"]


def test_the_superuser_of_a_container_may_start_it(monkeypatch):
    monkeypatch.setattr(jupyter, "_is_superuser", lambda: True)
    assert lab_command(ROOT).count("--allow-root") == 1
    assert lab_command(ROOT, options=["--allow-root"]).count("--allow-root") == 1
