"""Late fusion and products of experts, against scikit-learn's voting and naive Bayes."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB

from mmlearn.models.fusion import Late, Mean, ProductOfExperts

DIMS = {"image": 4, "text": 3}


def batch(n=5):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(n, d, generator=generator, dtype=torch.float64) for name, d in DIMS.items()}


def test_the_mean_of_logits_is_mean_by_its_other_name():
    torch.manual_seed(0)
    late, mean = Late(DIMS, 6).double(), Mean(DIMS, 6).double()
    mean.load_state_dict(late.state_dict())
    torch.testing.assert_close(late(batch()), mean(batch()))


def test_the_mean_of_probabilities_is_soft_voting():
    rng = np.random.default_rng(0)
    x, y = {name: rng.normal(size=(80, d)) for name, d in DIMS.items()}, rng.integers(0, 3, 80)
    late, votes = Late(DIMS, 3, average="probabilities").double(), []
    for name in DIMS:
        model = LogisticRegression().fit(x[name], y)
        votes.append(model.predict_proba(x[name]))
        with torch.no_grad():
            late.project[name].weight.copy_(torch.from_numpy(model.coef_))
            late.project[name].bias.copy_(torch.from_numpy(model.intercept_))
    inputs = {name: torch.from_numpy(values) for name, values in x.items()}
    np.testing.assert_allclose(late(inputs).exp().detach(), np.mean(votes, 0), atol=1e-12)
    np.testing.assert_allclose(late({"text": inputs["text"]}).exp().detach(), votes[1], atol=1e-12)
    answers = late.answers(inputs)
    np.testing.assert_allclose(answers["image"].softmax(1).detach(), votes[0], atol=1e-12)


def test_a_product_of_experts_is_naive_bayes():
    """One BernoulliNB for each modality, multiplied, is one BernoulliNB that sees all: they are independent given the class."""
    rng = np.random.default_rng(0)
    y = rng.choice(3, 200, p=[0.6, 0.3, 0.1])
    x = {name: (rng.random((200, d)) < 0.2 + 0.3 * y[:, None] * rng.random(d)).astype(float) for name, d in DIMS.items()}
    whole = BernoulliNB().fit(np.hstack(list(x.values())), y)
    product = ProductOfExperts(DIMS, 3).double()
    with torch.no_grad():
        product.prior.copy_(torch.from_numpy(whole.class_log_prior_))
        for name in DIMS:
            expert = BernoulliNB().fit(x[name], y)
            absent = np.log1p(-np.exp(expert.feature_log_prob_))  # log P(feature = 0 | class)
            product.project[name].weight.copy_(torch.from_numpy(expert.feature_log_prob_ - absent))
            product.project[name].bias.copy_(torch.from_numpy(absent.sum(1) + expert.class_log_prior_))
            inputs = {name: torch.from_numpy(x[name])}
            np.testing.assert_allclose(product(inputs).detach(), expert.predict_log_proba(x[name]), atol=1e-10)
    inputs = {name: torch.from_numpy(values) for name, values in x.items()}
    expected = whole.predict_log_proba(np.hstack(list(x.values())))
    np.testing.assert_allclose(product(inputs).detach(), expected, atol=1e-10)


def test_a_product_of_experts_returns_log_probabilities():
    torch.manual_seed(0)
    product = ProductOfExperts(DIMS, 6).double()
    torch.testing.assert_close(product(batch()).exp().sum(1), torch.ones(5, dtype=torch.float64))


def test_an_unknown_average_is_refused():
    with pytest.raises(ValueError, match="average: expected one of 'logits', 'probabilities'; got 'votes'"):
        Late(DIMS, 6, average="votes")


@pytest.mark.parametrize(("fusion", "expected"), [(Late(DIMS, 6), 54), (ProductOfExperts(DIMS, 6), 60)])
def test_parameters_are_counted_as_documented(fusion, expected):
    assert sum(parameter.numel() for parameter in fusion.parameters()) == expected
