"""Recurrent sequences and attention beside those of torch."""

import torch
from side_by_side import side_by_side

from mmlearn.ops.attention import scaled_dot_product_attention
from mmlearn.ops.sequences import gru, lstm, rnn_tanh

SEQUENCES = {  # name: (ours, torch's, its layer, states, what forward and forward + backward may cost)
    "rnn_tanh": (rnn_tanh, torch.rnn_tanh, torch.nn.RNN, 1, 1.2, 1.0),
    "lstm": (lstm, torch.lstm, torch.nn.LSTM, 2, 2.2, 2.4),
    "gru": (gru, torch.gru, torch.nn.GRU, 1, 1.3, 1.0),
}
BATCH, STEPS, FEATURES, HIDDEN = 32, 64, 64, 128
HEADS = {"4 heads of 16": (32, 4, 64, 16), "8 heads of 64": (32, 8, 64, 64)}


def sequences():
    """One layer in one direction: forward, and forward and backward with all gradients."""
    size = f"{BATCH} × {STEPS} steps, {FEATURES} → {HIDDEN}"
    for name, (operation, rival, layer, states, *goals) in SEQUENCES.items():
        yield from _both(f"{name}, {size}", *(_sequence(f, layer, states) for f in (operation, rival)), goals)


def attention():
    """Each head on its own: forward, and forward and backward with all gradients."""
    rival = torch.nn.functional.scaled_dot_product_attention
    for what, size in HEADS.items():
        found = (_attention(f, size) for f in (scaled_dot_product_attention, rival))
        yield from _both(f"attention, {size[0]} × {size[2]} tokens, {what}", *found, (1.1, 1.2))


def _both(what, ours, rival, goals):
    for direction, goal in zip(ours, goals, strict=True):
        yield side_by_side(f"{what}: {direction}", ours[direction], rival[direction], goal=goal)


def _sequence(operation, layer, states):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    weights = [*layer(FEATURES, HIDDEN).parameters()]
    input = torch.randn(STEPS, BATCH, FEATURES, generator=generator, requires_grad=True)
    state = torch.zeros(1, BATCH, HIDDEN)
    hx = state if states == 1 else (state, state)
    return _runs(lambda: operation(input, hx, weights, True, 1, 0.0, True, False, False)[0], [input, *weights])


def _attention(operation, size):
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(size, generator=generator, requires_grad=True) for _ in range(3)]
    return _runs(lambda: operation(*tensors), tensors)


def _runs(compute, variables):
    grad_output = torch.ones_like(compute())

    def forward():
        with torch.no_grad():
            return compute()

    return {"forward": forward, "forward + backward": lambda: torch.autograd.grad(compute(), variables, grad_output)}
