"""Chapter 02's exercises: right answers in other styles pass, and each catalogued mistake is named."""

import torch
import torch.nn.functional as F

from mmlearn.exercises import ch02, verify


def autograd(function, grad_output, *inputs):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    return torch.autograd.grad(function(*leaves), leaves, grad_output)


def test_quotient():
    verify(ch02.quotient_backward, also_right=[lambda grad_output, a, b: autograd(torch.div, grad_output, a, b)])


def by_recursion(edges, count):
    def gradient(node):
        if node == count - 1:
            return 1.0
        return sum(gradient(child) * derivative for parent, child, derivative in edges if parent == node)

    return torch.tensor([gradient(node) for node in range(count)], dtype=torch.float64)


def by_matrix(edges, count):
    step = torch.zeros(count, count, dtype=torch.float64)
    for parent, child, derivative in edges:
        step[parent, child] += derivative
    paths = torch.linalg.inv(torch.eye(count, dtype=torch.float64) - step)  # 1 + step + step² + …, which ends
    return paths[:, -1]


def test_shared_parents():
    verify(ch02.node_gradients, also_right=[by_recursion, by_matrix])


def test_broadcasting():
    others = [
        lambda grad_output, shape: grad_output.sum_to_size(shape),
        lambda grad_output, shape: autograd(
            lambda x: x.expand(grad_output.shape), grad_output, torch.zeros(shape, dtype=grad_output.dtype)
        )[0],
    ]
    verify(ch02.broadcast_backward, also_right=others)


def test_linear():
    def by_einsum(grad_output, x, weight):
        return (
            torch.einsum("...k,kd->...d", grad_output, weight),
            torch.einsum("...k,...d->kd", grad_output, x),
            torch.einsum("...k->k", grad_output),
        )

    def by_torch(grad_output, x, weight):
        return autograd(F.linear, grad_output, x, weight, weight[:, 0].clone())

    verify(ch02.linear_backward, also_right=[by_einsum, by_torch])


def test_cross_entropy():
    def in_place(logits, labels):
        p = torch.softmax(logits, dim=1)
        p[torch.arange(len(labels)), labels] -= 1
        return p / len(labels)

    verify(ch02.cross_entropy_backward, also_right=[in_place, lambda z, y: autograd(lambda z: F.cross_entropy(z, y), None, z)[0]])


def test_layer_norm():
    def by_torch(grad_output, x, gamma, eps=1e-5):
        beta = torch.zeros_like(gamma)
        return autograd(lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta, eps), grad_output, x, gamma, beta)

    def by_jacobian(grad_output, x, gamma, eps=1e-5):
        D, sigma = x.shape[1], (x.var(1, unbiased=False) + eps).sqrt()
        x_hat = (x - x.mean(1, keepdim=True)) / sigma[:, None]
        outer = torch.einsum("ni,nj->nij", x_hat, x_hat)
        jacobian = (torch.eye(D, dtype=x.dtype) - 1 / D - outer / D) / sigma[:, None, None]
        return torch.einsum("nj,nji->ni", grad_output * gamma, jacobian), (grad_output * x_hat).sum(0), grad_output.sum(0)

    verify(ch02.layer_norm_backward, also_right=[by_torch, by_jacobian])


def test_network():
    def by_torch(x, labels, w1, b1, w2, b2):
        def loss(w1, b1, w2, b2):
            return F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), labels)

        return autograd(loss, None, w1, b1, w2, b2)

    verify(ch02.mlp_gradients, also_right=[by_torch])


def test_central_difference():
    def all_at_once(function, x, step=1e-5):
        nudges = step * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
        return torch.stack([function(x + nudge) - function(x - nudge) for nudge in nudges]).view_as(x) / (2 * step)

    verify(ch02.central_difference, also_right=[all_at_once])


def test_repair():
    def by_torch(grad_output, x, w1, b1, w2, b2):
        def block(x, w1, b1, w2, b2):
            return x + F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)

        return autograd(block, grad_output, x, w1, b1, w2, b2)

    verify(ch02.repaired_backward, also_right=[by_torch])
