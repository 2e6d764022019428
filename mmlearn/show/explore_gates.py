"""Chapter 08's figure: what the gates of one unit of an LSTM do at each word of a sentence, and what of it is left at the end."""

import numpy as np
import torch

from mmlearn.data.text import tokens
from mmlearn.ops.gates import lstm_gates, shares_left
from mmlearn.show.canvas import Box, canvas, cell_number, colours_of, outline, write
from mmlearn.show.pieces import rules, width_of, write_many
from mmlearn.show.style import COLOURS, HAIRLINE, INK, MUTED, SIGNED, text_on
from mmlearn.show.widgets import interactive

ROWS = {  # what each row shows → how it is called in the figure
    "f": "forget gate f",
    "i": "input gate i",
    "g": "candidate g",
    "written": "written, i·g",
    "c": "cell c",
    "o": "output gate o",
    "h": "state h",
    "left": "left of i·g at the end",
}
LONGEST = 14  # words that still fit side by side
_WIDTH, _LEFT, _TOP, _HIGH = 720, 176, 84, 27


def gate_explorer(model, vocabulary, sentences, classes, *, sentence=0, unit=None):
    """Display the gates of one unit along one sentence, with controls for the sentence and the unit.

    Below each word stand the unit's gates, its candidate, what it writes, its cell and its state. The last row is Eq. 8.1: what
    of each word's i·g is left in the cell when the sentence ends; it adds up to the last cell. Under it stands the answer that
    the classifier would give if the sentence ended there.

    model: a ``TextRNN`` with one LSTM layer in one direction, or anything with its ``words``, ``layer`` and ``fc``
    vocabulary: the one that the model was trained with   sentences: strings of at most 14 words   classes: a name for each logit
    sentence: which one is shown first   unit: which unit; None for the one whose last cell differs most among the sentences
    The handle's ``state`` holds words, the rows (T,) by the names of ROWS, answers and chances (T,), unit and units.
    Raises ValueError for another kind of layer, an empty sentence or one too long, a unit that there is not.
    """
    import ipywidgets

    layer, sentences = model.layer, list(sentences)
    if not (isinstance(layer, torch.nn.LSTM) and layer.num_layers == 1 and not layer.bidirectional):
        raise ValueError(f"model.layer must be an nn.LSTM with one layer in one direction; got {layer}")
    if not sentences or not all(1 <= len(tokens(text)) <= LONGEST for text in sentences):
        counts = [len(tokens(text)) for text in sentences]
        raise ValueError(f"sentences must be one or more strings of 1 to {LONGEST} words; got {counts} words")
    if len(classes) != model.fc.out_features:
        raise ValueError(f"classes must name the {model.fc.out_features} logits of the model; got {len(classes)} names")
    read = [_read(model, vocabulary, text) for text in sentences]
    units = layer.hidden_size
    if unit is None:
        last = np.stack([found["c"][-1] for found in read])  # (sentences, H)
        unit = int(last.std(0).argmax())
    if not (isinstance(unit, int) and 0 <= unit < units):
        raise ValueError(f"unit must be a whole number from 0 to {units - 1}; got {unit!r}")
    if not (isinstance(sentence, int) and 0 <= sentence < len(sentences)):
        raise ValueError(f"sentence must be a whole number from 0 to {len(sentences) - 1}; got {sentence!r}")

    def compute(sentence, unit):
        found = read[sentence]
        chances = found["chances"]
        return {
            "words": found["words"],
            **{name: found[name][:, unit] for name in ROWS},
            "answers": [classes[n] for n in chances.argmax(1)],
            "chances": chances.max(1),
            "unit": unit,
            "units": units,
        }

    choices = [(text, number) for number, text in enumerate(sentences)]
    menu = ipywidgets.Dropdown(options=choices, value=sentence, description="sentence", layout=ipywidgets.Layout(width="460px"))
    menu.style.description_width = "70px"
    slider = ipywidgets.IntSlider(value=unit, min=0, max=units - 1, description="unit", layout=ipywidgets.Layout(width="300px"))
    slider.style.description_width = "70px"
    return interactive(_draw, _describe, note=_explain, compute=compute, sentence=menu, unit=slider)


def _read(model, vocabulary, text):
    """Everything that happens along a sentence, as arrays: (T, H), and the classifier's chances (T, K)."""
    with torch.no_grad():
        ids, _ = vocabulary.encode([text])
        found = lstm_gates(model.words(ids).transpose(0, 1), None, *model.layer.parameters())
        written = found.i * found.g
        rows = {**found._asdict(), "written": written, "left": shares_left(found.f) * written}
        chances = model.fc(found.h).softmax(-1)
    return {
        "words": tokens(text),
        **{name: rows[name][:, 0].cpu().numpy() for name in ROWS},
        "chances": chances[:, 0].cpu().numpy(),
    }


def _draw(words, answers, chances, unit, units, **rows):
    fig, axes = canvas(_WIDTH, _TOP + len(ROWS) * _HIGH + 104)
    wide = min(66.0, (_WIDTH - _LEFT - 14) / len(words))
    middles = [_LEFT + (n + 0.5) * wide for n in range(len(words))]
    write(axes, 14, 18, f"Unit {unit} (of 0 to {units - 1}), word by word", 14.5, INK, "left", "bold")
    write(axes, 14, 39, "gates from 0, closed, to 1, open; orange positive, blue negative", 12, MUTED, "left")
    size = min(12.5, *(12.5 * (wide - 4) / width_of(word, 12.5) for word in words))
    write_many(axes, [(x, _TOP - 14, word, "center") for x, word in zip(middles, words, strict=True)], size, INK, "bold")
    top = _TOP
    for name, label in ROWS.items():
        top += 10 if name in ("c", "left") else 0
        write(axes, _LEFT - 10, top + _HIGH / 2, label, 12.5, INK, "right")
        _cells(axes, rows[name], _LEFT, top, wide, limit=max(1.0, float(np.abs(rows[name]).max())))
        top += _HIGH
    _answers(axes, answers, chances, middles, wide, top + 14)
    return fig


def _cells(axes, values, left, top, wide, limit):
    """One row of coloured cells with their numbers."""
    rgb = colours_of(values[None], SIGNED, -1.6 * limit, 1.6 * limit)  # (1, T, 3)
    box = Box(left, top, left + wide * len(values), top + _HIGH)
    axes.imshow(rgb, extent=(box.left, box.right, box.bottom, box.top), aspect="auto", interpolation="nearest", zorder=1)
    lines = [((left + n * wide, box.top), (left + n * wide, box.bottom)) for n in range(1, len(values))]
    rules(axes, lines, HAIRLINE, 0.8)
    outline(axes, box, HAIRLINE, 1.0)
    size = min(12.5, 12.5 * (wide - 4) / width_of("−0.00", 12.5))
    white = text_on(rgb)[0]
    for colour, chosen in (("white", True), ("black", False)):
        places = [
            (left + (n + 0.5) * wide, top + _HIGH / 2, cell_number(float(value)), "center")
            for n, value in enumerate(values)
            if bool(white[n]) == chosen
        ]
        write_many(axes, places, size, colour)


def _answers(axes, answers, chances, middles, wide, top):
    """What the classifier would say after each word, with a bar as long as it is sure."""
    write(axes, _LEFT - 10, top + 12, "answer so far", 12.5, INK, "right")
    size = min(12.0, *(12.0 * (wide - 4) / width_of(answer, 12.0) for answer in answers))
    write_many(axes, [(x, top + 12, answer, "center") for x, answer in zip(middles, answers, strict=True)], size, INK)
    half = 0.42 * wide
    rules(axes, [((x - half, top + 29), (x + half, top + 29)) for x in middles], HAIRLINE, 5)
    sure = [((x - half, top + 29), (x + half * (2 * p - 1), top + 29)) for x, p in zip(middles, chances, strict=True)]
    rules(axes, sure, COLOURS.blue, 5)
    write_many(axes, [(x, top + 45, f"{p:.0%}", "center") for x, p in zip(middles, chances, strict=True)], min(11.5, size), MUTED)
    write(axes, _LEFT - 10, top + 45, "sure of it", 12, MUTED, "right")


def _explain(words, answers, chances, unit, f, c, left, **_):
    most, lowest = int(np.abs(left).argmax()), int(f.argmin())
    return (
        f"When the sentence ends, unit {unit} holds {cell_number(float(c[-1]))}. The largest part of it, "
        f"{cell_number(float(left[most]))}, was written at “{words[most]}” (word {most + 1}). Its forget gate is lowest, "
        f"{cell_number(float(f[lowest]))}, at “{words[lowest]}” (word {lowest + 1}). "
        f"The answer is {answers[-1]}, {chances[-1]:.0%} sure."
    )


def _describe(words, answers, chances, unit, units, **rows):
    listed = "; ".join(
        f"{word}: " + ", ".join(f"{label} {cell_number(float(rows[name][n]))}" for name, label in ROWS.items())
        for n, word in enumerate(words)
    )
    said = ", ".join(f"{answer} {chance:.0%}" for answer, chance in zip(answers, chances, strict=True))
    which = f"Unit {unit} (of 0 to {units - 1}) of an LSTM along the sentence “{' '.join(words)}”"
    return f"{which}. {listed}. Answers after each word: {said}."
