"""Reading and writing notebook files, so that equal notebooks are equal bytes."""

import hashlib
from pathlib import Path

from mmlearn import atomic
from mmlearn.course.errors import CourseError


def read(path):
    """The notebook in `path`, in format 4 with an id for every cell.

    Raises CourseError for a file that is no such notebook, and for two cells of one id.
    """
    import nbformat

    try:
        notebook = nbformat.v4.reads(Path(path).read_text(encoding="utf-8"))
        is_version_4 = notebook["nbformat"] == 4 and isinstance(notebook["cells"], list)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CourseError(f"{path} cannot be read as a notebook ({type(problem).__name__}: {problem})") from None
    if not is_version_4:
        raise CourseError(f"{path} is a notebook of an old format: open it in JupyterLab and save it")
    _give_ids(notebook, Path(path).stem)
    ids = [cell["id"] for cell in notebook.cells]
    doubled = sorted({id for id in ids if ids.count(id) > 1})
    if doubled:
        raise CourseError(f"{path}: several cells have the id {doubled[0]}; give each its own")
    return notebook


def _give_ids(notebook, stem):
    """Old notebooks have no ids. The new ones depend on nothing but the cell's place, so that every machine gives the same."""
    for index, cell in enumerate(notebook.cells):
        if "id" not in cell:
            cell["id"] = hashlib.sha256(f"{stem}:{index}".encode()).hexdigest()[:8]
    notebook["nbformat_minor"] = max(5, notebook["nbformat_minor"])


def text(notebook):
    """The notebook as the text of its file."""
    import nbformat

    return nbformat.v4.writes(notebook).rstrip("\n") + "\n"


def write_atomically(path, content):
    """Put `content` (text) into `path`, in folders made as needed: all of it or, when the process dies on the way, nothing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_atomically(path, content)


def tags(cell):
    """The tags of a cell, as a set."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook):
    """The code cells, in order: number n of them is the one JupyterLab shows as [n] after a run from top to bottom."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def first_line(source):
    """The first line of a cell that says something: not empty, not only a comment."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("#")), lines[0] if lines else "(empty cell)")
