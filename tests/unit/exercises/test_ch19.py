"""Chapter 19: each mistake is named, right answers in other styles pass, and the right answers are those of the package."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmlearn.data.missing import kept_at_random
from mmlearn.exercises import ch19, verify
from mmlearn.training import balance, contribution, race, robustness


def test_slower_share():
    def with_logarithms(share, start, signals):
        return torch.exp(math.log(start) + signals[1] / signals[0] * torch.log(share / start))

    def of_the_package(share, start, signals):
        return race.slower_share(share, start, start, signals[1] / signals[0])

    verify(ch19.slower_share, also_right=[with_logarithms, of_the_package])


def test_modulation():
    def with_one_hot(image_logits, text_logits, labels, alpha):
        hot = F.one_hot(labels, image_logits.shape[1]).to(image_logits)
        s = torch.stack([(F.softmax(z, 1) * hot).sum() for z in (image_logits, text_logits)])
        rho = s / s.flip(0)
        k = torch.ones_like(rho)
        k[rho > 1] = 1 - (alpha * rho[rho > 1]).tanh()
        return k

    def in_a_loop(image_logits, text_logits, labels, alpha):
        scores = [sum(z[n].softmax(0)[y] for n, y in enumerate(labels)) for z in (image_logits, text_logits)]
        first = scores[0] / scores[1]
        second = 1 / first
        slow = [1 - torch.tanh(alpha * r) if r > 1 else torch.ones_like(r) for r in (first, second)]
        return torch.stack(slow)

    verify(ch19.modulation, also_right=[with_one_hot, in_a_loop])


def test_modulation_is_the_packages():
    torch.manual_seed(0)
    for _ in range(20):
        image, text, labels = torch.randn(5, 3).double(), 2 * torch.randn(5, 3).double(), torch.randint(3, (5,))
        ratios = balance.score_ratio({"image": image, "text": text}, labels)
        expected = [balance.ogm_coefficient(ratios[name], 0.4) for name in ("image", "text")]
        assert ch19.modulation.oracle(image, text, labels, 0.4).tolist() == pytest.approx(expected)


def test_blending_weights():
    def of_the_package(train, validation):
        heads = [balance.gain_and_overfitting(*pair) for pair in zip(train.tolist(), validation.tolist(), strict=True)]
        gain, over = ({str(k): head[side] for k, head in enumerate(heads)} for side in (0, 1))
        weights = balance.blending_weights(gain, over, least=0.0)
        return torch.tensor(list(weights.values()), dtype=train.dtype)

    def with_differences(train, validation):
        gain = torch.relu(-torch.diff(validation, dim=1)[:, 0])
        over = torch.diff(validation, dim=1)[:, 0] - torch.diff(train, dim=1)[:, 0]
        return F.normalize(gain / over.square(), p=1, dim=0)

    verify(ch19.blending_weights, also_right=[of_the_package, with_differences])


def one_by_one(features, present, p, u, training):
    kept = present.clone()
    for n in range(len(u)):
        if training:
            for m in range(u.shape[1]):
                kept[n, m] = present[n, m] and u[n, m] >= p
            if not kept[n].any() and present[n].any():
                kept[n, max((m for m in range(u.shape[1]) if present[n, m]), key=lambda m: u[n, m])] = True
    return features.masked_fill(~kept[..., None], 0), kept


def test_repaired_dropout():
    verify(ch19.repaired_dropout, also_right=[one_by_one])


def test_the_repaired_dropout_keeps_what_the_package_promises():
    present = torch.rand(200, 3) < 0.7
    present[:, 0] |= ~present.any(1)
    _, kept = ch19.repaired_dropout.oracle(torch.zeros(200, 3, 1), present, 0.6, torch.rand(200, 3), True)
    ours = kept_at_random(present, 0.6)
    for found in (kept, ours):
        assert found.any(1).all()
        assert not (found & ~present).any()


def test_missing_curve():
    def cumulative(right, right_without, order, rates):
        """The whole curve at once: losing one example more changes the sum by one difference."""
        change = right_without[order].double() - right[order].double()
        sums = torch.cat([torch.zeros(1).double(), change.cumsum(0)]) + right.double().sum()
        return sums[[round(rate * len(order)) for rate in rates]] / len(order)

    def with_numpy(right, right_without, order, rates):
        rank = np.argsort(order.numpy())
        found = [np.where(rank < round(r * len(rank)), right_without.numpy(), right.numpy()).mean() for r in rates]
        return torch.tensor(found)

    verify(ch19.missing_curve, also_right=[cumulative, with_numpy])


def test_effective_robustness():
    def with_numpy(clean, shifted, baseline_clean, baseline_shifted):
        slope, offset = np.polyfit(torch.logit(baseline_clean).numpy(), torch.logit(baseline_shifted).numpy(), 1)
        return shifted - torch.sigmoid(torch.logit(clean) * float(slope) + float(offset))

    def of_the_package(clean, shifted, baseline_clean, baseline_shifted):
        return robustness.effective_robustness(clean, shifted, baseline_clean, baseline_shifted).to(clean.dtype)

    verify(ch19.effective_robustness, also_right=[with_numpy, of_the_package])


def test_shapley():
    def over_orders(value, names):
        shares, orders = dict.fromkeys(names, 0.0), list(permutations(names))
        for order in orders:
            for place, name in enumerate(order):
                shares[name] += (value[frozenset(order[: place + 1])] - value[frozenset(order[:place])]) / len(orders)
        return shares

    verify(ch19.shapley, also_right=[over_orders, contribution.shapley])
