"""Chapter 11: each mistake is named, right answers in other styles pass, and the right answers are those of other libraries."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA  # here: the checker's clock is not to count a slow import
from torch import nn

from mmlearn.exercises import ch11, verify


def by_autograd(x, w, b_z, b_x):
    leaves = [t.clone().requires_grad_() for t in (w, b_z, b_x)]
    z = torch.sigmoid(F.linear(x, leaves[0], leaves[1]))
    x_hat = torch.sigmoid(F.linear(z, leaves[0].T, leaves[2]))
    return torch.autograd.grad(F.mse_loss(x_hat, x, reduction="sum") / len(x), leaves)


def test_tied_gradients():
    verify(ch11.tied_gradients, also_right=[by_autograd])


def by_eigenvectors(x, k):
    mean = x.mean(0, keepdim=True)
    axes = torch.linalg.eigh((x - mean).T @ (x - mean)).eigenvectors[:, -k:]
    return (x - mean) @ (axes @ axes.T) + mean


def by_scikit_learn(x, k):
    pca = PCA(k, svd_solver="full").fit(x.numpy())
    return torch.from_numpy(pca.inverse_transform(pca.transform(x.numpy()))).to(x.dtype)


def by_alternating(x, k):
    c = (x - x.mean(0)).double()
    S = c.T @ c
    w_z = torch.eye(x.shape[1], dtype=torch.float64)[:k] + 0.1
    for _ in range(300):
        w_x = S @ w_z.T @ torch.linalg.inv(w_z @ S @ w_z.T)
        w_z = torch.linalg.pinv(w_x)
    return (x.mean(0) + c @ w_z.T @ w_x.T).to(x.dtype)


def test_best_linear():
    verify(ch11.best_linear, also_right=[by_eigenvectors, by_scikit_learn, by_alternating])


def by_modules(images, p):
    channels, (width, _, k, _) = images.shape[1], p["conv"].shape
    down, up = nn.Conv2d(channels, width, k, 2, 1), nn.ConvTranspose2d(width, channels, k, 2, 1)
    into, out = nn.Linear(*p["code"].shape[::-1]), nn.Linear(*p["fc"].shape[::-1])
    for layer, name in ((down, "conv"), (into, "code"), (out, "fc"), (up, "up")):
        layer.weight, layer.bias = nn.Parameter(p[name]), nn.Parameter(p[f"{name}_bias"])
    side = images.shape[-1] // 2
    encoder = nn.Sequential(down, nn.ReLU(), nn.Flatten(), into)
    decoder = nn.Sequential(out, nn.ReLU(), nn.Unflatten(1, (width, side, side)), up, nn.Sigmoid())
    with torch.no_grad():
        z = encoder(images)
        return z, decoder(z)


def test_conv_autoencoder():
    verify(ch11.conv_autoencoder, also_right=[by_modules])


def by_distributions(x, x_hat, z, sparsity, weight):
    coin = torch.distributions.Bernoulli
    rho = torch.tensor(sparsity, dtype=z.dtype)
    divergence = torch.distributions.kl_divergence(coin(rho), coin(z.mean(0))).sum()
    return F.mse_loss(x_hat, x, reduction="sum") / len(x) + weight * divergence


def with_numbers_of_torchs_default_kind(x, x_hat, z, sparsity, weight):
    rho, used = torch.tensor(sparsity), z.mean(0)  # float32, whatever z is
    divergence = rho * torch.log(rho / used) + (1 - rho) * torch.log((1 - rho) / (1 - used))
    return (x_hat - x).square().sum(1).mean() + weight * divergence.sum()


def test_sparse_loss():
    verify(ch11.sparse_loss, also_right=[by_distributions, with_numbers_of_torchs_default_kind])


def by_tweedie(noisy, weights, means, variance, std):
    leaf = noisy.clone().requires_grad_()
    total = variance + std**2
    eye = total * torch.eye(noisy.shape[1], dtype=noisy.dtype)
    parts = torch.distributions.MultivariateNormal(means, covariance_matrix=eye.expand(len(means), -1, -1))
    mixed = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights), parts)
    (score,) = torch.autograd.grad(mixed.log_prob(leaf).sum(), leaf)
    return noisy + std**2 * score


def one_by_one(noisy, weights, means, variance, std):
    rows = []
    for x in noisy:
        likely = weights * torch.exp(-(x - means).square().sum(1) / (2 * (variance + std**2)))
        share = likely / likely.sum()
        rows.append((share[:, None] * (std**2 * means + variance * x) / (variance + std**2)).sum(0))
    return torch.stack(rows)


def test_mixture_denoiser():
    verify(ch11.mixture_denoiser, also_right=[by_tweedie, one_by_one])


def by_scikit_learns_ranks(normal, anomalous):
    from sklearn.metrics import roc_auc_score

    labels = [0] * len(normal) + [1] * len(anomalous)
    return float(roc_auc_score(labels, torch.cat([normal, anomalous]).numpy()))


def by_the_test_of_mann_and_whitney(normal, anomalous):
    from scipy.stats import mannwhitneyu

    return torch.tensor(mannwhitneyu(anomalous.numpy(), normal.numpy()).statistic / (len(normal) * len(anomalous)))


def test_auc():
    verify(ch11.auc_of, also_right=[by_scikit_learns_ranks, by_the_test_of_mann_and_whitney])


def with_scikit_learn(train, held_out, test, k, share):
    from sklearn.decomposition import PCA

    pca = PCA(k, svd_solver="full").fit(train.numpy())

    def errors(part):
        again = torch.from_numpy(pca.inverse_transform(pca.transform(part.numpy())))
        return (part - again).pow(2).sum(1)

    limit = torch.quantile(errors(held_out), 1 - share)
    return errors(test), errors(test) > limit


def test_repaired_detector():
    verify(ch11.repaired_detector, also_right=[with_scikit_learn])


@pytest.mark.parametrize("wrong", [lambda x, k: x, lambda x, k: x.mean(0).expand_as(x)])
def test_a_wrong_answer_that_is_not_catalogued_is_refused(wrong):
    result = ch11.best_linear.judge(wrong)
    assert result.status == "failed"
    assert result.mistake is None
