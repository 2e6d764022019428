"""Normalisation: numbers brought to mean 0 and variance 1, over the batch or over the features, then scaled and shifted again."""

import math
from numbers import Real
from typing import NamedTuple

import torch

from mmlearn.ops.arguments import ANY_DIMS, check_floating, check_grad_output, is_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by

ROW_BUDGET = 2**16  # numbers of a layer norm's examples taken at a time: 256 KB in float32 stay in the cache of a CPU core


class BatchNormGradients(NamedTuple):
    """∂L/∂input (N, C, …), ∂L/∂weight (C,) and ∂L/∂bias (C,); None for what was not asked for."""

    input: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None


class LayerNormGradients(NamedTuple):
    """∂L/∂input (…, D), ∂L/∂weight (D) and ∂L/∂bias (D), D the normalised axes; None for what was not asked for."""

    input: torch.Tensor | None
    weight: torch.Tensor | None
    bias: torch.Tensor | None


def _wide(tensor):
    """At least float32: sums over a batch of bfloat16 numbers would lose most of them."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _check_parameters(input, size, whose, **parameters):
    """Each is None or a tensor of the given size, on input's device, in input's dtype or the one that is computed in."""
    for argument, tensor in parameters.items():
        if tensor is not None:
            check_floating(tensor, argument, ANY_DIMS, f"{size}: one number per {whose}")
            require(tuple(tensor.shape) == size, argument, shape(tensor), f"{size}: one number per {whose} of input")
            allowed = {input.dtype, torch.promote_types(input.dtype, torch.float32)}
            good = tensor.dtype in allowed and tensor.device == input.device
            expected = f"{' or '.join(sorted(map(str, allowed)))} on {input.device}, as input is {input.dtype}"
            require(good, argument, f"{tensor.dtype} on {tensor.device}", expected)


def _check_eps(eps):
    require(isinstance(eps, Real) and eps >= 0, "eps", repr(eps), "a number ≥ 0, added to the variance")


def _check_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps):
    check_floating(input, "input", ANY_DIMS[2:], "(N, C), (N, C, T), (N, C, H, W) or (N, C, …)")
    require(input.shape[1] >= 1, "input", shape(input), "(N, C, …) with at least one channel")
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    _check_parameters(input, (input.shape[1],), "channel", **parameters)
    for argument, other in (("running_mean", "running_var"), ("running_var", "running_mean")):
        alone = parameters[argument] is None and parameters[other] is not None
        require(not alone, argument, "None", f"a tensor, as {other} is one: both of them or neither")
        learnt = parameters[argument] is not None and parameters[argument].requires_grad
        require(not learnt, argument, "requires_grad=True", "an estimate that needs no gradient: a buffer, not a parameter")
    _check_eps(eps)
    if not training:
        require(running_mean is not None, "running_mean", "None", "a tensor (C,), as training is False; or training=True")
        return
    require(eps > 0, "eps", eps, "a number > 0 in training: a channel may be constant")
    per_channel = input.numel() // input.shape[1]
    got = f"{shape(input)}, with {per_channel} per channel"
    expected = "none or at least two numbers per channel in training: one has no variance; take a larger batch or training=False"
    require(per_channel != 1, "input", got, expected)
    good = isinstance(momentum, Real) and 0 <= momentum <= 1
    expected = "a number from 0 to 1; for the average of all n batches so far, which nn.BatchNorm2d(momentum=None) keeps, 1/n"
    require(good or running_mean is None, "momentum", repr(momentum), expected)


def _by_channel(tensor, input):
    """(C,) → (1, C, 1, …), to be combined with input (N, C, …)."""
    return _wide(tensor).view(1, -1, *[1] * (input.dim() - 2))


def _channel(input):
    """The axes that a channel extends over, and how many numbers it has; 1 in an empty batch, so that 0/0 becomes 0."""
    return [0, *range(2, input.dim())], max(1, input.numel() // input.shape[1])


def _centre_channels(input, running, training, eps):
    """(x − μ, 1/σ, μ, σ²): those of the batch in training, the running ones otherwise; (1, C, 1, …), at least float32."""
    if training:
        dims, count = _channel(input)
        mean = _wide(input).sum(dims, keepdim=True) / count
        centred = _wide(input) - mean
        variance = (centred * centred).sum(dims, keepdim=True) / count
    else:
        mean, variance = (_by_channel(statistic, input) for statistic in running)
        centred = _wide(input) - mean
    return centred, 1 / torch.sqrt(variance + eps), mean, variance


def batch_norm_backward(
    grad_output,
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
    output_mask=(True, True, True),
):
    """dX = (γ/σ) · (dY − mean(dY) − x̂ · mean(dY ⊙ x̂)) — Eq. 3.11 (Ioffe and Szegedy 2015).

    dγ = Σ dY ⊙ x̂ and dβ = Σ dY. Means and sums are over a channel's numbers; σ² here is its variance + ε. The two means are there
    because every number of the batch moves the batch's mean and variance. With training=False these are constants, and
    dX = (γ/σ) · dY.
    grad_output: input's shape   the rest: as given to batch_norm   output_mask: which of (input, weight, bias) to compute
    returns: BatchNormGradients(input, weight, bias); weight and bias are None when there was none.
    """
    check_grad_output(grad_output, input.shape)
    dims, count = _channel(input)
    grad = _wide(grad_output)
    centred, scale, *_ = _centre_channels(input, (running_mean, running_var), training, eps)
    grad_bias = grad.sum(dims, keepdim=True)  # (1, C, 1, …)
    grad_weight = scale * (grad * centred).sum(dims, keepdim=True)  # Σ dY ⊙ x̂, with x̂ = (x − μ)/σ
    grad_input = None
    if output_mask[0]:
        slope = scale if weight is None else scale * _by_channel(weight, input)
        if training:
            grad = grad - grad_bias / count - centred * (scale * grad_weight / count)
        grad_input = (slope * grad).to(input.dtype)
    return BatchNormGradients(
        grad_input,
        grad_weight.view(-1).to(weight.dtype) if output_mask[1] and weight is not None else None,
        grad_bias.view(-1).to(bias.dtype) if output_mask[2] and bias is not None else None,
    )


def _batch_norm_backward(grad_output, input, weight, bias, running, training, momentum, eps, output_mask):
    return batch_norm_backward(grad_output, input, *running, weight, bias, training, momentum, eps, output_mask)


@differentiated_by(_batch_norm_backward)
def _batch_norm(input, weight, bias, running, training, momentum, eps):
    centred, scale, mean, variance = _centre_channels(input, running, training, eps)
    if training and running[0] is not None and input.numel() > 0:
        _, count = _channel(input)
        with torch.no_grad():
            for statistic, now in zip(running, (mean, variance * count / (count - 1)), strict=True):
                statistic.copy_((1 - momentum) * statistic + momentum * now.view(-1))
    slope = scale if weight is None else _by_channel(weight, input) * scale
    output = centred * slope if bias is None else centred * slope + _by_channel(bias, input)
    return output.to(input.dtype)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """y = γ · (x − μ)/√(σ² + ε) + β, channel by channel — Eq. 3.10 (Ioffe and Szegedy 2015).

    A drop-in for torch.nn.functional.batch_norm.

    In training μ and σ² are the mean and the variance of the channel's n numbers in this batch, the variance divided by n; and
    the running estimates are changed in place: r ← (1 − momentum) · r + momentum · now, with the variance divided by n − 1.
    With training=False the running estimates take the place of μ and σ².
    input: (N, C), (N, C, T), (N, C, H, W), …   running_mean, running_var, weight γ, bias β: (C,) or None   returns: input's shape
    Raises ValueError naming the argument that does not fit: one number per channel has no variance to train with.

    >>> batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-8)
    tensor([[-1.],
            [ 1.]])
    """
    _check_batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    running = (running_mean, running_var)
    if not training:  # the backward pass must find the numbers of this pass, whatever trains in between
        running = (running_mean.clone(), running_var.clone())
    return _batch_norm(input, weight, bias, running, training, momentum, eps)


def _normalised_size(input, normalized_shape):
    """The sizes of the normalised axes, which are input's last, as a tuple."""
    size = (normalized_shape,) if is_whole(normalized_shape) else normalized_shape
    good = isinstance(size, (tuple, list)) and len(size) >= 1 and all(is_whole(n) and n >= 1 for n in size)
    require(good, "normalized_shape", repr(normalized_shape), "the sizes of the last axes of input, each ≥ 1, such as (D,)")
    size = tuple(size)
    got, expected = f"{size} for input of {shape(input)}", f"the sizes of the last axes of input, such as {(input.shape[-1],)}"
    require(tuple(input.shape[-len(size) :]) == size, "normalized_shape", got, expected)
    return size


def _few_at_a_time(rows):
    """Slices of so few rows (n, D) that what is computed from them stays in the cache of a CPU core."""
    count = max(1, ROW_BUDGET // rows.shape[1]) if rows.device.type == "cpu" else max(1, len(rows))
    return [slice(start, start + count) for start in range(0, len(rows), count)]


def _normalise_rows(rows, eps):
    """((x − μ)/√(σ² + ε), 1/√(σ² + ε)) of each row: (n, D) and (n, 1), in at least float32."""
    centred = _wide(rows) - _wide(rows).mean(-1, keepdim=True)
    variance = torch.linalg.vector_norm(centred, dim=-1, keepdim=True) ** 2 / centred.shape[-1]
    scale = 1 / torch.sqrt(variance + eps)
    return centred * scale, scale


def layer_norm_backward(grad_output, input, normalized_shape, weight=None, bias=None, eps=1e-5, output_mask=(True, True, True)):
    """dX = (1/σ) · (G − mean(G) − x̂ · mean(G ⊙ x̂)) with G = γ ⊙ dY,  dγ = Σ dY ⊙ x̂,  dβ = Σ dY — Eq. 2.17.

    The means are over the normalised axes of one example, the sums over the examples.
    grad_output: input's shape   the rest: as given to layer_norm   output_mask: which of (input, weight, bias) to compute
    returns: LayerNormGradients(input, weight, bias); weight and bias are None when there was none.
    """
    check_grad_output(grad_output, input.shape)
    size = _normalised_size(input, normalized_shape)
    features = math.prod(size)
    gamma = 1 if weight is None else _wide(weight).reshape(features)
    rows, grad_rows = (tensor.reshape(-1, features) for tensor in (input, grad_output))
    grad_input = torch.empty_like(rows) if output_mask[0] else None
    grad_weight, grad_bias = _wide(rows.new_zeros(2, features))
    for few in _few_at_a_time(rows):
        normalised, scale = _normalise_rows(rows[few], eps)  # (n, D), (n, 1)
        grad = _wide(grad_rows[few])
        along = grad * normalised
        grad_weight = grad_weight + along.sum(0)
        grad_bias = grad_bias + grad.sum(0)
        if output_mask[0]:
            scaled = grad * gamma  # G
            mean, mean_along = scaled.mean(-1, keepdim=True), (along * gamma).mean(-1, keepdim=True)
            grad_input[few] = scale * (scaled - mean - normalised * mean_along)
    return LayerNormGradients(
        grad_input.view(input.shape) if output_mask[0] else None,
        grad_weight.view(size).to(weight.dtype) if output_mask[1] and weight is not None else None,
        grad_bias.view(size).to(bias.dtype) if output_mask[2] and bias is not None else None,
    )


@differentiated_by(layer_norm_backward)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """y = γ ⊙ (x − μ)/√(σ² + ε) + β, each example by its own mean and variance — Eq. 2.16 (Ba, Kiros and Hinton 2016).

    A drop-in for torch.nn.functional.layer_norm: no batch, no running estimates, the same in training and in use.
    input: (…, D)   normalized_shape: (D,), or the sizes of several last axes   weight γ, bias β: normalized_shape or None
    returns: input's shape

    >>> layer_norm(torch.tensor([[1.0, 3.0], [50.0, 10.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [ 1.0000, -1.0000]])
    """
    check_floating(input, "input", ANY_DIMS[1:], "(…, D)")
    size = _normalised_size(input, normalized_shape)
    _check_parameters(input, size, "normalised feature", weight=weight, bias=bias)
    _check_eps(eps)
    rows = input.reshape(-1, math.prod(size))  # (n, D)
    gamma = rows.new_ones(rows.shape[1]) if weight is None else weight.reshape(-1)
    beta = rows.new_zeros(rows.shape[1]) if bias is None else bias.reshape(-1)
    output = torch.empty_like(rows)
    for few in _few_at_a_time(rows):
        normalised, _ = _normalise_rows(rows[few], eps)
        output[few] = torch.addcmul(_wide(beta), normalised, _wide(gamma)).to(output.dtype)
    return output.view(input.shape)
