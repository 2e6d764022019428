import base64
import html
import io
import re
import wave

import numpy as np
import pytest
import torch

from mmlearn import show
from mmlearn.data import world
from mmlearn.data.audio import log_mel
from mmlearn.show.pieces import band_of, hertz_of
from mmlearn.show.sounds import describe, describe_spectrogram, onsets

RATE = 16000


def tone(hertz, start, seconds=1.0, rate=RATE):
    """A tone that sets in at ``start`` seconds."""
    time = torch.arange(int(seconds * rate)) / rate
    return torch.where(time >= start, 0.5 * torch.sin(2 * torch.pi * hertz * time), 0.0)


def alt_of(bundle):
    return html.unescape(re.search(r'alt="([^"]*)"', bundle["text/html"])[1])


@pytest.mark.parametrize("shape", [(800,), (1, 800), (2, 800), (1, 2, 800), (2, 3), (1,)], ids=str)
def test_sounds_of_every_allowed_shape_are_shown(shape, published):
    show.sound(torch.rand(shape) - 0.5)
    assert "<img" in published[0]["text/html"]


def test_silence_is_shown_and_said(published):
    show.sound(torch.zeros(2, 1600))
    assert alt_of(published[0]) == "0.1 seconds of sound, 1,600 samples at 16,000 Hz, silent throughout."


def test_the_text_alternative_says_when_each_ear_begins_and_how_loud_it_is():
    ears = torch.stack([tone(440, 0.25), 0.5 * tone(440, 0.5)]).numpy().astype(float)
    text = describe(ears, RATE)
    assert "The left ear begins at 0.25 s" in text
    assert "with 0.50 of full scale" in text
    assert "The right ear begins at 0.50 s" in text
    assert "with 0.25 of full scale" in text


def test_a_silent_ear_is_said_to_be_silent():
    text = describe(torch.stack([tone(440, 0), torch.zeros(RATE)]).numpy().astype(float), RATE)
    assert "The right ear stays silent." in text


def player_of(bundle):
    data = re.search(r'src="data:audio/wav;base64,([^"]+)"', bundle["text/html"])[1]
    with wave.open(io.BytesIO(base64.b64decode(data))) as file:
        levels = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
        return file.getparams(), levels, len(data)


@pytest.mark.parametrize(("rate", "seconds"), [(16000, 2), (8000, 1), (44100, 2), (16000, 4.2), (8000, 6), (22050, 0.5)])
def test_the_player_holds_the_whole_sound_in_little_room(rate, seconds, published):
    show.sound(tone(440, 0, seconds, rate), rate, listen=True)
    header, levels, size = player_of(published[0])
    assert header.nchannels == header.sampwidth == 1
    assert header.framerate <= min(rate, RATE)
    assert header.nframes / header.framerate == pytest.approx(seconds, abs=0.01)
    assert size < 70_000
    strongest = np.abs(np.fft.rfft(levels - 127.5)).argmax() * header.framerate / len(levels)
    assert strongest == pytest.approx(440, abs=2)
    assert levels.max() > 245


def test_the_player_waits_to_be_asked(published):
    show.sound(tone(440, 0), listen=True)
    page = published[0]["text/html"]
    assert "<audio controls" in page
    assert "autoplay" not in page
    assert 'aria-label="Listen: 1.00 seconds, mono"' in page


def test_without_a_wish_to_listen_nothing_is_stored_to_hear(published):
    show.sound(tone(440, 0))
    assert "audio" not in published[0]["text/html"]


def test_a_sound_that_is_too_long_to_store_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"at most 6 seconds at 8,000 Hz; got 7.0 s.*sound\[..., :96000\]"):
        show.sound(torch.zeros(7 * RATE), listen=True)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (torch.zeros(4, 2, 100), 16000, r"choose one, sound\[0\]"),
        (torch.zeros(100, 2), 16000, "sound.T puts channels first"),
        (torch.full((10,), torch.nan), 16000, "10 NaN"),
        (torch.zeros(0), 16000, "at least one"),
        (torch.zeros(10), 0, "rate must be a whole number"),
        (torch.zeros(10), 8000.5, "rate must be a whole number"),
    ],
)
def test_what_is_no_sound_is_named(sound, rate, message):
    with pytest.raises(ValueError, match=message):
        show.sound(sound, rate)


def test_a_spectrogram_of_one_or_two_ears_is_shown(published):
    sound = world.sample(1, seed=0).sound()[0]
    show.spectrogram(log_mel(sound))
    show.spectrogram(log_mel(sound.mean(0)), title="both ears")
    assert len(published) == 2


@pytest.mark.parametrize("hertz", [440, 1000, 3000])
def test_the_text_alternative_says_where_the_spectrogram_is_strongest(hertz):
    text = describe_spectrogram(log_mel(tone(hertz, 0.5))[None].numpy(), RATE, 160, 0.0, RATE / 2)
    found = float(re.search(r"near ([\d,]+) Hz", text)[1].replace(",", ""))
    assert found == pytest.approx(hertz, rel=0.08)  # a band is that wide
    assert "0.5" in text.split("sounds set in at ")[1]


def test_onsets_are_found_where_tones_set_in():
    sound = tone(440, 0.2) + tone(1500, 0.5) + tone(3000, 0.8)
    found = [frame * 160 / RATE for frame in onsets(log_mel(sound).numpy())]
    assert found == pytest.approx([0.2, 0.5, 0.8], abs=0.025)


def test_silence_has_a_spectrogram_that_says_so(published):
    show.spectrogram(log_mel(torch.zeros(1600)))
    assert "silence" in alt_of(published[0])


def test_mel_bands_and_hertz_are_one_another_s_inverse():
    for band in (0, 10.5, 63):
        assert band_of(hertz_of(band, 64, 0.0, 8000.0), 64, 0.0, 8000.0) == pytest.approx(band)


def test_the_peak_of_a_band_is_where_its_filter_is_highest():
    from mmlearn.data.audio import mel_filters

    filters = mel_filters(n_mels=40, n_fft=2048)
    for band in (5, 20, 39):
        peak = int(filters[band].argmax()) * RATE / 2048
        assert hertz_of(band, 40, 0.0, RATE / 2) == pytest.approx(peak, abs=RATE / 2048)


def test_a_batch_of_spectrograms_asks_for_one():
    with pytest.raises(ValueError, match=r"choose one, log_mel\[0\]"):
        show.spectrogram(torch.zeros(5, 64, 10))
