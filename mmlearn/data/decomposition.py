"""Which bits about a label are in both inputs, in one of them alone, or only in the two together.

Williams & Beer (2010) split what two inputs tell about a label, I(A,B;Y) = R + U_a + U_b + S: redundancy, which either input
gives; the unique part of each; synergy, which only both together give. I(A;Y) = R + U_a and I(B;Y) = R + U_b, so one more
equation is needed. Bertschinger, Rauh, Olbrich, Jost & Ay (2014) reason that a's unique part may depend only on how a goes with
y and how b goes with y, and take the least that fits both:

    U_a = min I_Q(A;Y|B)   over all Q[a, b, y] with Q(a,y) = P(a,y) and Q(b,y) = P(b,y).

**The same minimum, seen from a classifier.** I_Q(A;Y|B) = H(Y|B) − H_Q(Y|A,B) and H(Y|B) is fixed, so the best Q leaves the label
most uncertain. Take any logits u_a(y) + v_b(y), those of a classifier that adds what either input says, and write
lse_ab = log Σ_y exp(u_a(y) + v_b(y)). For every such Q, Gibbs' inequality says

    H_Q(Y|A,B) ≤ Σ Q(a,b) lse_ab − Σ P(a,y) u_a(y) − Σ P(b,y) v_b(y)          the classifier's cross-entropy on Q
               ≤ max lse_ab − Σ P(a,y) u_a(y) − Σ P(b,y) v_b(y)               on no pairing is it worse.

So any Q and any logits enclose the optimum: their difference is a certificate. By convex duality they meet, which gives
I(A,B;Y) − S = H(Y) − max_Q H_Q(Y|A,B) a meaning: the bits that an additive classifier can be sure of, however the inputs pair up.
``mmlearn.data.ceilings`` says how many more it gets with the pairing of P.
"""

import math
from dataclasses import dataclass, field

import torch

from mmlearn.data.additive_logits import TINY, log_or_zero, newton_step, softmax_where
from mmlearn.data.information import check_table, conditional_entropy, information

GOAL = 1e-10  # bits: the solver stops here
SHRINK = 0.1  # each step aims at a gap this many times the last one
ROOM = 0.99  # of the way to where a mass or a slack would become 0
CAP = 3.0  # the most by which a step changes a score, in nats: the exponential is far from its tangent beyond


@dataclass(frozen=True)
class Decomposition:
    """Bits about the label: redundancy + unique_a + unique_b + synergy = I(A,B;Y).

    gap         bits: no part is further than this from its exact value (from duality; rounding is about 10⁻¹⁵)
    iterations  Newton steps taken
    coupling    (A, B, Y): the Q that leaves the label most uncertain, with the (a,y) and (b,y) marginals of the table
    """

    redundancy: float
    unique_a: float
    unique_b: float
    synergy: float
    gap: float
    iterations: int
    coupling: torch.Tensor = field(repr=False, compare=False)


def decompose(table, *, tolerance=1e-6, iterations=100):
    """I(A;Y) = R + U_a, I(B;Y) = R + U_b, I(A,B;Y) = R + U_a + U_b + S, in bits — Eq. 14.3 (Williams & Beer 2010).

    table: (A, B, Y) probabilities; zeros, and symbols that never occur, are fine   returns: a Decomposition
    The fourth condition is that of Bertschinger et al. (2014): see ``most_uncertain``. The three equations hold to rounding, and
    no part is negative.
    Raises ValueError where the table is no distribution, RuntimeError where the gap stays above ``tolerance`` bits.

    >>> xor = decompose(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4)
    >>> round(xor.redundancy, 6), round(xor.unique_a, 6), round(xor.unique_b, 6), round(xor.synergy, 6)
    (0.0, 0.0, 0.0, 1.0)
    """
    table = check_table(table)
    coupling, gap, steps = most_uncertain(table, iterations)
    if gap > tolerance:
        raise RuntimeError(
            f"the parts are known to {gap:.1e} bits after {steps} steps, not to the {tolerance:.1e} asked for: "
            f"give a tolerance of {gap:.1e} or more, or more iterations than {iterations}"
        )
    a, b, both = information(table)
    unique_a = conditional_entropy(table.sum(0)) - conditional_entropy(coupling)  # I_Q(A;Y|B)
    unique_a = min(max(unique_a, a - b, 0.0), a, both - b)  # between these, no part is negative
    redundancy = a - unique_a
    unique_b = b - redundancy
    parts = (redundancy, unique_a, unique_b, both - unique_a - b)
    return Decomposition(*(max(0.0, part) for part in parts), max(0.0, gap), steps, coupling)


def most_uncertain(table, iterations=100):
    """min I_Q(A,B;Y) = R + U_a + U_b over the Q[a, b, y] with the (a,y) and (b,y) marginals of ``table`` — Eq. 14.4.

    returns: (Q, gap in bits, steps). H(Y) is the same for all of them, so this Q is the one that maximises H_Q(Y|A,B).

    The dual, over logits: minimise −Σ P(a,y) u_a(y) − Σ P(b,y) v_b(y) where lse_ab + s_ab = 0 with a slack s_ab ≥ 0 for each
    pair. The multiplier m_ab of that is the pair's mass, and Q[a, b, y] = m_ab · softmax_y(u_a + v_b). The method is a
    primal-dual interior point (Boyd & Vandenberghe 2004, section 11.7): Newton steps on "Q has P's marginals", "lse + s = 0"
    and m_ab·s_ab = μ·w_ab while μ shrinks. w_ab is the mass of the pair at the start, where a and b are independent given y:
    with equal weights, pairs of small mass would stop the method. Makkeh et al. (2018) solve the same as a cone program,
    Banerjee, Rauh & Montúfar (2018) by alternating projections.

    Nothing of this is trusted. After each step Q is rounded to have the marginals, the logits are shifted to max lse = 0, and
    what lies between their two values is the gap; the best Q is returned.
    """
    table = check_table(table)
    ay, by = table.sum(1), table.sum(0)  # (A, Y), (B, Y)
    allowed = (ay > 0)[:, None] & (by > 0)  # (A, B, Y): where Q may have mass
    pairs = allowed.any(2)  # (A, B)
    y = ay.sum(0).clamp(min=TINY)  # (Y,)
    mass = torch.where(allowed, ay[:, None] * by / y, 0.0).sum(2)  # (A, B)
    weight = mass
    u = log_or_zero(ay) - log_or_zero(ay.sum(1, keepdim=True))  # (A, Y)
    v = log_or_zero(by) - log_or_zero(y)  # (B, Y)
    soft, lse = softmax_where(u[:, None] + v, allowed)
    u = u - lse[pairs].max() - 1
    slack = torch.where(pairs, lse[pairs].max() + 1 - lse, 1.0)  # (A, B)
    best, gap = None, math.inf
    for step in range(iterations + 1):
        soft, lse = softmax_where(u[:, None] + v, allowed)
        q = mass[..., None] * soft  # (A, B, Y)
        rounded = with_marginals(q, ay, by)
        bound = float(lse[pairs].max() - (ay * u).sum() - (by * v).sum()) / math.log(2)
        between = bound - conditional_entropy(rounded)
        if between < gap:
            best, gap = rounded, between
        if gap <= GOAL or step == iterations:
            break
        aim = SHRINK * float((mass * slack)[pairs].sum()) * weight  # μ·w
        ratio = mass / slack
        outer = soft[..., :, None] * soft[..., None, :]  # (A, B, Y, Y)
        curvature = torch.diag_embed(q) + (ratio - mass)[..., None, None] * outer
        base = torch.where(pairs, aim / slack + ratio * lse, 0.0)  # what m changes by if the logits stay
        later = (mass + base)[..., None] * soft
        moves = newton_step(curvature, ay - later.sum(1), by - later.sum(0))
        if moves is None:  # as far as float64 goes
            break
        du, dv = moves
        d_lse = (soft * (du[:, None] + dv)).sum(2)  # (A, B)
        d_mass = torch.where(pairs, base + ratio * d_lse, 0.0)
        d_slack = torch.where(pairs, -(lse + slack) - d_lse, 0.0)
        length = min(1.0, CAP / max(float((du[:, None] + dv)[allowed].abs().max()), TINY))
        for value, change in ((mass, d_mass), (slack, d_slack)):
            shrinks = change < 0
            if shrinks.any():
                length = min(length, ROOM * float((-value / change)[shrinks].min()))
        u, v, mass, slack = u + length * du, v + length * dv, mass + length * d_mass, slack + length * d_slack
    return best, gap, step


def with_marginals(q, ay, by):
    """The nearly right ``q`` (A, B, Y) made to have the marginals ay (A, Y) and by (B, Y) (Altschuler, Weed & Rigollet 2017).

    Each label's slice is scaled down where a row or a column has too much; what is missing then is added as a product.
    """
    q = q * (ay / q.sum(1).clamp(min=TINY)).clamp(max=1)[:, None]
    q = q * (by / q.sum(0).clamp(min=TINY)).clamp(max=1)
    missing_a, missing_b = (ay - q.sum(1)).clamp(min=0), (by - q.sum(0)).clamp(min=0)  # (A, Y), (B, Y)
    return q + missing_a[:, None] * missing_b / missing_b.sum(0).clamp(min=TINY)
