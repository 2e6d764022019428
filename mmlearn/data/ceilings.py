"""How well a classifier can do at all, by what it may see and how it may combine that: computed from the table, not by training.

An *additive* classifier scores label y with f_y(a) + g_y(b): two encoders whose logits are added, or a linear layer on their
concatenated features. Its ceiling is the least cross-entropy that such logits reach. With Q[a, b, y] = P(a,b) softmax_y(f(a) +
g(b)), the gradient in f_y(a) is Q(a,y) − P(a,y), and that in g_y(b) is Q(b,y) − P(b,y): at the optimum Q has all three pairwise
marginals of P. It is the log-linear model without three-way interaction (Bishop, Fienberg & Holland 1975), and of all
distributions with these marginals it leaves the label most uncertain. For take another one, Q': the cross-entropy of Q's logits
is the same on Q' as on Q, for it depends on these marginals alone; on Q it is H_Q(Y|A,B), and on Q' it is at least H_Q'(Y|A,B),
by Gibbs' inequality.

**Where it lies.** Write I_additive = H(Y) − that cross-entropy. With S the synergy of ``mmlearn.data.decomposition``:

    I(A,B;Y) − S ≤ I_additive ≤ I(A,B;Y)     and     max(I(A;Y), I(B;Y)) ≤ I_additive.

Left: I(A,B;Y) − S = H(Y) − max H_Q(Y|A,B) over the Q that keep (a,y) and (b,y); additive logits take the maximum over the fewer
Q that keep (a,b), too, so theirs is no larger. Right: no cross-entropy is below H(Y|A,B). Last: the logits log P(y|a) + 0 are
additive.
"""

import math
from typing import NamedTuple

import torch

from mmlearn.data.additive_logits import log_or_zero, newton_step, softmax_where
from mmlearn.data.decomposition import decompose
from mmlearn.data.information import check_table, conditional_entropy, entropy

TIE = 1e-6  # labels whose probabilities differ by less share a prediction
_CLOSE = 1e-12  # the marginals of the additive model agree with the table's to this


class Ceiling(NamedTuple):
    """The best that can be reached: accuracy in [0, 1], and bits, H(Y) − the least cross-entropy."""

    accuracy: float
    bits: float


class Ceilings(NamedTuple):
    """Ceilings of a table P[a, b, y], each (accuracy, bits): ``_asdict()`` gives them by name.

    majority  no input: the most frequent label
    a, b      one input alone
    additive  logits f_y(a) + g_y(b), at the least cross-entropy; labels that tie are guessed among. Its bits are at least those
              of a and of b; its accuracy need not be, for it is not what is optimised (see ``best_additive_accuracy``)
    both      everything (Bayes)
    """

    majority: Ceiling
    a: Ceiling
    b: Ceiling
    additive: Ceiling
    both: Ceiling


class AdditiveBounds(NamedTuple):
    """Bits: what addition reaches lies between everything but the synergy, and everything."""

    without_synergy: float
    additive: float
    both: float


def ceilings(table):
    """What classifiers of P[a, b, y] can reach: with all that there is, Σ_{a,b} max_y P(a,b,y) — Eq. 14.5. Returns a Ceilings.

    table: (A, B, Y) probabilities   Raises ValueError where it is no distribution.
    Labels whose probabilities, given the input, differ by less than 10⁻⁶ tie, and share the prediction evenly.

    >>> xor = ceilings(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4)
    >>> xor.additive, xor.both
    (Ceiling(accuracy=0.5, bits=0.0), Ceiling(accuracy=1.0, bits=1.0))
    """
    table = check_table(table)
    label = table.sum((0, 1))  # (Y,)
    seen = {"majority": label[None], "a": table.sum(1), "b": table.sum(0), "both": table.flatten(0, 1)}  # name → (…, Y)
    known = {name: Ceiling(float(joint.amax(1).sum()), _below(label, conditional_entropy(joint))) for name, joint in seen.items()}
    model = additive_model(table)
    return Ceilings(additive=ceiling_of(table, model, log_or_zero(model)), **known)


def ceiling_of(table, believed, logarithm):
    """Accuracy and bits of a classifier that believes in P(y | a, b) where the table holds, as a Ceiling.

    table, believed, logarithm: (A, B, Y); the logarithm of what is believed, anything where the table is 0
    Labels that tie, see ``TIE``, share the prediction evenly. Fewer than 0 bits count as 0: guessing has that.
    """
    top = believed >= believed.amax(2, keepdim=True) - TIE  # (A, B, Y)
    accuracy = float((table * top / top.sum(2, keepdim=True)).sum())
    cross_entropy = -float((table * logarithm).sum()) / math.log(2)
    return Ceiling(accuracy, _below(table.sum((0, 1)), cross_entropy))


def additive_bounds(table):
    """I(A,B;Y) − S ≤ I₊ ≤ I(A,B;Y) — Eq. 14.7: addition loses at most the synergy. Returns the three, in bits, as AdditiveBounds.

    >>> xor = additive_bounds(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4)
    >>> [round(bits, 6) for bits in xor]
    [0.0, 0.0, 1.0]
    """
    reached = ceilings(table)
    return AdditiveBounds(reached.both.bits - decompose(table).synergy, reached.additive.bits, reached.both.bits)


def additive_model(table, iterations=200):
    """min over f, g of −Σ P(a,b,y) log softmax_y(f(a) + g(b)) — Eq. 14.6: the best additive classifier.

    returns: its probabilities of y given a and b, (A, B, Y); 0 for pairs that never occur.

    By Newton's method, with a ridge in proportion to the gradient (Li, Fukushima, Qi & Yamashita 2004), so that it converges
    even where the best logits lie at infinity, as for AND: there each step brings the cross-entropy nearer to its limit by a
    factor of e. Iterative proportional fitting (Deming & Stephan 1940) finds the same, in steps that are cheaper and, for such
    tables, too many.
    Raises RuntimeError where the pairwise marginals do not agree with the table's to 10⁻¹² after ``iterations`` steps.
    """
    table = check_table(table)
    ay, by, ab = table.sum(1), table.sum(0), table.sum(2)  # (A, Y), (B, Y), (A, B)
    allowed = (ay > 0)[:, None] & (by > 0) & (ab > 0)[..., None]  # (A, B, Y): elsewhere the best logits tend to −∞
    u = log_or_zero(ay) - log_or_zero(ay.sum(1, keepdim=True))  # (A, Y)
    v = log_or_zero(by) - log_or_zero(ay.sum(0))  # (B, Y)

    def at(u, v):
        soft, lse = softmax_where(u[:, None] + v, allowed)
        return soft, float((ab * lse).sum() - (ay * u).sum() - (by * v).sum())  # cross-entropy, in nats

    soft, cost = at(u, v)
    for _ in range(iterations):
        q = ab[..., None] * soft
        grad_u, grad_v = ay - q.sum(1), by - q.sum(0)  # downhill
        apart = float(grad_u.abs().sum() + grad_v.abs().sum())
        if apart <= _CLOSE:
            return soft
        curvature = torch.diag_embed(q) - q[..., :, None] * soft[..., None, :]  # (A, B, Y, Y)
        moves = newton_step(curvature, grad_u, grad_v, ridge=1e-3 * apart)
        if moves is None:
            break
        du, dv = moves
        gain = float((grad_u * du).sum() + (grad_v * dv).sum())
        length = 1.0
        while length > 1e-9:
            soft, new_cost = at(u + length * du, v + length * dv)
            if new_cost <= cost - 1e-4 * length * gain + 1e-15:
                break
            length /= 2
        u, v, cost = u + length * du, v + length * dv, new_cost
    raise RuntimeError(
        f"the additive model's marginals differ from the table's by {apart:.1e} after {iterations} steps: are there "
        f"probabilities too small for float64? The smallest above 0 is {float(table[table > 0].min()):.1e}"
    )


def _below(label, cross_entropy):
    return max(0.0, entropy(label) - cross_entropy)
