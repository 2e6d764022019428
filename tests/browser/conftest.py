"""JupyterLab on loopback, driven in headless Chromium the way a student drives it."""

import contextlib
import html
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mmlearn.course.clone import CHAPTERS
from mmlearn.course.jupyter import lab_command

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOCAL = re.compile(r"(data|blob|about):|(http|ws)://127\.0\.0\.1[:/]")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
SECONDS = 120
MS = 1000 * SECONDS

# `app` is JupyterLab's application object, `panel` the open notebook.
PANEL = "const app = window.jupyterapp, panel = app.shell.currentWidget, cells = panel.content.widgets;"


class Lab:
    """One JupyterLab page. A cell is named by its place in the notebook; what it holds is a dict, see `cells`."""

    def __init__(self, page, address, token):
        self.page, self.address, self.token = page, address, token
        self.foreign, self.page_errors = [], []
        page.on("request", lambda request: self.note(request.url))
        page.on("websocket", lambda socket: self.note(socket.url))
        page.on("pageerror", lambda error: self.page_errors.append(str(error)[:300]))

    def note(self, url):
        if not LOCAL.match(url):
            self.foreign.append(url.split("?")[0])

    def script(self, body, argument=None):
        return self.page.evaluate(f"async (argument) => {{ {PANEL} {body} }}", argument)

    def open(self, name):
        """Double-click the notebook in the file browser and wait for its kernel."""
        self.page.goto(f"{self.address}/lab/tree/{CHAPTERS}?reset&token={self.token}")
        self.page.locator(".jp-DirListing-item", has_text=name).dblclick(timeout=MS)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=MS)
        self.script("await panel.context.ready; await panel.sessionContext.ready;")
        self.script("await panel.sessionContext.session.kernel.info;")

    def run_all(self):
        self.script("await app.commands.execute('notebook:run-all-cells');")

    def cells(self):
        """The notebook as it now stands: type, tags, source, execution count and outputs of every cell."""
        return self.script(
            """return cells.map(cell => ({
                 type: cell.model.type, source: cell.model.sharedModel.getSource(),
                 tags: cell.model.getMetadata('tags') || [], count: cell.model.executionCount ?? null,
                 outputs: cell.model.type === 'code' ? cell.model.outputs.toJSON() : [] }));"""
        )

    def show(self, place):
        """Scroll to a cell: JupyterLab draws only what is in view."""
        self.script("panel.content.activeCellIndex = argument; await panel.content.scrollToItem(argument, 'start');", place)
        cell = self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{place}']")
        cell.wait_for(timeout=MS)
        return cell

    def type_into(self, place, source):
        """Replace a cell's text through its editor, as a reader would."""
        cell = self.show(place)
        editor = cell.locator(".cm-content").first
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        assert self.cells()[place]["source"].strip() == source.strip()

    def run_cell(self, place):
        self.show(place)
        self.script(
            """panel.content.deselectAll(); panel.content.activeCellIndex = argument;
               await app.commands.execute('notebook:run-cell');""",
            place,
        )
        return self.cells()[place]

    @staticmethod
    def text(cell):
        """Everything readable in a cell's outputs."""
        pieces = []
        for output in cell["outputs"]:
            data = output.get("data", {})
            pieces += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", ""), output.get("evalue", "")]
        return html.unescape("\n".join("".join(piece) for piece in pieces))

    @staticmethod
    def errors(cells):
        """Every error output, with its cell's place."""
        return [
            f"cell {place}: {output['ename']}: {output['evalue']}"
            for place, cell in enumerate(cells)
            for output in cell["outputs"]
            if output["output_type"] == "error"
        ]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(server, url, log):
    limit = time.monotonic() + SECONDS
    while time.monotonic() < limit:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.2)
            break
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def jupyterlab(root, scratch):
    """What `mmlearn lab` starts, on `root` and with its settings in `scratch`; yields its address and token."""
    port, token = free_port(), secrets.token_hex(16)
    address, log = f"http://127.0.0.1:{port}", scratch / "lab.log"
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_DATA_DIR": str(scratch / "data"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "IPYTHONDIR": str(scratch / "ipython"),
        "MMLEARN_PROFILE": "smoke",
        "MMLEARN_PROGRESS": str(scratch / "progress.json"),
        "OMP_NUM_THREADS": "1",
    }
    options = (
        "--ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
    )
    command = lab_command(root, browser=False, port=port, options=options)
    with open(log, "w") as out:
        server = subprocess.Popen(
            command, cwd=root, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until_up(server, f"{address}/api?token={token}", log)
        yield address, token
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make test`")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed (on Debian or Ubuntu: sudo apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def open_lab(chromium, tmp_path):
    """open_lab(root) → Lab; root/chapters holds the notebooks. Server and page end with the test, and last.png is kept."""
    with contextlib.ExitStack() as stack:

        def start(root: Path):
            address, token = stack.enter_context(jupyterlab(root, tmp_path))
            page = chromium.new_page(viewport={"width": 1300, "height": 1000})
            stack.callback(page.close)
            stack.callback(page.screenshot, path=str(tmp_path / "last.png"))
            page.set_default_timeout(MS)
            return Lab(page, address, token)

        yield start
