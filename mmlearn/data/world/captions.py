"""Sentences about scenes: what is there, how many, and where.

>>> from mmlearn.data import world
>>> scenes = world.sample(1, seed=0, size=24, objects=1, shapes="ring", colours="orange", sizes="small")
>>> scenes.captions("inventory"), scenes.captions("count")
(['a small orange ring'], ['there is one object: a small orange ring'])

A caption is true of its scene, in lower case, without a full stop. What is identical is counted together, and things are
listed from left to right, so that the inventory, the count and the position of a scene have one right wording.
"""

from itertools import permutations

from .attributes import numbers_of
from .chance import Chance
from .grammar import MARGIN, NOTHING, NUMBERS, RELATIONS, counted, describe, distance, listed, pick, place, references, things

HIDDEN = (0.05, 0.75)  # shares of a thing that may be hidden for "behind": seen to be hidden, and still seen
_THERE_IS_ONE, _THERE_ARE = "there is one object: {inventory}", "there are {number} objects: {inventory}"
_RELATION = "{one} is {relation} {other}"
_ARRANGEMENT = "{inventory}, with {one} {relation} {other}"
_IN_FRONT, _BEHIND = "in front of", "behind"
WORDS = (_THERE_IS_ONE, _THERE_ARE, _RELATION, _ARRANGEMENT, _IN_FRONT, _BEHIND)


def captions(scenes, template=None):
    """One sentence for each scene: N strings.

    template: a name of TEMPLATES, or None for one drawn by chance for each scene, the same whenever that scene is drawn

        inventory     a large red circle and two small blue stars
        count         there are three objects: a large red circle and two small blue stars
        position      a small yellow heart in the top left corner and a large red ring in the middle   (thirds of the image)
        relation      a red circle is left of a blue square                        (left of, right of, above, below)
        layering      a red circle is in front of a blue square                    (or behind; only where something is hidden)
        arrangement   a large red circle and a small blue square, with the circle left of the square

    Relations hold by more than MARGIN image widths and along the axis on which the two lie further apart. "The" is said of what
    a phrase fits alone, by as few words as do so. Where a template has nothing to say, the next fitting one is used: layering →
    relation → inventory, arrangement → inventory. A scene without objects reads "there is nothing" in every template.
    Raises ValueError on an unknown template, naming the nearest.
    """
    chance = Chance(scenes.seed, scenes.split, scenes.index.cpu())
    if template is None:
        numbers = chance.integers("caption template", len(TEMPLATES)).tolist()
    else:
        numbers = numbers_of((template,), TEMPLATES, "caption template") * len(scenes)
    rows = chance.uniform("caption", 3).tolist()
    return [
        _WRITERS[TEMPLATES[number]](scene, iter(row)) if scene else NOTHING
        for scene, number, row in zip(things(scenes), numbers, rows, strict=True)
    ]


def _inventory(scene, chances=None):
    return listed([_several(thing, number) for thing, number in _alike(scene, _look)])


def _count(scene, chances):
    if len(scene) == 1:
        return _THERE_IS_ONE.format(inventory=_inventory(scene))
    return _THERE_ARE.format(number=NUMBERS[len(scene)], inventory=_inventory(scene))


def _position(scene, chances):
    alike = _alike(scene, lambda thing: (*_look(thing), place(thing)))
    return listed([f"{_several(thing, number)} {place(thing)}" for thing, number in alike])


def _relation(scene, chances):
    clear = [(one, relation, other) for one, relation, other in _clear_relations(scene) if _look(one) != _look(other)]
    if not clear:
        return _inventory(scene)
    one, relation, other = pick(clear, chances)
    return _about_two(one, relation, other)


def _layering(scene, chances):
    layered = [(near, _IN_FRONT, far) for near, far in _overlaps(scene) if _look(near) != _look(far)]
    if not layered:
        return _relation(scene, chances)
    near, relation, far = pick([*layered, *((far, _BEHIND, near) for near, _, far in layered)], chances)
    return _about_two(near, relation, far)


def _arrangement(scene, chances):
    named = {thing: references(thing, scene) for thing in scene}
    clear = [(one, relation, other) for one, relation, other in _clear_relations(scene) if named[one] and named[other]]
    if not clear:
        return _inventory(scene)
    one, relation, other = pick(clear, chances)
    return _ARRANGEMENT.format(inventory=_inventory(scene), one=named[one][0], relation=relation, other=named[other][0])


_WRITERS = {
    "inventory": _inventory,
    "count": _count,
    "position": _position,
    "relation": _relation,
    "layering": _layering,
    "arrangement": _arrangement,
}
TEMPLATES = tuple(_WRITERS)


def _look(thing):
    return thing.size, thing.colour, thing.shape


def _alike(scene, key):
    """(the first thing, how many there are) of those that ``key`` does not tell apart, from left to right."""
    groups = {}
    for thing in scene:
        groups.setdefault(key(thing), []).append(thing)
    return [(group[0], len(group)) for group in groups.values()]


def _several(thing, number):
    return counted(number, size=thing.size, colour=thing.colour, shape=thing.shape)


def _clear_relations(scene):
    """(one, relation, other) that hold along the axis on which the two lie further apart, every pair both ways."""
    clear = []
    for one, other in permutations(scene, 2):
        sides = {relation: distance(one, relation, other) for relation in RELATIONS}
        along, relation = max((side, relation) for relation, side in sides.items())
        if along > MARGIN:
            clear.append((one, relation, other))
    return clear


def _overlaps(scene):
    """(near, far) where ``far`` is partly hidden, and by ``near``: no other nearer thing's extent reaches it."""
    pairs = []
    for far in scene:
        if HIDDEN[0] <= 1 - far.visible <= HIDDEN[1]:
            nearer = [near for near in scene if near.depth < far.depth and _reaches(near, far)]
            if len(nearer) == 1:
                pairs.append((nearer[0], far))
    return pairs


def _reaches(near, far):
    return max(abs(near.x - far.x), abs(near.y - far.y)) < near.radius + far.radius


def _about_two(one, relation, other):
    same = one.colour == other.colour and one.shape == other.shape
    attributes = ("size", "colour", "shape") if same else ("colour", "shape")
    return _RELATION.format(one=describe(one, attributes), relation=relation, other=describe(other, attributes))
