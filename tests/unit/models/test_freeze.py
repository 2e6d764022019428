"""Freezing: what requires_grad=False leaves moving, and what ``frozen`` holds still."""

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmlearn.models.freeze import frozen, moving_statistics, running_estimate, thawed


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))


def state(net):
    return copy.deepcopy(net.state_dict())


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


PICTURES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.01, 1), st.integers(0, 999))
def test_the_estimate_is_what_batch_norm_keeps(batches, size, momentum, seed):
    draw = torch.Generator().manual_seed(seed)
    layer = nn.BatchNorm1d(3, momentum=momentum).double()
    start = torch.randn(3, dtype=torch.float64, generator=draw)
    layer.running_mean.copy_(start)
    data = torch.randn(batches, size + 1, 3, dtype=torch.float64, generator=draw)
    for batch in data:
        layer(batch)
    torch.testing.assert_close(running_estimate(start, data.mean(1), momentum), layer.running_mean)
    variances = running_estimate(torch.ones(3, dtype=torch.float64), data.var(1), momentum)
    torch.testing.assert_close(variances, layer.running_var)


def test_without_a_gradient_the_statistics_move_in_train_mode_and_in_eval_mode_they_do_not():
    net = network().requires_grad_(False).train()
    before = state(net)
    net(PICTURES)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {f"{layer}.{part}" for layer in (1, 5) for part in ("running_mean", "running_var", "num_batches_tracked")}
    assert moving_statistics(net) == ["1", "5"]
    before = state(net.eval())
    net(PICTURES)
    assert same(before, net.state_dict())
    assert moving_statistics(net) == []


def test_frozen_nothing_moves_whatever_the_network_around_it_does():
    whole = nn.Sequential(frozen(network()), nn.Flatten(), nn.Linear(72, 2))
    before = state(whole[0])
    whole.train()
    torch.testing.assert_close(whole(PICTURES), whole(PICTURES))  # no dropout, no statistics of the batch
    whole(PICTURES).sum().backward()
    assert whole.training
    assert whole[2].training
    assert same(before, whole[0].state_dict())
    assert not any(parameter.grad is not None for parameter in whole[0].parameters())
    assert moving_statistics(whole) == []


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_of_a_frozen_network_is_frozen_and_its_own(twin):
    net = frozen(network())
    other = twin(net)
    assert not other.train().training
    thawed(net)
    assert net.train().training
    assert not other.train().training


def test_thawed_it_trains_again():
    net = thawed(frozen(network()))
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not net.eval().training
    before = state(net.train())
    net(PICTURES).sum().backward()
    assert not same(before, net.state_dict())


def test_a_layer_that_is_trained_or_keeps_no_statistics_is_no_trap():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False), nn.BatchNorm2d(3, affine=False))
    net[1].requires_grad_(False)
    assert moving_statistics(net) == ["2"]  # without parameters none has a gradient
