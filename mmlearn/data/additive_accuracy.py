"""The most labels that any additive classifier gets right: for small tables, exactly."""

import torch

from mmlearn.data.information import check_table


def best_additive_accuracy(table, *, seconds=60):
    """The highest accuracy of f_y(a) + g_y(b) on P[a, b, y], over all f and g: a float.

    The additive ceiling of ``mmlearn.data.ceilings`` belongs to the logits that training by cross-entropy tends to. Others may
    be right more often: on XOR the best logits by cross-entropy are all 0, right half of the time, while "1 unless both inputs
    are 0" is additive and right three times in four.

    table: (A, B, Y) probabilities, small: up to some 128 cells, as a selection task (16, 2, 4) has
    Solved as a mixed-integer program (scipy.optimize.milp): which label wins for each pair, by a margin of 1, with logits of at
    most 2·(A + B) in size; classifiers that need a wider range of logits are not looked at.
    Raises RuntimeError where that is not solved within so many ``seconds``.

    >>> xor = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4
    >>> best_additive_accuracy(xor)
    0.75
    """
    import numpy as np  # scipy is slow to import
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import lil_matrix

    table = check_table(table)
    A, B, Y = table.shape
    size = 2.0 * (A + B)  # of a logit
    big = 4 * size + 1  # no margin between two labels is missed by more
    pairs = (table.sum(2) > 0).nonzero().tolist()
    wins = len(pairs) * Y  # variables: who wins at each pair, then the logits f (A, Y) and g (B, Y)
    rules = lil_matrix((len(pairs) * (1 + Y * (Y - 1)), wins + (A + B) * Y))
    lower, upper = np.zeros(rules.shape[0]), np.full(rules.shape[0], np.inf)
    row = 0
    for pair, (a, b) in enumerate(pairs):
        rules[row, pair * Y : (pair + 1) * Y] = 1  # at most one label wins
        upper[row] = 1
        row += 1
        for winner in range(Y):
            for other in set(range(Y)) - {winner}:  # f_w + g_w − f_o − g_o ≥ 1 where it wins
                for first in (wins + a * Y, wins + (A + b) * Y):
                    rules[row, first + winner], rules[row, first + other] = 1, -1
                rules[row, pair * Y + winner] = -big
                lower[row] = 1 - big
                row += 1
    gain = np.zeros(rules.shape[1])
    gain[:wins] = torch.cat([table[a, b] for a, b in pairs]).numpy()
    limit = np.where(np.arange(len(gain)) < wins, 1, size)
    found = milp(
        -gain,
        constraints=LinearConstraint(rules.tocsr(), lower, upper),
        integrality=np.arange(len(gain)) < wins,
        bounds=Bounds(np.where(np.arange(len(gain)) < wins, 0, -size), limit),
        options={"time_limit": seconds},
    )
    if found.status != 0:
        raise RuntimeError(
            f"the best additive classifier of a table {A}×{B}×{Y} was not found in {seconds} seconds ({found.message.strip()}): "
            "give more seconds, or a table with fewer symbols"
        )
    f, g = torch.from_numpy(found.x[wins:]).view(A + B, Y).split([A, B])
    predicted = (f[:, None] + g).argmax(2, keepdim=True)  # (A, B, 1)
    return round(float(table.gather(2, predicted).sum()), 12)
