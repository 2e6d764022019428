"""How accuracy falls when modalities go missing or are damaged, and how to compare two models that fall."""

import torch

from mmlearn.ops.arguments import require
from mmlearn.training.contribution import predictions


def take_away(present, column, rate, generator=None):
    """Presence with a modality taken from a share of the examples: present (N, M) bool → (N, M) bool.

    column: which modality   rate: the share, in [0, 1], of all N examples: round(rate · N) of them lose it, drawn evenly, and
    with the same seed those of a smaller rate are among those of a larger one. An example that has nothing else keeps it.
    Raises ValueError for a rate outside [0, 1] and for a column that is not there.
    """
    _check_presence(present)
    N, M = present.shape
    require(isinstance(column, int) and 0 <= column < M, "column", repr(column), f"a whole number from 0 to {M - 1}")
    require(0 <= rate <= 1, "rate", repr(rate), "a share in [0, 1]")
    chosen = torch.randperm(N, generator=generator)[: round(rate * N)]
    lost = torch.zeros(N, dtype=torch.bool).index_fill(0, chosen, True).to(present.device)
    others = present.clone()
    others[:, column] = False
    kept = present.clone()
    kept[:, column] &= ~(lost & others.any(1))
    return kept


def missing_curve(model, inputs, present, labels, column, rates, *, seed=0, batch_size=256):
    """Accuracy where a modality is missing from a share of the test examples: (R,) float64 for R rates.

    model(*inputs, present=present) → logits (N, K), present (N, M) bool, as ``MultimodalModel`` takes it; rates: shares in
    [0, 1] (see ``take_away``). The examples that lose it at one rate are among those that do at a higher one.
    """
    scores = []
    for rate in rates:
        kept = take_away(present, column, float(rate), torch.Generator().manual_seed(seed))
        scores.append((predictions(model, inputs, kept, batch_size) == labels).double().mean())
    return torch.stack(scores)


def expected_under_missing(complete, without, rates):
    """acc(q) = (1 − q) · acc(complete) + q · acc(without it): what is expected when a share q lacks a modality — Eq. 19.8.

    True of a model, and of the ceilings, where which examples lose it has nothing to do with what they show.

    >>> expected_under_missing(1.0, 0.25, torch.tensor([0.0, 0.5, 1.0]))
    tensor([1.0000, 0.6250, 0.2500])
    """
    rates = torch.as_tensor(rates)
    require(bool(((rates >= 0) & (rates <= 1)).all()), "rates", rates.tolist(), "shares in [0, 1]")
    return (1 - rates) * complete + rates * without


def corruption_curve(model, inputs, present, labels, corrupt, levels, *, seed=0, batch_size=256):
    """Accuracy on damaged inputs: (L,) float64 for L levels.

    corrupt: function (inputs, level, generator) → inputs, such as one that adds noise to the pictures; the generator has the
    same seed at every level, so that the same noise grows. Raises ValueError where it changes the number of inputs.
    """
    scores = []
    for level in levels:
        damaged = corrupt(tuple(inputs), level, torch.Generator().manual_seed(seed))
        fits = isinstance(damaged, (tuple, list)) and len(damaged) == len(inputs)
        got = f"{len(damaged)} tensors" if isinstance(damaged, (tuple, list)) else type(damaged).__name__
        require(fits, "corrupt", got, f"the {len(inputs)} inputs back, as a tuple")
        scores.append((predictions(model, damaged, present, batch_size) == labels).double().mean())
    return torch.stack(scores)


def relative_robustness(shifted, shifted_before):
    """Δ_rel = acc₂(after) − acc₂(before): what an intervention gains under the shift (Taori et al. 2020). Numbers or tensors."""
    return shifted - shifted_before


def effective_robustness(clean, shifted, baseline_clean, baseline_shifted, *, least=1e-3):
    """Δ_eff = acc₂ − β(acc₁): accuracy under a shift beyond what that without it lets expect — Eq. 19.9 (Taori et al. 2020).

    β is a straight line through the baseline models on axes of log-odds, fitted by least squares. clean, shifted: acc₁ and acc₂
    of the models in question, numbers or (…) tensors in [0, 1]; baseline_clean, baseline_shifted: (B,) of B ≥ 2 baseline models
    least: accuracies are held in [least, 1 − least], since the log-odds of 0 and of 1 are infinite
    returns: (…) float64, 0 on the line. Raises ValueError for fewer than two baselines, or baselines of one clean accuracy.

    >>> effective_robustness(0.8, 0.7, [0.5, 0.9], [0.5, 0.9])
    tensor(-0.1000, dtype=torch.float64)
    """
    given = {"clean": clean, "shifted": shifted, "baseline_clean": baseline_clean, "baseline_shifted": baseline_shifted}
    for name, values in given.items():
        values = given[name] = torch.as_tensor(values, dtype=torch.float64)
        inside = bool(((values >= 0) & (values <= 1)).all())
        require(inside, name, [round(v, 4) for v in values.flatten().tolist()], "accuracies in [0, 1]: divide percents by 100")
    x, y = (torch.logit(given[f"baseline_{name}"].flatten(), eps=least) for name in ("clean", "shifted"))
    require(len(x) == len(y) >= 2, "baseline_clean", f"{len(x)} models, and {len(y)} shifted", "two models or more, each in both")
    spread = x - x.mean()
    varied = spread.square().sum()
    require(bool(varied > 1e-12), "baseline_clean", f"{len(x)} times the same accuracy", "models that differ")
    slope = (spread * (y - y.mean())).sum() / varied
    expected = torch.sigmoid(y.mean() + slope * (torch.logit(given["clean"], eps=least) - x.mean()))
    return given["shifted"] - expected


def _check_presence(present):
    fits = isinstance(present, torch.Tensor) and present.dtype == torch.bool and present.ndim == 2
    got = f"{present.dtype} of shape {tuple(present.shape)}" if isinstance(present, torch.Tensor) else type(present).__name__
    require(fits, "present", got, "bool (N, M): an example a row, a modality a column")
