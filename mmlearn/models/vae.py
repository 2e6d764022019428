"""The variational autoencoder (Kingma & Welling 2014; Rezende, Mohamed & Wierstra 2014), and β-VAE (Higgins et al. 2017)."""

import math
from typing import NamedTuple

import torch
from torch import nn

from mmlearn.models.conv_coder import ImageDecoder, ImageEncoder
from mmlearn.models.interface import functions
from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.divergence import gaussian_kl, reparameterised_sample

LIKELIHOODS = ("bernoulli", "gaussian")


class Gaussian(NamedTuple):
    """N(μ, σ²) with independent numbers: mean μ and log_var = log σ², each (N, D)."""

    mean: torch.Tensor
    log_var: torch.Tensor

    def sample(self, noise=None):
        """μ + σ·ε, (N, D); ε from a standard normal where ``noise`` (N, D) is None. Gradients reach μ and σ."""
        return reparameterised_sample(self.mean, self.log_var, torch.randn_like(self.mean) if noise is None else noise)


class Elbo(NamedTuple):
    """The pieces of log p(x) ≥ log_likelihood − kl, in nats, one number for each example: (N,) each.

    log_likelihood: log p(x|z) at one draw of z, an estimate of its mean   kl: KL(q(z|x)‖p(z)), exact
    """

    log_likelihood: torch.Tensor
    kl: torch.Tensor

    @property
    def elbo(self):
        """E[log p(x|z)] − KL(q(z|x)‖p(z)), the mean taken at one draw of z — Eq. 12.4 (Kingma & Welling 2014)."""
        return self.log_likelihood - self.kl

    def loss(self, beta=1.0):
        """−E[log p(x|z)] + β·KL(q(z|x)‖p(z)), averaged over the examples: () — Eq. 12.12 (Higgins et al. 2017).

        With β = 1 it is the negative ELBO, in nats for each example.
        """
        return (beta * self.kl - self.log_likelihood).mean()


def check_likelihood(likelihood, std):
    """Raise ValueError unless these are arguments of ``log_likelihood``."""
    require(likelihood in LIKELIHOODS, "likelihood", repr(likelihood), " or ".join(map(repr, LIKELIHOODS)))
    require(std > 0, "std", std, "a number > 0")


def log_likelihood(F, decoded, x, likelihood, std=1.0):
    """log p(x|z), summed over all numbers of an example: (N, …) → (N,) in nats.

    decoded: what the decoder says, x's shape
    'bernoulli': logits; x in [0, 1]. For x other than 0 and 1 it is cross-entropy, a common loss but no density.
    'gaussian': means of normal distributions with this standard deviation
    """
    if likelihood == "bernoulli":
        each = -F.binary_cross_entropy_with_logits(decoded, x, reduction="none")
    else:
        each = -F.mse_loss(decoded, x, reduction="none") / (2 * std**2) - math.log(std) - math.log(2 * math.pi) / 2
    return each.flatten(1).sum(1)  # (N,)


class VAE(nn.Module):
    """q(z|x) = N(μ(x), σ²(x)), p(z) = N(0, 1), p(x|z) by the decoder: images coded by a draw, decoded to probabilities.

    images (N, channels, image_size, image_size) float in [0, 1] → Elbo of (N,) pieces; ``vae(images).loss(beta)`` trains it

    code: D, the numbers of z   image_size, widths, hidden: as in ``ImageEncoder``; widths=() is a dense VAE
    likelihood: 'bernoulli' for images that are nearly black and white, such as digits; 'gaussian' of standard deviation ``std``
    for others: the smaller std, the more a pixel weighs against the kl, and the less is left out   F: see ``LeNet``

    >>> vae = VAE(image_size=8, code=2)
    >>> vae(torch.rand(5, 1, 8, 8)).elbo.shape, vae.sample(3).shape
    (torch.Size([5]), torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self,
        image_size=28,
        channels=1,
        code=16,
        widths=(16, 32),
        hidden=128,
        likelihood="bernoulli",
        std=0.1,
        F=torch.nn.functional,
    ):
        super().__init__()
        check_likelihood(likelihood, std)
        check_whole(code, "code")
        self.code, self.likelihood, self.std = code, likelihood, std
        self.F = functions(F, "linear", "sigmoid", "binary_cross_entropy_with_logits", "mse_loss")
        self.encoder = ImageEncoder(image_size, channels, widths, hidden, F)
        self.fc = gaussian_head(hidden, code)
        self.decoder = ImageDecoder(image_size, channels, code, widths, hidden, F)

    def encode(self, images):
        """q(z|x): images (N, C, S, S) → Gaussian of (N, D) each."""
        return to_gaussian(self.F, self.fc, self.encoder(images))

    def decode(self, z):
        """The mean image of each code: z (N, D) → (N, C, S, S), in (0, 1) for 'bernoulli'."""
        decoded = self.decoder(z)
        return self.F.sigmoid(decoded) if self.likelihood == "bernoulli" else decoded

    def forward(self, images, noise=None):
        """The pieces of the ELBO at one draw of z. noise: (N, D) standard normal, or None to draw it."""
        posterior = self.encode(images)
        decoded = self.decoder(posterior.sample(noise))  # (N, C, S, S)
        return Elbo(log_likelihood(self.F, decoded, images, self.likelihood, self.std), gaussian_kl(*posterior))

    def log_weights(self, images, draws=1):
        """log w = log p(x|z) + log p(z) − log q(z|x) at draws of z from q(z|x): (N, C, S, S) → (N, draws), in nats.

        The mean of log w is the ELBO, and the logarithm of the mean of w tends to log p(x): see
        ``mmlearn.ops.evidence.importance_weighted_bound``.
        """
        check_whole(draws, "draws")
        posterior, weights = self.encode(images), []
        for _ in range(draws):
            noise = torch.randn_like(posterior.mean)
            z = posterior.sample(noise)
            given_z = log_likelihood(self.F, self.decoder(z), images, self.likelihood, self.std)  # (N,)
            of_z = (noise.square() - z.square() + posterior.log_var).sum(1) / 2  # log p(z) − log q(z|x): log 2π cancels
            weights.append(given_z + of_z)
        return torch.stack(weights, 1)  # (N, draws)

    def reconstruct(self, images):
        """Through the mean of q(z|x), without a draw: (N, C, S, S) → (N, C, S, S)."""
        return self.decode(self.encode(images).mean)

    def sample(self, n, generator=None):
        """n mean images of codes drawn from the prior: (n, C, S, S)."""
        return self.decode(draw_prior(self, n, generator))

    def traverse(self, z, values):
        """Each number of one code moved through these values, the others kept: z (D,) → images (D, len(values), C, S, S)."""
        require(z.shape == (self.code,), "z", f"shape {tuple(z.shape)}", f"({self.code},): one code, such as encode(x).mean[0]")
        codes = traversals(z, values)  # (D, M, D)
        return self.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])


def active_units(means, threshold=0.01):
    """Which numbers of the code speak of the picture: those whose posterior mean varies (Burda, Grosse & Salakhutdinov 2016).

    means: μ(x) of many examples (N, D), N ≥ 2   threshold: of the variance over the examples   returns: (D,) bool

    >>> active_units(torch.tensor([[0.0, 1.0], [0.01, -1.0]])).tolist()
    [False, True]
    """
    require(means.ndim == 2 and len(means) >= 2, "means", f"shape {tuple(means.shape)}", "(N, D) with N ≥ 2 examples")
    return means.var(0) > threshold


def traversals(z, values):
    """z (D,), M values → (D, M, D): at [d, m] is z with its number d set to value m.

    >>> traversals(torch.tensor([7.0, 8.0]), [0.0, 1.0]).tolist()
    [[[0.0, 8.0], [1.0, 8.0]], [[7.0, 0.0], [7.0, 1.0]]]
    """
    values = torch.as_tensor(values, dtype=z.dtype, device=z.device)
    here = torch.eye(len(z), dtype=torch.bool, device=z.device)[:, None]  # (D, 1, D)
    return torch.where(here, values[None, :, None], z)  # (D, M, D)


def gaussian_head(features, code):
    """A linear layer to (mean, log_var), (N, features) → (N, 2·code). It starts small, so that q(z|x) starts near the prior."""
    fc = nn.Linear(features, 2 * code)
    nn.init.normal_(fc.weight, std=0.01)
    nn.init.zeros_(fc.bias)
    return fc


def to_gaussian(F, fc, features):
    """features (N, D') → the Gaussian that ``gaussian_head`` says."""
    return Gaussian(*F.linear(features, fc.weight, fc.bias).chunk(2, 1))


def draw_prior(model, n, generator=None):
    """n codes from N(0, 1), of the dtype and on the device of the model's weights: (n, D)."""
    check_whole(n, "n")
    weight = next(model.parameters())
    return torch.randn(n, model.code, generator=generator, dtype=weight.dtype, device=weight.device)
