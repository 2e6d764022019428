"""The course's settings: its profiles and its one address.

The address is `[project.urls] Repository` in pyproject.toml and nowhere else; in an installed wheel, the same line of the
package's metadata. `mmlearn build` writes it wherever a reader meets it.
"""

import importlib.metadata
import re

from mmlearn.course.clone import DISTRIBUTION, project
from mmlearn.course.errors import CourseError, unknown

PROFILES = ("smoke", "laptop", "gpu")  # from the smallest to the largest
BRANCH = "main"


def check_profile(name):
    """`name` itself when it is a profile; else a CourseError with the nearest ones."""
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return name


def repository(root=None):
    """The address of the course: from the clone at `root` when given, else from the installed package's metadata."""
    if root is not None:
        address = project(root).get("urls", {}).get("Repository")
    else:
        address = _installed_address()
    if not address or not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address.rstrip("/")):
        raise CourseError(
            f"[project.urls] Repository in pyproject.toml is {address!r}; it must be https://github.com/OWNER/NAME, "
            "since Colab opens notebooks from there"
        )
    return address.rstrip("/").removesuffix(".git")


def _installed_address():
    try:
        lines = importlib.metadata.metadata(DISTRIBUTION).get_all("Project-URL", [])
    except importlib.metadata.PackageNotFoundError:
        return None
    return dict(line.split(", ", 1) for line in lines).get("Repository")


def colab_address(chapter, address):
    """Where Google Colab opens the chapter, from the repository's `address`."""
    owner_and_name = address.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{owner_and_name}/blob/{BRANCH}/chapters/{chapter.name}.ipynb"


def colab_badge(chapter, address):
    """The "Open in Colab" badge of a chapter, in Markdown."""
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open chapter {chapter.number} in Colab]({image})]({colab_address(chapter, address)})"


def install_line(address):
    """What pip needs to install the course's package from its repository."""
    return f"mmlearn-course @ git+{address}"
