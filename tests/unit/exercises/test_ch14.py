"""Chapter 14's exercises: the right answers agree with independent libraries, and every catalogued mistake is named."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mutual_info_score
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.utils.rnn import pad_sequence

from mmlearn import data
from mmlearn.data.decomposition import decompose
from mmlearn.exercises import ch14, verify


def bits_as_a_difference(joint):
    """H(Y) − H(Y|A), as a plain number."""

    def h(p):
        return -sum(q * math.log2(q) for q in p if q > 0)

    left = sum(sum(row) * h([p / sum(row) for p in row]) for row in joint.tolist() if sum(row) > 0)
    return h(joint.sum(0).tolist()) - left


def bits_of_three_entropies(joint):
    def h(p):
        return -torch.special.xlogy(p, p).sum() / math.log(2)

    return h(joint.sum(0)) + h(joint.sum(1)) - h(joint)


def bits_with_a_tiny_number(joint):
    independent = joint.sum(1)[:, None] * joint.sum(0)[None]
    return (joint * ((joint + 1e-9) / (independent + 1e-9)).log2()).sum()


def test_mutual_information():
    also_right = [bits_as_a_difference, bits_of_three_entropies, bits_with_a_tiny_number, data.mutual_information]
    verify(ch14.mutual_information, also_right=also_right)


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (4, 1)])
def test_mutual_information_is_scikit_learns_in_bits(size):
    counts = torch.randint(0, 9, size, generator=torch.Generator().manual_seed(sum(size)))
    theirs = mutual_info_score(None, None, contingency=counts.numpy()) / math.log(2)
    assert ch14.mutual_information.oracle(counts / counts.sum().double()) == pytest.approx(theirs, abs=1e-12)


def test_the_entropy_of_the_picture_in_place_of_the_label_s_is_named():
    def h(p):
        return -torch.special.xlogy(p, p).sum() / math.log(2)

    def answer(joint):
        left = h(joint) - h(joint.sum(1))
        return h(joint.sum(1)) - left

    assert ch14.mutual_information.check(answer).diagnosis.startswith("this is $H(A) - H(Y \\mid A)$")


def gate(label):
    """P[a, b, y] of two fair coins and a label given by a function of them."""
    table = torch.zeros(2, 2, 4, dtype=torch.float64)
    for a in (0, 1):
        for b in (0, 1):
            table[a, b, label(a, b)] += 1 / 4
    return table


LABELS = [lambda a, b: a | b, lambda a, b: 2 * a + b, lambda a, b: 2 * a + (a ^ b)]


def test_gates():
    by_computer = [decompose(gate(label)) for label in LABELS]
    rows = [[d.redundancy, d.unique_a, d.unique_b, d.synergy] for d in by_computer]
    rounded = [[0.31, 0, 0, 0.5], [0, 1, 1, 0], [0, 1, 1, 0]]
    verify(ch14.gates, also_right=[torch.tensor(rows), torch.tensor(rounded)])


ROWS = [[0.3113, 0.0, 0.0, 0.5], [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
FORMS = {
    "lists": lambda rows: rows,
    "tuples": lambda rows: tuple(map(tuple, rows)),
    "an array": np.array,
    "a list of arrays": lambda rows: [np.array(row) for row in rows],
    "a list of tensors": lambda rows: [torch.tensor(row) for row in rows],
    "lists of tensors": lambda rows: [[torch.tensor(bits) for bits in row] for row in rows],
    "lists of numpy's numbers": lambda rows: [[np.float32(bits) for bits in row] for row in rows],
    "a tensor": torch.tensor,
    "a tensor that requires grad": lambda rows: torch.tensor(rows, requires_grad=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_gates_may_be_handed_in_as_anything_with_rows(form):
    assert ch14.gates.check(FORMS[form](ROWS)).passed
    wrong = [ROWS[0], ROWS[1], [1, 0, 0, 1]]
    assert "is taken for the redundancy" in ch14.gates.check(FORMS[form](wrong)).diagnosis
    assert "look at the first row, OR" in ch14.gates.check(FORMS[form]([[0.3, 0.2, 0.0, 0.5], *ROWS[1:]])).diagnosis


@pytest.mark.parametrize("answer", [[ROWS[0], ROWS[1], ROWS[2][:3]], [ROWS[0], None, None], "0.31 0 0 0.5", {"OR": ROWS[0]}])
def test_gates_that_are_no_rows_of_numbers_are_told_what_to_be(answer):
    result = ch14.gates.check(answer)
    assert result.status == "failed"
    assert "three rows of four numbers" in result.diagnosis


@pytest.mark.parametrize("answer", [ROWS[:2], [[*row, 0.0] for row in ROWS], list(map(list, zip(*ROWS, strict=True)))])
def test_gates_of_another_shape_are_told_the_shape(answer):
    assert f"has shape {tuple(np.shape(answer))}, expected (3, 4)" in ch14.gates.check(answer).message


@pytest.mark.parametrize("parts", [[1, 0, 0, 1], [2, 0, 0, 0]])
@pytest.mark.parametrize(("row", "words"), [(1, "the second row, the pair:"), (2, "the third row, $(a,\\, a \\oplus b)$:")])
def test_the_row_that_is_wrong_is_the_one_named(row, words, parts):
    gates = [*ROWS[:row], parts, *ROWS[row + 1 :]]
    diagnosis = ch14.gates.check(gates).diagnosis
    assert diagnosis.startswith(f"look at {words}")
    assert "is taken for the redundancy" in diagnosis


def test_two_rows_that_are_wrong_alike_are_both_named():
    assert "the second and the third row" in ch14.gates.check([ROWS[0], [1, 0, 0, 1], [1, 0, 0, 1]]).diagnosis


@pytest.mark.parametrize(
    ("row", "parts", "words"),
    [
        (0, [0.3, 0.2, 0.0, 0.5], "OR: $R + U_A$ is 0.5 in your row, and by Eq. 14.3 it must equal $I(A;Y)$"),
        (0, [0.311, 0.0, 0.1, 0.4], "OR: $R + U_B$"),
        (1, [0.0, 1.0, 1.0, 1.0], "the pair: the sum of all four is 3"),
        (0, [0.2, 0.1113, 0.1113, 0.3887], "OR: your sums agree with Eq. 14.3, the split does not"),
        (2, [-0.5, 1.5, 1.5, -0.5], "no part of BROJA's is ever negative"),
        (2, [0.0, 0.0, 1.0, 1.0], "$(a,\\, a \\oplus b)$: $R + U_A$ is 0"),
    ],
)
def test_other_wrong_gates_are_held_against_the_three_equations(row, parts, words):
    gates = ch14.gates.oracle.clone()
    gates[row] = torch.tensor(parts)
    result = ch14.gates.check(gates)
    assert result.status == "failed"
    assert result.mistake is None
    assert words in result.diagnosis


def test_interaction():
    def with_loops(logits):
        result = torch.empty_like(logits)
        for a in range(logits.shape[0]):
            for b in range(logits.shape[1]):
                result[a, b] = logits[a, b] - logits[a].mean() - logits[:, b].mean() + logits.mean()
        return result

    def one_after_the_other(logits):
        logits = logits - logits.mean(0)
        return logits - logits.mean(1, keepdim=True)

    def centring_matrices(logits):
        centre = [torch.eye(n, dtype=logits.dtype) - 1 / n for n in logits.shape]
        return centre[0] @ logits @ centre[1]

    verify(ch14.interaction, also_right=[with_loops, one_after_the_other, centring_matrices])


def collate_with_pad_sequence(samples):
    there = [sample["image"] for sample in samples if sample["image"] is not None]
    if not there:
        raise ValueError("a batch needs an image")
    images = [torch.zeros_like(there[0]) if sample["image"] is None else sample["image"] for sample in samples]
    words = [torch.zeros(0, dtype=torch.int64) if sample["words"] is None else sample["words"] for sample in samples]
    is_word = pad_sequence([torch.ones(len(ids), dtype=torch.bool) for ids in words], batch_first=True)
    flags = [torch.tensor([sample[key] is not None for sample in samples]) for key in ("image", "words")]
    return torch.stack(images), flags[0], pad_sequence(words, batch_first=True), is_word, flags[1]


def collate_with_loops(samples):
    first = None
    for sample in samples:
        if first is None and sample["image"] is not None:
            first = sample["image"]
    if first is None:
        raise ValueError
    N, T = len(samples), max(0 if sample["words"] is None else len(sample["words"]) for sample in samples)
    batch = {
        "images": first.new_zeros(N, *first.shape),
        "has_image": torch.zeros(N, dtype=torch.bool),
        "words": torch.zeros(N, T, dtype=torch.int64),
        "is_word": torch.zeros(N, T, dtype=torch.bool),
        "has_text": torch.zeros(N, dtype=torch.bool),
    }
    for n, sample in enumerate(samples):
        if sample["image"] is not None:
            batch["images"][n], batch["has_image"][n] = sample["image"], True
        if sample["words"] is not None:
            length = len(sample["words"])
            batch["words"][n, :length], batch["is_word"][n, :length], batch["has_text"][n] = sample["words"], True, True
    return batch


def collate_of_the_course(samples):
    if all(sample["image"] is None for sample in samples):
        raise ValueError
    batch = data.collate(samples, shapes={"words": torch.zeros(0, dtype=torch.int64)})
    return batch["image"], batch.present["image"], batch["words"], batch.mask["words"], batch.present["words"]


def test_collate():
    verify(ch14.collate, also_right=[collate_with_pad_sequence, collate_with_loops, collate_of_the_course])


def with_errors(samples):
    """What goes wrong by itself where no sample has an image: a RuntimeError of torch.stack."""
    return torch.stack([sample["image"] for sample in samples if sample["image"] is not None])


def refused(*inputs):
    raise ValueError


def kept(mistake, elsewhere):
    """A student's answer with a mistake, who does ``elsewhere(…)`` where a ValueError is asked for."""

    def answer(*inputs):
        try:
            return mistake.wrong(*inputs)
        except LookupError:
            return elsewhere(*inputs)

    return answer


@pytest.mark.parametrize("elsewhere", [refused, with_errors, lambda samples: None, lambda samples: torch.zeros(len(samples), 0)])
@pytest.mark.parametrize("mistake", [mistake for mistake in ch14.collate.mistakes if mistake.partly])
def test_a_mistake_in_a_batch_is_named_with_and_without_the_value_error(mistake, elsewhere):
    assert ch14.collate.judge(kept(mistake, elsewhere)).diagnosis == mistake.diagnosis


def test_a_flag_read_off_the_pixels_is_noticed():
    def answer(samples):
        images, _, *rest = collate_with_pad_sequence(samples)
        return images, (images != 0).flatten(1).any(1), *rest

    assert "`has_image` is read off the pixels: a black picture passes for a missing one" in ch14.collate.check(answer).diagnosis


def test_samples_left_out_are_asked_back():
    def answer(samples):
        whole = [sample for sample in samples if sample["image"] is not None and sample["words"] is not None]
        images = torch.stack([sample["image"] for sample in whole])  # stops where none is whole
        return images, *collate_with_pad_sequence(whole)[1:]

    result = ch14.collate.check(answer)
    assert "you left samples out, those that lack something; a batch keeps all N" in result.diagnosis


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([0, 2, 1, 3, 4], "your 2nd and 3rd results look exchanged: the order is `images`, `has_image`, `words`"),
        ([0, 1, 2, 4, 3], "your 4th and 5th results look exchanged"),
        ([0, 4, 2, 3, 1], "your 2nd and 5th results look exchanged"),
        ([0, 2, 3, 1, 4], "the right results in another order: the order is `images`, `has_image`, `words`"),
    ],
)
def test_results_in_another_order_are_noticed(order, words):
    def answer(samples):
        batch = collate_with_pad_sequence(samples)
        return tuple(batch[place] for place in order)

    assert words in ch14.collate.check(answer).diagnosis


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        ({"image"}, "`has_image` is the wrong way round"),
        ({"words"}, "`has_text` is the wrong way round"),
        ({"image", "words"}, "`has_image` and `has_text` are the wrong way round"),
    ],
)
def test_flags_that_say_what_is_missing_are_noticed(turned, words):
    """Also where the wrong flag then decides about the ValueError."""

    def answer(samples):
        flags = {key: [(sample[key] is None) == (key in turned) for sample in samples] for key in ("image", "words")}
        if not any(flags["image"]):
            raise ValueError("no image")
        images, _, ids, is_word, _ = collate_with_pad_sequence(samples)
        return images, torch.tensor(flags["image"]), ids, is_word, torch.tensor(flags["words"])

    assert words in ch14.collate.check(answer).diagnosis


@pytest.mark.parametrize(
    ("part", "change", "words", "hint"),
    [
        (2, torch.Tensor.float, "the dtype of `words` is float32, expected int64", "say `dtype=torch.int64`"),
        (3, torch.Tensor.float, "the dtype of `is_word` is float32, expected bool", "a comparison such as `x > 0`"),
        (1, torch.Tensor.long, "the dtype of `has_image` is int64, expected bool", "a comparison such as `x > 0`"),
    ],
)
def test_a_wrong_dtype_in_a_batch_is_named(part, change, words, hint):
    def answer(samples):
        batch = list(collate_with_pad_sequence(samples))
        batch[part] = change(batch[part])
        return tuple(batch)

    result = ch14.collate.check(answer)
    assert words in result.message
    assert hint in result.diagnosis
    assert result.mistake is None


def test_a_dtype_that_is_wrong_in_one_case_is_no_mistake_about_flags():
    def answer(samples):
        images, *rest = collate_with_pad_sequence(samples)
        return images.double(), *rest

    result = ch14.collate.check(answer)
    assert "the dtype of `images` is float64, expected float32" in result.message
    assert result.mistake is None


def test_samples_that_are_filled_in_place_are_noticed():
    def answer(samples):
        batch = collate_with_pad_sequence(samples)
        for n, sample in enumerate(samples):
            sample["image"] = batch[0][n]
        return batch

    assert "the caller's data is overwritten" in ch14.collate.check(answer).message


def test_a_value_error_counts_only_where_one_is_asked_for():
    def answer(samples):
        _one, _two = samples  # a ValueError of Python's, where there are more samples
        return collate_with_pad_sequence(samples)

    result = ch14.collate.check(answer)
    assert "stops with a ValueError" in result.message
    assert "_one, _two = samples" in result.detail


def test_a_batch_that_should_be_refused_and_is_not():
    def answer(samples):
        if all(sample["image"] is None for sample in samples):
            return torch.zeros(len(samples), 0)
        return collate_with_pad_sequence(samples)

    result = ch14.collate.check(answer)
    assert "your result is a tensor of shape (2, 0), expected a raised ValueError" in result.message
    assert "samples[1]['image']: None" in result.detail


def test_p_value():
    def with_numpy(score, shuffled):
        return np.mean(np.append(shuffled.numpy(), score) >= score)

    def with_a_loop(score, shuffled):
        count = 1
        for other in shuffled:
            if other >= score:
                count += 1
        return count / (len(shuffled) + 1)

    def as_a_tensor(score, shuffled):
        return (1 + (shuffled >= score).sum()) / (1 + len(shuffled))

    verify(ch14.p_value, also_right=[with_numpy, with_a_loop, as_a_tensor])


def test_one_less_p_is_noticed_as_a_number_and_as_a_tensor():
    def as_a_tensor(score, shuffled):
        return 1 - (1 + (shuffled >= score).sum()) / (1 + len(shuffled))

    for answer in (as_a_tensor, lambda score, shuffled: as_a_tensor(score, shuffled).item()):
        assert ch14.p_value.check(answer).diagnosis.startswith("this is $1 - p$")


def test_leaking():
    rows = sorted(ch14.leaking.oracle)
    forms = [
        rows,
        rows[::-1],
        tuple(rows),
        set(rows),
        rows + rows[:2],
        torch.tensor(rows),
        np.array(rows),
        list(torch.tensor(rows)),
    ]
    verify(ch14.leaking, also_right=[*forms, [float(row) for row in rows]])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "your list is empty"),
        ("3, 8", "a list with the numbers of test pictures"),
        (3, "a list with the numbers of test pictures"),
        ([(7, 6)], "a list with the numbers of test pictures"),
        ([True] * 16, "a list with the numbers of test pictures"),
        ([2.5], "a list with the numbers of test pictures"),
        ([math.nan, math.inf], "a list with the numbers of test pictures"),
        ([16], "there is no test picture 16: they are numbered from 0 to 15"),
        ([-1], "there is no test picture -1"),
        (sorted(ch14.leaking.oracle)[1:], "those that you name do leak, and one more does"),
        (sorted(ch14.leaking.oracle)[2:], "those that you name do leak, and 2 more do"),
        (data.find_leaks(*ch14.hunt_pictures(), mirrored=True), "its `.test_rows`"),
    ],
)
def test_other_answers_to_the_hunt_get_a_sentence(answer, words):
    result = ch14.leaking.check(answer)
    assert result.status == "failed"
    assert words in result.diagnosis


def test_no_sentence_about_the_hunt_names_a_leaking_picture():
    texts = [mistake.diagnosis + mistake.why_more for mistake in ch14.leaking.mistakes] + [*ch14.leaking.hints]
    assert not any(f"[{row}" in text or f" {row} " in text for row in ch14.leaking.oracle for text in texts)


def test_class_weights():
    def with_unique(labels, classes):
        found, counts = labels.unique(return_counts=True)
        if len(found) < classes:
            raise ValueError("a class has no example")
        return len(labels) / (classes * counts)

    def with_scikit_learn(labels, classes):
        return torch.from_numpy(compute_class_weight("balanced", classes=np.arange(classes), y=labels.numpy()))

    def with_a_loop(labels, classes):
        counts = [int((labels == k).sum()) for k in range(classes)]
        for k, count in enumerate(counts):
            if count == 0:
                raise ValueError(f"class {k}")
        return torch.tensor([len(labels) / (classes * count) for count in counts])

    verify(ch14.class_weights, also_right=[with_unique, with_scikit_learn, with_a_loop, data.class_weights])


def counted(labels, classes):
    return torch.bincount(labels, minlength=classes)


UNREFUSED = {
    "the number of classes is missing": lambda labels, classes: len(labels) / counted(labels, classes),
    "these are the inverse counts": lambda labels, classes: 1 / counted(labels, classes),
    "these are the shares": lambda labels, classes: counted(labels, classes) / len(labels),
    "the fraction is upside down": lambda labels, classes: classes * counted(labels, classes) / len(labels),
    "these are scaled to the sum 1": lambda labels, classes: F.normalize(1 / counted(labels, classes), p=1, dim=0),
    "the average *class* weighs 1": lambda labels, classes: classes * F.normalize(1 / counted(labels, classes), p=1, dim=0),
    "measured against the largest class": lambda labels, classes: labels.bincount().max() / labels.bincount(),
    "a class without an example gets the weight infinity": lambda labels, classes: (
        len(labels) / (classes * counted(labels, classes))
    ),
}


@pytest.mark.parametrize("words", UNREFUSED)
def test_the_formula_is_diagnosed_before_the_value_error(words):
    assert words in ch14.class_weights.check(UNREFUSED[words]).diagnosis


@pytest.mark.parametrize("elsewhere", [refused, lambda labels, classes: None, lambda labels, classes: torch.ones(classes)])
@pytest.mark.parametrize("mistake", [mistake for mistake in ch14.class_weights.mistakes if mistake.partly])
def test_a_wrong_formula_is_named_with_and_without_the_value_error(mistake, elsewhere):
    assert ch14.class_weights.judge(kept(mistake, elsewhere)).mistake is mistake


def test_an_assert_in_place_of_a_value_error_does_not_pass():
    def answer(labels, classes):
        counts = torch.bincount(labels, minlength=classes)
        assert (counts > 0).all()
        return len(labels) / (classes * counts)

    result = ch14.class_weights.check(answer)
    assert "stops with an AssertionError" in result.message
    assert "expects a ValueError" in result.detail
