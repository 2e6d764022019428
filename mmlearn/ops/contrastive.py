"""Contrastive losses: which text belongs to which picture of a batch, and the gradients of asking so."""

import math
from typing import NamedTuple

import torch

from mmlearn.ops.activation import log_softmax, softmax
from mmlearn.ops.arguments import check_alike, check_floating, check_grad_output, check_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by


class ContrastiveGradients(NamedTuple):
    """∂L/∂a and ∂L/∂b (N, D), ∂L/∂scale (), and for siglip ∂L/∂bias (); None for what has no gradient."""

    a: torch.Tensor
    b: torch.Tensor
    scale: torch.Tensor | None
    bias: torch.Tensor | None = None


def _check_pairs(a, b, scale, fewest):
    """Two equally shaped batches (N, D) of at least ``fewest`` finite rows, and a positive scale."""
    check_floating(a, "a", (2,), "(N, D)")
    check_floating(b, "b", (2,), "(N, D)")
    require(
        a.shape[1] == b.shape[1],
        "b",
        f"{b.shape[1]} features",
        f"{a.shape[1]}, as a has: bring both into one space with a linear layer each",
    )
    require(len(a) == len(b), "b", f"{len(b)} rows", f"{len(a)}, one partner for each row of a")
    alone = "two pairs or more: a single pair has nothing to be told apart from, its loss is 0 whatever the features are"
    require(len(a) >= fewest, "a", f"{len(a)} pairs", alone if fewest > 1 else "at least one pair")
    check_alike("a", a, b=b)
    if isinstance(scale, torch.Tensor):
        require(scale.numel() == 1, "scale", shape(scale), "one number, 1/τ")
        scale = scale.detach()
    value = float(scale)
    require(math.isfinite(value) and value > 0, "scale", value, "a positive number, 1/τ (for a temperature of 0.07: 1 / 0.07)")


def unit_rows_backward(grad_output, input):
    """∂L/∂x = (g − (g·u) u)/‖x‖ with u = x/‖x‖: only what is perpendicular to u passes — Eq. 18.3.

    grad_output, input: (…, D)   returns: (…, D)
    """
    check_grad_output(grad_output, input.shape)
    length = input.norm(dim=-1, keepdim=True)  # (…, 1)
    unit = input / length
    along = (grad_output * unit).sum(-1, keepdim=True)  # (…, 1)
    return (grad_output - along * unit) / length


@differentiated_by(unit_rows_backward)
def unit_rows(input):
    """u = x/‖x‖, so that u·v is the cosine of an angle — Eq. 18.2.

    input: (…, D)   returns: (…, D), each row of length 1
    Raises ValueError where a row is zero: it points nowhere. (torch.nn.functional.normalize returns zeros there, and a gradient
    multiplied by 1e12.)

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, -2.0]]))
    tensor([[ 0.6000,  0.8000],
            [ 0.0000, -1.0000]])
    """
    check_floating(input, "input", range(1, 65), "(…, D)")
    zero = (input == 0).all(-1)
    if zero.any():
        first = zero.nonzero()[0].tolist()
        got = f"{int(zero.sum())} rows of zeros, the first at {first[0] if len(first) == 1 else first}"
        expected = "rows with a direction; zeros often come from a ReLU at the end of an encoder: end it in a linear layer"
        require(False, "input", got, expected)
    return input / input.norm(dim=-1, keepdim=True)


def info_nce_backward(grad_output, a, b, scale):
    """∂L/∂S = (P + Q)/2N − I/N, then ∂L/∂a = s G b, ∂L/∂b = s Gᵀ a, ∂L/∂s = Σ G ⊙ abᵀ, with G = ∂L/∂S — Eq. 18.8.

    P: softmax of S = s·abᵀ along each row; Q: along each column
    grad_output: ()   a, b: (N, D)   scale: () or a number   returns: ContrastiveGradients(a, b, scale)
    """
    check_grad_output(grad_output, ())
    N, cosines = len(a), a @ b.mT  # (N, N)
    scores = scale * cosines
    grad_scores = (softmax(scores, 1) + softmax(scores, 0)) / (2 * N) - torch.eye(N, dtype=a.dtype, device=a.device) / N
    grad_scores = grad_output * grad_scores
    grad_scale = (grad_scores * cosines).sum()
    return ContrastiveGradients(scale * grad_scores @ b, scale * grad_scores.mT @ a, _like(scale, grad_scale))


@differentiated_by(info_nce_backward)
def info_nce(a, b, scale):
    """L = −(1/2N) Σᵢ (log P_ii + log Q_ii) with S = s·abᵀ, P its softmax by rows, Q by columns — Eq. 18.7 (Radford et al. 2021).

    a, b: (N, D), row i of one belongs to row i of the other; unit rows, for S to be cosines   scale: s = 1/τ, () or a number
    returns: () in nats; log N for features that know nothing
    Raises ValueError for fewer than two pairs and for shapes that do not fit.

    >>> a = torch.eye(2)
    >>> info_nce(a, a, 1.0), info_nce(a, a.flip(0), 1.0)   # log(1 + e⁻¹), log(1 + e)
    (tensor(0.3133), tensor(1.3133))
    """
    _check_pairs(a, b, scale, fewest=2)
    scores = scale * a @ b.mT  # (N, N)
    by_row, by_column = log_softmax(scores, 1).diagonal(), log_softmax(scores, 0).diagonal()  # (N,), (N,)
    return -(by_row + by_column).mean() / 2


def _blocks(count, chunk):
    return [slice(start, min(start + chunk, count)) for start in range(0, count, chunk)]


def _log_sums(a, b, scale, chunk):
    """log Σ e^S of every row and every column, (N,) and (N,), from blocks of S that are thrown away again."""
    blocks = _blocks(len(a), chunk)
    rows, columns = a.new_full((len(a),), -math.inf), a.new_full((len(a),), -math.inf)
    for i in blocks:
        for j in blocks:
            scores = scale * a[i] @ b[j].mT  # (chunk, chunk)
            rows[i] = torch.logaddexp(rows[i], scores.logsumexp(1))
            columns[j] = torch.logaddexp(columns[j], scores.logsumexp(0))
    return rows, columns


def info_nce_chunked_backward(grad_output, a, b, scale, chunk=256):
    """The gradients of info_nce from blocks of S, computed once more: two products more, N² numbers less in memory.

    grad_output: ()   a, b: (N, D)   returns: ContrastiveGradients(a, b, scale)
    """
    check_grad_output(grad_output, ())
    N, blocks = len(a), _blocks(len(a), chunk)
    rows, columns = _log_sums(a, b, scale, chunk)
    grad_a, grad_b, grad_scale = torch.zeros_like(a), torch.zeros_like(b), a.new_zeros(())
    for i in blocks:
        for j in blocks:
            cosines = a[i] @ b[j].mT  # (chunk, chunk)
            scores = scale * cosines
            block = ((scores - rows[i, None]).exp() + (scores - columns[None, j]).exp()) / (2 * N)
            if i == j:
                block = block - torch.eye(len(block), dtype=a.dtype, device=a.device) / N
            grad_a[i] = grad_a[i] + scale * block @ b[j]
            grad_b[j] = grad_b[j] + scale * block.mT @ a[i]
            grad_scale = grad_scale + (block * cosines).sum()
    return ContrastiveGradients(grad_output * grad_a, grad_output * grad_b, _like(scale, grad_output * grad_scale))


@differentiated_by(info_nce_chunked_backward)
def info_nce_chunked(a, b, scale, chunk=256):
    """The loss of ``info_nce`` without its N × N matrix: blocks of chunk × chunk scores, one at a time.

    Log-sum-exps of rows and columns add up block by block. With the rows spread over several machines, each needs one other
    machine's block at a time, so that nothing has to be gathered.
    a, b, scale, returns: as in ``info_nce``   chunk: rows of a block

    >>> a, b = torch.eye(3), torch.eye(3).roll(1, 0)
    >>> bool(torch.isclose(info_nce_chunked(a, b, 2.0, chunk=2), info_nce(a, b, 2.0)))
    True
    """
    _check_pairs(a, b, scale, fewest=2)
    check_whole(chunk, "chunk")
    rows, columns = _log_sums(a, b, scale, chunk)
    right = scale * (a * b).sum(1)  # (N,): the scores of the pairs
    return ((rows + columns) / 2 - right).mean()


def temperature_gradient(a, b, temperature):
    """∂L/∂τ = (cosine of the true pairs − cosine that the model expects)/τ², each a mean — Eq. 18.9.

    a, b: (N, D), unit rows   temperature: τ > 0   returns: (); negative where a larger τ would lower the loss

    >>> temperature_gradient(torch.eye(2), torch.eye(2), 1.0)   # (1 − 0.7311)/1: sharper would be better
    tensor(0.2689)
    """
    require(float(temperature) > 0, "temperature", float(temperature), "a positive number, τ")
    _check_pairs(a, b, 1 / temperature, fewest=2)
    cosines = a @ b.mT  # (N, N)
    shares = (softmax(cosines / temperature, 1) + softmax(cosines / temperature, 0)) / (2 * len(a))  # sum to 1
    return (cosines.diagonal().mean() - (shares * cosines).sum()) / temperature**2


def information_bound(loss, pairs):
    """log N − L ≤ I(X; Y), in nats: what a contrastive loss proves about mutual information — Eq. 18.10 (Oord et al. 2018).

    loss: an average of the loss over fresh batches, a number or a tensor   pairs: N, in each batch
    returns: log N − L, which never exceeds log N, whatever the information is

    >>> round(information_bound(0.5, 128), 3)   # nats
    4.352
    """
    check_whole(pairs, "pairs", minimum=2)
    return math.log(pairs) - loss


def duplicate_floor(groups):
    """L ≥ (1/N) Σᵢ log mᵢ in a batch with twins, where mᵢ texts of the batch are the same as text i — Eq. 18.11.

    groups: (N,) int64, equal for equal texts   returns: () float64, nats: the least ``info_nce``, whatever the encoders are

    >>> duplicate_floor(torch.tensor([0, 0, 1, 2]))   # (log 2 + log 2)/4
    tensor(0.3466, dtype=torch.float64)
    """
    require(
        isinstance(groups, torch.Tensor) and groups.ndim == 1 and groups.dtype == torch.int64 and len(groups) > 0,
        "groups",
        repr(groups),
        "(N,) int64 group numbers",
    )
    counts = groups.unique(return_counts=True)[1].double()  # (G,)
    return (counts * counts.log()).sum() / len(groups)


def siglip_backward(grad_output, a, b, scale, bias):
    """∂L/∂S = (σ(S) − I)/N with S = s·abᵀ + β: each pair is a question of its own, yes or no — Eq. 18.17.

    grad_output: ()   a, b: (N, D)   scale, bias: () or numbers   returns: ContrastiveGradients(a, b, scale, bias)
    """
    check_grad_output(grad_output, ())
    N, cosines = len(a), a @ b.mT  # (N, N)
    identity = torch.eye(N, dtype=a.dtype, device=a.device)
    grad_scores = grad_output * (torch.sigmoid(scale * cosines + bias) - identity) / N
    grad_scale, grad_bias = (grad_scores * cosines).sum(), grad_scores.sum()
    return ContrastiveGradients(
        scale * grad_scores @ b, scale * grad_scores.mT @ a, _like(scale, grad_scale), _like(bias, grad_bias)
    )


@differentiated_by(siglip_backward)
def siglip(a, b, scale, bias):
    """L = −(1/N) Σᵢⱼ log σ(z_ij (s·aᵢ·bⱼ + β)), z = +1 for the pairs and −1 for all others — Eq. 18.16 (Zhai et al. 2023).

    a, b: (N, D), unit rows   scale: s   bias: β, () or a number; −log(N − 1) is right on average before anything is learnt
    returns: () in nats per pair. A batch of one is allowed: its only question is answered yes.

    >>> siglip(torch.eye(2), torch.eye(2), 1.0, 0.0)   # log(1 + e⁻¹) + log 2: one yes, one no for each row
    tensor(1.0064)
    """
    _check_pairs(a, b, scale, fewest=1)
    scores = scale * a @ b.mT + bias  # (N, N)
    sign = 2 * torch.eye(len(a), dtype=a.dtype, device=a.device) - 1  # z (N, N)
    return -torch.nn.functional.logsigmoid(sign * scores).sum() / len(a)


def _like(argument, gradient):
    """The gradient in the shape of the argument, or None where the argument is a plain number."""
    return gradient.reshape(argument.shape) if isinstance(argument, torch.Tensor) else None
