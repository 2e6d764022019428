"""Chapter 18's exercises: right answers in other styles pass, and every catalogued mistake is named."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmlearn import data
from mmlearn.data.correlation import cca
from mmlearn.data.retrieval import recall_at_k
from mmlearn.exercises import ch18, verify
from mmlearn.models.zero_shot import class_vectors
from mmlearn.ops.contrastive import info_nce, temperature_gradient, unit_rows


def interpolate_with_numpy(values, times, new_times):
    return torch.as_tensor(np.interp(new_times.numpy(), times.numpy(), values.numpy())).to(values)


def interpolate_with_loops(values, times, new_times):
    result = torch.empty_like(new_times)
    for m, t in enumerate(new_times.tolist()):
        for k in range(len(times) - 1):
            if times[k] <= t <= times[k + 1]:
                share = (t - times[k]) / (times[k + 1] - times[k])
                result[m] = (1 - share) * values[k] + share * values[k + 1]
                break
    return result


def test_interpolate():
    verify(ch18.interpolate, also_right=[interpolate_with_numpy, interpolate_with_loops, data.resample_to])


def correlations_by_eigenvalues(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    m = torch.linalg.solve(x.T @ x, x.T @ y) @ torch.linalg.solve(y.T @ y, y.T @ x)
    values = torch.linalg.eigvals(m).real.sort(descending=True).values
    return values[: min(x.shape[1], y.shape[1])].clamp(min=0).sqrt()


def correlations_by_cholesky(x, y):
    x, y = x - x.mean(0, keepdim=True), y - y.mean(0, keepdim=True)
    lx, ly = torch.linalg.cholesky(x.T @ x), torch.linalg.cholesky(y.T @ y)
    return torch.linalg.svd(lx.inverse() @ x.T @ y @ ly.inverse().T).S


def test_canonical_correlations():
    right = [correlations_by_eigenvalues, correlations_by_cholesky, lambda x, y: cca(x, y).correlations]
    verify(ch18.canonical_correlations, also_right=right)


def directions_of_the_course(x, y, k):
    found = cca(x, y, k)
    return found.x_weights, found.y_weights


def directions_by_cholesky(x, y, k):
    x, y = x - x.mean(0), y - y.mean(0)
    n = len(x)
    wx, wy = (torch.linalg.inv(torch.linalg.cholesky(z.T @ z / n)).T for z in (x, y))
    u, _, vh = torch.linalg.svd(wx.T @ (x.T @ y / n) @ wy)
    return -wx @ u[:, :k], -wy @ vh.T[:, :k]


def test_repaired_cca():
    verify(ch18.repaired_cca, also_right=[directions_of_the_course, directions_by_cholesky])


def test_directions_that_come_alone_or_turned_are_told_their_shape():
    assert ch18.repaired_cca.check(lambda x, y, k: cca(x, y, k).x_weights).status == "failed"
    transposed = ch18.repaired_cca.check(lambda x, y, k: tuple(w.T.contiguous() for w in directions_of_the_course(x, y, k)))
    assert transposed.status == "failed"


def loss_with_logs(image, text, scale):
    scores = scale * image @ text.T
    rows = scores.diagonal() - scores.logsumexp(1)
    columns = scores.diagonal() - scores.logsumexp(0)
    return -torch.cat([rows, columns]).mean()


def loss_with_loops(image, text, scale):
    N, total = len(image), 0
    for i in range(N):
        row = torch.stack([(scale * (image[i] * text[j]).sum()).exp() for j in range(N)])
        column = torch.stack([(scale * (image[j] * text[i]).sum()).exp() for j in range(N)])
        total = total - (row[i] / row.sum()).log() - (column[i] / column.sum()).log()
    return total / (2 * N)


def test_contrastive_loss():
    verify(ch18.contrastive_loss, also_right=[loss_with_logs, loss_with_loops, info_nce])


def by_autograd(image, text, temperature):
    tau = torch.tensor(temperature, dtype=image.dtype, requires_grad=True)
    return torch.autograd.grad(loss_with_logs(image, text, 1 / tau), tau)[0]


def by_the_scores(image, text, temperature):
    cosines = image @ text.T
    P, Q = (cosines / temperature).softmax(1), (cosines / temperature).softmax(0)
    G = (P + Q) / (2 * len(image)) - torch.eye(len(image), dtype=image.dtype) / len(image)
    return -(G * cosines).sum() / temperature**2


def test_by_temperature():
    verify(ch18.by_temperature, also_right=[by_autograd, by_the_scores, temperature_gradient])


def recall_by_shares(similarity, k):
    shares = []
    for i, row in enumerate(similarity.tolist()):
        above = sum(value > row[i] for value in row)
        tied = sum(value == row[i] for value in row)
        shares.append(min(1, max(0, k - above) / tied))
    return sum(shares) / len(shares)


def test_recall():
    verify(ch18.recall, also_right=[recall_by_shares, lambda similarity, k: recall_at_k(similarity, k=k)])


def test_a_recall_of_32_bits_is_as_good():
    assert ch18.recall.check(lambda similarity, k: torch.tensor(recall_by_shares(similarity, k))).passed


def test_class_cosines():
    def with_normalize(images, prompts):
        classes = F.normalize(F.normalize(prompts, dim=-1).sum(1), dim=-1)
        return torch.einsum("nd,kd->nk", F.normalize(images, dim=1), classes)

    def of_the_course(images, prompts):
        return unit_rows(images) @ class_vectors(unit_rows(prompts)).T

    verify(ch18.class_cosines, also_right=[with_normalize, of_the_course])


def test_repaired_agreement():
    def with_similarity(image, text):
        return (1 - F.cosine_similarity(image, text, dim=1)).mean()

    def as_a_list_of_tensors(image, text):
        return 1 - torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(image, text, strict=True)]).mean()

    verify(ch18.repaired_agreement, also_right=[with_similarity, as_a_list_of_tensors])


@pytest.mark.parametrize(
    "leave",
    [
        lambda x: x.item(),
        lambda x: torch.tensor(x.item()),
        lambda x: x.data,
        lambda x: torch.tensor(x.item(), dtype=torch.float64, requires_grad=True),
    ],
)
def test_every_way_out_of_the_graph_is_the_same_mistake(leave):
    result = ch18.repaired_agreement.check(lambda image, text: leave(1 - F.cosine_similarity(image, text, dim=1).mean()))
    assert "no gradient reaches the features" in result.diagnosis


def test_no_grad_is_the_same_mistake_too():
    def answer(image, text):
        with torch.no_grad():
            return 1 - F.cosine_similarity(image, text, dim=1).mean()

    assert "no gradient reaches the features" in ch18.repaired_agreement.check(answer).diagnosis
