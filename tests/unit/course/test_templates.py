"""The generated cells, and what the set-up cell says when it cannot set up."""

import subprocess
import sys

import pytest

from mmlearn.course import templates
from mmlearn.course.contents import find
from mmlearn.course.errors import CourseError
from mmlearn.course.notebook import read

ADDRESS = "https://github.com/somebody/somecourse"


def filled(path):
    notebook = read(path)
    templates.fill(notebook, find("04"), ADDRESS, "solutions/04-convolution.ipynb")
    return {tag: cell.source for cell in notebook.cells for tag in cell.metadata.tags}


def test_badge_and_install_line_carry_the_address_and_the_chapter(clone):
    cells = filled(clone.solution("04"))
    assert "github/somebody/somecourse/blob/main/chapters/04-convolution.ipynb" in cells["badge"]
    assert '%pip install -q "mmlearn-course @ git+https://github.com/somebody/somecourse"' in cells["setup"]
    assert 'run = begin("04", profile)' in cells["setup"]
    assert cells["parameters"] == 'profile = "laptop"  # "smoke", "laptop" or "gpu"'


@pytest.mark.parametrize("tag", ["badge", "parameters", "setup"])
def test_a_missing_or_doubled_cell_is_named(clone, tag):
    kind = "markdown" if tag == "badge" else "code"
    without = [
        clone.cell("", other, kind="markdown" if other == "badge" else "code")
        for other in ("badge", "parameters", "setup")
        if other != tag
    ]
    with pytest.raises(CourseError, match=rf"^solutions/04-convolution\.ipynb: no cell tagged '{tag}'; it needs one {kind} cell"):
        filled(clone.write("04", *without))
    with pytest.raises(CourseError, match=rf"2 cells .* tagged '{tag}'"):
        filled(clone.solution("04", clone.cell("", tag, kind=kind)))


def test_a_generated_cell_of_the_wrong_type_is_named(clone):
    with pytest.raises(CourseError, match=r"cell cell-0: tagged 'badge' and of type code; make it markdown"):
        filled(clone.write("04", clone.cell("", "badge"), clone.cell("", "parameters"), clone.cell("", "setup")))


def run_setup(path):
    """Run the set-up cell in a fresh Python that sees the packages in `path` alone; returns its standard error."""
    source = templates.generated_sources(find("04"), ADDRESS)["setup"][1].replace("    %pip", "    pass  # %pip")
    program = f"profile = 'laptop'\n{source}"
    environment = {"PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def test_without_the_package_the_set_up_cell_says_what_to_install(tmp_path):
    error = run_setup(tmp_path)
    assert "ImportError: this notebook needs the course's package (No module named 'mmlearn')" in error
    assert f"in a clone of {ADDRESS}: make lab\n" in error
    assert f"elsewhere: pip install 'mmlearn-course @ git+{ADDRESS}'\n" in error
    assert "mmlearn doctor" in error
    assert "another project" not in error


def test_another_projects_mmlearn_is_named_as_the_cause(tmp_path):
    (tmp_path / "mmlearn").mkdir()
    (tmp_path / "mmlearn" / "__init__.py").write_text("")
    assert "another project's mmlearn is installed here: pip uninstall mmlearn\n" in run_setup(tmp_path)


def test_a_missing_torch_is_named(tmp_path, root):
    (tmp_path / "mmlearn").symlink_to(root / "mmlearn")
    assert "needs the course's package (No module named 'numpy')" in run_setup(tmp_path)
