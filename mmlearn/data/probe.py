"""Probes: linear models on frozen features, fitted in closed form (ridge) or by scikit-learn (logistic).

>>> features = torch.tensor([[0.0, 1.0], [1.0, 0.0], [4.0, 5.0], [5.0, 4.0]])
>>> probe = ridge_probe(features, torch.tensor([0, 0, 1, 1]), penalty=0.1)
>>> probe.predict(features), probe.accuracy(features, torch.tensor([0, 0, 1, 1]))
(tensor([0, 0, 1, 1]), 1.0)
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

PENALTIES = tuple(10.0**power for power in range(-3, 5))


@dataclass(frozen=True)
class Probe:
    """A linear model with the standardisation that it was fitted with: features (N, D) → scores (N, K).

    weight: (D, K)   bias: (K,)   mean, spread: (D,), of the training features   penalty: λ
    """

    weight: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    penalty: float

    def scores(self, features):
        return ((features.to(self.weight) - self.mean) / self.spread) @ self.weight + self.bias  # (N, K)

    def predict(self, features):
        """(N,) int64: the class with the largest score."""
        return self.scores(features).argmax(1)

    def accuracy(self, features, labels):
        """The share of examples whose class is right, a float."""
        return (self.predict(features) == labels.to(self.weight.device)).double().mean().item()


def ridge(x, y, penalty):
    """W = (XᵀX + λI)⁻¹ XᵀY: minimises ‖XW − Y‖² + λ‖W‖² — Eq. 13.1 (Hoerl & Kennard 1970).

    x: (N, D)   y: (N, K)   penalty: λ > 0   returns: (D, K)
    With fewer examples than features it solves the smaller system of ``ridge_dual``, which is equal.
    """
    _check(x, y, penalty)
    if len(x) < x.shape[1]:
        return ridge_dual(x, y, penalty)
    gram = x.mT @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)  # (D, D)
    return torch.linalg.solve(gram, x.mT @ y)


def ridge_dual(x, y, penalty):
    """W = Xᵀ (XXᵀ + λI)⁻¹ Y: the same with an (N, N) system — Eq. 13.2 (push-through identity; Saunders et al. 1998)."""
    _check(x, y, penalty)
    gram = x @ x.mT + penalty * torch.eye(len(x), dtype=x.dtype, device=x.device)  # (N, N)
    return x.mT @ torch.linalg.solve(gram, y)


def leave_one_out(x, y, penalty):
    """(y_i − ŷ_i) / (1 − h_ii): each example's error under the ridge that was fitted without it — Eq. 13.3 (Allen 1974).

    x: (N, D)   y: (N, K)   returns: (N, K). ŷ is fitted with all; h_ii = x_iᵀ (XᵀX + λI)⁻¹ x_i. No mean is taken off: what is
    computed from all examples, such as a mean, would know the example that is left out.
    """
    _check(x, y, penalty)
    left, singular, _ = torch.linalg.svd(x, full_matrices=False)  # (N, R), (R,)
    shrunk = left * (singular**2 / (singular**2 + penalty))  # (N, R)
    hat = (shrunk * left).sum(1)  # (N,), h_ii
    return (y - shrunk @ (left.mT @ y)) / (1 - hat)[:, None]


def ridge_probe(features, labels, penalty=None, classes=None):
    """Ridge on one-hot labels: a Probe, its standardisation taken from these features alone.

    features: (N, D)   labels: (N,) int64   classes: K, by default the largest label + 1
    penalty: λ, or None for that of PENALTIES with the fewest leave-one-out errors (the larger λ where they are equal)
    Raises ValueError on features that are not finite, and where nothing can be learned: no example.
    """
    x, y, mean, spread = _prepared(features, labels, classes)
    target = F.one_hot(y, classes or int(y.max()) + 1).to(x)  # (N, K)
    centred = target - target.mean(0)
    if penalty is None:
        ones = torch.cat([x, torch.full_like(x[:, :1], len(x))], 1)  # a constant so large that the penalty does not touch it
        wrong = [(target - leave_one_out(ones, target, each)).argmax(1).ne(y).sum().item() for each in PENALTIES]
        penalty = max(each for each, errors in zip(PENALTIES, wrong, strict=True) if errors == min(wrong))
    return Probe(ridge(x, centred, penalty), target.mean(0), mean, spread, float(penalty))


def logistic_probe(features, labels, penalty=1.0, classes=None):
    """Multinomial logistic regression, mean cross-entropy + (λ/2N)‖W‖² as scikit-learn has it (C = 1/λ): a Probe.

    Arguments and errors as ``ridge_probe``; at least two classes must occur.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import

    x, y, mean, spread = _prepared(features, labels, classes)
    if not penalty > 0:
        raise ValueError(f"penalty must be positive; got {penalty}")
    found = sorted(set(y.tolist()))
    if len(found) < 2:
        raise ValueError(f"labels must hold at least two classes; got class {found[0]} alone: a probe has nothing to tell apart")
    model = LogisticRegression(C=1 / penalty, max_iter=2000).fit(x.cpu().numpy(), y.cpu().numpy())
    rows, constants = torch.from_numpy(model.coef_).to(x), torch.from_numpy(model.intercept_).to(x)
    if len(found) == 2:  # scikit-learn keeps the difference of the two
        rows, constants = torch.cat([-rows, rows]) / 2, torch.cat([-constants, constants]) / 2
    K = classes or found[-1] + 1
    weight, bias = x.new_zeros(x.shape[1], K), x.new_full((K,), -torch.inf)  # a class that never occurs is never predicted
    weight[:, found], bias[found] = rows.mT, constants
    return Probe(weight, bias, mean, spread, float(penalty))


def _prepared(features, labels, classes):
    x, y = torch.as_tensor(features).detach().double(), torch.as_tensor(labels)
    if x.ndim != 2 or len(x) == 0 or y.shape != x.shape[:1]:
        raise ValueError(
            f"features must be (N, D) and labels (N,), N ≥ 1; got {tuple(x.shape)} and {tuple(y.shape)}: "
            "tokens (N, T, D) become features with .mean(1)"
        )
    if y.is_floating_point() or y.dtype == torch.bool or y.min() < 0 or (classes is not None and y.max() >= classes):
        raise ValueError(
            f"labels must be whole numbers from 0 to {'K' if classes is None else classes} − 1; got {y.dtype} {y[:5].tolist()}"
        )
    if not x.isfinite().all():
        raise ValueError(
            f"features must be finite; {int((~x.isfinite()).any(1).sum())} of {len(x)} examples hold NaN or infinity"
        )
    mean, spread = x.mean(0), x.std(0, correction=0)
    spread = torch.where(spread > 1e-8 * (1 + mean.abs()), spread, torch.ones_like(spread))  # a constant feature stays 0
    return (x - mean) / spread, y.long().to(x.device), mean, spread


def _check(x, y, penalty):
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x must be (N, D) and y (N, K), N ≥ 1; got {tuple(x.shape)} and {tuple(y.shape)}")
    if not penalty > 0:
        raise ValueError(f"penalty must be positive, so that the inverse exists; got {penalty}")
