# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever file a person or a provider hands over: it opens as it should look, or is refused."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from foreign_images import display_p3, linear_gray
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from genai_render.core import plain_images
from genai_render.core.errors import ImageError, InvalidInput, StorageError
from genai_render.core.image import containers, images


def gradient(width: int = 40, height: int = 24) -> np.ndarray:
    """Each corner has a colour of its own, so that a turned picture is seen."""
    y, x = np.mgrid[0:height, 0:width]
    return np.dstack([x * 255 // (width - 1), y * 255 // (height - 1), 128 + 0 * x]).astype(
        np.uint8
    )


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is that large, with hardly any pixels in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_header(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bomb",
    [
        png_header(60_000, 60_000),
        png_header(2**31 - 1, 1),
        webp_header(16_384, 16_384),
        jpeg_header(65_500, 65_500),
        jpeg_header(60_000, 60_000),
    ],
    ids=["png", "long png", "webp", "jpeg", "60,000 jpeg"],
)
@pytest.mark.parametrize("look", [images.probe, images.decode, images.thumbnail])
def test_a_pixel_bomb_is_refused_before_it_is_opened(bomb, look, monkeypatch):
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(Image, "open", opened)
    with pytest.raises(ImageError, match="too many pixels"):
        look(bomb)


def test_the_largest_picture_that_is_allowed_is_allowed():
    assert images.probe(png_header(8192, 8192)).width == 8192
    with pytest.raises(ImageError):
        images.probe(png_header(8192, 8193))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a text file, not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a\1\0\1\0\0\0\0;",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\0\0\0\0WEBP",
        png_header(0, 10),
        saved(Image.new("RGB", (4, 4)), "TIFF"),
        saved(Image.new("RGB", (4, 4)), "BMP"),
    ],
)
def test_what_is_no_image_is_refused_with_its_name(data):
    for look in (images.probe, images.decode):
        with pytest.raises(ImageError, match=r'"notes\.txt"') as caught:
            look(data, "notes.txt")
        assert "\n" not in caught.value.text


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_file_that_was_cut_off_is_refused(kind, monkeypatch):
    whole = saved(Image.fromarray(gradient(200, 150)), kind)
    for lenient in (False, True):  # another add-on may have switched this on for everybody
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
        for part in (0.3, 0.6, 0.9):
            with pytest.raises(ImageError):
                images.decode(whole[: int(len(whole) * part)])
    assert images.decode(whole).shape == (150, 200, 3)


def test_a_damaged_png_is_refused():
    data = bytearray(saved(Image.fromarray(gradient(200, 150)), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError):
        images.decode(bytes(data))


def test_a_jpeg_with_endless_scans_is_refused():
    whole = saved(Image.fromarray(gradient()), "JPEG", progressive=True)
    scan = whole.index(b"\xff\xda")
    with pytest.raises(ImageError, match="too long"):
        images.decode(whole[:-2] + whole[scan:-2] * 60 + whole[-2:])


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"]))
def test_bytes_of_any_kind_never_do_worse_than_an_image_error(data, start):
    for attempt in (data, start + data, start + b"\0\0\0\0WEBP" + data):
        with contextlib.suppress(ImageError):
            images.decode(attempt)


@given(st.data())
def test_a_picture_with_any_byte_changed_opens_or_is_refused(data):
    kind = data.draw(st.sampled_from(["PNG", "WEBP", "JPEG"]))
    whole = bytearray(saved(Image.fromarray(gradient()), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        pixels = images.decode(bytes(whole))
    except ImageError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        images.read_file(tmp_path / "missing.png")
    with pytest.raises(StorageError):
        images.read_file(tmp_path)
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(images.MAX_FILE_BYTES + 1)
    with pytest.raises(ImageError, match="too large"):
        images.read_file(large)


# ---- opened as it looks --------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_a_phone_picture_is_upright(orientation, kind):
    upright = Image.fromarray(gradient())
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, kind, exif=exif, quality=95)
    pixels = images.decode(data)
    assert pixels.shape == (24, 40, 3)
    assert np.abs(pixels.astype(int) - gradient()).mean() < 4


def test_a_picture_of_another_colour_space_looks_the_same():
    linear = ImageCms.createProfile("sRGB")
    ordinary = saved(
        Image.fromarray(gradient()), "PNG", icc_profile=ImageCms.ImageCmsProfile(linear).tobytes()
    )
    assert np.array_equal(images.decode(ordinary), gradient())
    # Display P3: the same numbers are more saturated, so sRGB needs larger differences.
    wide = saved(Image.new("RGB", (8, 8), (200, 100, 100)), "PNG", icc_profile=display_p3())
    red, green, _ = images.decode(wide)[0, 0]
    assert red > 203
    assert green < 98
    alpha = Image.new("RGBA", (8, 8), (200, 100, 100, 77))
    with_alpha = images.decode(saved(alpha, "PNG", icc_profile=display_p3()))
    assert with_alpha[0, 0].tolist() == [red, green, with_alpha[0, 0, 2], 77]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_gray_picture_with_a_profile_looks_the_same(mode):
    gray = Image.new("L", (8, 8), 128)
    if mode == "I;16":
        gray = Image.fromarray(np.full((8, 8), 128 * 257, np.uint16))
    pixels = images.decode(saved(gray.convert(mode), "PNG", icc_profile=linear_gray()))
    assert np.abs(pixels[..., :3].astype(int) - 188).max() <= 1  # half of the light, as sRGB
    assert pixels.shape[2] == (4 if mode == "LA" else 3)
    assert not images.is_srgb(saved(Image.new("L", (8, 8)), "PNG", icc_profile=linear_gray()))


def with_code_points(data: bytes, *points: int) -> bytes:
    return data[:33] + containers.png_chunk(b"cICP", bytes(points)) + data[33:]


def color_of(rgb: tuple[int, ...], *points: int) -> list[int]:
    mode = "RGBA" if len(rgb) == 4 else "RGB"
    data = with_code_points(saved(Image.new(mode, (8, 8), rgb), "PNG"), *points)
    sent = Image.open(io.BytesIO(plain_images.plain(data, "It")))
    assert list(sent.getpixel((3, 3))) == images.decode(data)[3, 3].tolist()
    return images.decode(data)[3, 3].tolist()


def test_the_code_points_of_a_png_are_obeyed():
    assert color_of((200, 100, 100), 1, 13, 0, 1) == [200, 100, 100]
    # Display P3: light 0.5776, 0.1274, 0.1274 becomes 0.6789, 0.1085, 0.1186.
    assert color_of((200, 100, 100), 12, 13, 0, 1) == pytest.approx([215, 93, 97], abs=1)
    assert color_of((255, 255, 255, 7), 12, 13, 0, 1) == [255, 255, 255, 7]
    assert color_of((128, 128, 128), 12, 13, 0, 1) == pytest.approx([128] * 3, abs=1)
    # Linear, gamma, PQ and HLG: 203 nits, which is 58 % and 75 % of the signal, are white.
    assert color_of((55, 55, 55), 1, 8, 0, 1) == pytest.approx([128] * 3, abs=1)
    assert color_of((128, 128, 128), 9, 16, 0, 1)[0] == pytest.approx(182, abs=4)
    assert color_of((148, 148, 148), 9, 16, 0, 1)[0] >= 253
    assert color_of((191, 191, 191), 9, 18, 0, 1)[0] >= 253
    assert color_of((60, 60, 60), 9, 18, 0, 1)[0] < 100
    # Of two descriptions the code points count; what says nothing of use counts nothing.
    both = saved(Image.new("RGB", (8, 8), (200, 100, 100)), "PNG", icc_profile=display_p3())
    assert images.decode(with_code_points(both, 1, 13, 0, 1))[0, 0].tolist() == [200, 100, 100]
    for odd in ((2, 2, 0, 1), (12, 13, 5, 1), (12, 13, 0, 0), (12, 13, 0), ()):
        assert color_of((200, 100, 100), *odd) == [200, 100, 100]


def test_a_useless_colour_profile_is_passed_over():
    for profile in (b"rubbish", b"", display_p3()[:150]):
        data = saved(Image.fromarray(gradient()), "PNG", icc_profile=profile)
        assert np.array_equal(images.decode(data), gradient())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_rgb(mode):
    grey = Image.fromarray(gradient()).convert("L")
    source = {
        "1": lambda: grey.convert("1"),
        "L": lambda: grey,
        "LA": lambda: grey.convert("LA"),
        "P": lambda: Image.fromarray(gradient()).quantize(64),
        "RGB": lambda: Image.fromarray(gradient()),
        "RGBA": lambda: Image.fromarray(gradient()).convert("RGBA"),
        "I;16": lambda: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
        "CMYK": lambda: Image.fromarray(gradient()).convert("CMYK"),
    }[mode]()
    pixels = images.decode(saved(source, "JPEG" if mode == "CMYK" else "PNG"))
    assert pixels.shape == (24, 40, 4 if mode in ("LA", "RGBA") else 3)
    expected = source.convert("L" if mode == "I;16" else "RGB")
    if mode == "I;16":
        assert np.array_equal(pixels[..., 0], np.asarray(grey))
    else:
        assert np.abs(pixels[..., :3].astype(int) - np.asarray(expected)).mean() < 3


def test_16_bit_colour_and_transparent_palettes():
    wide = images.decode_grey16(images.encode_png(np.arange(600, dtype=np.uint16).reshape(20, 30)))
    assert np.array_equal(wide, np.arange(600).reshape(20, 30))
    with pytest.raises(ImageError, match="16-bit grey"):
        images.decode_grey16(images.encode_png(gradient()))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    pixels = images.decode(saved(palette, "PNG", transparency=1))
    assert pixels[0, 0].tolist() == [0, 255, 0, 0]


def test_of_an_animation_the_first_picture_is_taken():
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    for kind in ("WEBP", "PNG"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert images.decode(data)[3, 3, :3].tolist() == [255, 0, 0]


def test_a_camera_picture_with_a_second_picture_inside_opens():
    main, preview = Image.fromarray(gradient()), Image.fromarray(gradient(20, 12))
    data = saved(main, "MPO", save_all=True, append_images=[preview])
    assert images.probe(data).mime == "image/jpeg"
    assert images.decode(data).shape == (24, 40, 3)


# ---- written -------------------------------------------------------------------------------------


def test_lossless_means_every_pixel_also_under_full_transparency():
    pixels = np.random.default_rng(3).integers(0, 256, (33, 47, 4), dtype=np.uint8)
    pixels[:9, :, 3] = 0
    assert np.array_equal(images.decode(images.encode_webp(pixels, lossless=True)), pixels)
    assert np.array_equal(images.decode(images.encode_png(pixels)), pixels)


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_what_is_written_is_what_was_meant(format):
    data = images.encode(gradient(), format)
    info = images.probe(data)
    assert (info.format, info.width, info.height) == (format, 40, 24)
    assert np.abs(images.decode(data).astype(int) - gradient()).mean() < 3
    assert len(images.encode(gradient(400, 300), format, 30)) <= len(
        images.encode(gradient(400, 300), format, 95)
    )


def test_jpeg_lays_transparency_over_white():
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[:, :8] = (255, 0, 0, 255)
    pixels = images.decode(images.encode_jpeg(clear)).astype(int)
    assert pixels[8, 12].min() > 250
    assert np.abs(pixels[8, 3] - (255, 0, 0)).max() < 6


def test_pixels_that_no_file_can_hold_are_refused():
    for wrong in (
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros(4, "u1"),
    ):
        with pytest.raises(InvalidInput):
            images.encode_png(wrong)
    with pytest.raises(InvalidInput):
        images.encode(gradient(), "gif")  # pyright: ignore[reportArgumentType]
    for quality in (0, 101):
        with pytest.raises(InvalidInput):
            images.encode_jpeg(gradient(), quality)


def test_a_thumbnail_is_small_and_has_the_pictures_shape():
    for width, height in ((1600, 400), (300, 900), (20, 10)):
        data = images.thumbnail(images.encode_png(gradient(width, height)))
        info = images.probe(data)
        assert info.format == "webp"
        assert max(info.width, info.height) == min(images.THUMBNAIL_SIDE, max(width, height))
        assert info.width / info.height == pytest.approx(width / height, rel=0.02)


# ---- memory and time -----------------------------------------------------------------------------

MEASURED = """
import io, resource, sys
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
from genai_render.core import errors
from genai_render.core.image import images
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    getattr(images, sys.argv[1])(data)
    said = "opened"
except errors.ImageError as error:
    said = error.text
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said)
"""


def opened_elsewhere(data: bytes, how: str) -> tuple[float, str]:
    """Megabytes that it took a process of its own, and what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, how],
        input=data,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    grown, _, said = done.stdout.decode().strip().partition(" ")
    return int(grown) / (2**20 if sys.platform == "darwin" else 2**10), said


@pytest.mark.skipif(sys.platform == "win32", reason="measured by a POSIX call")
@pytest.mark.parametrize(
    ("mode", "size", "kind", "opens"),
    [
        ("RGBA", (8192, 5600), "PNG", True),
        ("L", (8192, 8192), "PNG", True),
        ("RGBA", (8192, 8192), "PNG", False),
        ("RGB", (16_384, 2800), "PNG", True),
        ("RGB", (60_000, 1), "PNG", False),
        ("RGB", (7680, 4320), "JPEG", True),
        ("CMYK", (7680, 4320), "JPEG", True),
        ("RGB", (4096, 4096), "WEBP", True),
        ("RGB", (7680, 4320), "WEBP", False),
    ],
)
def test_no_picture_takes_more_than_400_megabytes(mode, size, kind, opens):
    data = saved(Image.new(mode, size), kind, **({"method": 0} if kind == "WEBP" else {}))
    grown, said = opened_elsewhere(data, "decode")
    assert (said == "opened") == opens, said
    assert grown < (400 if opens else 20)


def test_a_picture_of_one_row_without_end_is_refused():
    for width, height in ((67_108_864, 1), (1, 67_108_864), (16_385, 2)):
        with pytest.raises(ImageError, match="too long"):
            images.probe(png_header(width, height))
    assert images.probe(png_header(16_384, 2)).width == 16_384


def test_scans_times_pixels_are_bounded():
    whole = saved(Image.new("RGB", (6000, 4000)), "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    assert images.decode(whole).shape == (4000, 6000, 3)
    with pytest.raises(ImageError, match="too long"):
        images.decode(whole[:-2] + whole[scan:-2] * 12 + whole[-2:])


def test_a_result_is_verified_without_a_second_copy():
    assert images.verify(images.encode_png(gradient())).width == 40
    for broken in (b"", b"text", images.encode_png(gradient())[:-20]):
        with pytest.raises(ImageError):
            images.verify(broken)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_picture_is_turned_strip_by_strip(orientation, monkeypatch):
    monkeypatch.setattr(images, "_STRIP_PIXELS", 200)  # several strips, and a last one of its own
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(gradient(40, 27)), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(images.decode(data), expected)


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(StorageError, match="cannot be read"):
        images.read_file(tmp_path / "pipe.png")
    with pytest.raises(StorageError):
        images.read_file(Path("/dev/zero"))
    with pytest.raises(StorageError):
        images.read_file(Path("nul\0.png"))
