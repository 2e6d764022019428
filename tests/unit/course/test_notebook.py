"""Notebook files."""

import json

import pytest

from mmlearn.course import notebook
from mmlearn.course.errors import CourseError


def test_writing_and_reading_changes_nothing(clone):
    path = clone.write("04", "print('é')", clone.cell("words", kind="markdown"))
    once = notebook.text(notebook.read(path))
    path.write_text(once, encoding="utf-8")
    assert notebook.text(notebook.read(path)) == once
    assert once.endswith("}\n")
    assert "é" in once


def test_cells_without_ids_get_the_same_ones_every_time(clone):
    path = clone.write("04", "1", "2")
    content = json.loads(path.read_text())
    content["nbformat_minor"] = 4
    for cell in content["cells"]:
        del cell["id"]
    path.write_text(json.dumps(content))
    ids = [[cell["id"] for cell in notebook.read(path).cells] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_two_cells_of_one_id_are_refused(clone):
    path = clone.write("04", clone.cell("1", id="same"), clone.cell("2", id="same"))
    with pytest.raises(CourseError, match=r"04-convolution\.ipynb: several cells have the id same"):
        notebook.read(path)


@pytest.mark.parametrize("content", ["", "<<<<<<< HEAD\n{}", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "04-convolution.ipynb"
    path.write_text(content)
    with pytest.raises(CourseError, match=r"04-convolution\.ipynb"):
        notebook.read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CourseError, match="nowhere"):
        notebook.read(tmp_path / "nowhere.ipynb")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        notebook.write_atomically(path, "new \ud800")
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(("source", "line"), [("# why\n\nx = 1", "x = 1"), ("# only this", "# only this"), ("", "(empty cell)")])
def test_the_first_line_of_a_cell_is_one_that_says_something(source, line):
    assert notebook.first_line(source) == line
