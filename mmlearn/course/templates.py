"""The cells that every notebook has and nobody writes by hand: badge, parameters, set-up.

An author puts an empty cell with the tag where the cell shall stand; `mmlearn build` fills it, and fills it anew when a template
or the course's address has changed.
"""

from mmlearn.course.errors import CourseError
from mmlearn.course.notebook import tags
from mmlearn.course.settings import PROFILES, colab_badge, install_line

_PARAMETERS = 'profile = "laptop"  # {profiles}'

_SETUP = """\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules and not find_spec("mmlearn"):  # what Colab ships stays as it is
    %pip install -q "{install}"

try:
    from mmlearn.course import begin
except ImportError as problem:
    other = "another project's mmlearn is installed here: pip uninstall mmlearn\\n"
    raise ImportError(
        f"this notebook needs the course's package ({{problem}})\\n"
        + (other if problem.name == "mmlearn.course" else "")
        + "in a clone of {address}: make lab\\n"
        "elsewhere: pip install '{install}'\\n"
        "then restart the kernel; for other causes: mmlearn doctor"
    ) from None

run = begin("{number}", profile)"""


def generated_sources(chapter, address):
    """What the chapter's generated cells contain: {tag: (cell type, source)}."""
    install = install_line(address)
    profiles = ", ".join(f'"{name}"' for name in PROFILES[:-1]) + f' or "{PROFILES[-1]}"'
    return {
        "badge": ("markdown", colab_badge(chapter, address)),
        "parameters": ("code", _PARAMETERS.format(profiles=profiles)),
        "setup": ("code", _SETUP.format(install=install, address=address, number=chapter.number)),
    }


def fill(notebook, chapter, address, where):
    """Write the templates into the notebook's cells tagged badge, parameters and setup.

    Raises CourseError when one of them is missing, doubled or of the wrong type.
    """
    for tag, (cell_type, source) in generated_sources(chapter, address).items():
        tagged = [cell for cell in notebook.cells if tag in tags(cell)]
        if len(tagged) != 1:
            found = "no cell" if not tagged else f"{len(tagged)} cells ({', '.join(cell['id'] for cell in tagged)})"
            raise CourseError(f"{where}: {found} tagged {tag!r}; it needs one {cell_type} cell with this tag, which may be empty")
        if tagged[0].cell_type != cell_type:
            raise CourseError(
                f"{where}, cell {tagged[0]['id']}: tagged {tag!r} and of type {tagged[0].cell_type}; make it {cell_type}"
            )
        tagged[0].source = source
