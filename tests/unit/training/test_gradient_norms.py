"""Gradient norms of a model's parts, step by step."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmlearn.training import fit
from mmlearn.training.gradient_norms import gradient_norms


def test_they_are_the_norms_of_what_the_optimiser_steps_with():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x, y = torch.randn(8, 3), torch.randint(2, (8,))
    F.cross_entropy(model(x), y).backward()
    expected = [torch.cat([p.grad.flatten() for p in part.parameters()]).norm().item() for part in model]
    model.zero_grad()
    with gradient_norms({"first": model[0], "second": model[1]}) as norms:
        fit(model, (x, y), epochs=3, batch_size=8, progress=False)
    assert [norms["first"][0], norms["second"][0]] == pytest.approx(expected)
    assert len(norms["first"]) == len(norms["second"]) == 3


def test_clipping_is_seen_and_nothing_is_recorded_afterwards_or_for_strangers():
    torch.manual_seed(0)
    model, stranger = nn.Linear(3, 2), nn.Linear(3, 2)
    data = torch.randn(8, 3), torch.randint(2, (8,))
    with gradient_norms({"model": model, "stranger": stranger}) as norms:
        fit(model, data, epochs=2, clip=1e-3, progress=False)
    fit(model, data, epochs=1, progress=False)
    assert norms["model"] == pytest.approx([1e-3] * 2, rel=1e-3)
    assert norms["stranger"] == []


def test_a_part_that_no_example_reached_has_no_gradient():
    model = nn.ModuleDict({"used": nn.Linear(3, 2), "idle": nn.Linear(3, 2)})
    with gradient_norms(model) as norms:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model["used"](torch.ones(1, 3)).sum().backward()
        optimizer.step()
    assert norms["idle"] == [0.0]
    assert norms["used"][0] > 0
