"""Compact bilinear pooling: a random sketch of all products of features, computed without the products."""

import math

import torch
from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.ops.arguments import check_whole, is_whole, require
from mmlearn.ops.bilinear import with_one
from mmlearn.ops.count_sketch import count_sketch, draw_tables, sketch_of_product


class CompactBilinear(Fusion):
    """A linear layer on the count sketch of [1; x] ⊗ [1; y] ⊗ … (Gao et al. 2016; Fukui et al. 2016).

    The tables that say where each feature goes, and with which sign, are drawn once, belong to the state_dict, and do not learn:
    weights that were trained on one sketch mean nothing to another. The largest weight matrix is (out_dim, sketch), however many
    modalities there are.
    An absent modality's features count as 0; its 1 stays: what remains is a sketch of the products of the others.

    sketch        d, how many numbers stand for all products
    append_one    whether each modality gets a constant 1; without it there are products alone, and an absent modality leaves 0
    seed          of the tables

    >>> fusion = CompactBilinear({"image": 512, "text": 512}, 128, sketch=1024)
    >>> sum(p.numel() for p in fusion.parameters())
    131200
    """

    def __init__(self, dims, out_dim, sketch=512, append_one=True, seed=0):
        super().__init__(dims, out_dim)
        check_whole(sketch, "sketch")
        require(is_whole(seed), "seed", repr(seed), "a whole number")
        self.sketch, self.append_one = sketch, bool(append_one)
        generator = torch.Generator().manual_seed(int(seed))
        for m, features in enumerate(self.dims.values()):
            hashes, signs = draw_tables(features + self.append_one, sketch, generator)
            self.register_buffer(f"hashes_{m}", hashes)
            self.register_buffer(f"signs_{m}", signs)
        self.out = nn.Linear(sketch, out_dim)

    def tables(self, name):
        """(hashes, signs) of one modality, (1 + D,) each, that of the constant 1 first."""
        require(name in self.dims, "name", repr(name), f"one of {', '.join(map(repr, self.names))}")
        m = self.names.index(name)
        return getattr(self, f"hashes_{m}"), getattr(self, f"signs_{m}")

    def sketched(self, features):
        """The sketch of all products.   features: modality → (N, D)   returns: (N, sketch)"""
        sketches = []
        for name in self.names:
            x = with_one(features[name]) if self.append_one else features[name]
            sketches.append(count_sketch(x, *self.tables(name), self.sketch))
        return sketch_of_product(sketches)

    def fuse(self, features, present):
        return self.out(self.sketched(features))

    def products(self):
        """Multiplications for one example, an FFT of d real numbers counted as d·log₂ d."""
        d, M = self.sketch, len(self.dims)
        transforms = math.ceil((M + 1) * d * math.log2(d))
        return transforms + 4 * (M - 1) * (d // 2 + 1) + self.out_dim * d
