import numpy as np
import pytest
import torch

from mmlearn.data.imbalance import balanced_sampler, class_counts, class_weights, effective_number_weights, shift_prior

LABELS = torch.tensor([0] * 90 + [1] * 9 + [2])


def test_the_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS.numpy())
    np.testing.assert_allclose(class_weights(LABELS, 3), expected, rtol=1e-6)


def test_weighted_classes_count_alike_and_examples_one_on_average():
    weights = class_weights(LABELS, ("a", "b", "c"))
    counts = class_counts(LABELS, 3)
    assert (weights * counts).tolist() == pytest.approx([100 / 3] * 3)
    assert weights[LABELS].mean().item() == pytest.approx(1)


def test_effective_numbers_lie_between_no_weights_and_inverse_frequencies():
    assert effective_number_weights(LABELS, 3, beta=0).tolist() == [1, 1, 1]
    inverse = 1 / class_counts(LABELS, 3)
    torch.testing.assert_close(effective_number_weights(LABELS, 3, beta=1 - 1e-9), 3 * inverse / inverse.sum(), rtol=1e-3, atol=0)
    half = effective_number_weights(LABELS, 3, beta=0.5)  # by hand: effective numbers 2(1 − 2^−n) = 2, 1.99609375, 1
    expected = torch.tensor([1 / 2, 1 / 1.99609375, 1])
    torch.testing.assert_close(half, 3 * expected / expected.sum())
    assert half.sum().item() == pytest.approx(3)


def test_the_sampler_draws_every_class_equally_often_and_follows_its_seed():
    sampler = balanced_sampler(LABELS, seed=0, num_samples=6000)
    torch.manual_seed(1)
    drawn = list(sampler)
    shares = LABELS[drawn].bincount() / 6000
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.02)  # three standard errors
    torch.manual_seed(2)
    assert list(balanced_sampler(LABELS, seed=0, num_samples=6000)) == drawn
    assert list(sampler) != drawn
    assert list(balanced_sampler(LABELS, seed=1, num_samples=6000)) != drawn
    assert len(balanced_sampler(LABELS, seed=0)) == 100
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(LABELS), batch_size=50, sampler=balanced_sampler(LABELS, seed=0)
    )
    assert sum(len(batch) for (batch,) in loader) == 100


def test_shifted_logits_are_bayes_rule_with_the_other_prior():
    likelihood = torch.tensor([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]], dtype=torch.float64)  # P(x | k), two x
    p, q = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64), torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)

    def posterior(prior):
        joint = likelihood * prior
        return joint / joint.sum(1, keepdim=True)

    logits = posterior(p).log() + 3.0  # a constant changes nothing
    torch.testing.assert_close(shift_prior(logits, p, q).softmax(1), posterior(q))
    torch.testing.assert_close(shift_prior(logits, p).softmax(1), posterior(torch.full((3,), 1 / 3, dtype=torch.float64)))
    torch.testing.assert_close(shift_prior(shift_prior(logits, p, q), q, p), logits)
    assert torch.equal(shift_prior(logits, p, q, tau=0), logits)
    torch.testing.assert_close(shift_prior(logits, class_counts(LABELS, 3)), shift_prior(logits, [0.90, 0.09, 0.01]))


def test_balanced_accuracy_rises_when_a_classifier_of_rare_things_is_corrected():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(20000, generator=generator) < 0.05).long()
    x = torch.randn(20000, generator=generator, dtype=torch.float64) + labels * 1.5  # two bells, 1.5 apart
    logits = torch.stack([torch.full_like(x, np.log(0.95)), np.log(0.05) + 1.5 * x - 1.125], dim=1)  # log prior + log likelihood

    def balanced_accuracy(logits):
        right = logits.argmax(1) == labels
        return (right[labels == 0].double().mean() + right[labels == 1].double().mean()).item() / 2

    best = 0.5 * (1 + torch.erf(torch.tensor(0.75 / 2**0.5)).item())  # Φ(0.75): the bells cut in the middle
    assert balanced_accuracy(logits) < best - 0.15
    assert balanced_accuracy(shift_prior(logits, [0.95, 0.05])) == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("function", [class_counts, class_weights, effective_number_weights])
def test_a_class_without_examples_is_named(function):
    with pytest.raises(ValueError, match="no example of class 1, class 3: collect some"):
        function(torch.tensor([0, 2, 2]), 4)
    with pytest.raises(ValueError, match=r"no example of 1 \(dog\)"):
        function(torch.tensor([0, 0]), ("cat", "dog"))


def test_a_gap_in_the_labels_is_no_class_to_draw_from():
    with pytest.raises(ValueError, match="no example of class 1"):
        balanced_sampler(torch.tensor([0, 2, 2]), seed=0)
    with pytest.raises(ValueError, match="at least one"):
        balanced_sampler(torch.zeros(0, dtype=torch.int64), seed=0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: class_weights(torch.tensor([0, 3]), 3), "labels must lie in 0 to 2; got 0 to 3"),
        (lambda: class_weights(torch.tensor([-1, 0]), 1), "got -1 to 0"),
        (lambda: class_weights(torch.tensor([0.0, 1.0]), 2), "whole numbers.*got torch.float32"),
        (lambda: class_weights(torch.zeros(0, dtype=torch.int64), 2), r"at least one.*\(0,\)"),
        (lambda: effective_number_weights(LABELS, 3, beta=1), r"beta must lie in \[0, 1\); got 1"),
        (lambda: shift_prior(torch.zeros(2, 3), [0.5, 0.5]), r"train_prior must be 3 positive numbers.*got \[0.5, 0.5\]"),
        (lambda: shift_prior(torch.zeros(2), [0.5, 0.5], [1, 0]), "test_prior must be 2 positive numbers"),
    ],
)
def test_what_cannot_be_weighed_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
