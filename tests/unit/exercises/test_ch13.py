"""Chapter 13: each mistake is named, right answers in other styles pass, and the right answers are those of the course."""

import copy
from contextlib import suppress

import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import nn

from mmlearn.data import cka
from mmlearn.exercises import ch13, verify
from mmlearn.models.freeze import frozen
from mmlearn.models.hooks import hooked
from mmlearn.models.lora import LoRALinear
from mmlearn.models.lora import lora_gradients as gradients_of_the_course


def with_the_context_manager(model, name, x):
    with hooked(model, [name]) as seen, torch.no_grad():
        model(x)
    return seen[name]


def with_an_exception(model, name, x):
    """Stop as soon as the layer has spoken."""
    found = {}

    class Enough(Exception):
        pass

    def hook(module, inputs, output):
        found["output"] = output.detach().clone()
        raise Enough

    handle = model.get_submodule(name).register_forward_hook(hook)
    with suppress(Enough):
        model(x)
    handle.remove()
    return found["output"]


@torch.no_grad()
def without_gradients(model, name, x):
    kept = {}
    handle = dict(model.named_modules())[name].register_forward_hook(lambda module, inputs, output: kept.update(output=output))
    model(x)
    handle.remove()
    return kept["output"]


def test_layer_output():
    verify(ch13.layer_output, also_right=[with_the_context_manager, with_an_exception, without_gradients])


def with_scikit_learn(x, y, penalty):
    model = Ridge(alpha=penalty, solver="svd").fit(x.numpy(), y.numpy())
    weight = torch.from_numpy(np.asarray(model.coef_).reshape(y.shape[1], -1)).mT.to(x.dtype)
    return weight, torch.as_tensor(model.intercept_, dtype=x.dtype).reshape(-1)


def in_the_dual(x, y, penalty):
    centred = x - x.mean(0)
    gram = centred @ centred.mT + penalty * torch.eye(len(x), dtype=x.dtype)
    weight = centred.mT @ torch.linalg.inv(gram) @ (y - y.mean(0))
    return weight, (y - x @ weight).mean(0)


def with_least_squares(x, y, penalty):
    """Rows of √λ under the features."""
    below = penalty**0.5 * torch.eye(x.shape[1], dtype=x.dtype)
    longer = torch.cat([x - x.mean(0), below]), torch.cat([y - y.mean(0), y.new_zeros(x.shape[1], y.shape[1])])
    weight = torch.linalg.lstsq(*longer).solution
    return weight, y.mean(0) - x.mean(0) @ weight


def test_ridge_probe():
    verify(ch13.ridge_probe, also_right=[with_scikit_learn, in_the_dual, with_least_squares])


def with_kernels(x, y):
    h = torch.eye(len(x), dtype=x.dtype) - 1 / len(x)
    k, m = h @ x @ x.mT @ h, h @ y @ y.mT @ h
    return (k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt()


def test_linear_cka():
    verify(ch13.linear_cka, also_right=[with_kernels])
    x, y = torch.randn(9, 3), torch.randn(9, 2)
    torch.testing.assert_close(ch13.linear_cka.oracle(x.double(), y.double()), cka.linear_cka(x, y))


def test_lora_numbers():
    verify(ch13.lora_numbers, also_right=[294_912.0, 24 * 2 * 8 * 768])


def by_autograd(grad_weight, a, b, alpha):
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    return torch.autograd.grad(alpha / a.shape[0] * b @ a, (a, b), grad_weight)


def with_einsum(grad_weight, a, b, alpha):
    scaled = grad_weight * (alpha / a.shape[0])
    return torch.einsum("or,oi->ri", b, scaled), torch.einsum("oi,ri->or", scaled, a)


def test_lora_gradients():
    verify(ch13.lora_gradients, also_right=[by_autograd, with_einsum, gradients_of_the_course])


class Holder(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network.eval().requires_grad_(False)

    def train(self, mode=True):
        return super().train(False)

    def forward(self, x):
        return self.network(x)


def as_an_affine_map(network):
    """BatchNorm with fixed numbers is a scale and a shift: fold them into the convolution."""
    conv, norm, act = copy.deepcopy(network)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    conv.weight.data *= scale.view(-1, 1, 1, 1)
    conv.bias.data = (conv.bias - norm.running_mean) * scale + norm.bias
    return nn.Sequential(conv, act).requires_grad_(False)


def test_freeze():
    verify(ch13.freeze, also_right=[frozen, Holder, as_an_affine_map])


class FromTheCourse(nn.Module):
    def __init__(self, weight, a, alpha):
        super().__init__()
        base = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
        base.weight.data = weight.clone()
        self.layer = LoRALinear(base, len(a), alpha)
        self.layer.lora_a.data = a.clone()

    def forward(self, x):
        return self.layer(x)

    def merge(self):
        self.layer.merge()


class WithABuffer(nn.Module):
    """The weight as a buffer, two thin products, and a merge that empties B."""

    def __init__(self, weight, a, alpha):
        super().__init__()
        self.register_buffer("weight", weight.clone())
        self.a, self.b = nn.Parameter(a.clone()), nn.Parameter(torch.zeros(weight.shape[0], a.shape[0], dtype=weight.dtype))
        self.alpha = alpha

    def forward(self, x):
        return x @ self.weight.T + x @ self.a.T @ self.b.T * (self.alpha / self.a.shape[0])

    @torch.no_grad()
    def merge(self):
        self.weight += self.alpha / self.a.shape[0] * self.b @ self.a
        self.b.zero_()


class WithANewWeight(WithABuffer):
    """A merge that puts another tensor in the weight's place, and sets the factor to 0."""

    def merge(self):
        self.weight = self.weight + self.alpha / self.a.shape[0] * (self.b @ self.a).detach()
        self.alpha = 0


def test_repaired_lora():
    verify(ch13.RepairedLoRA, also_right=[FromTheCourse, WithABuffer, WithANewWeight])


def test_a_merge_that_stores_nothing_is_not_right():
    class Idle(WithABuffer):
        def merge(self):
            pass

    result = ch13.RepairedLoRA.check(Idle)
    assert not result.passed
    assert "`merge` leaves the weight as it was" in result.diagnosis


def test_behind_factors_at_zero_the_message_says_that_more_may_be_hidden():
    every = {name: value for options in ch13._BUGS.values() for name, value in options.items()}
    result = ch13.RepairedLoRA.check(ch13._hunted(**every))
    assert "both factors start at zero" in result.diagnosis
    assert "the frozen weight is trained" in result.diagnosis
    assert "shows only when they move" in result.more
