"""One readable training loop, and what it needs: ``fit`` trains, ``evaluate`` scores, ``accuracy`` counts."""

from mmlearn.training.checkpoint import CheckpointMismatch
from mmlearn.training.evaluate import accuracy, evaluate
from mmlearn.training.fit import fit
from mmlearn.training.history import History
from mmlearn.training.nonfinite import NonFiniteError

__all__ = ["CheckpointMismatch", "History", "NonFiniteError", "accuracy", "evaluate", "fit"]
