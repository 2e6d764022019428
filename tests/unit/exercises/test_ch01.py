"""Chapter 01: each mistake is named, right answers in other styles pass, and the right answers are those of other libraries."""

import time
from itertools import zip_longest

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


@pytest.mark.parametrize(
    ("convert", "kind"),
    [(list, "a list"), (tuple, "a tuple"), (torch.Tensor.numpy, "a numpy array"), (lambda windows: (windows, True), "a tuple")],
)
def test_windows_that_are_no_tensor_are_named(convert, kind):
    result = ch01.window_view.judge(lambda image, kernel_size, step=1: convert(unfolded(image, kernel_size, step)))
    assert f"`windows` is {kind}" in result.message
    assert "expected a tensor" in result.message
    assert "results" not in result.message


def test_windows_without_a_return_are_one_result():
    def answer(image, kernel_size, step=1):
        windows = unfolded(image, kernel_size, step)  # noqa: F841

    text = str(ch01.window_view.judge(answer))
    assert "Your function returned None, in all 9 test cases.\n  Is a `return` missing?" in text
    assert "is a view" not in text


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


def filled_on_the_right(a, b):
    return zip_longest(a, b, fillvalue=1)


def filled_on_the_left(a, b):
    return reversed(list(zip_longest(reversed(a), reversed(b), fillvalue=1)))


def larger_unless_refused(m, n):
    if m != n and m != 1 and n != 1:
        raise ValueError("no")
    return max(m, n)


@pytest.mark.parametrize("join", [larger_unless_refused, max, lambda m, n: m if n == 1 else n, lambda m, n: n if m == 1 else m])
@pytest.mark.parametrize("lengths", [zip, filled_on_the_right])
def test_shapes_aligned_on_the_left_are_told_so_whatever_becomes_of_the_lengths(lengths, join):
    result = ch01.broadcast_shape.judge(lambda a, b: [join(m, n) for m, n in lengths(a, b)])
    assert result.diagnosis.startswith("aligned on the left")
    assert "on the right" in result.diagnosis
    assert "filled with 1 on its left" in result.diagnosis or "fill the shorter one with 1 on its left" in result.diagnosis
    assert ("must be refused" in result.more) is (join is not larger_unless_refused)


def test_zero_with_one_is_zero_in_the_cases_and_in_the_words():
    right = {case.args: repr(expected) for case, expected in ch01.broadcast_shape._examples()}
    assert right[(0,), (1,)] == "(0,)"
    result = ch01.broadcast_shape.judge(lambda a, b: [larger_unless_refused(m, n) for m, n in filled_on_the_left(a, b)])
    assert result.diagnosis.startswith("a length of 0 with a length of 1 gives 0, not 1")


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


def test_half_a_repair_is_told_in_a_call_in_which_it_still_fails():
    def counted(subtract):
        def answer(prediction, target):
            if len(prediction) != len(target):
                raise ValueError("how many?")
            return subtract(prediction, target).square().mean()

        return answer

    def uncounted(subtract):
        return lambda prediction, target: subtract(prediction, target).square().mean()

    def columns_only(p, t):
        return p.reshape(-1, 1) - t

    halves = {
        (3, 1): [lambda p, t: p - t.t(), lambda p, t: p - t.flatten(), lambda p, t: p - t.view(1, -1)],
        (3,): [lambda p, t: p[:, None] - t, lambda p, t: p.squeeze() - t, lambda p, t: p.view(-1) - t, columns_only],
        (4, 1): [lambda p, t: p.squeeze(1) - t, lambda p, t: p[:, 0] - t],
    }
    for shape, repairs in halves.items():
        for repair in repairs:
            for result in map(ch01.mean_squared_error.judge, (counted(repair), uncounted(repair))):
                assert "In this call your subtraction still meets as $(N, N)$: one of the two is $(N, 1)$. Flatten both." in str(
                    result
                )
                assert f"prediction: float64 {shape}" in result.detail
                assert "expected: float64 ()" in result.detail


def test_another_loss_is_not_taken_for_half_a_repair():
    for reduce in (torch.sum, torch.amax):
        result = ch01.mean_squared_error.judge(lambda p, t, reduce=reduce: reduce((p.squeeze(-1) - t).square()))
        assert result.status == "failed"
        assert result.mistake is None


def one_by_one(words, regions):
    result = words.new_empty(len(words), words.shape[1], regions.shape[1])
    for n, t, s in np.ndindex(*result.shape):
        result[n, t, s] = words[n, t].dot(regions[n, s])
    return result


def stretched(words, regions):
    return (words[:, :, None] * regions[:, None]).sum(-1)


def test_scores():
    verify(ch01.scores, also_right=[one_by_one, stretched, lambda words, regions: torch.einsum("btk,brk->btr", words, regions)])


def test_an_einsum_without_an_arrow_is_told_what_it_sums():
    result = ch01.scores.judge(lambda words, regions: torch.einsum("btd,bsd", words, regions))
    assert "Without an arrow einsum sums every letter that appears twice, $n$ too, and sorts the rest." in str(result)
    result = ch01.scores.judge(lambda words, regions: torch.einsum("bij,bkj", words, regions))  # sorted, they happen to be right
    assert "the examples are added up" in result.diagnosis
    assert "Without an arrow" in result.more


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

    result = ch01.seconds_per_call.judge(answer)
    assert result.diagnosis.startswith("your function must use the `clock` that it is given")
    assert "time.perf_counter" in result.more
    assert "got:      a number that does not come from `clock`" in result.detail
    assert "nan" not in str(result)


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


def with_epsilon(train, test, correction=0):
    variance, mean = torch.var_mean(train, (0, 2, 3), keepdim=True, correction=correction)
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


def statistics(images, dims, correction):
    return images.mean(dims), images.std(dims, correction=correction)


@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("rescue", [lambda s: s, lambda s: s + 1e-8, lambda s: s + 1e-5, lambda s: torch.where(s > 0, s, 1)])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (lambda s: s[:, None], "means of shape $(C, 1)$ have met the *rows*: with a single row the result grew"),
        (lambda s: s.view(-1, 1, 1, 1), "means of shape $(C, 1, 1, 1)$ have met the *images*"),
        (lambda s: s, "the C means have met the image's *columns*"),
    ],
)
def test_means_that_meet_another_axis_are_named_whatever_becomes_of_a_constant_channel(shape, words, rescue, correction):
    def answer(train, test):
        mean, std = statistics(train, (0, 2, 3), correction)
        return [(images - shape(mean)) / shape(rescue(std)) for images in (train, test)]

    result = ch01.standardise.judge(answer)
    assert result.diagnosis.startswith(words)
    assert "$(1, C, 1, 1)$" in result.diagnosis
    assert ("correction=0" in result.more) is (correction == 1)
    assert "off by one" not in str(result).lower()
    assert "# two channels" in result.detail


@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize("by_train", [True, False])
@pytest.mark.parametrize("safe", [True, False])
def test_images_standardised_one_by_one_are_named(by_train, keepdim, correction, safe):
    def answer(train, test):
        scaled = []
        for images, source in ((train, train), (test, train if by_train else test)):
            mean, std = source.mean((2, 3), keepdim=keepdim), source.std((2, 3), keepdim=keepdim, correction=correction)
            scaled.append((images - mean) / (torch.where(std == 0, 1, std) if safe else std))
        return tuple(scaled)

    result = ch01.standardise.judge(answer)
    assert result.diagnosis.startswith("every image has a mean of its own")
    assert "`dim=(0, 2, 3)`" in result.diagnosis


def test_no_sentence_begins_with_a_symbol_made_large():
    u_not_squared = ch01.gaussian_weights.judge(lambda sigma, radius: bell(radius, lambda u: -u.abs() / (2 * sigma**2)))
    assert "The offset $u$ is not squared: it is" in str(u_not_squared)
    sigma_not_squared = ch01.gaussian_weights.judge(lambda sigma, radius: bell(radius, lambda u: -(u**2) / (2 * sigma)))
    assert "The σ in the exponent is not squared: it is" in str(sigma_not_squared)
    unbiased = ch01.standardise.judge(lambda train, test: with_epsilon(train, test, correction=1))
    assert "Your σ is a little too large" in str(unbiased)


def bell(radius, exponent):
    weights = exponent(torch.arange(-radius, radius + 1).double()).exp()
    return weights / weights.sum()


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


@pytest.mark.parametrize("exchanged", [True, False])
@pytest.mark.parametrize("last_row", [0, 1])
def test_a_picture_and_boxes_upside_down_are_not_called_turned(exchanged, last_row):
    def answer(image, boxes):
        H, moved = image.shape[1] - last_row, boxes.clone()
        moved[:, [1, 3]] = H - boxes[:, [3, 1] if exchanged else [1, 3]]
        return image.flip(1), moved

    text = str(ch01.mirror.judge(answer))
    assert "You mirrored top to bottom; left to right is asked." in text
    assert "180°" not in text


@pytest.mark.parametrize(
    "move", [lambda boxes, W: boxes, lambda boxes, W: boxes * torch.tensor([-1, 1, -1, 1]) + torch.tensor([W, 0, W, 0])]
)
def test_a_picture_upside_down_is_named_before_the_boxes(move):
    result = ch01.mirror.judge(lambda image, boxes: (image.flip(1), move(boxes, image.shape[2]) + 0))
    assert "the image is upside down" in result.diagnosis
    assert "180°" not in str(result)


def test_a_picture_read_backwards_and_boxes_taken_apart_get_the_call_that_does_it(cell):
    backwards = cell("def mirror(image, boxes):\n    return image[:, :, ::-1], boxes")["mirror"]
    assert "Torch has no negative strides; use `.flip(-1)`." in str(ch01.mirror.judge(backwards))
    apart = cell("def mirror(image, boxes):\n    x1, y1, x2, y2 = boxes\n    return image.flip(-1), boxes")["mirror"]
    result = ch01.mirror.judge(apart)
    assert "use `boxes.unbind(-1)`" in result.diagnosis
    assert "x.shape" not in str(result)


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
