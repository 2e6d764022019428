"""Hooks: what they bring out, and that nothing stays behind."""

from contextlib import suppress

import pytest
import torch
from torch import nn

from mmlearn.models.hooks import hooked


def hooks(module):
    return sum(len(part._forward_hooks) for part in module.modules())


def test_a_hooked_output_holds_no_graph_unless_it_is_asked_for():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    with hooked(net, ["0", "1"]) as seen:
        net(torch.rand(4, 2))
    assert seen["0"].grad_fn is seen["1"].grad_fn is None
    with hooked(net, ["1"], grad=True) as seen:
        net(torch.rand(4, 2))
    seen["1"].sum().backward()
    assert net[0].weight.grad is not None


def test_the_last_call_counts_and_a_tuple_with_its_first_tensor():
    net = nn.LSTM(2, 3)
    first, second = torch.rand(4, 1, 2), torch.rand(4, 1, 2)
    with hooked(net, [""]) as seen:
        net(first)
        expected = net(second)[0]
    torch.testing.assert_close(seen[""], expected)


def test_hooks_are_gone_after_an_error_and_none_is_set_for_an_unknown_name():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    with suppress(ZeroDivisionError), hooked(net, ["0"]):
        assert hooks(net) == 1
        raise ZeroDivisionError
    assert hooks(net) == 0
    with pytest.raises(ValueError, match=r"no module is called '00': did you mean '0'"), hooked(net, ["0", "00"]):
        pass
    assert hooks(net) == 0
