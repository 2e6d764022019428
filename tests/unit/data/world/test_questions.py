"""Answers are right, balanced, and not to be had from the question alone.

What is right is computed here a second time, by reading the question with regular expressions and looking at ``scenes.objects``.
"""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmlearn.data import world
from mmlearn.data.world.questions import KINDS, Questions, questions

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]
SINGULAR = {"crosses": "cross", "objects": "object", "ones": "object"}
SINGULAR |= {f"{shape}s": shape for shape in world.SHAPES if shape != "cross"}


def every_question(one, kind, draws=400):
    """{text: answer} of all questions that chance can make of a scene: the same objects under many scene numbers."""
    many = replace(one[torch.zeros(draws, dtype=torch.long)], index=torch.arange(draws))
    asked = questions(many, kind)
    answers = {}
    for text, answer in zip(asked.text, asked.answer, strict=True):
        assert answers.setdefault(text, answer) == answer, text
    return answers


PAIR = (("large red circle", 0.2, 0.5), ("small blue star", 0.8, 0.4))


def test_every_existence_question_about_two_things_is_one_of_these(scenes_of):
    assert every_question(scenes_of(PAIR), "existence") == {
        "is there a red circle?": "yes",
        "is there a blue star?": "yes",
        "is there a large circle?": "yes",
        "is there a small star?": "yes",
        "is there a large red object?": "yes",
        "is there a small blue object?": "yes",
        "is there a large red circle?": "yes",
        "is there a small blue star?": "yes",
        "is there a red star?": "no",
        "is there a blue circle?": "no",
        "is there a large star?": "no",
        "is there a small circle?": "no",
        "is there a large blue object?": "no",
        "is there a small red object?": "no",
        "is there a small red circle?": "no",
        "is there a large blue circle?": "no",
        "is there a large red star?": "no",
        "is there a large blue star?": "no",
        "is there a small red star?": "no",
        "is there a small blue circle?": "no",
    }


def test_every_relation_question_about_two_things_is_one_of_these(scenes_of):
    """They lie 0.6 apart from left to right, but only 0.1 from top to bottom: nothing is asked about above and below."""
    circle, star = ["the circle", "the red object", "the large object"], ["the star", "the blue object", "the small object"]
    asked = every_question(scenes_of(PAIR), "relation", draws=3000)
    expected = {}
    for one, other in [(c, s) for c in circle for s in star]:
        expected |= {f"is {one} left of {other}?": "yes", f"is {other} right of {one}?": "yes"}
        expected |= {f"is {one} right of {other}?": "no", f"is {other} left of {one}?": "no"}
    for one in circle:
        expected |= {f"what colour is the object right of {one}?": "blue", f"what shape is the object right of {one}?": "star"}
    for other in star:
        expected |= {f"what colour is the object left of {other}?": "red", f"what shape is the object left of {other}?": "circle"}
    assert asked == expected


def test_every_attribute_question_about_two_things_is_one_of_these(scenes_of):
    assert every_question(scenes_of(PAIR), "attribute") == {
        "what shape is the red object?": "circle",
        "what shape is the large object?": "circle",
        "what shape is the blue object?": "star",
        "what shape is the small object?": "star",
        "what colour is the circle?": "red",
        "what colour is the large object?": "red",
        "what colour is the star?": "blue",
        "what colour is the small object?": "blue",
        "what size is the circle?": "large",
        "what size is the red object?": "large",
        "what size is the star?": "small",
        "what size is the blue object?": "small",
    }


def test_of_things_that_look_alike_the_plural_is_asked(scenes_of):
    twins = scenes_of([("small blue cross", 0.2, 0.5), ("small blue cross", 0.8, 0.5), ("large red star", 0.5, 0.1)])
    asked = every_question(twins, "attribute")
    assert asked["what colour are the crosses?"] == "blue"
    assert asked["what shape are the small objects?"] == "cross"
    assert asked["what colour is the star?"] == "red"
    assert "what colour is the cross?" not in asked


def test_larger_and_smaller_are_asked_of_what_differs_in_name_and_in_measure(scenes_of):
    asked = every_question(scenes_of(PAIR), "comparison", draws=2000)
    sized = {text: answer for text, answer in asked.items() if "larger" in text or "smaller" in text}
    expected = {}
    for circle, star in [(c, s) for c in ("the circle", "the red object") for s in ("the star", "the blue object")]:
        expected |= {f"is {circle} larger than {star}?": "yes", f"is {star} larger than {circle}?": "no"}
        expected |= {f"is {circle} smaller than {star}?": "no", f"is {star} smaller than {circle}?": "yes"}
    assert sized == expected
    alike = scenes_of(PAIR)
    alike.radius[0, :2] = torch.tensor([0.13, 0.125])
    assert not any("larger" in text or "smaller" in text for text in every_question(alike, "comparison"))


def test_amounts_are_compared_both_ways_and_with_equal_ones(scenes_of):
    trio = scenes_of(
        [
            ("small red circle", 0.2, 0.5),
            ("small blue circle", 0.5, 0.5),
            ("large red star", 0.8, 0.5),
            ("large red ring", 0.5, 0.9),
        ]
    )
    asked = every_question(trio, "comparison", draws=4000)
    assert asked["are there more circles than stars?"] == "yes"
    assert asked["are there more stars than circles?"] == "no"
    assert asked["are there more stars than rings?"] == "no"
    assert asked["are there as many stars as rings?"] == "yes"
    assert asked["are there as many circles as rings?"] == "no"
    assert asked["are there more red objects than blue ones?"] == "yes"
    assert not any(
        "small" in text for text in asked if "many" in text or "more" in text
    )  # two and two: one answer only is to be had


def test_counts_reach_from_zero_to_all(scenes_of):
    six = scenes_of([(f"small {colour} star", 0.1 + 0.15 * n, 0.5) for n, colour in enumerate(["red"] * 4 + ["blue"] * 2)])
    asked = every_question(six, "count", draws=4000)
    assert asked["how many objects are there?"] == "six"
    assert asked["how many stars are there?"] == "six"
    assert asked["how many red objects are there?"] == "four"
    assert asked["how many small blue objects are there?"] == "two"
    assert asked["how many hearts are there?"] == "zero"
    assert asked["how many large objects are there?"] == "zero"


# The second opinion: what the words of a question mean, found by reading it.


def fitting(objects, phrase):
    """The objects that a phrase fits: "the large object", "red circles", "small ones"; every word must be true of them."""
    words = [SINGULAR.get(word, word) for word in phrase.split() if word not in ("the", "a", "an")]
    return [thing for thing in objects if {*words} <= {thing["size"], thing["colour"], thing["shape"], "object"}]


def side(one, relation, other):
    axis, sign = {"left of": ("x", -1), "right of": ("x", 1), "above": ("y", -1), "below": ("y", 1)}[relation]
    return sign * (one[axis] - other[axis])


def alone(objects, phrase):
    (thing,) = fitting(objects, phrase)
    assert phrase.startswith("the ")
    return thing


def answer_to(text, objects):
    sides = "left of|right of|above|below"
    if match := re.fullmatch(r"how many (.*) are there\?", text):
        return NUMBERS[len(fitting(objects, match[1]))]
    if match := re.fullmatch(r"is there (an? .*)\?", text):
        assert match[1].startswith("an ") == (match[1].split()[1][0] in "aeiou")
        return "yes" if fitting(objects, match[1]) else "no"
    if match := re.fullmatch(r"are there (more|as many) (.*) (?:than|as) (.*)\?", text):
        first, second = len(fitting(objects, match[2])), len(fitting(objects, match[3]))
        return "yes" if (first > second if match[1] == "more" else first == second) else "no"
    if match := re.fullmatch(r"is (the .*) (larger|smaller) than (the .*)\?", text):
        one, other = alone(objects, match[1]), alone(objects, match[3])
        assert abs(one["radius"] / other["radius"] - 1) > 0.05
        return "yes" if (one["radius"] > other["radius"]) == (match[2] == "larger") else "no"
    if match := re.fullmatch(rf"what (\w+) is the object ({sides}) (the .*)\?", text):
        other = alone(objects, match[3])
        there = [thing for thing in objects if thing is not other and side(thing, match[2], other) > 0]
        assert all(abs(side(thing, match[2], other)) > 0.1 for thing in objects if thing is not other)
        assert len(there) == 1
        return there[0][match[1]]
    if match := re.fullmatch(rf"is (the .*) ({sides}) (the .*)\?", text):
        distance = side(alone(objects, match[1]), match[2], alone(objects, match[3]))
        assert abs(distance) > 0.1
        return "yes" if distance > 0 else "no"
    if match := re.fullmatch(r"what (colour|shape|size) (is|are) (the .*)\?", text):
        meant = fitting(objects, match[3])
        assert (len(meant) == 1) == (match[2] == "is")
        (answer,) = {thing[match[1]] for thing in meant}
        return answer
    raise AssertionError(f"what does this ask? {text}")


@pytest.fixture(
    scope="module", params=[{}, {"objects": (0, 6), "colours": ["orange", "red", "blue"], "shapes": ["cross", "star"]}]
)
def sampled(request):
    """(2,000 scenes, which words they are made of): of the whole world, and of a small one with many twins."""
    return world.sample(2000, seed=7, size=24, **request.param), request.param


def test_every_answer_is_right(sampled):
    scenes, options = sampled
    words = {name: options[name] for name in ("shapes", "colours") if name in options}
    asked = questions(scenes, per_scene=2, kinds=None, **words)
    assert len(asked) == 4000
    assert set(asked.kind) == set(KINDS)
    assert asked.scene.tolist() == [row for row in range(2000) for _ in range(2)]
    for text, answer, row in zip(asked.text, asked.answer, asked.scene.tolist(), strict=True):
        assert answer_to(text, scenes.objects(row)) == answer, (text, scenes.objects(row))
    if words:
        said = set(re.findall(r"\w+", " ".join(asked.text)))
        assert not said & (({*world.SHAPES} - {*words["shapes"]}) | ({*world.COLOURS} - {*words["colours"]}))


@pytest.mark.parametrize("kind", ["existence", "comparison", "relation"])
def test_yes_and_no_are_equally_frequent(kind):
    some = questions(world.sample(3000, seed=8, size=24, objects=(2, 4)), [kind, "count"])
    answers = Counter(some[[each == kind for each in some.kind]].answer)
    asked = answers["yes"] + answers["no"]
    assert asked > 700
    assert abs(answers["yes"] / asked - 0.5) < 4 * 0.5 / asked**0.5


def test_counts_are_about_as_even_as_the_scenes_allow():
    """Scenes have one to six objects, so a sixth allows the answer six; each answer has a seventh, give or take half."""
    shares = questions(world.sample(3000, seed=9, size=24, objects=(1, 6)), "count").balance()["count"]
    assert set(shares) == {*NUMBERS}
    assert all(1 / 14 < share < 3 / 14 for share in shares.values()), shares


def accuracy(texts, answers, ngrams):
    """Share of right answers of a linear classifier that sees the words alone: trained on 3,000 questions, tested on the rest."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counts, answers = CountVectorizer(token_pattern=r"\w+", ngram_range=(1, ngrams)).fit_transform(texts), np.array(answers)
    return LogisticRegression(max_iter=500).fit(counts[:3000], answers[:3000]).score(counts[3000:], answers[3000:])


@pytest.mark.parametrize("words", [{}, {"shapes": ["circle", "star", "ring"], "colours": ["red", "blue"]}])
def test_the_words_of_a_question_do_not_tell_yes_from_no(words):
    """Chance is 50 %, with a standard error of 50 / √M % on M held-out questions: 0.8 % here, of which four are allowed."""
    asked = questions(world.sample(7500, seed=10, size=24, **words), ["existence", "comparison", "relation"], **words)
    asked = asked[[answer in ("yes", "no") for answer in asked.answer]]
    held = len(asked) - 3000
    assert held > 3000
    for ngrams in (1, 3):
        assert abs(accuracy(asked.text, asked.answer, ngrams) - 0.5) < 4 * 0.5 / held**0.5


def test_the_classifier_finds_words_that_tell():
    """The scenes have two shapes and colours, the questions ask for eight: what no scene has betrays the no."""
    scenes = world.sample(4000, seed=10, size=24, objects=1, shapes=["circle", "star"], colours=["red", "blue"])
    asked = questions(scenes, "existence")
    assert accuracy(asked.text, asked.answer, 1) > 0.6


def test_near_misses_have_the_words_of_the_scene():
    scenes = world.sample(1000, seed=11, size=24, objects=(2, 4))
    asked = questions(scenes, "existence")
    foreign = 0
    for text, answer, row in zip(asked.text, asked.answer, asked.scene.tolist(), strict=True):
        said = {*text.removesuffix("?").split()} - {"is", "there", "a", "an", "object"}
        there = {thing[name] for thing in scenes.objects(row) for name in ("shape", "colour", "size")}
        assert answer == "no" or said <= there
        foreign += not said <= there
    assert foreign < 50  # two things that differ in one attribute alone, or in none, cannot be mixed


def test_balance_gives_the_shares_within_each_kind():
    some = Questions(["q"] * 4, ["yes", "no", "yes", "two"], ["existence"] * 3 + ["count"], torch.arange(4))
    assert some.balance() == {"existence": {"no": 1 / 3, "yes": 2 / 3}, "count": {"two": 1.0}}
    for shares in questions(world.sample(200, seed=1, size=24)).balance().values():
        assert sum(shares.values()) == pytest.approx(1)


def test_labels_are_positions_in_the_sorted_answers_of_the_whole_world():
    asked = questions(world.sample(200, seed=1, size=24))
    assert asked.answers == tuple(sorted(["yes", "no", *NUMBERS, *world.SHAPES, *world.COLOURS, *world.SIZES]))
    assert asked.label.dtype == torch.int64
    assert [asked.answers[label] for label in asked.label] == asked.answer


def test_questions_are_picked_like_the_rows_of_a_tensor():
    asked = questions(world.sample(50, seed=1, size=24), per_scene=2)
    assert len(asked) == 100
    assert asked[-1].text == [asked.text[99]]
    assert asked[3:5].answer == asked.answer[3:5]
    assert asked[[7, 2]].kind == [asked.kind[7], asked.kind[2]]
    assert asked[torch.tensor([7, 2])].scene.tolist() == [3, 1]
    assert len(asked[[]]) == 0
    counts = asked[[kind == "count" for kind in asked.kind]]
    assert set(counts.kind) == {"count"}
    assert len(counts) == asked.kind.count("count")
    assert [each.text[0] for each in asked[:3]] == asked.text[:3]
    with pytest.raises(IndexError, match="question 100 of 100"):
        asked[100]
    with pytest.raises(ValueError, match="got 1, 2, 1, 1"):
        Questions(["?"], ["yes", "no"], ["count"], torch.tensor([0]))


def test_a_scene_is_asked_the_same_by_itselfand_among_others():
    scenes = world.sample(300, seed=12, size=24)
    together = questions(scenes, per_scene=3)
    by_itself = questions(world.sample(index=[211], seed=12, size=24), per_scene=3)
    assert together[633:636].text == by_itself.text
    assert together[633:636].answer == by_itself.answer
    assert scenes.questions(per_scene=3).text == together.text
    assert questions(scenes).text == together[::3].text
    assert questions(scenes, ["count", "existence"]).text == questions(scenes, ["existence", "count"]).text


def test_the_kinds_take_turns():
    asked = questions(world.sample(500, seed=13, size=24, objects=(3, 4)), per_scene=5)
    missing = [{*KINDS} - {*asked.kind[5 * row : 5 * row + 5]} for row in range(500)]
    assert missing.count(set()) + missing.count({"relation"}) == 500
    assert missing.count({"relation"}) < 15  # all but one thing have a twin
    first = Counter(questions(world.sample(2000, seed=13, size=24, objects=(3, 4))).kind)
    assert all(abs(count / 2000 - 0.2) < 4 * (0.2 * 0.8 / 2000) ** 0.5 for count in first.values())


def test_a_scene_is_seldom_asked_twice_the_same():
    asked = questions(world.sample(300, seed=14, size=24), per_scene=5)
    assert len(set(zip(asked.text, asked.scene.tolist(), strict=True))) > 1495


def test_what_a_scene_cannot_be_asked_gives_way_to_another_of_the_kinds(scenes_of):
    lone = scenes_of([("large red circle", 0.5, 0.5)])
    assert set(every_question(lone, ["relation", "attribute"]).values()) == {"red", "circle", "large"}
    assert set(questions(scenes_of([]), per_scene=3).kind) == {"count"}
    assert {every_question(scenes_of([]), "count")["how many objects are there?"]} == {"zero"}


def test_scenes_that_can_be_asked_nothing_are_counted_and_what_to_change_is_said(scenes_of):
    scenes = world.sample(6, seed=1, size=24, objects=1)
    with pytest.raises(
        ValueError, match=r"6 of 6 scenes \(first: row 0\) allow no question of kind relation: relation needs two objects"
    ) as error:
        questions(scenes, "relation")
    assert "objects=(2, 4)" in str(error.value)
    assert 'Add "count"' in str(error.value)
    with pytest.raises(ValueError, match="existence or attribute"):
        questions(scenes_of([]), ["existence", "attribute"])


def test_no_scenes_get_no_questions(scenes_of):
    none = questions(scenes_of(PAIR)[:0])
    assert (len(none), none.scene.shape, none.label.shape, none.balance()) == (0, (0,), (0,), {})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"kinds": "existences"}, "no kind of question 'existences': did you mean existence"),
        ({"kinds": []}, "name at least one kind of question"),
        ({"per_scene": 0}, "whole number from 1; got 0"),
        ({"per_scene": 1.5}, "got 1.5"),
        ({"shapes": ["circl"]}, "did you mean circle"),
    ],
)
def test_bad_input_is_refused(arguments, says, scenes_of):
    with pytest.raises(ValueError, match=says):
        questions(scenes_of(PAIR), **arguments)
