"""Two ways to the gradient of a mean over draws whose distribution is what we want to change, and what the second one costs.

The first, through the draw, is ``reparameterised_sample``. The second needs no derivative of what is averaged.
"""

from typing import NamedTuple

import torch

from mmlearn.ops.arguments import check_floating, require, shape


class ScoreGradients(NamedTuple):
    """One estimate of the gradient for each draw: by mean and by log_var, (S, D) each."""

    mean: torch.Tensor
    log_var: torch.Tensor


def score_function_gradient(values, z, mean, log_var, baseline=0.0):
    """∇E[f(z)] = E[(f(z) − b) ∇log q(z)] for z from q = N(μ, σ²) — Eq. 12.7 (Williams 1992, REINFORCE).

    By μ the score ∇log q is (z − μ)/σ², by log σ² it is ½[(z − μ)²/σ² − 1]. f needs no derivative; b may be any number that does
    not depend on the draw it is used for.
    values: f at each of S draws, (S,)   z: the draws (S, D)   mean μ, log_var = log σ²: (D,)   baseline b: a number, or (S,)
    returns: ScoreGradients of (S, D): an estimate for each draw, to be averaged

    >>> score_function_gradient(torch.tensor([9.0]), torch.tensor([[3.0]]), torch.tensor([1.0]), torch.tensor([4.0]).log())
    ScoreGradients(mean=tensor([[4.5000]]), log_var=tensor([[0.]]))
    """
    check_floating(values, "values", (1,), "(S,): f at each draw")
    check_floating(z, "z", (2,), f"({len(values)}, D): the draws")
    require(len(z) == len(values), "z", shape(z), f"({len(values)}, D): a row for each of the values")
    for argument, tensor in {"mean": mean, "log_var": log_var}.items():
        check_floating(tensor, argument, (1,), f"({z.shape[1]},)")
        require(tensor.shape == z.shape[1:], argument, shape(tensor), f"({z.shape[1]},): one number for each column of z")
    noise = (z - mean) * torch.exp(-log_var / 2)  # ε, (S, D)
    weight = (values - baseline)[:, None]  # (S, 1)
    return ScoreGradients(weight * noise * torch.exp(-log_var / 2), weight * (noise**2 - 1) / 2)


def score_function_variance(mean, std, dims, baseline=0.0):
    """8μ² + 10σ² + (D − 1)(4μ² + 2σ²) + 4c + c²/σ², with c = D(μ² + σ²) − b — Eq. 12.8.

    The variance of one draw's estimate of ∂E[Σ_d z_d²]/∂μ₁ by ``score_function_gradient``, for D independent z_d from N(μ, σ²);
    through the draw it would be 4σ². mean μ, std σ, baseline b: numbers or tensors   dims: D ≥ 1

    >>> score_function_variance(1.0, 1.0, dims=1), score_function_variance(1.0, 1.0, dims=10, baseline=20.0)
    (30.0, 72.0)
    """
    require(dims >= 1, "dims", dims, "a whole number ≥ 1")
    good = std > 0 if isinstance(std, (int, float)) else bool((std > 0).all())
    require(good, "std", std, "a number > 0")
    left = dims * (mean**2 + std**2) - baseline
    return 8 * mean**2 + 10 * std**2 + (dims - 1) * (4 * mean**2 + 2 * std**2) + 4 * left + left**2 / std**2
