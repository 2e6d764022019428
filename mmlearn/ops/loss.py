"""Losses: what a network is told to make small, and the gradient that starts the backward pass."""

from typing import NamedTuple

import torch

from mmlearn.ops.activation import log_softmax, softmax
from mmlearn.ops.arguments import check_floating, require
from mmlearn.ops.by_hand import differentiated_by

__all__ = ["LossGradients", "cross_entropy", "cross_entropy_backward", "mse_loss", "mse_loss_backward"]

REDUCTIONS = ("mean", "sum", "none")


class LossGradients(NamedTuple):
    """∂L/∂input, and ∂L/∂target or None when the target is a class index; each of its argument's shape."""

    input: torch.Tensor
    target: torch.Tensor | None


def _check_reduction(reduction, size_average, reduce):
    got = f"size_average={size_average}, reduce={reduce}"
    require(size_average is None and reduce is None, "reduction", got, "reduction='mean', 'sum' or 'none' in their place")
    require(reduction in REDUCTIONS, "reduction", repr(reduction), " or ".join(map(repr, REDUCTIONS)))


def _class_axis(input):
    return 0 if input.dim() == 1 else 1


def _soft_target(input, target, ignore_index, label_smoothing):
    """The target as probabilities of input's shape: one-hot rows for class indices (zeros where ignored), then smoothed."""
    axis, classes = _class_axis(input), input.shape[_class_axis(input)]
    if target.is_floating_point():
        require(target.shape == input.shape, "target", f"shape {tuple(target.shape)}", f"probabilities {tuple(input.shape)}")
        return target * (1 - label_smoothing) + label_smoothing / classes
    expected = tuple(n for place, n in enumerate(input.shape) if place != axis)
    require(target.dtype == torch.long, "target", target.dtype, "int64 class indices, or probabilities as floats")
    require(tuple(target.shape) == expected, "target", f"shape {tuple(target.shape)}", f"{expected}: input without its classes")
    kept = target != ignore_index
    outside = target[kept & ((target < 0) | (target >= classes))]
    require(outside.numel() == 0, "target", f"class {outside.flatten()[:1].tolist()}", f"class indices from 0 to {classes - 1}")
    one_hot = torch.zeros_like(input).scatter(axis, target.clamp(0, classes - 1).unsqueeze(axis), 1.0)
    return (one_hot * (1 - label_smoothing) + label_smoothing / classes) * kept.unsqueeze(axis)


def _class_weight(input, weight):
    """weight (K,), or ones, shaped to be multiplied with input."""
    axis = _class_axis(input)
    if weight is None:
        weight = input.new_ones(input.shape[axis])
    classes = input.shape[axis]
    require(tuple(weight.shape) == (classes,), "weight", f"shape {tuple(weight.shape)}", f"({classes},): one number per class")
    return weight.view([-1 if place == axis else 1 for place in range(input.dim())])


def _scale(input, target, weight, ignore_index, reduction):
    """What each example's loss is multiplied with: one over the weight of all targets for the mean."""
    if reduction != "mean":
        return 1.0
    if target.is_floating_point():
        return input.shape[_class_axis(input)] / input.numel()
    kept = target != ignore_index
    return 1 / (kept.sum() if weight is None else weight[target[kept]].sum())


def cross_entropy_backward(
    grad_output,
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """dX = (p − y)/N for the mean over N examples, with p = softmax(x) and y the target's probabilities; with class weights
    p·Σ_k w_k y_k − w ⊙ y.

    grad_output: () or, with reduction='none', the target's shape   input: (N, K, …)   target: as in cross_entropy
    returns: LossGradients(input, target)
    """
    axis = _class_axis(input)
    scale = _scale(input, target, weight, ignore_index, reduction)
    grad = (grad_output * scale).unsqueeze(axis) if reduction == "none" else grad_output * scale
    classes = _class_weight(input, weight)
    wanted = classes * _soft_target(input, target, ignore_index, label_smoothing)
    grad_input = grad * (softmax(input, axis) * wanted.sum(axis, keepdim=True) - wanted)
    if not target.is_floating_point():
        return LossGradients(grad_input, None)
    return LossGradients(grad_input, -grad * classes * (1 - label_smoothing) * log_softmax(input, axis))


@differentiated_by(cross_entropy_backward)
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """L = −Σ_k y_k log p_k with p = softmax(x), averaged over the examples. A drop-in for torch.nn.functional.cross_entropy.

    input: logits (N, K), (N, K, …) or (K,)   target: class indices (N,), (N, …), () or probabilities of input's shape
    weight: (K,) or None   ignore_index: a class index that does not count   label_smoothing: Szegedy et al. 2016
    returns: () in nats, or the target's shape with reduction='none'

    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))  # a guess among four classes costs log 4
    tensor(1.3863)
    """
    _check_reduction(reduction, size_average, reduce)
    check_floating(input, "input", range(1, 65), "(N, K), (N, K, …) or (K,)")
    require(0 <= label_smoothing <= 1, "label_smoothing", label_smoothing, "a number between 0 and 1")
    axis = _class_axis(input)
    wanted = _class_weight(input, weight) * _soft_target(input, target, ignore_index, label_smoothing)
    surprise = torch.where(wanted != 0, -wanted * log_softmax(input, axis), 0).sum(axis)  # 0 · log 0 is 0
    return surprise if reduction == "none" else surprise.sum() * _scale(input, target, weight, ignore_index, reduction)


def mse_loss_backward(
    grad_output, input, target, size_average=None, reduce=None, reduction="mean", weight=None
):
    """dX = 2w(x − t)/n for the mean over n numbers (weighted: n = Σ w), and dT = −dX. All shapes equal.

    returns: LossGradients(input, target)
    """
    scale = 1.0 if weight is None else weight
    if reduction == "mean":
        scale = scale / (input.numel() if weight is None else weight.expand_as(input).sum())
    grad_input = grad_output * scale * 2 * (input - target)
    return LossGradients(grad_input, -grad_input)


@differentiated_by(mse_loss_backward)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """L = (1/n) Σ (x − t)², or (1/Σw) Σ w(x − t)². A drop-in for torch.nn.functional.mse_loss.

    input, target, weight: the same shape   returns: (), or input's shape with reduction='none'
    """
    _check_reduction(reduction, size_average, reduce)
    check_floating(input, "input", range(0, 65), "of any shape")
    got = f"shape {tuple(target.shape)}"
    require(target.shape == input.shape, "target", got, f"{tuple(input.shape)}, as input has: broadcasting would hide a mistake")
    squared = (input - target) ** 2 if weight is None else weight * (input - target) ** 2
    if reduction == "none":
        return squared
    total = squared.sum()
    return total if reduction == "sum" else total / (input.numel() if weight is None else weight.expand_as(input).sum())
