"""A bar for each chapter that runs, counting cells."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class CellBars:
    """A context in which chapters report cells done; without a terminal, the line that each ends with is all there is."""

    def __init__(self, console, names):
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("cells"), TimeElapsedColumn())
        self._console = console
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks = {name: self._progress.add_task(name, total=None, start=False) for name in names}

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *exception):
        self._progress.stop()

    def advance(self, name, done, total):
        """So many cells of a chapter are done."""
        task = self._tasks[name]
        self._progress.start_task(task)
        self._progress.update(task, completed=done, total=total)

    def finish(self, result):
        """A chapter has ended: its bar gives way to a line that stays."""
        self._progress.update(self._tasks[result.chapter], visible=False)
        if result.unchanged:
            line = f"– {result.chapter}  unchanged since it passed; --force runs it again"
        else:
            mark = "✓" if result.status == "passed" else "✗"
            line = f"{mark} {result.chapter}  {result.status}, {result.cells} cells, {result.seconds:.1f} s"
        note = f"  ({result.note})" if result.note else ""
        self._progress.console.print(Text(line + note, style="red" if result.status == "failed" else ""), soft_wrap=True)
