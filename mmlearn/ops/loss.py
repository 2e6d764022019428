"""Losses: what a network is told to make small, and the gradient that starts the backward pass."""

from typing import NamedTuple

import torch

from mmlearn.ops.activation import log_softmax, softmax
from mmlearn.ops.arguments import ANY_DIMS, check_alike, check_floating, check_grad_output, is_whole, require, shape
from mmlearn.ops.by_hand import differentiated_by

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


def _without_classes(input):
    """The shape of the class indices and of the losses one by one."""
    return tuple(n for place, n in enumerate(input.shape) if place != _class_axis(input))


def _check_cross_entropy(input, target, weight, ignore_index, label_smoothing):
    """The target is classes that exist or probabilities of input's shape; weight has one number per class."""
    check_floating(input, "input", ANY_DIMS[1:], "(N, K), (N, K, …) or (K,)")
    axis = _class_axis(input)
    classes = input.shape[axis]
    require(classes >= 1, "input", shape(input), "at least one class")
    require(isinstance(label_smoothing, (int, float)), "label_smoothing", repr(label_smoothing), "a number between 0 and 1")
    require(0 <= label_smoothing <= 1, "label_smoothing", label_smoothing, "a number between 0 and 1")
    require(is_whole(ignore_index), "ignore_index", repr(ignore_index), "a whole number")
    if weight is not None:
        check_floating(weight, "weight", (1,), f"({classes},)")
        check_alike("input", input, weight=weight)
        require(len(weight) == classes, "weight", shape(weight), f"({classes},): one number per class")
    require(isinstance(target, torch.Tensor), "target", type(target).__name__, "a torch.Tensor of class indices or probabilities")
    require(target.device == input.device, "target", target.device, f"{input.device}, as input is")
    if target.is_floating_point():
        require(target.shape == input.shape, "target", shape(target), f"probabilities of input's shape {tuple(input.shape)}")
        require(ignore_index < 0, "ignore_index", ignore_index, "none, as the target is probabilities")
        return
    expected = _without_classes(input)
    require(target.dtype == torch.long, "target", target.dtype, "int64 class indices, or probabilities as floats")
    require(tuple(target.shape) == expected, "target", shape(target), f"{expected}: input's {tuple(input.shape)} without classes")
    outside = target[(target != ignore_index) & ((target < 0) | (target >= classes))]
    require(outside.numel() == 0, "target", f"classes {outside.unique().tolist()}", f"class indices from 0 to {classes - 1}")


def _soft_target(input, target, ignore_index, label_smoothing):
    """The target as probabilities of input's shape: one-hot for class indices, zeros where ignored; then smoothed."""
    axis, classes = _class_axis(input), input.shape[_class_axis(input)]
    if target.is_floating_point():
        return target * (1 - label_smoothing) + label_smoothing / classes
    one_hot = torch.zeros_like(input).scatter(axis, target.clamp(0, classes - 1).unsqueeze(axis), 1.0)
    smooth = one_hot * (1 - label_smoothing) + label_smoothing / classes
    return smooth.masked_fill((target == ignore_index).unsqueeze(axis), 0)


def _class_weight(input, weight):
    """weight (K,), or ones, shaped to be multiplied with input."""
    axis = _class_axis(input)
    weight = input.new_ones(input.shape[axis]) if weight is None else weight
    return weight.view([-1 if place == axis else 1 for place in range(input.dim())])


def _total(input, target, weight, ignore_index, reduction):
    """What the sum of the losses is divided by: for the mean, the number of examples or the weight of all target classes."""
    if reduction != "mean":
        return 1
    if target.is_floating_point():
        return input.numel() / input.shape[_class_axis(input)]
    kept = target != ignore_index
    return kept.sum() if weight is None else weight[target[kept]].sum()


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
    """dX = (p − t)/N for the mean over N examples, with p = softmax(x) and t the target's probabilities — Eq. 2.14.

    With class weights w it is p·Σ_k w_k y_k − w ⊙ y, divided by the sum of the target classes' weights.
    grad_output: () or, with reduction='none', the target's shape   input: (N, K, …)   target: as in cross_entropy
    returns: LossGradients(input, target)
    """
    axis, per_example = _class_axis(input), _without_classes(input)
    check_grad_output(grad_output, per_example if reduction == "none" else ())
    grad = (grad_output / _total(input, target, weight, ignore_index, reduction)).expand(per_example).unsqueeze(axis)
    classes = _class_weight(input, weight)
    wanted = classes * _soft_target(input, target, ignore_index, label_smoothing)
    grad_input = grad * (softmax(input, axis) * wanted.sum(axis, keepdim=True) - wanted)
    if not target.is_floating_point():
        return LossGradients(grad_input.masked_fill((target == ignore_index).unsqueeze(axis), 0), None)
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
    """L = −Σ_k y_k log p_k with p = softmax(x), averaged over the examples — Eq. 2.13.

    A drop-in for torch.nn.functional.cross_entropy.

    input: logits (N, K), (N, K, …) or (K,)   target: class indices (N,), (N, …), () or probabilities of input's shape
    weight: (K,) or None   ignore_index: a class index that does not count   label_smoothing: Szegedy et al. 2016
    returns: () in nats, or the shape of the class indices with reduction='none'. Where y_k is 0 the term is 0, even for p_k = 0.

    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))  # a guess among four classes costs log 4
    tensor(1.3863)
    """
    _check_reduction(reduction, size_average, reduce)
    _check_cross_entropy(input, target, weight, ignore_index, label_smoothing)
    axis = _class_axis(input)
    surprise = -_class_weight(input, weight) * log_softmax(input, axis)  # of each class: (N, K, …)
    if target.is_floating_point():
        wanted = _soft_target(input, target, ignore_index, label_smoothing)
        each = (wanted * surprise).masked_fill(wanted == 0, 0).sum(axis)  # (N, …)
    else:
        right = target.clamp(0, input.shape[axis] - 1).unsqueeze(axis)  # an ignored label may be anything
        each = surprise.gather(axis, right).squeeze(axis)
        if label_smoothing > 0:
            each = (1 - label_smoothing) * each + label_smoothing * surprise.mean(axis)
        each = each.masked_fill(target == ignore_index, 0)
    return each if reduction == "none" else each.sum() / _total(input, target, weight, ignore_index, reduction)


def mse_loss_backward(grad_output, input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """dX = 2w(x − t)/n for the mean over n numbers (weighted: n = Σ w), and dT = −dX — Eq. 2.15.

    All shapes equal.
    grad_output: () or, with reduction='none', input's shape   returns: LossGradients(input, target)
    """
    check_grad_output(grad_output, input.shape if reduction == "none" else ())
    scale = 1.0 if weight is None else weight
    if reduction == "mean":
        scale = scale / (input.numel() if weight is None else weight.sum())
    grad_input = grad_output * scale * 2 * (input - target)
    return LossGradients(grad_input, -grad_input)


@differentiated_by(mse_loss_backward)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """L = (1/n) Σ (x − t)², or (1/Σw) Σ w(x − t)². A drop-in for torch.nn.functional.mse_loss.

    input, target, weight: the same shape   returns: (), or input's shape with reduction='none'
    """
    _check_reduction(reduction, size_average, reduce)
    check_floating(input, "input", ANY_DIMS, "of any shape")
    for argument, tensor in {"target": target, "weight": weight}.items():
        if tensor is not None or argument == "target":
            check_floating(tensor, argument, ANY_DIMS, f"of input's shape {tuple(input.shape)}")
            expected = f"{tuple(input.shape)}, as input has: broadcasting would hide a mistake"
            require(tensor.shape == input.shape, argument, shape(tensor), expected)
            require(tensor.device == input.device, argument, tensor.device, f"{input.device}, as input is")
    squared = (input - target) ** 2 if weight is None else weight * (input - target) ** 2
    if reduction == "none":
        return squared
    total = squared.sum()
    return total if reduction == "sum" else total / (input.numel() if weight is None else weight.sum())
