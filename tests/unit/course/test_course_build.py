"""solutions/ is the source; chapters/ is what the build makes of it, to the byte."""

import json

import pytest

from mmlearn.course.build import build, check
from mmlearn.course.errors import CourseError

STUB = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError"
SOLVED = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
SHOWN = {"outputs": [{"output_type": "stream", "name": "stdout", "text": "seen"}], "execution_count": 3}


@pytest.fixture
def chapter(clone):
    """A clone with one solution of every kind of cell, built."""
    clone.solution(
        "04",
        clone.cell("print('seen')", **SHOWN, id="story"),
        clone.cell(SOLVED, "exercise", **SHOWN, id="exercise"),
        clone.cell("double(2)", "check", **SHOWN, id="check"),
        clone.cell("print(6 * 7)", "predict", **SHOWN, id="predict"),
        clone.cell(
            "assert double(1) == 2\n### BEGIN HIDDEN TESTS\nassert double(5) == 10\n### END HIDDEN TESTS", **SHOWN, id="tests"
        ),
        clone.cell("### BEGIN HIDDEN TESTS\nassert double(7) == 14\n### END HIDDEN TESTS", id="hidden"),
        clone.cell("the answer", "solution-only", kind="markdown"),
    )
    build(clone.root)
    return clone


def by_id(clone, folder="chapters"):
    return {cell["id"]: cell for cell in clone.cells("04", folder)}


def test_building_twice_gives_the_same_bytes_and_writes_nothing_the_second_time(chapter):
    before = chapter.files()
    assert build(chapter.root) == []
    assert chapter.files() == before
    assert check(chapter.root) == []


def test_a_chapter_built_anew_is_the_same_to_the_byte(chapter):
    before = chapter.files()
    (chapter.root / "chapters" / "04-convolution.ipynb").unlink()
    build(chapter.root)
    assert chapter.files() == before


def test_exercises_lose_their_solution_and_their_output(chapter):
    cell = by_id(chapter)["exercise"]
    assert (cell["source"], cell["outputs"], cell["execution_count"]) == (STUB, [], None)


def test_what_the_reader_is_to_predict_is_not_shown_beforehand(chapter):
    cell = by_id(chapter)["predict"]
    assert (cell["source"], cell["outputs"], cell["execution_count"]) == ("print(6 * 7)", [], None)
    assert by_id(chapter, "solutions")["predict"]["outputs"]


def test_checks_lose_their_output_and_the_story_keeps_it(chapter):
    cells = by_id(chapter)
    assert (cells["check"]["source"], cells["check"]["outputs"]) == ("double(2)", [])
    assert cells["story"]["outputs"][0]["text"] == ["seen"]
    assert cells["story"]["execution_count"] == 3


def test_hidden_tests_and_answers_reach_no_chapter(chapter):
    cells = by_id(chapter)
    assert cells["tests"]["source"] == "assert double(1) == 2"
    assert cells["tests"]["outputs"] == []
    assert "hidden" not in cells
    text = (chapter.root / "chapters" / "04-convolution.ipynb").read_text()
    assert "HIDDEN" not in text
    assert "SOLUTION" not in text
    assert "answer" not in text


def test_the_solution_keeps_its_answers_outputs_and_ids(chapter):
    cells = by_id(chapter, "solutions")
    assert cells["exercise"]["source"] == SOLVED
    assert cells["exercise"]["outputs"][0]["text"] == ["seen"]
    assert set(by_id(chapter)) < set(cells)


def test_generated_cells_are_the_same_in_both_and_follow_the_address(chapter):
    pyproject = chapter.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("somebody/somecourse", "else/where"))
    assert len(check(chapter.root)) == 2
    build(chapter.root)
    for folder in ("solutions", "chapters"):
        text = (chapter.root / folder / "04-convolution.ipynb").read_text()
        assert "git+https://github.com/else/where" in text
        assert "somecourse" not in text


def test_nbgraders_metadata_survives_also_in_a_cell_of_hidden_tests_alone(clone):
    graded = clone.cell("### BEGIN HIDDEN TESTS\nassert 1\n### END HIDDEN TESTS", id="graded")
    graded["metadata"]["nbgrader"] = {"grade_id": "q1", "points": 2}
    clone.solution("04", graded)
    build(clone.root)
    assert by_id(clone)["graded"]["metadata"]["nbgrader"] == {"grade_id": "q1", "points": 2}


def test_a_widget_shown_in_an_exercise_alone_is_saved_in_the_solution_alone(clone):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "abc", "version_major": 2, "version_minor": 0}}
    output = {"output_type": "display_data", "data": view, "metadata": {}}
    state = {"abc": {"model_name": "M", "model_module": "m", "model_module_version": "1", "state": {}}}
    saved = {"application/vnd.jupyter.widget-state+json": {"version_major": 2, "version_minor": 0, "state": state}}
    clone.solution("04", clone.cell(SOLVED, "exercise", outputs=[output]), widgets=saved)
    build(clone.root)
    metadata = {
        folder: json.loads((clone.root / folder / "04-convolution.ipynb").read_text())["metadata"]
        for folder in ("solutions", "chapters")
    }
    assert "widgets" in metadata["solutions"]
    assert "widgets" not in metadata["chapters"]


def test_check_names_a_stale_a_missing_and_a_superfluous_chapter(chapter):
    chapters = chapter.root / "chapters"
    path = chapters / "04-convolution.ipynb"
    path.write_text(path.read_text() + "\n")
    assert check(chapter.root) == ["chapters/04-convolution.ipynb: stale; run mmlearn build"]
    path.rename(chapters / "05-convolution-gradients.ipynb")
    missing, superfluous = check(chapter.root)
    assert missing == "chapters/04-convolution.ipynb: missing; run mmlearn build"
    assert superfluous.startswith("chapters/05-convolution-gradients.ipynb: superfluous")


def test_check_names_a_solution_whose_generated_cells_are_out_of_date(chapter):
    path = chapter.root / "solutions" / "04-convolution.ipynb"
    path.write_text(path.read_text().replace("what Colab ships", "all that Colab ships"))
    assert check(chapter.root) == ["solutions/04-convolution.ipynb: stale; run mmlearn build"]


def test_check_writes_nothing(clone):
    clone.solution("04", "1")
    before = clone.files()
    assert len(check(clone.root)) == 2
    assert clone.files() == before


@pytest.mark.parametrize(
    ("source", "tags", "kind", "problem"),
    [
        ("def f():\n    ### BEGIN SOLUTION\n    1", ["exercise"], "code", "line 2: .*never ended"),
        (SOLVED, [], "code", "not the tag 'exercise'"),
        ("x = 1", ["exercise"], "code", "not a solution between markers"),
        (SOLVED, ["exercises"], "code", "unknown tag 'exercises'; did you mean 'exercise'"),
        ("answer", ["solution_only"], "markdown", "did you mean 'solution-only'"),
        ("### BEGIN SOLUTION\nanswer\n### END SOLUTION", [], "markdown", "tag this markdown cell 'solution-only'"),
    ],
)
def test_mistakes_are_named_with_notebook_and_cell_and_nothing_is_written(clone, source, tags, kind, problem):
    clone.solution("05", "1")
    clone.solution("04", clone.cell(source, *tags, kind=kind, id="the-cell"))
    before = clone.files()
    with pytest.raises(CourseError, match=rf"solutions/04-convolution\.ipynb, cell the-cell.*{problem}"):
        build(clone.root)
    with pytest.raises(CourseError, match="the-cell"):
        check(clone.root)
    assert clone.files() == before


def test_all_notebooks_with_mistakes_are_named_at_once(clone):
    for name in ("04", "05"):
        clone.solution(name, clone.cell("x", "exercise"))
    with pytest.raises(CourseError, match=r"(?s)04-convolution\.ipynb.*05-convolution-gradients\.ipynb"):
        build(clone.root)


def test_tags_of_other_tools_are_let_through(clone):
    clone.solution("04", clone.cell("1/0", "raises-exception", "hide-input", "nbval-skip"))
    assert build(clone.root)


@pytest.mark.parametrize(("name", "meant"), [("04-convolutoin", "04-convolution"), ("04-conv", "04-convolution")])
def test_a_solution_that_the_table_of_contents_does_not_know_is_named(clone, name, meant):
    clone.solution("04").rename(clone.root / "solutions" / f"{name}.ipynb")
    with pytest.raises(CourseError, match=meant):
        build(clone.root)


def edit(path, change):
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def test_a_readers_work_is_not_overwritten_unless_forced(chapter):
    path = chapter.root / "chapters" / "04-convolution.ipynb"
    edit(path, lambda notebook: notebook["cells"][5].update(source="def double(x):\n    return x + x"))
    before = path.read_bytes()
    with pytest.raises(CourseError, match=r"chapters/04-convolution\.ipynb: edited since"):
        build(chapter.root)
    assert path.read_bytes() == before
    assert build(chapter.root, force=True) == [path]
    assert "x + x" not in path.read_text()


def test_a_chapter_that_was_only_run_is_not_taken_for_edited(chapter):
    path = chapter.root / "chapters" / "04-convolution.ipynb"
    edit(path, lambda notebook: notebook["cells"][4].update(outputs=[], execution_count=9))
    assert build(chapter.root) == [path]


def test_a_chapter_with_a_merge_conflict_is_kept_until_forced(chapter):
    path = chapter.root / "chapters" / "04-convolution.ipynb"
    path.write_text("<<<<<<< HEAD\n" + path.read_text())
    with pytest.raises(CourseError, match="edited since"):
        build(chapter.root)
    assert build(chapter.root, force=True) == [path]
