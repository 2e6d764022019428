"""Freezing: weights that get no gradient, and the running statistics of BatchNorm that move without one."""

import torch
from torch import nn

_NORMS = (nn.modules.batchnorm._NormBase,)


def running_estimate(start, batches, momentum=0.1):
    """m_t = (1 − ρ)ᵗ m₀ + ρ Σᵢ (1 − ρ)^{t−i} μᵢ: a running mean after t batches — Eq. 13.9 (Ioffe & Szegedy 2015).

    start: m₀, any shape   batches: (t, …), the statistic μᵢ of each batch   momentum: ρ, as in nn.BatchNorm2d
    The same rule moves the running variance, with the batches' unbiased variances.

    >>> running_estimate(torch.tensor(1.0), torch.tensor([0.0, 0.0]), momentum=0.5)
    tensor(0.2500)
    """
    t = len(batches)
    ages = torch.arange(t - 1, -1, -1, dtype=start.dtype)  # t − i
    weights = momentum * (1 - momentum) ** ages  # (t,)
    return (1 - momentum) ** t * start + torch.einsum("t,t...->...", weights, batches.to(start))


def frozen(module):
    """Freeze a module for good: requires_grad=False everywhere, and eval mode that ``train()`` does not undo. Returns it.

    In eval mode dropout is off and BatchNorm normalises with its running statistics and leaves them alone. ``thawed`` undoes it.

    >>> net = frozen(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    >>> net.train().training, moving_statistics(net)
    (False, [])
    """
    module.requires_grad_(False)
    for part in module.modules():
        part.train = _stay(part)
        part.training = False
    return module


class _stay:
    """A ``train`` that does nothing. A class, so that a frozen module can be copied and saved as any other."""

    def __init__(self, module):
        self.module = module

    def __call__(self, mode=True):
        return self.module


def thawed(module):
    """Undo ``frozen``: every parameter has a gradient again and ``train()`` works; the mode is train. Returns the module."""
    for part in module.modules():
        part.__dict__.pop("train", None)
    return module.requires_grad_(True).train()


def moving_statistics(model):
    """The names of the normalisation layers whose running statistics the next forward pass moves although they are frozen.

    They are in train mode, and have no parameter with a gradient: the trap of requires_grad=False. Empty where all is well.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).requires_grad_(False)
    >>> moving_statistics(net), moving_statistics(net.eval())
    (['1'], [])
    """
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, _NORMS)
        and layer.training
        and layer.track_running_stats
        and not any(parameter.requires_grad for parameter in layer.parameters())
    ]
