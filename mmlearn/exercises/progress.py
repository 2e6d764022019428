"""The progress file: which exercises were tried, passed, hinted; small JSON, safe against kernels that write at once.

    {"04": {"im2col": {"status": "passed", "attempts": 3, "hints": 1, "when": "2026-03-01T10:00:00+00:00"}}}

It lies in the platform's user data folder, or where the environment variable MMLEARN_PROGRESS says. Imports no torch.
"""

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from mmlearn.atomic import write_atomically

try:
    import fcntl
except ImportError:  # Windows has no fcntl: two kernels that write within the same millisecond may lose one attempt there
    fcntl = None

_unsaved = {}  # by file: what could not be written there, kept for this process
_said = set()


def path():
    """Where progress is kept."""
    if os.environ.get("MMLEARN_PROGRESS"):
        return Path(os.environ["MMLEARN_PROGRESS"]).expanduser()
    import platformdirs

    return platformdirs.user_data_path("mmlearn", appauthor=False) / "progress.json"


def load():
    """Everything kept so far: ``{"04": {"im2col": {"status": "passed", "attempts": 3, …}}}``; empty at first. Never raises."""
    return _merge(_read(path()), _unsaved.get(path(), {}))


def record(chapter, name, *, status=None, hints=0, solution=False):
    """Add to one exercise's entry: a check's status ("passed" or "failed", one attempt each), hints seen, solution seen.

    Once passed stays passed. When the file cannot be written, says so once and keeps the entry in memory.
    """
    target = path()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            kept = _merge(_read(target), _unsaved.get(target, {}))
            _add(kept, chapter, name, status, hints, solution)
            text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
            write_atomically(target, text, mode=0o600)  # nobody else's business
        _unsaved.pop(target, None)
    except OSError as error:
        _say(f"Progress cannot be saved in {target} ({error.strerror or error}); it is kept until this kernel stops.")
        kept = load()
        _add(kept, chapter, name, status, hints, solution)
        _unsaved.setdefault(target, {}).setdefault(chapter, {})[name] = kept[chapter][name]


def summary():
    """One row for each exercise of the course, in order, tried or not.

    returns: list of dicts with chapter, name, title, status ("passed", "failed", "untouched"), attempts, hints, solution, when
    """
    kept, declared = load(), _declared()
    rows = [_row(task.chapter, task.name, task.title, kept.get(task.chapter, {}).get(task.name, {})) for task in declared]
    elsewhere = sorted(set(kept) - {task.chapter for task in declared})  # chapters that this version has not got
    rows += [_row(chapter, name, name, entry) for chapter in elsewhere for name, entry in kept[chapter].items()]
    return sorted(rows, key=lambda row: row["chapter"])


def _declared():
    try:
        from .catalogue import all_exercises

        return all_exercises()
    except ImportError:  # a broken torch must not hide what was achieved
        return []


def _row(chapter, name, title, entry):
    blank = {"status": "untouched", "attempts": 0, "hints": 0, "solution": False, "when": None}
    return {"chapter": chapter, "name": name, "title": title, **blank, **entry}


def _add(kept, chapter, name, status, hints, solution):
    entry = kept.setdefault(chapter, {}).setdefault(name, {"status": "untouched", "attempts": 0, "hints": 0})
    entry["when"] = datetime.now(UTC).isoformat(timespec="seconds")
    entry["hints"] = max(entry.get("hints", 0), hints)
    if solution:
        entry["solution"] = True
    if status:
        entry["attempts"] = entry.get("attempts", 0) + 1
        entry["status"] = "passed" if "passed" in (status, entry.get("status")) else status


def _merge(kept, ours):
    for chapter, entries in ours.items():
        for name, entry in entries.items():
            other = kept.setdefault(chapter, {}).get(name, {})
            merged = {**other, **entry}
            merged["attempts"] = max(other.get("attempts", 0), entry.get("attempts", 0))
            merged["hints"] = max(other.get("hints", 0), entry.get("hints", 0))
            if "passed" in (other.get("status"), entry.get("status")):
                merged["status"] = "passed"
            kept[chapter][name] = merged
    return kept


def _read(source):
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, UnicodeDecodeError):
            _set_aside(source)
        return {}
    try:
        kept = json.loads(text)
        if all(_is_entry(entry) for entries in kept.values() for entry in entries.values()):
            return kept
    except (ValueError, AttributeError):
        pass
    _set_aside(source)
    return {}


def _is_entry(entry):
    return isinstance(entry, dict) and all(isinstance(entry.get(key, 0), int) for key in ("attempts", "hints"))


def _set_aside(source):
    aside = source.with_name(source.name + ".damaged")
    with contextlib.suppress(OSError):
        os.replace(source, aside)
        _say(f"The progress file {source} was damaged; it is kept as {aside.name} and a new one begins.")


@contextlib.contextmanager
def _locked(target):
    if fcntl is None:
        yield
        return
    with open(target.with_name(target.name + ".lock"), "w") as file:
        with contextlib.suppress(OSError):  # a network folder without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(text):
    if text not in _said:
        _said.add(text)
        print(text, file=sys.stderr)
