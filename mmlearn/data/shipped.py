"""The files that come with the course: in data/ of a clone, and inside the installed package.

    from mmlearn.data import read_folder, shipped

    train = read_folder(shipped.folder("world") / "train")       # 128 pictures with captions, questions, boxes
    shipped.folder("models") / "world-resnet"                     # a small encoder that transformers' AutoModel reads

What it is, how it was made and under which licence, is in the README.md beside it: ``folder("world").parent / "README.md"``.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path

NAMES = ("world", "models")
_DISTRIBUTION = "mmlearn-course"
_PACKAGE = Path(__file__).resolve().parents[1]


def folder(name="world"):
    """The folder of a data set that ships with the course, one of NAMES: a Path.

    A clone's data/ is used where the package lies in a clone (an editable install too), else the copy that is in every wheel.
    Raises ValueError for a name that is none of NAMES, FileNotFoundError where neither place has the folder.

    >>> sorted(path.name for path in folder("world").iterdir() if path.is_dir())
    ['test', 'train', 'validation']
    """
    if name not in NAMES:
        near = get_close_matches(str(name).lower(), NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no data set called {name!r} comes with the course: {hint}There is {', '.join(NAMES)}")
    beside, inside = _PACKAGE.parent / "data" / name, _PACKAGE / "shipped" / name
    if _is_clone(_PACKAGE.parent) and beside.is_dir():
        return beside
    if inside.is_dir():
        return inside
    target = "data" if name == "world" else name
    raise FileNotFoundError(
        f"the data set {name!r} that comes with the course is not here: neither {beside}, where a clone has it, nor {inside}, "
        f"where an installed package has it. In a clone, run  make {target}  (or  git restore data); else install the course anew"
    )


def _is_clone(root):
    """True for the course's own repository; beside an installed package, a folder called data may be anybody's."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == _DISTRIBUTION
