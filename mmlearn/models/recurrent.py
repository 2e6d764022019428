"""Networks that read a text word by word, and keep what they have read in a state: RNN, LSTM and GRU."""

import torch
from torch import nn

from mmlearn.models.interface import functions
from mmlearn.models.padding import POOLS, check_tokens, lengths_of, pool
from mmlearn.ops.arguments import check_whole, require

CELLS = {"rnn": (nn.RNN, "rnn_tanh"), "lstm": (nn.LSTM, "lstm"), "gru": (nn.GRU, "gru")}


def recurrence_of(F, cell):
    """The namespace's own recurrence for 'rnn', 'lstm' or 'gru', or None: torch.nn.functional has none, its layers do."""
    return getattr(F, CELLS[cell][1], None)


def run_recurrence(recurrence, layer, x, lengths, hx=None):
    """A recurrent layer over padded sequences: padding changes neither the outputs nor the final state.

    recurrence: mmlearn.ops.lstm, gru or rnn_tanh, which then runs with the layer's weights; None: the layer runs itself
    layer: nn.LSTM, nn.GRU or nn.RNN with batch_first   x: (N, T, D)   lengths: (N,) from 0 to T
    hx: the initial state, (layers·directions, N, H), for an LSTM a pair of them; None for zeros
    returns: outputs (N, T, directions·H), zero behind each end, and the final state, of hx's form
    A sequence of length 0 keeps its initial state.
    """
    lstm = isinstance(layer, nn.LSTM)
    if recurrence is not None:
        options = (layer.bias, layer.num_layers, layer.dropout, layer.training, layer.bidirectional, True)
        outputs, *state = recurrence(x, hx, list(layer.parameters()), *options, lengths=lengths)
        return outputs, tuple(state) if lstm else state[0]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    outputs, state = layer(packed, hx)
    outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])  # (N, T, directions·H)
    some = lengths > 0  # torch packs no empty sequence: one step is run, and taken back here
    states, before = (state, hx) if lstm else ((state,), None if hx is None else (hx,))
    states = tuple(
        after.where(some[:, None], 0 if before is None else before[n]) for n, after in enumerate(states)
    )  # (layers·directions, N, H)
    return outputs.where(some[:, None, None], 0), states if lstm else states[0]


class TextRNN(nn.Module):
    """embedding – recurrent layers – pool – linear: a text classifier.

    ids (N, T) int64, mask (N, T) bool, True on a token → logits (N, classes)

    cell: 'rnn' (Elman 1990), 'lstm' (Hochreiter & Schmidhuber 1997) or 'gru' (Cho et al. 2014)
    bidirectional: a second reader from the end to the start (Schuster & Paliwal 1997); features have 2H numbers, not H
    pool: 'last' the final state of each reader, 'mean' or 'max' over the tokens' outputs, 'first'
    dropout: between layers and in front of the linear layer, while training
    F: the functional namespace. With mmlearn.ops the recurrence is the course's own; torch.nn.functional has none, and
    nn.RNN, nn.LSTM or nn.GRU, which hold the weights, run themselves. Both give the same numbers.
    A text of padding alone has features of zero.

    >>> model = TextRNN(vocabulary_size=20, classes=2, hidden=8)
    >>> model(torch.tensor([[4, 7, 6], [5, 0, 0]]), torch.tensor([[True, True, True], [True, False, False]])).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        vocabulary_size,
        classes,
        F=torch.nn.functional,
        cell="lstm",
        features=64,
        hidden=64,
        layers=1,
        bidirectional=False,
        pool="last",
        dropout=0.0,
    ):
        super().__init__()
        require(cell in CELLS, "cell", repr(cell), " or ".join(map(repr, CELLS)))
        require(pool in POOLS, "pool", repr(pool), " or ".join(map(repr, POOLS)))
        for name, size in {"vocabulary_size": vocabulary_size, "classes": classes, "hidden": hidden, "layers": layers}.items():
            check_whole(size, name)
        self.vocabulary_size, self.pool, self.dropout = vocabulary_size, pool, dropout
        self.F, self.recurrence = functions(F, "embedding", "linear", "dropout"), recurrence_of(F, cell)
        self.words = nn.Embedding(vocabulary_size, features)
        between = dropout if layers > 1 else 0.0  # torch warns where there is no between
        self.layer = CELLS[cell][0](features, hidden, layers, batch_first=True, dropout=between, bidirectional=bidirectional)
        self.fc = nn.Linear(hidden * (1 + bidirectional), classes)

    def forward(self, ids, mask=None):
        features = self.F.dropout(self.features(ids, mask), self.dropout, self.training)
        return self.F.linear(features, self.fc.weight, self.fc.bias)  # (N, classes)

    def features(self, ids, mask=None):
        """One vector for each text: (N, directions·H)."""
        outputs, last = self._read(ids, mask)
        if self.pool != "last":
            return pool(outputs, check_tokens(ids, mask, self.vocabulary_size), self.pool)
        directions = 2 if self.layer.bidirectional else 1
        return torch.cat(list(last[-directions:]), 1)  # (N, directions·H)

    def sequence(self, ids, mask=None):
        """One vector for each token: (N, T, directions·H), zero on padding."""
        return self._read(ids, mask)[0]

    def _read(self, ids, mask):
        """The outputs (N, T, directions·H), and the final state h (layers·directions, N, H)."""
        mask = check_tokens(ids, mask, self.vocabulary_size)
        x = self.F.embedding(ids, self.words.weight)  # (N, T, D)
        outputs, state = run_recurrence(self.recurrence, self.layer, x, lengths_of(mask))
        return outputs, state[0] if isinstance(state, tuple) else state
