"""Autoencoders: networks that rebuild their input from a code that cannot hold everything (Hinton & Salakhutdinov 2006).

Each has ``encode``, ``decode`` and ``forward``, which is both; ``reconstruction_error`` is how badly an example is rebuilt.
"""

import itertools
import math

import torch
from torch import nn

from mmlearn.models.conv_coder import ImageDecoder, ImageEncoder
from mmlearn.models.interface import functions
from mmlearn.ops.arguments import check_whole, require

ACTIVATIONS = ("sigmoid", "tanh", "relu", "linear")


class DenseAutoencoder(nn.Module):
    """z = σ(W_z x + b_z),  x̂ = σ(W_x̂ z + b_x̂), with more layers in between where ``hidden`` has sizes.

    x (N, …) float with ``inputs`` numbers each → x̂ of x's shape; the code z is (N, code)

    activation: of hidden layers and code, output: of x̂; 'sigmoid', 'tanh', 'relu' or 'linear', which is none
    F: see ``LeNet``. Weights start as Glorot & Bengio (2010) derive. With 'linear' twice and no hidden layer, the code spans the
    subspace of the first principal components once it is trained on centred data (Baldi & Hornik 1989).

    >>> DenseAutoencoder(64, code=2, hidden=(32,))(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(self, inputs, code, hidden=(), activation="sigmoid", output="sigmoid", F=torch.nn.functional):
        super().__init__()
        sizes = (inputs, *hidden, code)
        for size in sizes:
            check_whole(size, "inputs, hidden and code")
        for name, value in {"activation": activation, "output": output}.items():
            require(value in ACTIVATIONS, name, repr(value), " or ".join(map(repr, ACTIVATIONS)))
        self.inputs, self.code, self.activation, self.output = inputs, code, activation, output
        self.F = functions(F, "linear", *{activation, output} - {"linear"})
        self.encoder = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.decoder = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes[::-1]))
        for layer in (*self.encoder, *self.decoder):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.decode(self.encode(x)).view(x.shape)

    def encode(self, x):
        """z = σ(W_z·x + b_z), one layer of it for each size of ``hidden`` and one for the code — Eq. 11.1.

        x (N, …) → z (N, code)
        """
        require(x.ndim >= 2 and math.prod(x.shape[1:]) == self.inputs, "x", f"shape {tuple(x.shape)}", f"(N, {self.inputs})")
        z = x.flatten(1)  # (N, inputs)
        for layer in self.encoder:
            z = self._activate(self.activation, self.F.linear(z, layer.weight, layer.bias))  # (N, code) at the end
        return z

    def decode(self, z):
        """x̂ = σ(W_x̂·z + b_x̂), the same sizes the other way round — Eq. 11.2.

        z (N, code) → x̂ (N, inputs)
        """
        require(z.ndim == 2 and z.shape[1] == self.code, "z", f"shape {tuple(z.shape)}", f"(N, {self.code})")
        *hidden, last = self.decoder
        for layer in hidden:
            z = self._activate(self.activation, self.F.linear(z, layer.weight, layer.bias))
        return self._activate(self.output, self.F.linear(z, last.weight, last.bias))  # (N, inputs)

    def _activate(self, name, x):
        return x if name == "linear" else getattr(self.F, name)(x)


class ConvAutoencoder(nn.Module):
    """Strided convolutions to a code, and transposed convolutions back to an image in (0, 1) (Masci et al. 2011).

    images (N, channels, image_size, image_size) float in [0, 1] → x̂ of the same shape; the code z is (N, code), real numbers

    image_size, widths, hidden: as in ``ImageEncoder``   F: see ``LeNet``

    >>> ConvAutoencoder(image_size=8, code=2)(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(self, image_size=28, channels=1, code=16, widths=(16, 32), hidden=128, F=torch.nn.functional):
        super().__init__()
        self.F = functions(F, "linear", "sigmoid")
        self.encoder = ImageEncoder(image_size, channels, widths, hidden, F)
        self.fc = nn.Linear(hidden, code)
        self.decoder = ImageDecoder(image_size, channels, code, widths, hidden, F)

    def forward(self, images):
        return self.decode(self.encode(images))

    def encode(self, images):
        """images (N, C, S, S) → z (N, code)"""
        return self.F.linear(self.encoder(images), self.fc.weight, self.fc.bias)

    def decode(self, z):
        """z (N, code) → images (N, C, S, S) in (0, 1)"""
        return self.F.sigmoid(self.decoder(z))


class DenoisingAutoencoder(nn.Module):
    """An autoencoder that is given a spoilt input while it trains, and is to rebuild the clean one (Vincent et al. 2008).

    autoencoder: the one that is trained   std, dropped: as in ``corrupt``; the loss compares forward(x) with x itself
    While it does not train, the input is taken as it is: it may be noisy already.

    >>> DenoisingAutoencoder(DenseAutoencoder(64, code=16), std=0.3)(torch.rand(5, 64)).shape
    torch.Size([5, 64])
    """

    def __init__(self, autoencoder, std=0.0, dropped=0.0):
        super().__init__()
        _check_corruption(std, dropped)
        self.autoencoder, self.std, self.dropped = autoencoder, std, dropped

    def forward(self, x):
        return self.autoencoder(corrupt(x, self.std, self.dropped) if self.training else x)

    def encode(self, x):
        return self.autoencoder.encode(x)

    def decode(self, z):
        return self.autoencoder.decode(z)


class SparseAutoencoder(nn.Module):
    """A dense autoencoder with a sigmoid code, most of which is to be near zero; the code may be larger than the input.

    sparsity: as in ``sparsity_penalty``, to be added to the loss: ``mse_loss(model.decode(z), x) + weight * model.penalty(z)``
    The rest: as in ``DenseAutoencoder``

    >>> model = SparseAutoencoder(64, code=100)
    >>> model.penalty(model.encode(torch.rand(5, 64))) > 0
    tensor(True)
    """

    def __init__(self, inputs, code, hidden=(), sparsity=0.05, output="sigmoid", F=torch.nn.functional):
        super().__init__()
        _check_sparsity(sparsity)
        self.autoencoder, self.sparsity = DenseAutoencoder(inputs, code, hidden, "sigmoid", output, F), sparsity

    def forward(self, x):
        return self.autoencoder(x)

    def encode(self, x):
        return self.autoencoder.encode(x)

    def decode(self, z):
        return self.autoencoder.decode(z)

    def penalty(self, z):
        return sparsity_penalty(z, self.sparsity)


def reconstruction_loss(output, target):
    """L = 1/N Σₙ‖x̂ₙ − xₙ‖², a sum over the numbers of an example and a mean over examples — Eq. 11.3.

    output x̂, target x: (N, …) of one shape   returns: ()

    >>> reconstruction_loss(torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
    tensor(3.)
    """
    expected = f"target's shape {tuple(target.shape)}: broadcasting would hide a mistake"
    require(output.shape == target.shape, "output", f"shape {tuple(output.shape)}", expected)
    return (output - target).square().flatten(1).sum(1).mean()


def sparsity_penalty(z, sparsity=0.05):
    """Σ_j KL(ρ‖ρ̂_j) = Σ_j ρ·log(ρ/ρ̂_j) + (1 − ρ)·log((1 − ρ)/(1 − ρ̂_j)) in nats — Eq. 11.10 (Ng 2011, lecture notes).

    ρ̂_j is the mean of the code's number j over the batch.

    z: (N, code) in [0, 1]   sparsity: ρ, what each number of the code shall be on average   returns: ()

    >>> sparsity_penalty(torch.full((5, 100), 0.05))
    tensor(0.)
    """
    _check_sparsity(sparsity)
    expected = "numbers from 0 to 1, as a sigmoid gives them"
    require(bool(((z >= 0) & (z <= 1)).all()), "z", f"{z.min():g} to {z.max():g}", expected)
    used = z.mean(0).clamp(1e-6, 1 - 1e-6)  # (code,); log 0 for a number that is never used
    return (sparsity * torch.log(sparsity / used) + (1 - sparsity) * torch.log((1 - sparsity) / (1 - used))).sum()


def sparsity_gradient(z, sparsity=0.05):
    """∂/∂z_nj Σ KL(ρ‖ρ̂_j) = 1/N·(−ρ/ρ̂_j + (1 − ρ)/(1 − ρ̂_j)), the same for every example of the batch — Eq. 11.11.

    z: (N, code) in [0, 1]   sparsity: ρ   returns: (N, code)

    >>> sparsity_gradient(torch.full((2, 1), 0.5), sparsity=0.25).tolist()  # ½·(−½ + 3/2)
    [[0.5], [0.5]]
    """
    _check_sparsity(sparsity)
    used = z.mean(0).clamp(1e-6, 1 - 1e-6)  # (code,)
    return ((1 - sparsity) / (1 - used) - sparsity / used).expand_as(z) / len(z)


def corrupt(x, std=0.0, dropped=0.0, generator=None):
    """x with Gaussian noise of this standard deviation, then with this share of its numbers, drawn at random, set to zero.

    x: any shape   generator: of the draws, None for torch's own   returns: x's shape; not clipped to the range of x
    """
    _check_corruption(std, dropped)
    draws = {"generator": generator, "dtype": x.dtype, "device": x.device}
    noisy = x + std * torch.randn(x.shape, **draws) if std > 0 else x
    return noisy * (torch.rand(x.shape, **draws) >= dropped) if dropped > 0 else noisy


@torch.no_grad()
def reconstruction_error(autoencoder, x):
    """The mean squared error of each example: (N, …) → (N,). Large where x is unlike the training data: an anomaly score."""
    return (autoencoder(x) - x).square().flatten(1).mean(1)


def _check_corruption(std, dropped):
    require(std >= 0, "std", std, "a number ≥ 0")
    require(0 <= dropped <= 1, "dropped", dropped, "a share from 0 to 1")


def _check_sparsity(sparsity):
    require(0 < sparsity < 1, "sparsity", sparsity, "a number between 0 and 1")
