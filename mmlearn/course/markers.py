"""From a solved cell to the student's: what stands between nbgrader's markers is taken out.

    ### BEGIN SOLUTION                                  ### BEGIN HIDDEN TESTS
    …                                                   …
    ### END SOLUTION                                    ### END HIDDEN TESTS

A solution leaves `# YOUR CODE HERE` and `raise NotImplementedError` behind; hidden tests leave nothing. At the top level of a
cell a raise would stop the whole notebook, so there the marker says what stands in: `### BEGIN SOLUTION replace=kernel = None`.
"""

import re

from mmlearn.course.errors import CourseError

_MARKER = re.compile(
    r"(?P<indent>[ \t]*)### (?P<edge>BEGIN|END) (?P<kind>SOLUTION|HIDDEN TESTS)(?:[ \t]+replace=(?P<instead>.*))?[ \t]*"
)
_NEARLY = re.compile(r"\s*#+\s*(begin|end)[\s_-]*(solution|hidden)", re.IGNORECASE)


def has_solution(source):
    """True when the cell holds a solution between markers."""
    return any(marker and marker["kind"] == "SOLUTION" for marker in map(_MARKER.fullmatch, source.splitlines()))


def has_markers(source):
    """True when a line of the cell is a marker, or meant to be one."""
    return any(_NEARLY.match(line) for line in source.splitlines())


def student_source(source, where="this cell"):
    """The cell's source as the student gets it.

    >>> print(student_source('''def double(x):
    ...     ### BEGIN SOLUTION
    ...     return 2 * x
    ...     ### END SOLUTION'''))
    def double(x):
        # YOUR CODE HERE
        raise NotImplementedError

    Raises CourseError, beginning with `where`, for a marker that is misspelt, unbalanced or would stop the student's notebook.
    """
    kept, begun = [], None
    for number, line in enumerate(source.splitlines(), start=1):
        place = f"{where}, line {number}: {line.strip()!r}"
        marker = _MARKER.fullmatch(line)
        if marker is None:
            if _NEARLY.match(line):
                raise CourseError(f"{place} is not a marker; write ### BEGIN SOLUTION, ### END SOLUTION or … HIDDEN TESTS")
            if begun is None:
                kept.append(line)
        elif marker["edge"] == "BEGIN":
            if begun is not None:
                raise CourseError(f"{place} stands inside another region; end that one first: ### END {begun['kind']}")
            begun, begun_at = marker, place
            kept.extend(_stand_in(marker, place))
        else:
            if begun is None:
                raise CourseError(f"{place} ends what never began; put ### BEGIN {marker['kind']} above it")
            if begun["kind"] != marker["kind"]:
                raise CourseError(f"{place} cannot end a region of {begun['kind']}; write ### END {begun['kind']}")
            begun = None
    if begun is not None:
        raise CourseError(f"{begun_at} is never ended; put ### END {begun['kind']} below it")
    return "\n".join(kept).strip("\n")


def _stand_in(begin, place):
    indent, instead = begin["indent"], begin["instead"]
    if begin["kind"] == "HIDDEN TESTS":
        return []
    if instead:
        return [f"{indent}# YOUR CODE HERE", f"{indent}{instead.rstrip()}"]
    if not indent:
        raise CourseError(
            f"{place} stands at the top level of the cell, where raise NotImplementedError would stop the student's notebook; "
            "say what to put there: ### BEGIN SOLUTION replace=answer = None"
        )
    return [f"{indent}# YOUR CODE HERE", f"{indent}raise NotImplementedError"]
