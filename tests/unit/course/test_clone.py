"""Where the notebooks are found."""

import pytest

from mmlearn.course import clone as place
from mmlearn.course import settings
from mmlearn.course.contents import find
from mmlearn.course.errors import CourseError


def test_the_clone_is_found_from_any_folder_inside_it(clone):
    deep = clone.root / "chapters" / "a" / "b"
    deep.mkdir(parents=True)
    assert place.find_clone(deep) == place.find_clone() == clone.root


def test_another_projects_pyproject_does_not_make_a_clone(clone):
    inner = clone.root / "other"
    inner.mkdir()
    (inner / "pyproject.toml").write_text('[project]\nname = "other"\n')
    assert place.find_clone(inner) == clone.root


def test_a_broken_pyproject_is_passed_over(clone):
    inner = clone.root / "other"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project\n")
    assert place.find_clone(inner) == clone.root


def test_an_editable_install_leads_to_its_clone_from_anywhere(tmp_path, root):
    assert place.find_clone(tmp_path) == root


def test_a_plain_wheel_says_where_to_get_the_notebooks(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "__file__", str(tmp_path / "site-packages" / "mmlearn" / "course" / "clone.py"))
    with pytest.raises(CourseError, match=r"git clone https://github\.com/"):
        place.find_clone(tmp_path)


def test_notebooks_come_in_book_order_and_strangers_are_left_out(clone):
    for name in ("05", "04"):
        clone.write(name, folder="chapters")
    (clone.root / "chapters" / "04-convolution-Copy1.ipynb").write_text("{}")
    assert [chapter.number for chapter in place.notebooks(clone.root)] == ["04", "05"]


def test_choosing_none_chooses_all_and_doubles_count_once(clone):
    for name in ("04", "05"):
        clone.write(name, folder="chapters")
    assert list(place.choose([], clone.root)) == [find("04"), find("05")]
    assert list(place.choose(["5", "convolution-gradients"], clone.root)) == [find("05")]


def test_a_planned_chapter_is_told_from_an_unknown_one(clone):
    clone.write("04", folder="chapters")
    with pytest.raises(CourseError, match=r"06-cnn is planned and not written yet.*Written: 04-convolution"):
        place.choose(["06"], clone.root)
    with pytest.raises(CourseError, match="unknown chapter 'cnm'; did you mean 06-cnn"):
        place.choose(["cnm"], clone.root)


def test_the_address_is_the_one_in_pyproject(clone):
    assert settings.repository(clone.root) == "https://github.com/somebody/somecourse"


def test_an_installed_package_knows_its_address_from_its_metadata():
    assert settings.repository().startswith("https://github.com/")


def test_an_address_that_colab_cannot_open_is_refused(clone):
    pyproject = clone.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("github.com/somebody/somecourse", "example.org/course"))
    with pytest.raises(CourseError, match=r"example\.org/course.*must be https://github\.com/OWNER/NAME"):
        settings.repository(clone.root)
