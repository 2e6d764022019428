"""Task gradients: the independent library's numbers, the published ones, and what must hold of each method."""

from itertools import permutations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchjd import aggregation

from mmlearn.training.multitask import cagrad, cosines, mgda, min_norm_weight, normalised, pcgrad

PUBLISHED = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]])  # the example in torchjd's documentation of every method
EVERY = {"pcgrad": pcgrad, "mgda": mgda, "cagrad": cagrad}


@st.composite
def matrices(draw, most=5):
    K, P, seed = draw(st.integers(1, most)), draw(st.integers(1, 8)), draw(st.integers(0, 10**6))
    generator = torch.Generator().manual_seed(seed)
    scales = 10 ** torch.empty(K, 1, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    return scales * torch.randn(K, P, generator=generator, dtype=torch.float64)


def in_one_order(gradients):
    return pcgrad(gradients, order=[range(len(gradients))] * len(gradients))


def size(gradients):
    return gradients.norm(dim=1).max().item()


@pytest.mark.parametrize(
    ("method", "expected"), [(pcgrad, [0.5848, 3.8012, 3.8012]), (mgda, [0.0, 1.0, 1.0]), (cagrad, [0.1835, 1.2041, 1.2041])]
)
def test_the_published_example(method, expected):
    torch.testing.assert_close(method(PUBLISHED), torch.tensor(expected), atol=5e-5, rtol=0)


@settings(max_examples=60, deadline=None)
@given(matrices(), st.integers(0, 10**6))
def test_pcgrad_is_torchjds_sum_when_both_draw_the_same_orders(gradients, seed):
    torch.manual_seed(seed)
    ours = pcgrad(gradients)
    torch.manual_seed(seed)
    theirs = aggregation.PCGrad()(gradients)
    torch.testing.assert_close(ours, theirs, atol=1e-9 * size(gradients), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(matrices())
def test_mgda_is_where_torchjds_iteration_is_going(gradients):
    """Theirs stops after some steps: ours is never longer, and near where it gets with very many."""
    ours = mgda(gradients)
    theirs = aggregation.MGDA(epsilon=1e-9, max_iters=3000)(gradients)
    assert ours.norm() <= theirs.norm() + 1e-9 * size(gradients)
    torch.testing.assert_close(ours, theirs, atol=0.05 * size(gradients), rtol=0)


@settings(max_examples=30, deadline=None)
@given(matrices())
def test_mgda_is_the_point_that_a_quadratic_programme_finds(gradients):
    cvxpy = pytest.importorskip("cvxpy")
    weights = cvxpy.Variable(len(gradients))
    scaled = (gradients / size(gradients)).numpy()
    simplex = [weights >= 0, cvxpy.sum(weights) == 1]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(scaled.T @ weights)), simplex).solve(cvxpy.CLARABEL)
    theirs = torch.from_numpy(weights.value @ scaled) * size(gradients)
    torch.testing.assert_close(mgda(gradients), theirs, atol=1e-5 * size(gradients), rtol=0)


@settings(max_examples=60, deadline=None)
@given(matrices(most=2))
def test_with_two_tasks_mgda_is_torchjds(gradients):
    ours, theirs = mgda(gradients), aggregation.MGDA(epsilon=1e-12, max_iters=100)(gradients)
    torch.testing.assert_close(ours, theirs, atol=1e-9 * size(gradients), rtol=0)


@settings(max_examples=40, deadline=None)
@given(matrices(), st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_cagrad_gives_the_worst_task_what_torchjds_solver_gives_it(gradients, c):
    ours = cagrad(gradients, c)
    assume(ours.any())  # where no step helps all, theirs is zero below another threshold
    theirs = aggregation.CAGrad(c=c, norm_eps=1e-9)(gradients)
    torch.testing.assert_close(ours, theirs, atol=2e-4 * size(gradients), rtol=0)
    assert (gradients @ ours).min() >= (gradients @ theirs).min() - 1e-6 * size(gradients) ** 2


@settings(max_examples=50, deadline=None)
@given(matrices())
def test_mgda_opposes_no_task_and_no_combination_is_shorter(gradients):
    d = mgda(gradients)
    assert (gradients @ d >= d @ d - 1e-9 * size(gradients) ** 2).all()  # optimality: gₖ·d ≥ ‖d‖²
    weights = torch.rand(20, len(gradients), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = (weights / weights.sum(1, keepdim=True)) @ gradients
    assert (others.norm(dim=1) >= d.norm() - 1e-9 * size(gradients)).all()


@settings(max_examples=50, deadline=None)
@given(matrices(most=2))
def test_with_two_tasks_pcgrad_opposes_neither(gradients):
    assert (gradients @ pcgrad(gradients) >= -1e-9 * size(gradients) ** 2).all()


def test_with_three_tasks_pcgrad_may_oppose_one():
    """Freed of each in turn is not free of all: later projections can bring an earlier conflict back."""
    torch.manual_seed(0)
    worst = min((g @ pcgrad(g)).min().item() for g in torch.randn(200, 3, 2, dtype=torch.float64))
    assert worst < -0.1


@settings(max_examples=50, deadline=None)
@given(matrices(), st.sampled_from([0.2, 0.5, 0.9]))
def test_cagrad_stays_in_its_ball_and_treats_the_worst_task_best(gradients, c):
    d, mean = cagrad(gradients, c), gradients.mean(0)
    assume(d.any())
    radius = c * mean.norm()
    assert (d - mean).norm() <= radius * (1 + 1e-6)
    steps = torch.randn(200, len(mean), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = mean + radius * steps / steps.norm(dim=1, keepdim=True)
    assert ((gradients @ others.mT).min(0).values <= (gradients @ d).min() + 1e-6 * size(gradients) ** 2).all()


@settings(max_examples=30, deadline=None)
@given(matrices(), st.randoms(use_true_random=False))
def test_the_order_of_the_tasks_means_nothing(gradients, random):
    order = random.sample(range(len(gradients)), len(gradients))
    for method in (mgda, cagrad):
        torch.testing.assert_close(method(gradients[order]), method(gradients), atol=1e-6 * size(gradients), rtol=0)
    places = [[order.index(j) for j in range(len(order))]] * len(order)  # each meets the same tasks in the same order
    torch.testing.assert_close(
        pcgrad(gradients[order], order=places), in_one_order(gradients), atol=1e-9 * size(gradients), rtol=0
    )


@settings(max_examples=30, deadline=None)
@given(matrices(), st.sampled_from([1e-4, 0.5, 65536.0]))
def test_all_gradients_times_a_number_give_the_direction_times_it(gradients, factor):
    for method in (in_one_order, mgda, cagrad):
        torch.testing.assert_close(
            method(factor * gradients), factor * method(gradients), atol=1e-6 * factor * size(gradients), rtol=0
        )


@settings(max_examples=30, deadline=None)
@given(matrices(), st.integers(0, 4), st.sampled_from([0.01, 100.0]))
def test_normalised_methods_do_not_see_the_scale_of_one_task_and_the_others_do(gradients, k, factor):
    scaled = gradients.clone()
    scaled[k % len(gradients)] *= factor
    for method in (in_one_order, mgda, cagrad):
        torch.testing.assert_close(normalised(method)(scaled), normalised(method)(gradients), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", EVERY)
def test_none_of_the_three_is_blind_to_scale_by_itself(name):
    scaled = PUBLISHED * torch.tensor([[100.0], [1.0]])
    before, after = EVERY[name](PUBLISHED), EVERY[name](scaled)
    assert (before @ after / before.norm() / after.norm()) < 0.99


def test_without_conflict_pcgrad_is_the_sum_and_cagrad_with_c_0_the_mean():
    gradients = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pcgrad(gradients), gradients.sum(0))
    torch.testing.assert_close(cagrad(gradients, c=0.0), gradients.mean(0))


def test_one_task_keeps_its_gradient():
    g = torch.tensor([[3.0, -4.0]])
    for name, method in EVERY.items():
        factor = 1.5 if name == "cagrad" else 1.0  # (1 + c) g: the farthest point of the ball
        torch.testing.assert_close(method(g), factor * g[0])


def test_each_order_of_pcgrad_that_can_be_drawn_is_drawn():
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 0.5], [-0.5, -1.0]])
    possible = {
        tuple(pcgrad(gradients, order=orders).round(decimals=4).tolist())
        for orders in [[a, b, c] for a in permutations(range(3)) for b in permutations(range(3)) for c in permutations(range(3))]
    }
    torch.manual_seed(0)
    drawn = {tuple(pcgrad(gradients).round(decimals=4).tolist()) for _ in range(300)}
    assert drawn == possible
    assert len(possible) > 1


@pytest.mark.parametrize("method", EVERY.values())
def test_opposite_gradients_of_one_length_cancel(method):
    g = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    torch.testing.assert_close(method(g), torch.zeros(2))


@pytest.mark.parametrize("method", EVERY.values())
def test_zeros_stay_zeros(method):
    assert torch.equal(method(torch.zeros(3, 4)), torch.zeros(4))


def test_a_task_without_gradient_stops_mgda_and_does_not_disturb_pcgrad():
    g = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert torch.equal(mgda(g), torch.zeros(2))
    assert torch.equal(pcgrad(g), g[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", EVERY.values())
def test_the_result_has_the_gradients_dtype_and_they_stay_as_they_were(method, dtype):
    g = torch.randn(3, 5, dtype=dtype, generator=torch.Generator().manual_seed(1))
    before = g.clone()
    assert method(g).dtype == dtype
    assert torch.equal(g, before)


@settings(max_examples=60, deadline=None)
@given(matrices(most=2), st.floats(0, 1))
def test_no_other_weight_makes_two_gradients_shorter(gradients, other):
    assume(len(gradients) == 2)
    first, second = gradients
    weight = min_norm_weight(first, second)
    assert 0 <= weight <= 1
    shortest = (weight * first + (1 - weight) * second).norm()
    assert shortest <= (other * first + (1 - other) * second).norm() + 1e-9 * size(gradients)
    torch.testing.assert_close(min_norm_weight(second, first), 1 - weight)


def test_equal_gradients_get_equal_weights():
    assert min_norm_weight(torch.ones(3), torch.ones(3)) == 0.5


def test_cosines():
    g = torch.tensor([[3.0, 0.0], [0.0, 5.0], [-1.0, 1.0], [0.0, 0.0]])
    h = 0.5**0.5
    torch.testing.assert_close(cosines(g), torch.tensor([[1, 0, -h, 0], [0, 1, h, 0], [-h, h, 1, 0], [0.0, 0, 0, 0]]))


@pytest.mark.parametrize("method", [*EVERY.values(), cosines])
@pytest.mark.parametrize(
    ("gradients", "says"),
    [
        (torch.ones(3), r"\(K, P\), one row for each task"),
        (torch.ones(2, 3, dtype=torch.int64), "floating-point numbers"),
        (torch.zeros(0, 3), "K ≥ 1"),
        (torch.tensor([[1.0, 2.0], [float("nan"), 0.0]]), "NaN or infinity in the row of task 1"),
        ([[1.0]], "a torch.Tensor"),
    ],
)
def test_what_are_no_task_gradients_is_refused(method, gradients, says):
    with pytest.raises(ValueError, match=says):
        method(gradients)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="c: expected a number ≥ 0"):
        cagrad(PUBLISHED, c=-1)
    with pytest.raises(ValueError, match=r"order\[0\]: expected the tasks 0 … 1, each once"):
        pcgrad(PUBLISHED, order=[[0, 2], [0, 1]])
