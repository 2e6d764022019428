import math

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from mmlearn.exercises import ch12, verify
from mmlearn.models import product_of_experts


def from_evidence(prior, likelihood, q):
    """The gap as what is left of log p(x)."""
    log_joint = prior.log() + likelihood.log()
    elbo = (q * log_joint).sum() + Categorical(probs=q).entropy()
    return elbo, torch.logsumexp(log_joint, 0) - elbo


def test_bound_and_gap():
    verify(ch12.bound_and_gap, also_right=[from_evidence])


def by_distributions(mean, log_var, prior_mean, prior_log_var):
    q, p = Normal(mean, (log_var / 2).exp()), Normal(prior_mean, (prior_log_var / 2).exp())
    return kl_divergence(q, p).sum(1)


def by_deviations(mean, log_var, prior_mean, prior_log_var):
    sigma, s = log_var.exp().sqrt(), prior_log_var.exp().sqrt()
    each = torch.log(s / sigma) + (sigma**2 + (mean - prior_mean) ** 2) / (2 * s**2) - 0.5
    return torch.einsum("nd->n", each)


def test_gaussian_kl():
    verify(ch12.gaussian_kl, also_right=[by_distributions, by_deviations])


def row_by_row(f, mean, std, noise):
    """Each draw by itself, by the mean as a leaf, and the score by autograd of log q."""
    through, score = [], []
    values = [f((mean + std * e)[None])[0] for e in noise]
    for n, e in enumerate(noise):
        leaf = mean.clone().requires_grad_()
        through.append(torch.autograd.grad(f((leaf + std * e)[None])[0], leaf)[0])
        leaf = mean.clone().requires_grad_()
        log_q = Normal(leaf, std).log_prob((mean + std * e).detach()).sum()
        baseline = torch.stack([v for m, v in enumerate(values) if m != n]).mean()
        score.append((values[n] - baseline) * torch.autograd.grad(log_q, leaf)[0])
    return torch.stack(through), torch.stack(score)


def test_two_gradients():
    verify(ch12.two_gradients, also_right=[row_by_row])


def with_the_largest_taken_out(log_weights):
    top = log_weights.max(1, keepdim=True).values
    return (top + (log_weights - top).exp().mean(1, keepdim=True).log())[:, 0]


def test_importance_weighted():
    verify(ch12.importance_weighted, also_right=[with_the_largest_taken_out])


def pole_by_pole(eigenvalues, beta, variance):
    rate, error, active = 0.0, 0.0, 0
    for pole in eigenvalues:
        if pole > beta * variance:
            rate, error, active = rate + 0.5 * (pole.log() - math.log(beta * variance)), error + beta * variance, active + 1
        else:
            error = error + pole
    return torch.as_tensor(rate, dtype=eigenvalues.dtype), torch.as_tensor(error, dtype=eigenvalues.dtype), active


def test_water_filling():
    verify(ch12.water_filling, also_right=[pole_by_pole])


def by_logarithms(means, variances, present):
    mean, log_var = product_of_experts(means, variances.log(), present)
    return mean, log_var.exp()


def one_expert_after_the_other(means, variances, present):
    mean, variance = torch.zeros_like(means[0]), torch.ones_like(means[0])
    for m, v, here in zip(means, variances, present, strict=True):
        both = 1 / (1 / variance + 1 / v)
        moved = both * (mean / variance + m / v)
        mean, variance = moved.where(here[:, None], mean), both.where(here[:, None], variance)
    return mean, variance


def test_expert_product():
    verify(ch12.expert_product, also_right=[by_logarithms, one_expert_after_the_other])


def by_torch_distributions(x, mean, log_var, noise, decode):
    q = Normal(mean, log_var.exp().sqrt())
    given = Bernoulli(logits=decode(q.mean + q.stddev * noise), validate_args=False).log_prob(x).sum((1, 2, 3))
    return (kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(1) - given).mean()


def summed_then_divided(x, mean, log_var, noise, decode):
    logits = decode(mean + (0.5 * log_var).exp() * noise)
    total = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    total = total + 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()
    return total / len(x)


def test_repaired_loss():
    verify(ch12.repaired_loss, also_right=[by_torch_distributions, summed_then_divided])


@pytest.mark.parametrize(
    ("exercise", "answer", "says"),
    [
        (ch12.gaussian_kl, lambda mean, log_var, prior_mean, prior_log_var: mean.sum(1), ""),
        (ch12.expert_product, lambda means, variances, present: means.sum(0), "2"),
        (ch12.bound_and_gap, lambda prior, likelihood, q: None, "None"),
    ],
)
def test_another_wrong_answer_is_refused_without_a_catalogued_cause(exercise, answer, says):
    result = exercise.judge(answer)
    assert result.status == "failed"
    assert result.mistake is None
    assert says in str(result)
