"""Where a ValueError is the right answer: for an `Exercise` whose function must refuse some inputs."""


class _Refusal:
    """Stands for the refusal among the results: a message reads "your result is a tensor …, expected a raised ValueError"."""

    def __repr__(self):
        return "a raised ValueError"


REFUSED = _Refusal()


def or_refused(answer, *args, **kwargs):
    """The answer's result, or REFUSED if it raises a ValueError; any other exception passes through.

    For an exercise's ``call=``, and there only for the inputs that must be refused: elsewhere a ValueError is an accident, and
    the student should see where it happened.
    """
    try:
        return answer(*args, **kwargs)
    except ValueError:
        return REFUSED
