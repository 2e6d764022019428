"""What every test shares: a clean environment, and the order in which the slow ones start."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# A machine that is busy makes a drawn example slow, not wrong.
hypothesis.settings.register_profile("mmlearn", deadline=None, print_blob=True)
hypothesis.settings.load_profile("mmlearn")

FIRST = ("colab", "browser", "notebook")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    """No setting of the reader's own reaches a test, and no test reaches the reader's progress file."""
    for name in [name for name in os.environ if name.startswith("MMLEARN_") and not name.startswith("MMLEARN_TEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MMLEARN_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))


@pytest.fixture(scope="session")
def root():
    """The repository's folder."""
    return ROOT


def rank(item):
    """Minutes first, milliseconds last: two workers then finish at about the same time."""
    for place, marker in enumerate(FIRST):
        if item.get_closest_marker(marker) or (marker == "notebook" and item.path.suffix == ".ipynb"):
            return place
    return len(FIRST)


def pytest_collection_modifyitems(items):
    items.sort(key=rank)
