"""The SMS Spam Collection: 5,574 real text messages, each ham or spam (Almeida, Gómez Hidalgo & Yamakami 2011)."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import torch

from mmlearn.data.by_hand import located
from mmlearn.data.leakage import find_text_leaks, split_by_group

SOURCE = "https://archive.ics.uci.edu/dataset/228/sms+spam+collection"
LICENCE = "CC BY 4.0"
CLASSES = ("ham", "spam")


class Messages(NamedTuple):
    """N messages: ``texts``, a tuple of strings, and ``labels`` (N,) int64, 0 for ham and 1 for spam."""

    texts: tuple[str, ...]
    labels: torch.Tensor


@dataclass(frozen=True)
class SpamSplits:
    """The messages in three parts that share no message. ``repeated``: how many copies of other messages were left out."""

    train: Messages
    validation: Messages
    test: Messages
    classes: tuple[str, ...]
    repeated: int
    source: str = SOURCE
    licence: str = LICENCE


def sms_messages(root=None):
    """The collection as it was published, in the file's order, copies included: Messages.

    root: None for MMLEARN_DATA, or a folder of yours that holds the file ``SMSSpamCollection``
    Raises FileNotFoundError with what to put where; ValueError naming a line that is not ham or spam, a tab and a text.
    """
    folders = ("sms_spam", "text_small/sms_spam")
    path = located("The SMS Spam Collection", folders, "SMSSpamCollection", root, SOURCE, LICENCE) / "SMSSpamCollection"
    texts, labels = [], []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: messages may hold other line separators
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: {error}. Fetch it again") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, tab, text = line.rstrip("\r").partition("\t")
        if not tab or label not in CLASSES:
            raise ValueError(f"line {number} of {path} must be ham or spam, a tab, a text; got {line[:60]!r}. Fetch it again")
        texts.append(text)
        labels.append(CLASSES.index(label))
    return Messages(tuple(texts), torch.tensor(labels, dtype=torch.int64))


def sms_spam(root=None, seed=0, shares=(0.7, 0.1, 0.2)):
    """Training, validation and test messages, none of them twice: SpamSplits. The same seed gives the same parts.

    Advertisers send one text to many people, with another number or code in it. Two rules keep such twins out of the score:
    of the messages that are equal in ``template`` only the first stays; and messages that share at least 0.8 of their word
    triples, or all their words (``find_text_leaks``), are put into the same part.

    root, errors: as in ``sms_messages``   shares: of training, validation and test, positive, sum 1

    >>> splits = sms_spam()  # doctest: +SKIP
    >>> texts, labels = splits.train  # doctest: +SKIP
    """
    if len(shares) != 3:
        raise ValueError(f"shares are those of training, validation and test, such as (0.7, 0.1, 0.2); got {tuple(shares)}")
    texts, labels = sms_messages(root)
    first = {}
    for row, text in enumerate(texts):
        first.setdefault(template(text), row)
    rows = list(first.values())
    kept = [texts[row] for row in rows]
    parts = split_by_group(_families(kept), shares, seed)
    split = (Messages(tuple(kept[n] for n in part.tolist()), labels[rows][part]) for part in parts)
    return SpamSplits(*split, CLASSES, len(texts) - len(kept))


def template(text):
    """What is left of a message without case, numbers and punctuation; the message itself where nothing is left.

    >>> template("Call 09061221066 NOW! Claim code: K52.")
    'call # now claim code k#'
    >>> template(" :-) ")
    ':-)'
    """
    numbered = re.sub(r"\d+(?:[\s.,:/-]*\d+)*", "0", text.casefold())  # 0906 122 and 0906122 are one number
    words = re.sub(r"[\W_]+", " ", numbered).strip()
    return words.replace("0", "#") if words else text.strip()


def _families(texts):
    """A number for each text: near copies of one another, and near copies of those, have the same number."""
    family = list(range(len(texts)))

    def oldest(row):
        while family[row] != row:
            row = family[row]
        return row

    for leak in find_text_leaks(texts, texts):
        one, other = sorted((oldest(leak.train), oldest(leak.test)))
        family[other] = one
    return [oldest(row) for row in range(len(texts))]
