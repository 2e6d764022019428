"""The SMS Spam Collection: what the reader makes of the real file, and of small, missing and damaged ones."""

import pytest
import torch

from mmlearn.data.leakage import find_text_leaks
from mmlearn.data.sms_spam import sms_messages, sms_spam, template


@pytest.fixture
def messages(real):
    """The folder of the real messages."""
    return real("text_small/sms_spam")


def write(folder, *lines):
    (folder / "SMSSpamCollection").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def small(tmp_path):
    about = ["tea", "milk", "rain", "work", "lunch", "music", "trains", "maths", "books"]
    plain = [f"ham\t{word} is a message about {word}" for word in about]
    return write(
        tmp_path,
        *plain,
        "spam\tWin 100 pounds! Call 0906 1221066 now",
        "spam\twin 250 pounds. call 09061221067 now!!",
        "spam\tYour prize of one holiday for two people in the sun is waiting for you to claim it here today",
        "spam\tYour prize of one holiday for two people in the sun is waiting for you to claim it here tonight",
        "ham\t:-)",
        "ham\t:-(",
    )


def test_the_real_file_holds_5574_messages_747_of_them_spam(messages):
    texts, labels = sms_messages(messages)
    assert len(texts) == len(labels) == 5574
    assert labels.sum() == 747
    assert texts[2].startswith("Free entry in 2 a wkly comp")
    assert labels[:3].tolist() == [0, 0, 1]
    assert labels.dtype == torch.int64


def test_no_real_message_is_in_two_parts_not_even_nearly(messages):
    splits = sms_spam(messages, seed=1)
    parts = splits.train, splits.validation, splits.test
    assert sum(len(part.texts) for part in parts) + splits.repeated == 5574
    everything = [template(text) for part in parts for text in part.texts]
    assert len(set(everything)) == len(everything)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not len(find_text_leaks(parts[one].texts, parts[other].texts))
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert len(part.texts) / len(everything) == pytest.approx(share, abs=0.01)
        assert 0.08 < part.labels.double().mean() < 0.15


def test_every_real_message_keeps_its_label(messages):
    label_of = dict(zip(*sms_messages(messages), strict=True))
    for texts, labels in (part for part in (sms_spam(messages).train, sms_spam(messages).test)):
        assert [label_of[text] for text in texts] == labels.tolist()


def test_the_seed_alone_decides_the_parts(small):
    one, again = sms_spam(small, seed=3), sms_spam(small, seed=3)
    assert one.train.texts == again.train.texts
    assert torch.equal(one.test.labels, again.test.labels)
    assert any(sms_spam(small, seed=seed).train.texts != one.train.texts for seed in range(5))


def test_copies_with_another_number_stay_away_and_near_copies_stay_together(small):
    for seed in range(8):
        splits = sms_spam(small, seed=seed, shares=(0.4, 0.3, 0.3))
        assert splits.repeated == 1
        parts = splits.train.texts, splits.validation.texts, splits.test.texts
        assert sum(text.lower().startswith("win") for part in parts for text in part) == 1
        assert sorted(sum(text.startswith("Your prize") for text in part) for part in parts) == [0, 0, 2]


def test_messages_without_a_word_are_kept_apart(small):
    splits = sms_spam(small)
    everything = splits.train.texts + splits.validation.texts + splits.test.texts
    assert ":-)" in everything
    assert ":-(" in everything


def test_a_folder_of_all_data_sets_will_do(messages, monkeypatch):
    monkeypatch.setenv("MMLEARN_DATA", str(messages.parents[1]))
    assert len(sms_messages().texts) == 5574
    monkeypatch.setenv("MMLEARN_DATA", str(messages.parent))
    assert len(sms_messages().texts) == 5574


def test_without_the_file_the_reader_is_told_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("MMLEARN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"is not on this machine.*\nGet it from https.*licence.*MMLEARN_DATA"):
        sms_spam()


def test_a_damaged_line_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"line 2 .* must be ham or spam, a tab, a text; got 'eggs\\tgood morning'"):
        sms_messages(write(tmp_path, "ham\thello", "eggs\tgood morning"))
    with pytest.raises(ValueError, match=r"line 1 .* got 'spam without a tab'"):
        sms_messages(write(tmp_path, "spam without a tab"))


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "SMSSpamCollection").write_bytes(b"ham\thello \xff\xfe")
    with pytest.raises(ValueError, match=r"SMSSpamCollection is damaged: .*Fetch it again"):
        sms_messages(tmp_path)


def test_windows_line_ends_and_empty_lines_are_no_messages(tmp_path):
    (tmp_path / "SMSSpamCollection").write_bytes(b"ham\thello\r\n\r\nspam\tbuy\r\n")
    assert sms_messages(tmp_path).texts == ("hello", "buy")


def test_shares_are_three(small):
    with pytest.raises(ValueError, match=r"training, validation and test.*got \(0.5, 0.5\)"):
        sms_spam(small, shares=(0.5, 0.5))
