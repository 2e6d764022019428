"""Where the course's files lie: the clone of the repository, its chapters and their solutions."""

import tomllib
from pathlib import Path

from mmlearn.course.contents import CONTENTS, find
from mmlearn.course.errors import CourseError

DISTRIBUTION = "mmlearn-course"
CHAPTERS, SOLUTIONS = "chapters", "solutions"


def find_clone(start=None):
    """The root of the clone: upward from `start` (default: the working directory), else where an editable install points.

    Raises CourseError when there is none, as with a plain wheel, which holds no chapters.
    """
    here = Path(start or Path.cwd()).resolve()
    package = Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, package):
        if _is_clone(folder):
            return folder
    from mmlearn.course.settings import repository

    raise CourseError(
        f"the course's notebooks are not here: neither {here} nor a folder above it is a clone of the course, and the installed "
        f"package holds no notebooks. Get them:  git clone {repository()}  and run the command inside that folder"
    )


def _is_clone(folder):
    try:
        return project(folder).get("name") == DISTRIBUTION
    except (OSError, ValueError, AttributeError):
        return False


def project(root):
    """The [project] table of the clone's pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})


def notebooks(root, folder=CHAPTERS):
    """The chapters that exist in `folder`, in book order, with their notebooks: {Chapter: Path}."""
    paths = {chapter: root / folder / f"{chapter.name}.ipynb" for chapter in CONTENTS}
    return {chapter: path for chapter, path in paths.items() if path.is_file()}


def choose(names, root, folder=CHAPTERS):
    """Those of the existing notebooks that `names` ask for, in book order; all of them when no name is given.

    Raises CourseError for an unknown chapter, and for one that is planned and not written yet.
    """
    existing = notebooks(root, folder)
    wanted = {find(name) for name in names} or set(existing)
    for chapter in sorted(wanted - set(existing)):
        written = ", ".join(existing_one.name for existing_one in existing) or "none"
        raise CourseError(
            f"chapter {chapter.name} is planned and not written yet: no {folder}/{chapter.name}.ipynb. Written: {written}"
        )
    return {chapter: path for chapter, path in existing.items() if chapter in wanted}
