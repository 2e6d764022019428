"""Running solutions in place."""

import json

import pytest

from mmlearn.course.errors import CourseError
from mmlearn.course.execute import execute_in_place


def test_outputs_of_the_laptop_profile_are_stored_without_traces_of_the_run(clone, monkeypatch):
    monkeypatch.setenv("MMLEARN_PROFILE", "gpu")
    path = clone.write(
        "04",
        "import os, sys\nprint(os.environ['MMLEARN_PROFILE'], os.listdir())",
        "sys.stderr.write('50%\\r100%\\n')\nopen('left-behind', 'w').close()",
        "import ipywidgets\nunseen = ipywidgets.IntSlider(1)\nipywidgets.IntSlider(2)",
    )
    seen = []
    execute_in_place(path, clone.root, lambda done, total: seen.append((done, total)))
    content = json.loads(path.read_text())
    first, second, third = content["cells"]
    assert first["outputs"][0]["text"] == ["laptop []\n"]
    assert second["outputs"][0]["text"] == ["100%\n"]
    assert [cell["execution_count"] for cell in content["cells"]] == [1, 2, 3]
    assert all("execution" not in cell["metadata"] for cell in content["cells"])
    (state,) = content["metadata"]["widgets"].values()
    sliders = [model["state"]["value"] for model in state["state"].values() if model["model_name"] == "IntSliderModel"]
    assert sliders == [2]
    assert third["outputs"][0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] in state["state"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not list(clone.root.rglob("left-behind"))


def test_a_failing_cell_is_named_and_the_file_stays_as_it_was(clone):
    path = clone.write("04", "x = 1", clone.cell("words", kind="markdown"), clone.cell("# why\ny = x / 0", id="wrong"))
    before = path.read_bytes()
    with pytest.raises(
        CourseError, match=r"04-convolution\.ipynb, cell \[2\] \(id wrong\), 'y = x / 0': ZeroDivisionError: division by zero"
    ):
        execute_in_place(path, clone.root)
    assert path.read_bytes() == before


def test_a_kernel_that_dies_is_told_from_an_error(clone):
    path = clone.write("04", clone.cell("import os\nos._exit(1)", id="deadly"))
    with pytest.raises(CourseError, match=r"\(id deadly\), 'import os': the kernel died"):
        execute_in_place(path, clone.root)
