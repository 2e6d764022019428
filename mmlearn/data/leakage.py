"""What the test data have already shown to the model: the same file, the same picture, nearly the same one, the same person.

Exact copies are found by hash. Near ones by a hash that changes little when the picture does, and then checked pixel by pixel.
What no program can find is what counts as the same: the same street, the same patient. That is what groups are for.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from mmlearn.data.cleaning import check_images
from mmlearn.data.download import sha256

THUMB = 16  # side in pixels of the pictures that are compared
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Leak:
    """One pair: row ``train`` of the training data and row ``test`` of the test data.

    kind: "exact", "near" or "mirrored"   distance: differing bits of 64, None for texts
    similarity: correlation of the pixels, or the share of common word triples; 1 is equal
    """

    train: int
    test: int
    kind: str
    similarity: float
    distance: int | None = None


@dataclass(frozen=True)
class Leaks:
    """The pairs found between ``sizes`` = (training, test) rows, by test row."""

    pairs: tuple[Leak, ...]
    sizes: tuple[int, int]

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        return iter(self.pairs)

    @property
    def test_rows(self):
        """The test rows to leave out, or to move, sorted."""
        return sorted({leak.test for leak in self.pairs})

    def __str__(self):
        kinds = [f"{sum(leak.kind == kind for leak in self)} {kind}" for kind in dict.fromkeys(leak.kind for leak in self)]
        share = len(self.test_rows) / max(1, self.sizes[1])
        found = f"{len(self)} pairs ({', '.join(kinds)})" if self.pairs else "no pair"
        return f"{self.sizes[0]:,} training and {self.sizes[1]:,} test rows: {found}; {share:.1%} of the test rows leaked"


def find_leaks(train, test, distance=10, correlation=0.95, mirrored=False):
    """Test images that the training images contain, exactly or nearly: Leaks.

    train, test: (N, C, H, W) floats in [0, 1], C 1 or 3, or lists of (C, H, W) of any sizes
    distance: at most so many of the 64 bits of ``difference_hash`` differ   correlation: and at least so alike are the pixels of
    the two, shrunk to 16 × 16   mirrored: look for mirror images, too
    Near finds what was resized, re-encoded (JPEG), or made a little brighter or noisier; not what was cropped or turned.
    Where strangers look alike, raise ``correlation``: digits of 8 × 8 pixels need 0.99.
    Every test image is compared with every training image: 5,000 × 1,000 of 64 × 64 pixels in seconds.

    >>> train = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> print(find_leaks(train, torch.cat([train[4:5], 0.9 * train[7:8]])))
    20 training and 2 test rows: 2 pairs (1 exact, 1 near); 100.0% of the test rows leaked
    """
    train, test = _images(train, "train"), _images(test, "test")
    channels = min((image.shape[0] for image in (*train[:1], *test[:1])), default=1)
    if any(image.shape[0] != channels for image in (*train, *test)):
        channels = 1  # colour beside grey: compared in grey
    rows = defaultdict(list)
    for i, image in enumerate(train):
        rows[pixel_hash(image)].append(i)
    pairs = {(i, j): Leak(i, j, "exact", 1.0, 0) for j, image in enumerate(test) for i in rows[pixel_hash(image)]}
    pages = [("near", test)] + ([("mirrored", [image.flip(-1) for image in test])] if mirrored else [])
    ours = _fingerprints(train, channels)
    for kind, images in pages:
        for i, j, bits, alike in _near(ours, _fingerprints(images, channels), distance, correlation):
            pairs.setdefault((i, j), Leak(i, j, kind, alike, bits))
    ordered = sorted(pairs.values(), key=lambda leak: (leak.test, leak.train))
    return Leaks(tuple(ordered), (len(train), len(test)))


def pixel_hash(image):
    """The sha256 of an image's size and pixels, in steps of 1/255: equal pictures, equal hash, however the files were packed.

    image: (C, H, W) floats in [0, 1]   returns: 64 hexadecimal digits
    """
    pixels = (image.detach().cpu() * 255).round().to(torch.uint8).contiguous()
    return hashlib.sha256(str(tuple(pixels.shape)).encode() + pixels.numpy().tobytes()).hexdigest()


def difference_hash(images):
    """Is each pixel brighter than its left neighbour, in an 8 × 9 grey miniature? 64 answers, (N, 64) bool (dHash, Krawetz 2013).

    images: (N, C, H, W). Brightness and contrast cancel, details are gone: copies differ in few bits, strangers in about 32.
    """
    grey = _grey(images)  # (N, 1, H, W)
    small = interpolate(grey, (8, 9), mode="bilinear", antialias=True)  # (N, 1, 8, 9)
    return (small[..., 1:] > small[..., :-1]).flatten(1)


def same_files(train, test):
    """Files of ``test`` that are byte for byte a file of ``train``: a list of (train path, test path)."""
    paths = defaultdict(list)
    for path in train:
        paths[sha256(path)].append(path)
    return [(other, path) for path in test for other in paths[sha256(path)]]


def find_text_leaks(train, test, similarity=0.8):
    """Test texts that the training texts contain: Leaks.

    "exact" are the same words, whatever their case, spacing and punctuation.
    "near": the sets of word triples have at least ``similarity`` of their union in common (Jaccard index; Broder 1997). A text of
    fewer than three words counts as one piece.   train, test: lists of strings

    >>> print(find_text_leaks(["A red circle.", "a dog"], ["a  red circle", "a cat"]))
    2 training and 2 test rows: 1 pairs (1 exact); 50.0% of the test rows leaked
    """
    from sklearn.feature_extraction.text import CountVectorizer

    for name, texts in (("train", train), ("test", test)):
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{name} must be a list of strings; got {type(texts).__name__}, not all of it strings, or one string")
    words = [[_words(text) for text in texts] for texts in (train, test)]
    if not (train and test):
        return Leaks((), (len(train), len(test)))
    count = CountVectorizer(analyzer=_triples, binary=True, dtype="int32")
    count.fit(words[0] + words[1])
    ours, theirs = (count.transform(each) for each in words)  # (N, triples), sparse
    common = (theirs @ ours.T).tocoo()  # how many triples a test and a training text share
    sizes = [each.getnnz(axis=1) for each in (ours, theirs)]
    jaccard = common.data / (sizes[0][common.col] + sizes[1][common.row] - common.data)
    pairs = [
        Leak(int(i), int(j), "exact" if words[0][i] == words[1][j] else "near", float(alike))
        for j, i, alike in zip(common.row, common.col, jaccard, strict=True)
        if alike >= similarity or words[0][i] == words[1][j]
    ]
    return Leaks(tuple(sorted(pairs, key=lambda leak: (leak.test, leak.train))), (len(train), len(test)))


def group_leaks(train, test):
    """Groups (people, scenes, patients, days) that are in both parts: group → (training rows, test rows). Empty is what you want.

    train, test: one group for each row

    >>> group_leaks(["ann", "bob", "ann"], ["cid", "bob"])
    {'bob': ([1], [1])}
    """
    rows = defaultdict(lambda: ([], []))
    for part, groups in enumerate((train, test)):
        for row, group in enumerate(groups):
            rows[group][part].append(row)
    return {group: both for group, both in rows.items() if all(both)}


def split_by_group(groups, shares, seed):
    """Row numbers for each part, so that no group is in two parts: a list of (n,) int64 tensors, sorted.

    groups: one for each row   shares: of each part, e.g. (0.6, 0.2, 0.2), positive, sum 1
    Groups are taken in random order, each into the part that lacks most rows; no part stays empty. Shares are met as closely as
    the groups' sizes allow.   Raises ValueError with fewer groups than parts.

    >>> [rows.tolist() for rows in split_by_group(["ann", "bob", "ann", "cid", "cid", "ann"], (0.5, 0.5), seed=0)]
    [[1, 3, 4], [0, 2, 5]]
    """
    rows = defaultdict(list)
    for row, group in enumerate(groups):
        rows[group].append(row)
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares must be positive and sum to 1; got {tuple(shares)}")
    if len(rows) < len(shares):
        raise ValueError(f"{len(rows)} groups cannot fill {len(shares)} parts: a group is never split")
    names, parts = list(rows), [[] for _ in shares]
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    for done, number in enumerate(order):
        open_parts = [part for part in range(len(shares)) if not parts[part]]
        if len(order) - done > len(open_parts):
            open_parts = range(len(shares))
        lacking = max(open_parts, key=lambda part: shares[part] * len(groups) - len(parts[part]))
        parts[lacking].extend(rows[names[number]])
    return [torch.tensor(sorted(part)) for part in parts]


def _images(images, name):
    """A list of (C, H, W) images, checked."""
    if isinstance(images, torch.Tensor):
        return list(check_images(images)) if len(images) else []
    for number, image in enumerate(images):
        try:
            check_images(image[None])
        except (TypeError, ValueError) as error:
            raise type(error)(f"image {number} of {name}: {error}") from None
    return list(images)


def _grey(images):
    """(N, C, H, W) → (N, 1, H, W): luminance as ITU-R BT.601 weighs it."""
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return images if images.shape[1] == 1 else (images * weights).sum(dim=1, keepdim=True)


def _fingerprints(images, channels):
    """Of each image 64 signs ±1, (N, 64), and its miniature with mean 0 and length 1, (N, channels · 256)."""
    signs, thumbs = torch.empty(len(images), 64), torch.empty(len(images), channels * THUMB**2)
    shapes = defaultdict(list)
    for number, image in enumerate(images):
        shapes[image.shape].append(number)
    for numbers in shapes.values():
        for some in torch.tensor(numbers).split(256):
            batch = torch.stack([images[number] for number in some.tolist()]).float()  # (n, C, H, W)
            signs[some] = 2 * difference_hash(batch).float().cpu() - 1
            batch = _grey(batch) if channels == 1 else batch
            small = interpolate(batch, (THUMB, THUMB), mode="bilinear", antialias=True).flatten(1).cpu()
            centred = small - small.mean(dim=1, keepdim=True)
            thumbs[some] = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-6)  # an even grey is like nothing
    return signs, thumbs


def _near(train, test, distance, correlation):
    """(train row, test row, differing bits, correlation) of the pairs within both bounds."""
    (signs, thumbs), (other_signs, other_thumbs) = train, test
    for start in range(0, len(signs), 1024):
        bits = (64 - signs[start : start + 1024] @ other_signs.T) / 2  # (n, M): equal signs add 1, others take 1 away
        for some in (bits <= distance).nonzero().split(_CHUNK):
            i, j = some[:, 0] + start, some[:, 1]
            alike = (thumbs[i] * other_thumbs[j]).sum(dim=1)
            for n in (alike >= correlation).nonzero().flatten().tolist():
                yield int(i[n]), int(j[n]), int(bits[some[n, 0], some[n, 1]]), float(alike[n])


def _words(text):
    """The words of a text in one spelling, without punctuation."""
    return tuple(re.findall(r"\w+(?:['’-]\w+)*", unicodedata.normalize("NFKC", text).casefold()))


def _triples(words):
    return [words[k : k + 3] for k in range(max(1, len(words) - 2))]
