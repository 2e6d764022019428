import pytest
import torch
from torch import nn

import mmlearn.ops
from mmlearn.models.recurrent import CELLS, TextRNN, recurrence_of, run_recurrence

IDS = torch.tensor([[5, 6, 7, 8], [8, 7, 0, 0], [0, 0, 0, 0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4])


def build(seed=0, **options):
    torch.manual_seed(seed)
    return TextRNN(9, 3, features=4, hidden=6, **options).double().eval()


def initial(cell, layers, seed=3):
    hx = torch.randn(2, layers, 3, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (hx[0], hx[1]) if cell == "lstm" else hx[0]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_full_sequences_give_what_torchs_layer_gives(F, cell, bidirectional, layers):
    torch.manual_seed(0)
    layer = CELLS[cell][0](4, 6, layers, batch_first=True, bidirectional=bidirectional).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    for hx in (None, initial(cell, layers * (1 + bidirectional))):
        outputs, state = run_recurrence(recurrence_of(F, cell), layer, x, torch.tensor([5, 5, 5]), hx)
        expected, last = layer(x, hx)
        torch.testing.assert_close(outputs, expected, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(state, last, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_padded_sequence_gives_what_it_gives_alone(F, cell, bidirectional):
    torch.manual_seed(0)
    layer = CELLS[cell][0](4, 6, 2, batch_first=True, bidirectional=bidirectional).double()
    x, lengths = torch.randn(3, 5, 4, dtype=torch.float64), torch.tensor([2, 5, 3])
    hx = initial(cell, 2 * (1 + bidirectional))
    outputs, state = run_recurrence(recurrence_of(F, cell), layer, x, lengths, hx)
    for n, length in enumerate(lengths.tolist()):
        own = tuple(h[:, n : n + 1] for h in hx) if cell == "lstm" else hx[:, n : n + 1]
        expected, last = layer(x[n : n + 1, :length], own)
        torch.testing.assert_close(outputs[n : n + 1, :length], expected, atol=1e-10, rtol=1e-10)
        assert not outputs[n, length:].any()
        for h, alone in zip(state, last, strict=True) if cell == "lstm" else [(state, last)]:
            torch.testing.assert_close(h[:, n : n + 1], alone, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_an_empty_sequence_keeps_its_state_and_says_nothing(F, cell):
    layer = CELLS[cell][0](4, 6, batch_first=True, bidirectional=True).double()
    x, lengths = torch.randn(3, 5, 4, dtype=torch.float64), torch.tensor([0, 5, 0])
    for hx in (None, initial(cell, 2)):
        outputs, state = run_recurrence(recurrence_of(F, cell), layer, x, lengths, hx)
        assert not outputs[[0, 2]].any()
        for n, h in enumerate(state) if cell == "lstm" else [(None, state)]:
            before = torch.zeros_like(h) if hx is None else (hx if n is None else hx[n])
            assert torch.equal(h[:, [0, 2]], before[:, [0, 2]])
            assert not torch.equal(h[:, 1], before[:, 1])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pool", ["last", "mean", "max", "first"])
def test_padding_changes_nothing_and_a_text_of_padding_alone_has_features_of_zero(F, cell, pool):
    model = build(cell=cell, pool=pool, bidirectional=True, layers=2, F=F)
    logits = model(IDS, MASK)
    torch.testing.assert_close(model(IDS[1:2, :2]), logits[1:2])
    torch.testing.assert_close(model(IDS.where(MASK, 3), MASK), logits)
    longer = torch.cat([IDS, IDS], 1), torch.cat([MASK, torch.zeros_like(MASK)], 1)
    torch.testing.assert_close(model(*longer), logits)
    assert torch.equal(model.features(IDS, MASK)[2], torch.zeros(12, dtype=torch.float64))
    assert torch.equal(logits[2], model.fc.bias)
    assert not model.sequence(IDS, MASK)[~MASK].any()


def test_pools_by_hand():
    models = {pool: build(pool=pool, bidirectional=True) for pool in ("last", "mean", "max")}
    sequence = models["last"].sequence(IDS, MASK)
    text = sequence[1, :2]
    expected = {"last": torch.cat([text[1, :6], text[0, 6:]]), "mean": text.mean(0), "max": text.amax(0)}
    for pool, model in models.items():
        torch.testing.assert_close(model.features(IDS, MASK)[1], expected[pool])


def test_the_last_state_is_that_of_the_last_layer():
    for bidirectional, expected in [(False, slice(None)), (True, slice(6))]:
        model = build(layers=2, bidirectional=bidirectional)
        last = model.sequence(IDS, MASK)[0, 3, expected]
        torch.testing.assert_close(model.features(IDS, MASK)[0, expected], last)


def test_a_reader_in_one_direction_knows_nothing_of_what_follows():
    changed = IDS.clone()
    changed[0, 3] = 5
    for bidirectional, same in [(False, True), (True, False)]:
        model = build(bidirectional=bidirectional)
        earlier = [model.sequence(ids, MASK)[0, :3] for ids in (IDS, changed)]
        assert torch.equal(*earlier) == same


def test_the_weights_of_torchs_lstm_load_into_the_classifier():
    lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True).double()
    model = build(cell="lstm", layers=2, bidirectional=True, pool="mean", F=mmlearn.ops)
    model.layer.load_state_dict(lstm.state_dict())
    outputs, _ = lstm(model.words.weight[IDS[:1]])
    torch.testing.assert_close(model(IDS[:1]), outputs.mean(1) @ model.fc.weight.T + model.fc.bias, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: build(cell="ltsm"), ValueError, "'rnn' or 'lstm' or 'gru'; got 'ltsm'"),
        (lambda: build(pool="sum"), ValueError, "'mean'.*got 'sum'"),
        (lambda: build(layers=0), ValueError, "layers: expected a whole number ≥ 1; got 0"),
        (lambda: build()(torch.zeros(2, 0, dtype=torch.long)), ValueError, "length zero"),
        (lambda: build()(torch.tensor([[9]])), ValueError, "from 0 to 8.*got 9"),
        (lambda: build()(IDS, MASK.flip(1)), ValueError, "a token follows padding"),
        (lambda: build()(IDS, MASK.float()), ValueError, "mask.bool()"),
        (lambda: build()(IDS.float()), TypeError, "whole numbers"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
