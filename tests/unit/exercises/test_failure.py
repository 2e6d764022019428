"""A student's exception is told with its line, its inputs and its usual meaning, and without a frame of ours."""

import pytest
import torch

from mmlearn.exercises import Case, Exercise
from mmlearn.exercises.failure import is_students, usual_meaning


def check(body, cell, oracle=lambda x: x, **how):
    source = "def helper(x):\n    return x.view(-1)\n\ndef small(x):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    exercise = Exercise(
        chapter="99", name="small", title="Small", oracle=oracle, mistakes=[], hints=[], float32=False,
        cases=lambda draw: [Case(draw.integers(2, 3)), Case(draw.integers(5, 4))],
    )  # fmt: skip
    return exercise.check(cell(source, **how)["small"])


@pytest.mark.parametrize(
    ("body", "kind", "meaning"),
    [
        ("return x @ x", "RuntimeError", "inner sizes"),
        ("return torch.bmm(x[None], x[None])", "RuntimeError", "inner sizes"),
        ("return x + torch.ones(7)", "RuntimeError", "do not broadcast"),
        ("return x.expand(5, 5)", "RuntimeError", "do not broadcast"),
        ("return x.mT.view(-1)", "RuntimeError", "use `reshape`"),
        ("return x.reshape(5, 5)", "RuntimeError", "keep the number of values"),
        ("return x @ torch.ones(3, 2)", "RuntimeError", "dtype=x.dtype"),
        ("return x[0, 0, 0]", "IndexError", "more indices than dimensions"),
        ("return x[9]", "IndexError", "runs past the end"),
        ("return x.sum(dim=5)", "IndexError", "`dim=` names a dimension"),
        ("return [1, 2][5]", "IndexError", "runs past the end"),
        ("if x is None:\n    y = 1\nreturn y", "UnboundLocalError", "further down"),
        ("return y", "NameError", "misspelt"),
        ("return torch.zeros(x.shape[0] / 2)", "TypeError", "`//` a whole number"),
        ("return range(3 / 2)", "TypeError", "`//` a whole number"),
        ("return x.shap", "AttributeError", "misspelt"),
        ("y = None\nreturn y.shape", "AttributeError", "Something is None"),
        ("y = None\nreturn y + x", "TypeError", "Something is None"),
        ("return helper(x, 2)", "TypeError", "too many, too few"),
        ("N, C, H, W = x.shape", "ValueError", "differ in number"),
        ("return x[:, ::-1]", "ValueError", "no negative strides; use `.flip(-1)`"),
        ("return torch.from_numpy(x.numpy()[::-1])", "ValueError", "no negative strides; use `.flip(-1)`"),
        (
            "a, b, c = x  # three columns",
            "ValueError",
            "`x` is a tensor, and `=` unpacks it along its first axis: use `x.unbind(-1)`",
        ),
        ("a, b, c = x.abs()", "ValueError", "`a, b = x` goes along the first"),
        ("return 1 / 0", "ZeroDivisionError", "divided by 0"),
        ("return small(x)", "RecursionError", "never stops"),
        ("if x > 0:\n    return x", "RuntimeError", "one truth value"),
        ("return torch.einsum('ijk->i', x)", "RuntimeError", "one letter for each dimension"),
        ("return torch.stack([x, x[:1]])", "RuntimeError", "equal shapes"),
        ("return torch.cat([x, x[:, :1]])", "RuntimeError", "equal shapes"),
        ("return torch.zeros(2 - 5)", "RuntimeError", "output size"),
        ("w = torch.ones(2, requires_grad=True)\nw += 1", "RuntimeError", "Autograd needs the value"),
        ("x.sum().backward()", "RuntimeError", "nothing that requires grad"),
        ("return torch.ones(1, requires_grad=True).numpy()", "RuntimeError", "Stay with torch"),
        ("assert x.ndim == 3", "AssertionError", "`assert` in your code"),
        ("return {}['a']", "KeyError", "no such key"),
    ],
)
def test_the_usual_exceptions_are_explained(body, kind, meaning, cell):
    result = check(body, cell)
    assert result.status == "failed"
    assert kind in result.message
    assert meaning in result.diagnosis


def test_unbind_is_advised_for_tensors_only(cell):
    result = check("shape = x.shape\nN, C, H, W = shape", cell)
    assert "unbind" not in result.diagnosis
    assert "`N, C, H, W = x.shape` needs four dimensions" in result.diagnosis
    assert usual_meaning(ValueError("not enough values to unpack (expected 4, got 1)")).startswith("Left and right of `=`")


def test_the_line_is_the_students_own(cell):
    result = check("y = x * 2\nreturn y @ y", cell)
    assert "line 6 of the cell, in small:\n    return y @ y" in result.detail
    assert "small(x)" in result.detail
    assert "x: float64 (2, 3)" in result.detail


def test_the_line_may_be_in_a_function_that_the_answer_calls(cell):
    assert "line 2 of the cell, in helper:\n    return x.view(-1)" in check("return helper(x.mT)", cell).detail


def test_the_files_of_newer_kernels_are_cells_too(cell):
    assert "line 5 of the cell" in check("return x @ x", cell, filename="ipykernel_4711/123456.py").detail


def test_no_frame_of_ours_or_of_a_library_is_shown(cell):
    text = str(check("return torch.nn.functional.max_pool2d(x, 0.5)", cell))
    assert "Traceback" not in text
    assert "mmlearn/exercises" not in text
    assert "site-packages" not in text
    assert "calling.py" not in text
    assert "line 5 of the cell" in text


def test_the_message_is_kept_short(cell):
    result = check("raise ValueError('\\n'.join(map(str, range(100))))", cell)
    assert "ValueError: 0\n1\n2\n3\n\n" in result.detail


def test_an_exception_only_for_some_inputs_says_for_which(cell):
    result = check("return x if len(x) == 2 else x[99]", cell)
    assert "in 1 of 2 test cases" in result.message
    assert "exactly when" not in str(result)  # that 5 is odd and 2 even is no explanation

    def _cases(draw):
        yield Case(draw.integers(1, 4))
        yield Case(draw.integers(3, 4))

    answer = cell("def small(x):\n    return x if len(x) == 1 else x[99]")["small"]
    several = Exercise(
        chapter="99", name="small", title="Small", oracle=lambda x: x, cases=_cases, mistakes=[], hints=[], shapes={"x": "N D"}
    )
    assert "Wrong exactly when N is more than 1." in str(several.judge(answer))


def test_an_exception_without_a_known_meaning_still_says_what_and_where(cell):
    result = check("raise BufferError('full')", cell)
    assert result.diagnosis == ""
    assert "BufferError: full" in result.detail
    assert usual_meaning(BufferError("full")) == ""


def test_torchs_own_not_implemented_is_a_failure_not_a_blank(cell):
    result = check("return torch.nn.Module()(x)", cell)
    assert result.status == "failed"


@pytest.mark.parametrize(
    ("filename", "whose"),
    [
        ("<ipython-input-1-abc>", True),
        ("mmlearn-course/answers.py", True),
        (torch.__file__, False),
        (pytest.__file__, False),
        ("lib/python3.13/dist-packages/torch/nn/modules/module.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_a_file_is_the_students_or_not(filename, whose):
    assert is_students(filename) is whose
