"""Byte-pair encoding (Sennrich, Haddow & Birch 2016): words cut into pieces, the frequent pieces whole.

>>> pairs = learn_merges({"low": 5, "lower": 2, "newest": 6, "widest": 3}, 4)
>>> pairs
[('e', 's'), ('t', '</w>'), ('es', 't</w>'), ('l', 'o')]
>>> cut("lowest", pairs)
['lo', 'w', 'est</w>']
"""

import itertools
import json
from collections import Counter, defaultdict
from pathlib import Path

from mmlearn.data.text import SPECIAL, UNKNOWN, encoded, entries, joined, listed, save_json, tokens
from mmlearn.ops.arguments import check_whole

END_OF_WORD = "</w>"  # a piece of its own at first, so that est</w> at the end of a word is not est within one


def learn_merges(counts, merges):
    """Join the most frequent pair, (a, b)* = argmax Σ_w f(w)·n_ab(w), again and again — Eq. 9.14 (Sennrich, Haddow & Birch 2016).

    counts: {word: how often it occurs}   merges: how many pairs to join, at most   returns: list of pairs, in order
    Of two pairs that are equally frequent, that one comes first whose pieces are older: the characters, in the order of their
    code points, then the joined pieces in the order of their making. It ends early when no word has two pieces left.
    """
    check_whole(merges, "merges", minimum=0)
    words = [[*word, END_OF_WORD] for word in counts]
    often = list(counts.values())
    age = {piece: number for number, piece in enumerate(sorted({piece for word in words for piece in word}))}
    frequency, places = Counter(), defaultdict(set)  # of each pair: how often it occurs, and in which words
    for n, word in enumerate(words):
        _count(frequency, places, word, n, often[n])
    learned = []
    while len(learned) < merges:
        best = max(frequency, key=lambda pair: (frequency[pair], -age[pair[0]], -age[pair[1]]), default=None)
        if best is None or frequency[best] < 1:
            break
        learned.append(best)
        age.setdefault("".join(best), len(age))
        for n in tuple(places[best]):  # only these words change
            _count(frequency, places, words[n], n, -often[n])
            words[n] = join(words[n], best)
            _count(frequency, places, words[n], n, often[n])
        del frequency[best]
    return learned


def join(pieces, pair):
    """Every occurrence of the pair becomes one piece, from left to right.

    >>> join(["a", "a", "a", "b"], ("a", "a"))
    ['aa', 'a', 'b']
    """
    joined_pieces, i = [], 0
    while i < len(pieces):
        both = tuple(pieces[i : i + 2]) == pair
        joined_pieces.append("".join(pair) if both else pieces[i])
        i += 2 if both else 1
    return joined_pieces


def cut(word, merges):
    """The pieces of a word: its characters, joined by the merges in the order in which they were learned.

    merges: list of pairs, or {pair: its place in the order}
    """
    order = merges if isinstance(merges, dict) else {pair: place for place, pair in enumerate(merges)}
    pieces = [*word, END_OF_WORD]
    while len(pieces) > 1:
        first = min(itertools.pairwise(pieces), key=lambda pair: order.get(pair, len(order)))
        if first not in order:
            break
        pieces = join(pieces, first)
    return pieces


def _count(frequency, places, word, n, often):
    """Add the pairs of word n to the counts, or take them away where ``often`` is negative."""
    for pair in itertools.pairwise(word):
        frequency[pair] += often
        if often > 0:
            places[pair].add(n)
        else:
            places[pair].discard(n)


class BPE:
    """Texts to numbers of pieces and back, with the interface of ``mmlearn.data.Vocabulary``.

    characters: the characters that words may have   merges: pairs, in the order in which they were learned
    Numbers: <pad> 0, <unk> 1, <start> 2, <end> 3, then the characters and the end of a word, then the pieces of the merges.
    ``len(bpe)`` is the V of an embedding. A word that was never seen is cut into known pieces; only a character that was
    never seen becomes <unk>.

    >>> bpe = BPE.from_texts(["a red circle", "a red ring"], merges=10)
    >>> bpe.pieces("a red rice")
    ['a</w>', 'red</w>', 'r', 'i', 'c', 'e</w>']
    >>> bpe.decode(bpe.encode(["a red rice"]).ids)
    ['a red rice']
    """

    def __init__(self, characters, merges):
        characters = sorted({*characters, END_OF_WORD})
        self.merges = [tuple(pair) for pair in merges]
        known = set(characters)
        for pair in self.merges:
            unknown = [piece for piece in pair if piece not in known]
            if len(pair) != 2 or unknown:
                raise ValueError(f"each merge joins two pieces that exist by then; got {pair}, without {unknown}: keep the order")
            known.add("".join(pair))
        self.words = tuple(dict.fromkeys((*SPECIAL, *characters, *("".join(pair) for pair in self.merges))))
        self._ids = {piece: number for number, piece in enumerate(self.words)}
        self._order = {pair: place for place, pair in reversed(list(enumerate(self.merges)))}
        self._cuts = {}  # texts repeat their words

    @classmethod
    def from_texts(cls, texts, merges):
        """Learn at most so many merges from the *training* texts. A text is cut into words by ``mmlearn.data.text.tokens``."""
        counts = Counter(word for text in listed(texts) for word in tokens(text))
        return cls({character for word in counts for character in word}, learn_merges(counts, merges))

    def pieces(self, text):
        """The pieces of a text, as strings; </w> ends a word."""
        return [piece for word in tokens(text) for piece in self._cut(word)]

    def encode(self, texts, length=None, *, truncate=False, start=False, end=False):
        """N texts → Encoded(ids (N, T) int64, mask (N, T) bool), as ``Vocabulary.encode``.

        length: T; None takes that of the longest text. A longer text raises ValueError, or is cut with ``truncate=True``
        start, end: put <start> before and <end> behind each text; they count in T, and a cut text keeps them
        """
        if length is not None:
            check_whole(length, "length", minimum=max(1, start + end))
        return encoded(texts, self._numbers, length, truncate=truncate, start=start, end=end, unit="pieces")

    def decode(self, ids):
        """(N, T) numbers → N strings, spaced as ``Vocabulary.decode`` does. Each ends before the first <pad> or <end>."""
        texts = ("".join(pieces) for pieces in entries(ids, self.words, "here", "the encoder"))
        return [joined(word for word in text.split(END_OF_WORD) if word) for text in texts]

    def _numbers(self, text):
        unknown = self._ids[UNKNOWN]
        return [self._ids.get(piece, unknown) for piece in self.pieces(text)]

    def _cut(self, word):
        if word not in self._cuts:
            self._cuts[word] = cut(word, self._order)
        return self._cuts[word]

    def save(self, path):
        """Write characters and merges as JSON, to keep beside the model. A kill leaves the old file or the new one."""
        characters = [piece for piece in self.words[len(SPECIAL) :] if len(piece) == 1]  # </w> is always one
        save_json(path, {"characters": characters, "merges": self.merges})

    @classmethod
    def load(cls, path):
        """What ``save`` wrote. Raises FileNotFoundError, or ValueError naming a file that is none."""
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(
                f"there is no byte-pair encoding {path}: bpe.save(path) writes one where the model is trained"
            )
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            return cls(saved["characters"], saved["merges"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not a byte-pair encoding ({error}): save it again from the training texts") from error

    def __len__(self):
        return len(self.words)

    def __repr__(self):
        return f"BPE({len(self)} pieces, {len(self.merges)} merges)"
