"""Positions: transformers as judge, and what makes them positions: turning by an angle that depends on the distance alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.ops.by_hand import torch_gradients
from mmlearn.ops.gradient_check import numerical_gradient
from mmlearn.ops.positions import rotary_positions, rotary_positions_backward, sinusoidal_positions


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(length=st.integers(0, 40), half=st.integers(1, 16))
def test_sinusoids_are_those_of_transformers(length, half):
    from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

    expected = torch.empty(length, 2 * half)
    if length:
        create_sinusoidal_embeddings(length, 2 * half, expected)
    torch.testing.assert_close(sinusoidal_positions(length, 2 * half), expected, rtol=1e-4, atol=1e-5)


@given(t=st.integers(0, 50), step=st.integers(0, 20))
def test_a_step_turns_every_pair_by_the_same_angle_wherever_it_starts(t, step):
    D = 8
    positions = sinusoidal_positions(t + step + 1, D, dtype=torch.float64)
    angle = step * 10000.0 ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    sin, cos = positions[t, ::2], positions[t, 1::2]
    torch.testing.assert_close(positions[t + step, ::2], sin * angle.cos() + cos * angle.sin())
    torch.testing.assert_close(positions[t + step, 1::2], cos * angle.cos() - sin * angle.sin())


def test_products_of_positions_depend_on_the_distance_and_are_largest_at_none():
    positions = sinusoidal_positions(30, 16, dtype=torch.float64)
    products = positions @ positions.mT
    for distance in range(30):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    torch.testing.assert_close(products.diagonal(), torch.full((30,), 8.0).double())
    assert (products.diagonal(1) < 8).all()


def test_no_two_of_many_positions_are_the_same_in_any_dtype():
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        positions = sinusoidal_positions(512, 64, dtype=dtype)
        assert positions.dtype == dtype
        assert len(torch.unique(positions, dim=0)) == 512
    close = sinusoidal_positions(512, 64, dtype=torch.float64)
    torch.testing.assert_close(sinusoidal_positions(512, 64, dtype=torch.bfloat16).double(), close, rtol=0, atol=4e-3)


@pytest.mark.parametrize("base", [10000.0, 500000.0])
def test_rotations_are_those_of_llama_in_its_layout(base):
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(hidden_size=16, num_attention_heads=2, rope_parameters={"rope_type": "default", "rope_theta": base})
    query, key = numbers(2, 2, 7, 8).float(), numbers(2, 2, 7, 8, seed=1).float()
    positions = torch.tensor([[0, 1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8, 100]])
    expected = apply_rotary_pos_emb(query, key, *LlamaRotaryEmbedding(config)(query, positions))
    for tensor, theirs in zip((query, key), expected, strict=True):
        ours = rotary_positions(tensor, positions[:, None], base, interleaved=False)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        pairs = torch.arange(8).view(2, 4).mT.flatten()  # x_0, x_4, x_1, x_5, …: Llama's pairs side by side
        neighbours = rotary_positions(tensor[..., pairs], positions[:, None], base)
        torch.testing.assert_close(neighbours, theirs[..., pairs], rtol=1e-4, atol=1e-5)


@given(t=st.integers(0, 100), s=st.integers(0, 100), by=st.integers(-50, 50), interleaved=st.booleans())
def test_the_product_of_a_query_and_a_key_depends_on_their_distance_alone(t, s, by, interleaved):
    query, key = numbers(1, 8), numbers(1, 8, seed=1)

    def product(t, s):
        at = [rotary_positions(x, torch.tensor([p]), interleaved=interleaved) for x, p in ((query, t), (key, s))]
        return (at[0] * at[1]).sum()

    torch.testing.assert_close(product(t, s), product(t + by, s + by))


def test_but_another_distance_gives_another_product():
    query, key = numbers(1, 8), numbers(1, 8, seed=1)
    products = [(query * rotary_positions(key, torch.tensor([p]))).sum().item() for p in range(5)]
    assert len({round(product, 6) for product in products}) == 5


@pytest.mark.parametrize("interleaved", [True, False])
def test_a_rotation_keeps_lengths_and_is_undone_by_its_opposite(interleaved):
    x, positions = numbers(2, 5, 6), torch.tensor([3, 1, 4, 1, 5])
    turned = rotary_positions(x, positions, interleaved=interleaved)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotary_positions(turned, -positions, interleaved=interleaved), x)
    assert torch.equal(rotary_positions(x, torch.zeros(5), interleaved=interleaved), x)
    assert torch.equal(
        rotary_positions(x, interleaved=interleaved), rotary_positions(x, torch.arange(5), interleaved=interleaved)
    )


def test_a_pair_is_a_complex_number_multiplied_with_a_phase():
    x, base = numbers(2, 5, 6), 100.0
    frequencies = base ** (-torch.arange(0, 6, 2, dtype=torch.float64) / 6)
    phases = torch.polar(torch.ones(5, 3).double(), torch.arange(5.0).double()[:, None] * frequencies)
    expected = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (3, 2))) * phases).flatten(-2)
    torch.testing.assert_close(rotary_positions(x, base=base), expected)


@pytest.mark.parametrize(
    "positions", [None, torch.tensor([7, 0, 250], dtype=torch.uint8), torch.tensor([[0.5, 1, 2], [9, 8, 7]])]
)
@pytest.mark.parametrize("interleaved", [True, False])
def test_the_hand_written_gradient_is_that_of_torch_and_of_finite_differences(interleaved, positions):
    x, grad_output = numbers(2, 3, 4), numbers(2, 3, 4, seed=1)

    def function(x):
        return rotary_positions(x, positions, interleaved=interleaved)

    actual = rotary_positions_backward(grad_output, x, positions, interleaved=interleaved)
    torch.testing.assert_close(actual, numerical_gradient(function, x, grad_output), rtol=1e-6, atol=1e-8)
    variable = x.mT.contiguous().mT.requires_grad_()
    (coupled,) = torch.autograd.grad(function(variable), variable, grad_output)
    with torch_gradients():
        (by_torch,) = torch.autograd.grad(function(variable), variable, grad_output)
    torch.testing.assert_close(actual, by_torch)
    torch.testing.assert_close(actual, coupled)
    assert torch.autograd.gradgradcheck(function, variable)


def test_half_precision_is_turned_by_angles_of_full_precision():
    x, positions = numbers(3, 4).bfloat16(), torch.tensor([0, 4097, 60001])
    turned = rotary_positions(x, positions)
    assert turned.dtype == torch.bfloat16
    torch.testing.assert_close(turned.double(), rotary_positions(x.double(), positions), rtol=2e-2, atol=2e-2)


X = torch.zeros(2, 5, 6)
WRONG = [  # (call, the argument that is wrong, words of what was given, words of what was expected)
    (lambda: sinusoidal_positions(-1, 4), "length", "-1", "a whole number ≥ 0"),
    (lambda: sinusoidal_positions(2.0, 4), "length", "2.0", "a whole number ≥ 0"),
    (lambda: sinusoidal_positions(2, 5), "features", "5", "an even number"),
    (lambda: sinusoidal_positions(2, 0), "features", "0", "a whole number ≥ 1"),
    (lambda: sinusoidal_positions(2, 4, base=0), "base", "0", "a number > 0"),
    (lambda: sinusoidal_positions(2, 4, dtype=torch.int64), "dtype", "int64", "a floating-point torch.dtype"),
    (lambda: rotary_positions(X[0, 0]), "input", r"shape \(6,\)", r"\(…, T, D\)"),
    (lambda: rotary_positions(X[..., :5]), "input", r"shape \(2, 5, 5\)", "an even number D of features"),
    (lambda: rotary_positions(X[..., :0]), "input", r"shape \(2, 5, 0\)", "an even number D of features"),
    (lambda: rotary_positions(X.long()), "input", "int64", "floating-point"),
    (lambda: rotary_positions(X, torch.arange(4)), "positions", r"shape \(4,\)", r"broadcasts to \(2, 5\)"),
    (lambda: rotary_positions(X, torch.zeros(3, 2, 5)), "positions", r"shape \(3, 2, 5\)", r"broadcasts to \(2, 5\)"),
    (lambda: rotary_positions(X, [0, 1, 2, 3, 4]), "positions", "list", "a tensor of real numbers"),
    (lambda: rotary_positions(X, torch.zeros(5, dtype=torch.bool)), "positions", "bool", "a tensor of real numbers"),
    (lambda: rotary_positions(X, base=-1.0), "base", "-1.0", "a number > 0"),
    (lambda: rotary_positions(X, interleaved="llama"), "interleaved", "'llama'", "True or False"),
    (lambda: rotary_positions_backward(X[0], X), "grad_output", r"shape \(5, 6\)", r"shape \(2, 5, 6\)"),
]


@pytest.mark.parametrize(("call", "argument", "got", "expected"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_the_message_names_the_argument_what_was_given_and_what_was_expected(call, argument, got, expected):
    with pytest.raises(ValueError, match=rf"^{argument}: expected .*{expected}.*; got .*{got}"):
        call()
