import math

import pytest
import torch
from scipy.stats import chisquare

from mmlearn.data import world
from mmlearn.data.estimates import empirical_table
from mmlearn.data.world.attributes import COLOURS, SHAPES, SIZES
from mmlearn.data.world.tasks import WORDS
from mmlearn.training.batches import as_tensors

NAMES = ("redundant", "unique_image", "unique_text", "matching", "selection")
EPS = {"eps_r": 0.1, "eps_s": 0.2, "eps_image": 0.05, "eps_text": 0.3}


def drawn(name, n, **options):
    arguments = {"n": n, "seed": 0} | options
    return world.dial(**EPS, **arguments) if name == "dial" else getattr(world, name)(**arguments)


@pytest.fixture(scope="module")
def tasks():
    return {name: drawn(name, 3000) for name in (*NAMES, "dial")}


def h(p):
    return 0.0 if p in (0, 1) else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def colour_of(task, slot=0):
    return [tuple(COLOURS)[colour] for colour in task.scenes.colour[:, slot].tolist()]


@pytest.mark.parametrize("name", [*NAMES, "dial"])
def test_what_is_drawn_follows_the_table(tasks, name):
    task = tasks[name]
    counts = empirical_table(task.a, task.b, task.label, task.table.shape) * len(task)
    expected = task.table * len(task)
    assert counts[expected == 0].sum() == 0
    some = expected > 0
    assert chisquare(counts[some].numpy(), expected[some].numpy()).pvalue > 0.001
    assert len(task.classes) == task.table.shape[2]
    assert [len(symbols) for symbols in task.symbols] == list(task.table.shape[:2])


@pytest.mark.parametrize("name", [*NAMES, "dial"])
def test_the_table_is_known_without_drawing(tasks, name):
    table = world.dial.table(**EPS) if name == "dial" else getattr(world, name).table()
    assert torch.equal(table, tasks[name].table)
    assert table.dtype == torch.float64
    assert table.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["redundant", "unique_image", "unique_text", "matching"])
def test_a_is_the_colour_of_the_object_and_b_the_colour_in_the_text(tasks, name):
    task = tasks[name]
    assert [task.symbols[0][a] for a in task.a.tolist()] == colour_of(task)
    words = [text.split()[-1] if "card" in text else text.split()[1] for text in task.text]
    assert [task.symbols[1][b] for b in task.b.tolist()] == words
    right = {
        "redundant": colour_of(task),
        "unique_image": colour_of(task),
        "unique_text": words,
        "matching": ["yes" if seen == said else "no" for seen, said in zip(colour_of(task), words, strict=True)],
    }
    assert [task.classes[label] for label in task.label.tolist()] == right[name]
    if "card" not in task.text[0]:
        assert [text.split()[2] for text in task.text] == [SHAPES[shape] for shape in task.scenes.shape[:, 0].tolist()]
        assert all(text.startswith("an orange " if "orange" in text else "a ") for text in task.text)


def test_selection_asks_for_the_colour_of_the_object_on_one_side(tasks):
    task = tasks["selection"]
    assert (task.scenes.x[:, 0] < 0.5 - task.scenes.radius[:, 0]).all()
    assert (task.scenes.x[:, 1] > 0.5 + task.scenes.radius[:, 1]).all()
    left, right = colour_of(task, 0), colour_of(task, 1)
    assert [task.symbols[0][a] for a in task.a.tolist()] == [f"{one}, {other}" for one, other in zip(left, right, strict=True)]
    sides = ["left" if "left" in text else "right" for text in task.text]
    assert [task.symbols[1][b] for b in task.b.tolist()] == sides
    answers = [one if side == "left" else other for one, other, side in zip(left, right, sides, strict=True)]
    assert [task.classes[label] for label in task.label.tolist()] == answers


def test_the_dial_shows_says_and_asks_what_it_says(tasks):
    task = tasks["dial"]
    shape = [SHAPES[one] for one in task.scenes.shape[:, 0].tolist()]
    size = [tuple(SIZES)[one] for one in task.scenes.size[:, 0].tolist()]
    seen = zip(shape, colour_of(task), size, strict=True)
    assert [task.symbols[0][a] for a in task.a.tolist()] == [", ".join(each) for each in seen]
    words = [text.split() for text in task.text]  # a blue cross in the morning
    assert [task.symbols[1][b] for b in task.b.tolist()] == [f"{word[2]}, {word[1]}, {word[5]}" for word in words]
    assert [word[2] for word in words] == shape
    agrees = [
        "right colour" if word[1] == colour else "wrong colour" for word, colour in zip(words, colour_of(task), strict=True)
    ]
    clean = list(zip(shape, agrees, size, [word[5] for word in words], strict=True))
    given = [tuple(task.classes[label].split(", ")) for label in task.label.tolist()]
    for bit, eps in enumerate(EPS.values()):
        flipped = sum(one[bit] != other[bit] for one, other in zip(clean, given, strict=True)) / len(task)
        assert flipped == pytest.approx(eps, abs=4 * (eps * (1 - eps) / len(task)) ** 0.5)


def test_without_noise_the_label_is_clean_and_at_one_half_it_says_nothing():
    task = world.dial(0.0, n=300, seed=3)
    assert [task.classes[label] for label in task.label.tolist()] == [text.split()[2] for text in task.text]
    silent = world.dial.table(None, 0.5)
    assert torch.equal(silent, silent.flip(2))


@pytest.mark.parametrize("asked", [("eps_r",), ("eps_s",), ("eps_image",), ("eps_text",), ("eps_image", "eps_text"), tuple(EPS)])
def test_each_bit_of_the_dial_is_one_kind_of_information(asked):
    task = world.dial(**{name: EPS[name] for name in asked}, n=4, seed=0)
    assert len(task.classes) == 2 ** len(asked)
    found = task.decomposition
    parts = {"eps_r": found.redundancy, "eps_s": found.synergy, "eps_image": found.unique_a, "eps_text": found.unique_b}
    for name, part in parts.items():
        assert part == pytest.approx(1 - h(EPS[name]) if name in asked else 0, abs=1e-5)
    total = sum(1 - h(EPS[name]) for name in asked)
    assert task.ceilings.both.bits == pytest.approx(total, abs=1e-9)
    assert task.ceilings.additive.bits == pytest.approx(total - parts["eps_s"], abs=1e-5)


def test_pictures_and_sentences_of_the_dial_do_not_depend_on_what_is_asked():
    one, other = world.dial(0.1, n=5, seed=2), world.dial(None, 0.3, None, 0.0, n=5, seed=2)
    assert torch.equal(one.image, other.image)
    assert one.text == other.text
    assert world.unique_image(5, seed=2).text == world.unique_text(5, seed=2).text


@pytest.mark.parametrize("name", [*NAMES, "dial"])
def test_an_example_is_the_same_alone_and_among_many_and_splits_differ(name):
    many, alone = drawn(name, 50), drawn(name, None, index=[37])
    assert all(torch.equal(one, other) for one, other in zip(many[37].tensors, alone.tensors, strict=True))
    assert many[37].text == alone.text
    assert torch.equal(drawn(name, 10, start=40).image, many[40:].image)
    assert not torch.equal(drawn(name, 50, split="test").image, many.image)
    assert not torch.equal(drawn(name, 50, seed=1).label, many.label)


@pytest.mark.parametrize("name", [*NAMES, "dial"])
def test_the_sentences_are_in_the_words_of_the_world(tasks, name):
    task, vocabulary = tasks[name], world.vocabulary()
    assert vocabulary.decode(task.ids[:100]) == list(task.text[:100])
    assert torch.equal(task.mask, task.ids != 0)
    assert not (task.ids == 1).any()  # <unk>


def test_every_class_is_in_the_vocabulary(tasks):
    words = set(world.vocabulary().words)
    for task in tasks.values():
        assert {word for name in task.classes for word in name.replace(",", "").split()} <= words
    assert all(isinstance(word, str) for word in WORDS)


def test_the_pictures_show_the_colours_that_the_latents_say():
    task = world.selection(200, seed=0, texture=0, noise=0)
    assert task.image.shape == (200, 3, 24, 24)
    palette = torch.tensor([COLOURS[name] for name in task.classes])  # (4, 3)
    for slot in range(2):
        pixels = task.scenes.mask[:, slot]  # (N, H, W)
        mean = (task.image * pixels[:, None]).sum((2, 3)) / pixels.sum((1, 2))[:, None]  # (N, 3)
        nearest = (mean[:, None] - palette).norm(dim=2).argmin(1)
        assert [task.classes[k] for k in nearest.tolist()] == colour_of(task, slot)


def test_examples_are_picked_by_number_slice_list_and_tensor():
    task = world.matching(6, seed=0)
    assert len(task) == 6
    for picked in (task[-1], task[5:], task[[5]], task[torch.tensor([5])], task[torch.arange(6) == 5]):
        assert len(picked) == 1
        assert picked.text == (task.text[5],)
        assert torch.equal(picked.image[0], task.image[5])
        assert picked.label == task.label[5]
    with pytest.raises(IndexError, match="example 6 of 6"):
        task[6]
    assert [len(one) for one in (task[:0], task[::2])] == [0, 3]


def test_a_task_is_what_training_takes():
    task = world.matching(6, seed=0)
    image, ids, mask, label = as_tensors(task)
    assert (image.dtype, ids.dtype, mask.dtype, label.dtype) == (torch.float32, torch.int64, torch.bool, torch.int64)
    assert {len(one) for one in (image, ids, mask, label)} == {6}
    moved = task.to("meta")
    assert {one.device.type for one in moved.tensors} == {"meta"}
    assert moved.table.device.type == "cpu"
    assert repr(task) == "Task(matching: 6 train examples, 2 classes)"
    assert task.captions[0] == f"“{task.text[0]}” → {task.classes[task.label[0]]}"
    assert task.decomposition is task.decomposition


@pytest.mark.parametrize("eps", [-0.1, 0.6, float("nan"), "0.1", True])
def test_an_impossible_noise_is_refused(eps):
    for draw in (lambda: world.dial(eps_s=eps, n=2, seed=0), lambda: world.dial.table(eps_s=eps)):
        with pytest.raises(ValueError, match=r"eps_s is the probability that its bit is flipped.*0\.5.*None leaves the bit out"):
            draw()


def test_other_impossible_tasks_are_refused():
    with pytest.raises(ValueError, match=r"at least one bit: give one or more of eps_r, eps_s, eps_image, eps_text"):
        world.dial(n=2, seed=0)
    with pytest.raises(ValueError, match="split must be one of"):
        world.matching(2, seed=0, split="tests")
    with pytest.raises(ValueError, match="n must be a whole number"):
        world.selection(-1, seed=0)
    with pytest.raises(ValueError, match="noise must be a number from 0 to"):
        world.redundant(2, seed=0, noise=3)
