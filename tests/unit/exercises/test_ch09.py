"""Chapter 09: each mistake is named, right answers in other styles pass, and the right ones are torch's and the package's."""

from collections import Counter
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import rnn

from mmlearn.data.cooccurrence import pmi as counted_pmi
from mmlearn.exercises import ch09, verify
from mmlearn.exercises.ch09 import _MERGE_CASES, _joined
from mmlearn.models import bpe
from mmlearn.ops.word_vectors import analogy


def by_autograd_of_the_lookup(grad_output, ids, words):
    table = grad_output.new_zeros(words, grad_output.shape[-1], requires_grad=True)
    return torch.autograd.grad(F.embedding(ids, table), table, grad_output)[0]


def by_one_hot(grad_output, ids, words):
    one_hot = F.one_hot(ids.flatten(), words).to(grad_output.dtype)
    return one_hot.T @ grad_output.flatten(0, -2)


def by_a_loop(grad_output, ids, words):
    gradient = grad_output.new_zeros(words, grad_output.shape[-1])
    for word, row in zip(ids.flatten().tolist(), grad_output.reshape(-1, grad_output.shape[-1]), strict=True):
        gradient[word] = gradient[word] + row
    return gradient


def test_embedding_gradient():
    verify(ch09.embedding_gradient, also_right=[by_autograd_of_the_lookup, by_one_hot, by_a_loop])


def test_the_famous_line_that_loses_repeated_words_is_named():
    def famous(grad_output, ids, words):
        gradient = grad_output.new_zeros(words, grad_output.shape[-1])
        gradient[ids.flatten()] += grad_output.flatten(0, -2)
        return gradient

    result = ch09.embedding_gradient.judge(famous)
    assert "overwrites" in str(result)


def in_logarithms(counts):
    return counts.log() + counts.sum().log() - counts.sum(1, keepdim=True).log() - counts.sum(0).log()


def test_pmi():
    verify(ch09.pmi, also_right=[in_logarithms, lambda counts: counted_pmi(counts).to(counts.dtype)])


def by_autograd(centre, context, negative):
    leaves = [tensor.clone().requires_grad_() for tensor in (centre, context, negative)]
    v, u, n = leaves
    loss = -F.logsigmoid((u * v).sum(1)) - F.logsigmoid(-torch.einsum("nkd,nd->nk", n, v)).sum(1)
    return torch.autograd.grad(loss.mean(), leaves)


def test_skip_gram_gradient():
    verify(ch09.skip_gram_gradient, also_right=[by_autograd])


def by_the_package(vectors, a, b, c):
    return analogy(vectors, a, b, c).item()


def by_distance_on_the_sphere(vectors, a, b, c):
    unit = F.normalize(vectors, dim=1)
    target = F.normalize(unit[b] - unit[a] + unit[c], dim=0)
    order = (unit - target).norm(dim=1).argsort().tolist()
    return next(word for word in order if word not in (a, b, c))


def as_a_tensor(vectors, a, b, c):
    return analogy(vectors, a, b, c)[0]


def test_complete_analogy():
    verify(ch09.complete_analogy, also_right=[by_the_package, by_distance_on_the_sphere, as_a_tensor])


def by_the_course(counts, merges):
    return bpe.learn_merges(counts, merges)


def test_learn_merges():
    verify(ch09.learn_merges, also_right=[by_the_course])


@pytest.mark.parametrize(("counts", "merges"), _MERGE_CASES)
def test_in_every_round_one_pair_is_ahead(counts, merges):
    words = {word: [*word, "</w>"] for word in counts}
    for _ in range(merges):
        pairs = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        (best, most), *others = pairs.most_common()
        assert not others or others[0][1] < most, pairs.most_common(3)
        words = {word: _joined(pieces, best) for word, pieces in words.items()}


def by_torch(sequences):
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    return packed.data, packed.batch_sizes, packed.sorted_indices


def by_a_mask(sequences):
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    order = torch.tensor(sorted(range(len(sequences)), key=lambda n: -len(sequences[n])))
    padded = rnn.pad_sequence([sequences[n] for n in order])  # (T, N, D)
    running = torch.arange(len(padded))[:, None] < lengths[order]  # (T, N)
    return padded[running], running.sum(1), order


def test_pack():
    verify(ch09.pack, also_right=[by_torch, by_a_mask])


def step_by_autograd(words, contexts, centre, context, negative, lr):
    leaves = words.clone().requires_grad_(), contexts.clone().requires_grad_()
    v, u, n = leaves[0][centre], leaves[1][context], leaves[1][negative]
    loss = -F.logsigmoid((u * v).sum(1)).sum() - F.logsigmoid(-(n * v[:, None]).sum(2)).sum()
    gradients = torch.autograd.grad(loss, leaves)
    return tuple(leaf.detach() - lr * gradient for leaf, gradient in zip(leaves, gradients, strict=True))


def test_repaired_step():
    verify(ch09.repaired_step, also_right=[step_by_autograd])


def published_step(words, contexts, centre, context, negative, lr):
    """As the chapter prints it."""
    words, contexts = words.clone(), contexts.clone()
    v, u, n = words[centre], contexts[context], contexts[negative]
    right = torch.sigmoid((u * v).sum(1)) - 1
    wrong = torch.sigmoid((n * v[:, None]).sum(2)) / negative.shape[1]
    words[centre] -= lr * (right[:, None] * u + (wrong[:, :, None] * n).sum(1))
    contexts[context] -= lr * right[:, None] * words[centre]
    contexts[negative] -= lr * wrong[:, :, None] * words[centre][:, None]
    return words, contexts


def test_the_published_step_has_all_three_errors():
    assert "All three errors are still in it" in str(ch09.repaired_step.judge(published_step))


def test_an_answer_that_is_right_without_repeated_words_alone_is_not_called_right():
    def half(words, contexts, centre, context, negative, lr):
        words, contexts = words.clone(), contexts.clone()
        v, u, n = words[centre], contexts[context], contexts[negative]
        right = torch.sigmoid((u * v).sum(1)) - 1
        wrong = torch.sigmoid((n * v[:, None]).sum(2))
        words[centre] -= lr * (right[:, None] * u + (wrong[:, :, None] * n).sum(1))
        contexts[context] -= lr * right[:, None] * v
        contexts[negative] -= lr * wrong[:, :, None] * v[:, None]
        return words, contexts

    assert "Two errors found, one left: where a word comes twice" in str(ch09.repaired_step.judge(half))
