from dataclasses import replace

import numpy as np
import pytest
import torch

from mmlearn.data.audio import log_mel
from mmlearn.data.world.attributes import COLOURS, MAX_OBJECTS, SHAPES
from mmlearn.data.world.sound import LATEST_ONSET, PITCHES, RATE, SAMPLES, TIMBRES, sound

COLOUR_NAMES = list(COLOURS)


def spectrum(samples, seconds):
    """Amplitude of each frequency in ``samples`` (T,), and the frequencies in Hz."""
    window = np.hanning(len(samples))
    return np.abs(np.fft.rfft(samples * window)) * 2 / window.sum(), np.fft.rfftfreq(len(samples), 1 / RATE)


def amplitude_at(samples, hertz):
    """How strong the frequency is in samples (T,): a Fourier sum at this one frequency."""
    window = np.hanning(len(samples))
    return abs(np.sum(samples * window * np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE))) * 2 / window.sum()


@pytest.mark.parametrize("colour", COLOUR_NAMES)
def test_the_colour_is_the_pitch(colour, scenes_of):
    heard = sound(scenes_of([(f"large {colour} circle", 0.0, 0.5)]))[0, 0].numpy()
    strength, frequency = spectrum(heard, seconds=2)
    assert abs(frequency[strength.argmax()] - PITCHES[colour]) <= 0.5  # the resolution of two seconds


def test_the_pitches_are_a_pentatonic_scale_in_equal_temperament():
    semitones = 12 * np.log2(np.array(list(PITCHES.values())) / 440)
    np.testing.assert_allclose(semitones, np.round(semitones), atol=2e-3)
    steps = {int(step) % 12 for step in np.round(semitones)}
    assert steps == {10, 0, 3, 5, 7}  # G A C D E, counted from A: no two are a semitone apart
    assert list(PITCHES) == COLOUR_NAMES
    assert sorted(PITCHES.values()) == list(PITCHES.values())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", ["red", "white"])
def test_the_shape_is_the_timbre(shape, colour, scenes_of):
    heard = sound(scenes_of([(f"large {colour} {shape}", 0.0, 0.5)]))[0, 0, 1000:20000].double().numpy()
    found = np.array([amplitude_at(heard, PITCHES[colour] * harmonic) for harmonic in range(1, 8)])
    expected = np.array([*TIMBRES[shape], *[0] * (7 - len(TIMBRES[shape]))])
    np.testing.assert_allclose(found / found[0], expected, atol=5e-3)


def test_the_timbres_differ_from_each_other_and_stay_below_half_the_rate():
    assert set(TIMBRES) == set(SHAPES)
    harmonics = max(map(len, TIMBRES.values()))
    assert harmonics * max(PITCHES.values()) < RATE / 2
    table = np.array([[*TIMBRES[shape], *[0] * (harmonics - len(TIMBRES[shape]))] for shape in SHAPES], dtype=float)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    likeness = table @ table.T - np.eye(len(SHAPES))
    assert likeness.max() < 0.9  # the cosine of an angle of 26°


def test_a_shape_does_not_make_a_note_louder(scenes_of):
    power = [sound(scenes_of([(f"large green {shape}", 0.3, 0.5)])).square().sum().item() for shape in SHAPES]
    assert max(power) / min(power) < 1.02


def test_a_small_object_has_half_the_amplitude_of_a_large_one(scenes_of):
    large, small = sound(scenes_of(*[[(f"{size} blue star", 0.3, 0.5)] for size in ("large", "small")]))
    assert torch.equal(small, large / 2)


def test_the_power_comes_from_where_the_object_is_and_is_the_same_from_everywhere(scenes_of):
    places = [0.0, 0.25, 0.5, 0.75, 1.0]
    heard, together = sound(scenes_of(*[[("large orange circle", x, 0.5)] for x in places])), []
    for x, ears in zip(places, heard, strict=True):
        onset = round(x * LATEST_ONSET * RATE)
        left, right = ears[:, onset : onset + 8000].square().sum(dim=1).tolist()
        assert right / (left + right) == pytest.approx(x, abs=1e-6)
        together.append(left + right)
    assert max(together) / min(together) < 1.02


def test_what_stands_further_right_is_heard_later(scenes_of):
    places = [0.1, 0.4, 0.41, 0.9]
    heard = sound(scenes_of(*[[("small cyan cross", x, 0.5)] for x in places]))
    first = [ears.abs().amax(0).nonzero()[0].item() for ears in heard]
    for x, sample in zip(places, first, strict=True):
        assert 0 <= sample / RATE - x * LATEST_ONSET < 0.001


def test_height_depth_and_empty_slots_make_no_sound(scenes_of):
    scene = scenes_of([("large red heart", 0.3, 0.2), ("small blue ring", 0.6, 0.8)])
    moved = replace(scene, y=scene.y.flip(1), depth=scene.depth + 3)
    assert torch.equal(sound(moved), sound(scene))
    objects = [("large red heart", 0.3, 0.2), ("large red star", 0.5, 0.5), ("small blue ring", 0.6, 0.8)]
    gap = scenes_of(objects)
    gap.present[0, 1] = False
    assert torch.equal(sound(gap), sound(scene))


def test_an_empty_scene_is_silent_and_no_scene_has_no_sound(scenes_of):
    assert sound(scenes_of([])).abs().max() == 0
    assert sound(scenes_of()).shape == (0, 2, SAMPLES)


def test_a_scene_sounds_as_its_objects_do_added(scenes_of):
    objects = [("large red heart", 0.3, 0.2), ("small red ring", 0.5, 0.8), ("large white cross", 0.3, 0.2)]
    together = sound(scenes_of(objects))[0]
    one_by_one = sound(scenes_of(*[[each] for each in objects])).sum(dim=0)
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-7)


def test_objects_of_one_colour_and_place_do_not_cancel(scenes_of):
    one = sound(scenes_of([("large red cross", 0.5, 0.3)]))
    two = sound(scenes_of([("large red cross", 0.5, 0.3), ("large red square", 0.5, 0.7)]))
    assert two.square().sum() > 2 * one.square().sum()


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loudest_scene_does_not_clip(shape, place, scenes_of):
    loudest = sound(scenes_of([(f"large {colour} {shape}", place, 0.5) for colour in COLOUR_NAMES[:MAX_OBJECTS]]))
    alike = sound(scenes_of([(f"large red {shape}", place, 0.5)] * MAX_OBJECTS))
    assert loudest.abs().max() <= 1
    assert alike.abs().max() <= 1


def test_a_sound_begins_and_ends_without_a_click(scenes_of):
    """A click is a jump. No step between samples is larger than the note's own in its full strength, and the end is silence."""
    for shape in SHAPES:
        heard = sound(scenes_of([(f"large white {shape}", 0.5, 0.5)]))[0, 0]
        onset = round(0.5 * LATEST_ONSET * RATE)
        steps = heard.diff().abs()
        assert steps[onset - 1 : onset + 32].max() < 0.1 * steps.max()
        assert heard[:onset].abs().max() == 0
        assert heard[-16:].abs().max() < 1e-4 * heard.abs().max()


def test_a_scene_sounds_the_same_alone_and_in_any_batch(many):
    scenes = many(70)
    heard = sound(scenes)
    assert heard.shape == (70, 2, SAMPLES)
    assert heard.dtype == torch.float32
    for row in (0, 1, 31, 32, 33, 69):
        assert torch.equal(sound(scenes[row])[0], heard[row])
    order = torch.randperm(70, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sound(scenes[order]), heard[order])


def test_the_spectrogram_of_a_sound_tells_pitch_and_onset(scenes_of):
    picture = log_mel(sound(scenes_of([("large red circle", 0.5, 0.5)])))[0, 0]  # (64, 201)
    low = log_mel(sound(scenes_of([("large white circle", 0.5, 0.5)])))[0, 0]
    assert picture[:, 100].argmax() < low[:, 100].argmax()
    loud = (picture.amax(dim=0) > -4).nonzero().flatten()
    assert abs(loud[0].item() * 0.01 - 0.5 * LATEST_ONSET) < 0.03


def test_more_objects_than_the_scale_has_room_for_are_refused(scenes_of):
    crowd = scenes_of([("large red circle", 0.5, 0.5)] * 7, slots=7)
    with pytest.raises(ValueError, match=r"at most 6 objects.* got one with 7"):
        sound(crowd)
