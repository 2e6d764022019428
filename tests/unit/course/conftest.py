"""A clone of the course in miniature, and notebooks of a few cells to put into it."""

import json

import pytest

from mmlearn.course.contents import find

PYPROJECT = """
[project]
name = "mmlearn-course"
[project.urls]
Repository = "https://github.com/somebody/somecourse"
"""


def cell(source, *tags, kind="code", id=None, **fields):
    """A cell as it stands in a notebook's file."""
    made = {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source, **fields}
    if kind == "code":
        made = {"outputs": [], "execution_count": None, **made}
    return made | ({"id": id} if id else {})


class Clone:
    """A folder that holds a pyproject.toml, solutions/ and chapters/."""

    def __init__(self, root):
        self.root = root
        (root / "pyproject.toml").write_text(PYPROJECT)
        for folder in ("solutions", "chapters"):
            (root / folder).mkdir()

    cell = staticmethod(cell)

    def write(self, name, *cells, folder="solutions", **metadata):
        """Put a notebook of these cells (code as plain text, or what `cell` made) into a folder; returns its path."""
        made = [cell(one) if isinstance(one, str) else dict(one) for one in cells]
        for number, one in enumerate(made):
            one.setdefault("id", f"cell-{number}")
        path = self.root / folder / f"{find(name).name}.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}))
        return path

    def solution(self, name, *cells, **metadata):
        """A solution: a title, the three generated cells, still empty, and these cells."""
        generated = (cell("", "badge", kind="markdown"), cell("", "parameters"), cell("", "setup"))
        return self.write(name, cell("# Title", kind="markdown"), *generated, *cells, **metadata)

    def cells(self, name, folder="chapters"):
        """The cells of a chapter's notebook as they stand in its file, sources as text."""
        notebook = json.loads((self.root / folder / f"{find(name).name}.ipynb").read_text())
        return [one | {"source": "".join(one["source"])} for one in notebook["cells"]]

    def files(self):
        """Every file of the clone: {path: bytes}."""
        return {path: path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone in miniature, with the working directory in it."""
    monkeypatch.chdir(tmp_path)
    return Clone(tmp_path)
