"""The build: solutions/ is the source, chapters/ is written from it, byte for byte the same every time.

`wanted_files` says what each file that the build answers for must contain; writing and checking are the two uses of that answer.
"""

import hashlib

from mmlearn.course import documents, templates
from mmlearn.course.clone import CHAPTERS, SOLUTIONS, notebooks
from mmlearn.course.contents import find
from mmlearn.course.errors import CourseError, nearest
from mmlearn.course.markers import has_markers, has_solution, student_source
from mmlearn.course.normalise import normalise, prune_widgets
from mmlearn.course.notebook import read, tags, text, write_atomically
from mmlearn.course.settings import repository

TAGS = ("badge", "parameters", "setup", "exercise", "check", "predict", "solution-only")

# Cells whose outputs the student's notebook does not show: the answers to exercises, and to "predict, then run".
HIDDEN = {"exercise", "check", "predict"}


def build(root, force=False):
    """Write every file that is not what it should be, and return their paths.

    Raises CourseError before anything is written when a notebook has a mistake, or when a chapter holds somebody's own work (its
    cells were edited since the build wrote it) and `force` is not set.
    """
    stale = {path: content for path, content in wanted_files(root).items() if _content(path) != content}
    edited = [] if force else [path for path in stale if path.parent.name == CHAPTERS and was_edited(path)]
    if edited:
        names = ", ".join(str(path.relative_to(root)) for path in edited)
        raise CourseError(
            f"{names}: edited since `mmlearn build` wrote it, and would be overwritten. Is it your work? Then copy it elsewhere "
            "first. Chapters change through solutions/ alone. `mmlearn build --force` overwrites"
        )
    for path, content in stale.items():
        write_atomically(path, content)
    return list(stale)


def check(root):
    """One line for each thing that `mmlearn build` would change or cannot mend: an empty list when all is well."""
    problems = [
        f"{path.relative_to(root)}: {'stale' if path.exists() else 'missing'}; run mmlearn build"
        for path, content in wanted_files(root).items()
        if _content(path) != content
    ]
    return problems + superfluous(root) + documents.problems(root)


def superfluous(root):
    """One line for each notebook in chapters/ that no solution stands behind."""
    sources = {path.name for path in notebooks(root, SOLUTIONS).values()}
    orphans = sorted(path for path in (root / CHAPTERS).glob("*.ipynb") if path.name not in sources)
    return [
        f"{CHAPTERS}/{path.name}: superfluous, there is no {SOLUTIONS}/{path.name}; delete it or move it away" for path in orphans
    ]


def wanted_files(root):
    """What each file that the build answers for must contain: {path: text}.

    Raises CourseError naming notebook and cell for every mistake in the solutions.
    """
    address = repository(root)
    _check_names(root)
    files, mistakes = {}, []
    for chapter, path in notebooks(root, SOLUTIONS).items():
        try:
            solution = solution_notebook(path, chapter, address, root)
            files[path] = text(solution)
            files[root / CHAPTERS / path.name] = text(student_notebook(solution, f"{SOLUTIONS}/{path.name}"))
        except CourseError as mistake:
            mistakes.append(str(mistake))
    if mistakes:
        raise CourseError("\n".join(mistakes))
    return files | documents.wanted_documents(root, address)


def _check_names(root):
    for path in sorted((root / SOLUTIONS).glob("*.ipynb")):
        if find(path.stem).name != path.stem:
            raise CourseError(f"{SOLUTIONS}/{path.name}: the table of contents calls this chapter {find(path.stem).name}")


def solution_notebook(path, chapter, address, root):
    """The notebook of solutions/ as it should be: generated cells of today's templates, normalised."""
    solution = read(path)
    templates.fill(solution, chapter, address, f"{SOLUTIONS}/{path.name}")
    normalise(solution, path.stem, folders=[root])
    solution.metadata.pop("mmlearn", None)
    return solution


def student_notebook(solution, where):
    """The notebook of chapters/: exercises without solutions, no outputs where the reader is to find out, all else as it is.

    where: the solution's name in error messages
    """
    import nbformat

    student = nbformat.from_dict(solution)
    student.cells = [cell for cell in map(nbformat.from_dict, solution.cells) if "solution-only" not in tags(cell)]
    for cell in solution.cells:
        _check_tags(cell, f"{where}, cell {cell['id']}")
    for cell in student.cells:
        if cell.cell_type != "code":
            continue
        source = student_source(cell.source, f"{where}, cell {cell['id']}")
        if source != cell.source or tags(cell) & HIDDEN:
            cell.update(source=source, outputs=[], execution_count=None)
    student.cells = [cell for cell in student.cells if cell.source or "nbgrader" in cell.metadata or cell.cell_type != "code"]
    prune_widgets(student)
    student.metadata["mmlearn"] = {"generated_from": where, "sha256": _fingerprint(student)}
    return student


def _check_tags(cell, where):
    """Refuse what would show a solution to students: a misspelt tag, markers without their tag, a tag without its markers."""
    for tag in tags(cell) - set(TAGS):
        if close := [name for name in nearest(tag.replace("_", "-"), TAGS) if len(tag) > 3 and abs(len(name) - len(tag)) < 3]:
            raise CourseError(f"{where}: unknown tag {tag!r}; did you mean {close[0]!r}?")
    if "solution-only" in tags(cell):
        return
    if cell.cell_type != "code" and has_markers(cell.source):
        raise CourseError(f"{where}: markers work in code cells alone; tag this {cell.cell_type} cell 'solution-only' instead")
    if cell.cell_type == "code" and has_solution(cell.source) != ("exercise" in tags(cell)):
        holds, lacks = (
            ("a solution", "the tag 'exercise'")
            if has_solution(cell.source)
            else ("the tag 'exercise'", "a solution between markers")
        )
        raise CourseError(f"{where}: it has {holds} and not {lacks}; an exercise needs both")


def was_edited(path):
    """True when the chapter's cells are not those that the build wrote: somebody has worked in it."""
    if not path.exists():
        return False
    try:
        chapter = read(path)
    except CourseError:
        return True
    return chapter.metadata.get("mmlearn", {}).get("sha256") != _fingerprint(chapter)


def _fingerprint(notebook):
    return hashlib.sha256("\0".join(cell.source for cell in notebook.cells).encode()).hexdigest()[:16]


def _content(path):
    """The file's text, line ends as they are; None when there is no such file."""
    return path.read_bytes().decode("utf-8", errors="replace") if path.exists() else None
