"""The five kinds of questions: how each is built from the objects of a scene, for the answer that is wanted.

Each function takes the things of one scene, whether a yes is wanted, an iterator of uniform numbers, and the words that may be
asked for in vain: attribute → names. It gives (text, answer), or None where the scene cannot be asked. Whether it can, and in
which form, never depends on the answer that is wanted: else the form would tell the answer.
"""

from collections import Counter
from itertools import permutations

from .grammar import MARGIN, NUMBERS, PLURALS, RELATIONS, VALUES, a, distance, noun, pick, references

ANSWERS = tuple(sorted(("yes", "no", *NUMBERS, *VALUES["shape"], *VALUES["colour"], *VALUES["size"])))

_EXISTENCE = "is there {thing}?"
_COUNT = "how many {things} are there?"
_ATTRIBUTE = "what {attribute} {verb} {thing}?"
_MORE = "are there more {things} than {others}?"
_AS_MANY = "are there as many {things} as {others}?"
_SIZE = "is {thing} {comparative} than {other}?"
_RELATION = "is {thing} {relation} {other}?"
_WHAT = "what {attribute} is the object {relation} {other}?"
_COMPARATIVES = ("larger", "smaller")
_IS, _ARE, _ONES = "is", "are", "ones"
WORDS = (
    _EXISTENCE,
    _COUNT,
    _ATTRIBUTE,
    _MORE,
    _AS_MANY,
    _SIZE,
    _RELATION,
    _WHAT,
    *_COMPARATIVES,
    _IS,
    _ARE,
    _ONES,
    *VALUES,
    *ANSWERS,
)

_PAIRS = (("colour", "shape"), ("size", "shape"), ("size", "colour"))
_FORMS = (*_PAIRS, ("size", "colour", "shape"))  # what "is there …?" names
_COUNTED = (("size",), ("colour",), ("shape",), *_PAIRS)  # what "how many …?" names, if it names anything
_LARGER = 1.1  # a larger thing is larger by name, and its radius by this factor: things of one size differ a little

# An answer is drawn among those that the scene allows, with these weights: they even out the counts that few scenes have.
_COUNT_WEIGHTS = (1, 1, 2, 5, 12, 24, 48)


def _existence(scene, yes, chances, words):
    start = pick(range(len(_FORMS)), chances)
    forms = (*_FORMS[start:], *_FORMS[:start])
    near_misses = {named: [mixed] for named in forms if (mixed := _mixed(scene, named))}
    near_misses = near_misses or {named: changed for named in forms if (changed := _one_changed(scene, named, words))}
    if not near_misses:
        return None
    named = next(iter(near_misses))
    wanted = _values(pick(scene, chances), named) if yes else pick(pick(near_misses[named], chances), chances)
    return _EXISTENCE.format(thing=a(_called(named, wanted))), _yes_or_no(yes)


def _count(scene, yes, chances, words):
    found = {len(scene): {(): [()]}}  # answer → the attributes that are named → their values
    for named in _COUNTED:
        for values, number in Counter(_values(thing, named) for thing in scene).items():
            found.setdefault(number, {}).setdefault(named, []).append(values)
        missing = _mixed(scene, named) if len(named) == 2 else [(value,) for value in _absent(scene, named[0], words)]
        if missing:
            found.setdefault(0, {})[named] = missing
    answers = sorted(found)
    answer = _weighted(answers, [_COUNT_WEIGHTS[answer] for answer in answers], next(chances))
    named = pick(list(found[answer]), chances)
    return _COUNT.format(things=_called(named, pick(found[answer][named], chances), plural=True)), NUMBERS[answer]


def _attribute(scene, yes, chances, words):
    askable = {}  # attribute → (phrases, answer) of each thing, or of those that are alike, that a phrase without it fits alone
    for attribute in VALUES:
        named = [(references(thing, scene, unsaid=attribute, together=True), getattr(thing, attribute)) for thing in scene]
        if any(phrases for phrases, _ in named):
            askable[attribute] = [(phrases, answer) for phrases, answer in named if phrases]
    if not askable:
        return None
    attribute = pick(list(askable), chances)
    phrases, answer = pick(askable[attribute], chances)
    phrase = pick(phrases, chances)
    verb = _ARE if phrase.split()[-1] in PLURALS.values() else _IS
    return _ATTRIBUTE.format(attribute=attribute, verb=verb, thing=phrase), answer


def _comparison(scene, yes, chances, words):
    forms = {form: ways for form, ways in {_SIZE: _sizes(scene), **_amounts(scene, words)}.items() if ways}
    if not forms:
        return None
    form = pick(list(forms), chances)
    if form == _SIZE:
        larger, smaller = pick(forms[form], chances)
        comparative = pick(_COMPARATIVES, chances)
        one, other = (larger, smaller) if yes == (comparative == "larger") else (smaller, larger)
        text = form.format(thing=pick(one, chances), comparative=comparative, other=pick(other, chances))
    else:
        attribute, rights, wrongs = pick(forms[form], chances)
        one, other = pick(pick([rights] if yes else wrongs, chances), chances)
        things, others = (_called((attribute,), (value,), plural=True) for value in (one, other))
        text = form.format(things=things, others=others.replace("objects", _ONES))
    return text, _yes_or_no(yes)


def _sizes(scene):
    """[(phrases for a larger thing, phrases for a smaller one)]; the two turned round make a no."""
    named = {thing: references(thing, scene, unsaid="size") for thing in scene}
    return [
        (named[one], named[other])
        for one, other in permutations(scene, 2)
        if named[one] and named[other] and (one.size, other.size) == ("large", "small") and one.radius > _LARGER * other.radius
    ]


def _amounts(scene, words):
    """form → [(attribute, pairs of its values for a yes, [pairs for a no, other pairs for a no])]."""
    more_ways, as_many_ways = [], []
    for attribute in VALUES:
        number = Counter(getattr(thing, attribute) for thing in scene)
        pairs = list(permutations(number, 2))
        equal = [(one, other) for one, other in pairs if number[one] == number[other]]
        more = [(one, other) for one, other in pairs if number[one] > number[other]]
        more = more or [(one, absent) for one in number for absent in _absent(scene, attribute, words)]
        fewer = [(other, one) for one, other in more]
        if more:
            more_ways.append((attribute, more, [fewer, equal] if equal else [fewer]))
        if more and equal:
            as_many_ways.append((attribute, equal, [more, fewer]))
    return {_MORE: more_ways, _AS_MANY: as_many_ways}


def _relation(scene, yes, chances, words):
    named = {thing: references(thing, scene) for thing in scene}
    pairs = [(one, other) for one, other in permutations(scene, 2) if named[other]]
    triples = [
        (one, relation, other) for one, other in pairs for relation in RELATIONS if distance(one, relation, other) > MARGIN
    ]
    sure = [triple for triple in triples if named[triple[0]]]
    alone = [triple for triple in triples if _alone(*triple, scene)]
    if not sure and not alone:
        return None
    if pick([ways for ways in (sure, alone) if ways], chances) is alone:
        one, relation, other = pick(alone, chances)
        attribute = pick(("colour", "shape"), chances)
        text = _WHAT.format(attribute=attribute, relation=relation, other=pick(named[other], chances))
        return text, getattr(one, attribute)
    one, relation, other = pick(sure, chances)
    one, other = (one, other) if yes else (other, one)
    text = _RELATION.format(thing=pick(named[one], chances), relation=relation, other=pick(named[other], chances))
    return text, _yes_or_no(yes)


def _alone(one, relation, other, scene):
    """Whether every further thing lies clearly on the opposite side of ``other``."""
    return all(distance(third, relation, other) < -MARGIN for third in scene if third is not one and third is not other)


def _values(thing, named):
    return tuple([getattr(thing, attribute) for attribute in named])


def _called(named, values, plural=False):
    return noun(**dict(zip(named, values, strict=True)), plural=plural)


def _mixed(scene, named):
    """Values that the scene has, but not together: those of one thing, with one attribute of another; [] if there are none."""
    there = [_values(thing, named) for thing in scene]
    mixtures = [
        (*one[:place], other[place], *one[place + 1 :])
        for one, other in permutations(there, 2)
        for place in range(len(named))
        if one[place] != other[place]
    ]
    return [values for values in mixtures if values not in there]


def _one_changed(scene, named, words):
    """For each attribute of each thing: the values that the scene has not and that differ from the thing's there alone."""
    there = [_values(thing, named) for thing in scene]
    changed = [
        [values for word in words[attribute] if (values := (*one[:place], word, *one[place + 1 :])) not in there]
        for one in there
        for place, attribute in enumerate(named)
    ]
    return [options for options in changed if options]


def _absent(scene, attribute, words):
    """The words of an attribute that fit no thing of the scene."""
    there = {getattr(thing, attribute) for thing in scene}
    return [word for word in words[attribute] if word not in there]


def _yes_or_no(yes):
    return "yes" if yes else "no"


def _weighted(options, weights, chance):
    """One of the options, by a uniform number, as often as its weight says."""
    chance *= sum(weights)
    for option, weight in zip(options, weights, strict=True):
        chance -= weight
        if chance < 0:
            return option
    return options[-1]


WRITERS = {
    "existence": _existence,
    "count": _count,
    "attribute": _attribute,
    "comparison": _comparison,
    "relation": _relation,
}
