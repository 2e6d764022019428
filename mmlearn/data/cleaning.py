"""Find what is wrong with readings, captions and images, say it, and mend only what you ask to have mended.

Readings: limits from the training data (``fit_limits``), a report (``inspect_readings``), a treatment (``clean_readings``).
"""

import re
import unicodedata
from dataclasses import dataclass

import torch

TREATMENTS = {"missing": ("raise", "drop", "fill", "keep"), "outliers": ("raise", "drop", "fill", "clip", "keep")}


@dataclass(frozen=True)
class Limits:
    """What is usual for each of D features: the median, and the lowest and highest reading that is no outlier; each (D,)."""

    median: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor


@dataclass(frozen=True)
class Readings:
    """What is wrong with readings (…, D): three bool tensors of their shape, and the names of the D features."""

    nan: torch.Tensor
    infinite: torch.Tensor
    outlier: torch.Tensor
    names: tuple[str, ...]

    @property
    def bad(self):
        """(…, D) bool: wrong in any way."""
        return self.nan | self.infinite | self.outlier

    @property
    def counts(self):
        """feature → {"nan": …, "infinite": …, "outlier": …}"""
        totals = {kind: getattr(self, kind).flatten(0, -2).sum(0).tolist() for kind in ("nan", "infinite", "outlier")}
        return {name: {kind: totals[kind][d] for kind in totals} for d, name in enumerate(self.names)}

    def __str__(self):
        rows = self.nan[..., 0].numel()
        wrong = {name: {kind: n for kind, n in kinds.items() if n} for name, kinds in self.counts.items()}
        said = [f"{name}: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}" for name, kinds in wrong.items() if kinds]
        return f"{rows} rows of {len(self.names)} readings; " + ("; ".join(said) or "nothing wrong")


@dataclass(frozen=True)
class Cleaned:
    """``values`` after the treatment, ``kept`` (N,) the numbers of the rows that are left, and the report on what was given."""

    values: torch.Tensor
    kept: torch.Tensor
    report: Readings


def fit_limits(train, threshold=3.5):
    """Limits from training data (…, D): median ± threshold · MAD / 0.6745 (Iglewicz & Hoaglin 1993).

    MAD is the median distance from the median; divided by 0.6745 it is σ for a bell curve. Unlike mean and σ it stays bounded
    until half of the readings are wrong. Where more than half are equal, MAD is 0 and σ is used; where all are, anything
    else is an outlier. NaN and infinity do not count. Raises ValueError for a feature without a finite reading.
    """
    rows = _rows(train).double()  # (M, D)
    rows = rows.where(rows.isfinite(), torch.nan)
    empty = rows.isnan().all(dim=0).nonzero().flatten().tolist()
    if empty or not len(rows):
        raise ValueError(f"features {empty or 'of an empty table'} have no finite reading in the training data: leave them out")
    median = _median(rows)
    deviation = _median((rows - median).abs()) / 0.6745
    spread = (rows - median).square().nanmean(dim=0).sqrt()
    reach = threshold * deviation.where(deviation > 0, spread)
    return Limits(*(bound.to(train.dtype) for bound in (median, median - reach, median + reach)))


def inspect_readings(x, limits=None, names=None):
    """What is wrong with the readings x (…, D): a Readings report. Nothing is changed.

    limits: from ``fit_limits``; without them there are no outliers, only NaN and infinity   names: of the D features
    """
    _rows(x)
    names = tuple(names) if names is not None else tuple(f"feature {d}" for d in range(x.shape[-1]))
    if len(names) != x.shape[-1] or (limits is not None and len(limits.median) != x.shape[-1]):
        of = f"{len(names)} names" + ("" if limits is None else f" and {len(limits.median)} limits")
        raise ValueError(f"the readings have {x.shape[-1]} features; got {of}")
    outlier = torch.zeros_like(x, dtype=torch.bool)
    if limits is not None:
        outlier = x.isfinite() & ((x < limits.low) | (x > limits.high))
    return Readings(x.isnan(), x.isinf(), outlier, names)


def clean_readings(x, limits=None, *, missing="raise", outliers="keep", names=None):
    """Readings (N, D) or (N, T, D) treated as you say: Cleaned(values, kept, report). The report is on what was given.

    missing: NaN and infinity. "raise" says how many there are; "drop" leaves out every row (of N) with one; "fill" puts the
             training median; "keep" leaves them in
    outliers: the same, or "clip" to the nearest limit. "keep" is the default: what is rare need not be wrong.
    "fill", "clip" and any look for outliers need ``limits`` = fit_limits(train), so that test data are judged by training data.

    >>> train = torch.tensor([[20.0], [21.0], [19.0], [22.0]])
    >>> done = clean_readings(torch.tensor([[20.5], [float("nan")], [999.0]]), fit_limits(train), missing="fill", outliers="clip")
    >>> done.values.flatten(), print(done.report)
    3 rows of 1 readings; feature 0: 1 nan, 1 outlier
    (tensor([20.5000, 20.5000, 25.6890]), None)
    """
    for kind, treatment in (("missing", missing), ("outliers", outliers)):
        if treatment not in TREATMENTS[kind]:
            raise ValueError(f"{kind} must be one of {', '.join(map(repr, TREATMENTS[kind]))}; got {treatment!r}")
    if limits is None and (missing == "fill" or outliers != "keep"):
        raise ValueError(f"missing={missing!r}, outliers={outliers!r} need limits: pass fit_limits(train)")
    report = inspect_readings(x, limits, names)
    values, gone, lost = x, report.nan | report.infinite, torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for kind, treatment, wrong in (("missing", missing, gone), ("outliers", outliers, report.outlier)):
        if treatment == "raise" and wrong.any():
            choices = ", ".join(repr(choice) for choice in TREATMENTS[kind][1:])
            raise ValueError(f"{report}. Choose {kind}= one of {choices}, or mend the source")
        if treatment == "drop":
            lost = lost | wrong.flatten(1).any(dim=1)
        elif treatment == "fill":
            values = torch.where(wrong, limits.median.expand_as(values), values)
        elif treatment == "clip":
            values = torch.where(wrong, values.clamp(limits.low, limits.high), values)
    kept = (~lost).nonzero().flatten()
    return Cleaned(values[kept], kept, report)


_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))  # soft hyphen, zero-width space, word joiner, byte-order mark


def clean_text(text):
    """A caption in one spelling: Unicode NFC, single spaces, no control or invisible characters, nothing at the ends.

    NFC makes é one character where it was e and an accent, so that equal words are equal strings. Letters, case, punctuation,
    and the joiners that emoji, Persian and Indian scripts need stay.

    >>> clean_text(" a cafe\\u0301\\tin\\u00a0Paris\\x00\\n")
    'a café in Paris'
    """
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    text = "".join(letter for letter in text if letter.isspace() or unicodedata.category(letter) != "Cc")
    return re.sub(r"\s+", " ", text).strip()


def text_problems(text):
    """What is wrong with a caption, in words: a list, empty for a clean one. The last two cannot be mended by ``clean_text``.

    >>> text_problems("a  cat"), text_problems("un cafÃ©")
    (['white space'], ['looks like UTF-8 read as Latin-1: is it meant to be "un café"?'])
    """
    if not clean_text(text):
        return ["empty"]
    found = []
    if unicodedata.normalize("NFC", text) != text:
        found.append("not in Unicode NFC")
    if any(unicodedata.category(letter) == "Cc" and not letter.isspace() for letter in text):
        found.append("control characters")
    if text.translate(_INVISIBLE) != text:
        found.append("invisible characters")
    if re.sub(r"\s+", " ", text).strip() != text:
        found.append("white space")
    if "\ufffd" in text:
        found.append("letters lost in decoding (�): read the file again with its right encoding")
    if (meant := _misread(text)) is not None:
        found.append(f'looks like UTF-8 read as Latin-1: is it meant to be "{meant}"?')
    return found


def clean_captions(captions):
    """Captions cleaned, and what was wrong: (list of strings, {number: problems}).

    An empty caption stays, as "", and is in the report, so that captions and images keep their numbers.
    Raises TypeError for what is no string, naming its number.
    """
    for number, caption in enumerate(captions):
        if not isinstance(caption, str):
            raise TypeError(f"captions must be strings; caption {number} is {type(caption).__name__} {caption!r}")
    found = {number: text_problems(caption) for number, caption in enumerate(captions)}
    return [clean_text(caption) for caption in captions], {number: problems for number, problems in found.items() if problems}


def check_images(images):
    """Return ``images`` if they are (N, 3 or 1, H, W) floats in [0, 1]; else raise, naming the probable mistake and its cure.

    TypeError: not floating point. ValueError: another layout, empty, NaN, 0–255, −1–1 or standardised, divided by 255 twice.

    >>> check_images(torch.full((2, 3, 8, 8), 200.0))
    Traceback (most recent call last):
    ...
    ValueError: images must be (N, C, H, W) floats in [0, 1]; got values from 200 to 200, which looks like bytes: divide by 255
    """
    wanted, shape = "images must be (N, C, H, W) floats in [0, 1]", tuple(images.shape)
    if images.dtype == torch.uint8:
        cure = "images.float() / 255" if images.ndim == 4 and shape[1] in (1, 3) else "mmlearn.data.to_float(images)"
        raise TypeError(f"{wanted}; got uint8 {shape}: call {cure}")
    if not images.is_floating_point():
        raise TypeError(f"{wanted}; got {images.dtype} {shape}")
    if images.ndim != 4 or shape[1] not in (1, 3):
        last = images.ndim == 4 and shape[-1] in (1, 3)
        cure = (
            ": channels come second, images.permute(0, 3, 1, 2)"
            if last
            else ": one image becomes a batch with images[None]" * (images.ndim == 3)
        )
        raise ValueError(f"{wanted}; got {shape}{cure}")
    if images.numel() == 0:
        raise ValueError(f"{wanted}; got an empty batch {shape}")
    broken = int((~images.isfinite()).flatten(1).any(dim=1).sum())
    if broken:
        raise ValueError(f"{wanted}; {broken} of {len(images)} hold NaN or infinity: see which with images.isfinite()")
    low, high = images.min().item(), images.max().item()
    if low < -1e-4 or high > 1 + 1e-4:  # resizing leaves roundings
        if low >= 0 and high > 2:
            meant = "which looks like bytes: divide by 255" if high <= 255 else "which looks like 16-bit pixels: divide by 65535"
        elif -1 <= low < -0.25 and high <= 1 + 1e-4:
            meant = "which looks like [−1, 1]: (images + 1) / 2 brings it back"
        elif low < -0.25:
            meant = "which looks standardised: check before normalising, or undo it with Normalise.inverse"
        else:
            meant = "a little outside, as bicubic resizing leaves it: call images.clamp(0, 1)"
        raise ValueError(f"{wanted}; got values from {low:.3g} to {high:.3g}, {meant}")
    if 0 < high <= 1 / 255 and ((images > 0) & (images < 0.99 / 255)).any():
        raise ValueError(f"{wanted}; got nothing above {high:.2g}, which looks like bytes divided by 255 twice: multiply by 255")
    return images


def _rows(x):
    """(…, D) floats as (M, D)."""
    if not x.is_floating_point() or x.ndim < 2:
        raise ValueError(f"readings must be floats (N, D) or (N, T, D); got {x.dtype} {tuple(x.shape)}")
    return x.flatten(0, -2)


def _median(rows):
    """(M, D) → (D,); NaN does not count. Of an even number the mean of the middle two, or the lower in a very large table."""
    return torch.nanquantile(rows, 0.5, dim=0) if rows.numel() < 2**24 else rows.nanmedian(dim=0).values


def _misread(text):
    """What a text says if its UTF-8 bytes were taken for Latin-1 letters, else None."""
    try:
        meant = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return None
    return meant if meant != text else None
