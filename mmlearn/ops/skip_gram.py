"""What skip-gram with negative sampling is after: its expected loss as a function of the products, and where that is least."""

import torch

from mmlearn.ops.activation import sigmoid
from mmlearn.ops.arguments import check_alike, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by


def _noise_rate(joint, noise, negatives):
    """k·P(w)·q(c), (V, C): how often the pair comes as noise for one real pair."""
    check_floating(joint, "joint", (2,), "(V, C): P(w, c), the probability of each real pair")
    check_floating(noise, "noise", (1,), f"({joint.shape[1]},): q(c), the probability of each noise word")
    require(len(noise) == joint.shape[1], "noise", shape(noise), f"({joint.shape[1]},): one number for each column of joint")
    check_alike("joint", joint, noise=noise)
    require(negatives > 0, "negatives", negatives, "a number above 0: how many noise words each real pair gets")
    return negatives * torch.outer(joint.sum(1), noise)


def expected_skip_gram_backward(grad_output, products, joint, noise, negatives):
    """∂L/∂x(w, c) = k·P(w)·q(c)·σ(x) − P(w, c)·σ(−x): the pair as noise against the pair as it is — Eq. 9.9.

    grad_output: ()   the rest: as given to expected_skip_gram   returns: (V, C)
    """
    check_grad_output(grad_output, ())
    return grad_output * (_noise_rate(joint, noise, negatives) * sigmoid(products) - joint * sigmoid(-products))


@differentiated_by(expected_skip_gram_backward)
def expected_skip_gram(products, joint, noise, negatives):
    """L = −Σ P(w, c)·log σ(x) − k Σ P(w)·q(c)·log σ(−x): the mean of Eq. 9.6 over all draws — Eq. 9.8 (Levy & Goldberg 2014).

    products x(w, c) = u_c·v_w: (V, C)   joint P(w, c): (V, C), sum 1   noise q(c): (C,), sum 1   negatives: k   returns: ()

    >>> joint = torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    >>> expected_skip_gram(torch.zeros(2, 2), joint, joint.sum(0), negatives=2)  # three guesses cost 3 log 2
    tensor(2.0794)
    """
    noise_rate = _noise_rate(joint, noise, negatives)
    check_floating(products, "products", (2,), f"{tuple(joint.shape)}, as joint has")
    require(products.shape == joint.shape, "products", shape(products), f"{tuple(joint.shape)}, as joint has")
    check_alike("joint", joint, products=products)
    zero = torch.zeros_like(products)
    return (joint * torch.logaddexp(zero, -products) + noise_rate * torch.logaddexp(zero, products)).sum()


def best_products(joint, noise, negatives):
    """x*(w, c) = log P(w, c)/(P(w)·q(c)) − log k, which is PMI − log k for q = P — Eq. 9.10 (Levy & Goldberg 2014).

    joint P(w, c): (V, C), sum 1   noise q(c): (C,), sum 1   negatives: k   returns: (V, C); −∞ for a pair that never comes

    >>> joint = torch.tensor([[0.5, 0.0], [0.25, 0.25]])
    >>> best_products(joint, joint.sum(0), negatives=1).exp()
    tensor([[1.3333, 0.0000],
            [0.6667, 2.0000]])
    """
    return (joint / _noise_rate(joint, noise, negatives)).log().where(joint > 0, -torch.inf)


def curvature(joint, noise, negatives):
    """h(w, c) = P(w, c)·k P(w)q(c) / (P(w, c) + k P(w)q(c)), the second derivative of Eq. 9.8 at its minimum — Eq. 9.11.

    It is the weight with which an error of a product counts.
    joint P(w, c): (V, C), sum 1   noise q(c): (C,), sum 1   negatives: k   returns: (V, C); 0 for a pair that never comes
    """
    noise_rate = _noise_rate(joint, noise, negatives)
    return (joint * noise_rate / (joint + noise_rate)).where(joint > 0, 0)
