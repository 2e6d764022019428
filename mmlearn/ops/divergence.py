"""Losses between probabilities: yes or no, one distribution against another, two Gaussians, a word's company against chance."""

import warnings
from typing import NamedTuple

import torch

from mmlearn.ops.activation import sigmoid
from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, check_grad_output, require, shape
from mmlearn.ops.by_hand import differentiated_by
from mmlearn.ops.loss import LossGradients


class GaussianKlGradients(NamedTuple):
    """The gradients of gaussian_kl, each of its argument's shape; None for a prior that was not given."""

    mean: torch.Tensor
    log_var: torch.Tensor
    prior_mean: torch.Tensor | None
    prior_log_var: torch.Tensor | None


class SampleGradients(NamedTuple):
    """∂L/∂mean, ∂L/∂log_var and ∂L/∂noise of a reparameterised sample, all of one shape."""

    mean: torch.Tensor
    log_var: torch.Tensor
    noise: torch.Tensor


class SkipGramGradients(NamedTuple):
    """∂L/∂centre (N, D), ∂L/∂context (N, D) and ∂L/∂negative (N, K, D)."""

    centre: torch.Tensor
    context: torch.Tensor
    negative: torch.Tensor


def _check_reduction(reduction, allowed, size_average=None, reduce=None):
    got = f"size_average={size_average}, reduce={reduce}"
    require(size_average is None and reduce is None, "reduction", got, f"reduction='{allowed[0]}' or another in their place")
    require(reduction in allowed, "reduction", repr(reduction), " or ".join(map(repr, allowed)))


def _check_same_shape(argument, tensor, reference, like):
    check_floating(tensor, argument, ANY_DIMS, f"of {reference}'s shape {tuple(like.shape)}")
    expected = f"{tuple(like.shape)}, as {reference} has: broadcasting would hide a mistake"
    require(tensor.shape == like.shape, argument, shape(tensor), expected)
    require(tensor.device == like.device, argument, tensor.device, f"{like.device}, as {reference} is")


def _reduced(each, reduction):
    """The losses one by one → what the reduction makes of them; 'batchmean' divides by the length of the first axis."""
    if reduction == "none":
        return each
    if reduction == "batchmean":
        return each.sum() / (len(each) if each.dim() else 1)
    return each.sum() if reduction == "sum" else each.mean()


def _spread(grad_output, each_shape, reduction):
    """The gradient of ``_reduced``: each loss's share of the gradient, of the losses' shape."""
    check_grad_output(grad_output, each_shape if reduction == "none" else ())
    if reduction == "mean":
        return grad_output.expand(each_shape) / max(1, torch.Size(each_shape).numel())
    if reduction == "batchmean":
        return grad_output.expand(each_shape) / max(1, each_shape[0] if each_shape else 1)
    return grad_output.expand(each_shape)


def _softplus(x):
    """log(1 + eˣ) = max(x, 0) + log(1 + e^(−|x|)): no power overflows."""
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


def _check_spreads(input, **tensors):
    """Each is None or a tensor that broadcasts to input's shape, as class weights (K,) do to (N, K)."""
    for argument, tensor in tensors.items():
        if tensor is not None:
            check_floating(tensor, argument, ANY_DIMS, f"that broadcasts to input's shape {tuple(input.shape)}")
            check_alike("input", input, **{argument: tensor})
            sizes = zip(tensor.shape[::-1], input.shape[::-1], strict=False)
            fits = tensor.dim() <= input.dim() and all(n in (1, whole) for n, whole in sizes)
            require(fits, argument, shape(tensor), f"a shape that broadcasts to input's {tuple(input.shape)}")


def binary_cross_entropy_with_logits_backward(
    grad_output, input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """dX = (σ(x) − t)/n for the mean over n numbers; with weights w and positive weights q: w((1 + (q−1)t)·σ(x) − q·t)/n.

    grad_output: () or, with reduction='none', input's shape   returns: LossGradients(input, target)
    """
    grad = _spread(grad_output, tuple(input.shape), reduction)
    grad = grad if weight is None else grad * weight
    positive = 1 if pos_weight is None else pos_weight
    grad_input = grad * ((1 + (positive - 1) * target) * sigmoid(input) - positive * target)
    return LossGradients(grad_input, grad * (positive * _softplus(-input) - _softplus(input)))


@differentiated_by(binary_cross_entropy_with_logits_backward)
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """L = −w[q·t·log σ(x) + (1−t)·log(1−σ(x))], averaged over all numbers. A drop-in for torch's function of this name.

    −log σ(x) = log(1 + e^(−x)) is computed without σ, which would round to 0 or 1 where the loss is largest.
    input: logits x of any shape   target: t from 0 to 1, input's shape   weight w, pos_weight q: None or broadcast to input
    reduction: 'mean', 'sum' or 'none'   returns: () in nats, or input's shape with reduction='none'

    >>> binary_cross_entropy_with_logits(torch.zeros(3), torch.tensor([0.0, 1.0, 1.0]))  # a guess costs log 2
    tensor(0.6931)
    """
    _check_reduction(reduction, ("mean", "sum", "none"), size_average, reduce)
    check_floating(input, "input", ANY_DIMS, "of any shape")
    _check_same_shape("target", target, "input", input)
    _check_spreads(input, weight=weight, pos_weight=pos_weight)
    positive = 1 if pos_weight is None else pos_weight
    each = positive * target * _softplus(-input) + (1 - target) * _softplus(input)
    return _reduced(each if weight is None else weight * each, reduction)


def kl_div_backward(grad_output, input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """dX = −t and dT = log t + 1 − x, shared out by the reduction; with log_target −eᵗ and eᵗ(t + 1 − x).

    grad_output: () or, with reduction='none', input's shape   returns: LossGradients(input, target)
    """
    grad = _spread(grad_output, tuple(input.shape), reduction)
    if log_target:
        probability = torch.exp(target)
        grad_target = (probability * (target + 1 - input)).masked_fill(probability == 0, 0)
        return LossGradients(-grad * probability, grad * grad_target)
    return LossGradients(-grad * target, grad * (torch.log(target) + 1 - input))


@differentiated_by(kl_div_backward)
def _kl_div(input, target, size_average, reduce, reduction, log_target):
    probability, log_probability = (torch.exp(target), target) if log_target else (target, torch.log(target))
    return _reduced((probability * (log_probability - input)).masked_fill(probability == 0, 0), reduction)


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """KL(t‖p) = Σ_k t_k (log t_k − log p_k), with input = log p (Kullback and Leibler 1951). A drop-in for torch's kl_div.

    The distribution that is approximated comes second, and the input is already a logarithm. Only reduction='batchmean', the sum
    divided by the number of rows, is the divergence; 'mean', torch's default, divides by the number of classes as well.
    input: log-probabilities of any shape   target: probabilities of the same shape, or their logarithms with log_target=True
    returns: () in nats, or input's shape with reduction='none'. Where t_k is 0 the term is 0, even for p_k = 0.

    >>> kl_div(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]), reduction="batchmean")  # log 2
    tensor(0.6931)
    """
    _check_reduction(reduction, ("mean", "batchmean", "sum", "none"), size_average, reduce)
    check_floating(input, "input", ANY_DIMS, "of any shape")
    _check_same_shape("target", target, "input", input)
    if reduction == "mean":
        said = "reduction='mean' divides by the number of classes too: give reduction='batchmean' for the KL divergence"
        warnings.warn(said, UserWarning, stacklevel=2)
    return _kl_div(input, target, size_average, reduce, reduction, log_target)


def gaussian_kl_backward(grad_output, mean, log_var, prior_mean=None, prior_log_var=None):
    """dμ = (μ − m)/s²,  d log σ² = ½(σ²/s² − 1),  dm = −dμ,  d log s² = ½(1 − (σ² + (μ − m)²)/s²); m = 0, s = 1 without a prior.

    grad_output: (…)   the rest: as given to gaussian_kl   returns: GaussianKlGradients(mean, log_var, prior_mean, prior_log_var)
    """
    check_grad_output(grad_output, mean.shape[:-1])
    grad = grad_output.unsqueeze(-1)  # (…, 1)
    away, ratio, precision = _compared(mean, log_var, prior_mean, prior_log_var)
    grad_mean = grad * away * precision
    return GaussianKlGradients(
        grad_mean,
        grad * torch.expm1(ratio) / 2,
        None if prior_mean is None else -grad_mean,
        None if prior_log_var is None else -grad * (torch.expm1(ratio) + away**2 * precision) / 2,
    )


def _compared(mean, log_var, prior_mean, prior_log_var):
    """(μ − m, log σ²/s², 1/s²), with m = 0 and s = 1 where there is no prior."""
    away = mean if prior_mean is None else mean - prior_mean
    if prior_log_var is None:
        return away, log_var, torch.ones_like(log_var)
    return away, log_var - prior_log_var, torch.exp(-prior_log_var)


@differentiated_by(gaussian_kl_backward)
def gaussian_kl(mean, log_var, prior_mean=None, prior_log_var=None):
    """KL(N(μ, σ²)‖N(m, s²)) = ½ Σ_d [σ²/s² − 1 − log(σ²/s²) + (μ − m)²/s²] — Eq. 12.5 (Kullback and Leibler 1951).

    The sum is over the last axis. Without a prior it is N(0, 1): ½ Σ_d [σ² − 1 − log σ² + μ²] (Kingma and Welling 2014).
    e^z − 1 is computed by expm1, exact for σ close to s.
    mean μ, log_var = log σ², prior_mean m, prior_log_var = log s²: (…, D)   returns: (…) in nats, one number per example

    >>> gaussian_kl(torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.zeros(2, 2))
    tensor([0.0000, 2.5000])
    """
    check_floating(mean, "mean", ANY_DIMS[1:], "(…, D)")
    tensors = {"log_var": log_var, "prior_mean": prior_mean, "prior_log_var": prior_log_var}
    for argument, tensor in tensors.items():
        if tensor is not None or argument == "log_var":
            _check_same_shape(argument, tensor, "mean", mean)
    away, ratio, precision = _compared(mean, log_var, prior_mean, prior_log_var)
    return (torch.expm1(ratio) - ratio + away**2 * precision).sum(-1) / 2


def reparameterised_sample_backward(grad_output, mean, log_var, noise):
    """dμ = dz,  d log σ² = ½·dz·σ·ε,  dε = dz·σ: through a drawn number the gradient reaches the parameters it was drawn with.

    All shapes equal   returns: SampleGradients(mean, log_var, noise)
    """
    check_grad_output(grad_output, mean.shape)
    deviation = torch.exp(log_var / 2)
    return SampleGradients(grad_output, grad_output * deviation * noise / 2, grad_output * deviation)


@differentiated_by(reparameterised_sample_backward)
def reparameterised_sample(mean, log_var, noise):
    """z = μ + σ·ε with σ = e^(½ log σ²) — Eq. 12.6 (Kingma and Welling 2014; Rezende, Mohamed and Wierstra 2014).

    A draw from N(μ, σ²) as a function of its parameters, so that gradients reach them.
    mean μ, log_var = log σ², noise ε: one shape; draw the noise with torch.randn_like(mean)   returns: the same shape

    >>> reparameterised_sample(torch.tensor([1.0]), torch.tensor([4.0]).log(), torch.tensor([-0.5]))
    tensor([0.])
    """
    check_floating(mean, "mean", ANY_DIMS, "of any shape")
    for argument, tensor in {"log_var": log_var, "noise": noise}.items():
        _check_same_shape(argument, tensor, "mean", mean)
    return mean + torch.exp(log_var / 2) * noise


def _check_skip_gram(centre, context, negative, reduction):
    _check_reduction(reduction, ("mean", "sum", "none"))
    check_floating(centre, "centre", (2,), "(N, D)")
    _check_same_shape("context", context, "centre", centre)
    N, D = centre.shape
    check_floating(negative, "negative", (3,), f"({N}, K, {D})")
    check_alike("centre", centre, context=context, negative=negative)
    good = (negative.shape[0], negative.shape[2]) == (N, D)
    require(good, "negative", shape(negative), f"({N}, K, {D}): K words for each row of centre")


def skip_gram_negative_sampling_backward(grad_output, centre, context, negative, reduction="mean"):
    """du_o = (σ(u_o·v) − 1)·v,  du_k = σ(u_k·v)·v,  dv = (σ(u_o·v) − 1)·u_o + Σ_k σ(u_k·v)·u_k — Eq. 9.7.

    Divided by N for the mean.

    grad_output: () or, with reduction='none', (N,)   the rest: as given to skip_gram_negative_sampling
    returns: SkipGramGradients(centre, context, negative)
    """
    _check_skip_gram(centre, context, negative, reduction)
    grad = _spread(grad_output, (len(centre),), reduction).unsqueeze(1)  # (N, 1)
    right = grad * (sigmoid((context * centre).sum(1, keepdim=True)) - 1)  # (N, 1)
    wrong = grad.unsqueeze(2) * sigmoid((negative * centre.unsqueeze(1)).sum(2, keepdim=True))  # (N, K, 1)
    return SkipGramGradients(
        right * context + (wrong * negative).sum(1),
        right * centre,
        wrong * centre.unsqueeze(1),
    )


@differentiated_by(skip_gram_negative_sampling_backward)
def skip_gram_negative_sampling(centre, context, negative, reduction="mean"):
    """L = −log σ(u_o·v) − Σ_k log σ(−u_k·v): a real neighbour o against K drawn words — Eq. 9.6 (Mikolov et al. 2013).

    centre v: vectors of N words (N, D)   context u_o: vectors of their neighbours (N, D)   negative u_k: (N, K, D)
    reduction: 'mean', 'sum' or 'none'   returns: () in nats, or (N,) with reduction='none'

    >>> skip_gram_negative_sampling(torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1, 2, 4))  # three guesses cost 3 log 2
    tensor(2.0794)
    """
    _check_skip_gram(centre, context, negative, reduction)
    right = (context * centre).sum(1)  # (N,)
    wrong = (negative * centre.unsqueeze(1)).sum(2)  # (N, K)
    return _reduced(_softplus(-right) + _softplus(wrong).sum(1), reduction)
