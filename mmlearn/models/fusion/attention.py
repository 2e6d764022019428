"""Fusion by attention: modalities look at one another's tokens and take what they need.

No operator knows where a token stands: the order of a modality's tokens changes nothing. Encoders add places (chapter 10).
Each takes (N, T, dims[name]), or (N, dims[name]) for one token. ``weights`` says where it looks, in the shapes of ``forward``.
"""

import torch
from torch import nn

from mmlearn.models.fusion.interface import Fusion
from mmlearn.models.fusion.tokens import Tokens, joined, parted
from mmlearn.models.padding import pool
from mmlearn.models.transformer import MultiHeadAttention
from mmlearn.ops.arguments import check_whole
from mmlearn.ops.gated_residual import gated_residual


def one_key(attention, token):
    """W_O (W_V m + b_V) + b_O: what attention takes from a single token m, whatever the query is — Eq. 17.3.

    The softmax over one key is 1: no score, and so no query, has a say.
    attention: MultiHeadAttention   token: (N, 1, D)   returns: (N, 1, D)
    """
    weight, bias = attention.in_proj_weight.chunk(3)[2], attention.in_proj_bias.chunk(3)[2]
    return attention.out_proj(nn.functional.linear(token, weight, bias))


def _feed_forward(features, hidden):
    """LN, then two linear layers on each token with a GELU between; None for a width of 0."""
    hidden = 4 * features if hidden is None else hidden
    check_whole(hidden, "hidden", minimum=0)
    if hidden == 0:
        return None
    return nn.Sequential(nn.LayerNorm(features), nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, features))


def _look(attention, query, memory, mask):
    """What each query takes from the memory; zeros where there is nothing to look at.   → (N, L, D)"""
    return attention(query, memory, mask[:, None, None]).where(mask.any(1)[:, None, None], 0)


class _Looking(Fusion):
    """One modality asks, the others are looked at."""

    takes_tokens = True
    fewest = 2

    def __init__(self, dims, out_dim, query=None, features=64, heads=4, norm=True):
        super().__init__(dims, out_dim)
        query = self.names[-1] if query is None else query
        self.check_names([query], "query")
        self.query, self.memory = query, tuple(name for name in self.names if name != query)
        self.tokens = Tokens(self.dims, features, norm)
        self.attention = MultiHeadAttention(features, heads)
        self.out = nn.Linear(features, out_dim)

    def _both(self, features, masks):
        """The tokens that ask and their mask, the tokens that are looked at and theirs."""
        tokens = self.tokens(features)
        return *self.tokens.asking(self.query, tokens[self.query], masks[self.query]), *joined(tokens, masks, self.memory)

    def weights(self, inputs, present=None, masks=None):
        """Where each token of the query looks: modality → (N, h, L, T).

        Over all modalities, rows add up to 1, or to 0 where there is none. An absent query is one token, whose weights stand in
        every row.
        """
        features, _, masks = self.prepare(inputs, present, masks)
        query, _, memory, seen = self._both(features, masks)
        return parted(self._weights(query, memory, seen), features, self.memory)

    def _weights(self, query, memory, seen):
        return self.attention.weights(query, memory, seen[:, None, None])


class CrossAttention(_Looking):
    """One modality's tokens look at those of all others.   {name: (N, T, dims[name])} → (N, out_dim)

    query    the modality that asks; the last one, when None
    features, heads    of the attention   norm: LayerNorm on each token that comes in; see ``Tokens``
    hidden   width of two linear layers on each token after the look; 0 leaves them out, None means 4·features
    Without anything to look at, nothing is added to the query; without a query, a learned vector asks in its place.

    >>> import torch
    >>> look = CrossAttention({"image": 8, "text": 6}, out_dim=5)
    >>> look({"image": torch.zeros(2, 9, 8), "text": torch.zeros(2, 4, 6)}).shape
    torch.Size([2, 5])
    """

    def __init__(self, dims, out_dim, query=None, features=64, heads=4, hidden=0, norm=True):
        super().__init__(dims, out_dim, query, features, heads, norm)
        self.feed_forward = _feed_forward(features, hidden)

    def fuse(self, features, present, masks):
        """out(mean_l y_l) with y = x + MHA(x, m): the query's tokens x look at the others' m — Eq. 17.1 (Vaswani et al. 2017)."""
        x, asks, memory, seen = self._both(features, masks)
        x = x + _look(self.attention, x, memory, seen)
        if self.feed_forward is not None:
            x = x + self.feed_forward(x)
        return self.out(pool(x, asks, "mean"))


class GatedCrossAttention(_Looking):
    """Cross-attention behind gates that start closed, so that it begins as the query's own model (Flamingo, Alayrac et al. 2022).

    {name: (N, T, dims[name])} → (N, out_dim)

    y = x + tanh(α) MHA(LN(x), m), then y + tanh(β) W_2 GELU(W_1 LN(y)), with one α and one β, both ``gate`` at the start. At 0
    the result is that of the query alone, and only the gates receive a gradient; the rest follows once they have moved.
    query, features, heads, norm: as in ``CrossAttention``   hidden: 4·features when None; 0 leaves the second step out
    Without anything to look at, both steps are left out: such an example is the query's alone, however the gates stand.
    """

    def __init__(self, dims, out_dim, query=None, features=64, heads=4, hidden=None, norm=True, gate=0.0):
        super().__init__(dims, out_dim, query, features, heads, norm)
        self.norm = nn.LayerNorm(features)
        self.feed_forward = _feed_forward(features, hidden)
        self.gate = nn.Parameter(torch.tensor(float(gate)))
        if self.feed_forward is not None:
            self.feed_forward_gate = nn.Parameter(torch.tensor(float(gate)))

    def fuse(self, features, present, masks):
        """See the class."""
        x, asks, memory, seen = self._both(features, masks)
        some = seen.any(1)[:, None, None]  # (N, 1, 1)
        look = _look(self.attention, self.norm(x), memory, seen)
        x = gated_residual(x, look.to(x.dtype), self.gate)  # .to: with mixed precision a part comes in another type
        if self.feed_forward is not None:
            x = gated_residual(x, self.feed_forward(x).where(some, 0).to(x.dtype), self.feed_forward_gate)
        return self.out(pool(x, asks, "mean"))

    def _weights(self, query, memory, seen):
        return super()._weights(self.norm(query), memory, seen)


class CoAttention(Fusion):
    """Each modality's tokens look at those of all others (Lu et al. 2016; with heads, as in ViLBERT, Lu et al. 2019).

    {name: (N, T, dims[name])} → (N, out_dim)

    features, heads, hidden, norm: as in ``CrossAttention``, with attention of its own for each modality
    An absent modality is not looked at, and the vector it would have become is zeros.
    """

    takes_tokens = True
    fewest = 2

    def __init__(self, dims, out_dim, features=64, heads=4, hidden=0, norm=True):
        super().__init__(dims, out_dim)
        self.tokens = Tokens(self.dims, features, norm)
        self.attention = nn.ModuleDict({name: MultiHeadAttention(features, heads) for name in self.names})
        steps = {name: _feed_forward(features, hidden) for name in self.names}
        self.feed_forward = nn.ModuleDict(steps) if hidden != 0 else None
        self.out = nn.Linear(len(self.names) * features, out_dim)

    def fuse(self, features, present, masks):
        """out([y_1; y_2; …]) with y_m the mean token of x_m + MHA_m(x_m, all others' tokens) — Eq. 17.4 (Lu et al. 2019)."""
        tokens, fused = self.tokens(features), []
        for name in self.names:
            memory, seen = joined(tokens, masks, self._others(name))
            x = tokens[name] + _look(self.attention[name], tokens[name], memory, seen)
            if self.feed_forward is not None:
                x = x + self.feed_forward[name](x)
            fused.append(pool(x, masks[name], "mean"))
        return self.out(torch.cat(fused, 1))

    def weights(self, inputs, present=None, masks=None):
        """Where each modality looks: asking modality → modality looked at → (N, h, L, T)."""
        features, _, masks = self.prepare(inputs, present, masks)
        tokens, looks = self.tokens(features), {}
        for name in self.names:
            memory, seen = joined(tokens, masks, self._others(name))
            found = self.attention[name].weights(tokens[name], memory, seen[:, None, None])
            looks[name] = parted(found, features, self._others(name))
        return looks

    def _others(self, name):
        return tuple(other for other in self.names if other != name)


class QueryPooling(Fusion):
    """A few learned vectors look at all tokens (Perceiver, Jaegle et al. 2021; the Q-Former of BLIP-2, Li et al. 2023).

    {name: (N, T, dims[name])} → (N, out_dim)

    queries: R, how many   features, heads, hidden, norm: as in ``CrossAttention``
    The cost is R looks, however many tokens there are; absent modalities are not looked at. Both papers go on with
    self-attention among the queries; that is ``mmlearn.models.transformer.EncoderBlock``.

    >>> import torch
    >>> pool = QueryPooling({"sound": 8}, out_dim=5, queries=3)
    >>> pool({"sound": torch.zeros(2, 100, 8)}).shape
    torch.Size([2, 5])
    """

    takes_tokens = True

    def __init__(self, dims, out_dim, queries=4, features=64, heads=4, hidden=0, norm=True):
        super().__init__(dims, out_dim)
        check_whole(queries, "queries")
        self.tokens = Tokens(self.dims, features, norm)
        self.queries = nn.Parameter(torch.randn(queries, features))
        self.attention = MultiHeadAttention(features, heads)
        self.feed_forward = _feed_forward(features, hidden)
        self.out = nn.Linear(queries * features, out_dim)

    def fuse(self, features, present, masks):
        """out([y_1; …; y_R]) with y_i = r_i + MHA(r_i, m), r_i learned, m the tokens of all — Eq. 17.5 (Jaegle et al. 2021)."""
        memory, seen = joined(self.tokens(features), masks, self.names)
        asked = self.queries.expand(len(memory), -1, -1)  # (N, R, D)
        x = asked + _look(self.attention, asked, memory, seen)
        if self.feed_forward is not None:
            x = x + self.feed_forward(x)
        return self.out(x.flatten(1))

    def weights(self, inputs, present=None, masks=None):
        """Where each learned query looks: modality → (N, h, R, T); rows add up to 1 over all modalities."""
        features, _, masks = self.prepare(inputs, present, masks)
        memory, seen = joined(self.tokens(features), masks, self.names)
        found = self.attention.weights(self.queries.expand(len(memory), -1, -1), memory, seen[:, None, None])
        return parted(found, features, self.names)
