import math
import warnings
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.data.ceilings import ceilings
from mmlearn.data.decomposition import decompose, with_marginals
from mmlearn.data.information import conditional_entropy, information
from mmlearn.data.world import dial, matching, redundant, selection, unique_image, unique_text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dit
    from dit.algorithms.broja_method import broja_solve_bivariate

PARTS = ("redundancy", "unique_a", "unique_b", "synergy")
seeds = st.integers(0, 10**6)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def gate(function, labels=2):
    """P[a, b, y] of two fair bits and y = function(a, b)."""
    table = torch.zeros(2, 2, labels, dtype=torch.float64)
    for a, b in product(range(2), repeat=2):
        table[a, b, function(a, b)] = 0.25
    return table


def drawn(seed, *shape, power=1, zeros=0.3):
    """A random table; with a high power its probabilities range over many orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(shape, generator=generator, dtype=torch.float64) ** power
    table = table * (torch.rand(shape, generator=generator) >= zeros)
    table.view(-1)[0] += 0.01
    return table / table.sum()


def parts(table):
    decomposition = decompose(table)
    return [getattr(decomposition, part) for part in PARTS]


def by_dit(table):
    """The same four numbers from the dit package, by alternating projections; its default solver (SLSQP) may stop 10⁻² short."""
    outcomes = [tuple(cell) for cell in (table > 0).nonzero().tolist()]
    distribution = dit.Distribution(outcomes, [float(table[cell]) for cell in outcomes])
    unique, how = broja_solve_bivariate(distribution, ((0,), (1,)), (2,), method="admui")
    assert how["method"] == "admui"
    a, b, both = (dit.shannon.mutual_information(distribution, inputs, [2]) for inputs in ([0], [1], [0, 1]))
    return [a - unique[(0,)], unique[(0,)], unique[(1,)], both - b - unique[(0,)]]


def h(p):
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


AND = h(0.25) - 0.5  # of AND: I(A;Y)
GATES = {
    "and": (gate(lambda a, b: a & b), (AND, 0, 0, 0.5)),
    "or": (gate(lambda a, b: a | b), (AND, 0, 0, 0.5)),
    "xor": (gate(lambda a, b: a ^ b), (0, 0, 0, 1)),
    "copy of both": (gate(lambda a, b: 2 * a + b, 4), (0, 1, 1, 0)),
    "copy of a": (gate(lambda a, b: a), (0, 1, 0, 0)),
}
TASKS = {
    "redundant": (redundant.table(), (2, 0, 0, 0)),
    "unique_image": (unique_image.table(), (0, 2, 0, 0)),
    "unique_text": (unique_text.table(), (0, 0, 2, 0)),
    "matching": (matching.table(), (0, 0, 0, 1)),
    "selection": (selection.table(), (0, 1.25, 0, 0.75)),
    "dial, synergy noisy": (dial.table(0.0, 0.1), (1, 0, 0, 1 - h(0.1))),
    "dial, unique": (dial.table(None, None, 0.05, 0.3), (0, 1 - h(0.05), 1 - h(0.3), 0)),
}
KNOWN = GATES | TASKS


@pytest.mark.parametrize(("table", "expected"), KNOWN.values(), ids=KNOWN.keys())
def test_the_parts_of_gates_and_tasks_are_those_that_reasoning_gives(table, expected):
    assert parts(table) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("table", [table for table, _ in KNOWN.values()], ids=KNOWN.keys())
def test_dit_finds_the_same_parts(table):
    assert parts(table) == pytest.approx(by_dit(table), abs=1e-5)  # dit's AND is right to 2·10⁻⁶


@pytest.mark.parametrize("eps", [(0.1, 0.2, None, None), (0.0, 0.5, 0.25, None), (0.1, 0.2, 0.05, 0.3), (0.3, None, None, 0.4)])
def test_the_parts_of_independent_bits_add_up(eps):
    expected = [0.0 if one is None else 1 - h(one) for one in (eps[0], eps[2], eps[3], eps[1])]
    assert parts(dial.table(*eps)) == pytest.approx(expected, abs=1e-8)


def test_two_fair_coins_are_decomposed_as_an_exhaustive_search_does():
    """With two symbols each, a Q is P moved along one direction for each label: two numbers, searched on a fine grid."""
    for seed in range(5):
        table = drawn(seed, 2, 2, 2, zeros=0)
        turn = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)
        grids = []
        for y in range(2):
            low, high = -table[[0, 1], [0, 1], y].min(), table[[0, 1], [1, 0], y].min()
            grids.append(
                table[..., y] + torch.linspace(float(low), float(high), 801, dtype=torch.float64)[:, None, None] * turn
            )  # (801, 2, 2)
        q = torch.stack([grids[0][:, None].expand(-1, 801, -1, -1), grids[1][None].expand(801, -1, -1, -1)], dim=-1).clamp(
            min=0
        )  # (801, 801, 2, 2, 2)
        uncertain = torch.special.xlogy(q.sum(-1), q.sum(-1)).sum((2, 3)) - torch.special.xlogy(q, q).sum((2, 3, 4))
        best = float(uncertain.max()) / math.log(2)
        assert conditional_entropy(decompose(table).coupling) == pytest.approx(best, abs=1e-5)
        assert conditional_entropy(decompose(table).coupling) >= best - 1e-9


def test_additive_logits_trained_against_the_worst_pairing_get_as_far_as_the_most_uncertain_pairing_lets_them():
    """The dual, by another optimiser: any logits bound H_Q(Y|A,B) from above, so the least bound found confirms the coupling."""
    for seed in range(2):
        table = drawn(seed, 3, 4, 2, zeros=0)
        u, v = (torch.zeros(size, 2, dtype=torch.float64, requires_grad=True) for size in (3, 4))

        def bound(smooth, u=u, v=v, table=table):
            lse = (u[:, None] + v).logsumexp(2).flatten()
            worst = smooth * (lse / smooth).logsumexp(0) if smooth else lse.max()
            return (worst - (table.sum(1) * u).sum() - (table.sum(0) * v).sum()) / math.log(2)

        for smooth in (0.1, 0.03, 0.01, 0.003, 0.001):
            optimiser = torch.optim.LBFGS([u, v], max_iter=150, tolerance_change=0, line_search_fn="strong_wolfe")

            def closure(optimiser=optimiser, smooth=smooth, bound=bound):
                optimiser.zero_grad()
                value = bound(smooth)
                value.backward()
                return value

            optimiser.step(closure)
        above = float(bound(0).detach()) - conditional_entropy(decompose(table).coupling)
        assert -1e-9 <= above < 2e-3  # what the smoothing leaves


@given(seeds, sizes, st.sampled_from([1, 4, 12]), st.sampled_from([0.0, 0.3, 0.7]))
@settings(max_examples=60)
def test_every_table_is_decomposed_with_a_certificate_and_exact_sums(seed, shape, power, zeros):
    table = drawn(seed, *shape, power=power, zeros=zeros)
    found = decompose(table)
    a, b, both = information(table)
    assert 0 <= found.gap <= 1e-6
    assert min(parts(table)) >= 0
    assert found.redundancy + found.unique_a == pytest.approx(a, abs=1e-12)
    assert found.redundancy + found.unique_b == pytest.approx(b, abs=1e-12)
    assert sum(getattr(found, part) for part in PARTS) == pytest.approx(both, abs=1e-12)
    torch.testing.assert_close(found.coupling.sum(1), table.sum(1), rtol=0, atol=1e-14)
    torch.testing.assert_close(found.coupling.sum(0), table.sum(0), rtol=0, atol=1e-14)
    assert conditional_entropy(found.coupling) >= conditional_entropy(table) - 1e-9  # P itself is among the Q


@given(seeds, sizes)
@settings(max_examples=25)
def test_exchanging_the_inputs_exchanges_their_parts_and_names_do_not_matter(seed, shape):
    table = drawn(seed, *shape)
    redundancy, unique_a, unique_b, synergy = parts(table)
    assert parts(table.transpose(0, 1)) == pytest.approx([redundancy, unique_b, unique_a, synergy], abs=1e-8)
    assert parts(table.flip(0, 1, 2)) == pytest.approx([redundancy, unique_a, unique_b, synergy], abs=1e-8)
    padded = torch.zeros([size + 1 for size in shape], dtype=torch.float64)  # symbols that never occur
    padded[1:, :-1, 1:] = table
    assert parts(padded) == pytest.approx([redundancy, unique_a, unique_b, synergy], abs=1e-8)


@given(seeds, sizes)
@settings(max_examples=40)
def test_addition_gets_all_but_the_synergy_and_at_least_the_better_input(seed, shape):
    table = drawn(seed, *shape)
    synergy, reached = decompose(table).synergy, ceilings(table)
    assert reached.both.bits - synergy <= reached.additive.bits + 1e-9
    assert reached.additive.bits <= reached.both.bits + 1e-9
    assert max(reached.a.bits, reached.b.bits) <= reached.additive.bits + 1e-9


def test_a_nearly_right_table_is_rounded_to_the_marginals_and_stays_near():
    table = drawn(0, 3, 4, 2)
    noisy = table * (1 + 0.01 * torch.randn(table.shape, generator=torch.Generator().manual_seed(1)))
    rounded = with_marginals(noisy, table.sum(1), table.sum(0))
    torch.testing.assert_close(rounded.sum(1), table.sum(1), rtol=0, atol=1e-15)
    torch.testing.assert_close(rounded.sum(0), table.sum(0), rtol=0, atol=1e-15)
    assert rounded.min() >= 0
    assert (rounded - table).abs().sum() < 0.05


def test_what_cannot_be_reached_is_said():
    with pytest.raises(RuntimeError, match=r"known to .* bits after 1 steps, not to the 1\.0e-09 asked for"):
        decompose(gate(lambda a, b: a & b), tolerance=1e-9, iterations=1)
    with pytest.raises(ValueError, match="sums to 1"):
        decompose(torch.ones(2, 2, 2))
