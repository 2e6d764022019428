from collections import Counter

import pytest
import torch

from mmlearn.data import world
from mmlearn.data.text import joined, tokens
from mmlearn.models.bpe import BPE, END_OF_WORD, cut, join, learn_merges

CAPTIONS = world.sample(600, seed=0, size=16).captions()


def by_the_tokenizers_library(texts, merges):
    """The library's merges and encoder, for words in which one sign, < , stands for the end of the word as </w> does here.

    The signs of the alphabet are numbered by their code points, and < is where </w> is among them.
    """
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words = [" ".join(f"{word}<" for word in tokens(text)) for text in texts]
    alphabet = len({sign for text in words for sign in text if sign != " "})
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=alphabet + merges, show_progress=False))
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return tokenizer, [tuple(piece.replace("<", END_OF_WORD) for piece in pair) for pair in found]


@pytest.mark.parametrize("merges", [1, 20, 120, 400])
def test_the_merges_of_the_worlds_captions_are_those_of_the_tokenizers_library(merges):
    counts = Counter(word for text in CAPTIONS for word in tokens(text))
    _, expected = by_the_tokenizers_library(CAPTIONS, merges)
    assert learn_merges(counts, merges) == expected
    assert len(expected) == merges or merges == 400


def test_a_text_is_cut_as_the_tokenizers_library_cuts_it():
    theirs, merges = by_the_tokenizers_library(CAPTIONS, 60)
    own = BPE.from_texts(CAPTIONS, 60)
    assert own.merges == merges
    for text in ["a large red circle above three tiny stars", "greenish triangles, belowstars"]:
        expected = theirs.encode(" ".join(f"{word}<" for word in tokens(text))).tokens
        assert len(expected) > len(tokens(text))
        assert own.pieces(text) == [piece.replace("<", END_OF_WORD) for piece in expected]


def test_merges_by_hand():
    """es occurs 6 + 3 times, as do st and t</w>; of those e is the oldest piece, and then s before t."""
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    assert learn_merges(counts, 1) == [("e", "s")]
    assert learn_merges(counts, 5) == [("e", "s"), ("t", "</w>"), ("es", "t</w>"), ("l", "o"), ("lo", "w")]


def test_every_merge_joins_a_pair_that_is_then_the_most_frequent():
    counts = Counter(word for text in CAPTIONS[:100] for word in tokens(text))
    words = {word: [*word, END_OF_WORD] for word in counts}
    for pair in learn_merges(counts, 50):
        frequency = Counter()
        for word, pieces in words.items():
            for i in range(len(pieces) - 1):
                frequency[pieces[i], pieces[i + 1]] += counts[word]
        assert frequency[pair] == max(frequency.values())
        words = {word: join(pieces, pair) for word, pieces in words.items()}


def test_it_ends_when_every_word_is_one_piece():
    merges = learn_merges({"aaaa": 2, "ab": 1}, 99)
    assert len(merges) < 99
    assert cut("aaaa", merges) == ["aaaa</w>"]
    assert cut("ab", merges) == ["ab</w>"]
    assert learn_merges({}, 5) == []
    assert learn_merges({"ab": 1}, 0) == []


@pytest.mark.parametrize("merges", [0, 10, 200])
def test_every_text_comes_back_and_more_merges_make_it_shorter(merges):
    texts = [*CAPTIONS[:50], "isn't that a <red> t-shirt, at 3.5?", "(a b) ring!", "starcircle"]
    bpe = BPE.from_texts(texts, merges)
    ids, mask = bpe.encode(texts, start=True, end=True)
    assert bpe.decode(ids) == [joined(tokens(text)) for text in texts]  # spaced as a vocabulary spaces them
    assert mask.sum(1).tolist() == [len(bpe.pieces(text)) + 2 for text in texts]
    assert ids.max() < len(bpe) == len(set(bpe.words))
    assert len(bpe.pieces(CAPTIONS[0])) <= len(BPE.from_texts(texts, max(0, merges - 10)).pieces(CAPTIONS[0]))


def test_a_word_that_was_never_seen_is_cut_and_a_character_that_was_never_seen_is_unknown():
    bpe = BPE.from_texts(CAPTIONS, 300)
    ids, _ = bpe.encode(["greenring"])
    assert 1 not in ids
    assert bpe.decode(ids) == ["greenring"]
    assert bpe.encode(["ж"]).ids.tolist() == [[1, bpe.words.index(END_OF_WORD)]]
    assert bpe.decode(bpe.encode(["a ж"]).ids) == ["a <unk>"]


def test_lengths_and_special_numbers_are_those_of_a_vocabulary():
    bpe = BPE.from_texts(["red ring"], 100)
    assert bpe.words[:4] == ("<pad>", "<unk>", "<start>", "<end>")
    ids, mask = bpe.encode(["red ring", ""], length=5, start=True, end=True)
    red, ring = bpe.words.index("red</w>"), bpe.words.index("ring</w>")
    assert ids.tolist() == [[2, red, ring, 3, 0], [2, 3, 0, 0, 0]]
    assert mask.tolist() == [[True] * 4 + [False], [True, True, False, False, False]]
    assert bpe.encode(["red ring red"], length=3, truncate=True, end=True).ids.tolist() == [[red, ring, 3]]
    assert bpe.encode([]).ids.shape == (0, 1)


def test_it_is_written_and_read(tmp_path):
    bpe = BPE.from_texts(CAPTIONS[:50], 40)
    bpe.save(tmp_path / "new" / "bpe.json")
    twin = BPE.load(tmp_path / "new" / "bpe.json")
    assert twin.words == bpe.words
    assert twin.merges == bpe.merges
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["bpe.json"]
    with pytest.raises(FileNotFoundError, match=r"save\(path\)"):
        BPE.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"bad.json is not a byte-pair encoding"):
        BPE.load(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda bpe: BPE.from_texts("a red ring", 5), TypeError, "put it in a list"),
        (lambda bpe: BPE.from_texts(["a"], -1), ValueError, "merges: expected a whole number ≥ 0; got -1"),
        (lambda bpe: bpe.encode("red"), TypeError, "put it in a list"),
        (lambda bpe: bpe.encode([None]), TypeError, "a text is a string"),
        (lambda bpe: bpe.encode(["red ring"], length=1), ValueError, "text 0 has 2 pieces.*truncate=True"),
        (lambda bpe: bpe.encode(["red"], length=1, start=True, end=True), ValueError, "≥ 2; got 1"),
        (lambda bpe: bpe.decode([[9999]]), ValueError, "ids run from 0 to"),
        (lambda bpe: bpe.decode(torch.tensor([1, 2])), ValueError, r"ids\[None\]"),
        (lambda bpe: BPE("ab", [("a", "c")]), ValueError, r"without \['c'\]"),
        (lambda bpe: BPE("abc", [("ab", "c"), ("a", "b")]), ValueError, "keep the order"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make(BPE.from_texts(["red ring"], 100))
