"""mmlearn: multimodal deep learning from the equations up.

The package behind the course's notebooks. Submodules load on first use, so that ``import mmlearn`` costs nothing:

    mmlearn.ops        the course's equations as pure functions, interchangeable with torch.nn.functional
    mmlearn.data       digits, photographs, public data sets
    mmlearn.models     networks that take their functional namespace as an argument
    mmlearn.training   one readable fit loop
    mmlearn.show       figures and interactive widgets
    mmlearn.exercises  checks, hints and solutions of the chapters' exercises
    mmlearn.course     what a notebook's first cell and the ``mmlearn`` command use
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = ("course", "data", "exercises", "kernels", "models", "ops", "show", "training")

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
