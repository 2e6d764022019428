"""Captions are true and English. What is true is computed from the scenes' objects here, by reading the sentence."""

import re
from collections import Counter

import pytest
import torch

from mmlearn.data import world
from mmlearn.data.world.captions import TEMPLATES, captions
from mmlearn.data.world.grammar import NUMBERS, a, counted, listed, noun, references, things
from mmlearn.data.world.sampling import compose

EMPTY = "there is nothing"


def every_caption(one, template, draws=200):
    """All captions that chance can make of a scene: the same objects under many scene numbers."""
    many = one[torch.zeros(draws, dtype=torch.long)]
    return set(captions(world.Scenes(**{**vars(many), "index": torch.arange(draws)}), template))


@pytest.fixture(scope="module")
def sampled():
    """3,000 scenes with up to six objects, few colours and shapes, so that there are twins; some are empty."""
    few = {"shapes": ["circle", "cross", "heart"], "colours": ["orange", "blue"]}
    return [
        world.sample(1500, seed=1, size=24, objects=(0, 6), **few),
        world.sample(1500, seed=2, size=24, overlap=0.5, objects=(0, 6)),
    ]


TRIO = (("small blue star", 0.8, 0.2), ("large red circle", 0.2, 0.5), ("small blue star", 0.5, 0.9))


def test_each_template_words_a_scene_of_three_as_a_person_would(scenes_of):
    trio = scenes_of(TRIO)
    assert captions(trio, "inventory") == ["a large red circle and two small blue stars"]
    assert captions(trio, "count") == ["there are three objects: a large red circle and two small blue stars"]
    assert captions(trio, "position") == [
        "a large red circle on the left, a small blue star at the bottom and a small blue star in the top right corner"
    ]
    assert every_caption(trio, "relation") == {
        "a red circle is left of a blue star",
        "a blue star is right of a red circle",
        "a red circle is above a blue star",
        "a blue star is below a red circle",
    }


def test_an_arrangement_names_by_the_only_words_that_are_needed(scenes_of):
    pair = scenes_of([("large orange cross", 0.5, 0.2), ("small orange ring", 0.45, 0.8)])
    assert every_caption(pair, "arrangement") == {
        "a small orange ring and a large orange cross, with the cross above the ring",
        "a small orange ring and a large orange cross, with the ring below the cross",
    }
    circles = scenes_of([("large red circle", 0.2, 0.5), ("small red circle", 0.8, 0.5)])
    assert every_caption(circles, "arrangement") == {
        "a large red circle and a small red circle, with the large object left of the small object",
        "a large red circle and a small red circle, with the small object right of the large object",
    }
    assert every_caption(circles, "relation") == {
        "a large red circle is left of a small red circle",
        "a small red circle is right of a large red circle",
    }


def test_what_is_hidden_is_behind_what_can_hide_it(scenes_of):
    objects = (("large red circle", 0.5, 0.5), ("small blue square", 0.62, 0.5), ("small green ring", 0.9, 0.1))
    expected = {"a red circle is in front of a blue square", "a blue square is behind a red circle"}
    covered = scenes_of(objects)
    covered.visible[0, 1] = 0.6
    assert every_caption(covered, "layering") == expected


@pytest.mark.parametrize(
    ("objects", "visible"),
    [
        ((("large red circle", 0.5, 0.5), ("small blue square", 0.65, 0.5)), [1.0, 1.0]),  # nothing is hidden
        ((("large red circle", 0.5, 0.5), ("small blue square", 0.65, 0.5)), [1.0, 0.02]),  # too much is
        (
            (("large red circle", 0.5, 0.5), ("large red star", 0.8, 0.5), ("small blue square", 0.65, 0.5)),
            [1.0, 1.0, 0.5],
        ),  # by which?
    ],
)
def test_nothing_is_said_about_layers_that_cannot_be_told(objects, visible, scenes_of):
    unclear = scenes_of(objects)
    unclear.visible[0, : len(visible)] = torch.tensor(visible)
    for sentence in every_caption(unclear, "layering"):
        assert re.search(r" is (left of|right of|above|below) ", sentence)


@pytest.mark.parametrize("template", [None, *TEMPLATES])
def test_the_empty_scene_and_the_scene_of_one_object_have_captions(template, scenes_of):
    assert captions(scenes_of([]), template) == [EMPTY]
    other = {"position": "a small orange heart in the top left corner", "count": "there is one object: a small orange heart"}
    plain = "a small orange heart"
    expected = {other.get(template, plain)} if template else {plain, *other.values()}
    assert every_caption(scenes_of([("small orange heart", 0.2, 0.1)]), template) == expected


@pytest.mark.parametrize("template", ["relation", "layering", "arrangement"])
def test_where_no_relation_is_clear_the_inventory_is_given(template, scenes_of):
    near = scenes_of([("large red circle", 0.5, 0.5), ("small blue star", 0.55, 0.55)])
    assert captions(near, template) == ["a large red circle and a small blue star"]
    twins = scenes_of([("small blue star", 0.2, 0.5), ("small blue star", 0.8, 0.5)])
    assert captions(twins, template) == ["two small blue stars"]


@pytest.mark.parametrize(
    ("x", "y", "where"),
    [
        (0.1, 0.1, "in the top left corner"),
        (0.5, 0.3, "at the top"),
        (0.99, 0.0, "in the top right corner"),
        (0.3, 0.5, "on the left"),
        (0.34, 0.66, "in the middle"),
        (1.0, 0.5, "on the right"),
        (0.0, 1.0, "in the bottom left corner"),
        (0.5, 0.7, "at the bottom"),
        (0.67, 0.67, "in the bottom right corner"),
    ],
)
def test_the_image_has_nine_places(x, y, where, scenes_of):
    assert captions(scenes_of([("large cyan ring", x, y)]), "position") == [f"a large cyan ring {where}"]


def look(thing):
    return thing["size"], thing["colour"], thing["shape"]


RELATION = "left of|right of|above|below|in front of|behind"


def fits(thing, phrase):
    """Whether a thing is what the phrase says, read word by word: "a red circle", "the large object"."""
    words = phrase.split()[1:]
    known = {thing["size"], thing["colour"], thing["shape"], "object"}
    return all(word in known for word in words)


def holds(one, relation, other):
    dx, dy = one["x"] - other["x"], one["y"] - other["y"]
    if relation in ("left of", "right of"):
        return abs(dx) > 0.1 and abs(dx) >= abs(dy) and (dx < 0) == (relation == "left of")
    return abs(dy) > 0.1 and abs(dy) >= abs(dx) and (dy < 0) == (relation == "above")


def read_inventory(text):
    """Counter of (size, colour, shape) that a list of things adds up to."""
    singular = {"crosses": "cross", **{f"{shape}s": shape for shape in world.SHAPES if shape != "cross"}}
    total = Counter()
    for part in re.split(r", | and ", text):
        number, size, colour, shape = re.fullmatch(r"(\w+) (\w+) (\w+) (\w+)", part).groups()
        many = number not in ("a", "an")
        assert many == (shape in singular), part
        total[size, colour, singular.get(shape, shape)] += NUMBERS.index(number) if many else 1
    return total


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_caption_is_true_of_its_scene(sampled, template):
    kinds = Counter()
    for scenes in sampled:
        for n, text in enumerate(captions(scenes, template)):
            objects = scenes.objects(n)
            there = Counter(map(look, objects))
            if not objects:
                assert text == EMPTY
                continue
            if counting := re.fullmatch(r"there (?:is|are) (\w+) objects?: (.*)", text):
                assert NUMBERS.index(counting[1]) == len(objects)
                assert read_inventory(counting[2]) == there
                kinds["count"] += 1
            elif arranged := re.fullmatch(rf"(.*), with (the .*?) ({RELATION}) (the .*)", text):
                assert read_inventory(arranged[1]) == there
                ones, others = ([thing for thing in objects if fits(thing, phrase)] for phrase in (arranged[2], arranged[4]))
                assert len(ones) == len(others) == 1, text
                assert holds(ones[0], arranged[3], others[0]), text
                kinds["arrangement"] += 1
            elif related := re.fullmatch(r"(an? .*?) is (left of|right of|above|below) (an? .*)", text):
                assert any(
                    fits(p, related[1]) and fits(q, related[3]) and holds(p, related[2], q) for p in objects for q in objects
                ), text
                kinds["relation"] += 1
            elif re.search(" is (in front of|behind) ", text):
                kinds["layering"] += 1
            elif re.search(" (at|in|on) the ", text):
                places = Counter()
                for part in re.split(r", | and ", text):
                    number, *_ = part.split()
                    places[re.search("(?:at|in|on) the .*", part)[0]] += 1 if number in ("a", "an") else NUMBERS.index(number)
                assert places == Counter(place_of(thing) for thing in objects)
                assert read_inventory(re.sub(r" (at|in|on) the [a-z ]*?(?=,| and |$)", "", text)) == there
                kinds["position"] += 1
            else:
                assert read_inventory(text) == there
                kinds["inventory"] += 1
    assert kinds[template] > 100, kinds


def place_of(thing):
    across = "left" if thing["x"] < 1 / 3 else "right" if thing["x"] >= 2 / 3 else ""
    down = "top" if thing["y"] < 1 / 3 else "bottom" if thing["y"] >= 2 / 3 else ""
    if across and down:
        return f"in the {down} {across} corner"
    return f"at the {down}" if down else f"on the {across}" if across else "in the middle"


def test_in_front_is_said_of_what_covers_pixels_of_the_other():
    """The far object is drawn again without the others: the near one's pixels must lie where it would be seen."""
    scenes = world.sample(400, seed=4, size=64, overlap=0.5, objects=(2, 4))
    said = 0
    for n, text in enumerate(captions(scenes, "layering")):
        layered = re.fullmatch(r"(an? .*) is (in front of|behind) (an? .*)", text)
        if not layered:
            continue
        near, far = (layered[1], layered[3]) if layered[2] == "in front of" else (layered[3], layered[1])
        one = scenes[n]
        objects = one.objects(0)
        covered = []
        for thing in (thing for thing in objects if fits(thing, far)):
            absent = torch.arange(one.present.shape[1]) != thing["slot"]
            latents = {name: getattr(one, name).masked_fill(absent, -1) for name in ("shape", "colour", "size")}
            alone = compose(seed=4, index=one.index, x=one.x, y=one.y, depth=one.depth, resolution=64, **latents)
            covered += [
                (alone.mask[0, thing["slot"]] & one.mask[0, other["slot"]]).sum().item() for other in objects if fits(other, near)
            ]
        assert max(covered) > 0, text
        said += 1
    assert said > 50


def test_a_caption_depends_on_the_scene_and_not_on_the_batch():
    scenes = world.sample(300, seed=5, size=24)
    together = captions(scenes)
    assert captions(scenes[[17, 3]]) == [together[17], together[3]]
    assert captions(world.sample(index=[250], seed=5, size=24)) == [together[250]]
    assert scenes.captions() == together
    assert scenes.captions("count") == captions(scenes, "count")


def test_chance_uses_every_template_and_none_much_more_often_than_the_others():
    scenes = world.sample(3000, seed=6, size=24, objects=(2, 4))
    chosen = captions(scenes)
    each = [captions(scenes, template) for template in TEMPLATES]
    assert all(any(text == same for same in texts) for text, *texts in zip(chosen, *each, strict=True))
    counts = sum(text.startswith("there ") for text in chosen)
    assert abs(counts / 3000 - 1 / len(TEMPLATES)) < 4 * (1 / 6 * 5 / 6 / 3000) ** 0.5


def test_an_unknown_template_is_refused_with_the_nearest_one(scenes_of):
    with pytest.raises(ValueError, match="'relations': did you mean relation"):
        captions(scenes_of([]), "relations")
    with pytest.raises(ValueError, match="There are inventory, count"):
        captions(scenes_of([]), ["inventory", "count"])


def test_articles_plurals_and_lists_are_english():
    assert (a("orange ring"), a("object"), a("ring")) == ("an orange ring", "an object", "a ring")
    assert counted(1, colour="orange") == "an orange object"
    assert counted(2, shape="cross") == "two crosses"
    assert counted(0, shape="heart") == "zero hearts"
    assert noun("small", "red", "star", plural=True) == "small red stars"
    assert [listed(["x"]), listed(["x", "y"]), listed(["x", "y", "z"])] == ["x", "x and y", "x, y and z"]
    assert len(NUMBERS) == world.MAX_OBJECTS + 1


def test_references_are_as_short_as_uniquely_possible(scenes_of):
    first, second, third = things(
        scenes_of([("large red circle", 0.1, 0.5), ("small red circle", 0.5, 0.5), ("large blue circle", 0.9, 0.5)])
    )[0]
    everything = [first, second, third]
    assert references(first, everything) == ["the large red object"]
    assert references(second, everything) == ["the small object"]
    assert references(third, everything) == ["the blue object"]
    assert references(third, everything, unsaid="colour") == []
    assert references(first, [first]) == ["the object"]
    twins = things(scenes_of([("small blue star", 0.2, 0.5), ("small blue star", 0.8, 0.5), ("small red star", 0.5, 0.5)]))[0]
    assert references(twins[0], twins) == []
    assert references(twins[0], twins, together=True) == ["the blue objects"]
