"""What a scene sounds like: each object strikes one note.

    colour   → pitch      PITCHES: eight notes of a pentatonic scale, so that any chord of them is pleasant
    shape    → timbre     TIMBRES: which harmonics ring with the note
    size     → loudness   LOUDNESS: a small object has half the amplitude of a large one (−6 dB)
    x        → when and where from: the leftmost object sounds first, and from the left

Height and depth make no sound: they are known to the image alone.

Sounds add up: a scene sounds as its objects do one by one, added. The scale is fixed so that even MAX_OBJECTS large objects
in one place stay within [−1, 1]; nothing depends on what else is in the scene or in the batch.
"""

import math
from functools import lru_cache

import torch

from .attributes import COLOURS, MAX_OBJECTS, SHAPES, SIZES

RATE = 16000  # samples a second
SECONDS = 2
SAMPLES = RATE * SECONDS

PITCHES = {  # colour → Hz: the pentatonic scale G A C D E from G4 on, in equal temperament with A4 = 440 Hz
    "red": 392.00,
    "orange": 440.00,
    "yellow": 523.25,
    "green": 587.33,
    "cyan": 659.26,
    "blue": 783.99,
    "purple": 880.00,
    "white": 1046.50,
}
TIMBRES = {  # shape → relative amplitudes of the harmonics 1, 2, 3, …; the seventh of the highest note is at 7,326 Hz
    "circle": (1,),  # round and pure
    "ring": (1, 1),  # two outlines: the octave rings with it
    "triangle": (1, 0, 1),  # three corners: the third harmonic
    "diamond": (1, 0, 0, 1),  # four corners: the fourth
    "star": (1, 0, 0, 0, 1),  # five points: the fifth
    "square": (1, 0, 0.75, 0, 0.6, 0, 0.5),  # odd harmonics only, like a square wave or a clarinet
    "cross": (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4),  # every harmonic, like a sawtooth or a violin
    "heart": (1, 0, 0, 0, 0, 0.8, 0.8),  # a nasal ring far above the note
}
LOUDNESS = {"small": 0.5, "large": 1.0}  # size → amplitude

LATEST_ONSET = 1.2  # seconds: when an object at the right edge begins; one at x begins at 1.2 x
ATTACK = 0.02  # seconds from silence to full strength, along a raised cosine
DECAY = 0.35  # seconds in which the note falls to 1/e
FADE = 0.05  # seconds of raised cosine at the end, so that the sound ends in silence

_CHUNK = 32  # scenes at a time: the working memory stays in the cache


def sound(scenes):
    """The sound of each scene: (N, 2, 32000) float32 in [−1, 1], two seconds at 16 kHz, left and right ear.

    A scene sounds the same, bit for bit, alone or in any batch; an empty scene is silent. The power is shared between the ears
    (left 1 − x, right x), so that it is the same from every direction.
    Raises ValueError when a scene has more than MAX_OBJECTS objects.

    The spectrogram of a sound: ``mmlearn.data.audio.log_mel(sound(scenes))``.
    """
    most = int(scenes.count.max()) if len(scenes) else 0
    if most > MAX_OBJECTS:
        raise ValueError(f"a scene sounds with at most {MAX_OBJECTS} objects, or it would be too loud; got one with {most}")
    device = scenes.x.device
    ears = torch.zeros(len(scenes), 2, SAMPLES, device=device)
    notes = _notes().to(device)  # (colours, shapes, S)
    strikes = _envelopes().to(device).unfold(0, SAMPLES, 1)  # (S + 1, S): row i begins S − i samples late
    loudness = torch.tensor([LOUDNESS[size] for size in SIZES], device=device) / MAX_OBJECTS

    for start in range(0, len(scenes), _CHUNK):
        some = slice(start, start + _CHUNK)
        for slot in range(scenes.present.shape[1]):
            rows = start + scenes.present[some, slot].nonzero().flatten()  # (n,): the scenes with an object in this slot
            x = scenes.x[rows, slot].clamp(0, 1)
            onset = (x * (LATEST_ONSET * RATE)).round().long()
            pan = torch.stack([1 - x, x], dim=1).sqrt()  # (n, 2); squares add to 1
            gain = pan * loudness[scenes.size[rows, slot], None]
            note = notes[scenes.colour[rows, slot], scenes.shape[rows, slot]] * strikes[SAMPLES - onset]  # (n, S)
            ears[rows] += gain[:, :, None] * note[:, None, :]  # (n, 2, S)
    return ears


@lru_cache(maxsize=1)
def _notes():
    """(colours, shapes, S): each note as it would sound for two seconds; all equally strong, the highest peak of all at 1.

    The phases belong to the clock, not to the object: two objects of one colour strengthen each other's harmonics and
    never cancel them. They are Schroeder's (1970), which keep the peaks of a sum of harmonics low.
    """
    harmonics = torch.arange(1, 1 + max(map(len, TIMBRES.values())))
    timbres = torch.zeros(len(SHAPES), len(harmonics), dtype=torch.float64)  # (shapes, harmonics)
    for row, shape in enumerate(SHAPES):
        timbres[row, : len(TIMBRES[shape])] = torch.tensor(TIMBRES[shape], dtype=torch.float64)
    timbres = timbres / (timbres.square().sum(dim=1, keepdim=True) / 2).sqrt()  # mean square 1

    time = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    pitches = torch.tensor([PITCHES[colour] for colour in COLOURS], dtype=torch.float64)
    phases = -math.pi * harmonics * (harmonics - 1) / len(harmonics)
    waves = torch.sin(2 * math.pi * pitches[:, None, None] * harmonics[:, None] * time + phases[:, None])
    notes = torch.einsum("sh,cht->cst", timbres, waves)  # (colours, shapes, S)
    notes = notes / notes.abs().max()

    fade = int(FADE * RATE)
    notes[..., -fade:] *= _raised_cosine(fade).flip(0)
    return notes.float()


@lru_cache(maxsize=1)
def _envelopes():
    """(2 S,): silence for two seconds, then the attack and the decay of a note."""
    time = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    envelope = torch.exp(-time / DECAY)
    attack = int(ATTACK * RATE)
    envelope[:attack] *= _raised_cosine(attack)
    return torch.cat([torch.zeros(SAMPLES), envelope.float()])


def _raised_cosine(samples):
    """(samples,) from 0 to nearly 1, flat at both ends."""
    return 0.5 - 0.5 * torch.cos(math.pi * torch.arange(samples, dtype=torch.float64) / samples)
