"""Chapter 14's exercises: the right answers agree with independent libraries, and every catalogued mistake is named."""

import math

import numpy as np
import pytest
import torch
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


def test_an_assert_in_place_of_a_value_error_does_not_pass():
    def answer(labels, classes):
        counts = torch.bincount(labels, minlength=classes)
        assert (counts > 0).all()
        return len(labels) / (classes * counts)

    result = ch14.class_weights.check(answer)
    assert "stops with an AssertionError" in result.message
    assert "expects a ValueError" in result.detail
