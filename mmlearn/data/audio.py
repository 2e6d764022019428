"""Sound for networks: wav files, sampling rates, and the log-mel spectrogram.

    sound = read_wav("digit.wav", rate=16000, resample=True)    # (channels, T) float32 in [−1, 1]
    picture = log_mel(sound)                                     # (channels, 64, frames)

A sampling rate is in Hz, 16,000 unless you say otherwise; samples divided by the rate are seconds.
"""

import io
import math
import struct
import wave
from pathlib import Path

import numpy as np
import torch

from mmlearn.atomic import write_atomically

_FORMATS = {1: "PCM", 2: "ADPCM", 3: "float", 6: "A-law", 7: "μ-law", 17: "IMA ADPCM", 85: "MP3"}
_EXTENSIBLE = 0xFFFE  # the format's number stands further on
_STREAMED = 0xFFFFFFFF  # the length that a program writes that cannot know it yet


def hertz_to_mel(hertz):
    """Frequency in Hz → mel, where equal steps sound about equally far apart: 2595 log₁₀(1 + f/700) (O'Shaughnessy 1987).

    This is the formula of HTK and the default of torchaudio. librosa's default is another, by Slaney.

    >>> hertz_to_mel([0, 1000, 8000]).round()
    tensor([   0., 1000., 2840.], dtype=torch.float64)
    """
    return 2595 * torch.log10(1 + torch.as_tensor(hertz, dtype=torch.float64) / 700)


def mel_to_hertz(mel):
    """Mel → frequency in Hz, the inverse of ``hertz_to_mel``: 700 (10^(m/2595) − 1).

    >>> mel_to_hertz(hertz_to_mel([440, 880])).round()
    tensor([440., 880.], dtype=torch.float64)
    """
    return 700 * (10 ** (torch.as_tensor(mel, dtype=torch.float64) / 2595) - 1)


def mel_filters(n_mels=64, n_fft=400, rate=16000, low=0.0, high=None):
    """The triangles that gather the frequencies of a spectrum into bands: (n_mels, n_fft // 2 + 1) float32.

    Their corners are equally far apart in mel from ``low`` to ``high`` Hz (None: rate / 2, the highest that there is). Each
    rises from 0 at its neighbour's peak to 1 at its own, and falls to 0 at the next (Davis & Mermelstein 1980).
    Raises ValueError when a band is so narrow that no frequency of the spectrum falls into it.

    >>> mel_filters(n_mels=64, n_fft=400).shape
    torch.Size([64, 201])
    """
    high = rate / 2 if high is None else high
    if not 0 <= low < high <= rate / 2:
        raise ValueError(f"bands must lie in 0 ≤ low < high ≤ {rate / 2:g} Hz, half the rate; got low {low:g} and high {high:g}")
    for what, count in (("n_mels", n_mels), ("n_fft", n_fft)):
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{what} must be a whole number, at least 1; got {count!r}")

    mels = torch.linspace(hertz_to_mel(low), hertz_to_mel(high), n_mels + 2, dtype=torch.float64)
    corners = mel_to_hertz(mels)[:, None]  # (n_mels + 2, 1) Hz
    frequency = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * rate / n_fft  # (n_fft // 2 + 1,) Hz
    rising = (frequency - corners[:-2]) / (corners[1:-1] - corners[:-2])  # (n_mels, n_fft // 2 + 1)
    falling = (corners[2:] - frequency) / (corners[2:] - corners[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0)
    empty = (filters == 0).all(dim=1).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"{len(empty)} of {n_mels} bands (the first is number {empty[0]}) are narrower than the {rate / n_fft:g} Hz between "
            f"two frequencies of the spectrum and would stay empty: ask for fewer n_mels or a longer n_fft than {n_fft}"
        )
    return filters.float()


def log_mel(sound, rate=16000, n_fft=400, hop=160, n_mels=64, low=0.0, high=None, floor=1e-10):
    """The log-mel spectrogram: how strong each band of pitch is at each time, as an image. (…, T) → (…, n_mels, frames)

    log₁₀ of the power in each mel band, of Hann windows of ``n_fft`` samples every ``hop`` samples (25 and 10 ms at 16 kHz): one
    unit is ten times the power, 10 dB. Window i is centred at sample i · hop; beyond its ends the sound is mirrored;
    frames = 1 + T // hop. Power below ``floor`` counts as ``floor``, so silence is log₁₀ floor = −10. Window, hop, logarithm and
    floor are those of Whisper (Radford et al. 2022).

    Raises ValueError on integers, NaN or infinity, and on sounds too short to mirror (up to n_fft // 2 samples).

    >>> log_mel(torch.zeros(2, 32000)).shape
    torch.Size([2, 64, 201])
    """
    sound = _checked(sound)
    if not isinstance(hop, int) or hop < 1:
        raise ValueError(f"hop must be a whole number of samples, at least 1; got {hop!r}")
    if not floor > 0:
        raise ValueError(f"floor must be above 0, because log 0 is −∞; got {floor!r}")
    filters = mel_filters(n_mels, n_fft, rate, low, high).to(sound)
    if sound.shape[-1] <= n_fft // 2:
        raise ValueError(
            f"the sound has {sound.shape[-1]} samples, and windows of {n_fft} need at least {n_fft // 2 + 1}: "
            f"pad it with torch.nn.functional.pad(sound, (0, {n_fft // 2 + 1 - sound.shape[-1]})), or take a shorter n_fft"
        )
    window = torch.hann_window(n_fft, dtype=sound.dtype, device=sound.device)
    flat = sound.reshape(-1, sound.shape[-1])
    spectrum = torch.stft(flat, n_fft, hop, window=window, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()  # (…, n_fft // 2 + 1, frames)
    bands = filters @ power  # (…, n_mels, frames)
    return bands.clamp(min=floor).log10().reshape(*sound.shape[:-1], n_mels, -1)


def resample(sound, from_rate, to_rate):
    """The same sound at another sampling rate: (…, T) → (…, ⌈T · to_rate / from_rate⌉), float32.

    What the new rate cannot hold (above to_rate / 2 Hz) is filtered out first, so that it does not come back as a wrong pitch
    (aliasing). Beyond its ends the sound counts as silent. Beside a jump the result can overshoot [−1, 1] a little.

    >>> resample(torch.zeros(1, 8000), from_rate=8000, to_rate=16000).shape
    torch.Size([1, 16000])
    """
    for what, rate in (("from_rate", from_rate), ("to_rate", to_rate)):
        _check_rate(rate, what)
    return _resampled(_checked(sound), from_rate, to_rate)


def _resampled(sound, from_rate, to_rate):
    from scipy.signal import resample_poly

    if from_rate == to_rate:
        return sound.float()
    common = math.gcd(from_rate, to_rate)
    samples = resample_poly(sound.detach().cpu().double().numpy(), to_rate // common, from_rate // common, axis=-1)
    return torch.from_numpy(samples).float().to(sound.device)


def read_wav(path, rate=16000, resample=False):
    """The sound of a wav file: (channels, T) float32. Of 8, 16, 24 or 32-bit PCM in [−1, 1]; of 32 or 64-bit float as it is.

    rate: the sampling rate that you expect, in Hz, or None for whatever the file has.
    resample: convert a file with another rate, instead of refusing it.
    Raises ValueError naming the file and what is wrong: another rate, not a wav file, cut off, damaged, no samples, compressed.
    """
    path = Path(path)
    if rate is not None:
        _check_rate(rate, "rate")
    samples, found = _decode(path.read_bytes(), path)  # (T, channels)
    sound = torch.from_numpy(np.ascontiguousarray(samples.T))
    if not torch.isfinite(sound).all():
        raise ValueError(f"{path} is damaged: {int((~torch.isfinite(sound)).sum())} of its samples are NaN or infinite")
    if rate is None or rate == found:
        return sound
    if not resample:
        raise ValueError(
            f"{path} has {found} samples a second, and {rate} are expected: read_wav(…, rate={rate}, resample=True) converts it, "
            f"and rate={found} takes it as it is"
        )
    return _resampled(sound, found, rate)


def write_wav(path, sound, rate=16000):
    """Write (T,) or (channels, T) floats in [−1, 1] as a 16-bit wav file. The file appears whole or not at all.

    What ``read_wav`` gave for a 16-bit file is written back sample by sample. Raises ValueError when the sound exceeds [−1, 1].
    """
    path = Path(path)
    _check_rate(rate, "rate")
    sound = _checked(sound)
    if sound.ndim not in (1, 2) or not sound.numel():
        raise ValueError(f"write_wav writes one sound (T,) or (channels, T), not empty; got shape {tuple(sound.shape)}")
    peak = sound.abs().max().item()
    if peak > 1:
        raise ValueError(
            f"the sound must stay within [−1, 1]; its peak is {peak:.4g}: divide by it, or cut off with sound.clamp(-1, 1)"
        )
    channels = sound.detach().cpu().double().reshape(-1, sound.shape[-1])
    samples = (channels * 2**15).round().clamp(max=2**15 - 1).to(torch.int16).T.contiguous()  # (T, channels)

    content = io.BytesIO()
    with wave.open(content, "wb") as wav:
        wav.setparams((samples.shape[1], 2, rate, len(samples), "NONE", ""))
        wav.writeframes(samples.numpy().astype("<i2").tobytes())
    write_atomically(path, content.getvalue())


def _decode(content, path):
    """The bytes of a wav file → samples (T, channels) float32, and the sampling rate."""
    chunks = _chunks(content, path)
    header = chunks.get(b"fmt ", b"")
    if len(header) < 16:
        raise ValueError(f"{path} is damaged: it does not say how its sound is stored (no whole 'fmt ' chunk)")
    if b"data" not in chunks:
        raise ValueError(f"{path} is cut off or damaged: it has a header, but no sound (no 'data' chunk)")
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", header[:16])
    if code == _EXTENSIBLE and len(header) >= 26:
        code = struct.unpack("<H", header[24:26])[0]
    size = frame // channels if channels else 0  # bytes a sample
    kind = _FORMATS.get(code, f"format {code}")
    if not channels or not rate or frame != size * channels:
        raise ValueError(f"{path} is damaged: its header says {channels} channels, {rate} Hz and {frame} bytes a moment")
    if (kind, size) not in _DECODERS:
        raise ValueError(
            f"{path} holds {bits}-bit {kind}; read_wav reads 8, 16, 24, 32-bit PCM and 32, 64-bit float: "
            f"convert it with ffmpeg -i {path.name} -c:a pcm_s16le new.wav"
        )
    data = chunks[b"data"]
    if len(data) % frame:
        raise ValueError(
            f"{path} is cut off or damaged: {len(data)} bytes of sound are no whole number of moments of {frame} bytes"
        )
    if not data:
        raise ValueError(f"{path} holds no samples: its sound is 0 seconds long")
    return _DECODERS[kind, size](data).astype(np.float32).reshape(-1, channels), rate


def _chunks(content, path):
    """A wav file is a list of chunks: four letters, a length, that many bytes, and one more when the length is odd."""
    if not content:
        raise ValueError(f"{path} is empty: 0 bytes")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError(f"{path} is not a wav file: it begins with {content[:12]!r} instead of RIFF…WAVE")
    chunks, place = {}, 12
    while place + 8 <= len(content):
        name, length = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        there = len(content) - place - 8
        if name == b"data" and length == _STREAMED:
            length = there
        if length > there and name in (b"fmt ", b"data"):
            raise ValueError(
                f"{path} is cut off: its {name.decode().strip()} should be {length:,} bytes long, and {there:,} are there"
            )
        chunks.setdefault(name, content[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return chunks


def _pcm24(data):
    """Three bytes a sample: shifted into the upper part of four, so that the sign comes out right."""
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
    return wide.reshape(-1).view("<i4") / 2**31


_DECODERS = {  # (format, bytes a sample) → bytes to numbers in [−1, 1)
    ("PCM", 1): lambda data: np.frombuffer(data, dtype=np.uint8) / 2**7 - 1,  # the only one without a sign
    ("PCM", 2): lambda data: np.frombuffer(data, dtype="<i2") / 2**15,
    ("PCM", 3): _pcm24,
    ("PCM", 4): lambda data: np.frombuffer(data, dtype="<i4") / 2**31,
    ("float", 4): lambda data: np.frombuffer(data, dtype="<f4"),
    ("float", 8): lambda data: np.frombuffer(data, dtype="<f8"),
}


def _check_rate(rate, what):
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or rate < 1:
        raise ValueError(f"{what} must be a whole number of samples a second, at least 1; got {rate!r}")


def _checked(sound):
    """The sound as a floating-point tensor (…, T), or a ValueError that says what else it is."""
    sound = torch.as_tensor(sound)
    if sound.ndim == 0 or not sound.is_floating_point():
        raise ValueError(
            f"a sound must be floats (…, T) in [−1, 1]; got {sound.dtype} {tuple(sound.shape)}: divide 16-bit samples by 32768"
        )
    if not torch.isfinite(sound).all():
        raise ValueError(
            f"the sound has {int((~torch.isfinite(sound)).sum())} samples that are NaN or infinite, of {sound.numel()}"
        )
    return sound.float() if sound.element_size() < 4 else sound  # half precision cannot be transformed
