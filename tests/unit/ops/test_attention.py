"""Attention: torch's own, autograd and finite differences as judges, and what holds of it whatever the numbers."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmlearn.ops.attention import attention_weights, scaled_dot_product_attention, scaled_dot_product_attention_backward
from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_check import numerical_gradient

TORCH = torch.nn.functional.scaled_dot_product_attention
CLOSE = {torch.float64: {"rtol": 1e-10, "atol": 1e-11}, torch.float32: {"rtol": 1e-4, "atol": 2e-5}}
INF = float("inf")


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def tensors(draw, *shape):
    """Numbers near 1, or large ones, in one of the memory layouts that reach a function in practice."""
    seed, layout = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from(["contiguous", "transposed", "every second"]))
    scale = draw(st.sampled_from([1.0, 1.0, 30.0]))
    if layout == "transposed":
        return scale * numbers(*shape[:-2], shape[-1], shape[-2], seed=seed).mT
    if layout == "every second":
        return scale * numbers(*shape[:-1], 2 * shape[-1], seed=seed)[..., ::2]
    return scale * numbers(*shape, seed=seed)


@st.composite
def calls(draw):
    """([query, key, value], options)."""
    L, S, E, V = (draw(st.integers(1, 4)) for _ in range(4))
    front = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    fronts = [tuple(draw(st.sampled_from([n, 1])) for n in front) for _ in range(3)]
    query, key, value = (draw(tensors(*f, *size)) for f, size in zip(fronts, ((L, E), (S, E), (S, V)), strict=True))
    full = torch.broadcast_shapes(*fronts)
    options = {"scale": draw(st.sampled_from([None, 0.3, 2]))}
    kind = draw(st.sampled_from(["none", "causal", "bool", "float"]))
    if kind == "causal":
        return [query, key, value], {**options, "is_causal": True}
    if kind != "none":
        size = [draw(st.sampled_from([n, 1])) for n in full] + [L, S]
        mask = numbers(*size[draw(st.integers(0, len(full))) :], seed=draw(st.integers(0, 99)))
        if kind == "bool":
            mask = mask > draw(st.sampled_from([-1.0, 0.0, 1.0]))
        options["attn_mask"] = mask
    return [query, key, value], options


@settings(max_examples=150)
@given(call=calls(), dtype=st.sampled_from([torch.float64, torch.float32]))
def test_values_and_gradients_are_those_of_torch(call, dtype):
    tensors, options = call
    tensors = [tensor.to(dtype).double() for tensor in tensors]
    results = []
    for function, kind in ((scaled_dot_product_attention, dtype), (TORCH, torch.float64)):
        variables = [tensor.to(kind).requires_grad_() for tensor in tensors]
        kwargs = dict(options)
        if "attn_mask" in kwargs and kwargs["attn_mask"].is_floating_point():
            kwargs["attn_mask"] = kwargs["attn_mask"].to(dtype).to(kind).requires_grad_()
            variables.append(kwargs["attn_mask"])
        seen = variables[:3]
        if function is TORCH:  # which broadcasts by some of its ways to compute, and not by others
            front = torch.broadcast_shapes(*(tensor.shape[:-2] for tensor in seen))
            seen = [tensor.expand(*front, *tensor.shape[-2:]) for tensor in seen]
        output = function(*seen, **kwargs)
        assert output.dtype == kind
        grads = torch.autograd.grad(output, variables, numbers(*output.shape, seed=7).to(kind), materialize_grads=True)
        results.append([tensor.to(dtype) for tensor in (output.detach(), *grads)])
    tolerance = (
        {"rtol": 2e-3, "atol": 2e-3} if dtype == torch.float32 and max(t.abs().max() for t in tensors) > 10 else CLOSE[dtype]
    )
    torch.testing.assert_close(*results, **tolerance)


MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.7},
    "bool": {"attn_mask": torch.tensor([[True, False, True, True], [False, False, False, False], [False, True, False, False]])},
    "float": {"attn_mask": numbers(2, 1, 3, 4, seed=5)},
    "infinite": {"attn_mask": numbers(3, 4, seed=5).masked_fill(torch.tensor([[False], [True], [False]]), -INF)},
}


def case():
    return [numbers(2, 2, 3, 4), numbers(2, 2, 4, 4, seed=1), numbers(2, 2, 4, 5, seed=2)]


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS.keys())
def test_the_gradient_called_directly_is_that_of_finite_differences_and_of_torch_line_by_line(options):
    inputs = case()
    output = scaled_dot_product_attention(*inputs, **options)
    grad_output = numbers(*output.shape, seed=9)
    grads = scaled_dot_product_attention_backward(grad_output, *inputs, **options)
    variables = [tensor.clone().requires_grad_() for tensor in inputs]
    with torch_gradients():
        by_torch = torch.autograd.grad(scaled_dot_product_attention(*variables, **options), variables, grad_output)
    for place in range(3):

        def at(value, place=place):
            return scaled_dot_product_attention(*inputs[:place], value, *inputs[place + 1 :], **options)

        torch.testing.assert_close(grads[place], by_torch[place])
        expected = numerical_gradient(at, inputs[place], grad_output)
        torch.testing.assert_close(grads[place], expected, rtol=1e-6, atol=1e-8)
    mask = options.get("attn_mask")
    if mask is None or mask.dtype == torch.bool:
        assert grads.attn_mask is None
    elif mask.isfinite().all():

        def at_mask(value):
            return scaled_dot_product_attention(*inputs, value)

        torch.testing.assert_close(grads.attn_mask, numerical_gradient(at_mask, mask, grad_output), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS.keys())
def test_gradcheck_and_gradgradcheck(options):
    def function(*variables):
        return scaled_dot_product_attention(*variables, **options)

    variables = [tensor[0, :1].clone().requires_grad_() for tensor in case()]
    options = {key: value[0] if key == "attn_mask" and value.dim() == 4 else value for key, value in options.items()}
    assert torch.autograd.gradcheck(function, variables)
    assert torch.autograd.gradgradcheck(function, variables)


def test_an_input_that_was_broadcast_receives_the_sum():
    inputs = [numbers(2, 1, 3, 4), numbers(5, 4, seed=1), numbers(3, 5, 2, seed=2), numbers(2, 1, 1, 5, seed=3)]
    output = scaled_dot_product_attention(*inputs)
    grads = scaled_dot_product_attention_backward(numbers(*output.shape, seed=9), *inputs)
    variables = [tensor.clone().requires_grad_() for tensor in inputs]
    weights = (variables[0] @ variables[1].mT / 2 + variables[3]).softmax(-1)
    expected = torch.autograd.grad(weights @ variables[2], variables, numbers(*output.shape, seed=9))
    torch.testing.assert_close(tuple(grads), expected)


@pytest.mark.parametrize("scale", [0.0, -2.0, 1])
def test_the_scale_may_be_any_number(scale):
    query, key, value = case()
    expected = (query @ key.mT * scale).masked_fill(torch.ones(3, 4, dtype=torch.bool).triu(1), -INF).softmax(-1) @ value
    torch.testing.assert_close(scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale), expected)


def test_torch_func_grad_works():
    inputs = case()
    ours, theirs = (
        torch.func.grad(lambda *variables, f=f: f(*variables).square().sum(), argnums=(0, 1, 2))(*inputs)
        for f in (scaled_dot_product_attention, TORCH)
    )
    torch.testing.assert_close(ours, theirs)


def test_the_signature_is_that_of_torch():
    import inspect

    ours = inspect.signature(scaled_dot_product_attention).parameters.values()
    theirs = torch.ops.aten.scaled_dot_product_attention.default._schema.arguments
    assert [p.name for p in ours] == [argument.name for argument in theirs]
    defaults = [(p.default is not p.empty, None if p.default is p.empty else p.default) for p in ours]
    assert defaults == [(a.has_default_value(), a.default_value if a.has_default_value() else None) for a in theirs]


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_attend_to_nothing_returns_zeros_and_has_finite_gradients(kind):
    allowed = torch.ones(3, 4, dtype=torch.bool)
    allowed[1] = False
    mask = allowed if kind == "bool" else torch.zeros(3, 4).double().masked_fill(~allowed, -INF)
    variables = [tensor.requires_grad_() for tensor in case()]
    output = scaled_dot_product_attention(*variables, mask)
    assert not output[..., 1, :].any()
    assert output[..., [0, 2], :].abs().min() > 0
    grads = torch.autograd.grad(output.sum(), variables, create_graph=True)
    assert all(grad.isfinite().all() for grad in grads)
    assert not grads[0][..., 1, :].any()
    second = torch.autograd.grad(sum(grad.square().sum() for grad in grads), variables)
    assert all(grad.isfinite().all() for grad in second)
    torch.testing.assert_close(output, TORCH(*variables, mask))  # torch agrees where it computes this itself …
    probability = torch.softmax((variables[0] @ variables[1].mT).masked_fill(~allowed, -INF), -1)
    assert probability[..., 1, :].isnan().all()  # … but the formula as it stands says 0/0


def test_a_mask_that_is_false_everywhere_gives_zeros_and_no_gradient():
    variables = [tensor.requires_grad_() for tensor in case()]
    output = scaled_dot_product_attention(*variables, torch.zeros(3, 4, dtype=torch.bool))
    grads = torch.autograd.grad(output.sum(), variables)
    assert not any(tensor.any() for tensor in (output, *grads))
    assert not attention_weights(*case()[:2], torch.zeros(3, 4, dtype=torch.bool)).any()


def test_without_keys_there_is_nothing_to_attend_to():
    query, key, value = numbers(2, 3, 4), numbers(2, 0, 4), numbers(2, 0, 5)
    output = scaled_dot_product_attention(query.requires_grad_(), key, value)
    assert torch.equal(output, TORCH(query, key, value))
    assert torch.equal(output, torch.zeros(2, 3, 5).double())
    assert not torch.autograd.grad(output.sum(), query)[0].any()


def test_an_empty_batch_and_no_queries_give_empty_outputs():
    assert scaled_dot_product_attention(numbers(0, 3, 4), numbers(0, 2, 4), numbers(0, 2, 5)).shape == (0, 3, 5)
    assert scaled_dot_product_attention(numbers(2, 0, 4), numbers(2, 3, 4), numbers(2, 3, 5)).shape == (2, 0, 5)


@settings(max_examples=40)
@given(call=calls())
@example(call=([numbers(1, 1, 1), numbers(1, 1, 1), numbers(2, 1, 1)], {"attn_mask": torch.ones(2, 1, 1, dtype=torch.bool)}))
def test_weights_are_a_distribution_over_the_keys_that_are_allowed(call):
    (query, key, value), options = call
    mask = options.get("attn_mask")
    front = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    if mask is not None and torch.broadcast_shapes(front, mask.shape[:-2]) != front:  # it fits the values' batch only
        with pytest.raises(ValueError, match="attn_mask: expected bool or float64 that broadcasts to"):
            attention_weights(query, key, **options)
        return
    weights = attention_weights(query, key, **options)
    assert (weights >= 0).all()
    sums = weights.sum(-1)
    torch.testing.assert_close(sums, (sums > 0.5).double())  # 1, or 0 where nothing is allowed
    if mask is not None and mask.dtype == torch.bool:
        allowed = mask.expand(weights.shape)
        assert not weights[~allowed].any()
        assert torch.equal(sums > 0.5, allowed.any(-1))
    torch.testing.assert_close(scaled_dot_product_attention(query, key, value, **options), weights @ value)


@given(order=st.permutations(range(5)), seed=st.integers(0, 100))
def test_without_positions_attention_does_not_see_order(order, seed):
    """Self-attention is equivariant: permuted tokens give permuted outputs. The order of the keys alone makes no difference."""
    x = numbers(2, 5, 4, seed=seed)
    order = list(order)
    output = scaled_dot_product_attention(x, x, x)
    torch.testing.assert_close(scaled_dot_product_attention(*[x[:, order]] * 3), output[:, order])
    torch.testing.assert_close(scaled_dot_product_attention(x, x[:, order], x[:, order]), output)


def test_a_causal_query_does_not_see_what_comes_later():
    query, key, value = numbers(2, 5, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 3, seed=2)
    whole = scaled_dot_product_attention(query, key, value, is_causal=True)
    for t in range(1, 6):
        torch.testing.assert_close(
            scaled_dot_product_attention(query[:, :t], key[:, :t], value[:, :t], is_causal=True), whole[:, :t]
        )


def test_the_jacobian_of_the_weights_is_diag_p_minus_p_pt():
    mask = numbers(1, 4).requires_grad_()
    query, key = torch.zeros(1, 2).double(), torch.zeros(4, 2).double()
    jacobian = torch.autograd.functional.jacobian(
        lambda scores: scaled_dot_product_attention(query, key, torch.eye(4).double(), scores)[0], mask
    )[:, 0]
    p = mask[0].softmax(0)
    torch.testing.assert_close(jacobian, torch.diag(p) - p[:, None] * p)


def test_the_root_of_the_features_keeps_the_scores_spread_at_one():
    """The product of two vectors of E independent standard numbers has variance E."""
    for E in (4, 64, 1024):
        query, key = numbers(200, E, seed=E), numbers(200, E, seed=E + 1)
        assert (query @ key.mT).std() / E**0.5 == pytest.approx(1, abs=0.05)


def test_equal_scores_average_the_values_and_one_large_score_picks_its_value():
    value = numbers(3, 2)
    torch.testing.assert_close(scaled_dot_product_attention(torch.zeros(1, 4).double(), numbers(3, 4), value)[0], value.mean(0))
    keys = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(scaled_dot_product_attention(1e4 * keys[1:2], keys, value), value[1:2])


def test_dropout_draws_what_torch_draws_and_its_gradient_belongs_to_the_same_draw():
    inputs = case()
    results = []
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        for function in (scaled_dot_product_attention, TORCH):
            variables = [tensor.clone().requires_grad_() for tensor in inputs]
            torch.manual_seed(0)
            output = function(*variables, dropout_p=0.5)
            results.append([output.detach(), *torch.autograd.grad(output, variables, numbers(*output.shape, seed=9))])
    torch.testing.assert_close(*results)
    assert not torch.allclose(results[0][0], scaled_dot_product_attention(*inputs))
    assert not scaled_dot_product_attention(*inputs, dropout_p=1.0).any()


def test_dropout_changes_nothing_on_average():
    query, key, value = numbers(1, 4), numbers(3, 4, seed=1), numbers(3, 2, seed=2)
    torch.manual_seed(0)
    mean = scaled_dot_product_attention(query.expand(20000, 1, 4), key, value, dropout_p=0.3).mean(0)
    torch.testing.assert_close(mean, scaled_dot_product_attention(query, key, value), rtol=0, atol=0.03)


def test_attention_trains_under_autocast_and_in_bfloat16():
    variables = [tensor.float().requires_grad_() for tensor in case()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = scaled_dot_product_attention(*variables, is_causal=True)
    grads = torch.autograd.grad(output.sum(), variables)
    assert {output.dtype, *(grad.dtype for grad in grads)} == {torch.float32}
    half = [tensor.bfloat16() for tensor in case()]
    output = scaled_dot_product_attention(*half)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.double(), TORCH(*[tensor.double() for tensor in half]), rtol=3e-2, atol=5e-2)


Q, K, V = torch.zeros(2, 3, 4), torch.zeros(2, 5, 4), torch.zeros(2, 5, 6)
SEEN = torch.ones(3, 5, dtype=torch.bool)
attend, attend_backward = scaled_dot_product_attention, scaled_dot_product_attention_backward
WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: attend(Q.long(), K, V), "query", "int64", r"floating-point numbers \(…, L, E\)"),
    (lambda: attend(Q[0, 0], K, V), "query", r"shape \(4,\)", r"\(…, L, E\)"),
    (lambda: attend(Q, None, V), "key", "NoneType", "torch.Tensor"),
    (lambda: attend(Q, K[..., :3], V), "key", r"shape \(2, 5, 3\)", r"\(…, S, 4\), as query is \(2, 3, 4\)"),
    (lambda: attend(Q, K, V[:, :4]), "value", r"shape \(2, 4, 6\)", r"\(…, 5, V\), as key is \(2, 5, 4\)"),
    (lambda: attend(Q, K.double(), V), "key", "float64", "float32 on cpu, as query is"),
    (lambda: attend(Q, K, V.to("meta")), "value", "meta", "cpu, as query is"),
    (lambda: attend(Q[..., :0], K[..., :0], V), "query", r"shape \(2, 3, 0\)", "at least one feature"),
    (lambda: attend(Q, K.repeat(2, 1, 1)[:3], V), "key", r"shape \(3, 5, 4\)", r"leading axes that broadcast .* \(2, 3, 4\)"),
    (lambda: attend(Q[:1], K, V.repeat(2, 1, 1)[:3]), "value", r"shape \(3, 5, 6\)", "leading axes that broadcast"),
    (lambda: attend(Q, K, V, SEEN.mT), "attn_mask", r"bool of shape \(5, 3\)", r"bool or float32 that broadcasts to \(2, 3, 5\)"),
    (lambda: attend(Q, K, V, SEEN[None, None]), "attn_mask", r"shape \(1, 1, 3, 5\)", r"\(2, 3, 5\)"),
    (lambda: attend(Q, K, V, SEEN.expand(4, 3, 5)), "attn_mask", r"shape \(4, 3, 5\)", r"\(2, 3, 5\)"),
    (lambda: attend(Q, K, V, SEEN.long()), "attn_mask", "int64", "bool or float32"),
    (lambda: attend(Q, K, V, SEEN.double()), "attn_mask", "float64", "bool or float32"),
    (lambda: attend(Q, K, V, True), "attn_mask", "bool", "bool or float32"),
    (lambda: attend(Q, K, V, SEEN, is_causal=True), "attn_mask", "a mask and is_causal=True", "one of the two"),
    (lambda: attend(Q, K, V, is_causal=1), "is_causal", "1", "True or False"),
    (lambda: attend(Q, K, V, dropout_p=1.5), "dropout_p", "1.5", "between 0 and 1"),
    (lambda: attend(Q, K, V, dropout_p=None), "dropout_p", "None", "between 0 and 1"),
    (lambda: attend(Q, K, V, scale=INF), "scale", "inf", "1/√E"),
    (lambda: attend(Q, K, V, scale="1"), "scale", "'1'", "1/√E"),
    (lambda: attend(Q, K, V, enable_gqa=True), "enable_gqa", "True", r"False: repeat the heads with key\.repeat_interleave"),
    (lambda: attend_backward(Q, Q, K, V), "grad_output", r"shape \(2, 3, 4\)", r"shape \(2, 3, 6\)"),
    (lambda: attend_backward(Q, Q, K, V, dropout_p=0.5), "dropout_p", "0.5", "0: a gradient belongs to one draw"),
    (lambda: attention_weights(Q, V), "key", r"shape \(2, 5, 6\)", r"\(…, S, 4\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
