import os
import struct
import wave

import numpy as np
import pytest
import scipy.io.wavfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.audio_utils import hertz_to_mel as their_mel
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from mmlearn.data.audio import hertz_to_mel, log_mel, mel_filters, mel_to_hertz, read_wav, resample, write_wav


def tone(hertz, seconds=1.0, rate=16000, amplitude=0.5):
    return amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(round(seconds * rate), dtype=torch.float64) / rate)


def riff(*chunks):
    """A wav file written by hand from (name, content) chunks."""
    body = b"".join(name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def header(code=1, channels=1, rate=16000, bits=16):
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)


# mel


def test_mel_agrees_with_transformers_and_turns_back():
    hertz = torch.linspace(0, 8000, 101, dtype=torch.float64)
    np.testing.assert_allclose(hertz_to_mel(hertz).numpy(), their_mel(hertz.numpy(), mel_scale="htk"), rtol=1e-12)
    torch.testing.assert_close(mel_to_hertz(hertz_to_mel(hertz)), hertz, rtol=0, atol=1e-9)


def test_mel_is_almost_linear_below_and_logarithmic_above():
    assert hertz_to_mel(0) == 0
    assert hertz_to_mel(1000).item() == pytest.approx(1000, abs=0.1)
    octaves = hertz_to_mel([1e5, 2e5, 4e5]).diff()
    torch.testing.assert_close(octaves, torch.full((2,), 2595 * np.log10(2), dtype=torch.float64), rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("n_mels", "n_fft", "rate", "low", "high"),
    [
        (64, 400, 16000, 0, None),
        (80, 400, 16000, 0, 8000),
        (23, 200, 8000, 20, 3800),
        (128, 2048, 44100, 0, None),
        (40, 512, 16000, 50, None),
    ],
)
def test_the_filters_agree_with_transformers(n_mels, n_fft, rate, low, high):
    ours = mel_filters(n_mels, n_fft, rate, low, high).numpy()
    theirs = mel_filter_bank(n_fft // 2 + 1, n_mels, low, high or rate / 2, rate, norm=None, mel_scale="htk")
    np.testing.assert_allclose(ours, theirs.T, atol=1e-6)


def test_each_filter_peaks_where_its_neighbours_are_zero_also_for_an_odd_window():
    filters = mel_filters(20, 1025, 16000, low=100)
    corners = mel_to_hertz(torch.linspace(hertz_to_mel(100).item(), hertz_to_mel(8000).item(), 22, dtype=torch.float64))
    peaks = filters.argmax(dim=1) * 16000 / 1025
    assert (peaks - corners[1:-1]).abs().max() <= 16000 / 1025
    for band, filter_ in enumerate(filters):
        heard = filter_.nonzero().flatten() * 16000 / 1025
        assert corners[band] <= heard.min()
        assert heard.max() <= corners[band + 2]


def test_between_the_first_and_the_last_peak_the_filters_share_each_frequency_out():
    filters = mel_filters(40, 1024, 16000)
    first, last = filters[0].argmax() + 1, filters[-1].argmax()
    torch.testing.assert_close(filters.sum(dim=0)[first:last], torch.ones(last - first), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_mels": 128, "n_fft": 400}, r"4 of 128 bands \(the first is number \d+\) .* 40 Hz .* fewer n_mels or a longer n_fft"),
        ({"high": 9000}, "0 ≤ low < high ≤ 8000 Hz.* got low 0 and high 9000"),
        ({"low": 500, "high": 400}, "got low 500 and high 400"),
        ({"n_mels": 0}, "n_mels must be a whole number, at least 1; got 0"),
        ({"n_fft": 25.6}, "n_fft must be a whole number, at least 1; got 25.6"),
    ],
)
def test_bands_that_cannot_be_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        mel_filters(**arguments)


# log-mel spectrograms


@given(
    seed=st.integers(0, 2**31),
    length=st.integers(401, 3000),
    hop=st.sampled_from([80, 160, 173]),
    n_mels=st.sampled_from([20, 64]),
)
def test_the_spectrogram_agrees_with_transformers(seed, length, hop, n_mels):
    sound = np.random.default_rng(seed).normal(size=length) * 0.1
    ours = log_mel(torch.from_numpy(sound), hop=hop, n_mels=n_mels)
    filters = mel_filter_bank(201, n_mels, 0, 8000, 16000, norm=None, mel_scale="htk")
    window = window_function(400, "hann", periodic=True)
    options = {"power": 2.0, "mel_filters": filters, "mel_floor": 1e-10, "log_mel": "log10", "dtype": np.float64}
    np.testing.assert_allclose(ours.numpy(), spectrogram(sound, window, 400, hop, **options), atol=1e-5)


def test_one_window_agrees_with_a_fourier_transform_by_hand():
    sound = torch.randn(1600, dtype=torch.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.abs(np.fft.rfft(sound[480 - 200 : 480 + 200].numpy() * window)) ** 2  # centred at sample 3 · 160
    expected = np.log10(mel_filters().double().numpy() @ power)
    np.testing.assert_allclose(log_mel(sound)[:, 3].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("hertz", [200, 440, 1000, 3000, 7000])
def test_a_pure_tone_peaks_in_its_own_band(hertz):
    picture = log_mel(tone(hertz))
    corners = mel_to_hertz(torch.linspace(0, hertz_to_mel(8000).item(), 66, dtype=torch.float64))
    band = picture[:, 50].argmax().item()
    assert corners[band] - 20 <= hertz <= corners[band + 2] + 20  # half the 40 Hz between frequencies of the spectrum


def test_ten_times_the_amplitude_is_two_units_more():
    quiet, loud = log_mel(tone(1000, amplitude=0.05)), log_mel(tone(1000, amplitude=0.5))
    heard = quiet > -8
    torch.testing.assert_close((loud - quiet)[heard], torch.full_like(loud[heard], 2.0), rtol=0, atol=1e-6)


def test_silence_is_the_floor():
    assert (log_mel(torch.zeros(2, 16000)) == -10).all()
    assert (log_mel(torch.zeros(16000), floor=1e-4) == -4).all()


def test_leading_axes_stay_and_each_sound_is_transformed_on_its_own():
    sounds = torch.randn(3, 2, 1600)
    pictures = log_mel(sounds)
    assert pictures.shape == (3, 2, 64, 11)
    torch.testing.assert_close(pictures[2, 1], log_mel(sounds[2, 1]))
    assert log_mel(sounds.half()).dtype == torch.float32


@pytest.mark.parametrize(
    ("sound", "options", "says"),
    [
        (torch.zeros(200), {}, r"200 samples, and windows of 400 need at least 201: pad it with .*\(0, 1\)"),
        (torch.zeros(1600, dtype=torch.int16), {}, r"got torch.int16 \(1600,\): divide 16-bit samples by 32768"),
        (torch.tensor([torch.nan, torch.inf, *[0.0] * 1600]), {}, "2 samples that are NaN or infinite, of 1602"),
        (torch.zeros(1600), {"hop": 0}, "hop must be a whole number of samples, at least 1; got 0"),
        (torch.zeros(1600), {"floor": 0}, "floor must be above 0"),
    ],
)
def test_what_cannot_be_transformed_is_refused(sound, options, says):
    with pytest.raises(ValueError, match=says):
        log_mel(sound, **options)


# sampling rates


def test_a_tone_keeps_its_pitch_and_strength_at_another_rate():
    for rate in (8000, 11025, 22050, 48000):
        found = resample(tone(440), 16000, rate)
        assert found.shape == (rate,)
        expected = tone(440, rate=rate).float()
        middle = slice(rate // 10, -rate // 10)  # beyond the ends the sound counts as silent
        torch.testing.assert_close(found[middle], expected[middle], rtol=0, atol=2e-3)


def test_what_the_new_rate_cannot_hold_is_gone_and_does_not_come_back_lower():
    assert resample(tone(6000), 16000, 8000)[500:-500].abs().max() < 5e-3
    kept = resample(tone(440) + tone(6000), 16000, 8000)
    torch.testing.assert_close(kept[500:-500], tone(440, rate=8000).float()[500:-500], rtol=0, atol=5e-3)


def test_the_same_rate_changes_nothing_and_impossible_rates_are_refused():
    sound = torch.randn(2, 100)
    assert torch.equal(resample(sound, 8000, 8000), sound)
    assert resample(torch.zeros(3, 2, 5), 8000, 16000).shape == (3, 2, 10)
    for rates in ((0, 8000), (8000, -1), (8000, 16000.5)):
        with pytest.raises(ValueError, match="must be a whole number of samples a second, at least 1"):
            resample(sound, *rates)


# wav files


@pytest.mark.parametrize(
    ("dtype", "scale"), [("uint8", 2**7), ("int16", 2**15), ("int32", 2**31), ("float32", 1), ("float64", 1)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_kind_of_sample_is_read_as_scipy_reads_it(tmp_path, dtype, scale, channels):
    draw = np.random.default_rng(0)
    if scale == 1:
        samples = draw.uniform(-1, 1, (101, channels)).astype(dtype)
        expected = samples
    else:
        info = np.iinfo(dtype)
        samples = draw.integers(info.min, info.max, (101, channels), endpoint=True, dtype=dtype)
        samples[:2] = [[info.min], [info.max]]
        expected = samples.astype(np.float64) / scale - (dtype == "uint8")
    path = tmp_path / "sound.wav"
    scipy.io.wavfile.write(path, 16000, samples)
    found = read_wav(path)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    np.testing.assert_allclose(found.numpy(), expected.T, atol=1e-7)
    assert found.min() >= -1
    assert found.max() <= 1


def test_24_bits_are_read_with_their_sign(tmp_path):
    values = [0, 1, -1, 2**23 - 1, -(2**23), 123456, -654321]
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 3, 16000, 0, "NONE", ""))
        file.writeframes(b"".join(value.to_bytes(3, "little", signed=True) for value in values))
    np.testing.assert_allclose(read_wav(path)[0].numpy() * 2**23, values, atol=0.5)
    _, theirs = scipy.io.wavfile.read(path)
    np.testing.assert_allclose(read_wav(path)[0].numpy(), theirs / 2**31, atol=1e-7)


def test_chunks_of_other_programs_are_passed_over_and_the_extensible_header_is_read(tmp_path):
    samples = np.arange(-3, 4, dtype="<i2").tobytes()
    extension = (
        struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    )
    for name, content in {
        "extra.wav": riff((b"bext", b"odd"), (b"fmt ", header()), (b"LIST", b"notes"), (b"data", samples), (b"id3 ", b"12345")),
        "extensible.wav": riff((b"fmt ", header(code=0xFFFE) + extension), (b"data", samples)),
        "streamed.wav": riff((b"fmt ", header())) + b"data\xff\xff\xff\xff" + samples,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert (read_wav(tmp_path / name)[0] * 2**15).tolist() == [-3, -2, -1, 0, 1, 2, 3], name


def test_another_rate_is_refused_with_both_rates_or_converted(tmp_path):
    path = tmp_path / "sound.wav"
    write_wav(path, tone(440, rate=8000), rate=8000)
    with pytest.raises(ValueError, match=r"sound\.wav has 8000 samples a second, and 16000 are expected: .*resample=True"):
        read_wav(path)
    assert read_wav(path, rate=8000).shape == (1, 8000)
    assert read_wav(path, rate=None).shape == (1, 8000)
    converted = read_wav(path, resample=True)
    assert converted.shape == (1, 16000)
    torch.testing.assert_close(converted[0, 500:-500], tone(440).float()[500:-500], rtol=0, atol=2e-3)
    with pytest.raises(ValueError, match="rate must be a whole number"):
        read_wav(path, rate="16k")


GOOD = riff((b"fmt ", header()), (b"data", bytes(100)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: 0 bytes"),
        (b"ID3\x04 this is an mp3 file", r"is not a wav file: it begins with b'ID3"),
        (b"RIFF\x00", "is not a wav file"),
        (GOOD[:12], "does not say how its sound is stored"),
        (GOOD[:30], "its fmt should be 16 bytes long, and 10 are there"),
        (GOOD[:36], "it has a header, but no sound"),
        (GOOD[:41], "it has a header, but no sound"),
        (GOOD[:-40], "its data should be 100 bytes long, and 60 are there"),
        (riff((b"data", bytes(4))), "does not say how its sound is stored"),
        (riff((b"fmt ", header()), (b"data", b"")), "holds no samples: its sound is 0 seconds long"),
        (riff((b"fmt ", header()), (b"data", b"123")), "3 bytes of sound are no whole number of moments of 2 bytes"),
        (riff((b"fmt ", header(channels=0)), (b"data", bytes(4))), "its header says 0 channels"),
        (riff((b"fmt ", header(rate=0)), (b"data", bytes(4))), "0 Hz"),
        (
            riff((b"fmt ", header(code=7, bits=8)), (b"data", bytes(4))),
            "holds 8-bit μ-law; read_wav reads .* ffmpeg -i broken.wav",
        ),
        (riff((b"fmt ", header(code=99)), (b"data", bytes(4))), "holds 16-bit format 99"),
        (riff((b"fmt ", header(bits=64)), (b"data", bytes(8))), "holds 64-bit PCM"),
        (
            riff((b"fmt ", header(code=3, bits=32)), (b"data", struct.pack("<2f", 0.5, np.nan))),
            "1 of its samples are NaN or infinite",
        ),
    ],
)
def test_a_file_that_is_no_whole_wav_file_is_named_with_the_cause(tmp_path, content, says):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"broken\.wav .*{says}"):
        read_wav(path)


@given(cut=st.integers(0, len(GOOD) - 1))
def test_a_file_cut_off_anywhere_is_refused(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "cut.wav"
    path.write_bytes(GOOD[:cut])
    with pytest.raises(ValueError, match=r"cut\.wav"):
        read_wav(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_wav(tmp_path / "nowhere.wav")


def test_what_is_written_is_read_back_and_other_programs_read_it_too(tmp_path):
    sound = torch.rand(2, 500) * 2 - 1
    path = tmp_path / "sound.wav"
    write_wav(path, sound)
    torch.testing.assert_close(read_wav(path), sound, rtol=0, atol=1 / 2**15)
    rate, samples = scipy.io.wavfile.read(path)
    assert rate == 16000
    assert samples.dtype == np.int16
    assert samples.shape == (500, 2)
    again = tmp_path / "again.wav"
    write_wav(again, read_wav(path))
    assert again.read_bytes() == path.read_bytes()
    assert sorted(tmp_path.iterdir()) == [again, path]


def test_full_scale_is_written_without_turning_over(tmp_path):
    write_wav(tmp_path / "loud.wav", torch.tensor([1.0, -1.0]))
    assert scipy.io.wavfile.read(tmp_path / "loud.wav")[1].tolist() == [32767, -32768]


@pytest.mark.parametrize(
    ("sound", "says"),
    [
        (torch.tensor([0.5, -1.5]), r"within \[−1, 1\]; its peak is 1\.5"),
        (torch.zeros(1, 2, 3), r"got shape \(1, 2, 3\)"),
        (torch.zeros(0), r"got shape \(0,\)"),
        (torch.tensor([0.5, torch.nan]), "1 samples that are NaN"),
    ],
)
def test_what_is_no_sound_is_not_written_and_leaves_the_old_file(tmp_path, sound, says):
    path = tmp_path / "sound.wav"
    write_wav(path, torch.zeros(4))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=says):
        write_wav(path, sound)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "sound.wav"
    write_wav(path, torch.zeros(4))
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_wav(path, torch.ones(4))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# real recordings


def test_spoken_digits_are_read_as_scipy_reads_them(real):
    files = sorted(real("fsdd/recordings").glob("*.wav"))[::75]
    assert len(files) == 40
    for path in files:
        found = read_wav(path, rate=8000)
        rate, samples = scipy.io.wavfile.read(path)
        assert rate == 8000
        assert (found[0] * 2**15).tolist() == samples.tolist()
        with pytest.raises(ValueError, match=f"{path.name} has 8000 samples a second, and 16000 are expected"):
            read_wav(path)


def test_a_spoken_digit_at_twice_the_rate_has_the_same_spectrogram_below_4_khz(real):
    path = real("fsdd/recordings") / "7_jackson_0.wav"
    low = read_wav(path, rate=8000)
    high = read_wav(path, rate=16000, resample=True)
    assert high.shape[1] == 2 * low.shape[1]
    once = log_mel(low, rate=8000, n_fft=200, hop=80, n_mels=30, high=3000)
    twice = log_mel(high, rate=16000, n_fft=400, hop=160, n_mels=30, high=3000)
    assert once.shape == twice.shape
    loud = once > once.max() - 4
    # Twice the samples in a window are twice the amplitude, log₁₀ 4 more power.
    torch.testing.assert_close((twice - once)[loud].median(), torch.tensor(4.0).log10(), rtol=0, atol=0.01)
    assert ((twice - once)[loud] - np.log10(4)).abs().quantile(0.95) < 0.05
