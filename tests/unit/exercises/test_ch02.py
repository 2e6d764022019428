"""Chapter 02's exercises: right answers in other styles pass, and each catalogued mistake is named."""

import warnings

import pytest
import torch
import torch.nn.functional as F

from mmlearn.exercises import ch02, verify


def says(exercise, answer):
    """The diagnosis of a wrong answer."""
    result = exercise.judge(answer)
    assert result.status == "failed", result
    return result.diagnosis


def autograd(function, grad_output, *inputs):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    return torch.autograd.grad(function(*leaves), leaves, grad_output)


def test_quotient():
    verify(ch02.quotient_backward, also_right=[lambda grad_output, a, b: autograd(torch.div, grad_output, a, b)])


def test_the_first_exercise_uses_no_word_of_later_sections():
    words = str(ch02.quotient_backward.judge(lambda grad_output, a, b: (1 / b, -a / b**2)))
    assert "(Eq. 2.2)" in words
    assert "upstream" not in words


def by_recursion(edges, count):
    def gradient(node):
        if node == count - 1:
            return 1.0
        return sum(gradient(child) * derivative for parent, child, derivative in edges if parent == node)

    return torch.tensor([gradient(node) for node in range(count)], dtype=torch.float64)


def by_matrix(edges, count):
    step = torch.zeros(count, count, dtype=torch.float64)
    for parent, child, derivative in edges:
        step[parent, child] += derivative
    paths = torch.linalg.inv(torch.eye(count, dtype=torch.float64) - step)  # 1 + step + step² + …, which ends
    return paths[:, -1]


def test_shared_parents():
    verify(ch02.node_gradients, also_right=[by_recursion, by_matrix])


def test_edges_kept_in_a_set_or_in_a_dict_are_named():
    right = ch02.node_gradients.oracle
    assert "as in a set" in says(ch02.node_gradients, lambda edges, count: right(sorted(set(edges)), count))

    def from_a_matrix(edges, count):
        step = torch.zeros(count, count, dtype=torch.float64)
        for parent, child, derivative in edges:
            step[parent, child] = derivative
        return torch.linalg.inv(torch.eye(count, dtype=torch.float64) - step)[:, -1]

    assert "a dict or a matrix" in says(ch02.node_gradients, from_a_matrix)


def test_broadcasting():
    others = [
        lambda grad_output, shape: grad_output.sum_to_size(shape),
        lambda grad_output, shape: autograd(
            lambda x: x.expand(grad_output.shape), grad_output, torch.zeros(shape, dtype=grad_output.dtype)
        )[0],
    ]
    verify(ch02.broadcast_backward, also_right=others)


def summed_at_once(grad_output, shape):
    front = grad_output.dim() - len(shape)
    axes = [*range(front), *(front + axis for axis, length in enumerate(shape) if length == 1)]
    return grad_output.sum(axes, keepdim=True).view(shape)


def front_first(grad_output, shape):
    grad_output = grad_output.sum(tuple(range(grad_output.dim() - len(shape))))
    for axis, length in enumerate(shape):
        if length == 1:
            grad_output = grad_output.sum(axis, keepdim=True)
    return grad_output


def stretched_at_once(grad_output, shape):
    while grad_output.dim() > len(shape):
        grad_output = grad_output.sum(0)
    return grad_output.sum([axis for axis, length in enumerate(shape) if length == 1], keepdim=True)


@pytest.mark.parametrize("answer", [summed_at_once, front_first, stretched_at_once])
def test_a_sum_over_an_empty_tuple_of_axes_is_named(answer):
    assert says(ch02.broadcast_backward, answer).startswith("`sum` over an empty tuple of axes sums all of them")


def test_the_praise_for_broadcasting_is_in_words_that_the_chapter_has_used():
    assert "adjoint" not in ch02.broadcast_backward.afterword


def test_linear():
    def by_einsum(grad_output, x, weight):
        return (
            torch.einsum("...k,kd->...d", grad_output, weight),
            torch.einsum("...k,...d->kd", grad_output, x),
            torch.einsum("...k->k", grad_output),
        )

    def by_torch(grad_output, x, weight):
        return autograd(F.linear, grad_output, x, weight, weight[:, 0].clone())

    verify(ch02.linear_backward, also_right=[by_einsum, by_torch])


@pytest.mark.parametrize(
    "answer",
    [
        lambda grad_output, x, weight: (grad_output @ weight, grad_output.T @ x, grad_output.sum(0)),
        lambda grad_output, x, weight: (grad_output @ weight, torch.mm(grad_output.mT, x), grad_output.sum(0)),
        lambda grad_output, x, weight: (
            grad_output @ weight,
            torch.einsum("...k,...d->kd", grad_output, x),
            grad_output.sum(0),
        ),
    ],
)
def test_more_than_two_axes_are_named_and_torch_s_own_warning_is_not_shown(answer):
    def loud(grad_output, x, weight):
        warnings.warn("The use of `x.T` on tensors of dimension other than 2 is deprecated", UserWarning, stacklevel=1)
        return answer(grad_output, x, weight)

    result = ch02.linear_backward.judge(loud)
    assert result.diagnosis == "wrong exactly when `grad_output` has more than two axes: flatten what stands in front"
    assert result.printed == ""


def test_results_in_another_order_are_named():
    def answer(grad_output, x, weight):
        grad_x, grad_weight, grad_bias = ch02.linear_backward.oracle(grad_output, x, weight)
        return grad_weight, grad_bias, grad_x

    assert "in another order" in says(ch02.linear_backward, answer)


def test_cross_entropy():
    def in_place(logits, labels):
        p = torch.softmax(logits, dim=1)
        p[torch.arange(len(labels)), labels] -= 1
        return p / len(labels)

    verify(ch02.cross_entropy_backward, also_right=[in_place, lambda z, y: autograd(lambda z: F.cross_entropy(z, y), None, z)[0]])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            lambda logits, labels: F.one_hot(labels),
            "`one_hot(labels)` guesses K from the largest label; pass the number of classes",
        ),
        (lambda logits, labels: torch.eye(logits.shape[1])[labels], None),
        (lambda logits, labels: labels.unsqueeze(1), "the label's number is subtracted from the whole row"),
    ],
)
def test_targets(target, words):
    def answer(logits, labels):
        return (torch.softmax(logits, 1) - target(logits, labels).to(logits.dtype)) / len(labels)

    result = ch02.cross_entropy_backward.judge(answer)
    assert result.passed if words is None else result.diagnosis.startswith(words)


def test_one_largest_logit_for_the_whole_batch_is_named():
    def answer(logits, labels):
        e = torch.exp(logits - logits.max())
        return (e / e.sum(1, keepdim=True) - F.one_hot(labels, logits.shape[1])) / len(labels)

    assert says(ch02.cross_entropy_backward, answer).startswith("one largest logit for all rows")


def test_layer_norm():
    def by_torch(grad_output, x, gamma, eps=1e-5):
        beta = torch.zeros_like(gamma)
        return autograd(lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta, eps), grad_output, x, gamma, beta)

    def by_jacobian(grad_output, x, gamma, eps=1e-5):
        D, sigma = x.shape[1], (x.var(1, unbiased=False) + eps).sqrt()
        x_hat = (x - x.mean(1, keepdim=True)) / sigma[:, None]
        outer = torch.einsum("ni,nj->nij", x_hat, x_hat)
        jacobian = (torch.eye(D, dtype=x.dtype) - 1 / D - outer / D) / sigma[:, None, None]
        return torch.einsum("nj,nji->ni", grad_output * gamma, jacobian), (grad_output * x_hat).sum(0), grad_output.sum(0)

    verify(ch02.layer_norm_backward, also_right=[by_torch, by_jacobian])


def normed(statistics, take, gamma_from=lambda grad_output, G, x, x_hat: grad_output * x_hat):
    """An answer to 2.6 from its parts: x → (mean, σ), a mean over a row, and what is summed for γ."""

    def answer(grad_output, x, gamma, eps=1e-5):
        mean, sigma = statistics(x, eps)
        x_hat, G = (x - mean) / sigma, grad_output * gamma
        grad_x = (G - take(G) - x_hat * take(G * x_hat)) / sigma
        return grad_x, gamma_from(grad_output, G, x, x_hat).sum(0), grad_output.sum(0)

    return answer


def of_rows(x, eps):
    return x.mean(1, keepdim=True), (x.var(1, keepdim=True, correction=0) + eps).sqrt()


def mean_of_row(t):
    return t.mean(1, keepdim=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            normed(lambda x, eps: (of_rows(x, 0)[0], of_rows(x, 0)[1] + eps), mean_of_row),
            "ε belongs under the root: √(variance + ε)",
        ),
        (normed(of_rows, lambda t: t.mean(1)), "this broadcast a row's mean along the wrong axis: `keepdim=True`"),
        (normed(lambda x, eps: (x.mean(1), of_rows(x, eps)[1]), mean_of_row), "this broadcast a row's mean along the wrong axis"),
        (normed(of_rows, lambda t: t.mean()), "a mean here runs over all rows together"),
        (normed(of_rows, mean_of_row, lambda g, G, x, x_hat: G * x_hat), "$\\bar\\gamma$ is computed from $G$"),
        (normed(of_rows, mean_of_row, lambda g, G, x, x_hat: g * x), "$\\bar\\gamma$ is computed from $x$"),
    ],
)
def test_slips_in_layer_norm_are_named(answer, words):
    assert says(ch02.layer_norm_backward, answer).startswith(words)


def test_the_parts_of_these_answers_are_right():
    assert ch02.layer_norm_backward.judge(normed(of_rows, mean_of_row)).passed


def test_network():
    def by_torch(x, labels, w1, b1, w2, b2):
        def loss(w1, b1, w2, b2):
            return F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), labels)

        return autograd(loss, None, w1, b1, w2, b2)

    verify(ch02.mlp_gradients, also_right=[by_torch])


def test_central_difference():
    def all_at_once(function, x, step=1e-5):
        nudges = step * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
        return torch.stack([function(x + nudge) - function(x - nudge) for nudge in nudges]).view_as(x) / (2 * step)

    verify(ch02.central_difference, also_right=[all_at_once])


def test_a_step_fixed_inside_the_function_is_named():
    def answer(function, x, step=1e-5):
        return ch02.central_difference.oracle(function, x, 1e-5)

    assert says(ch02.central_difference, answer).startswith("This does not depend on `step`")


def test_an_old_value_that_is_a_view_is_named_when_x_itself_is_moved_too():
    def answer(function, x, step=1e-5):
        measured, flat = torch.zeros_like(x), x.view(-1)
        for i in range(x.numel()):
            old = flat[i]
            flat[i] = old + step
            up = function(x)
            flat[i] = old - step
            measured.view(-1)[i] = (up - function(x)) / (2 * step)
            flat[i] = old
        return measured

    assert says(ch02.central_difference, answer).startswith("`old = x[i]` is a view")


def test_repair():
    def by_torch(grad_output, x, w1, b1, w2, b2):
        def block(x, w1, b1, w2, b2):
            return x + F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)

        return autograd(block, grad_output, x, w1, b1, w2, b2)

    verify(ch02.repaired_backward, also_right=[by_torch])


def test_the_author_s_test_sees_none_of_the_published_errors_and_each_other_case_sees_one():
    cases, answers = list(ch02.repaired_backward._examples()), [mistake.wrong for mistake in ch02.repaired_backward.mistakes[:3]]
    seen = []
    for case, right in cases[:4]:
        wrong = [any(not torch.allclose(a, b) for a, b in zip(f(*case.fresh().args), right, strict=True)) for f in answers]
        seen.append(wrong)
    assert seen == [[False] * 3, [True, False, False], [False, False, True], [False, True, False]]
