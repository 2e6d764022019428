"""One gradient for each task, as rows of a matrix, and a training step from them."""

import torch

from mmlearn.ops.arguments import require, shape


def gradient_matrix(losses, parameters):
    """Gₖ = ∂Lₖ/∂θ, one row for each task: K backward passes through one graph.

    losses: (K,) or K numbers of one graph   parameters: tensors with P values in all
    returns: (K, P); zeros where a loss does not depend on a parameter. The graph stays; nobody's ``.grad`` is touched.
    """
    parameters = list(parameters)
    rows = [torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for loss in losses]
    return torch.stack([_flat(row, parameters) for row in rows])


class TaskGradients:
    """Trains with a direction made of the tasks' gradients: ``fit(…, loss=(K,) losses, combine=TaskGradients(pcgrad))``.

    aggregate: a function (K, P) → (P,), such as ``pcgrad``, ``mgda``, ``cagrad``, ``normalised(mgda)``. It sees the
    parameters in which more than one task has a gradient that is not zero: the trunk. A parameter of one task alone, such as a
    head's, gets that task's gradient as it is.
    A task without gradient in the trunk (absent from the batch) is left out. With mixed precision the rows are unscaled before
    ``aggregate``; with ``accumulate`` they are summed over the batches first.
    """

    def __init__(self, aggregate):
        require(callable(aggregate), "aggregate", type(aggregate).__name__, "a function (K, P) → (P,), such as pcgrad")
        self.aggregate = aggregate
        self.__name__ = f"TaskGradients({getattr(aggregate, '__name__', type(aggregate).__name__)})"

    def add(self, rows, losses, parameters):
        """The rows of one more batch added to those of the batches before.   rows: None at first; returns the new ones"""
        require(losses.ndim == 1, "losses", shape(losses), "(K,): combine=TaskGradients(…) needs the losses apart")
        for k, loss in enumerate(losses):
            found = torch.autograd.grad(loss, parameters, retain_graph=k + 1 < len(losses), allow_unused=True)
            if rows is None or k == len(rows):
                rows = [*(rows or []), found]
            else:
                rows[k] = tuple(b if a is None else a if b is None else a + b for a, b in zip(rows[k], found, strict=True))
        return rows

    def write(self, rows, parameters, scale=1.0):
        """Put the step's gradient into ``.grad`` of the parameters.   scale: what the losses were multiplied by"""
        reached = _reached(rows)  # (K, parameters)
        for n, parameter in enumerate(parameters):
            found = [row[n] for row in rows if row[n] is not None]
            parameter.grad = sum(found[1:], found[0].clone()) if found else None
        shared = (reached.sum(0) > 1).nonzero().flatten().tolist()
        if not shared:
            return
        trunk = [parameters[n] for n in shared]
        matrix = torch.stack([_flat([row[n] for n in shared], trunk) for row in rows]) / scale  # (K, P)
        finite = torch.isfinite(matrix).all(1)
        if not finite.all():
            if scale != 1.0:
                return  # the sum is not finite either: the scaler skips this step and tries a smaller scale
            bad = (~finite).nonzero().flatten().tolist()
            raise FloatingPointError(f"the gradient of task {', '.join(map(str, bad))}, counted from 0, holds NaN or infinity")
        matrix = matrix[matrix.any(1)]  # without the tasks that are absent
        if len(matrix) == 0:
            return
        direction = scale * self.aggregate(matrix)
        for parameter, part in zip(trunk, direction.split([p.numel() for p in trunk]), strict=True):
            parameter.grad = part.view_as(parameter).clone()


def _reached(rows):
    """Which task has a gradient other than zeros in which parameter: (K, parameters) bool on the CPU."""
    some = [[row[n].any() if row[n] is not None else None for n in range(len(row))] for row in rows]
    device = next((flag.device for flags in some for flag in flags if flag is not None), None)
    none = torch.tensor(False, device=device)
    return torch.stack([torch.stack([none if flag is None else flag for flag in flags]) for flags in some]).cpu()


def _flat(row, parameters):
    parts = [torch.zeros_like(p) if g is None else g for g, p in zip(row, parameters, strict=True)]
    return torch.cat([part.flatten() for part in parts])
