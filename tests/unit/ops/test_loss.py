"""The losses at their edges: ignored examples, impossible classes, weights, probabilities as targets."""

import math

import pytest
import torch

import mmlearn.ops as F

INF = float("inf")
LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([2, -100, 0, 1])


def loss_and_gradient(library, logits, *arguments, **options):
    x = logits.clone().requires_grad_()
    loss = library.cross_entropy(x, *arguments, **options)
    loss.sum().backward()
    return loss.detach(), x.grad


def assert_as_torch(logits, *arguments, **options):
    actual = loss_and_gradient(F, logits, *arguments, **options)
    torch.testing.assert_close(actual, loss_and_gradient(torch.nn.functional, logits, *arguments, **options), equal_nan=True)
    return actual


def test_an_ignored_example_changes_neither_loss_nor_gradient():
    loss, grad = assert_as_torch(LOGITS, LABELS)
    kept = LABELS != -100
    torch.testing.assert_close(loss, F.cross_entropy(LOGITS[kept], LABELS[kept]))
    assert torch.equal(grad[1], torch.zeros(3))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_when_all_are_ignored_the_mean_is_nan_and_no_gradient_flows(smoothing):
    loss, grad = assert_as_torch(LOGITS, torch.full((4,), 7), ignore_index=7, label_smoothing=smoothing)
    assert loss.isnan()
    assert torch.equal(grad, torch.zeros(4, 3))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("row", [[0.0, -INF, 1.0], [INF, 0.0, 1.0], [-INF, -INF, 2.0], [1e4, -1e4, 0.0]])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_infinite_and_huge_logits_cost_what_they_cost_in_torch(row, label, reduction):
    assert_as_torch(torch.tensor([row, [0.0, 1.0, 2.0]]), torch.tensor([label, 0]), reduction=reduction)


def test_a_class_that_cannot_be_costs_nothing_when_the_target_says_so_too():
    masked = torch.tensor([[0.0, -INF]])
    loss, grad = loss_and_gradient(F, masked, torch.tensor([[1.0, 0.0]]))  # 0 · log 0 = 0, where torch has NaN
    assert loss == 0
    assert torch.equal(grad, torch.zeros(1, 2))
    assert F.cross_entropy(masked, torch.tensor([[0.5, 0.5]])) == INF


def test_weights_weigh_examples_by_their_class():
    weight = torch.tensor([1.0, 0.0, 3.0])
    loss, _ = assert_as_torch(LOGITS, LABELS, weight)
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(loss, (each[0] * 3 + each[2] * 1) / 4)
    assert_as_torch(LOGITS[3:], LABELS[3:], weight)  # the only example has weight zero: 0/0


def test_one_hot_probabilities_are_class_indices():
    labels = LABELS.clamp(min=0)
    torch.testing.assert_close(
        F.cross_entropy(LOGITS, torch.nn.functional.one_hot(labels, 3).float()), F.cross_entropy(LOGITS, labels)
    )


def test_the_gradient_is_p_minus_y_over_n():
    labels = LABELS.clamp(min=0)
    _, grad = loss_and_gradient(F, LOGITS, labels)
    torch.testing.assert_close(grad, (LOGITS.softmax(1) - torch.nn.functional.one_hot(labels, 3)) / 4)


def test_smoothing_mixes_the_target_with_the_uniform_distribution():
    labels = LABELS.clamp(min=0)
    mixed = 0.7 * torch.nn.functional.one_hot(labels, 3) + 0.3 / 3
    torch.testing.assert_close(F.cross_entropy(LOGITS, labels, label_smoothing=0.3), F.cross_entropy(LOGITS, mixed))


def test_a_guess_costs_the_logarithm_of_the_number_of_classes():
    assert F.cross_entropy(torch.zeros(5, 7), torch.arange(5)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 2, 2)])
def test_pixels_are_examples_too(shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(3, (shape[0], *shape[2:]), generator=torch.Generator().manual_seed(2))
    assert_as_torch(logits, labels, torch.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1)
    assert_as_torch(logits, labels, reduction="none")


def test_targets_of_another_precision_are_converted_as_in_torch():
    x = torch.randn(3, 4, requires_grad=True)
    target = torch.rand(3, 4, dtype=torch.float64)
    for library in (F, torch.nn.functional):
        assert library.mse_loss(x, target).dtype == library.cross_entropy(x, target).dtype == torch.float64
    F.mse_loss(x, target).backward()
    torch.testing.assert_close(x.grad, (2 * (x.detach() - target) / 12).float())


def test_the_weighted_mean_square_divides_by_the_weights():
    x, target, weight = torch.tensor([1.0, 5.0]), torch.zeros(2), torch.tensor([3.0, 1.0])
    assert F.mse_loss(x, target, weight=weight) == torch.nn.functional.mse_loss(x, target, weight=weight) == 7
