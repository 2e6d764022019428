"""Chapter 01: each mistake is named, right answers in other styles pass, and the right answers are those of other libraries."""

import time

import numpy as np
import pytest
import scipy.signal
import sklearn.preprocessing
import torch
import torch.nn.functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2

from mmlearn.exercises import ch01, verify
from mmlearn.exercises.ch01 import Device
from mmlearn.training import seconds_per_call as stopwatch


def unfolded(image, kernel_size, step=1):
    return image.unfold(0, kernel_size, step).unfold(1, kernel_size, step)


def by_numpy(image, kernel_size, step=1):
    windows = np.lib.stride_tricks.sliding_window_view(image.numpy(), (kernel_size, kernel_size), writeable=True)
    return torch.from_numpy(windows[::step, ::step])


def own_offset_by_default(image, kernel_size, step=1):
    places = [(n - kernel_size) // step + 1 for n in image.shape]
    strides = torch.tensor(image.stride())
    return image.as_strided((*places, kernel_size, kernel_size), (*(step * strides).tolist(), *strides.tolist()))


def stacked(image, kernel_size, step=1):
    H, W = ((n - kernel_size) // step + 1 for n in image.shape)
    rows = []
    for i in range(0, step * H, step):
        rows.append(torch.stack([image[i : i + kernel_size, j : j + kernel_size] for j in range(0, step * W, step)]))
    return torch.stack(rows)


def patches(image, kernel_size, step=1):
    columns = F.unfold(image[None, None], kernel_size, stride=step)[0]  # (k², H'·W')
    W = (image.shape[1] - kernel_size) // step + 1
    return columns.view(kernel_size, kernel_size, -1, W).permute(2, 3, 0, 1)


def test_window_view():
    verify(ch01.window_view, also_right=[unfolded, by_numpy, own_offset_by_default])


@pytest.mark.parametrize(
    "answer", [stacked, patches, lambda image, kernel_size, step=1: unfolded(image, kernel_size, step).clone()]
)
def test_windows_that_are_a_copy_are_refused_although_their_values_are_right(answer):
    result = ch01.window_view.judge(answer)
    assert result.diagnosis.startswith("this is a copy")
    assert "is a view, got:      False" in result.detail


def test_the_image_is_also_tried_as_a_transpose_and_as_slices_with_an_offset():
    seen = set()

    def answer(image, kernel_size, step=1):
        seen.add((image.is_contiguous(), image.storage_offset() > 0, image.stride(0) < image.stride(1), image.stride(1) == 2))
        return unfolded(image, kernel_size, step)

    assert ch01.window_view.judge(answer).passed
    fresh, transposed, moved, every_second = (
        (True, False, False, False),
        (False, False, True, False),
        (True, True, False, False),
        (False, False, False, True),
    )
    assert {fresh, transposed, moved, every_second, (False, True, False, True)} <= seen


def test_windows_that_reach_beyond_the_image_show_the_99_that_lies_there():
    def rows_too_far(image, kernel_size, step=1):
        (H, W), (down, across), k = image.shape, image.stride(), kernel_size
        size = ((H - k) // step + 1, (W - k) // step + 1, k, k)
        return image.as_strided(size, (7 * down, step * across, down, across))

    result = ch01.window_view.judge(rows_too_far)
    assert result.mistake is None
    assert "outside the image memory holds 99" in result.detail
    assert "got 99" in result.detail
    assert "Right already: `is a view`" in result.more


def test_windows_that_are_no_tensor_are_named():
    result = ch01.window_view.judge(lambda image, kernel_size, step=1: list(unfolded(image, kernel_size, step)))
    assert "`windows` is a list, expected a tensor" in result.message


def by_torch(a, b):
    try:
        return torch.broadcast_shapes(a, b)
    except RuntimeError as error:
        raise ValueError from error


def from_the_right(a, b):
    result = []
    for axis in range(1, max(len(a), len(b)) + 1):
        m, n = (shape[-axis] if axis <= len(shape) else 1 for shape in (a, b))
        if 1 not in (m, n) and m != n:
            raise ValueError(f"axis {-axis}")
        result.insert(0, m if n == 1 else n)
    return result


def test_broadcast_shape():
    verify(ch01.broadcast_shape, also_right=[np.broadcast_shapes, by_torch, from_the_right])


def test_the_shapes_that_are_tried_fit_and_do_not_fit_as_torch_has_it():
    fits = []
    for case, right in ch01.broadcast_shape._examples():
        try:
            expected = str(tuple((torch.zeros(case.args[0]) + torch.zeros(case.args[1])).shape))
        except RuntimeError:
            expected = "a raised ValueError"
        assert repr(right) == expected
        fits.append(expected.startswith("("))
    assert 3 <= fits.count(False) < fits.count(True)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (False, "Your result is False, expected a raised ValueError"),
        ("ValueError", "Your result is the string 'ValueError', expected a raised ValueError"),
        ((1, 2), "Your result is (1, 2), expected a raised ValueError"),
    ],
)
def test_a_value_in_place_of_the_error_is_shown_beside_it(value, words):
    def answer(a, b):
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            return value

    assert words in str(ch01.broadcast_shape.judge(answer))


def test_a_wrong_shape_is_shown_as_a_shape():
    result = ch01.broadcast_shape.judge(lambda a, b: (*by_torch(a, b), 1))
    assert result.message == "your result is (2, 3, 1), expected (2, 3), in 11 of 15 test cases"
    assert ch01.broadcast_shape.judge(lambda a, b: (n for n in a)).message.startswith(
        "your result is a generator, expected (2, 3)"
    )


def test_a_value_error_in_the_wrong_place_shows_the_line_it_comes_from():
    def answer(a, b):
        return tuple(max(m, n) for m, n in zip(a, b, strict=True))

    result = ch01.broadcast_shape.judge(answer)
    assert "zip() argument 2 is shorter" in result.detail
    assert "zip(a, b, strict=True)" in result.detail


def as_columns(prediction, target):
    prediction, target = prediction.reshape(-1, 1), target.reshape(-1, 1)
    if prediction.shape != target.shape:
        raise ValueError(f"{prediction.shape} and {target.shape}")
    return F.mse_loss(prediction, target)


def squeezed_and_compared_by_shape(prediction, target):
    gap = prediction.squeeze(-1) if prediction.ndim == 2 else prediction
    target = target[:, 0] if target.ndim == 2 else target
    if gap.shape != target.shape:
        raise ValueError("how many?")
    gap = gap - target
    return gap @ gap / len(gap)


def test_mean_squared_error():
    verify(ch01.mean_squared_error, also_right=[as_columns, squeezed_and_compared_by_shape])


@pytest.mark.filterwarnings("ignore:Using a target size")  # torch warns as well
def test_the_bug_is_named_when_torch_itself_computes_it():
    result = ch01.mean_squared_error.judge(F.mse_loss)
    assert "every prediction is compared with every target" in result.diagnosis
    assert "nothing is raised yet" in result.more
    assert "prediction: float64 (3, 1)" in result.detail


def test_a_number_of_examples_that_differs_must_be_refused_with_a_value_error():
    def answer(prediction, target):
        if prediction.numel() != target.numel():
            return torch.zeros(())
        return F.mse_loss(prediction.flatten(), target.flatten())

    assert (
        "your result is a tensor of shape (), expected a raised ValueError, in 3 of"
        in ch01.mean_squared_error.judge(answer).message
    )


def one_by_one(words, regions):
    result = words.new_empty(len(words), words.shape[1], regions.shape[1])
    for n, t, s in np.ndindex(*result.shape):
        result[n, t, s] = words[n, t].dot(regions[n, s])
    return result


def stretched(words, regions):
    return (words[:, :, None] * regions[:, None]).sum(-1)


def test_scores():
    verify(ch01.scores, also_right=[one_by_one, stretched, lambda words, regions: torch.einsum("btk,brk->btr", words, regions)])


def by_reading_later(work, synchronize, clock, calls=10):
    for _ in range(2):
        work()
    synchronize()
    started = clock()
    [work() for _ in range(calls)]
    synchronize()
    ended = clock()
    return (ended - started) / calls


def best_of_one_round(work, synchronize, clock, calls=10):
    return stopwatch(work, calls=calls, rounds=1, synchronize=synchronize, clock=clock)


def test_seconds_per_call():
    verify(ch01.seconds_per_call, also_right=[by_reading_later, best_of_one_round])


def test_the_right_times_are_those_computed_by_hand():
    right = {(case.args[0].work, case.kwargs.get("calls", 10)): seconds for case, seconds in ch01.seconds_per_call._examples()}
    assert right[1.0, 10] == pytest.approx((0.01 + 10 * 1) / 10)
    assert right[1.0, 1] == pytest.approx(1.01)
    assert right[2.0, 3] == pytest.approx((0.5 + 3 * 2) / 3)
    assert right[0.125, 4] == pytest.approx((4 * 0.5 + 0.125) / 4)  # the queue runs empty: the asking is what takes the time


def test_the_device_obeys_the_chapters_laws():
    device = Device()
    device.launch()
    device.launch()
    assert device.clock() == pytest.approx(0.02)  # asking returns at once
    device.synchronize()
    assert device.clock() == pytest.approx(0.01 + 5 + 1 + 1)  # the first is slow, and they run one after another
    device.synchronize()
    assert device.clock() == pytest.approx(7.01)  # nothing to wait for


def test_a_device_without_a_queue_needs_no_waiting():
    device = Device(waits=True)
    device.launch()
    assert device.clock() == pytest.approx(6.01)


def test_a_clock_of_the_computer_is_named_whatever_it_shows():
    def answer(work, synchronize, clock, calls=10):
        work()
        start = time.perf_counter()
        for _ in range(calls):
            work()
        synchronize()
        return (time.perf_counter() - start) / calls

    assert "`clock()` is never read" in ch01.seconds_per_call.judge(answer).diagnosis


def by_sklearn(train, test):
    def as_table(images):
        return images.movedim(1, -1).reshape(-1, images.shape[1])

    scaler = sklearn.preprocessing.StandardScaler().fit(as_table(train).numpy())

    def scaled(images):
        table = torch.from_numpy(scaler.transform(as_table(images).numpy()))
        return table.view(len(images), *images.shape[2:], -1).movedim(-1, 1)

    return scaled(train), scaled(test)


def channel_by_channel(train, test):
    train, test = train.clone(), test.clone()
    for channel in range(train.shape[1]):
        mean, std = train[:, channel].mean(), train[:, channel].std(correction=0)
        for images in (train, test):
            images[:, channel] = (images[:, channel] - mean) / std if std > 0 else 0
    return train, test


def with_epsilon(train, test):
    variance, mean = torch.var_mean(train, (0, 2, 3), keepdim=True, correction=0)
    return [(images - mean) / (variance.sqrt() + 1e-6) for images in (train, test)]


def test_standardise():
    verify(ch01.standardise, also_right=[by_sklearn, channel_by_channel, with_epsilon])


def test_what_comes_out_has_mean_0_and_standard_deviation_1():
    (case, (train, test)) = ch01.standardise._examples()[-2]
    assert train.shape == case.args[0].shape
    assert test.shape == case.args[1].shape
    torch.testing.assert_close(train.mean((0, 2, 3)), torch.zeros(3).double())
    torch.testing.assert_close(train.std((0, 2, 3), correction=0), torch.ones(3).double())
    assert (test.mean((0, 2, 3)) > 1).all()  # the test is brighter, and stays so


def test_two_mistakes_at_once_are_both_told():
    def answer(train, test):
        return [(x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True) for x in (train, test)]

    result = ch01.standardise.judge(answer)
    assert "by their own statistics" in result.diagnosis
    assert "correction=0" in result.more
    assert "0/0 is NaN" in result.more


def by_scipy(sigma, radius):
    weights = torch.from_numpy(scipy.signal.windows.gaussian(2 * radius + 1, sigma))
    return weights / weights.sum()


def by_softmax(sigma, radius):
    return torch.softmax(-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2), dim=0)


def from_both_sides(sigma, radius):
    half = [np.exp(-0.5 * (u / sigma) ** 2) for u in range(1, radius + 1)]
    weights = torch.tensor([*reversed(half), 1.0, *half], dtype=torch.float32)
    return weights / weights.sum()


def test_gaussian_weights():
    verify(ch01.gaussian_weights, also_right=[by_scipy, by_softmax, from_both_sides])


def by_torchvision(image, boxes):
    boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=image.shape[1:])
    return v2.functional.horizontal_flip(image), v2.functional.horizontal_flip(boxes).as_subclass(torch.Tensor)


def by_columns(image, boxes):
    W, mirrored = image.shape[2], boxes.clone()
    mirrored[:, [0, 2]] = W - boxes[:, [2, 0]]
    return image[:, :, torch.arange(W - 1, -1, -1)], mirrored


def through_centre_and_width(image, boxes):
    centre, half = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 2] - boxes[:, 0]) / 2
    centre = image.shape[-1] - centre
    return torch.fliplr(image.movedim(0, -1)).movedim(-1, 0), torch.stack(
        [centre - half, boxes[:, 1], centre + half, boxes[:, 3]], 1
    )


def test_mirror():
    verify(ch01.mirror, also_right=[by_torchvision, by_columns, through_centre_and_width])


def test_the_boxes_that_are_tried_lie_in_their_pictures():
    for case, _ in ch01.mirror._examples():
        image, boxes = case.args
        assert image.shape[1] != image.shape[2]
        assert (boxes >= 0).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes[:, [2, 3]] <= torch.tensor([image.shape[2], image.shape[1]])).all()


def test_boxes_overwritten_in_place_are_the_callers():
    def answer(image, boxes):
        boxes[:, [0, 2]] = image.shape[2] - boxes[:, [2, 0]]
        return image.flip(2), boxes

    assert "changes its input `boxes` in place" in ch01.mirror.judge(answer).diagnosis


@pytest.mark.parametrize("name", ch01.__all__)
def test_what_is_not_begun_is_not_wrong(name):
    def unfinished(*args, **kwargs):
        raise NotImplementedError

    def empty(*args, **kwargs):
        """Says nothing."""

    exercise = getattr(ch01, name)
    assert exercise.judge(unfinished).status == "untouched"
    assert exercise.judge(empty).status == "untouched"


@pytest.mark.parametrize("name", ch01.__all__)
def test_the_solution_has_the_signature_of_the_chapter(name):
    signatures = {
        "window_view": "def window_view(image, kernel_size, step=1):",
        "broadcast_shape": "def broadcast_shape(a, b):",
        "mean_squared_error": "def mean_squared_error(prediction, target):",
        "scores": "def scores(words, regions):",
        "seconds_per_call": "def seconds_per_call(work, synchronize, clock, calls=10):",
        "standardise": "def standardise(train, test):",
        "gaussian_weights": "def gaussian_weights(sigma, radius):",
        "mirror": "def mirror(image, boxes):",
    }
    assert getattr(ch01, name).source().startswith(signatures[name])
