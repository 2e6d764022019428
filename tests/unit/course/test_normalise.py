"""Notebooks without the traces of one machine and one run."""

import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from mmlearn.course.normalise import last_state, merge_streams, normalise, prune_widgets, without_paths

STATE, VIEW = "application/vnd.jupyter.widget-state+json", "application/vnd.jupyter.widget-view+json"


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", text=text, name=name)


def notebook_with(*outputs, **metadata):
    cell = nbformat.v4.new_code_cell("x", outputs=list(outputs))
    return nbformat.v4.new_notebook(cells=[cell], metadata=metadata)


@pytest.mark.parametrize(
    ("raw", "final"),
    [
        ("  0%|  |\r 50%|█ |\r100%|██|\n", "100%|██|\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("50%\r100%\r", "100%"),
        ("no bar\n", "no bar\n"),
        ("", ""),
    ],
)
def test_of_a_progress_bar_the_last_state_stays(raw, final):
    assert last_state(raw) == final
    assert last_state(final) == final


def test_neighbouring_pieces_of_one_stream_are_joined_and_others_kept_apart():
    merged = merge_streams([stream("a"), stream("b"), stream("!", "stderr"), stream("c")])
    assert [(output.name, output.text) for output in merged] == [("stdout", "ab"), ("stderr", "!"), ("stdout", "c")]


def test_a_bar_that_came_in_pieces_is_one_line():
    notebook = notebook_with(stream("\r 50%", "stderr"), stream("\r100%\n", "stderr"))
    normalise(notebook, "04-x")
    assert notebook.cells[0].outputs == [stream("100%\n", "stderr")]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/srv/clone/mmlearn/ops.py:3: Warning", "mmlearn/ops.py:3: Warning"),
        (f"{sys.prefix}/lib/x.py", "lib/x.py"),
        (f"cached in {Path.home()}/.cache/mmlearn", "cached in ~/.cache/mmlearn"),
        (f"{tempfile.gettempdir()}/ipykernel_123/456.py:4: UserWarning", "<cell>:4: UserWarning"),
        ("https://example.org/srv/clone/a", "https://example.org/srv/clone/a"),
        ('<img src="data:image/png;base64,/srv/clone/AAAA">', '<img src="data:image/png;base64,/srv/clone/AAAA">'),
    ],
)
def test_this_machines_folders_leave_outputs_and_images_stay(text, clean):
    assert without_paths(text, ["/srv/clone"]) == clean


def test_paths_leave_every_kind_of_output():
    error = nbformat.v4.new_output("error", ename="E", evalue="in /srv/clone/a", traceback=["/srv/clone/a line 1"])
    html = nbformat.v4.new_output("display_data", data={"text/html": "<p>/srv/clone/a", "image/png": "/srv/clone/a"})
    notebook = notebook_with(stream("/srv/clone/a"), error, html)
    normalise(notebook, "04-x", folders=["/srv/clone"])
    text, error, html = notebook.cells[0].outputs
    assert (text.text, error.evalue, error.traceback) == ("a", "in a", ["a line 1"])
    assert html.data == {"text/html": "<p>a", "image/png": "/srv/clone/a"}


def test_times_of_execution_go_and_other_metadata_stay():
    notebook = notebook_with(papermill={"duration": 3}, kernelspec={"name": "my-kernel", "display_name": "Mine"}, title="T")
    notebook.cells[0].metadata.update(execution={"a": 1}, papermill={}, tags=["check"], nbgrader={"grade_id": "q1"})
    normalise(notebook, "04-x")
    assert notebook.metadata.kernelspec.name == "python3"
    assert "version" not in notebook.metadata.language_info
    assert (notebook.metadata.title, "papermill" in notebook.metadata) == ("T", False)
    assert notebook.cells[0].metadata == {"tags": ["check"], "nbgrader": {"grade_id": "q1"}}


def model(name, **state):
    return {"model_name": name, "model_module": "@jupyter-widgets/base", "model_module_version": "2.0.0", "state": state}


def widgets(models):
    return {"widgets": {STATE: {"version_major": 2, "version_minor": 0, "state": models}}}


def view(id):
    return nbformat.v4.new_output("display_data", data={VIEW: {"model_id": id, "version_major": 2, "version_minor": 0}})


def example(box="aaaa", child="bbbb", layout="cccc", output="dddd", link="eeee", orphan="ffff"):
    models = {
        orphan: model("IntTextModel"),
        link: model("LinkModel", source=[f"IPY_MODEL_{child}", "value"], target=[f"IPY_MODEL_{box}", "value"]),
        layout: model("LayoutModel", width="3em", height=None),
        output: model("OutputModel", outputs=[{"output_type": "stream", "name": "stdout", "text": "\r1%\r2%"}]),
        child: model("IntSliderModel", value=None),
        box: model("VBoxModel", children=[f"IPY_MODEL_{child}", f"IPY_MODEL_{output}"], layout=f"IPY_MODEL_{layout}"),
    }
    return notebook_with(view(box), **widgets(models))


def states(notebook):
    return notebook.metadata.widgets[STATE].state


def test_widgets_that_no_output_shows_are_dropped_and_links_between_shown_ones_kept():
    notebook = example()
    prune_widgets(notebook)
    assert set(states(notebook)) == {"aaaa", "bbbb", "cccc", "dddd", "eeee"}


def test_without_a_shown_widget_nothing_of_them_stays():
    notebook = example()
    notebook.cells[0].outputs = []
    prune_widgets(notebook)
    assert "widgets" not in notebook.metadata


def test_two_runs_that_differ_in_random_ids_alone_become_equal():
    first, second = example(), example("9a", "8b", "7c", "6d", "5e", "4f")
    for notebook in (first, second):
        notebook.cells[0]["id"] = "x"
        normalise(notebook, "04-x")
    assert first == second
    assert first.cells[0].outputs[0].data[VIEW].model_id in states(first)


def test_what_an_output_widget_shows_is_cleaned_too_and_unset_layout_left_out():
    notebook = example()
    normalise(notebook, "04-x")
    by_name = {one.model_name: one.state for one in states(notebook).values()}
    assert by_name["OutputModel"].outputs[0].text == "2%"
    assert by_name["LayoutModel"] == {"width": "3em"}
    assert by_name["IntSliderModel"] == {"value": None}


def test_normalising_twice_changes_nothing_more():
    notebook = example()
    normalise(notebook, "04-x")
    once = nbformat.v4.writes(notebook)
    again = nbformat.v4.reads(once)
    normalise(again, "04-x")
    assert nbformat.v4.writes(again) == once
