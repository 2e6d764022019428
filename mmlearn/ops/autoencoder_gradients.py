"""The gradients of an autoencoder with one layer each way, with two weight matrices and with one that is used twice."""

from typing import NamedTuple

import torch

from mmlearn.ops.activation import sigmoid
from mmlearn.ops.arguments import check_alike, check_floating, require, shape


class AutoencoderGradients(NamedTuple):
    """∂L/∂W_z (k, D), ∂L/∂b_z (k,), ∂L/∂W_x̂ (D, k), ∂L/∂b_x̂ (D,)."""

    w_z: torch.Tensor
    b_z: torch.Tensor
    w_x: torch.Tensor
    b_x: torch.Tensor


class TiedGradients(NamedTuple):
    """∂L/∂W (k, D), ∂L/∂b_z (k,), ∂L/∂b_x̂ (D,)."""

    w: torch.Tensor
    b_z: torch.Tensor
    b_x: torch.Tensor


def autoencoder_gradients(x, w_z, b_z, w_x, b_x):
    """∂L/∂W_x̂ = δ_x̂ᵀZ and ∂L/∂W_z = δ_zᵀX, δ_x̂ = 2/N·(X̂ − X)⊙X̂⊙(1 − X̂), δ_z = δ_x̂W_x̂⊙Z⊙(1 − Z) — Eq. 11.4.

    Of L = 1/N Σₙ‖x̂ₙ − xₙ‖² with z = σ(W_z·x + b_z), x̂ = σ(W_x̂·z + b_x̂); those of the biases are the column sums of the deltas.
    x: (N, D)   w_z: (k, D)   b_z: (k,)   w_x: (D, k)   b_x: (D,)   returns: AutoencoderGradients(w_z, b_z, w_x, b_x)

    >>> one = torch.ones(1, 1)
    >>> autoencoder_gradients(one, 0 * one, torch.zeros(1), 0 * one, torch.zeros(1)).w_x  # 2 · (½ − 1) · ¼ · ½
    tensor([[-0.1250]])
    """
    _check(x, w_z, b_z, b_x)
    check_floating(w_x, "w_x", (2,), "(D, k)")
    require(w_x.shape == w_z.shape[::-1], "w_x", shape(w_x), f"{tuple(w_z.shape[::-1])}, the shape of w_z turned round")
    check_alike("x", x, w_x=w_x)
    z = sigmoid(x @ w_z.mT + b_z)  # (N, k)
    x_hat = sigmoid(z @ w_x.mT + b_x)  # (N, D)
    delta_x = 2 / len(x) * (x_hat - x) * x_hat * (1 - x_hat)  # (N, D)
    delta_z = delta_x @ w_x * z * (1 - z)  # (N, k)
    return AutoencoderGradients(delta_z.mT @ x, delta_z.sum(0), delta_x.mT @ z, delta_x.sum(0))


def tied_autoencoder_gradients(x, w, b_z, b_x):
    """∂L/∂W = δ_zᵀX + Zᵀδ_x̂ where W_z = W and W_x̂ = Wᵀ: a weight that is used twice gets both gradients — Eq. 11.5.

    x: (N, D)   w: (k, D)   b_z: (k,)   b_x: (D,)   the loss and the deltas: as in Eq. 11.4   returns: TiedGradients(w, b_z, b_x)

    >>> one = torch.ones(1, 1)
    >>> tied_autoencoder_gradients(one, 0 * one, torch.zeros(1), torch.zeros(1)).w
    tensor([[-0.1250]])
    """
    found = autoencoder_gradients(x, w, b_z, w.mT, b_x)
    return TiedGradients(found.w_z + found.w_x.mT, found.b_z, found.b_x)


def _check(x, w_z, b_z, b_x):
    check_floating(x, "x", (2,), "(N, D)")
    check_floating(w_z, "w_z", (2,), f"(k, {x.shape[1]})")
    require(len(x) > 0, "x", shape(x), "at least one row")
    require(w_z.shape[1] == x.shape[1], "w_z", shape(w_z), f"(k, {x.shape[1]})")
    check_alike("x", x, w_z=w_z, b_z=b_z, b_x=b_x)
    require(b_z.shape == w_z.shape[:1], "b_z", shape(b_z), f"({len(w_z)},)")
    require(b_x.shape == x.shape[1:], "b_x", shape(b_x), f"({x.shape[1]},)")
