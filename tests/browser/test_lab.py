"""A student's first minutes: open chapter 04 in JupyterLab, run it, move a slider, answer an exercise rightly and wrongly."""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = "04-convolution.ipynb"
EXERCISE = "output_size"
WRONG = """\
def output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride
"""
DIAGNOSIS = "off by one: the first place is not counted"
BADGE = (
    "https://colab.research.google.com/assets/colab-badge.svg"  # Google's picture of a button; without a network, its alt text
)
WIDGET = "application/vnd.jupyter.widget-view+json"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(480)]


def tagged(cells, tag):
    return [place for place, cell in enumerate(cells) if tag in cell["tags"]]


def places(cells):
    """Where the exercise's cell and its check stand."""
    check = next(place for place in tagged(cells, "check") if f".{EXERCISE}.check(" in cells[place]["source"])
    return max(place for place in tagged(cells, "exercise") if place < check), check


def right_answer():
    """What an author wrote into the exercise's cell, from the solution notebook."""
    saved = json.loads((ROOT / "solutions" / CHAPTER).read_text(encoding="utf-8"))["cells"]
    cells = [{"tags": cell["metadata"].get("tags", []), "source": "".join(cell["source"])} for cell in saved]
    source = cells[places(cells)[0]]["source"]
    return "\n".join(line for line in source.splitlines() if "###" not in line)


def slider_moves_the_figure(lab, cells):
    """Press the arrow key on the first slider and wait until a picture beside it is another one."""
    kinds = [{kind for output in cell["outputs"] for kind in output.get("data", {})} for cell in cells]
    cell = lab.show(next(place for place, shown in enumerate(kinds) if WIDGET in shown))
    cell.locator(".noUi-handle").first.wait_for()
    pictures = "cell => [...cell.querySelectorAll('.jp-OutputArea img')].map(image => image.src).join()"
    cell.locator("img").first.wait_for()
    before = cell.evaluate(pictures)
    cell.locator(".noUi-handle").first.focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_function(f"([cell, before]) => ({pictures})(cell) !== before", arg=[cell.element_handle(), before])
    assert all((alt or "").strip() for alt in cell.locator("img").evaluate_all("images => images.map(image => image.alt)"))


def test_a_students_first_minutes(open_lab, tmp_path):
    root = tmp_path / "course"
    shutil.copytree(ROOT / "chapters", root / "chapters", ignore=shutil.ignore_patterns(".*"))
    lab = open_lab(root)
    lab.open(CHAPTER)
    lab.run_all()

    cells = lab.cells()
    assert lab.errors(cells) == []
    assert [cell["source"] for cell in cells if cell["type"] == "code" and cell["source"].strip() and not cell["count"]] == []
    untouched = [place for place in tagged(cells, "check") if "○" not in lab.text(cells[place])]
    assert untouched == [], "a check of an unanswered exercise must show ○"

    slider_moves_the_figure(lab, cells)

    exercise, check = places(cells)
    lab.type_into(exercise, WRONG)
    lab.run_cell(exercise)
    shown = lab.text(lab.run_cell(check))
    assert "✗" in shown
    assert "✓" not in shown
    assert DIAGNOSIS in shown.lower()

    lab.type_into(exercise, right_answer())
    lab.run_cell(exercise)
    shown = lab.text(lab.run_cell(check))
    assert "✓" in shown
    assert "✗" not in shown

    assert set(lab.foreign) <= {BADGE}, "the page asked other machines for something"
    assert lab.page_errors == []
