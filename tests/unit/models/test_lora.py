"""LoRA: equal to peft's, merged and unmerged, and what is trained is A and B alone."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.models.lora import (
    LoRALinear,
    add_lora,
    count_trainable,
    fold_lora,
    lora_gradients,
    lora_state,
    lora_weight,
    merge_lora,
    remove_lora,
    unmerge_lora,
)


def network():
    torch.manual_seed(0)
    parts = {"query": nn.Linear(6, 8), "act": nn.Tanh(), "value": nn.Linear(8, 5), "head": nn.Linear(5, 3)}
    net = nn.Sequential()
    for name, part in parts.items():
        net.add_module(name, part)
    return net.double()


def filled(net):
    """With changes that are not zero."""
    for layer in net.modules():
        if isinstance(layer, LoRALinear):
            nn.init.normal_(layer.lora_b)
    return net


X = torch.randn(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.floats(0.1, 8), st.integers(0, 999))
def test_the_gradients_are_autograds(n_in, n_out, rank, alpha, seed):
    draw = torch.Generator().manual_seed(seed)
    weight, a, b, grad = (
        torch.randn(size, dtype=torch.float64, generator=draw)
        for size in ((n_out, n_in), (rank, n_in), (n_out, rank), (n_out, n_in))
    )
    a.requires_grad_(True), b.requires_grad_(True)
    lora_weight(weight, a, b, alpha).backward(grad)
    grad_a, grad_b = lora_gradients(grad, a.detach(), b.detach(), alpha)
    torch.testing.assert_close(grad_a, a.grad)
    torch.testing.assert_close(grad_b, b.grad)


def test_the_layer_is_the_linear_layer_with_the_changed_weight():
    layer = LoRALinear(nn.Linear(4, 3).double(), rank=2, alpha=5)
    nn.init.normal_(layer.lora_b)
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    weight = lora_weight(layer.base.weight, layer.lora_a, layer.lora_b, 5)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, weight, layer.base.bias))


def test_the_change_has_the_rank_that_was_asked_for():
    layer = LoRALinear(nn.Linear(9, 7).double(), rank=3)
    nn.init.normal_(layer.lora_b)
    before = layer.base.weight.clone()
    assert torch.linalg.matrix_rank(layer.merge().base.weight - before) == 3


def test_at_first_nothing_changes_and_b_has_a_gradient():
    net = network()
    expected = net(X)
    add_lora(net, ("query", "value"), rank=2)
    torch.testing.assert_close(net(X), expected, rtol=0, atol=0)
    net(X).square().sum().backward()
    assert net.query.lora_b.grad.abs().max() > 0
    assert net.query.lora_a.grad.abs().max() == 0  # (α/r) Bᵀ G with B = 0


@pytest.mark.parametrize("alpha", [1, 4, 16])
@pytest.mark.parametrize("rank", [1, 3])
def test_peft_computes_the_same_and_so_do_its_gradients(rank, alpha):
    from peft import LoraConfig, get_peft_model

    ours, theirs = network(), network()
    names = add_lora(ours, ("query", "value"), rank, alpha)
    wrapped = get_peft_model(theirs, LoraConfig(r=rank, lora_alpha=alpha, target_modules=["query", "value"], lora_dropout=0.0))
    filled(ours)
    for name in names:
        layer = wrapped.base_model.model.get_submodule(name)
        layer.lora_A["default"].weight.data.copy_(ours.get_submodule(name).lora_a.data)
        layer.lora_B["default"].weight.data.copy_(ours.get_submodule(name).lora_b.data)
    wrapped.double()
    torch.testing.assert_close(ours(X), wrapped(X), rtol=1e-12, atol=1e-12)
    ours(X).square().sum().backward(), wrapped(X).square().sum().backward()
    for name in names:
        layer = wrapped.base_model.model.get_submodule(name)
        torch.testing.assert_close(ours.get_submodule(name).lora_a.grad, layer.lora_A["default"].weight.grad)
        torch.testing.assert_close(ours.get_submodule(name).lora_b.grad, layer.lora_B["default"].weight.grad)
    assert count_trainable(ours) == count_trainable(wrapped)
    fold_lora(ours)
    torch.testing.assert_close(ours(X), wrapped.merge_and_unload()(X), rtol=1e-10, atol=1e-10)


def test_training_moves_a_and_b_and_nothing_else():
    net = network()
    add_lora(net, "value", rank=2)
    before = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad(), net(X).square().mean().backward(), optimizer.step()
    tensors = {name: value for name, value in net.state_dict().items() if isinstance(value, torch.Tensor)}
    moved = {name for name, value in tensors.items() if not torch.equal(value, before[name])}
    assert moved == {"value.lora_a", "value.lora_b"}
    assert count_trainable(net) == 2 * (8 + 5)


def test_with_both_factors_zero_nothing_ever_moves():
    net = network()
    add_lora(net, "value", rank=2)
    nn.init.zeros_(net.value.lora_a)
    net(X).square().mean().backward()
    assert net.value.lora_a.grad.abs().max() == net.value.lora_b.grad.abs().max() == 0


def test_merging_and_unmerging_change_no_output():
    net = filled(network())
    add_lora(net, ("query", "head"), rank=2, alpha=3)
    expected, weight = filled(net)(X), net.query.base.weight.clone()
    assert merge_lora(net) == merge_lora(net) == ["query", "head"]  # twice is once
    torch.testing.assert_close(net(X), expected)
    assert not torch.allclose(net.query.base.weight, weight)
    unmerge_lora(net), unmerge_lora(net)
    torch.testing.assert_close(net.query.base.weight, weight)
    torch.testing.assert_close(net(X), expected)


def test_folding_gives_the_old_structure_and_removing_the_old_network():
    net, original = network(), network()
    add_lora(net, ("query", "value"), rank=2)
    expected, twin = filled(net)(X), copy.deepcopy(net)
    fold_lora(net)
    torch.testing.assert_close(net(X), expected)
    assert net.state_dict().keys() == original.state_dict().keys()
    merge_lora(twin), remove_lora(twin)
    torch.testing.assert_close(twin(X), original(X))


def test_one_task_is_stored_by_its_factors_and_a_merged_state_says_so():
    net, other = network(), network()
    for each in (net, other):
        add_lora(each, ("query", "value"), rank=2)
    state = lora_state(filled(net))
    assert sum(tensor.numel() for tensor in state.values()) == count_trainable(net) == 2 * (6 + 8 + 8 + 5)
    other.load_state_dict(state, strict=False)
    torch.testing.assert_close(other(X), net(X))
    merge_lora(net)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(X), net(X))
    unmerge_lora(other)
    torch.testing.assert_close(other(X), net(X))


def test_dropout_acts_in_training_alone():
    layer = LoRALinear(nn.Linear(4, 4), rank=2, dropout=0.5)
    nn.init.normal_(layer.lora_b)
    x = torch.randn(64, 4)
    assert not torch.allclose(layer(x), layer(x))
    layer.eval()
    torch.testing.assert_close(layer(x), layer(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: add_lora(network(), "query_", 2), ValueError, "did you mean 'query'"),
        (lambda: add_lora(network(), "act", 2), ValueError, "no linear layer's name ends in 'act'"),
        (lambda: add_lora(nn.Sequential(nn.ReLU()), "0", 2), ValueError, "end in nothing"),
        (lambda: add_lora(network(), "query", 0), ValueError, "rank: expected a whole number ≥ 1"),
        (lambda: add_lora(network(), "query", 7), ValueError, "at most 6"),
        (lambda: add_lora(network(), "query", 2, alpha=0), ValueError, "alpha: expected a finite number other than 0"),
        (lambda: LoRALinear(nn.Conv2d(3, 3, 1), 1), TypeError, "base must be an nn.Linear; got Conv2d"),
        (lambda: fold_lora(LoRALinear(nn.Linear(2, 2), 1)), ValueError, "itself one LoRA layer"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_refused_call_changes_nothing_and_lora_is_not_put_on_lora():
    net = network()
    with pytest.raises(ValueError, match="at most 3"):
        add_lora(net, ("query", "head"), rank=4)
    assert all(parameter.requires_grad for parameter in net.parameters())
    add_lora(net, "query", rank=2)
    with pytest.raises(ValueError, match="have LoRA already"):
        add_lora(net, ("query", "head"), rank=2)
    assert isinstance(net.head, nn.Linear)
    assert add_lora(net, "head", rank=2) == ["head"]
