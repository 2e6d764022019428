"""What a notebook's first cell and the ``mmlearn`` command use.

    from mmlearn.course import begin
    run = begin("04", profile)

Everything loads on first use: a notebook pays for `begin` alone, the command for what it was asked to do.
"""

__all__ = ["Run", "begin"]


def __getattr__(name):
    if name in __all__:
        from mmlearn.course import start

        return getattr(start, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
