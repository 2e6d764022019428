import math

import pytest
import torch
import torch.nn.functional as F

from mmlearn.training.multitask import TaskLosses, equal

TASKS = TaskLosses(shape=F.cross_entropy, colour=F.cross_entropy)


def outputs(count=6):
    generator = torch.Generator().manual_seed(0)
    return {
        "shape": torch.randn(count, 4, generator=generator, requires_grad=True),
        "colour": torch.randn(count, 3, generator=generator, requires_grad=True),
    }


TARGETS = torch.tensor([[0, 1], [3, 2], [1, 0], [2, 2], [0, 0], [1, 1]])


def test_each_task_has_the_loss_of_its_own_column():
    out = outputs()
    expected = torch.stack([F.cross_entropy(out["shape"], TARGETS[:, 0]), F.cross_entropy(out["colour"], TARGETS[:, 1])])
    torch.testing.assert_close(TASKS(out, TARGETS), expected)
    torch.testing.assert_close(TASKS((out["shape"], out["colour"]), TARGETS), expected)
    torch.testing.assert_close(equal(TASKS(out, TARGETS)), expected.sum())


def test_a_missing_label_is_left_out_of_the_mean_of_its_task_alone():
    out, targets = outputs(), TARGETS.clone()
    targets[[1, 4], 1] = -100
    known = [0, 2, 3, 5]
    losses = TASKS(out, targets)
    torch.testing.assert_close(losses[0], F.cross_entropy(out["shape"], TARGETS[:, 0]))
    torch.testing.assert_close(losses[1], F.cross_entropy(out["colour"][known], TARGETS[known, 1]))
    torch.testing.assert_close(losses[1], F.cross_entropy(out["colour"], targets[:, 1]))  # torch's own ignore_index
    losses[1].backward()
    assert not out["colour"].grad[[1, 4]].any()
    assert out["colour"].grad[known].all()


def test_a_task_without_labels_has_loss_0_and_gradient_0_even_where_the_output_is_nan():
    out, targets = outputs(), TARGETS.clone()
    targets[:, 1] = -100
    with torch.no_grad():
        out["colour"].fill_(math.nan)
    losses = TASKS(out, targets)
    assert losses[1] == 0
    losses.sum().backward()
    assert torch.equal(out["colour"].grad, torch.zeros(6, 3))
    assert out["shape"].grad.any()


def test_floats_for_a_regression_beside_classes():
    tasks = TaskLosses(shape=F.cross_entropy, size=F.mse_loss)
    logits, guess = torch.randn(4, 3), torch.randn(4)
    targets = torch.tensor([[0.0, 1.5], [2.0, math.nan], [math.nan, 0.5], [1.0, -1.0]])
    losses = tasks((logits, guess), targets)
    torch.testing.assert_close(losses[0], F.cross_entropy(logits[[0, 1, 3]], torch.tensor([0, 2, 1])))
    torch.testing.assert_close(losses[1], F.mse_loss(guess[[0, 2, 3]], torch.tensor([1.5, 0.5, -1.0])))


def test_accuracies_count_labelled_examples():
    out, targets = outputs(), TARGETS.clone()
    targets[2:, 0] = -100
    right = (out["shape"][:2].argmax(1) == targets[:2, 0]).double().mean()
    assert TASKS.accuracies(out, targets)[0] == right
    targets[:, 1] = -100
    assert TASKS.accuracies(out, targets)[1].isnan()


@pytest.mark.parametrize(
    ("given", "targets", "says"),
    [
        (outputs(), TARGETS[:, 0], r"targets must be \(N, 2\), one column for each of shape, colour; got \(6,\)"),
        (outputs(), TARGETS[:, :1], r"got \(6, 1\)"),
        ({"shape": torch.zeros(6, 4)}, TARGETS, "the model gives nothing for colour: its outputs are shape"),
        ((torch.zeros(6, 4),), TARGETS, "one for each of shape, colour; got 1 of them"),
        (torch.zeros(6, 4), TARGETS, "got Tensor"),
    ],
)
def test_outputs_and_targets_that_do_not_fit_are_refused(given, targets, says):
    with pytest.raises(ValueError, match=says):
        TASKS(given, targets)


def test_no_task_is_refused():
    with pytest.raises(ValueError, match="name at least one task"):
        TaskLosses()
