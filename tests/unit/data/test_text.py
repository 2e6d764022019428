import json
import os
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlearn.data.text import Vocabulary, joined, tokens

COLOURS = Vocabulary(["a", "red", "circle", ",", "?", "blue"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A RED circle, twice.", ["a", "red", "circle", ",", "twice", "."]),
        ("don't – it's the T-shirt's", ["don't", "–", "it's", "the", "t-shirt's"]),
        ("3.5 stars in 2026 (ten%)", ["3.5", "stars", "in", "2026", "(", "ten", "%", ")"]),
        ("'quoted' snake_case x2", ["'", "quoted", "'", "snake", "_", "case", "x", "2"]),
        ("Über\n\tgrün 三", ["über", "grün", "三"]),
        ("  ", []),
    ],
)
def test_text_is_cut_into_words_numbers_and_marks(text, expected):
    assert tokens(text) == expected


@given(st.text(max_size=60))
def test_no_character_but_white_space_is_lost(text):
    assert "".join(tokens(text)) == "".join(text.lower().split())


@given(st.text(alphabet="abcß'’-.,?!()[] 0123_\"\n:;", max_size=40))
def test_decode_keeps_every_token_of_any_text(text):
    some = Vocabulary.from_texts([text])
    (back,) = some.decode(some.encode([text]).ids)
    assert tokens(back) == tokens(text)
    assert some.decode(some.encode([back]).ids) == [back]


def test_closing_marks_follow_without_a_space_and_brackets_open_without_one():
    assert joined(["is", "it", "(", "red", ",", "say", ")", "?"]) == "is it (red, say)?"
    assert joined(["there", "are", "two", ":", "a", "b"]) == "there are two: a b"
    assert joined([]) == ""


def test_ids_begin_with_the_special_ones_and_follow_the_order_given():
    assert COLOURS.words == ("<pad>", "<unk>", "<start>", "<end>", "a", "red", "circle", ",", "?", "blue")
    assert [COLOURS[word] for word in COLOURS.words] == list(range(10))
    assert len(COLOURS) == 10
    assert list(COLOURS) == list(COLOURS.words)
    assert "red" in COLOURS
    assert "green" not in COLOURS
    with pytest.raises(KeyError, match="'circl' is not in the vocabulary of 10 words; near it: circle"):
        COLOURS["circl"]


def test_texts_are_padded_to_the_longest_and_masked():
    ids, mask = COLOURS.encode(["a red circle", "Blue?", "a green circle"])
    assert ids.tolist() == [[4, 5, 6], [9, 8, 0], [4, 1, 6]]
    assert mask.tolist() == [[True] * 3, [True, True, False], [True] * 3]
    assert ids.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert COLOURS.decode(ids) == ["a red circle", "blue?", "a <unk> circle"]


def test_texts_can_be_padded_to_a_given_length_and_framed():
    ids, mask = COLOURS.encode(["a red circle", ""], length=6, start=True, end=True)
    assert ids.tolist() == [[2, 4, 5, 6, 3, 0], [2, 3, 0, 0, 0, 0]]
    assert mask.sum(dim=1).tolist() == [5, 2]
    assert COLOURS.decode(ids) == ["a red circle", ""]


def test_a_text_that_is_too_long_is_named_unless_it_may_be_cut():
    with pytest.raises(
        ValueError, match=r"text 1 has 3 tokens.*length is 2: 'a red circle'. Give a greater length, or truncate=True"
    ):
        COLOURS.encode(["red", "a red circle"], length=2)
    ids, mask = COLOURS.encode(["red", "a red circle"], length=2, truncate=True)
    assert ids.tolist() == [[5, 0], [4, 5]]
    assert mask.tolist() == [[True, False], [True, True]]
    framed = COLOURS.encode(["a red circle"], length=3, truncate=True, start=True, end=True)
    assert framed.ids.tolist() == [[2, 4, 3]]
    assert COLOURS.encode(["a red circle"], length=3).ids.shape == (1, 3)
    with pytest.raises(ValueError, match="at least 2 here; got 1"):
        COLOURS.encode(["a"], length=1, start=True, end=True)
    with pytest.raises(ValueError, match="at least 1 here; got 0"):
        COLOURS.encode(["a"], length=0)


def test_empty_texts_are_rows_of_padding_and_no_texts_are_no_rows():
    ids, mask = COLOURS.encode(["", "   "])
    assert (ids.tolist(), mask.tolist()) == ([[0], [0]], [[False], [False]])
    assert COLOURS.decode(ids) == ["", ""]
    for length, width in ((None, 1), (5, 5)):
        ids, mask = COLOURS.encode([], length=length)
        assert (ids.shape, mask.shape) == ((0, width), (0, width))
        assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)
        assert COLOURS.decode(ids) == []


def test_decoding_stops_at_the_end_or_at_padding_and_accepts_lists():
    assert COLOURS.decode([[2, 5, 3, 6, 6], [5, 0, 6, 6, 6], [4, 5, 6, 7, 9]]) == ["red", "red", "a red circle, blue"]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (torch.tensor([4, 5]), r"got torch.int64 \(2,\).*ids\[None\]"),
        (torch.tensor([[0.5]]), "got torch.float32"),
        (torch.tensor([[10]]), "from 0 to 9 in this vocabulary; got 10 to 10"),
        (torch.tensor([[-1, 3]]), "got -1 to 3"),
    ],
)
def test_what_is_not_a_batch_of_known_numbers_is_refused(ids, says):
    with pytest.raises(ValueError, match=says):
        COLOURS.decode(ids)


def test_a_string_in_place_of_a_list_and_a_missing_text_are_refused():
    with pytest.raises(TypeError, match=r"got the string 'a red': put it in a list"):
        COLOURS.encode("a red")
    with pytest.raises(TypeError, match="for a missing text, give the empty string"):
        COLOURS.encode(["a", None])
    with pytest.raises(TypeError, match=r"Vocabulary\(\['a', 'red'\]\)"):
        Vocabulary("a red")
    with pytest.raises(TypeError, match="put it in a list"):
        Vocabulary.from_texts("a red")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["red", "blue", "red"], "'red' came more than once"),
        (["Red"], r"got 'Red': give \['red'\]"),
        (["red circle"], r"give \['red', 'circle'\]"),
        ([""], "one lower-case token"),
        (["<pad>"], "one lower-case token"),
    ],
)
def test_words_must_be_single_lower_case_and_different(words, says):
    with pytest.raises(ValueError, match=says):
        Vocabulary(words)


def test_special_words_cannot_be_smuggled_in_by_a_text():
    assert COLOURS.encode(["<pad> <end>"]).ids.tolist() == [[1] * 6]


def test_a_vocabulary_from_texts_has_the_frequent_words_first():
    texts = ["b b b a", "c a B", "d"]
    assert Vocabulary.from_texts(texts).words[4:] == ("b", "a", "c", "d")
    assert Vocabulary.from_texts(texts, min_count=2).words[4:] == ("b", "a")
    assert Vocabulary.from_texts(texts, size=7).words[4:] == ("b", "a", "c")
    assert len(Vocabulary.from_texts(texts, size=7)) == 7
    assert len(Vocabulary.from_texts([])) == 4
    with pytest.raises(ValueError, match="got 3"):
        Vocabulary.from_texts(texts, size=3)
    with pytest.raises(ValueError, match="got 0"):
        Vocabulary.from_texts(texts, min_count=0)


@given(st.lists(st.text(alphabet="abcde .", max_size=12), max_size=6))
def test_its_words_are_those_of_the_texts_counted(texts):
    counts = Counter(word for text in texts for word in tokens(text))
    words = Vocabulary.from_texts(texts).words[4:]
    assert {*words} == {*counts}
    assert [counts[word] for word in words] == sorted(counts.values(), reverse=True)


def test_a_saved_vocabulary_is_read_back_equal(tmp_path):
    some = Vocabulary(["grün", "it's", "?"])
    path = tmp_path / "model" / "words.json"
    some.save(path)
    assert Vocabulary.load(path) == some
    assert Vocabulary.load(str(path)) == some
    assert Vocabulary(some.words) == some
    assert hash(Vocabulary(some.words)) == hash(some)
    assert some != Vocabulary(["grün"])
    assert [file.name for file in path.parent.iterdir()] == ["words.json"]
    some.save(path)
    assert Vocabulary.load(path) == some


def test_a_save_that_breaks_off_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "words.json"
    COLOURS.save(path)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        Vocabulary(["green"]).save(path)
    assert Vocabulary.load(path) == COLOURS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"vocabulary": ["<pad>", "<unk>"',
        b"[1, 2]",
        b'{"words": []}',
        b'{"vocabulary": null}',
        b'{"vocabulary": ["red"]}',
        b'{"vocabulary": {"red": 4}}',
        b'{"vocabulary": ["<pad>", "<unk>", "<start>", "<end>", 7]}',
        b'{"vocabulary": ["<pad>", "<unk>", "<start>", "<end>", "red", "red"]}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "words.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"words\.json is not a vocabulary .*save it again from the training texts"):
        Vocabulary.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no vocabulary .*words\.json"):
        Vocabulary.load(tmp_path / "words.json")


def test_the_file_is_plain_json(tmp_path):
    COLOURS.save(tmp_path / "words.json")
    assert json.loads((tmp_path / "words.json").read_text(encoding="utf-8")) == {"vocabulary": list(COLOURS.words)}


def test_it_shows_its_first_words():
    assert repr(COLOURS) == "Vocabulary(10 words: a, red, circle, ,, ?, …)"
