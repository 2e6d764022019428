import pytest
import torch
from torch import nn

from mmlearn.models.conv_coder import ImageDecoder, ImageEncoder


@pytest.mark.parametrize(("size", "channels", "widths"), [(8, 1, (4, 6)), (16, 3, (4,)), (5, 2, ()), (24, 3, (2, 3, 4))])
def test_the_decoder_gives_back_the_shape_that_the_encoder_took(F, size, channels, widths):
    encoder = ImageEncoder(size, channels, widths, hidden=7, F=F)
    decoder = ImageDecoder(size, channels, 3, widths, hidden=7, F=F)
    images = torch.rand(2, channels, size, size)
    assert encoder(images).shape == (2, 7)
    assert decoder(torch.randn(2, 3)).shape == images.shape


def test_they_are_sequences_of_torchs_layers(F):
    torch.manual_seed(0)
    encoder, decoder = ImageEncoder(8, 3, (4, 6), 7, F).double(), ImageDecoder(8, 3, 2, (4, 6), 7, F).double()
    down = [part for conv in encoder.convolutions for part in (conv, nn.ReLU())]
    images, z = torch.rand(2, 3, 8, 8, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    torch.testing.assert_close(encoder(images), nn.Sequential(*down, nn.Flatten(), encoder.fc, nn.ReLU())(images))
    up = [part for conv in decoder.convolutions for part in (nn.ReLU(), conv)]
    theirs = nn.Sequential(decoder.fc1, nn.ReLU(), decoder.fc2, nn.Unflatten(1, (6, 2, 2)), *up)
    torch.testing.assert_close(decoder(z), theirs(z))


def test_a_decoder_starts_with_signals_of_one_size_and_images_near_zero():
    torch.manual_seed(0)
    decoder = ImageDecoder(64, 3, 64, (16, 32, 64, 128), hidden=256)
    x = torch.randn(8, *decoder.small)
    for conv in decoder.convolutions[:-1]:
        x = conv(torch.relu(x))
        inside = x[:, :, 1:-1, 1:-1].square().mean()
        assert 0.5 < inside < 2
    assert decoder(torch.randn(8, 64)).square().mean() < 0.1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ImageEncoder(10, 1, (4, 6)), "image_size: expected a multiple of 4 for 2 halvings; 8 is near; got 10"),
        (lambda: ImageDecoder(2, 1, 3, (4, 6)), "4 is near; got 2"),
        (lambda: ImageDecoder(8, 1, 0), "code: expected a whole number ≥ 1; got 0"),
        (lambda: ImageDecoder(8, 1, 3)(torch.randn(2, 4)), r"z: expected \(N, 3\); got shape \(2, 4\)"),
        (lambda: ImageEncoder(8, 1)(torch.rand(2, 3, 8, 8)), "channels=3"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
