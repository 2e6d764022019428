"""Name the usual reason for a wrong shape."""

import math


def shape_hint(got, expected):
    """A likely reason in a few words, or "" when none is plain.

    >>> shape_hint((2, 3, 5, 5), (2, 3, 4, 4))
    'off by one in the output size (one too many along dimensions 2 and 3)'
    >>> shape_hint((3, 2), (2, 3))
    'dimensions 0 and 1 are swapped'
    """
    if len(got) == len(expected):
        return _same_rank(got, expected)
    if [n for n in got if n != 1] == [n for n in expected if n != 1]:
        missing = len(got) < len(expected)
        return f"a dimension of size 1 is {'missing (`unsqueeze`, `keepdim=True`)' if missing else 'too many (`squeeze`)'}"
    if not got:
        return "everything was summed or averaged to one number"
    if math.prod(got) == math.prod(expected):
        return "it holds the right number of values: a `reshape` is missing or wrong"
    if len(got) < len(expected):
        for i in range(len(expected)):
            if got == expected[:i] + expected[i + 1 :]:
                return f"dimension {i} is gone: was it summed over, or indexed away?"
    for i in range(len(got)):
        if expected == got[:i] + got[i + 1 :]:
            return f"dimension {i} (of size {got[i]}) is too many: should it be summed over?"
    return f"it has {len(got)} dimensions in place of {len(expected)}"


def _same_rank(got, expected):
    changed = [i for i, (g, e) in enumerate(zip(got, expected, strict=True)) if g != e]
    gaps = {got[i] - expected[i] for i in changed}
    if len(changed) == 2 and all(got[i] == expected[j] for i, j in (changed, changed[::-1])):
        return f"{_dimensions(changed)} are swapped"
    if sorted(got) == sorted(expected):
        return "the dimensions are in another order"
    if gaps in ({1}, {-1}):
        return f"off by one in the output size (one too {'many' if gaps == {1} else 'few'} along {_dimensions(changed)})"
    if all(got[i] == 1 for i in changed):
        return f"{_dimensions(changed)} shrank to size 1: summed over, or a broadcast forgotten?"
    if all(expected[i] == 1 for i in changed):
        return f"{_dimensions(changed)} should have size 1: sum over {'it' if len(changed) == 1 else 'them'}?"
    if math.prod(got) == math.prod(expected):
        return "it holds the right number of values in another shape: is the `reshape` right?"
    return f"it differs along {_dimensions(changed)}"


def _dimensions(indices):
    if len(indices) == 1:
        return f"dimension {indices[0]}"
    return f"dimensions {', '.join(map(str, indices[:-1]))} and {indices[-1]}"
