import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from mmlearn import data
from mmlearn.data.image_file import LARGEST, open_image, to_tensor


def photo(size=32):
    pixels = (data.photo("chelsea", size=size) * 255).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def encoded(image, kind):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def bomb():
    """A PNG of a few bytes that claims a hundred thousand pixels a side."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "JPEG", "WEBP"])
def test_each_format_gives_the_pixels_that_pil_reads(tmp_path, kind):
    (tmp_path / "x").write_bytes(encoded(photo(), kind))
    expected = np.asarray(Image.open(tmp_path / "x").convert("RGB")) / 255
    image = to_tensor(open_image(tmp_path / "x"))
    assert (image.shape, image.dtype) == ((3, 32, 32), torch.float32)
    np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("lenient", [False, True])
def test_a_file_that_is_cut_off_is_noticed_even_where_pil_was_told_to_let_it_pass(tmp_path, monkeypatch, kind, left, lenient):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    content = encoded(photo(64), kind)
    (tmp_path / "x").write_bytes(content[: int(left * len(content))])
    with pytest.raises(ValueError, match=r"cut off or damaged|not an image"):
        open_image(tmp_path / "x")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


@pytest.mark.parametrize("missing", [12, 20])
def test_a_png_that_lacks_its_end_is_noticed(tmp_path, missing):
    (tmp_path / "x.png").write_bytes(encoded(photo(), "PNG")[:-missing])  # the last 12 bytes say: this is the end
    with pytest.raises(ValueError, match="cut off or damaged"):
        open_image(tmp_path / "x.png")


def test_a_png_with_one_wrong_bit_is_noticed(tmp_path):
    content = bytearray(encoded(photo(), "PNG"))
    content[len(content) // 2] ^= 1
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match="cut off or damaged"):
        open_image(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty: it has 0 bytes"),
        (b"hello, this is text", "not an image: it begins with b'hello, this "),
        (bomb(), f"too large to be opened safely, more than {LARGEST:,} pixels: .*100,?000"),
    ],
)
def test_what_is_no_picture_is_refused_saying_why(tmp_path, content, says):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        open_image(tmp_path / "x.png")


def test_every_pixel_format_becomes_three_channels_of_the_same_picture():
    colour = photo()
    expected = to_tensor(colour)
    for mode in ("RGBA", "CMYK"):
        torch.testing.assert_close(to_tensor(colour.convert(mode)), expected, atol=0.02, rtol=0)
    grey = to_tensor(colour.convert("L"))
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(to_tensor(colour.convert("L").convert("LA")), grey)
    assert set(to_tensor(colour.convert("1")).unique().tolist()) == {0.0, 1.0}
    assert (to_tensor(colour.convert("P")) - expected).abs().mean() < 0.1


def test_sixteen_bits_keep_their_greys_and_unknown_ranges_are_refused(tmp_path):
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "x.png")
    image = to_tensor(open_image(tmp_path / "x.png"))
    np.testing.assert_allclose(image[0], ramp / 65535, atol=0.5 / 255)
    for mode in ("I", "F"):
        with pytest.raises(ValueError, match=f"mode '{mode}'.*no known range"):
            to_tensor(Image.new(mode, (4, 4)))


def test_what_is_transparent_lies_on_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert to_tensor(clear).min() == 1
    half = to_tensor(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))
    assert half.mean().item() == pytest.approx(127 / 255, abs=0.01)


def test_a_picture_that_was_taken_on_its_side_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right to see it upright
    photo().crop((0, 0, 32, 16)).save(tmp_path / "x.png", exif=exif)
    upright = to_tensor(open_image(tmp_path / "x.png"))
    assert upright.shape == (3, 32, 16)
    assert torch.equal(upright, to_tensor(photo().crop((0, 0, 32, 16))).rot90(-1, (1, 2)))


def test_a_size_takes_the_central_square():
    wide = Image.new("RGB", (30, 10), "black")
    wide.paste("white", (10, 0, 20, 10))
    assert torch.equal(to_tensor(wide, 10), torch.ones(3, 10, 10))
    assert to_tensor(photo(64), 16).shape == (3, 16, 16)
    small, photo_ = to_tensor(photo(64), 16), to_tensor(photo(64))
    averages = torch.nn.functional.avg_pool2d(photo_, 4)
    assert (small - averages).abs().mean() < 0.03
