"""The transformer's parts (Vaswani et al. 2017): multi-head attention, and the blocks of an encoder and of a decoder.

A mask is bool and True where a query may attend, as in scaled_dot_product_attention. The blocks hold their parameters under the
names of torch.nn.TransformerEncoderLayer and TransformerDecoderLayer, so that ``load_state_dict`` carries weights both ways.
"""

import torch
from torch import nn

from mmlearn.models.interface import functions
from mmlearn.ops.arguments import check_floating, check_whole, require
from mmlearn.ops.attention import attention_weights

ACTIVATIONS = ("gelu", "relu", "silu")


def split_heads(x, heads):
    """(N, T, D) → (N, heads, T, D/heads)"""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def join_heads(x):
    """(N, heads, T, D/heads) → (N, T, D)"""
    return x.transpose(1, 2).flatten(2)


def attention_mask(mask, length, causal=False, device=None):
    """Which keys each query may attend to: (N, 1, 1, S) or (N, 1, L, S) bool for all heads alike, or None for all of them.

    mask: (N, S) bool, True on a token, or None   length: L   causal: query l attends to the keys 0 … l alone, S = L

    >>> attention_mask(torch.tensor([[True, True, False]]), 3, causal=True)[0, 0].int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [1, 1, 0]], dtype=torch.int32)
    """
    if mask is not None:
        good = mask.dtype == torch.bool and mask.dim() == 2
        require(good, "mask", f"{mask.dtype} of shape {tuple(mask.shape)}", "bool (N, S), True on a token")
    keys = None if mask is None else mask[:, None, None, :]  # (N, 1, 1, S)
    if not causal:
        return keys
    past = torch.ones(length, length, dtype=torch.bool, device=device if mask is None else mask.device).tril()  # (L, S)
    return past[None, None] if keys is None else keys & past  # (N, 1, L, S)


class MultiHeadAttention(nn.Module):
    """Concat(head_1, …, head_h) W_Oᵀ + b_O, with head_i = attention(Q W_Qiᵀ, K W_Kiᵀ, V W_Viᵀ) (Vaswani et al. 2017).

    query (N, L, D), memory (N, S, D), mask that broadcasts to (N, heads, L, S) → (N, L, D)

    features: D, a multiple of heads   dropout: on the attention weights, while training   F: see ``LeNet``
    Without a memory the query attends to itself. A query that may attend to nothing takes nothing: its output is b_O.
    The parameters are those of torch.nn.MultiheadAttention: W_Q, W_K and W_V one below the other in in_proj_weight.

    >>> MultiHeadAttention(8, heads=2)(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, features, heads, dropout=0.0, F=torch.nn.functional):
        super().__init__()
        check_whole(heads, "heads")
        near = [n for n in range(1, features + 1) if features % n == 0]
        divisor = min(near, key=lambda n: abs(n - heads))
        require(features % heads == 0, "heads", heads, f"a divisor of the {features} features; {divisor} is near")
        self.features, self.heads, self.dropout = features, heads, dropout
        self.F = functions(F, "linear", "scaled_dot_product_attention")
        self.in_proj_weight = nn.Parameter(torch.empty(3 * features, features))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * features))
        self.out_proj = nn.Linear(features, features)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query, memory=None, mask=None):
        q, k, v = self._projected(query, memory, mask)  # (N, h, L, D/h), (N, h, S, D/h), (N, h, S, D/h)
        p = self.dropout if self.training else 0.0
        nothing = None
        if mask is not None:  # zeros for a row without a key, in every namespace: softmax over nothing would be NaN
            nothing = ~mask.any(-1, keepdim=True)
            mask = mask | nothing
        mixed = self.F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p)  # (N, h, L, D/h)
        if nothing is not None:
            mixed = mixed.masked_fill(nothing, 0)
        return self.F.linear(join_heads(mixed), self.out_proj.weight, self.out_proj.bias)  # (N, L, D)

    def weights(self, query, memory=None, mask=None):
        """How much each query takes of each value: (N, h, L, S), for looking at; rows sum to one, or to zero without a key."""
        q, k, _ = self._projected(query, memory, mask)
        return attention_weights(q, k, mask)

    def _projected(self, query, memory, mask):
        memory = query if memory is None else memory
        for name, x in {"query": query, "memory": memory}.items():
            check_floating(x, name, (3,), f"(N, T, {self.features})")
            require(x.shape[2] == self.features, name, f"shape {tuple(x.shape)}", f"(N, T, {self.features})")
            require(x.shape[1] >= 1, name, f"shape {tuple(x.shape)}", f"(N, T, {self.features}) with at least one token")
        require(len(memory) == len(query), "memory", f"shape {tuple(memory.shape)}", f"a batch of {len(query)}, as query is")
        if mask is not None:
            size = (len(query), self.heads, query.shape[1], memory.shape[1])
            sizes = zip(mask.shape[::-1], size[::-1], strict=False)
            fits = mask.dtype == torch.bool and 1 <= mask.dim() <= 4 and all(n in (1, whole) for n, whole in sizes)
            require(
                fits, "mask", f"{mask.dtype} of shape {tuple(mask.shape)}", f"bool that broadcasts to {size}: (N, heads, L, S)"
            )
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        return [
            split_heads(self.F.linear(x, weight, bias), self.heads)
            for x, weight, bias in zip((query, memory, memory), weights, biases, strict=True)
        ]


class EncoderBlock(nn.Module):
    """Attention among the tokens, then two linear layers on each token; each adds to its input.

    x (N, T, D), mask that broadcasts to (N, heads, T, T) → (N, T, D)

    norm_first: True x + f(norm(x)), pre-norm (Xiong et al. 2020); False norm(x + f(x)), post-norm, as in 2017
    hidden: width between the two linear layers, 4·D when None   dropout: on the attention weights and on what is added
    activation: 'gelu', 'relu' or 'silu'   F: see ``LeNet``
    """

    def __init__(
        self,
        features,
        heads,
        hidden=None,
        dropout=0.0,
        norm_first=True,
        activation="gelu",
        eps=1e-5,
        F=torch.nn.functional,
    ):
        super().__init__()
        hidden = 4 * features if hidden is None else hidden
        require(activation in ACTIVATIONS, "activation", repr(activation), " or ".join(map(repr, ACTIVATIONS)))
        self.dropout, self.norm_first, self.activation = dropout, norm_first, activation
        self.F = functions(F, "linear", "layer_norm", "dropout", activation)
        self.self_attn = MultiHeadAttention(features, heads, dropout, F)
        self.linear1, self.linear2 = nn.Linear(features, hidden), nn.Linear(hidden, features)
        self.norm1, self.norm2 = nn.LayerNorm(features, eps), nn.LayerNorm(features, eps)

    def forward(self, x, mask=None):
        """y = x + MHA(LN(x)), then y + W_2 φ(W_1 LN(y) + b_1) + b_2 — Eq. 10.8 (Vaswani et al. 2017, Xiong et al. 2020).

        φ is the block's activation: GELU, unless another was named.
        """
        x = add(self, x, self.norm1, lambda y: self.self_attn(y, mask=mask))
        return add(self, x, self.norm2, lambda y: feed_forward(self, y))

    def weights(self, x, mask=None):
        """The attention weights of this block for input x: (N, h, T, T)."""
        return self.self_attn.weights(normed(self.F, self.norm1, x) if self.norm_first else x, mask=mask)


class DecoderBlock(nn.Module):
    """Attention to the tokens before, then, with a memory, attention to that, then two linear layers; each adds to its input.

    x (N, T, D), memory (N, S, D) → (N, T, D)

    mask: (N, T) bool, True on a token, or None   memory_mask: (N, S) bool, True where there is something, or None
    cross_attention: False leaves the memory out, for a language model   the rest: as in ``EncoderBlock``
    """

    def __init__(
        self,
        features,
        heads,
        hidden=None,
        dropout=0.0,
        norm_first=True,
        activation="gelu",
        cross_attention=True,
        eps=1e-5,
        F=torch.nn.functional,
    ):
        super().__init__()
        hidden = 4 * features if hidden is None else hidden
        require(activation in ACTIVATIONS, "activation", repr(activation), " or ".join(map(repr, ACTIVATIONS)))
        self.dropout, self.norm_first, self.activation = dropout, norm_first, activation
        self.F = functions(F, "linear", "layer_norm", "dropout", activation)
        self.self_attn = MultiHeadAttention(features, heads, dropout, F)
        self.multihead_attn = MultiHeadAttention(features, heads, dropout, F) if cross_attention else None
        self.linear1, self.linear2 = nn.Linear(features, hidden), nn.Linear(hidden, features)
        self.norm1, self.norm3 = nn.LayerNorm(features, eps), nn.LayerNorm(features, eps)
        self.norm2 = nn.LayerNorm(features, eps) if cross_attention else None

    def forward(self, x, memory=None, mask=None, memory_mask=None):
        crosses = self.multihead_attn is not None
        require((memory is not None) == crosses, "memory", "none" if memory is None else "one", _memory_expected(crosses))
        past = attention_mask(mask, x.shape[1], causal=True, device=x.device)  # (N or 1, 1, T, T)
        x = add(self, x, self.norm1, lambda y: self.self_attn(y, mask=past))
        if crosses:
            seen = attention_mask(memory_mask, x.shape[1])  # (N, 1, 1, S)
            x = add(self, x, self.norm2, lambda y: self.multihead_attn(y, memory, seen))
        return add(self, x, self.norm3, lambda y: feed_forward(self, y))


class Encoder(nn.Module):
    """Encoder blocks in a row; pre-norm blocks are followed by a last layer norm.

    x (N, T, D), mask (N, T) bool, True on a token, or None → (N, T, D), zero on padding; so a row of padding alone is all zero
    """

    def __init__(self, layers, features, heads, eps=1e-5, norm_first=True, F=torch.nn.functional, **options):
        super().__init__()
        check_whole(layers, "layers")
        self.F = functions(F, "layer_norm")
        blocks = [EncoderBlock(features, heads, norm_first=norm_first, eps=eps, F=F, **options) for _ in range(layers)]
        self.layers = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(features, eps) if norm_first else None

    def forward(self, x, mask=None):
        allowed = attention_mask(mask, x.shape[1])  # (N, 1, 1, T)
        for block in self.layers:
            x = block(x, allowed)
        x = x if self.norm is None else normed(self.F, self.norm, x)
        return x if mask is None else x.where(mask[..., None], 0)

    def attention_maps(self, x, mask=None):
        """The attention weights of every block: (layers, N, h, T, T)."""
        allowed, maps = attention_mask(mask, x.shape[1]), []
        for block in self.layers:
            maps.append(block.weights(x, allowed))
            x = block(x, allowed)
        return torch.stack(maps)


def normed(F, norm, x):
    """``F.layer_norm`` with the parameters of a nn.LayerNorm."""
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def add(block, x, norm, part):
    """x + part(norm(x)) in a pre-norm block, norm(x + part(x)) in a post-norm block; dropout on what is added."""
    F = block.F
    y = part(normed(F, norm, x) if block.norm_first else x)
    x = x + F.dropout(y, block.dropout, block.training)
    return x if block.norm_first else normed(F, norm, x)


def feed_forward(block, x):
    """W_2 φ(W_1 x + b_1) + b_2, token by token: (N, T, D) → (N, T, D)."""
    F = block.F
    x = getattr(F, block.activation)(F.linear(x, block.linear1.weight, block.linear1.bias))  # (N, T, hidden)
    return F.linear(F.dropout(x, block.dropout, block.training), block.linear2.weight, block.linear2.bias)  # (N, T, D)


def _memory_expected(crosses):
    return "a memory (N, S, D) to attend to" if crosses else "none: build the block with cross_attention=True to give one"
