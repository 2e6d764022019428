"""The losses of several tasks as one vector, where labels may be missing."""

import torch

MISSING = -100  # among class indices, as in torch.nn.functional.cross_entropy; among floats NaN says it


def equal(losses):
    """Σₖ Lₖ, every task with weight 1 — Eq. 20.1.   losses: (K,)   returns: ()"""
    return losses.sum()


class TaskLosses:
    """One loss function for each task, by name, in the order in which the columns of the targets stand.

        tasks = TaskLosses(shape=F.cross_entropy, answer=F.cross_entropy)
        tasks({"shape": logits, "answer": others}, targets)        # (K,)

    outputs  a dict task → tensor with N rows, or a tuple in the order of the tasks
    targets  (N, K) class indices, or floats when a task needs them; a missing label is −100, or NaN among floats. Class indices
             among floats come out as int64 where the loss is ``torch.nn.functional.cross_entropy``

    Each loss is the mean over the examples that have its label. A task without any label in the batch has the loss 0, and
    gradients of 0: it is absent, and the ways to combine treat it so.
    """

    def __init__(self, **losses):
        if not losses:
            raise ValueError("name at least one task with its loss: TaskLosses(shape=F.cross_entropy)")
        self.losses = losses

    @property
    def names(self):
        return tuple(self.losses)

    def __call__(self, outputs, targets):
        outputs = self.in_order(outputs)
        if targets.ndim != 2 or targets.shape[1] != len(self.losses):
            raise ValueError(
                f"targets must be (N, {len(self.losses)}), one column for each of {', '.join(self.names)}; "
                f"got {tuple(targets.shape)}"
            )
        losses = []
        for loss, output, target in zip(self.losses.values(), outputs, targets.unbind(1), strict=True):
            known = is_known(target)
            target = target[known]
            if loss is torch.nn.functional.cross_entropy and target.is_floating_point():
                target = target.long()
            losses.append(loss(output[known], target) if known.any() else 0.0 * output[:0].sum())
        return torch.stack(losses)

    def accuracies(self, outputs, targets):
        """The share of the labelled examples that each task's largest logit gets right: (K,), NaN without any label."""
        right = []
        for output, target in zip(self.in_order(outputs), targets.unbind(1), strict=True):
            known = is_known(target)
            right.append((output[known].argmax(1) == target[known]).double().mean())
        return torch.stack(right)

    def in_order(self, outputs):
        """The tasks' outputs as a tuple. Raises ValueError where a task has none."""
        if isinstance(outputs, dict):
            missing = [name for name in self.losses if name not in outputs]
            if missing:
                raise ValueError(f"the model gives nothing for {', '.join(missing)}: its outputs are {', '.join(outputs)}")
            return tuple(outputs[name] for name in self.losses)
        if not isinstance(outputs, (tuple, list)) or len(outputs) != len(self.losses):
            got = f"{len(outputs)} of them" if isinstance(outputs, (tuple, list)) else type(outputs).__name__
            raise ValueError(f"outputs must be a dict or a tuple with one for each of {', '.join(self.names)}; got {got}")
        return tuple(outputs)


def is_known(target):
    """Which labels are there: (N,) bool."""
    return ~target.isnan() if target.is_floating_point() else target != MISSING
