"""Sound as a reader sees it, waveform and spectrogram, and hears it."""

import base64
import html
import io
import wave

import numpy as np

from mmlearn.show.arrays import finite
from mmlearn.show.canvas import Box, canvas, colour_bar, number, outline, write
from mmlearn.show.figures import check_alt, close, plain, publish, to_html
from mmlearn.show.pieces import count_of, draw_spectrogram, draw_wave, hertz_of, listed, pitch_axis, spectrogram_limits, time_axis
from mmlearn.show.style import HAIRLINE, INK, MUTED, SEQUENTIAL

_LEFT, _RIGHT = 62, 14  # CSS pixels beside the panels
_ROOM = 48_000  # bytes of sound that a player may hold: 64 kB in the notebook
_RATES = (16000, 11025, 8000)
_SILENT = 1e-4  # of full scale: −80 dB


def sound(sound, rate=16000, *, listen=False, title=None, alt=None, width=700, caption=None):
    """Display the waveform of a sound, one panel for each ear, and if you like a player.

    sound: (T,), (1, T) or (2, T) floats in [−1, 1]: one channel, or left and right. rate: samples a second.
    listen: a player below the figure. It holds at most 48,000 bytes (mono, 8 bit, 16 kHz or less, at most six seconds), with the
    loudest sample at full volume. It never starts by itself.
    Raises ValueError on other shapes, on NaN, and when a sound is too long for the player.
    """
    ears = _channels(sound, rate)
    alt = describe(ears, rate) if alt is None else alt
    check_alt(alt)
    seconds, limit = ears.shape[1] / rate, max(float(np.abs(ears).max()), 1e-3)
    high, head = 84 if len(ears) > 1 else 120, 28 if title else 8
    fig, axes = canvas(width, head + len(ears) * (high + 8) + 26)
    if title:
        write(axes, 10, 15, title, 13.5, INK, "left")
    for row, (samples, name) in enumerate(zip(ears, ("left", "right") if len(ears) > 1 else ("",), strict=True)):
        box = Box(_LEFT, head + row * (high + 8), width - _RIGHT, head + row * (high + 8) + high)
        draw_wave(axes, samples, box, 1.08 * limit)
        outline(axes, box, HAIRLINE, 1)
        write(axes, _LEFT - 8, box.middle[1], name, 12.5, INK, "right")
        write(axes, _LEFT - 8, box.top + 7, number(limit), 11, MUTED, "right")
        write(axes, _LEFT - 8, box.bottom - 7, number(-limit), 11, MUTED, "right")
    time_axis(axes, box, seconds)
    page, text = to_html(fig, alt, caption=caption), plain(alt, caption)
    close(fig)
    if listen:
        page += player(ears, rate)
    publish(page, text)


def spectrogram(log_mel, *, rate=16000, hop=160, low=0.0, high=None, title=None, alt=None, width=700, caption=None):
    """Display a log-mel spectrogram with its axes in seconds and hertz: which pitches sound when.

    log_mel: (n_mels, frames), or (2, n_mels, frames) for left and right, as mmlearn.data.audio.log_mel gives it. rate, hop, low,
    high: the numbers that log_mel was given. Colours: the log₁₀ of the power, sixty decibels below the loudest and up.
    """
    array = finite(log_mel, "log_mel", {2: "(n_mels, frames)", 3: "(2, n_mels, frames)"})
    array = array[None] if array.ndim == 2 else array  # (channels, n_mels, frames)
    if len(array) > 2:
        raise ValueError(
            f"log_mel must be of one sound, (n_mels, frames) or (2, n_mels, frames); got {array.shape}: choose one, log_mel[0]"
        )
    check_rate(rate)
    high = rate / 2 if high is None else high
    alt = describe_spectrogram(array, rate, hop, low, high) if alt is None else alt
    check_alt(alt)
    limits = spectrogram_limits(array)
    panel, head = 150 if len(array) > 1 else 190, 28 if title else 10
    fig, axes = canvas(width, head + len(array) * (panel + 10) + 54)
    if title:
        write(axes, 10, 13, title, 13.5, INK, "left")
    for row, (bands, name) in enumerate(zip(array, ("left", "right") if len(array) > 1 else ("",), strict=True)):
        box = Box(_LEFT, head + row * (panel + 10), width - _RIGHT, head + row * (panel + 10) + panel)
        draw_spectrogram(axes, bands, box, limits)
        pitch_axis(axes, box, len(bands), low, high)
        if name:
            write(axes, 8, box.middle[1], name, 12.5, INK).set(rotation=90, ha="center")
    time_axis(axes, box, array.shape[-1] * hop / rate)
    colour_bar(axes, _LEFT, box.bottom + 26, 150, SEQUENTIAL, *limits, beyond=(float(array.min()) < limits[0], False))
    write(axes, _LEFT + 166, box.bottom + 30, "log₁₀ power", 11, MUTED, "left")
    page = to_html(fig, alt, caption=caption)
    close(fig)
    publish(page, plain(alt, caption))


def describe(ears, rate):
    """A sound in words: how long, how loud in which ear, and when. ears: (channels, T)."""
    seconds = ears.shape[1] / rate
    text = f"{round(seconds, 2):g} seconds of sound, {count_of(ears.shape[1], 'sample')} at {rate:,} Hz"
    if np.abs(ears).max() < _SILENT:
        return f"{text}, silent throughout."
    parts = [f"{text}."]
    for samples, name in zip(ears, ("The left ear", "The right ear") if len(ears) > 1 else ("It",), strict=True):
        loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(ears).max())
        if not len(loud):
            parts.append(f"{name} stays silent.")
            continue
        peak = int(np.abs(samples).argmax())
        parts.append(
            f"{name} begins at {loud[0] / rate:.2f} s, is loudest at {peak / rate:.2f} s with "
            f"{abs(samples[peak]):.2f} of full scale, and fades by {loud[-1] / rate:.2f} s."
        )
    return " ".join(parts)


def describe_spectrogram(array, rate, hop, low, high):
    """A spectrogram in words: its size, when it begins to sound, where it is strongest. array: (channels, n_mels, frames)."""
    channels, bands, frames = array.shape
    text = f"A log-mel spectrogram: {bands} bands from {low:,.0f} to {high:,.0f} Hz, {count_of(frames, 'frame')}, "
    text += f"{frames * hop / rate:.2f} seconds."
    if array.max() == array.min():
        return f"{text} It is the same everywhere, {number(array.max())}: silence."
    for each, name in zip(array, ("Left: ", "Right: ") if channels > 1 else ("",), strict=True):
        band, frame = np.unravel_index(each.argmax(), each.shape)
        starts = onsets(each)
        what = f"strongest at {frame * hop / rate:.2f} s near {hertz_of(band, bands, low, high):,.0f} Hz"
        if starts:
            what += f"; sounds set in at {listed(f'{start * hop / rate:.2f} s' for start in starts)}"
        text += f" {name}{what if name else what[0].upper() + what[1:]}."
    return text


def onsets(bands):
    """The frames at which a band that was quiet becomes strong and stays so: where new sounds set in. bands: (n_mels, frames)."""
    strong = bands > bands.max() - 2  # twenty decibels below the strongest
    before = np.pad(bands, ((0, 0), (3, 0)), mode="edge")[:, :-3]
    lasting = strong & np.pad(strong, ((0, 0), (0, 2)))[:, 2:]  # a click at the end is no new sound
    rising = (lasting & (bands - before > 1)).any(0)  # ten times the power three frames ago
    fresh = rising & ~np.pad(rising, (4, 0))[:-4] & ~np.pad(rising, (1, 0))[:-1]
    return [int(frame) for frame in np.flatnonzero(fresh)][:8]


def player(ears, rate):
    """An <audio> element that holds the sound in few bytes and never starts by itself. ears: (channels, T)."""
    import torch

    from mmlearn.data.audio import resample

    target = next((to for to in _RATES if to <= rate and ears.shape[1] * to / rate <= _ROOM), None)
    if target is None and ears.shape[1] <= _ROOM:
        target = rate
    if target is None:
        most = _ROOM / min(rate, _RATES[-1])
        raise ValueError(
            f"the player holds at most {most:g} seconds at {min(rate, _RATES[-1]):,} Hz; got {ears.shape[1] / rate:.1f} s: "
            f"listen to a part, sound[..., :{int(most * rate)}]"
        )
    mono = resample(torch.from_numpy(ears.mean(0)).float(), rate, target).numpy()
    levels = np.round(127.5 + 126 * mono / max(float(np.abs(mono).max()), 1e-6)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 1, target, len(levels), "NONE", ""))
        wav.writeframes(levels.tobytes())
    data = base64.b64encode(file.getvalue()).decode()
    label = html.escape(f"Listen: {len(levels) / target:.2f} seconds, mono")
    return f'<audio controls preload="auto" aria-label="{label}" src="data:audio/wav;base64,{data}" style="margin:6px 0"></audio>'


def _channels(sound, rate):
    """(1 or 2, T) float64."""
    check_rate(rate)
    array = finite(sound, "sound", {1: "(T,)", 2: "(channels, T)", 3: "(1, channels, T)"})
    if array.ndim == 3:
        if len(array) != 1:
            raise ValueError(f"sound must be one sound, (T,), (1, T) or (2, T); got {array.shape}: choose one, sound[0]")
        array = array[0]
    array = np.atleast_2d(array)
    if len(array) > 2:
        hint = "sound.T puts channels first" if array.shape[1] <= 2 else "choose one or two channels, sound[:2]"
        raise ValueError(f"sound must have one or two channels, (T,), (1, T) or (2, T); got {array.shape}: {hint}")
    return array


def check_rate(rate):
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or rate < 1:
        raise ValueError(f"rate must be a whole number of samples a second, at least 1; got {rate!r}")
