"""Running chapters with papermill: several at once, only what changed, and never a half-written file in the output folder.

Each chapter runs in a process of its own, in an empty folder. Its notebook and page are made in a hidden folder beside the output
and moved there complete; results.json, which remembers what was run, comes last.
"""

import hashlib
import importlib.metadata
import json
import logging
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from mmlearn.course.errors import CourseError
from mmlearn.course.execute import notebook_folder
from mmlearn.course.notebook import code_cells, first_line, read, write_atomically
from mmlearn.course.report import report

RESULTS = "results.json"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MMLEARN_THREADS"), "1")
_DEAD_KERNEL = 138  # papermill's exit code for it
_WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Result:
    """How one chapter's run ended. `status` is passed, failed or interrupted; `cell` is where it failed."""

    chapter: str
    title: str
    status: str
    seconds: float
    cells: int
    when: str = ""
    fingerprint: str = ""
    cell: str = ""
    error: str = ""
    page: str = ""
    note: str = ""
    unchanged: bool = False


class Runs:
    """One `mmlearn run`: which chapters, at which profile, into which folder, and the processes that it has started.

    on_cell(name, done, total) is called as a chapter proceeds, on_result(result) when it has ended; both from other threads.
    """

    def __init__(self, profile, output, jobs=1, on_cell=lambda name, done, total: None, on_result=lambda result: None):
        self.profile, self.output, self.jobs = profile, Path(output), jobs
        self.on_cell, self.on_result = on_cell, on_result
        self._remembered = remembered(self.output)
        self._processes, self._stopped, self._lock = set(), threading.Event(), threading.Lock()

    def run(self, chapters, force=False):
        """Run {Chapter: Path of its notebook}; what has passed before and is unchanged since is skipped unless `force`.

        returns: a Result for each chapter, in order. Ctrl-C ends the processes; the chapters that it cut off are `interrupted`.
        """
        self._check_output(chapters)
        digests = {chapter: fingerprint(path, self.profile) for chapter, path in chapters.items()}
        results = {} if force else {chapter: old for chapter in chapters if (old := self._unchanged(chapter, digests[chapter]))}
        for result in results.values():
            self.on_result(result)
        waiting = [chapter for chapter in chapters if chapter not in results]
        threads = _ONE_THREAD if min(self.jobs, len(waiting)) > 1 else {}
        self.output.parent.mkdir(parents=True, exist_ok=True)
        _remove_old_drafts(self.output)
        drafts = tempfile.TemporaryDirectory(prefix=f".{self.output.name}-", dir=self.output.parent, ignore_cleanup_errors=True)
        with drafts as draft, ThreadPoolExecutor(self.jobs) as pool:
            futures = {
                chapter: pool.submit(self._run_one, chapter, chapters[chapter], digests[chapter], Path(draft), threads)
                for chapter in waiting
            }
            try:
                wait(futures.values())
            except KeyboardInterrupt:
                self._stop()
            results |= {chapter: future.result() for chapter, future in futures.items()}
        return [results[chapter] for chapter in chapters]

    def _check_output(self, chapters):
        if self.output.exists() and not self.output.is_dir():
            raise CourseError(f"the output {self.output} is a file; give a folder")
        if any(path.resolve().parent == self.output.resolve() for path in chapters.values()):
            raise CourseError(f"the output folder {self.output} is where the notebooks themselves lie; give another one")

    def _unchanged(self, chapter, digest):
        old = self._remembered.get(chapter.name)
        files = [f"{chapter.name}.ipynb", old.page] if old and old.page else [f"{chapter.name}.ipynb"]
        if old and old.status == "passed" and old.fingerprint == digest and all((self.output / name).exists() for name in files):
            return replace(old, unchanged=True)
        return None

    def _run_one(self, chapter, source, digest, draft, threads):
        target = draft / source.name
        cells = len(code_cells(read(source)))
        began = time.monotonic()
        if self._stopped.is_set():
            return Result(chapter.name, chapter.title, "interrupted", 0, cells)
        code, log = self._papermill(chapter, source, target, threads)
        result = Result(
            chapter=chapter.name,
            title=chapter.title,
            status="interrupted" if self._stopped.is_set() else "failed" if code else "passed",
            seconds=round(time.monotonic() - began, 1),
            cells=cells,
            when=datetime.now().astimezone().isoformat(timespec="seconds"),
            fingerprint=digest,
        )
        if result.status == "failed":
            cell, error = failure(source, target, code, log)
            result = replace(result, cell=cell, error=error)
        if result.status != "interrupted":
            result = self._publish(result, target)
            self.on_result(result)
        return result

    def _papermill(self, chapter, source, target, threads):
        """Run a notebook; returns papermill's exit code and the end of its log."""
        total, log = len(read(source).cells) + 1, []  # papermill adds a cell with the profile
        with notebook_folder() as (folder, environment):
            options = [
                "--cwd",
                folder,
                "--kernel",
                "python3",
                "--language",
                "python",
                "--log-output",
                "--no-progress-bar",
                "-r",
                "profile",
                self.profile,
            ]
            process = subprocess.Popen(
                [sys.executable, "-m", "papermill", str(source), str(target), *options],
                env=environment | threads | {"MMLEARN_PROFILE": self.profile},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C reaches us alone; we end the chapters ourselves
            )
            with self._lock:
                self._processes.add(process)
                if self._stopped.is_set():
                    process.terminate()
            for line in process.stdout:
                log = [*log[-20:], line.rstrip()]
                if ended := re.fullmatch(r"Ending Cell (\d+)-+", line.strip()):
                    self.on_cell(chapter.name, int(ended[1]), total)
            code = process.wait()
            with self._lock:
                self._processes.discard(process)
        return code, log

    def _stop(self):
        with self._lock:
            self._stopped.set()
            running = list(self._processes)
            for process in running:
                process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def _publish(self, result, notebook):
        """Move a chapter's notebook and page into the output folder and rewrite results.json and index.html."""
        self.output.mkdir(parents=True, exist_ok=True)
        if notebook.exists():
            result = _with_page(result, notebook)
            for path in (notebook, notebook.with_suffix(".html")):
                if path.exists():
                    path.replace(self.output / path.name)
        with self._lock:
            self._remembered[result.chapter] = result
            ordered = [self._remembered[name] for name in sorted(self._remembered)]
            record = json.dumps([asdict(one) for one in ordered], indent=1, ensure_ascii=False)
            write_atomically(self.output / RESULTS, record + "\n")
            write_atomically(self.output / "index.html", report(ordered, self.profile))
        return result


def fingerprint(path, profile):
    """What a chapter's result depends on, in one short text: the notebook's cells, the profile, our package and torch."""
    parts = [profile, importlib.metadata.version("torch"), *(cell.source for cell in read(path).cells)]
    package = Path(__file__).resolve().parents[1]
    parts += [source.read_text(encoding="utf-8") for source in sorted(package.rglob("*.py"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def remembered(output):
    """The results of earlier runs into this folder, {chapter name: Result}; none when the file is missing or damaged."""
    try:
        return {entry["chapter"]: Result(**entry) for entry in json.loads((output / RESULTS).read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def failure(source, executed, code, log):
    """Where and why a run failed: ("cell [7] (id 3fa2b1c0) 'loss.backward()'", "RuntimeError: …")."""
    try:
        ran = {cell["id"]: cell for cell in code_cells(read(executed))}
    except CourseError:
        ran = {}
    where, why = "before its first cell", _last_words(log, code)
    for number, cell in enumerate(code_cells(read(source)), start=1):
        done = ran.get(cell["id"])
        if done is None or not done.metadata.get("papermill", {}).get("start_time"):
            continue
        where = f"cell [{number}] (id {cell['id']}) {first_line(cell.source)!r}"
        for error in (output for output in done.outputs if output.output_type == "error"):
            return where, f"{error.ename}: {error.evalue}".removesuffix(": ")
    return where, "the kernel died; was there enough memory?" if code == _DEAD_KERNEL else why


def _last_words(log, code):
    return next((line.strip() for line in reversed(log) if line.strip()), f"papermill ended with exit code {code}")


def _with_page(result, notebook):
    """Convert the executed notebook to a page beside it; a failure to do so becomes a note."""
    try:
        import nbformat
        from nbconvert import HTMLExporter

        logging.getLogger("traitlets").setLevel(logging.ERROR)  # nbconvert would speak between the progress bars
        resources = {"metadata": {"name": f"{result.chapter} · {result.title}"}}
        html, _ = HTMLExporter().from_notebook_node(nbformat.read(notebook, as_version=4), resources)
        notebook.with_suffix(".html").write_text(html, encoding="utf-8")
    except Exception as problem:  # whatever a template engine raises: the chapter itself has run
        return replace(result, note=f"no page could be made of the notebook: {type(problem).__name__}: {problem}")
    return replace(result, page=notebook.with_suffix(".html").name)


def _remove_old_drafts(output):
    """Runs that were killed leave their hidden folder behind. Younger ones may belong to a run that goes on."""
    for draft in output.parent.glob(f".{output.name}-*"):
        if draft.is_dir() and time.time() - draft.stat().st_mtime > _WEEK:
            shutil.rmtree(draft, ignore_errors=True)
