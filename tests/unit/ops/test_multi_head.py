"""Multi-head attention: torch.nn.MultiheadAttention is the judge, for both of its ways to compute and all of its masks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlearn.ops.attention import scaled_dot_product_attention
from mmlearn.ops.multi_head import multi_head_attention


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameters(network):
    return network.in_proj_weight, network.in_proj_bias, network.out_proj.weight, network.out_proj.bias


def network_of(E, heads, **options):
    torch.manual_seed(E + heads)
    network = torch.nn.MultiheadAttention(E, heads, **options).double()
    for bias in (network.in_proj_bias, network.out_proj.bias):
        if bias is not None:
            torch.nn.init.normal_(bias)
    return network


@st.composite
def calls(draw):
    """(network, [query, key, value], options): every query may attend to the first key at least."""
    heads, width, N, L, S = (draw(st.integers(1, 3)) for _ in range(5))
    E, batch_first = heads * width, draw(st.booleans())
    network = network_of(E, heads, bias=draw(st.booleans()), batch_first=batch_first)
    batched = draw(st.booleans())

    def tokens(length, seed):
        if not batched:
            return numbers(length, 2 * E, seed=seed)[:, ::2]
        return numbers(N, length, E, seed=seed) if batch_first else numbers(N, length, E, seed=seed).transpose(0, 1)

    seed = draw(st.integers(0, 1000))
    inputs = [tokens(length, seed + place) for place, length in enumerate((L, S, S))]
    options = {"need_weights": draw(st.booleans()), "average_attn_weights": draw(st.booleans())}
    kind = draw(st.sampled_from(["bool", "float"]))

    def mask(*size):
        barred = numbers(*size, seed=seed + 5) > 0.5
        barred[..., 0] = False
        return barred if kind == "bool" else numbers(*size, seed=seed + 6).masked_fill(barred, float("-inf"))

    if draw(st.booleans()):
        options["key_padding_mask"] = mask(N, S) if batched else mask(S)
    form = draw(st.sampled_from(["none", "shared", "each"]))
    if form != "none":
        options["attn_mask"] = mask(L, S) if form == "shared" else mask((N if batched else 1) * heads, L, S)
    return network, inputs, options


@settings(max_examples=100)
@given(call=calls())
def test_values_weights_and_gradients_are_those_of_torch(call):
    network, inputs, options = call
    results = []
    for function in (
        lambda *inputs: multi_head_attention(
            *inputs, network.num_heads, *parameters(network), batch_first=network.batch_first, **options
        ),
        lambda *inputs: network(*inputs, **options),
    ):
        variables = [tensor.clone().requires_grad_() for tensor in inputs]
        output, weights = function(*variables)
        assert (weights is None) == (not options["need_weights"])
        total = (output * numbers(*output.shape, seed=7)).sum()
        total = total if weights is None else total + (weights * numbers(*weights.shape, seed=8)).sum()
        used = [parameter for parameter in parameters(network) if parameter is not None]
        grads = torch.autograd.grad(total, [*variables, *used])
        results.append([output.detach(), *([] if weights is None else [weights.detach()]), *grads])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-10)


def test_a_bool_and_a_float_mask_may_come_together():
    network, x = network_of(4, 2, batch_first=True), numbers(2, 3, 4)
    padding, added = torch.tensor([[False, False, True], [False, False, False]]), numbers(3, 3, seed=1)
    output, weights = multi_head_attention(x, x, x, 2, *parameters(network), padding, added, batch_first=True)
    as_floats = torch.zeros(2, 3).double().masked_fill(padding, float("-inf"))
    torch.testing.assert_close((output, weights), network(x, x, x, key_padding_mask=as_floats, attn_mask=added))


def test_causal_is_the_triangular_mask_and_may_join_a_padding_mask():
    network, x = network_of(4, 2, batch_first=True), numbers(2, 3, 4)
    triangle, padding = torch.ones(3, 3, dtype=torch.bool).triu(1), torch.tensor([[False] * 3, [False, False, True]])
    expected = network(x, x, x, attn_mask=triangle, key_padding_mask=padding)
    options = {"key_padding_mask": padding, "is_causal": True, "batch_first": True}
    torch.testing.assert_close(multi_head_attention(x, x, x, 2, *parameters(network), **options), expected)
    also = multi_head_attention(x, x, x, 2, *parameters(network), attn_mask=triangle, **options)
    torch.testing.assert_close(also, expected)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_row_of_padding_alone_gives_the_output_bias_where_torch_gives_nan(kind, need_weights):
    network, x = network_of(4, 2, batch_first=True), numbers(2, 3, 4).requires_grad_()
    padding = torch.tensor([[False, False, True], [True, True, True]])
    if kind == "float":
        padding = torch.zeros(2, 3).double().masked_fill(padding, float("-inf"))
    options = {"key_padding_mask": padding, "need_weights": need_weights}
    output, weights = multi_head_attention(x, x, x, 2, *parameters(network), batch_first=True, **options)
    torch.testing.assert_close(output[1], network.out_proj.bias.expand(3, 4))
    torch.testing.assert_close(output[0], network(x, x, x, **options)[0][0])
    assert network(x, x, x, key_padding_mask=padding)[0][1].isnan().all()
    if need_weights:
        assert not weights[1].any()
    grads = torch.autograd.grad(output.sum(), [x, *parameters(network)])
    assert all(grad.isfinite().all() for grad in grads)
    assert not grads[0][1].any()


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_draws_what_torch_draws_and_only_while_training(need_weights):
    network, x = network_of(4, 2, dropout=0.5, batch_first=True), numbers(2, 3, 4)
    options = {"dropout_p": 0.5, "batch_first": True, "need_weights": need_weights}
    torch.manual_seed(0)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        expected = network(x, x, x, need_weights=need_weights)
    torch.manual_seed(0)
    dropped = multi_head_attention(x, x, x, 2, *parameters(network), **options)
    torch.testing.assert_close(dropped, expected)
    whole = multi_head_attention(x, x, x, 2, *parameters(network), training=False, **options)
    torch.testing.assert_close(whole[0], network.eval()(x, x, x)[0])
    assert not torch.allclose(whole[0], dropped[0])


def test_a_mask_says_the_opposite_of_what_it_says_in_scaled_dot_product_attention():
    x, eye, barred = numbers(1, 3, 4), torch.eye(4).double(), torch.ones(3, 3, dtype=torch.bool).triu(1)
    output, weights = multi_head_attention(x, x, x, 1, eye.repeat(3, 1), None, eye, None, attn_mask=barred, batch_first=True)
    torch.testing.assert_close(output, scaled_dot_product_attention(x, x, x, ~barred))
    assert not weights[0][barred].any()


@given(order=st.permutations(range(4)))
def test_without_positions_permuted_tokens_give_permuted_outputs(order):
    network, x = network_of(6, 3, batch_first=True), numbers(2, 4, 6)
    order = list(order)
    output, weights = multi_head_attention(x, x, x, 3, *parameters(network), batch_first=True)
    permuted, permuted_weights = multi_head_attention(*[x[:, order]] * 3, 3, *parameters(network), batch_first=True)
    torch.testing.assert_close(permuted, output[:, order])
    torch.testing.assert_close(permuted_weights, weights[:, order][:, :, order])
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4).double())


def test_one_head_after_the_other_gives_the_same():
    network, x = network_of(6, 3, bias=False, batch_first=True), numbers(2, 4, 6)
    heads = [
        scaled_dot_product_attention(*(x @ part[2 * h : 2 * h + 2].mT for part in network.in_proj_weight.chunk(3)))
        for h in range(3)
    ]
    output, _ = multi_head_attention(x, x, x, 3, *parameters(network), batch_first=True)
    torch.testing.assert_close(output, torch.cat(heads, -1) @ network.out_proj.weight.mT)


def test_an_empty_batch_gives_an_empty_output():
    network, x = network_of(4, 2), torch.zeros(3, 0, 4).double()
    output, weights = multi_head_attention(x, x, x, 2, *parameters(network))
    assert (output.shape, weights.shape) == ((3, 0, 4), (0, 3, 3))


X, W, B, O, C = torch.zeros(5, 2, 6), torch.zeros(18, 6), torch.zeros(18), torch.zeros(6, 6), torch.zeros(6)
BARRED = torch.zeros(5, 5, dtype=torch.bool)


def attend(query=X, key=X, value=X, num_heads=2, weight=W, bias=B, out=O, out_bias=C, **options):
    return multi_head_attention(query, key, value, num_heads, weight, bias, out, out_bias, **options)


WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: attend(num_heads=4), "num_heads", "4", "a divisor of the 6 features of query"),
    (lambda: attend(num_heads=0), "num_heads", "0", "a whole number ≥ 1"),
    (lambda: attend(num_heads=2.0), "num_heads", "2.0", "a whole number ≥ 1"),
    (lambda: attend(X[0, 0]), "query", r"shape \(6,\)", r"\(L, N, E\) or \(L, E\)"),
    (lambda: attend(X[0, 0], batch_first=True), "query", r"shape \(6,\)", r"\(N, L, E\) or \(L, E\)"),
    (lambda: attend(X.long()), "query", "int64", "floating-point"),
    (lambda: attend(key=X[0]), "key", r"shape \(2, 6\)", r"\(S, N, E\) or \(S, E\), as query is \(5, 2, 6\)"),
    (lambda: attend(key=X[..., :4]), "key", r"shape \(5, 2, 4\)", "6 features, .* bring others to 6 with linear first"),
    (
        lambda: attend(key=X[:, :1], value=X[:, :1]),
        "key",
        r"shape \(5, 1, 6\)",
        r"the batch of query \(5, 2, 6\), which is axis 1",
    ),
    (lambda: attend(value=X[:4]), "value", r"shape \(4, 2, 6\)", "one value for each key"),
    (lambda: attend(value=X.double()), "value", "float64", "float32 on cpu, as query is"),
    (lambda: attend(weight=W[:6]), "in_proj_weight", r"shape \(6, 6\)", r"\(18, 6\), as query has 6 features"),
    (lambda: attend(weight=None), "in_proj_weight", "NoneType", r"\(18, 6\)"),
    (lambda: attend(bias=B[:6]), "in_proj_bias", r"shape \(6,\)", r"\(18,\)"),
    (lambda: attend(out=O[:, :3]), "out_proj_weight", r"shape \(6, 3\)", r"\(6, 6\)"),
    (lambda: attend(out_bias=C[None]), "out_proj_bias", r"shape \(1, 6\)", r"\(6,\)"),
    (lambda: attend(out=O.half()), "out_proj_weight", "float16", "float32"),
    (lambda: attend(key_padding_mask=BARRED), "key_padding_mask", r"bool of shape \(5, 5\)", r"of shape \(2, 5\)"),
    (lambda: attend(key_padding_mask=BARRED[:2].long()), "key_padding_mask", "int64", "bool or float32"),
    (lambda: attend(X[:, 0], X[:, 0], X[:, 0], key_padding_mask=BARRED[:1]), "key_padding_mask", r"\(1, 5\)", r"\(5,\)"),
    (lambda: attend(attn_mask=BARRED[:4]), "attn_mask", r"shape \(4, 5\)", r"\(5, 5\) or \(4, 5, 5\)"),
    (lambda: attend(attn_mask=BARRED.expand(2, 5, 5)), "attn_mask", r"shape \(2, 5, 5\)", r"\(5, 5\) or \(4, 5, 5\)"),
    (lambda: attend(attn_mask="causal"), "attn_mask", "str", "bool or float32"),
    (lambda: attend(is_causal=None), "is_causal", "None", "True or False"),
    (lambda: attend(dropout_p=-0.1), "dropout_p", "-0.1", "between 0 and 1"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
