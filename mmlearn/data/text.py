"""Text to numbers and back: a vocabulary, tokens, padding and masks.

>>> vocabulary = Vocabulary(["a", "blue", "circle", "red"])
>>> ids, mask = vocabulary.encode(["a red circle", "blue"])
>>> ids
tensor([[4, 7, 6],
        [5, 0, 0]])
>>> mask
tensor([[ True,  True,  True],
        [ True, False, False]])
>>> vocabulary.decode(ids)
['a red circle', 'blue']
"""

import itertools
import json
import re
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import torch

from mmlearn.atomic import write_atomically

PAD, UNKNOWN, START, END = SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")  # ids 0, 1, 2, 3 in every vocabulary

# A word (with inner apostrophes or hyphens: don't, t-shirt), a number (7, 3.5), or one mark that is neither.
_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:\.\d+)?|[^\w\s]|_")
_CLOSING, _OPENING = frozenset(",.;:?!)]}%…"), frozenset("([{")


class Encoded(NamedTuple):
    """N texts as numbers: ``ids`` (N, T) int64, padded with 0; ``mask`` (N, T) bool, True on a token, False on padding."""

    ids: torch.Tensor
    mask: torch.Tensor


def tokens(text):
    """The tokens of a text, in lower case: words, numbers, and each punctuation mark by itself. Only white space is dropped.

    >>> tokens("What's left of the T-shirt, 3.5 stars?")
    ["what's", 'left', 'of', 'the', 't-shirt', ',', '3.5', 'stars', '?']
    """
    if not isinstance(text, str):
        raise TypeError(f"a text is a string; got {type(text).__name__} {text!r}: for a missing text, give the empty string")
    return _TOKEN.findall(text.lower())


def joined(words):
    """Tokens to a text: one space between them, none before punctuation that closes, none after a bracket that opens.

    >>> joined(["is", "there", "a", "circle", "?"])
    'is there a circle?'
    """
    pieces = []
    for word in words:
        if pieces and word not in _CLOSING and pieces[-1] not in _OPENING:
            pieces.append(" ")
        pieces.append(word)
    return "".join(pieces)


def listed(texts):
    """The texts as they are. Raises TypeError on a single string, whose letters would pass for texts."""
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of strings; got the string {texts!r}: put it in a list, [{texts!r}]")
    return texts


def encoded(texts, numbers, length=None, *, truncate=False, start=False, end=False, unit="tokens"):
    """N texts → Encoded(ids (N, T) int64, mask (N, T) bool): what ``Vocabulary.encode`` and ``BPE.encode`` share.

    numbers: a function, a text → the list of its ids   unit: what an id stands for, in the message about a text that is too long
    length, truncate, start, end: as ``Vocabulary.encode``; a length that is given has room for <start> and <end>, and for one id
    """
    before, behind = [SPECIAL.index(START)] * start, [SPECIAL.index(END)] * end
    rows = []
    for n, text in enumerate(listed(texts)):
        row = numbers(text)
        if length is not None and len(row) + start + end > length:
            if not truncate:
                raise ValueError(
                    f"text {n} has {len(row) + start + end} {unit}, <start> and <end> counted, length is {length}: {text!r}. "
                    "Give a greater length, or truncate=True to cut it"
                )
            row = row[: length - start - end]
        rows.append(before + row + behind)
    return padded(rows, length)


def padded(rows, length=None):
    """N lists of ids → Encoded(ids (N, T) int64, mask (N, T) bool). Padding is 0 and stands behind.

    length: T, at least that of the longest row; None takes that, but at least 1

    >>> padded([[4, 7, 6], [5], []]).ids
    tensor([[4, 7, 6],
            [5, 0, 0],
            [0, 0, 0]])
    """
    longest = max([1, *map(len, rows)]) if length is None else length
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], dtype=torch.int64).reshape(len(rows), longest)
    filled = torch.tensor([len(row) for row in rows], dtype=torch.int64)  # (N,)
    return Encoded(ids, torch.arange(longest) < filled[:, None])  # (N, T), (N, T)


def entries(ids, words, where, encoder):
    """(N, T) ids → N lists of words. Each list ends before the first <pad> or <end>; <start> is left out.

    words: the word of each id   where, encoder: how the message names the words, and what to decode with
    Raises ValueError on what is not (N, T) whole numbers, and on a number that no word has.

    >>> entries([[2, 4, 3, 4], [4, 4, 0, 0]], [*SPECIAL, "red"], where="here", encoder="the encoder")
    [['red'], ['red', 'red']]
    """
    ids = torch.as_tensor(ids)
    if ids.ndim != 2 or ids.is_floating_point():
        got = f"{ids.dtype} {tuple(ids.shape)}"
        raise ValueError(f"ids must be whole numbers (N, T); got {got}: the ids of one text become a batch with ids[None]")
    if ids.numel() and not 0 <= ids.min() <= ids.max() < len(words):
        raise ValueError(f"ids run from 0 to {len(words) - 1} {where}; got {ids.min()} to {ids.max()}: decode with {encoder}")
    rows = []
    for row in ids.tolist():
        until_end = itertools.takewhile(lambda word: word not in (PAD, END), (words[number] for number in row))
        rows.append([word for word in until_end if word != START])
    return rows


def save_json(path, content):
    """Write what numbers stand for as JSON, in folders made as needed. A power cut leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=0), fsync=True)


class Vocabulary:
    """Numbered words: <pad> 0, <unk> 1, <start> 2, <end> 3, then ``words`` in the order in which they are given.

    words: strings, each one token of ``tokens``; they may begin with the four special ones, so Vocabulary(other.words) works

    ``len(vocabulary)`` is the V of an embedding, ``vocabulary["red"]`` a word's number, ``vocabulary.words[7]`` a number's word,
    ``"red" in vocabulary`` says whether a word is known.
    Raises ValueError on a word that comes twice or that is not one lower-case token.
    """

    def __init__(self, words):
        if isinstance(words, str):
            raise TypeError(f"words must be a list of words; got the string {words!r}: Vocabulary({words.split()!r})")
        words = tuple(words)
        if words[: len(SPECIAL)] == SPECIAL:
            words = words[len(SPECIAL) :]
        for word in words:
            if tokens(word) != [word]:
                raise ValueError(f"a word of a vocabulary is one lower-case token; got {word!r}: give {tokens(word)}")
        twice = [word for word, count in Counter(words).items() if count > 1]
        if twice:
            raise ValueError(f"each word has one number; {', '.join(map(repr, twice))} came more than once: give each word once")
        self.words = SPECIAL + words
        self._ids = {word: number for number, word in enumerate(self.words)}

    @classmethod
    def from_texts(cls, texts, min_count=1, size=None):
        """The vocabulary of the *training* texts, the most frequent words first (equally frequent ones by the alphabet).

        Never of all texts: a word that occurs in the test part alone would get a number, and so an embedding that no training
        step ever changes, where in earnest it would meet the model as <unk>. What is measured would be another situation.

        min_count: leave out words that are rarer   size: at most so many entries, the four special ones counted
        """
        if min_count < 1:
            raise ValueError(f"min_count is at least 1 (each word of the texts); got {min_count}")
        if size is not None and size < len(SPECIAL):
            raise ValueError(f"size counts the {len(SPECIAL)} special entries and so is at least {len(SPECIAL)}; got {size}")
        counts = Counter(word for text in listed(texts) for word in tokens(text))
        frequent = sorted((word for word, count in counts.items() if count >= min_count), key=lambda word: (-counts[word], word))
        return cls(frequent if size is None else frequent[: size - len(SPECIAL)])

    def encode(self, texts, length=None, *, truncate=False, start=False, end=False):
        """N texts → Encoded(ids (N, T) int64, mask (N, T) bool). A word that is not known becomes <unk>.

        length: T; None takes that of the longest text. A longer text raises ValueError, or is cut with ``truncate=True``
        start, end: put <start> before and <end> behind each text; they count in T, and a cut text keeps them
        An empty text is a row of padding; T is at least 1, so that layers which need a step have one; no texts give (0, T).
        """
        if length is not None and length < max(1, start + end):
            raise ValueError(f"length must be at least {max(1, start + end)} here; got {length}")
        return encoded(texts, self._numbers, length, truncate=truncate, start=start, end=end)

    def decode(self, ids):
        """(N, T) numbers → N strings. Each text ends before the first <pad> or <end>; <start> is left out.

        Texts come back in lower case with the spacing of ``joined``, which is that of the world's grammar. Raises ValueError
        on a number outside the vocabulary.
        """
        encoder = "the vocabulary that encoded the texts"
        return [joined(words) for words in entries(ids, self.words, "in this vocabulary", encoder)]

    def _numbers(self, text):
        unknown = self._ids[UNKNOWN]
        return [self._ids.get(word, unknown) for word in tokens(text)]

    def save(self, path):
        """Write the words as JSON, to keep beside the model: without them its numbers mean nothing.

        A kill leaves the old file or the new one, nothing between.
        """
        save_json(path, {"vocabulary": self.words})

    @classmethod
    def load(cls, path):
        """The vocabulary that ``save`` wrote. Raises FileNotFoundError, or ValueError naming a file that is none."""
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"there is no vocabulary {path}: vocabulary.save(path) writes one where the model is trained")
        try:
            words = json.loads(path.read_text(encoding="utf-8"))["vocabulary"]
            if tuple(words[: len(SPECIAL)]) != SPECIAL:
                raise ValueError(f"it does not begin with {', '.join(SPECIAL)}")
            return cls(words)
        except (ValueError, TypeError, KeyError) as error:  # not UTF-8, not JSON, not a dict, not words
            raise ValueError(
                f"{path} is not a vocabulary ({error or type(error).__name__}): save it again from the training texts, "
                "or take the copy kept with the model"
            ) from error

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def __getitem__(self, word):
        if word not in self._ids:
            near = get_close_matches(str(word).lower(), self.words, n=2, cutoff=0.6)
            hint = f"; near it: {', '.join(near)}" if near else ""
            raise KeyError(
                f"{word!r} is not in the vocabulary of {len(self)} words{hint}. encode() makes unknown words {UNKNOWN}"
            )
        return self._ids[word]

    def __iter__(self):
        return iter(self.words)

    def __eq__(self, other):
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self):
        return hash(self.words)

    def __repr__(self):
        shown = ", ".join(self.words[len(SPECIAL) :][:5])
        return f"Vocabulary({len(self)} words: {shown}{', …' if len(self) > len(SPECIAL) + 5 else ''})"
