"""Recurrent networks over whole sequences: layers, both directions, padded batches and truncated gradients.

``rnn_tanh``, ``lstm`` and ``gru`` take the arguments of torch.rnn_tanh, torch.lstm and torch.gru, which torch.nn.RNN, LSTM and
GRU call, and two more:

lengths    how many steps each sequence has, (N,) whole numbers from 0 to T; None: all T. What lies behind a sequence's end has no
           influence, as if the batch were packed: the state stays as it is, and the output there is zero. A sequence of length 0
           keeps its initial state, and all its outputs are zero. The output keeps T steps, even where no sequence is so long.
truncate   k: gradients stop between the steps k and k+1, 2k and 2k+1, … of each sequence, counted in the direction of reading.

params holds torch's order: for each layer, and in it for each direction, w_ih, w_hh and, with has_biases, b_ih, b_hh.
"""

from numbers import Real

import torch
from torch.nn.functional import dropout as drop

from mmlearn.ops.arguments import check_alike, check_floating, check_whole, is_whole, require, shape
from mmlearn.ops.linear import linear
from mmlearn.ops.lstm import lstm_recurrence
from mmlearn.ops.recurrent import check_state, check_weights, gru_recurrence, only_where, rnn_tanh_recurrence


def rnn_tanh(
    input,
    hx,
    params,
    has_biases=True,
    num_layers=1,
    dropout=0.0,
    train=False,
    bidirectional=False,
    batch_first=False,
    lengths=None,
    truncate=None,
):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh) for t = 1 … T (Elman 1990; both directions: Schuster and Paliwal 1997).

    input: (T, N, D), or (N, T, D) with batch_first   hx: h_0 (layers·directions, N, H), or None for zeros
    params: w_ih (H, D), w_hh (H, H), b_ih, b_hh (H,), and so on; the next layer reads D = directions·H features
    dropout: with train, the share of numbers set to zero between two layers   lengths, truncate: see the module
    returns: output (T, N, directions·H) or (N, T, directions·H) of the last layer, and h_n (layers·directions, N, H)
    Raises ValueError naming the argument that does not fit, and of params the tensor, by its name in torch.nn.RNN.
    """

    def steps(inputs, states, w_ih, w_hh, b_ih, b_hh, mask):
        projected = linear(inputs, w_ih, None if b_ih is None else b_ih + b_hh).to(inputs.dtype)  # (T, N, H)
        return (rnn_tanh_recurrence(projected, *states, w_hh, mask, truncate),)

    states = {"hx": hx}
    options = has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, truncate
    return _run(steps, 1, input, states, params, *options)


def lstm(
    input,
    hx,
    params,
    has_biases=True,
    num_layers=1,
    dropout=0.0,
    train=False,
    bidirectional=False,
    batch_first=False,
    lengths=None,
    truncate=None,
):
    """y_t = [h_t from t = 1 … T; h_t from t = T … 1]: ``lstm_cell`` in one direction or both — Eq. 8.8 (Schuster & Paliwal 1997).

    input: (T, N, D), or (N, T, D) with batch_first   hx: the pair (h_0, c_0), each (layers·directions, N, H), or None for zeros
    params: w_ih (4H, D), w_hh (4H, H), b_ih, b_hh (4H,), and so on   the rest: as in rnn_tanh
    returns: output (T, N, directions·H) or (N, T, directions·H) of the last layer, and h_n, c_n (layers·directions, N, H)
    Raises ValueError naming the argument that does not fit, and of params the tensor, by its name in torch.nn.LSTM.
    """

    def steps(inputs, states, w_ih, w_hh, b_ih, b_hh, mask):
        projected = linear(inputs, w_ih, None if b_ih is None else b_ih + b_hh).to(inputs.dtype)  # (T, N, 4H)
        return lstm_recurrence(projected, *states, w_hh, mask, truncate).unbind()

    pair = (None, None) if hx is None else hx
    good = isinstance(pair, (tuple, list)) and len(pair) == 2
    require(good, "hx", type(hx).__name__, "a pair of tensors (h_0, c_0), each (layers·directions, N, H), or None")
    states = {"hx[0]": pair[0], "hx[1]": pair[1]}
    options = has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, truncate
    return _run(steps, 4, input, states, params, *options)


def gru(
    input,
    hx,
    params,
    has_biases=True,
    num_layers=1,
    dropout=0.0,
    train=False,
    bidirectional=False,
    batch_first=False,
    lengths=None,
    truncate=None,
):
    """The steps of ``gru_cell`` for t = 1 … T, layer by layer (Cho et al. 2014).

    params: w_ih (3H, D), w_hh (3H, H), b_ih, b_hh (3H,), and so on   the rest: as in rnn_tanh
    returns: output (T, N, directions·H) or (N, T, directions·H) of the last layer, and h_n (layers·directions, N, H)
    Raises ValueError naming the argument that does not fit, and of params the tensor, by its name in torch.nn.GRU.
    """

    def steps(inputs, states, w_ih, w_hh, b_ih, b_hh, mask):
        projected = linear(inputs, w_ih, b_ih).to(inputs.dtype)  # (T, N, 3H)
        return (gru_recurrence(projected, *states, w_hh, b_hh, mask, truncate),)

    states = {"hx": hx}
    options = has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, truncate
    return _run(steps, 3, input, states, params, *options)


def _run(
    steps, gates, input, states, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, truncate
):
    """Layer after layer, direction after direction: (output, final states …). steps returns all h and, of an LSTM, all c."""
    layout = "(N, T, D)" if batch_first else "(T, N, D)"
    packed = isinstance(input, torch.nn.utils.rnn.PackedSequence)
    require(not packed, "input", "a PackedSequence", f"a padded tensor {layout}: call pad_packed_sequence, and pass its lengths")
    check_floating(input, "input", (3,), layout)
    inputs = input.transpose(0, 1) if batch_first else input  # (T, N, D)
    T, N, D = inputs.shape
    require(T >= 1, "input", shape(input), f"{layout} with at least one time step")
    require(D >= 1, "input", shape(input), f"{layout} with at least one feature")
    good = isinstance(dropout, Real) and 0 <= dropout <= 1
    require(good, "dropout", repr(dropout), "a number between 0 and 1")
    if truncate is not None:
        check_whole(truncate, "truncate")
    layers, H = _layers(input, params, gates, has_biases, num_layers, bidirectional, D)
    size = (len(layers) * len(layers[0]), N, H)
    for name, state in states.items():
        if state is not None:
            check_state(state, name, size)
    check_alike("input", input, **states)
    lengths = _check_lengths(lengths, T, N, inputs.device)
    mask = None if lengths is None else torch.arange(T, device=inputs.device)[:, None] < lengths  # (T, N)

    inputs, finals = only_where(mask, inputs), []  # 0·NaN would reach the gradient of w_ih
    for number, directions in enumerate(layers):
        outputs = []
        for backwards, weights in enumerate(directions):
            initial = [inputs.new_zeros(size[1:]) if state is None else state[len(finals)] for state in states.values()]
            found = steps(_reversed(inputs, lengths) if backwards else inputs, initial, *weights, mask)  # (T, N, H) each
            finals.append([states[-1] for states in found])
            output = only_where(mask, found[0])
            outputs.append(_reversed(output, lengths) if backwards else output)
        inputs = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]  # (T, N, directions·H)
        if train and number + 1 < len(layers):
            inputs = drop(inputs, dropout)
    final = (torch.stack(kind) for kind in zip(*finals, strict=True))  # (layers·directions, N, H) each
    return inputs.transpose(0, 1) if batch_first else inputs, *final


def _layers(input, params, gates, has_biases, num_layers, bidirectional, features):
    """For each layer, for each direction (w_ih, w_hh, b_ih, b_hh), checked; the biases may be None. And H."""
    check_whole(num_layers, "num_layers")
    suffixes, per_layer = ("", "_reverse") if bidirectional else ("",), 4 if has_biases else 2
    require(isinstance(params, (list, tuple)), "params", type(params).__name__, "a list of tensors in torch's order")
    expected = num_layers * len(suffixes) * per_layer
    what = f"{expected} tensors: {num_layers} layers · {len(suffixes)} directions · {per_layer}"
    require(len(params) == expected, "params", f"{len(params)} of them", what)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[:per_layer]
    layers, tensors, H = [], iter(params), None
    for layer in range(num_layers):
        layers.append([])
        for suffix in suffixes:
            weights = {f"{name}_l{layer}{suffix}": next(tensors) for name in names}
            for name, weight in weights.items():
                require(isinstance(weight, torch.Tensor), name, type(weight).__name__, "a torch.Tensor")
            width = check_weights(weights, gates, features if layer == 0 else len(suffixes) * H)
            H = H or width
            recurrent = f"weight_hh_l{layer}{suffix}"
            require(width == H, recurrent, shape(weights[recurrent]), f"{tuple(params[1].shape)}, as weight_hh_l0")
            check_alike("input", input, **weights)
            layers[-1].append((*weights.values(), *[None] * (4 - per_layer)))
    return layers, H


def _check_lengths(lengths, T, N, device):
    """None, or the lengths as a tensor (N,) on the device."""
    if lengths is None:
        return None
    expected = f"{N} whole numbers from 0 to T = {T}, one for each sequence, or None"
    if isinstance(lengths, torch.Tensor):
        whole = not (lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool)
        require(whole, "lengths", str(lengths.dtype).removeprefix("torch."), expected)
    else:
        good = isinstance(lengths, (list, tuple)) and all(is_whole(length) for length in lengths)
        require(good, "lengths", repr(lengths), expected)
        lengths = torch.tensor(lengths, dtype=torch.long)
    require(tuple(lengths.shape) == (N,), "lengths", shape(lengths), expected)
    outside = lengths[(lengths < 0) | (lengths > T)]
    require(outside.numel() == 0, "lengths", outside.tolist(), expected)
    return lengths.to(device)


def _reversed(inputs, lengths):
    """Each sequence of (T, N, D) read backwards, and its padding left behind it: step t is then step length − 1 − t."""
    if lengths is None:
        return inputs.flip(0)
    steps = torch.arange(len(inputs), device=inputs.device)[:, None]
    places = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, N)
    return inputs.take_along_dim(places[..., None], 0)
