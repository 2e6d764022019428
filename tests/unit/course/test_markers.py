"""What nbgrader's markers leave of a cell, and which mistakes in them are named."""

import pytest

from mmlearn.course.errors import CourseError
from mmlearn.course.markers import has_markers, has_solution, student_source

FUNCTION = """\
def double(x):
    "twice x"
    ### BEGIN SOLUTION
    y = x
    return 2 * y
    ### END SOLUTION

print("after")"""


def test_a_solution_leaves_a_stub_at_its_own_indent():
    assert student_source(FUNCTION) == (
        'def double(x):\n    "twice x"\n    # YOUR CODE HERE\n    raise NotImplementedError\n\nprint("after")'
    )


def test_every_solution_of_a_cell_is_taken_out():
    assert student_source(FUNCTION + "\n" + FUNCTION).count("NotImplementedError") == 2


def test_the_students_cell_is_valid_python_that_fails_when_the_function_is_called():
    names = {}
    exec(student_source(FUNCTION), names)
    with pytest.raises(NotImplementedError):
        names["double"](1)


def test_a_value_is_replaced_by_what_the_marker_says():
    source = "### BEGIN SOLUTION replace=kernel = None\nkernel = [1, 2]\n### END SOLUTION\nprint(kernel)"
    assert student_source(source) == "# YOUR CODE HERE\nkernel = None\nprint(kernel)"


def test_hidden_tests_leave_nothing():
    assert student_source("assert f(1)\n### BEGIN HIDDEN TESTS\nassert f(2)\n### END HIDDEN TESTS") == "assert f(1)"


def test_a_cell_without_markers_stays_as_it_is():
    assert student_source("x = 1  # the solution of x = 1\n") == "x = 1  # the solution of x = 1"
    assert not has_markers("x = 1  # BEGIN SOLUTION in prose")


def test_hidden_tests_alone_are_no_solution():
    assert not has_solution("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS")
    assert has_solution(FUNCTION)


BEGIN, END = "    ### BEGIN SOLUTION", "    ### END SOLUTION"
HIDDEN, SEEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


@pytest.mark.parametrize(
    ("lines", "line", "problem"),
    [
        ([BEGIN, "    x"], 1, "is never ended; put ### END SOLUTION"),
        ([HIDDEN, "x"], 1, "is never ended; put ### END HIDDEN TESTS"),
        (["x", END], 2, "ends what never began; put ### BEGIN SOLUTION"),
        ([BEGIN, END, END], 3, "ends what never began"),
        ([BEGIN, BEGIN, END], 2, "stands inside another region"),
        ([BEGIN, HIDDEN, SEEN, END], 2, "stands inside another region"),
        ([BEGIN, SEEN], 2, "cannot end a region of SOLUTION"),
        (["    ## BEGIN SOLUTION", END], 1, "is not a marker"),
        (["    ### begin solution", END], 1, "is not a marker"),
        ([BEGIN, "    ### END SOLUTIONS"], 2, "is not a marker"),
        (["### BEGIN HIDDEN TEST", SEEN], 1, "is not a marker"),
        (["### BEGIN SOLUTION", "x = 1", "### END SOLUTION"], 1, "replace=answer = None"),
    ],
)
def test_every_mistake_is_named_with_its_place(lines, line, problem):
    with pytest.raises(CourseError, match=rf"^solutions/04\.ipynb, cell abc, line {line}: .*{problem}"):
        student_source("\n".join(lines), "solutions/04.ipynb, cell abc")
