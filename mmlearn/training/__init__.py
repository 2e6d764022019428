"""One readable training loop: ``fit`` trains, ``evaluate`` scores, ``accuracy`` counts, ``seconds_per_call`` times."""

from mmlearn.training.checkpoint import CheckpointMismatch
from mmlearn.training.evaluate import accuracy, evaluate
from mmlearn.training.fit import fit
from mmlearn.training.history import History
from mmlearn.training.nonfinite import NonFiniteError
from mmlearn.training.timing import seconds_per_call

__all__ = ["CheckpointMismatch", "History", "NonFiniteError", "accuracy", "evaluate", "fit", "seconds_per_call"]
