"""One readable training loop: ``fit`` trains, ``evaluate`` scores, ``accuracy`` counts, ``seconds_per_call`` times.

multitask       several losses: ways to weigh them, and directions that serve all (``fit(…, combine=…)``)
balance         several senses: OGM-GE, gradient blending; ``contribution`` (Shapley), ``robustness`` (what a missing one costs)
extract         features of a frozen encoder, batch by batch
"""

from mmlearn.training.checkpoint import CheckpointMismatch
from mmlearn.training.evaluate import accuracy, evaluate
from mmlearn.training.fit import fit
from mmlearn.training.history import History
from mmlearn.training.nonfinite import NonFiniteError
from mmlearn.training.timing import seconds_per_call

__all__ = ["CheckpointMismatch", "History", "NonFiniteError", "accuracy", "evaluate", "fit", "seconds_per_call"]
