"""A transformer decoder that predicts the next word, alone or with a memory to attend to."""

import torch
from torch import nn

from mmlearn.models.interface import functions
from mmlearn.models.padding import check_mask, check_tokens
from mmlearn.models.text_transformer import TokenEmbedding
from mmlearn.models.transformer import DecoderBlock, normed
from mmlearn.ops.arguments import check_whole, require


class LanguageModel(nn.Module):
    """embedding – decoder blocks – layer norm – logits of the word that follows each token (Radford et al. 2018).

    ids (N, T) int64, T ≤ length → logits (N, T, V); those at t depend on the tokens 0 … t alone

    cross_attention: True for a decoder that also attends to a memory (N, S, D), such as an image's patches
    The output uses the word vectors once more (Press & Wolf 2017): logit of word v = x · E_v.
    The rest: as in ``TextTransformer``

    >>> LanguageModel(vocabulary_size=20, features=8, heads=2)(torch.tensor([[2, 5, 4]])).shape
    torch.Size([1, 3, 20])
    """

    def __init__(
        self,
        vocabulary_size,
        F=torch.nn.functional,
        length=64,
        features=64,
        heads=4,
        layers=2,
        positions="learned",
        cross_attention=False,
        norm_first=True,
        dropout=0.0,
        **options,
    ):
        super().__init__()
        check_whole(layers, "layers")
        self.vocabulary_size, self.length, self.dropout = vocabulary_size, length, dropout
        self.F = functions(F, "linear", "layer_norm", "dropout", "cross_entropy")
        self.embedding = TokenEmbedding(vocabulary_size, length, features, positions, F)
        shared = {"dropout": dropout, "norm_first": norm_first, "cross_attention": cross_attention, "F": F, **options}
        self.layers = nn.ModuleList(DecoderBlock(features, heads, **shared) for _ in range(layers))
        self.norm = nn.LayerNorm(features) if norm_first else None

    def forward(self, ids, mask=None, memory=None, memory_mask=None):
        """ids, mask: (N, T)   memory: (N, S, D) with cross_attention, else None   memory_mask: (N, S) bool or None"""
        F = self.F
        mask = check_tokens(ids, mask, self.vocabulary_size, self.length)
        if memory_mask is not None:
            check_mask(memory_mask, memory.shape[:2])
        x = F.dropout(self.embedding(ids), self.dropout, self.training)  # (N, T, D)
        for block in self.layers:
            x = block(x, memory, mask, memory_mask)
        x = x if self.norm is None else normed(F, self.norm, x)
        return F.linear(x, self.embedding.words.weight)  # (N, T, V)

    def loss(self, ids, mask=None, memory=None, memory_mask=None):
        """−log p(word t+1 | words 0 … t), averaged over all words that are not padding: () in nats.

        ids: (N, T), T ≥ 2, best with <start> and <end>. Raises ValueError where no text has a second word.
        """
        logits = self(ids, mask, memory, memory_mask)[:, :-1]  # (N, T−1, V)
        return next_word_loss(self.F, logits, ids, mask)

    @torch.no_grad()
    def generate(self, ids, steps, temperature=1.0, top_k=None, end=None, memory=None, memory_mask=None, generator=None):
        """Continue each row of ids (N, T) by ``steps`` words, drawn one after another: (N, T + steps) int64.

        ids: full rows without padding   temperature: 0 takes the likeliest word, 1 draws from the model's own probabilities
        top_k: draw among the k likeliest   end: the number after which a row is only filled with 0   generator: of the draws
        Only the last ``length`` words are read. Dropout is as the model stands: call ``model.eval()`` first.
        """
        require(temperature >= 0, "temperature", temperature, "a number ≥ 0; 0 takes the likeliest word")
        if top_k is not None:
            check_whole(top_k, "top_k")
        over = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)  # (N,)
        for _ in range(steps):
            logits = self(ids[:, -self.length :], None, memory, memory_mask)[:, -1]  # (N, V)
            word = draw(logits, temperature, top_k, generator).where(~over, 0)  # (N,)
            ids = torch.cat([ids, word[:, None]], 1)  # (N, T + 1)
            over = over if end is None else over | (word == end)
        return ids


def next_word_loss(F, logits, ids, mask=None):
    """Cross-entropy of each word given those before it, averaged over the words that are not padding: ().

    logits: (N, T−1, V), at t of word t+1   ids: (N, T)   mask: (N, T) bool, True on a token, or None
    """
    require(ids.shape[1] >= 2, "ids", f"shape {tuple(ids.shape)}", "(N, T) with T ≥ 2: a word, and one to predict")
    targets = ids[:, 1:].long()  # (N, T−1)
    if mask is not None:
        targets = targets.masked_fill(~mask[:, 1:], -100)  # ignored by cross_entropy
        require(mask[:, 1:].any(), "mask", "no text with a second token", "at least one word to predict")
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def draw(logits, temperature=1.0, top_k=None, generator=None):
    """One word for each row, from softmax(logits/temperature) over the top_k likeliest; the likeliest itself at 0.

    logits: (N, V)   returns: (N,) int64
    """
    if temperature == 0:
        return logits.argmax(1)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[1]:
        logits = logits.masked_fill(logits < logits.topk(top_k, 1).values[:, -1:], -torch.inf)
    return torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
