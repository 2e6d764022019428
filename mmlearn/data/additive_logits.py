"""Newton's method for logits u_a(y) + v_b(y), the scores of a classifier that adds what either input says."""

import torch

TINY = 1e-300  # stands in for 0 where a logarithm or a quotient is not used


def newton_step(curvature, grad_u, grad_v, ridge=0.0):
    """The step (du, dv) that solves H·(du, dv) = (grad_u, grad_v); None where H is not positive definite in float64.

    H is the Hessian of a sum over pairs of inputs: curvature[a, b] (Y, Y) is that of pair (a, b) in its scores u_a + v_b.
    curvature: (A, B, Y, Y)   grad_u: (A, Y)   grad_v: (B, Y)   ridge: added to H's diagonal
    Adding a constant to u and taking it from v changes no score: H is singular along that, and the gradient has no part there. A
    diagonal of 10⁻¹⁴, after H is scaled to have ones there, keeps the step finite. Logits without curvature (of a symbol that
    never goes with a label) stay where they are.
    """
    A, B, Y, _ = curvature.shape
    first, second = torch.arange(A), torch.arange(A, A + B)
    hessian = curvature.new_zeros(A + B, Y, A + B, Y)
    hessian[first, :, first] = curvature.sum(1)
    hessian[second, :, second] = curvature.sum(0)
    hessian[:A, :, A:] = curvature.transpose(1, 2)  # (A, Y, B, Y)
    hessian[A:, :, :A] = curvature.permute(1, 3, 0, 2)  # (B, Y, A, Y)
    hessian = hessian.reshape((A + B) * Y, (A + B) * Y)
    used = hessian.diagonal() > 0
    hessian = hessian[used][:, used]
    hessian.diagonal().add_(ridge)
    scale = hessian.diagonal().rsqrt()
    hessian *= scale[:, None] * scale
    hessian.diagonal().add_(1e-14)
    triangle, failed = torch.linalg.cholesky_ex(hessian)
    if failed or not triangle.isfinite().all():
        return None
    gradient = torch.cat([grad_u, grad_v]).flatten()
    step = torch.zeros_like(gradient)
    step[used] = scale * torch.cholesky_solve((scale * gradient[used])[:, None], triangle)[:, 0]
    return step.view(A + B, Y).split([A, B])


def softmax_where(scores, allowed):
    """Softmax over the last axis where ``allowed``, and its log-sum-exp: (softmax, lse); 0 and 0 where nothing is allowed.

    scores, allowed: (A, B, Y)   returns: (A, B, Y), (A, B)
    """
    lse = torch.where(allowed.any(2), torch.where(allowed, scores, -torch.inf).logsumexp(2), 0.0)
    return torch.where(allowed, (scores - lse[..., None]).clamp(max=0).exp(), 0.0), lse


def log_or_zero(p):
    """log p, and 0 where p is 0."""
    return torch.where(p > 0, p.clamp(min=TINY).log(), 0.0)
