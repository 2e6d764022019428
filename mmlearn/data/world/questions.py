"""Questions about scenes with their answers, balanced so that a question without its picture says little.

>>> from mmlearn.data import world
>>> asked = world.sample(100, seed=0, size=24).questions(per_scene=2)
>>> len(asked), asked.label.shape, len(asked.answers)
(200, torch.Size([200]), 27)
>>> asked.text[0], asked.answer[0], asked.kind[0]  # doctest: +SKIP
('is there a red circle?', 'no', 'existence')

Models that answer questions about pictures learn first what is mostly answered to a question, and look at the picture later
or never (Goyal et al. 2017). So whether the answer is yes or no is decided by a fair coin *before* there is a question, and the
coin is thrown only where the scene has a question of that form for either side. A question whose answer is no is a near miss:
both words are true of something in the scene, but not of the same thing; or the same two things are named the other way round.
"""

from collections import Counter
from dataclasses import dataclass

import torch

from .asking import ANSWERS, WRITERS
from .attributes import numbers_of
from .chance import Chance
from .grammar import MARGIN, VALUES, things

KINDS = tuple(WRITERS)
_ATTEMPTS, _CHANCES = 4, 8  # how often another question is tried where one was asked of the scene; uniform numbers for each

_NEEDS = {
    "existence": "an object",
    "count": "nothing",
    "attribute": "an object",
    "comparison": "an object",
    "relation": f"two objects, one that a phrase fits alone, more than {MARGIN} image widths apart",
}


@dataclass(frozen=True)
class Questions:
    """Q questions about scenes.

    text, answer, kind   lists of Q strings; kind is one of KINDS
    scene                (Q,) int64: the row of the scenes that the question is about: ``scenes.image[questions.scene]``

    An integer, a slice, a list or a tensor (numbers or truth values) picks questions; the result is always a Questions.
    """

    text: list[str]
    answer: list[str]
    kind: list[str]
    scene: torch.Tensor

    def __post_init__(self):
        lengths = [len(self.text), len(self.answer), len(self.kind), len(self.scene)]
        if len(set(lengths)) > 1:
            raise ValueError(f"each question needs text, answer, kind and scene; got {', '.join(map(str, lengths))} of them")

    @property
    def answers(self):
        """Every answer there can be, sorted: the classes. They are the world's, whatever was asked."""
        return ANSWERS

    @property
    def label(self):
        """(Q,) int64: the position of each answer in ``answers``."""
        number = {answer: position for position, answer in enumerate(ANSWERS)}
        return torch.tensor([number[answer] for answer in self.answer], dtype=torch.int64)

    def balance(self):
        """How often each answer is given in each kind: {kind: {answer: share}}, the shares of a kind adding up to 1."""
        counts = {kind: Counter() for kind in KINDS if kind in self.kind}
        for kind, answer in zip(self.kind, self.answer, strict=True):
            counts[kind][answer] += 1
        return {
            kind: {answer: count[answer] / count.total() for answer in ANSWERS if answer in count}
            for kind, count in counts.items()
        }

    def __len__(self):
        return len(self.text)

    def __getitem__(self, picked):
        if isinstance(picked, int) and not -len(self) <= picked < len(self):
            raise IndexError(f"question {picked} of {len(self)}")
        rows = (
            torch.arange(len(self))[torch.tensor(picked) if isinstance(picked, list) and picked else picked].reshape(-1).tolist()
        )
        chosen = [[column[row] for row in rows] for column in (self.text, self.answer, self.kind)]
        return Questions(*chosen, self.scene[rows])

    def __repr__(self):
        asked = ", ".join(f"{kind} {count}" for kind, count in Counter(self.kind).items())
        return f"Questions({len(self)} about {len(self.scene.unique())} scenes: {asked})"


def questions(scenes, kinds=None, per_scene=1, *, shapes=None, colours=None, sizes=None):
    """``per_scene`` questions about each scene, in the scenes' order: Questions.

    kinds: names of KINDS, or one; None asks all five
    per_scene: at least 1; the kinds take turns, and a question is asked twice of one scene only where others are hard to find
    shapes, colours, sizes: the names that the scenes were sampled from, if not all. A scene of one object has no second word for
        a near miss, and takes one of these; a name that no scene has would tell by itself that the answer is no

        existence    is there a large red circle?   no → the scene has these words, but not together
        count        how many blue objects are there?   zero … six, rare numbers favoured
        attribute    what colour is the large circle?   what shape is the red object?   what size are the stars?
        comparison   are there more circles than squares?   as many … as …?   is the red circle larger than the star?
        relation     is the circle left of the blue square?   what colour is the object above the circle?

    What a relation question says or denies holds by more than MARGIN image widths. "The" is said of what a phrase fits alone,
    by as few words as do so. Where a scene cannot be asked what is its turn (a relation with one object), another of the
    ``kinds`` is drawn for it. What a scene is asked does not depend on the batch it comes in.

    Raises ValueError on an unknown kind, naming the nearest; on per_scene < 1; where a scene can be asked none of the kinds.
    """
    kinds = [KINDS[number] for number in numbers_of(kinds, KINDS, "kind of question")]
    if not isinstance(per_scene, int) or isinstance(per_scene, bool) or per_scene < 1:
        raise ValueError(f"per_scene is how many questions each scene is asked, a whole number from 1; got {per_scene!r}")
    words = {
        attribute: [VALUES[attribute][number] for number in numbers_of(names, VALUES[attribute], attribute)]
        for attribute, names in (("shape", shapes), ("colour", colours), ("size", sizes))
    }
    chance = Chance(scenes.seed, scenes.split, scenes.index.cpu())
    first_turn = chance.integers("first kind", len(kinds)).tolist()
    other_turn = chance.uniform("other kind", per_scene).tolist()
    coins = (chance.uniform("coin", per_scene) < 0.5).tolist()
    numbers = chance.uniform("question", per_scene, _ATTEMPTS, _CHANCES).tolist()

    asked, silent = [], []
    for row, scene in enumerate(things(scenes)):
        known = set()
        for turn in range(per_scene):
            kind = kinds[(first_turn[row] + turn) % len(kinds)]
            others = [other for other in kinds if other != kind]
            start = int(other_turn[row][turn] * len(others))
            for each in [kind, *others[start:], *others[:start]]:
                question = _new(each, scene, coins[row][turn], numbers[row][turn], words, known)
                if question:
                    known.add(question[0])
                    asked.append((*question, each, row))
                    break
            else:
                silent.append(row)
                break
    if silent:
        need = "; ".join(f"{kind} needs {_NEEDS[kind]}" for kind in kinds)
        raise ValueError(
            f"{len(silent)} of {len(scenes)} scenes (first: row {silent[0]}) allow no question of kind {' or '.join(kinds)}: "
            f'{need}. Add "count" to the kinds, which every scene allows, leave these scenes out, '
            "or draw scenes with more objects, such as objects=(2, 4)"
        )
    texts, answers, of_kind, rows = map(list, zip(*asked, strict=True)) if asked else ([], [], [], [])
    return Questions(texts, answers, of_kind, torch.tensor(rows, dtype=torch.int64))


def _new(kind, scene, yes, numbers, words, known):
    """(text, answer), not among the texts ``known`` if a few attempts give one that is not; None if the kind cannot be asked."""
    for chances in numbers:
        question = WRITERS[kind](scene, yes, iter(chances), words)
        if question is None or question[0] not in known:
            return question
    return question
