"""Skip-gram with negative sampling: two vectors for each word, one as a word and one as a neighbour."""

import torch
from torch import nn

from mmlearn.models.interface import functions
from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.divergence import skip_gram_negative_sampling


class SkipGram(nn.Module):
    """words (V, D) and contexts (V, D), trained to tell a word's real neighbours from noise (Mikolov et al. 2013).

    pairs (N, 2) int64, negatives (N, K) int64 → the loss, a mean over the pairs

    vocabulary_size: V   features: D   F: the functional namespace of the lookups; the loss is mmlearn.ops'
    Both tables start as small random numbers: with both at zero, no gradient would come through.

    >>> model = SkipGram(vocabulary_size=6, features=4)
    >>> pairs = torch.tensor([[0, 1], [1, 2], [2, 1]])
    >>> model(pairs, pairs[torch.randint(3, (3, 5)), 1]).shape
    torch.Size([])
    """

    def __init__(self, vocabulary_size, features=16, F=torch.nn.functional):
        super().__init__()
        for name, size in {"vocabulary_size": vocabulary_size, "features": features}.items():
            check_whole(size, name)
        self.F = functions(F, "embedding")
        self.words, self.contexts = (nn.Embedding(vocabulary_size, features) for _ in range(2))
        for table in (self.words, self.contexts):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pairs, negatives):
        require(pairs.dim() == 2 and pairs.shape[1] == 2, "pairs", f"shape {tuple(pairs.shape)}", "(N, 2): words, neighbours")
        got = f"shape {tuple(negatives.shape)}"
        require(negatives.dim() == 2 and len(negatives) == len(pairs), "negatives", got, f"({len(pairs)}, K): K words a pair")
        centre = self.F.embedding(pairs[:, 0], self.words.weight)  # (N, D)
        context = self.F.embedding(pairs[:, 1], self.contexts.weight)  # (N, D)
        negative = self.F.embedding(negatives, self.contexts.weight)  # (N, K, D)
        return skip_gram_negative_sampling(centre, context, negative)

    def products(self):
        """x(w, c) = u_c·v_w for every word w and neighbour c: (V, V), without gradient."""
        with torch.no_grad():
            return self.words.weight @ self.contexts.weight.T
