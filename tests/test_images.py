"""Reading and writing images: every usable kind gives the right pixels, every other a reason."""

import errno
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from skinseg.data import (
    ImageError,
    image_size,
    is_image_path,
    list_images,
    read_image,
    read_mask,
    write_png,
)
from skinseg.data.images import read_mask_levels, read_reduced_image
from skinseg.data.mask_values import MaskValuesError
from skinseg.data.resizing import resize_image

RED, WHITE = (255, 0, 0), (255, 255, 255)
SIXTEEN_BIT = (0, 128, 255, 257, 32768, 65535)
SIXTEEN_BIT_AS_8 = [0, 0, 1, 1, 128, 255]


def png_bytes(width: int, height: int, bits: int, color_type: int, rows: bytes) -> bytes:
    """A PNG file made by hand, for kinds that Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def noise(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- images that can be used ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_formats_keep_every_pixel(tmp_path, suffix):
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(noise()))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, noise())


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, WHITE),
        ("L", 77, (77, 77, 77)),
        ("P", 0, RED),
        ("LA", (0, 0), WHITE),
        ("LA", (40, 255), (40, 40, 40)),
        ("RGBA", (*RED, 255), RED),
        ("RGBA", (0, 0, 0, 0), WHITE),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("CMYK", (0, 255, 255, 0), RED),
        ("La", (40, 255), (40, 40, 40)),
    ],
)
def test_any_mode_becomes_rgb(mode, color, expected):
    image = Image.new(mode, (5, 4), color)
    if mode == "P":
        image.putpalette(RED)
    assert np.abs(read_image(image).astype(int) - expected).max() <= 1
    assert read_image(image).shape == (4, 5, 3)


def test_cmyk_jpeg(tmp_path):
    path = saved(tmp_path / "x.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)), quality=95)
    assert np.abs(read_image(path).astype(int) - RED).max() < 12


def test_palette_with_transparency_lies_over_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, 0, 0, 255])
    image.putdata([0, 1])
    path = saved(tmp_path / "x.png", image, transparency=1)
    assert read_image(path).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_16_bit_gray_png_is_scaled_not_clipped(tmp_path):
    rows = b"\0" + struct.pack(">6H", *SIXTEEN_BIT)
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(6, 1, 16, 0, rows))
    image = read_image(path)
    assert image[0, :, 0].tolist() == SIXTEEN_BIT_AS_8
    assert (image == image[:, :, :1]).all()


def test_16_bit_gray_elsewhere(tmp_path):
    tiff = saved(tmp_path / "x.tif", Image.fromarray(np.array([SIXTEEN_BIT], np.uint16)))
    assert read_image(tiff)[0, :, 0].tolist() == SIXTEEN_BIT_AS_8
    (tmp_path / "x.pgm").write_bytes(b"P5 6 1 65535\n" + struct.pack(">6H", *SIXTEEN_BIT))
    assert read_image(tmp_path / "x.pgm")[0, :, 0].tolist() == SIXTEEN_BIT_AS_8


@pytest.mark.parametrize(
    ("color_type", "pixel"),
    [(2, [40000] * 3), (6, [40000] * 3 + [65535]), (4, [40000, 65535])],
    ids=["RGB", "RGBA", "LA"],
)
def test_16_bit_color_png(tmp_path, color_type, pixel):
    path = tmp_path / "x.png"
    rows = b"\0" + struct.pack(f">{len(pixel)}H", *pixel)
    path.write_bytes(png_bytes(1, 1, 16, color_type, rows))
    assert read_image(path).tolist() == [[[156, 156, 156]]]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_gray_without_a_known_range_is_refused(tmp_path, kind):
    path = saved(tmp_path / "x.tif", Image.fromarray(np.ones((4, 4), kind)))
    with pytest.raises(ImageError, match=r"x\.tif.*32-bit.*Convert it to 8 or 16 bits"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, suffix, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # one corner, so that all eight turns differ
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    image = Image.fromarray(np.ascontiguousarray(stored))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if suffix in ("jpg", "webp") else {}
    if suffix == "tif":
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[0x0112] = orientation
        options["tiffinfo"] = info
    else:
        options["exif"] = exif
    path = saved(tmp_path / f"x.{suffix}", image, **options)
    read = read_image(path)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).mean() < 4
    assert image_size(path) == upright.shape[:2]
    assert read_mask(path).mean() == pytest.approx(0.25, abs=0.02)
    assert read_mask(path)[:7, :15].all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_photograph_is_the_whole_one(tmp_path, orientation):
    y, x = np.mgrid[:745, :1001]
    waves = 127 + 60 * np.sin(x / 16) + 60 * np.cos(y / 16)
    image = Image.fromarray(waves.astype(np.uint8)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x.jpg", image, quality=95, exif=exif)
    whole = Image.fromarray(read_image(path))
    reduced = read_reduced_image(path, (120, 120))
    assert reduced.size == image_size(path) == whole.size[::-1]
    assert sorted(reduced.image.size) == [187, 251]  # 186.25 and 250.25
    expected = resize_image(whole, (60, 60)).astype(int)
    got = resize_image(reduced.image, (60, 60), reduced.box)
    assert np.abs(got - expected).max() < 4
    # The pixels that are there in part do count in part.
    assert np.abs(resize_image(reduced.image, (60, 60)) - expected).max() > 10


def test_only_photographs_that_are_large_enough_are_reduced(tmp_path):
    jpeg = saved(tmp_path / "x.jpg", Image.fromarray(noise(60, 80)))
    png = saved(tmp_path / "x.png", Image.fromarray(noise(60, 80)))
    for source, at_least, size in [
        (jpeg, (31, 31), (60, 80)),
        (jpeg, (30, 30), (30, 40)),
        (jpeg, (15, 41), (60, 80)),
        (jpeg, (7, 10), (8, 10)),
        (png, (8, 8), (60, 80)),
        (Image.open(jpeg), (8, 8), (60, 80)),
    ]:
        reduced = read_reduced_image(source, at_least)
        assert reduced.size == (60, 80)
        assert reduced.image.size == size[::-1]
    with pytest.raises(ImageError, match="4,800 pixels, more than max_pixels=4,799"):
        read_reduced_image(jpeg, (8, 8), max_pixels=4799)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_reduced_photographs_of_other_modes(tmp_path, mode):
    path = saved(tmp_path / "x.jpg", Image.new(mode, (400, 300)))
    reduced = read_reduced_image(path, (32, 32))
    assert (reduced.image.mode, reduced.image.size) == ("RGB", (50, 38))
    assert reduced.box == (0, 0, 50, 37.5)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_the_pixels(tmp_path):
    path = saved(
        tmp_path / "x.png", Image.fromarray(noise()), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"
    )
    np.testing.assert_array_equal(read_image(path), noise())


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_first_frame_of_several_with_a_warning(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, (0, 0, 255))]
    path = saved(tmp_path / f"x.{suffix}", frames[0], save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=rf"x\.{suffix}.*several frames; the first is used") as got:
        image = read_image(path)
    assert got[0].filename == __file__
    assert np.abs(image.astype(int) - RED).max() < 6


def test_phone_photograph_with_previews_is_no_animation(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, (0, 0, 255))]
    options = {"format": "MPO", "save_all": True, "append_images": frames[1:], "quality": 95}
    path = saved(tmp_path / "x.jpg", frames[0], **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(read_image(path).astype(int) - RED).max() < 6


def test_one_pixel(tmp_path):
    path = saved(tmp_path / "x.png", Image.new("RGB", (1, 1), RED))
    assert read_image(path).tolist() == [[[255, 0, 0]]]
    assert read_mask(saved(tmp_path / "m.png", Image.new("L", (1, 1), 255))).tolist() == [[True]]


def test_content_counts_not_the_name(tmp_path):
    path = saved(tmp_path / "x.jpg", Image.fromarray(noise()), format="PNG")
    np.testing.assert_array_equal(read_image(path), noise())


def test_pillow_image_is_left_as_it_was(tmp_path):
    with Image.open(saved(tmp_path / "x.png", Image.fromarray(noise()))) as image:
        np.testing.assert_array_equal(read_image(image), noise())
        assert image.getpixel((0, 0)) == tuple(noise()[0, 0])


def test_other_sources_are_refused():
    with pytest.raises(TypeError, match=r"binary file or a PIL\.Image\.Image, got ndarray"):
        read_image(noise())


# --- images that cannot be used ------------------------------------------------------------------


def jpeg(folder: Path, cut: int | None = None) -> Path:
    path = saved(folder / "x.jpg", Image.fromarray(noise(120, 160)))
    path.write_bytes(path.read_bytes()[:cut])
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "tif", "webp", "ppm"])
@pytest.mark.parametrize("fraction", [0.1, 0.6, 0.9])
def test_truncated(tmp_path, suffix, fraction):
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(noise(120, 160)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(ImageError, match=rf"x\.{suffix}.*truncated or damaged.*again"):
        read_image(path)
    with pytest.raises(ImageError, match=rf"x\.{suffix}"):
        read_mask(path)


@pytest.mark.parametrize("content", [b"P", b"hello, this is text", b"%PDF-1.7", b"\0" * 99])
def test_not_an_image(tmp_path, content):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"x\.png.*(not an image|damaged).*"):
        read_image(path)


def test_formats_that_start_other_programs_are_not_opened(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(ImageError, match="not an image in a supported format"):
        read_image(path)


def test_zero_bytes(tmp_path):
    (tmp_path / "x.png").touch()
    with pytest.raises(ImageError, match=r"x\.png.*zero bytes.*again"):
        read_image(tmp_path / "x.png")


def test_missing(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.png.*no such file.*Check the path"):
        read_image(tmp_path / "nowhere.png")


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(ImageError, match=r"is a folder"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(ImageError, match=r"x\.png.*not a file"):
        read_image(tmp_path / "x.png")


def test_huge_is_refused_from_its_header(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(20_000, 20_000, 8, 2, b""))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("was decoded"))
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in (read_image, read_mask, image_size):
            with pytest.raises(ImageError, match=r"x\.png.*20000 x 20000.*400,000,000.*max_pixels"):
                read(path)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pillow_limit_plays_no_part(tmp_path, monkeypatch, suffix):
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(noise()))
    # Between the limit and its double Pillow warns.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", noise()[..., 0].size - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(path), noise())


def test_limit_is_a_number_of_pixels(tmp_path):
    path = saved(tmp_path / "x.png", Image.new("L", (30, 20)))
    assert read_image(path, max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(ImageError, match="600 pixels, more than max_pixels=599"):
        read_image(path, max_pixels=599)
    with pytest.raises(ImageError, match="max_pixels=599"):
        read_image(Image.new("L", (30, 20)), max_pixels=599)


# --- masks ---------------------------------------------------------------------------------------


def gray(levels: list[int], mode: str = "L") -> Image.Image:
    image = Image.new(mode, (len(levels), 1))
    image.putdata(levels)
    return image


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0, 255, 255], [0, 1, 1]),
        ([0, 127, 128], [0, 0, 1]),
        ([0, 2, 128], [0, 0, 1]),
        ([0, 1, 1], [0, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
        ([1, 1, 1], [1, 1, 1]),
    ],
)
def test_gray_mask(tmp_path, levels, expected):
    mask = read_mask(saved(tmp_path / "m.png", gray(levels)))
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[bool(value) for value in expected]]


def test_bit_mask(tmp_path):
    path = saved(tmp_path / "m.png", gray([0, 1, 1, 0], "1"))
    assert read_mask(path).tolist() == [[False, True, True, False]]


def test_black_noise_of_a_jpeg_is_no_lesion(tmp_path):
    path = saved(tmp_path / "m.jpg", Image.new("L", (16, 16), 1), quality=100)
    assert np.asarray(Image.open(path)).max() == 1
    assert not read_mask(path).any()


@pytest.mark.parametrize("lesion", [(255, 255, 255), (128, 0, 0), (0, 255, 0), (1, 1, 1)])
def test_palette_mask_of_two_colors(tmp_path, lesion):
    image = gray([0, 1, 1], "P")
    image.putpalette([0, 0, 0, *lesion])
    path = saved(tmp_path / "m.png", image)
    assert read_mask(path).tolist() == [[False, True, True]]


def test_palette_order_is_not_what_counts(tmp_path):
    image = gray([0, 1, 1], "P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    assert read_mask(saved(tmp_path / "m.png", image)).tolist() == [[True, False, False]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_mask_with_more_channels_than_one(tmp_path, mode):
    path = saved(tmp_path / "m.png", gray([0, 100, 255]).convert(mode))
    assert read_mask(path).tolist() == [[False, False, True]]
    assert read_mask_levels(path).tolist() == [[0, 100, 255]]


def test_transparent_is_background():
    mask = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    mask.putpixel((0, 0), (255, 255, 255, 0))
    assert read_mask(mask).tolist() == [[False, True]]


def test_color_picture_is_no_mask(tmp_path):
    path = saved(tmp_path / "m.png", Image.fromarray(noise()))
    with pytest.raises(ImageError, match=r"m\.png.*more colors.*grayscale PNG"):
        read_mask(path)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0, 65535], [0, 1]), ([0, 255], [0, 1]), ([0, 1], [0, 1]), ([300, 32600, 40000], [0, 0, 1])],
)
def test_16_bit_mask(tmp_path, levels, expected):
    path = saved(tmp_path / "m.png", Image.fromarray(np.array([levels], np.uint16)))
    assert read_mask(path).tolist() == [[bool(value) for value in expected]]


UNKNOWN = [
    (
        [0, 2, 2],
        np.uint8,
        "holds 0 and 2,",
        "MappedLabels(dataset, {0: 'background', 2: 'lesion'})",
    ),
    (
        [1, 2, 2],
        np.uint8,
        "holds 1 and 2,",
        "MappedLabels(dataset, {1: 'background', 2: 'lesion'})",
    ),
    ([0, 127, 0], np.uint8, "holds 0 and 127,", "AnyLabel(dataset)"),
    (
        [0, 1, 2],
        np.uint8,
        "holds 0, 1 and 2,",
        "MappedLabels(dataset, {0: 'background', 1: 'lesion', 2: 'lesion'})",
    ),
    ([2, 2, 2], np.uint8, "holds 2,", "MappedLabels(dataset, {0: 'background', 2: 'lesion'})"),
    # Read by their full range, these would be black.
    (
        [0, 2, 2],
        np.uint16,
        "holds 0 and 2,",
        "MappedLabels(dataset, {0: 'background', 2: 'lesion'})",
    ),
    (
        [300, 32600, 300],
        np.uint16,
        "holds 300 and 32600,",
        "MappedLabels(dataset, {300: 'background'",
    ),
    # Scaled to 8 bits, these would be the 0 and 1 of a mask of two classes.
    (
        [0, 1, 300],
        np.uint16,
        "holds 0, 1 and 300,",
        "MappedLabels(dataset, {0: 'background', 1: 'lesion', 300: 'lesion'})",
    ),
    ([0, 1, 2, 3, 4, 5], np.uint8, "holds 0, 1, 2, ..., 5,", "AnyLabel(dataset)"),
]


@pytest.mark.parametrize(("values", "dtype", "what", "remedy"), UNKNOWN)
def test_values_that_mean_nothing_are_refused(tmp_path, values, dtype, what, remedy):
    path = saved(tmp_path / "m.png", Image.fromarray(np.array([values], dtype)))
    with pytest.raises(MaskValuesError) as raised:
        read_mask(path)
    assert f"m.png' {what} and no value that means lesion" in str(raised.value)
    assert remedy in str(raised.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_and_white_are_refused_as_either_may_be_lesion(tmp_path, dtype):
    path = saved(tmp_path / "m.png", Image.fromarray(np.array([[0, 1, 255]], dtype)))
    with pytest.raises(MaskValuesError, match="holds 0, 1 and 255, and either 1 or 255") as raised:
        read_mask(path)
    assert "MappedLabels(dataset, {0: 'background', 1: 'lesion', 255: 'lesion'})" in str(
        raised.value
    )
    grays = saved(tmp_path / "g.png", Image.fromarray(np.array([[0, 1, 140, 255]], np.uint8)))
    assert read_mask(grays).tolist() == [[False, False, True, True]]


def test_noise_of_a_jpeg_file_is_no_value(tmp_path):
    Image.fromarray(np.full((16, 16), 9, np.uint8)).save(tmp_path / "black.jpg")
    assert not read_mask(tmp_path / "black.jpg").any()
    Image.fromarray(np.full((16, 16), 60, np.uint8)).save(tmp_path / "gray.jpg")
    with pytest.raises(MaskValuesError, match=r"gray\.jpg' holds 60,"):
        read_mask(tmp_path / "gray.jpg")


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_round_trip(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "x.png", array[::-1])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), array[::-1])
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_png_of_bool_and_16_bit(tmp_path):
    write_png(tmp_path / "m.png", np.eye(2, dtype=bool))
    assert np.asarray(Image.open(tmp_path / "m.png")).tolist() == [[255, 0], [0, 255]]
    write_png(tmp_path / "p.png", np.array([[0, 65535]], np.uint16))
    assert np.asarray(Image.open(tmp_path / "p.png")).tolist() == [[0, 65535]]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_png_may_be_read_as_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    write_png(tmp_path / "x.png", np.zeros((2, 2), np.uint8))
    assert (tmp_path / "x.png").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros(4, bool), np.zeros((0, 4), bool)],
    ids=["float", "two channels", "one axis", "no pixel"],
)
def test_array_that_is_no_png(tmp_path, array):
    with pytest.raises(ImageError, match=r"x\.png.*shape.*Give bool, uint8"):
        write_png(tmp_path / "x.png", array)
    assert not list(tmp_path.iterdir())


def test_name_must_say_png(tmp_path):
    with pytest.raises(ImageError, match=r"x\.jpg.*ends in '\.png'"):
        write_png(tmp_path / "x.jpg", np.eye(2, dtype=bool))


def test_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("file", "missing"):
        with pytest.raises(ImageError, match=rf"{folder}.x\.png.*Choose an existing folder"):
            write_png(tmp_path / folder / "x.png", np.eye(2, dtype=bool))


@pytest.mark.parametrize("step", ["write", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, step, error):
    write_png(tmp_path / "x.png", np.eye(2, dtype=bool))
    before = (tmp_path / "x.png").read_bytes()

    def fail(*args, **kwargs):
        if step == "write":
            args[0].write_text("half")
        raise error

    target = (Path, "write_bytes") if step == "write" else (os, "replace")
    monkeypatch.setattr(*target, fail)
    message = r"x\.png.*No space left" if error.args else None
    with pytest.raises((ImageError, MemoryError), match=message):
        write_png(tmp_path / "x.png", np.zeros((9, 9), bool))
    assert (tmp_path / "x.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


# --- listing -------------------------------------------------------------------------------------


def test_list_images(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "._a.png", "deep/c.tif", ".hidden/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert list_images(tmp_path) == [tmp_path / "a.png", tmp_path / "b.JPG"]
    assert list_images(str(tmp_path), recursive=True)[2:] == [tmp_path / "deep" / "c.tif"]
    assert list_images(tmp_path / "folder.png") == []


def test_a_folder_below_that_cannot_be_listed_is_named_and_left_out(tmp_path, lock):
    for name in ("a.png", "deep/b.png", "private/c.png", "private/deep/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    lock(tmp_path / "private")
    with pytest.warns(UserWarning, match=r"private': Permission denied\. Its images are left out"):
        found = list_images(tmp_path, recursive=True)
    assert found == [tmp_path / "a.png", tmp_path / "deep" / "b.png"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list_images(tmp_path) == [tmp_path / "a.png"]
    with pytest.raises(ImageError, match=r"Cannot list .*private': Permission denied"):
        list_images(tmp_path / "private", recursive=True)


def test_list_images_of_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "missing"):
        with pytest.raises(ImageError, match=rf"{name}.*Give an existing folder"):
            list_images(tmp_path / name)


@pytest.mark.parametrize(("name", "expected"), [("a.TIFF", 1), ("a.jpg.txt", 0), ("jpg", 0)])
def test_is_image_path(name, expected):
    assert is_image_path(name) is bool(expected)
