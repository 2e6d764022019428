"""A wrong answer is told what is wrong with it: the catalogued mistake, else the exception, else how the results differ."""

import pytest
import torch

from mmlearn.exercises import Case, Exercise, Mistake


def right(signal, width, stride=1):
    return signal.unfold(-1, width, stride).mean(-1)


def flat_sum(signal, width, stride=1):
    return right(signal, width, stride) * width


def strideless(signal, width, stride=1):
    count = signal.shape[-1] - width + 1
    return torch.stack([signal[..., i : i + width].mean(-1) for i in range(count)], -1)


def too_short(signal, width, stride=1):
    return right(signal, width, stride)[..., :-1].clone()


@pytest.mark.parametrize(
    ("answer", "diagnosis"),
    [
        (flat_sum, "the windows are summed, not averaged"),
        (strideless, "the stride is forgotten"),
        (too_short, "the last window is left out"),
        (lambda signal, width, stride=1: flat_sum(signal, width, stride).float(), "the windows are summed, not averaged"),
    ],
    ids=["sum", "stride", "short", "sum in float32"],
)
def test_a_catalogued_mistake_in_another_style_is_named(moving_average, answer, diagnosis):
    result = moving_average.check(answer)
    assert result.diagnosis == diagnosis
    assert result.mistake.diagnosis == diagnosis


def test_a_mistake_is_named_only_if_it_agrees_on_every_case(moving_average):
    def answer(signal, width, stride=1):
        return flat_sum(signal, width, stride) if stride == 1 else right(signal, width, stride) + 1

    assert moving_average.check(answer).mistake is None


def test_the_first_of_two_equal_mistakes_is_named():
    double, triple = (lambda x: 2 * x), (lambda x: x + x)
    exercise = small(lambda x: x, [Mistake(double, "doubled"), Mistake(triple, "added to itself")])
    assert exercise.check(lambda x: x * 2).diagnosis == "doubled"


def small(oracle, mistakes=(), cases=None, **options):
    drawn = cases or (lambda draw: [Case(draw.integers(3, 4)), Case(draw.integers(2, 5)), Case(draw.normal(5, 3))])
    return Exercise(chapter="99", name="small", title="Small", oracle=oracle, mistakes=mistakes, cases=drawn, hints=[], **options)


def test_a_mistake_that_raises_is_recognised_by_the_type_of_its_exception():
    def oracle(x, bias=None):
        return x if bias is None else x + bias

    def needs_bias(x, bias=None):
        return x + bias

    def cases(draw):
        yield Case(draw.integers(3))
        yield Case(draw.integers(3), draw.integers(3))

    exercise = small(oracle, [Mistake(needs_bias, "the bias may be missing")], cases)
    result = exercise.check(lambda x, bias=None: bias + x)
    assert result.diagnosis == "the bias may be missing"


def test_a_mistake_that_raises_everywhere_must_raise_the_same_words():
    exercise = small(lambda x: x.sum(), [Mistake(lambda x: x @ torch.ones(99).double(), "wrong product")])
    assert exercise.check(lambda x: x @ torch.ones(99).double()).diagnosis == "wrong product"
    assert exercise.check(lambda x: x.view(99)).mistake is None


def half_repaired(refuse=()):
    """x + 1 is right; the mistake is x + 2, and where `refuse` holds it raises."""

    def two(x):
        if len(x) in refuse:
            raise TypeError
        return x + 2

    return small(lambda x: x + 1, [Mistake(lambda x: x - 1, "subtracted"), Mistake(two, "two", partly=True)], float32=False)


def test_a_partial_mistake_is_named_where_it_shows_and_the_evidence_is_such_a_case():
    result = half_repaired().check(lambda x: x + (2 if len(x) == 5 else 1))
    assert result.diagnosis == "two"
    assert "Wrong in 1 of 3" in result.message
    assert "x: float64 (5, 3)" in result.detail


def test_a_partial_mistake_is_not_named_beside_another_wrong_result():
    assert half_repaired().check(lambda x: x + {2: 9, 3: 2, 5: 1}[len(x)]).mistake is None
    assert half_repaired(refuse=[2]).check(lambda x: x + {2: 9, 3: 2, 5: 1}[len(x)]).diagnosis == "two"


def test_a_partial_mistake_may_come_with_an_exception_elsewhere_but_not_be_one():
    def answer(x, others):
        if len(x) == 2:
            raise IndexError("too many indices")
        return x + others

    result = half_repaired().check(lambda x: answer(x, 2))
    assert result.diagnosis == "two"
    assert "x: float64 (3, 4)" in result.detail
    assert "more indices" in half_repaired().check(lambda x: answer(x, 1)).diagnosis


def test_a_mistake_made_everywhere_comes_before_a_partial_one():
    mistakes = [Mistake(lambda x: x + 2, "two", partly=True), Mistake(lambda x: x + 2 * (len(x) > 2), "two, mostly")]
    assert small(lambda x: x, mistakes).check(lambda x: x + 2 * (len(x) > 2)).diagnosis == "two, mostly"


def test_none_shows_no_pair_of_nones(linear_backward):
    result = linear_backward.check(lambda *args, **kwargs: None if args else args)
    assert "returned None, expected 3 results" in result.message
    assert "None" not in result.detail


def test_none_where_the_call_packs_the_result_is_one_result():
    def call(answer, x):
        y = answer(x)
        return None if y is None else (y, y is x)

    result = small(lambda x: x, call=call, returns=("result", "is the input")).check(lambda x: print(end=""))
    assert result.message.startswith("your function returned None, in")
    assert result.diagnosis == "is a `return` missing?"


def test_a_missing_return_is_named(moving_average):
    def answer(signal, width, stride=1):
        right(signal, width, stride)

    result = moving_average.check(answer)
    assert "returned None" in result.message
    assert result.diagnosis == "is a `return` missing?"


@pytest.mark.parametrize(
    ("convert", "message", "fix"),
    [
        (lambda t: t.numpy(), "a numpy array", "from_numpy"),
        (lambda t: t.tolist(), "a list", "torch.tensor"),
        (lambda t: list(t.unbind(-1)), "a list", "torch.stack"),
        (lambda t: (t,), "a tuple", "comma too many"),
        (lambda t: 3.0, "the number 3.0", ""),
        (lambda t: "done", "the string 'done'", ""),
        (lambda t: t.clone, "a builtin_function_or_method", "parentheses of a call"),
        (lambda t: (row for row in t), "a generator", "use `return`"),
    ],
)
def test_a_wrong_type_is_named_with_what_to_do(moving_average, convert, message, fix):
    result = moving_average.check(lambda signal, width, stride=1: convert(right(signal, width, stride)))
    assert f"{message}" in result.message
    assert "expected a tensor" in result.message
    assert fix in result.diagnosis


def test_a_python_number_in_place_of_a_loss_says_that_the_gradient_is_lost():
    result = small(lambda x: x.square().mean()).check(lambda x: x.square().mean().item())
    assert "cut the gradient off" in result.diagnosis


def test_a_wrong_shape_is_named_with_a_hint(moving_average):
    def answer(signal, width, stride=1):
        out = right(signal, width, stride)
        return torch.cat([out, out[..., -1:] + 1], -1)

    result = moving_average.check(answer)
    assert "has shape (6,), expected (5,)" in result.message
    assert "off by one in the output size" in result.diagnosis


@pytest.mark.parametrize(
    ("spoil", "words"), [(lambda t: t * torch.nan, "contains NaN"), (lambda t: t / 0.0, "contains infinity")]
)
def test_nan_and_infinity_are_named(spoil, words):
    assert words in small(lambda x: x.square() + 1).check(lambda x: spoil(x.square() + 1)).message


def test_the_evidence_is_the_smallest_wrong_case_with_its_values(moving_average):
    def answer(signal, width, stride=1):
        return right(signal, width, stride).abs() + (0.25 if stride > 1 else 0)

    detail = moving_average.check(answer).detail
    assert detail.startswith("moving_average(signal, 2")
    assert "signal: float64 (" in detail
    assert "expected: float64" in detail
    assert "first difference at [" in detail
    assert "values differ" in detail


def test_large_tensors_are_shown_by_shape_and_first_difference():
    def answer(x):
        out = x.clone()
        out[7, 3] += 1
        return out

    exercise = small(lambda x: x.clone(), cases=lambda draw: [Case(draw.integers(20, 30))])
    detail = exercise.check(answer).detail
    assert "float64 (20, 30)\n" in detail
    assert "first difference at [7, 3]" in detail
    assert "(1 of 600 values differ)" in detail
    assert len(detail) < 400


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: -x, "the sign is flipped"),
        (lambda x: 2 * x, "2× too large"),
        (lambda x: x / 3, "3× too small"),
        (lambda x: -2 * x, "of the wrong sign and 2× too large"),
        (lambda x: x + 1, "1 too large everywhere"),
        (lambda x: x.mT, "transposed"),
        (lambda x: x.flip(-1), "left to right"),
        (lambda x: x.flip(-2), "top to bottom"),
        (lambda x: x.flip(-1, -2), "turned by 180°"),
        (lambda x: x * 0, "all zeros"),
        (lambda x: x.abs(), "sign of some values"),
        (lambda x: x.roll(1, -1), "every value stands one place too late"),
        (lambda x: torch.cat([x[:1], 3 * x[1:] + 1]), "right only at index 0 of dimension 0"),
        (lambda x: x.sort(-1).values, "the right numbers in the wrong places"),
        (lambda x: x * len(x), "equals the size of dimension 0 of `x`"),
        (lambda x: x / x.numel(), "equals the number of values in `x`"),
        (lambda x: x * (1 + 1e-7), "right to about seven digits"),
    ],
)
def test_the_usual_relations_are_recognised(wrong, words):
    result = small(lambda x: x + 0, float32=False).check(wrong)
    assert words in result.diagnosis


def test_right_except_at_the_border():
    def answer(x):
        out = x.clone()
        out[0], out[-1] = 99, 99
        return out

    exercise = small(lambda x: x.clone(), cases=lambda draw: [Case(draw.integers(4, 5)), Case(draw.integers(6, 4))])
    assert "right except at the border" in exercise.check(answer).diagnosis


def test_a_wrong_order_of_dimensions_is_recognised():
    exercise = small(lambda x: x + 0, cases=lambda draw: [Case(draw.integers(2, 3, 4)), Case(draw.integers(3, 5, 2))])
    assert "dimensions 0 and 2 are swapped" in exercise.check(lambda x: x.transpose(0, 2)).diagnosis
    assert "`.permute(2, 0, 1)`" in exercise.check(lambda x: x.permute(1, 2, 0)).diagnosis


def test_numbers_too_are_compared_by_factor_and_offset():
    exercise = small(lambda n: 2 * n + 1, cases=lambda draw: [Case(3), Case(5), Case(8)], float32=False)
    assert "1 too small everywhere" in exercise.check(lambda n: 2 * n).diagnosis
    assert "2× too large" in exercise.check(lambda n: 4 * n + 2).diagnosis


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (lambda x, stride, bias: stride != 1, "wrong exactly when `stride` is not 1"),
        (lambda x, stride, bias: bias is None, "wrong exactly when `bias` is None"),
        (lambda x, stride, bias: len(x) > 1, "wrong exactly when N is more than 1"),
        (lambda x, stride, bias: x.shape[1] != x.shape[2], "wrong exactly when `x` is not square (H ≠ W)"),
    ],
)
def test_what_the_wrong_cases_share_is_said(condition, words):
    def cases(draw):
        for n, h, w in [(1, 3, 3), (2, 3, 3), (1, 3, 4), (2, 4, 3)]:
            yield Case(draw.normal(n, h, w))
            yield Case(draw.normal(n, h, w), stride=2)
            yield Case(draw.normal(n, h, w), bias=None)

    def oracle(x, stride=1, bias=0):
        return x * stride

    def answer(x, stride=1, bias=0):
        noise = torch.arange(x.numel()).reshape(x.shape).sin()
        return x * stride + (noise if condition(x, stride, bias) else 0)

    exercise = small(oracle, cases=cases, shapes={"x": "N H W"}, float32=False)
    assert words in exercise.check(answer).diagnosis


def test_no_property_is_claimed_when_none_separates_wrong_from_right():
    calls = []

    def answer(x):
        calls.append(x)
        return x + torch.rand(x.shape) * (len(calls) % 2)

    exercise = small(lambda x: x, cases=lambda draw: [Case(draw.normal(3)) for _ in range(6)], float32=False)
    assert exercise.check(answer).diagnosis == ""


@pytest.mark.parametrize("pack", [tuple, list, lambda r: r, lambda r: r._asdict()], ids=["tuple", "list", "NamedTuple", "dict"])
def test_several_results_may_come_in_any_container(linear_backward, pack):
    assert linear_backward.check(lambda *args, **kwargs: pack(linear_backward.oracle(*args, **kwargs))).passed


def test_the_wrong_one_of_several_results_is_named(linear_backward):
    def answer(grad_output, input, weight, bias=None):
        return grad_output @ weight, -(grad_output.mT @ input), None if bias is None else grad_output.sum(0)

    result = linear_backward.check(answer)
    assert result.message.startswith("`grad_weight` has the right shape and wrong values")
    assert result.diagnosis == "the sign is flipped (`grad_weight`)"
    assert "Right already: `grad_input`, `grad_bias`." in str(result)
    assert "grad_weight, expected:" in result.detail


def test_a_plain_tuple_gets_its_names_from_the_declaration():
    exercise = small(lambda x: (x, 2 * x), returns=("once", "twice"))
    assert exercise.check(lambda x: (x, 3 * x)).message.startswith("`twice`")
    assert "`result 2`" in small(lambda x: (x, 2 * x)).check(lambda x: (x, 3 * x)).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.grad_weight, "returned a tensor of shape (2, 3), expected a tuple of 3 results"),
        (lambda r: (r.grad_input, r.grad_weight), "returned 2 results, expected 3: (grad_input, grad_weight, grad_bias)"),
        (lambda r: None, "returned None, expected 3 results"),
        (lambda r: (None, r.grad_weight, r.grad_bias), "`grad_input` is None"),
        (lambda r: (r.grad_input, r.grad_weight.mT, r.grad_bias), "`grad_weight` has shape (3, 2), expected (2, 3)"),
        (lambda r: (r.grad_input, r.grad_weight, torch.ones(2)), "`grad_bias` is a tensor of shape (2,), expected None"),
    ],
)
def test_wrong_containers_and_parts_are_named(linear_backward, change, words):
    result = linear_backward.check(lambda *args, **kwargs: change(linear_backward.oracle(*args, **kwargs)))
    assert words in result.message


def test_a_forgotten_batch_sum_is_seen_from_the_batch_size(linear_backward):
    def answer(grad_output, input, weight, bias=None):
        return grad_output @ weight, grad_output.mT @ input, None if bias is None else grad_output[0]

    assert "wrong exactly when N is more than 1" in linear_backward.check(answer).diagnosis
