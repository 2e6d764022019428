"""Every word that the world can say."""

import re

from mmlearn.data.text import Vocabulary, tokens

from . import asking, captions, grammar

_FIELD = re.compile(r"\{\w+\}")


def vocabulary():
    """The Vocabulary of the world: each word of its captions, questions, answers, motions and tasks, and their punctuation.

    The words come from the parts that the sentences are made of, not from a sample of sentences: a rare word is in it, too, and
    every part of the course numbers the words alike. Words are in the order of the alphabet, after the four special ones.

    >>> some = vocabulary()
    >>> some.decode(some.encode(["is there an orange ring?"]).ids)
    ['is there an orange ring?']
    """
    from .motion import WORDS as MOTION_WORDS
    from .tasks import WORDS as TASK_WORDS

    phrases = (*grammar.WORDS, *captions.WORDS, *asking.WORDS, *MOTION_WORDS, *TASK_WORDS)
    return Vocabulary(sorted({word for phrase in phrases for word in tokens(_FIELD.sub(" ", phrase))}))
