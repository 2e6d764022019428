"""What every test shares: a clean environment, and the order in which the slow ones start."""

import json
import os
import signal
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# A machine that is busy makes a drawn example slow, not wrong. `make test` draws the same examples each time, so that it judges
# the change and not the draw; `make test-all` looks for new ones.
hypothesis.settings.register_profile(
    "mmlearn", deadline=None, print_blob=True, derandomize=not os.environ.get("MMLEARN_TEST_ALL")
)
hypothesis.settings.load_profile("mmlearn")

FIRST = ("colab", "browser", "notebook")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path_factory):
    """No setting of the reader's own reaches a test, and no test reaches the reader's progress file."""
    for name in [name for name in os.environ if name.startswith("MMLEARN_") and not name.startswith("MMLEARN_TEST_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MMLEARN_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C, here and in what is started from here, also where the tests run in the background.

    There a process begins with Ctrl-C ignored, and hands that on to its children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def root():
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def real():
    """A function: the path of public data, as "fsdd/recordings" → the folder of the real files, which tests only read.

    It skips the test where they are absent: they come with no clone. MMLEARN_TEST_DATA says where they are.
    """
    data = Path(os.environ.get("MMLEARN_TEST_DATA", ROOT.parent / "shared" / "realdata"))

    def folder(path):
        if not (data / path).is_dir():
            pytest.skip(f"the real files of {path} are not at {data}: set MMLEARN_TEST_DATA to the folder that holds {path}/")
        return data / path

    return folder


def rank(item):
    """Minutes first, milliseconds last: two workers then finish at about the same time."""
    for place, marker in enumerate(FIRST):
        if item.get_closest_marker(marker) or (marker == "notebook" and item.path.suffix == ".ipynb"):
            return place
    return len(FIRST)


def pytest_collection_modifyitems(items):
    items.sort(key=rank)


class Journal:
    """Writes what is to be run and how each test ended, a line each: tools/test.py reads it should the run come to a stand."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def write(self, kind, names):
        self.file.write(json.dumps([kind, names]) + "\n")

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node, ids):
        self.write("collected", ids)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.write("failed", [report.nodeid])
        if report.when == "teardown":
            self.write("done", [report.nodeid])


def pytest_configure(config):
    path = os.environ.get("MMLEARN_TEST_JOURNAL")
    if path and not hasattr(config, "workerinput"):  # in the process that hears of every test
        config.pluginmanager.register(Journal(path))
