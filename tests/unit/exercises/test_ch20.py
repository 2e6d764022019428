"""Chapter 20: each mistake is named, right answers in other styles pass, and the right answers are those of the package."""

import math

import pytest
import torch

from mmlearn.exercises import ch20, verify
from mmlearn.training import multitask


def test_weigh_by_uncertainty():
    def with_sigma(losses, s):
        sigma = torch.exp(s / 2)
        return (losses / (2 * sigma**2) + torch.log(sigma)).sum()

    def with_a_loop(losses, s):
        total = 0
        for loss, value in zip(losses, s, strict=True):
            total = total + (torch.exp(-value) * loss + value) / 2
        return total

    verify(ch20.weigh_by_uncertainty, also_right=[with_sigma, with_a_loop, multitask.uncertainty])


def test_dwa():
    def with_exp(last, before, temperature):
        e = torch.exp(last / (before * temperature))
        return len(last) * e / e.sum()

    verify(ch20.dwa, also_right=[with_exp, multitask.dwa_weights])


def test_conflict():
    def from_the_matrix(first, second, parameters):
        return multitask.cosines(multitask.gradient_matrix([first, second], parameters))[0, 1]

    def with_backward(first, second, parameters):
        rows = []
        for loss in (first, second):
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)
            loss.backward(retain_graph=True)
            rows.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        return torch.nn.functional.cosine_similarity(*rows, dim=0)

    verify(ch20.conflict, also_right=[from_the_matrix, with_backward])


def test_adding_up_in_grad_is_named_however_it_is_written():
    def answer(first, second, parameters):
        rows = []
        for loss in (first, second):
            loss.backward(retain_graph=True)
            flat = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
            rows.append(torch.cat([g.flatten() for g in flat]))
        return rows[0] @ rows[1] / rows[0].norm() / rows[1].norm()

    assert "adds to `.grad`" in ch20.conflict.check(answer).diagnosis


def test_pcgrad():
    def with_the_package(gradients):
        return multitask.pcgrad(gradients, order=[range(len(gradients))] * len(gradients))

    def with_weights(gradients):
        products, total = gradients @ gradients.mT, 0
        for i in range(len(gradients)):
            w = torch.eye(len(gradients), dtype=gradients.dtype)[i]
            for j in range(len(gradients)):
                if j != i:
                    w[j] -= torch.clamp(w @ products[j], max=0) / products[j, j]
            total = total + w @ gradients
        return total

    verify(ch20.pcgrad_in_order, also_right=[with_the_package, with_weights])


def test_gradients_that_are_changed_in_place_are_noticed():
    def answer(gradients):
        for i in range(len(gradients)):
            for j in range(len(gradients)):
                product = gradients[i] @ gradients[j]
                if i != j and product < 0:
                    gradients[i] -= product / (gradients[j] @ gradients[j]) * gradients[j]
        return gradients.sum(0)

    assert not ch20.pcgrad_in_order.check(answer).passed


def test_shortest():
    def by_hand(first, second):
        a, b, c = (first @ first).item(), (second @ second).item(), (first @ second).item()
        return 0.5 if a + b == 2 * c else min(max((b - c) / (a + b - 2 * c), 0.0), 1.0)

    verify(ch20.shortest, also_right=[by_hand, multitask.min_norm_weight])


def test_survives():
    verify(ch20.survives, also_right=[[False, True, False, False, False, True]])


@pytest.mark.parametrize("angle", [40, 100, 150])
def test_the_answer_about_scales_is_what_the_methods_do(angle):
    """The direction of the step for losses L and gradients g, and for the first of them times 100."""
    turn = math.radians(angle)
    g = torch.tensor([[1.0, 0.0], [0.8 * math.cos(turn), 0.8 * math.sin(turn)]], dtype=torch.float64)
    losses, before = torch.tensor([0.7, 1.1], dtype=torch.float64), torch.tensor([1.0, 1.2], dtype=torch.float64)
    ways = [
        lambda factor: (factor[:, None] * g).sum(0),
        lambda factor: (0.5 / (factor * losses))[:, None].mul(factor[:, None] * g).sum(0),
        lambda factor: (multitask.dwa_weights(factor * losses, factor * before)[:, None] * factor[:, None] * g).sum(0),
        lambda factor: multitask.pcgrad(factor[:, None] * g),
        lambda factor: multitask.mgda(factor[:, None] * g),
        lambda factor: multitask.normalised(multitask.mgda)(factor[:, None] * g),
    ]
    one, hundred = torch.ones(2, dtype=torch.float64), torch.tensor([100.0, 1.0], dtype=torch.float64)
    same = tuple(bool(torch.cosine_similarity(way(one), way(hundred), dim=0) > 1 - 1e-9) for way in ways)
    assert same == ch20.survives.oracle


@pytest.mark.parametrize("answer", [(True,), True, "PCGrad", (0, 1, 0, 0, 0, 1, 1)])
def test_an_answer_of_another_form_is_refused(answer):
    assert ch20.survives.judge(answer).status == "failed"


def test_repaired_training():
    def with_the_package(theta, s, A, b, lr, steps):
        theta, s = theta.clone(), s.clone()
        for _ in range(steps):
            theta.requires_grad_()
            losses = ((A @ theta - b) ** 2).mean(1)
            grads = multitask.gradient_matrix(0.5 * torch.exp(-s) * losses, [theta])
            step = multitask.pcgrad(grads, order=[range(len(s))] * len(s))
            s = s - lr * 0.5 * (1 - torch.exp(-s) * losses.detach())
            theta = theta.detach() - lr * step
        return theta, s

    verify(ch20.repaired_training, also_right=[with_the_package])
