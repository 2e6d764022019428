"""Image–text matching: one question for each pair, does this text describe this picture, asked where it is hard to say."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from mmlearn.ops.arguments import check_floating, check_whole, require, shape


class ImageTextMatching(nn.Module):
    """Features of a picture and of a text → the logit that they belong together: [a; b; a ⊙ b] – hidden layer – one number.

    a: (N, image_dim), b: (N, text_dim) → (N,). The product is taken of linear images of both, of size ``hidden``.

    >>> ImageTextMatching(8, 6)(torch.randn(5, 8), torch.randn(5, 6)).shape
    torch.Size([5])
    """

    def __init__(self, image_dim, text_dim, hidden=64):
        super().__init__()
        for name, size in {"image_dim": image_dim, "text_dim": text_dim, "hidden": hidden}.items():
            check_whole(size, name)
        self.of_image, self.of_text = nn.Linear(image_dim, hidden), nn.Linear(text_dim, hidden)
        self.out = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, a, b):
        a, b = self.of_image(a), self.of_text(b)  # (N, hidden)
        return self.out(torch.cat([a, b, a * b], 1)).squeeze(1)  # (N,)


def hard_negatives(similarity, same=None, generator=None):
    """P(j | i) ∝ e^{S_ij} over the wrong j: for each row a wrong column that looks right — Eq. 18.18 (Li et al. 2021).

    similarity: S (N, M), in the units of the logits (cosine times scale)   generator: where the draws come from
    same: (N, M) bool, columns that describe row i as well and so are no negatives; None: only column i does
    returns: (N,) int64. Raises ValueError for a row that has no wrong column: a batch of one, or one caption for all.
    """
    check_floating(similarity, "similarity", (2,), "(N, M)")
    if same is None:
        require(similarity.shape[0] == similarity.shape[1], "same", "None", f"flags for the {shape(similarity)} of similarity")
        same = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    require(same.shape == similarity.shape, "same", shape(same), f"similarity's {tuple(similarity.shape)}")
    none = same.all(1).nonzero().flatten().tolist()
    require(not none, "similarity", f"{len(none)} rows without a wrong column, the first of them {none[:1]}", "a larger batch")
    shares = similarity.detach().masked_fill(same, -torch.inf).softmax(1)  # (N, M)
    return torch.multinomial(shares, 1, generator=generator).squeeze(1)


def matching_loss(match, a, b, similarity, same=None, generator=None):
    """The mean of three binary cross-entropies: the right pairs, each picture with a hard text, each text with a hard picture.

    match: (N, …), (N, …) → (N,) logits   a, b: (N, …), row i of one belongs to row i of the other
    similarity, same, generator: as in ``hard_negatives``, (N, N)   returns: ()
    """
    same = torch.eye(len(a), dtype=torch.bool, device=a.device) if same is None else same
    text = hard_negatives(similarity, same, generator)  # for each picture
    picture = hard_negatives(similarity.mT, same.mT, generator)  # for each text
    logits = torch.cat([match(a, b), match(a, b[text]), match(a[picture], b)])  # (3N,)
    return binary_cross_entropy_with_logits(logits, (torch.arange(len(logits), device=a.device) < len(a)).to(logits.dtype))
