"""A transformer encoder that reads text: words with places, encoder blocks, one vector for each token or for the text."""

import math

import torch
from torch import nn

from mmlearn.models.interface import functions
from mmlearn.models.padding import POOLS, check_tokens, pool
from mmlearn.models.transformer import Encoder
from mmlearn.ops.arguments import check_whole, require
from mmlearn.ops.positions import sinusoidal_positions

POSITIONS = ("learned", "sinusoidal")


class TokenEmbedding(nn.Module):
    """A row for each word plus a row for each place.

    ids (N, T) int64, T ≤ length → (N, T, D)

    positions: 'learned', a table (length, D), or 'sinusoidal', fixed (Vaswani et al. 2017); there words are multiplied by √D, so
    that both have the same size. Tables start with a standard deviation of 0.02, words beside sinusoids with 1/√D.
    """

    def __init__(self, vocabulary_size, length, features, positions="learned", F=torch.nn.functional):
        super().__init__()
        for name, size in {"vocabulary_size": vocabulary_size, "length": length, "features": features}.items():
            check_whole(size, name)
        require(positions in POSITIONS, "positions", repr(positions), " or ".join(map(repr, POSITIONS)))
        self.F, self.learned = functions(F, "embedding"), positions == "learned"
        self.words = nn.Embedding(vocabulary_size, features)
        nn.init.normal_(self.words.weight, std=0.02 if self.learned else features**-0.5)
        if self.learned:
            self.places = nn.Parameter(torch.randn(length, features) * 0.02)
        else:
            self.register_buffer("places", sinusoidal_positions(length, features))

    def forward(self, ids):
        words = self.F.embedding(ids, self.words.weight)  # (N, T, D)
        scale = 1.0 if self.learned else math.sqrt(words.shape[-1])
        return scale * words + self.places[: ids.shape[1]]


class TextTransformer(nn.Module):
    """embedding – encoder blocks – pool – linear: a text classifier.

    ids (N, T) int64, mask (N, T) bool, True on a token → logits (N, classes)

    length: the greatest T   features: D, a multiple of heads   hidden: in each block, 4·D when None
    pool: 'mean' or 'max' over the tokens, 'first' as BERT does (encode the texts with start=True), or 'last'
    positions: 'learned' or 'sinusoidal'   norm_first, activation, dropout: as in ``EncoderBlock``   F: see ``LeNet``
    A text of padding alone has features of zero.

    >>> model = TextTransformer(vocabulary_size=20, classes=2, features=8, heads=2)
    >>> model(torch.tensor([[4, 7, 6], [5, 0, 0]]), torch.tensor([[True, True, True], [True, False, False]])).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        vocabulary_size,
        classes,
        F=torch.nn.functional,
        length=64,
        features=64,
        heads=4,
        layers=2,
        pool="mean",
        positions="learned",
        dropout=0.0,
        **options,
    ):
        super().__init__()
        require(pool in POOLS, "pool", repr(pool), " or ".join(map(repr, POOLS)))
        check_whole(classes, "classes")
        self.vocabulary_size, self.length, self.pool, self.dropout = vocabulary_size, length, pool, dropout
        self.F = functions(F, "linear", "dropout")
        self.embedding = TokenEmbedding(vocabulary_size, length, features, positions, F)
        self.encoder = Encoder(layers, features, heads, dropout=dropout, F=F, **options)
        self.fc = nn.Linear(features, classes)

    def forward(self, ids, mask=None):
        return self.F.linear(self.features(ids, mask), self.fc.weight, self.fc.bias)  # (N, classes)

    def features(self, ids, mask=None):
        """One vector for each text: (N, D)."""
        x, mask = self._embedded(ids, mask)
        return pool(self.encoder(x, mask), mask, self.pool)  # (N, D)

    def sequence(self, ids, mask=None):
        """One vector for each token: (N, T, D), zero on padding."""
        return self.encoder(*self._embedded(ids, mask))

    def attention_maps(self, ids, mask=None):
        """How much each token takes of each other one, by block and head: (layers, N, heads, T, T)."""
        return self.encoder.attention_maps(*self._embedded(ids, mask))

    def _embedded(self, ids, mask):
        mask = check_tokens(ids, mask, self.vocabulary_size, self.length)
        return self.F.dropout(self.embedding(ids), self.dropout, self.training), mask  # (N, T, D), (N, T)
