"""Running the solutions in place, so that the course ships with the outputs of its laptop profile."""

import os
import subprocess
import tempfile
from contextlib import contextmanager

from mmlearn.course.errors import CourseError
from mmlearn.course.normalise import normalise
from mmlearn.course.notebook import code_cells, first_line, read, text, write_atomically

SECONDS_PER_CELL = 1200


def execute_in_place(path, root, on_cell=lambda done, total: None):
    """Run a notebook from top to bottom at the laptop profile and store its outputs in the file.

    on_cell: called after every code cell with the number of code cells done and of all code cells
    Raises CourseError naming the cell and its error, and then leaves the file as it was.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = read(path)
    cells = code_cells(notebook)
    with notebook_folder() as (folder, environment):
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            on_cell_start=lambda cell, cell_index: started.append(cell),
            on_cell_executed=lambda cell, cell_index, execute_reply: on_cell(len(started), len(cells)),
        )
        started = []
        try:
            client.execute(env=environment | {"MMLEARN_PROFILE": "laptop"}, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            raise _failure(path, cells, started, f"{error.ename}: {error.evalue}") from None
        except CellTimeoutError:
            raise _failure(path, cells, started, f"not done after {SECONDS_PER_CELL} s") from None
        except DeadKernelError:
            raise _failure(path, cells, started, "the kernel died; was there enough memory?") from None
        normalise(notebook, path.stem, folders=[root, folder])
    write_atomically(path, text(notebook))


@contextmanager
def notebook_folder():
    """An empty folder to run a notebook in, and an environment that keeps the run away from the reader's own progress."""
    with tempfile.TemporaryDirectory(prefix="mmlearn-", ignore_cleanup_errors=True) as folder:
        yield (
            folder,
            {**os.environ, "MMLEARN_PROGRESS": os.path.join(folder, ".progress.json"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        )


def _failure(path, cells, started, error):
    cell = started[-1]
    return CourseError(f"{path.name}, cell [{cells.index(cell) + 1}] (id {cell['id']}), {first_line(cell.source)!r}: {error}")
