"""How well a score tells two kinds apart: ROC curve, the area under it, and how sure one may be of that area."""

from typing import NamedTuple

import torch

_ENOUGH = 20  # resamples below which percentiles of 2.5 and 97.5 mean nothing


class Roc(NamedTuple):
    """One point for each threshold: false alarms and found ones, (T,) shares, from (0, 0) to (1, 1); the thresholds (T,)."""

    false_alarms: torch.Tensor
    found: torch.Tensor
    thresholds: torch.Tensor


class Interval(NamedTuple):
    """An estimate and the ends of its interval, as floats."""

    value: float
    low: float
    high: float


def roc_curve(normal, anomalous):
    """The share of anomalies found against the share of false alarms, threshold by threshold: those at or above it are called.

    normal: scores (N,) of what is normal   anomalous: scores (M,) of what is not, hoped to be larger   returns: Roc

    >>> roc_curve(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])).found.tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    normal, anomalous = _scores(normal, "normal"), _scores(anomalous, "anomalous")
    thresholds = torch.cat([normal, anomalous]).unique().flip(0)  # highest first
    start = torch.tensor([torch.inf], dtype=torch.float64)
    thresholds = torch.cat([start, thresholds])  # nothing is called at first

    def at_or_above(scores):
        return (scores >= thresholds[:, None]).double().mean(1)  # (T,)

    return Roc(at_or_above(normal), at_or_above(anomalous), thresholds)


def auc(normal, anomalous):
    """AUC = P(s_anomalous > s_normal) + ½·P(s_anomalous = s_normal), the area under the ROC curve — Eq. 11.17 (Bamber 1975).

    normal: scores (N,)   anomalous: scores (M,)   returns: a float, 1 where every anomaly scores higher, ½ for a score by chance

    >>> auc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0]))
    0.875
    """
    normal, anomalous = _scores(normal, "normal"), _scores(anomalous, "anomalous")
    ordered = normal.sort().values
    below = torch.searchsorted(ordered, anomalous).double()  # normal ones with a smaller score, (M,)
    up_to = torch.searchsorted(ordered, anomalous, right=True).double()
    return ((below + up_to) / 2).mean().item() / len(normal)


def bootstrap_interval(statistic, *samples, resamples=1000, level=0.95, seed=0):
    """The percentile interval of a statistic when each sample is drawn anew, with replacement, from itself (Efron 1979).

    statistic: function of the samples → a number   samples: tensors (N, …); each is resampled by rows on its own, so that scores
    that belong to the same rows stand beside one another in one tensor (N, S)
    returns: Interval(value, low, high). It speaks of the choice of the rows alone, not of what was trained or chosen before.

    >>> bootstrap_interval(lambda x: x.mean(), torch.arange(100.0)).value
    49.5
    """
    if not samples or any(len(sample) == 0 for sample in samples):
        raise ValueError(f"bootstrap_interval needs samples with rows; got {[tuple(s.shape) for s in samples]}")
    if not 0 < level < 1:
        raise ValueError(f"level must be a share between 0 and 1, such as 0.95; got {level!r}")
    if not isinstance(resamples, int) or resamples < _ENOUGH:
        raise ValueError(f"resamples must be a whole number, at least {_ENOUGH}; got {resamples!r}")
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(resamples):
        rows = [torch.randint(len(sample), (len(sample),), generator=generator) for sample in samples]
        values.append(float(statistic(*(sample[row] for sample, row in zip(samples, rows, strict=True)))))
    outside = (1 - level) / 2
    ends = torch.tensor(values, dtype=torch.float64).quantile(torch.tensor([outside, 1 - outside], dtype=torch.float64))
    return Interval(float(statistic(*samples)), *ends.tolist())


def _scores(scores, name):
    """Scores as float64 (N,), refused where they cannot be ordered."""
    scores = torch.as_tensor(scores).double()
    if scores.dim() != 1 or len(scores) == 0:
        raise ValueError(f"{name} must be scores (N,), at least one; got shape {tuple(scores.shape)}")
    if scores.isnan().any():
        raise ValueError(
            f"{name} holds NaN, {int(scores.isnan().sum())} of {len(scores)}: a score must have its place in an order"
        )
    return scores.detach().cpu().contiguous()
