"""Every notebook keeps to the course's anatomy and rules, and the lint that says so catches what it is there to catch."""

import copy
import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = runpy.run_path(str(ROOT / "tools" / "lint_notebooks.py"))
NOTEBOOKS = sorted([*ROOT.glob("solutions/*.ipynb"), *ROOT.glob("chapters/*.ipynb")])


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[f"{path.parent.name}-{path.stem}" for path in NOTEBOOKS])
def test_a_notebook_has_no_problem(path):
    assert LINT["problems"](read(path), path.parent.name) == []


@pytest.mark.parametrize("chapter", sorted(ROOT.glob("chapters/*.ipynb")), ids=lambda path: path.stem)
def test_a_chapter_keeps_the_cell_ids_of_its_solution(chapter):
    solution = iter(cell["id"] for cell in read(ROOT / "solutions" / chapter.name)["cells"])
    missing = [cell["id"] for cell in read(chapter)["cells"] if cell["id"] not in solution]
    assert missing == []


def markdown(name, text):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(name, text, *tags, count=None, outputs=()):
    cell = {"cell_type": "code", "id": name, "metadata": {}, "source": text, "execution_count": count, "outputs": list(outputs)}
    return cell | ({"metadata": {"tags": list(tags)}} if tags else {})


def html(text):
    return {"output_type": "display_data", "data": {"text/html": text}, "metadata": {}}


def sound_notebook():
    """The smallest solution that has nothing wrong with it."""
    slider = {"output_type": "display_data", "data": {LINT["WIDGET_VIEW"]: {"model_id": "a"}}, "metadata": {}}
    badge = markdown("badge", "[![Open in Colab](badge.svg)](address)") | {"metadata": {"tags": ["badge"]}}
    cells = [
        markdown("title", "# A chapter"),
        badge,
        markdown("head", "Afterwards you are able to add. You need chapter 1. One of your minutes on a CPU, one on a GPU."),
        code("parameters", 'profile = "laptop"', "parameters", count=1),
        code("setup", "%matplotlib inline\nx = 1", "setup", count=2),
        markdown("question", "## Why?\n\n![a cat](cat.png)"),
        code("figure", "show()", count=3, outputs=[slider, html('<img alt="bars" src="data:image/png;base64,AAAA/tmp/x">')]),
        code("exercise", "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", "exercise", count=4),
        code("check", "check(f)", "check", count=5),
        markdown("end", "### Open question\n\nWhy?\n\n## What to remember\n\nThis.\n\n## References\n\nThat."),
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def set_source(name, text):
    def change(notebook):
        next(cell for cell in notebook["cells"] if cell["id"] == name)["source"] = text

    return change


def set_output(output):
    def change(notebook):
        next(cell for cell in notebook["cells"] if cell["id"] == "figure")["outputs"].append(output)

    return change


def drop(name):
    def change(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != name]

    return change


def swap(first, second):
    def change(notebook):
        notebook["cells"][first], notebook["cells"][second] = notebook["cells"][second], notebook["cells"][first]

    return change


def set_in(name, key, value):
    def change(notebook):
        next(cell for cell in notebook["cells"] if cell["id"] == name)[key] = value

    return change


def save_widget(state):
    def change(notebook):
        notebook["metadata"]["widgets"] = {LINT["WIDGET_STATE"]: {"state": {"a": {"state": state}}}}

    return change


ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
WRONG = {
    "stored error": set_output(ERROR),
    "image/png": set_output({"output_type": "display_data", "data": {"image/png": "AAAA"}, "metadata": {}}),
    "without alt text in the output": set_output(html('<img src="x.png">')),
    "1 <img> without alt text": set_source("question", '## Why?\n<img alt="" src="x.png">'),
    "a Markdown image without alt text": set_source("question", "## Why?\n![](x.png)"),
    "a saved widget holds": save_widget({"value": "<img src='x.png'>"}),
    "31 lines of code": set_source("figure", "x = 1\n" * 31),
    "does not parse": set_source("figure", "def f(:"),
    "a path of one machine": set_source("figure", 'open("/' + 'home/me/x.txt")'),
    "the address of a package registry": set_source("figure", "%pip install -i https://" + "pypi" + ".org/x y"),
    "missing or malformed": set_in("figure", "id", "a b"),
    "is used twice": set_in("figure", "id", "setup"),
    "the first cell is not the title": drop("title"),
    "0 cells tagged 'badge'": drop("badge"),
    "must come in this order": swap(1, 3),
    "how long it takes (no minute": set_source("head", "You are able to add; you need a CPU or GPU."),
    "no open question": set_source("end", "## What to remember\n\n## References"),
    "the last two sections": set_source("end", "## References\n\n## What to remember"),
    "no interactive figure": set_in("figure", "outputs", []),
    "an exercise that no cell tagged 'check' follows": drop("check"),
    "no exercise": drop("exercise"),
    "not run from top to bottom": set_in("check", "execution_count", 9),
}


@pytest.mark.parametrize(("complaint", "change"), WRONG.items(), ids=WRONG.keys())
def test_each_fault_is_named(complaint, change):
    sound = sound_notebook()
    assert LINT["problems"](sound, "solutions") == []
    faulty = copy.deepcopy(sound)
    change(faulty)
    assert complaint in "\n".join(LINT["problems"](faulty, "solutions"))


WRONG_IN_A_CHAPTER = {
    "a solution's or hidden test's marker": set_source("exercise", "### BEGIN SOLUTION\nx = 1"),
    "outputs in an exercise or check cell": set_in("check", "outputs", [html("✓")]),
    "outputs without an execution count": set_in("figure", "execution_count", None),
}


@pytest.mark.parametrize(("complaint", "change"), WRONG_IN_A_CHAPTER.items(), ids=WRONG_IN_A_CHAPTER.keys())
def test_each_fault_of_a_chapter_is_named(complaint, change):
    sound = sound_notebook()
    set_source("exercise", "def f():\n    # YOUR CODE HERE\n    raise NotImplementedError")(sound)
    assert LINT["problems"](sound, "chapters") == []
    faulty = copy.deepcopy(sound)
    change(faulty)
    assert complaint in "\n".join(LINT["problems"](faulty, "chapters"))


def test_the_command_exits_with_1_on_a_problem_and_0_on_none(tmp_path, capsys):
    path = tmp_path / "solutions" / "01-sound.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps(sound_notebook()))
    assert LINT["main"]([str(path)]) == 0
    faulty = sound_notebook()
    faulty["cells"].pop()
    path.write_text(json.dumps(faulty))
    assert LINT["main"]([str(path)]) == 1
    assert "solutions/01-sound.ipynb: the last two sections" in capsys.readouterr().out
