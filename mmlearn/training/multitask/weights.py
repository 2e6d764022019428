"""Weights for the losses of K tasks that training finds by itself.

Each is a Module that turns (K,) losses into one number, for ``fit(…, combine=…)``, which gives its parameters to the optimizer
and its state to the checkpoint. A loss of exactly 0 stands for a task that is absent from the batch.
"""

import torch
from torch import nn

from mmlearn.ops.arguments import check_whole, require, shape


def uncertainty(losses, s):
    """Σₖ ½exp(−sₖ)Lₖ + ½sₖ, with sₖ = log σₖ² learned — Eq. 20.4 (Kendall, Gal & Cipolla 2018).

    losses, s: (K,)   returns: ()
    """
    return 0.5 * ((-s).exp() * losses + s).sum()


def settled(losses):
    """s* = log L, where the derivative of ½exp(−s)L + ½s by s is zero; there the weight of the loss is 1/(2L) — Eq. 20.5.

    losses: (K,) positive   returns: (K,)
    """
    return losses.log()


def dwa_weights(last, before, temperature=2.0):
    """λₖ = K·softmax(qₖ/T), qₖ = Lₖ(t − 1)/Lₖ(t − 2): more for the task whose loss falls least — Eq. 20.6 (Liu et al. 2019).

    last, before: (K,), the mean losses of the last epoch and of the one before   returns: (K,), with the sum K
    """
    return len(last) * (last / before / temperature).softmax(0)


def gradnorm_loss(weights, norms, rates, alpha=1.5):
    """Σₖ |wₖnₖ − n̄·rₖ^α|, n̄ the mean of the wₖnₖ, a constant for the derivative by w — Eq. 20.7 (Chen et al. 2018).

    weights: (K,), the only ones with a gradient   norms: nₖ = ‖∇Lₖ‖, (K,)   rates: Lₖ/Lₖ(0) over the mean of these, (K,)
    returns: ()
    """
    norms, rates = norms.detach(), rates.detach()
    target = (weights.detach() * norms).mean() * rates**alpha
    return (weights * norms - target).abs().sum()


class Uncertainty(nn.Module):
    """Learned weights by the tasks' noise: ``uncertainty`` with a parameter s (K,).

    settle: let each s begin where it would settle, at the log of its task's first loss; otherwise at 0. Then the scale of a loss
    means nothing from the first step on. From 0, s first has to travel, at its learning rate, to the log of the loss.
    lr: learning rate of s, in place of that of the model
    """

    def __init__(self, tasks, settle=False, lr=None):
        super().__init__()
        check_whole(tasks, "tasks")
        self.settle, self.lr = settle, lr
        self.s = nn.Parameter(torch.zeros(tasks))
        self.register_buffer("begun", torch.zeros(tasks, dtype=torch.bool))

    def forward(self, losses):
        """losses: (K,)   returns: (), to be minimised by the model and by s"""
        _check(losses, len(self.s))
        here = losses.detach() != 0
        if self.settle and (here & ~self.begun).any():
            with torch.no_grad():
                self.s.copy_(settled(losses).to(self.s).where(here & ~self.begun, self.s))
                self.begun |= here
        return uncertainty(losses[here], self.s[here])

    @property
    def weights(self):
        """What each loss is multiplied by, (K,)."""
        return 0.5 * (-self.s.detach()).exp()


class DWA(nn.Module):
    """Dynamic weight average: ``dwa_weights`` from the mean losses of the last two epochs; 1 in the first two."""

    def __init__(self, tasks, temperature=2.0):
        super().__init__()
        check_whole(tasks, "tasks")
        require(temperature > 0, "temperature", temperature, "a number above 0")
        self.temperature = temperature
        self._sums, self._counts = torch.zeros(tasks, dtype=torch.float64), torch.zeros(tasks, dtype=torch.float64)
        for name in ("last", "before"):
            self.register_buffer(name, torch.zeros(tasks))
        self.register_buffer("weights", torch.ones(tasks))

    def forward(self, losses):
        """losses: (K,)   returns: () their weighted sum"""
        _check(losses, len(self.weights))
        values = losses.detach().double().cpu()
        self._sums += values
        self._counts += values != 0
        return (self.weights * losses).sum()

    def begin_epoch(self):
        """Forget what an epoch that was not completed has left."""
        self._sums.zero_()
        self._counts.zero_()

    def end_epoch(self):
        """New weights from the means of the epoch; a task that was absent throughout keeps its old mean."""
        means = (self._sums / self._counts.clamp(min=1)).to(self.last)
        self.before.copy_(self.last)
        self.last.copy_(means.where(self._counts.to(self.last.device) > 0, self.last))
        if (self.before > 0).all():
            self.weights.copy_(dwa_weights(self.last, self.before, self.temperature))


class GradNorm(nn.Module):
    """Weights under which the tasks' gradients in ``shared`` have like norms, longer for tasks that lag behind.

    shared: the weight of the last shared layer, a parameter of the model   alpha: how strongly lagging counts
    lr: learning rate of the weights, in place of that of the model
    With ``accumulate`` the norms are those of each batch. Half precision's loss scaling does not reach them.
    """

    def __init__(self, tasks, shared, alpha=1.5, lr=None):
        super().__init__()
        check_whole(tasks, "tasks")
        require(isinstance(shared, torch.Tensor) and shared.requires_grad, "shared", type(shared).__name__, "a model's parameter")
        self.alpha, self.lr = alpha, lr
        self._shared = [shared]  # in a list, so that the model's parameter does not become one of this module
        self.w = nn.Parameter(torch.ones(tasks))
        self.register_buffer("first", torch.zeros(tasks))  # L(0)

    def forward(self, losses):
        """losses: (K,)   returns: (): its gradient in the model is that of Σ wₖLₖ, in w that of ``gradnorm_loss``"""
        _check(losses, len(self.w))
        here = losses.detach() != 0
        with torch.no_grad():  # what the optimizer made of the weights: positive, with the sum K
            self.w.clamp_(min=1e-6)
            self.w.mul_(len(self.w) / self.w.sum())
            self.first.copy_(losses.detach().to(self.first).where((self.first == 0) & here, self.first))
        weighted = (self.w.detach() * losses).sum()
        if not torch.is_grad_enabled() or here.sum() < 2:
            return weighted
        norms = [torch.autograd.grad(loss, self._shared, retain_graph=True)[0].norm() for loss in losses[here]]
        rates = losses.detach()[here] / self.first[here]
        balance = gradnorm_loss(self.w[here], torch.stack(norms), rates / rates.mean(), self.alpha)
        return weighted + balance - balance.detach()  # its value is that of the losses alone

    @property
    def weights(self):
        """What each loss is multiplied by, (K,)."""
        return len(self.w) * self.w.detach() / self.w.detach().sum()


def _check(losses, tasks):
    require(losses.shape == (tasks,), "losses", shape(losses), f"({tasks},), one for each task")
