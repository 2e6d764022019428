"""The vision transformer (Dosovitskiy et al. 2021): an image as a sentence of patches."""

import torch
from torch import nn

from mmlearn.models.interface import check_images, functions
from mmlearn.models.transformer import Encoder
from mmlearn.ops.arguments import check_whole, require


def patchify(images, patch):
    """z[n, g·r + q, (c, u, v)] = x[n, c, p·r + u, p·q + v], g = W/p patches in a row — Eq. 10.13 (Dosovitskiy et al. 2021).

    Cuts images into square patches, row by row: (N, C, H, W) → (N, T, C·patch·patch), T = H/patch · W/patch.

    Within a patch the order is that of a convolution's weight: channel, row, column. Raises ValueError where sides do not divide.

    >>> patchify(torch.arange(16.0).view(1, 1, 4, 4), 2)[0]
    tensor([[ 0.,  1.,  4.,  5.],
            [ 2.,  3.,  6.,  7.],
            [ 8.,  9., 12., 13.],
            [10., 11., 14., 15.]])
    """
    check_whole(patch, "patch")
    require(images.ndim == 4, "images", f"shape {tuple(images.shape)}", "(N, C, H, W)")
    H, W = images.shape[2:]
    require(H % patch == 0 and W % patch == 0, "patch", patch, f"a divisor of both sides of the {H} × {W} images")
    x = images.unflatten(2, (-1, patch)).unflatten(4, (-1, patch))  # (N, C, H/p, p, W/p, p)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (N, T, C·p·p)


def unpatchify(patches, channels, size):
    """The images that ``patchify`` cut: (N, T, C·p·p) → (N, C, H, W), size = (H, W)."""
    H, W = size
    patch = round((patches.shape[2] / channels) ** 0.5)
    fits = patch > 0 and patches.shape[1] * patch * patch == H * W and channels * patch * patch == patches.shape[2]
    got = f"shape {tuple(patches.shape)}"
    require(fits and H % patch == 0, "patches", got, f"(N, T, C·p·p) of {channels} channels that fill {H} × {W} pixels")
    x = patches.unflatten(1, (H // patch, W // patch)).unflatten(3, (channels, patch, patch))  # (N, H/p, W/p, C, p, p)
    return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)  # (N, C, H, W)


class ViT(nn.Module):
    """patches – linear – class token and places – encoder blocks – layer norm – linear.

    images (N, channels, image_size, image_size) float → logits (N, classes)

    patch: side of a patch, a divisor of image_size   features: D, a multiple of heads   hidden: in each block, 4·D when None
    pool: 'class' reads the class token, 'mean' the mean of the patches (and there is no class token)
    eps: of the layer norms; published ViT weights expect 1e-6   the rest: as in ``Encoder``   F: see ``LeNet``
    Weights start as in the paper's code where it matters: places with a standard deviation of 0.02, the class token at 0.

    >>> ViT(image_size=8, patch=4, features=16, heads=2)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        image_size=28,
        channels=1,
        classes=10,
        F=torch.nn.functional,
        patch=4,
        features=64,
        heads=4,
        layers=4,
        pool="class",
        dropout=0.0,
        eps=1e-6,
        **options,
    ):
        super().__init__()
        check_whole(patch, "patch")
        divisors = [n for n in range(1, image_size + 1) if image_size % n == 0]
        near = min(divisors, key=lambda n: abs(n - patch))
        require(image_size % patch == 0, "patch", patch, f"a divisor of image_size={image_size}; {near} is near")
        require(pool in ("class", "mean"), "pool", repr(pool), "'class' or 'mean'")
        self.image_size, self.channels, self.patch, self.dropout = image_size, channels, patch, dropout
        self.grid = (image_size // patch, image_size // patch)
        self.F = functions(F, "linear", "dropout")
        self.projection = nn.Linear(channels * patch * patch, features)
        self.class_token = nn.Parameter(torch.zeros(1, 1, features)) if pool == "class" else None
        tokens = self.grid[0] * self.grid[1] + (pool == "class")
        self.places = nn.Parameter(torch.randn(1, tokens, features) * 0.02)
        self.encoder = Encoder(layers, features, heads, eps=eps, dropout=dropout, F=F, **options)
        self.fc = nn.Linear(features, classes)
        nn.init.xavier_uniform_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(self, images):
        return self.F.linear(self.features(images), self.fc.weight, self.fc.bias)  # (N, classes)

    def features(self, images):
        """One vector for each image: (N, D)."""
        tokens = self.encoder(self._embedded(images))  # (N, 1 + T, D) or (N, T, D)
        return tokens.mean(1) if self.class_token is None else tokens[:, 0]

    def sequence(self, images):
        """One vector for each patch, without the class token: (N, T, D)."""
        tokens = self.encoder(self._embedded(images))
        return tokens if self.class_token is None else tokens[:, 1:]

    def attention_maps(self, images):
        """How much each token takes of each other one: (layers, N, heads, L, L), L = 1 + T with a class token, else T.

        The class token is the first; ``maps[..., 0, 1:].unflatten(-1, model.grid)`` is where it looks in the image.
        """
        return self.encoder.attention_maps(self._embedded(images))

    def _embedded(self, images):
        check_images(images, self.channels, self.image_size)
        x = self.F.linear(patchify(images, self.patch), self.projection.weight, self.projection.bias)  # (N, T, D)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(len(x), -1, -1), x], 1)  # (N, 1 + T, D)
        return self.F.dropout(x + self.places, self.dropout, self.training)
