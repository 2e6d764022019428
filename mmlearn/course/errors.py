"""Errors that a reader or an author can put right; their text says how."""

import difflib


class CourseError(ValueError):
    """Something is wrong that the person at the keyboard can mend. The command prints the text alone, without a traceback."""


def nearest(given, valid, count=3):
    """The names in `valid` that look most like `given`, best first.

    >>> nearest("labtop", ["smoke", "laptop", "gpu"])
    ['laptop']
    """
    lowered = {name.lower(): name for name in valid}
    return [lowered[name] for name in difflib.get_close_matches(str(given).lower(), lowered, n=count, cutoff=0.5)]


def unknown(kind, given, valid, see=""):
    """A CourseError that names what was given and the nearest valid names, or all of them when they are few.

    >>> print(unknown("profile", "labtop", ["smoke", "laptop", "gpu"]))
    unknown profile 'labtop'; did you mean laptop? Valid: smoke, laptop, gpu
    """
    valid = list(valid)
    close = nearest(given, valid)
    guess = f"; did you mean {' or '.join(close)}?" if close else "."
    if not valid:
        listing = "There is none yet"
    elif len(valid) <= 6:
        listing = f"Valid: {', '.join(valid)}"
    else:
        listing = f"Valid: {valid[0]} … {valid[-1]}"
    return CourseError(f"unknown {kind} {str(given)!r}{guess} {listing}{f' ({see})' if see else ''}")
