"""Several tasks on one trunk: how K losses, or K gradients, become one step.

    tasks = TaskLosses(shape=F.cross_entropy, answer=F.cross_entropy)     # outputs, targets → (K,) losses
    fit(model, data, loss=tasks, combine=equal, epochs=10)                # their sum
    fit(model, data, loss=tasks, combine=Uncertainty(2), epochs=10)       # learned weights; also DWA(2), GradNorm(2, weight)
    fit(model, data, loss=tasks, combine=TaskGradients(pcgrad), epochs=10)   # one gradient for each task; also mgda, cagrad

``pcgrad``, ``mgda`` and ``cagrad`` are functions of the (K, P) matrix of task gradients that return the direction (P,).
"""

from mmlearn.training.multitask.gradients import cagrad, cosines, mgda, min_norm_weight, normalised, pcgrad
from mmlearn.training.multitask.losses import TaskLosses, equal
from mmlearn.training.multitask.task_gradients import TaskGradients, gradient_matrix
from mmlearn.training.multitask.weights import DWA, GradNorm, Uncertainty, dwa_weights, gradnorm_loss, settled, uncertainty

__all__ = [
    "DWA",
    "GradNorm",
    "TaskGradients",
    "TaskLosses",
    "Uncertainty",
    "cagrad",
    "cosines",
    "dwa_weights",
    "equal",
    "gradient_matrix",
    "gradnorm_loss",
    "mgda",
    "min_norm_weight",
    "normalised",
    "pcgrad",
    "settled",
    "uncertainty",
]
