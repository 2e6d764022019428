"""Three small exercises to try the engine on, and a progress file of the test's own."""

import linecache
from typing import NamedTuple

import pytest
import torch

from mmlearn.exercises import Case, Exercise, Mistake, ValueExercise


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("MMLEARN_PROGRESS", str(path))
    return path


def averaged(signal, width, stride=1):
    return signal.unfold(-1, width, stride).mean(-1)


def summed(signal, width, stride=1):
    return signal.unfold(-1, width, stride).sum(-1)


def without_stride(signal, width, stride=1):
    return averaged(signal, width)


def without_the_last(signal, width, stride=1):
    return averaged(signal, width, stride)[..., :-1]


def moving_average_cases(draw):
    yield Case(draw.integers(6), 2)
    yield Case(draw.integers(8), 2, stride=2, label="every second window")
    yield Case(draw.integers(2, 9), 3)
    yield Case(draw.normal(2, 3, 12), 4, stride=3)


@pytest.fixture
def moving_average():
    return Exercise(
        chapter="99",
        name="moving_average",
        title="A moving average",
        minutes=5,
        difficulty=1,
        equation="Eq. 99.1",
        oracle=averaged,
        cases=moving_average_cases,
        mistakes=[
            Mistake(summed, "the windows are summed, not averaged"),
            Mistake(without_stride, "the stride is forgotten", "Each window starts `stride` places further on."),
            Mistake(without_the_last, "the last window is left out"),
        ],
        hints=["How many windows are there?", "The mean of a window is $\\frac{1}{k}\\sum_i x_i$."],
        afterword="You have written a convolution.",
    )


class Gradients(NamedTuple):
    grad_input: torch.Tensor
    grad_weight: torch.Tensor
    grad_bias: torch.Tensor | None


def linear_gradients(grad_output, input, weight, bias=None):
    grad_bias = None if bias is None else grad_output.sum(0)
    return Gradients(grad_output @ weight, grad_output.mT @ input, grad_bias)


def linear_cases(draw):
    yield Case(draw.integers(1, 2), draw.integers(1, 3), draw.integers(2, 3))
    yield Case(draw.integers(1, 2), draw.integers(1, 3), draw.integers(2, 3), draw.integers(2))
    yield Case(draw.integers(3, 2), draw.integers(3, 4), draw.integers(2, 4), bias=draw.integers(2))


@pytest.fixture
def linear_backward():
    def mean(*args, **kwargs):
        return linear_gradients(*args, **kwargs)._replace(grad_weight=args[0].mT @ args[1] / len(args[1]))

    def not_summed(grad_output, input, weight, bias=None):
        right = linear_gradients(grad_output, input, weight, bias)
        return right._replace(grad_bias=None if bias is None else grad_output)

    def not_transposed(grad_output, input, weight, bias=None):
        return linear_gradients(grad_output, input, weight.mT, bias)

    return Exercise(
        chapter="99",
        name="linear_backward",
        title="The gradients of a linear layer",
        oracle=linear_gradients,
        cases=linear_cases,
        shapes={"grad_output": "N K", "input": "N D", "weight": "K D"},
        mistakes=[
            Mistake(mean, "the weight's gradient is averaged over the batch"),
            Mistake(not_summed, "the bias's gradient is not summed over the batch"),
            Mistake(not_transposed, "the weight is transposed"),
        ],
        hints=["Begin with the shapes.", "dX = dY W"],
        solution=linear_gradients,
    )


@pytest.fixture
def edge_kernel():
    return ValueExercise(
        chapter="99",
        name="edge_kernel",
        title="An edge filter",
        oracle=torch.tensor([-1.0, 0.0, 1.0]),
        mistakes=[
            Mistake(torch.tensor([1.0, 0.0, -1.0]), "the kernel is flipped"),
            Mistake(lambda kernel: bool((kernel > 0).all()), "this kernel blurs", example=torch.ones(3)),
            Mistake(torch.zeros(3), "zeros see nothing"),
        ],
        hints=["An edge is a difference.", "The weights add up to zero."],
        solution="edge_kernel = torch.tensor([-1.0, 0.0, 1.0])",
    )


@pytest.fixture
def cell():
    """Run source as IPython runs a cell: its lines can be looked up under a name that is no file."""

    def run(source, filename="<ipython-input-3-0123456789ab>"):
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        names = {"torch": torch}
        exec(compile(source, filename, "exec"), names)
        return names

    return run
