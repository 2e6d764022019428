"""Chapter 03: each mistake is named, right answers in other styles pass, and the right answers are those of torch."""

import math
import re

import pytest
import torch
import torch.nn.functional as F

from mmlearn.exercises import ch03, verify
from mmlearn.exercises.loss_curves import ANSWERS, CAUSES, EPOCHS


def by_torchs_init(shape, slope=0.0):
    bound = torch.nn.init.kaiming_uniform_(torch.empty(2_000_000 // math.prod(shape[1:]), *shape[1:]), a=slope).abs().max().item()
    return bound**2 / 3


def test_first_variance():
    def by_gain(shape, slope=0.0):
        fan_in = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))[0]
        return torch.nn.init.calculate_gain("leaky_relu", slope) ** 2 / fan_in

    verify(ch03.first_variance, also_right=[by_gain])
    for case in ch03.first_variance._examples():
        shape, *slope = case[0].args
        assert by_torchs_init(shape, *slope) == pytest.approx(case[1], rel=1e-3)


def by_torchs_sgd(parameter, gradient, velocity, lr, momentum):
    leaf = torch.nn.Parameter(parameter.clone())
    optimiser = torch.optim.SGD([leaf], lr=lr, momentum=momentum)
    leaf.grad = gradient.clone()
    optimiser.state[leaf]["momentum_buffer"] = velocity.clone()
    optimiser.step()
    buffer = optimiser.state[leaf]["momentum_buffer"]
    return leaf.detach(), buffer if momentum else gradient.clone()


def test_momentum_step():
    verify(ch03.momentum_step, also_right=[by_torchs_sgd])


def by_torchs_adamw(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay):
    leaf = torch.nn.Parameter(parameter.clone())
    optimiser = torch.optim.AdamW([leaf], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    leaf.grad = gradient.clone()
    optimiser.state[leaf] = {"step": torch.tensor(float(t - 1)), "exp_avg": m.clone(), "exp_avg_sq": v.clone()}
    optimiser.step()
    state = optimiser.state[leaf]
    return leaf.detach(), state["exp_avg"], state["exp_avg_sq"]


def test_repaired_adamw():
    verify(ch03.repaired_adamw, also_right=[by_torchs_adamw])


def test_the_authors_settings_hide_all_three_errors_and_each_other_setting_shows_one():
    def published(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay):
        return ch03.repaired_adamw.mistakes[6].wrong(parameter, gradient, m, v, t, lr, beta1, beta2, eps, weight_decay)

    theta, g = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([0.5, 3.0], dtype=torch.float64)
    m, v, author = 0.1 * g, g**2, {"beta1": 0.9, "beta2": 0.9, "eps": 1e-8, "weight_decay": 0.0}
    for change, hidden in [({}, True), ({"beta2": 0.99}, False), ({"eps": 0.1}, False), ({"weight_decay": 0.1}, False)]:
        setting = {**author, **change}
        found = published(theta, g, m, v, 3, 0.1, **setting)[0]
        right = by_torchs_adamw(theta, g, m, v, 3, 0.1, **setting)[0]
        assert torch.allclose(found, right, rtol=1e-6) == hidden, change


def by_autograd(grad_output, x, weight, eps=1e-5):
    leaves = [x.clone().requires_grad_(), weight.clone().requires_grad_(), torch.zeros_like(weight).requires_grad_()]
    output = F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=eps)
    return torch.autograd.grad(output, leaves, grad_output)


def as_in_the_paper(grad_output, x, weight, eps=1e-5):
    """The chain of Ioffe and Szegedy 2015: ∂σ², then ∂μ, then ∂x."""
    N, mean, var = len(x), x.mean(0), x.var(0, correction=0)
    grad_normalised = grad_output * weight
    grad_var = (grad_normalised * (x - mean)).sum(0) * -0.5 * (var + eps) ** -1.5
    grad_mean = -grad_normalised.sum(0) / torch.sqrt(var + eps)
    dx = grad_normalised / torch.sqrt(var + eps) + grad_var * 2 * (x - mean) / N + grad_mean / N
    return dx, (grad_output * (x - mean) / torch.sqrt(var + eps)).sum(0), grad_output.sum(0)


def test_batch_norm_backward():
    verify(ch03.batch_norm_backward, also_right=[by_autograd, as_in_the_paper])


def test_an_epsilon_in_the_wrong_place_shows_in_the_digits_of_the_message():
    def outside(grad_output, x, weight, eps=1e-5):
        sigma = x.var(0, correction=0).sqrt() + eps
        normalised = (x - x.mean(0)) / sigma
        means = grad_output.mean(0), (grad_output * normalised).mean(0)
        dx = weight / sigma * (grad_output - means[0] - normalised * means[1])
        return dx, (grad_output * normalised).sum(0), grad_output.sum(0)

    text = str(ch03.batch_norm_backward.judge(outside))
    assert "outside the root" in text
    got, expected = re.search(r"first difference at .*: got (\S+), expected (\S+)", text).groups()
    assert got != expected


def by_a_layer(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    layer = torch.nn.BatchNorm1d(x.shape[1], eps=eps, momentum=momentum, affine=False, dtype=x.dtype).train(training)
    layer.running_mean, layer.running_var = running_mean.clone(), running_var.clone()
    return layer(x), layer.running_mean, layer.running_var


def test_batch_norm_step():
    verify(ch03.batch_norm_step, also_right=[by_a_layer])


def test_estimates_changed_in_place_are_named():
    def in_place(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
        return (
            F.batch_norm(x, running_mean, running_var, training=training, momentum=momentum, eps=eps),
            running_mean,
            running_var,
        )

    result = ch03.batch_norm_step.judge(in_place)
    assert result.status == "failed"
    assert "in place" in str(result)


def test_learning_rate_sweep():
    def spaced(take_step, low, high, steps):
        rates = torch.logspace(math.log10(low), math.log10(high), steps, dtype=torch.float64).tolist()
        losses = []
        for rate in rates:
            losses.append(take_step(rate))
            if math.isnan(losses[-1]) or losses[-1] > 2 * losses[0]:
                break
        return rates[: len(losses)], losses

    verify(ch03.learning_rate_sweep, also_right=[spaced])


def test_a_sweep_that_returns_nothing_gets_a_sentence():
    result = ch03.learning_rate_sweep.judge(lambda take_step, low, high, steps: None)
    assert result.status == "failed"
    assert "None" in str(result)


def all_rates_then_cut(take_step, low, high, steps):
    rates = [low * (high / low) ** (i / (steps - 1)) for i in range(steps)]
    losses = [take_step(rate) for rate in rates]
    for n, loss in enumerate(losses):
        if not loss <= 2 * losses[0]:
            return rates[: n + 1], losses[: n + 1]
    return rates, losses


def test_a_sweep_that_is_cut_afterwards_hears_how_often_it_called():
    text = str(ch03.learning_rate_sweep.judge(all_rates_then_cut))
    assert "Wrong in 4 of 6 test cases" in text  # in the other two nothing explodes
    assert "every call trains the network. Stop there" in text
    assert "`take_step` was called 7 times; the loss had exploded at call 5" in text


def test_a_sweep_that_calls_twice_for_each_rate_hears_how_many_rates_there_are():
    def twice(take_step, low, high, steps):
        def step(rate):
            take_step(rate)
            return take_step(rate)

        return ch03.learning_rate_sweep.oracle(step, low, high, steps)

    assert "`take_step` was called 6 times; there are 3 rates" in str(ch03.learning_rate_sweep.judge(twice))


def test_a_message_about_a_sweep_shows_a_call_that_would_work_and_both_lists():
    def without_the_last(take_step, low, high, steps):
        rates, losses = ch03.learning_rate_sweep.oracle(take_step, low, high, steps)
        exploded = not losses[-1] <= 2 * losses[0]
        return rates[: len(rates) - exploded], losses[: len(losses) - exploded]

    text = str(ch03.learning_rate_sweep.judge(without_the_last))
    assert "learning_rate_sweep(take_step, 0.001, 1, 7)" in text
    assert "take_step returns 2, 1.5, 1, 3.5, 4.5, 9, 9 in turn" in text
    assert "losses, expected: float64 (5,)" in text
    assert "losses, got:      float64 (4,)" in text


def by_torchs_clipping(gradients, max_norm):
    leaves = [torch.nn.Parameter(gradient.clone()) for gradient in gradients]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    return [leaf.grad for leaf in leaves], norm


def test_clip_by_norm():
    def concatenated(gradients, max_norm):
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        return [gradient * max_norm / norm if norm > max_norm else gradient for gradient in gradients], norm

    def with_a_plain_number(gradients, max_norm):
        norm = math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))
        return tuple(gradient * min(1.0, max_norm / (norm + 1e-6)) for gradient in gradients), norm

    verify(ch03.clip_by_norm, also_right=[by_torchs_clipping, concatenated, with_a_plain_number])


def test_gradients_of_which_one_is_wrong_are_not_called_right():
    def first_forgotten(gradients, max_norm):
        shortened, norm = ch03.clip_by_norm.oracle(gradients, max_norm)
        return [gradients[0], *shortened[1:]], norm

    text = str(ch03.clip_by_norm.judge(first_forgotten))
    assert "gradients.result 1" in text
    assert "Right already" not in text


def test_causes():
    verify(ch03.causes)
    assert sorted(ANSWERS.values()) == list(range(1, len(CAUSES) + 1))


@pytest.mark.parametrize("style", [list, tuple, torch.tensor, lambda right: dict(zip("ABCDEF", right, strict=True))])
def test_the_causes_may_come_in_any_form_that_keeps_their_order(style):
    assert ch03.causes.judge(style([ANSWERS[letter] for letter in "ABCDEF"])).passed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("overfitting", "Give a list of six numbers, the causes of A, B, C, D, E and F"),
        ([1, 2, 3], "Give a list of six numbers, the causes of A, B, C, D, E and F"),
        ([4, 1, 6, 3, 5, 7], "each the number of a cause, from 1 to 6"),
        (["overfitting", 1, 6, 3, 5, 2], "each the number of a cause, from 1 to 6"),
        ([4, 1, 6, 3, 1, 2], "Each cause occurs once; 1 occurs more than once"),
        ([4, 1, 2, 3, 5, 6], "Wrong at C, F"),
    ],
)
def test_a_wrong_list_of_causes_hears_what_is_asked_for_or_which_letters_are_wrong(answer, says):
    result = ch03.causes.judge(answer)
    assert result.status == "failed"
    assert says in str(result)


@pytest.fixture(scope="module")
def curves():
    return {CAUSES[ANSWERS[letter] - 1].split(",")[0].split(":")[0]: run for letter, run in ch03.loss_curves().items()}


def of(run, name):
    return [epoch[name] for epoch in run]


def test_each_curve_has_what_its_cause_is_recognised_by(curves):
    assert all(len(run) == EPOCHS for run in curves.values())
    train = {cause: of(run, "train_loss") for cause, run in curves.items()}
    validation = {cause: of(run, "validation_loss") for cause, run in curves.items()}
    guessing = math.log(10)
    assert train["nothing is wrong"][-1] < validation["nothing is wrong"][-1] < 0.25
    slow = train["the learning rate is far too small"]
    assert slow == sorted(slow, reverse=True)
    assert 1 < slow[-1] < slow[0] - 0.3
    assert min(train["the learning rate is too large"][5:]) > 0.4
    few = validation["too few examples"]
    assert few[-1] > min(few) + 0.1 < guessing - 1
    assert train["too few examples"][-1] < 0.3
    assert min(validation["the training labels are shuffled"]) > guessing - 0.1
    assert train["the training labels are shuffled"][-1] < 1.8
    assert all(v < t for v, t in zip(validation["dropout"], train["dropout"], strict=True))


def test_the_curves_are_the_same_in_every_call_and_leave_the_random_state_alone(curves):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = ch03.loss_curves()
    assert torch.equal(torch.get_rng_state(), before)
    assert list(again) == list("ABCDEF")
    assert again["A"][0] == curves["too few examples"][0]
