"""FSDD, the Free Spoken Digit Dataset: the digits 0 to 9, spoken by a few people, at 8 kHz (Jackson et al. 2018)."""

import re
from dataclasses import dataclass

import torch

from mmlearn.data.audio import read_wav
from mmlearn.data.by_hand import located

SOURCE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
LICENCE = "CC BY-SA 4.0"
RATE = 8000
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")


@dataclass(frozen=True)
class Recording:
    """``sound`` (T,) float32 in [−1, 1] at ``rate`` Hz: ``speaker`` says ``digit`` for the ``take``-th time."""

    sound: torch.Tensor
    rate: int
    digit: int
    speaker: str
    take: int


def fsdd(root=None, speakers=None, takes=None):
    """The recordings, in order of digit, speaker and take: a list of Recording.

    root: None for MMLEARN_DATA, or a folder of yours that holds ``recordings/<digit>_<speaker>_<take>.wav``
    speakers: names, or None for all   takes: how many of each digit by each speaker, or None for all
    Raises FileNotFoundError with what to put where; ValueError for files with other names, damaged ones, unknown speakers.
    """
    folder = located("FSDD", ("fsdd", "free-spoken-digit-dataset"), "recordings", root, SOURCE, LICENCE) / "recordings"
    paths = sorted(folder.glob("*.wav"))
    named = {path: _NAME.fullmatch(path.name) for path in paths}
    strange = [path.name for path, match in named.items() if not match]
    if strange:
        raise ValueError(f"{folder} holds {len(strange)} files not called <digit>_<speaker>_<take>.wav: {', '.join(strange[:5])}")
    about = sorted((int(match[1]), match[2], int(match[3]), path) for path, match in named.items())
    known = sorted({speaker for _, speaker, _, _ in about})
    unknown = sorted(set(speakers or ()) - set(known))
    if unknown:
        raise ValueError(f"no recordings by {', '.join(unknown)}: the speakers are {', '.join(known) or 'none'}")
    return [
        Recording(read_wav(path, RATE)[0], RATE, digit, speaker, take)
        for digit, speaker, take, path in about
        if (speakers is None or speaker in speakers) and (takes is None or take < takes)
    ]
