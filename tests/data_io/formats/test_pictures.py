"""Pictures of every mode, their place, and files that are none."""

import io
import struct
import warnings
import zlib

import imageio.v3 as iio
import matplotlib.image
import numpy as np
import pytest
import tifffile
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import pictures
from pneumoseg.data_io.formats.pictures import is_picture, load_picture, picture_volume, pixels, read_picture

GREY = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], 2)
"""Two rows of three columns."""


def stored(volume):
    """The pixels of a volume as (rows, columns[, 3])."""
    return volume.restore()[:, :, 0].swapaxes(0, 1)


def saved(path, array, mode=None, **options):
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(path, width, height, rows=b"", *, bits=8, colour=0, extra=b""):
    """A PNG file made by hand; `rows` with their filter bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + extra + body)
    return path


@pytest.fixture
def warned(monkeypatch):
    messages = []
    monkeypatch.setattr(pictures.log, "warning", lambda text, *values: messages.append(text % values))
    return messages


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.tif", "a.tiff", "a.bmp", "b/a.nii.png"])
def test_names_of_pictures(name):
    assert is_picture(name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.gif", "a.webp", "png", "a.png.txt", "a"])
def test_other_names(name):
    assert not is_picture(name)


def test_a_folder_is_no_picture(tmp_path):
    (tmp_path / "slices.png").mkdir()
    assert not is_picture(tmp_path / "slices.png")


def test_columns_go_to_the_left_and_rows_to_the_back(tmp_path):
    volume = read_picture(saved(tmp_path / "a.png", GREY))
    assert volume.array.shape == (3, 2, 1)
    assert volume.array.dtype == np.uint8
    assert volume.stored_grid.axis_codes == "LPS"
    assert volume.spacing_mm == (1, 1, 1)
    # RAS+: x from the last column to the first, y from the last row to the first.
    assert volume.array[:, :, 0].tolist() == [[255, 100], [200, 50], [150, 0]]
    np.testing.assert_array_equal(volume.restore()[:, :, 0], GREY.T)
    volume.array[0, 0, 0] = 1  # no view of Pillow's memory


@pytest.mark.parametrize("array", [GREY, COLOURS], ids=["grey", "colour"])
@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.tiff"])
def test_other_readers_see_the_same(tmp_path, name, array):
    iio.imwrite(tmp_path / name, array)
    read = read_picture(tmp_path / name)
    assert read.array.shape == (3, 2, 1, *array.shape[2:])
    np.testing.assert_array_equal(stored(read), array)
    np.testing.assert_array_equal(stored(read), iio.imread(tmp_path / name))
    if name == "a.png":
        np.testing.assert_array_equal(stored(read), np.rint(matplotlib.image.imread(tmp_path / name) * 255))
    if name.startswith("a.tif"):
        np.testing.assert_array_equal(stored(read), tifffile.imread(tmp_path / name))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(tmp_path, mode):
    smooth = np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8) * 3
    array = smooth if mode == "L" else np.stack([smooth, smooth[::-1], smooth // 2], 2)
    read = read_picture(saved(tmp_path / "a.jpg", array, quality=95))
    np.testing.assert_array_equal(stored(read), iio.imread(tmp_path / "a.jpg"))
    assert np.abs(stored(read) - array.astype(int)).mean() < 4


def test_colours_that_are_equal_are_grey(tmp_path):
    for mode in ("RGB", "RGBA", "LA"):
        read = read_picture(saved(tmp_path / "a.png", GREY, mode))
        assert read.array.shape == (3, 2, 1)
        np.testing.assert_array_equal(stored(read), GREY)


def test_palettes_are_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    for name in ("a.png", "a.bmp", "a.tif"):
        image.save(tmp_path / name)
        assert stored(read_picture(tmp_path / name)).tolist() == [[[0, 0, 0], [255, 0, 0]], [[0, 0, 255], [255, 0, 0]]]
    image.putpalette([0, 0, 0, 9, 9, 9, 200, 200, 200])
    image.save(tmp_path / "grey.png")
    assert stored(read_picture(tmp_path / "grey.png")).tolist() == [[0, 9], [200, 9]]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_one_bit(tmp_path, name):
    saved(tmp_path / name, np.array([[0, 255, 255], [255, 0, 0]], np.uint8), "1")
    assert stored(read_picture(tmp_path / name)).tolist() == [[0, 255, 255], [255, 0, 0]]


@pytest.mark.parametrize(("bits", "byte", "values"), [(2, 0b00011011, [0, 85, 170, 255]), (4, 0x0F, [0, 255])])
def test_few_bits_reach_white(tmp_path, bits, byte, values):
    read = read_picture(png(tmp_path / "a.png", len(values), 1, bytes([0, byte]), bits=bits))
    assert stored(read).tolist() == [values]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_of_grey_stay_whole(tmp_path, name, byteorder):
    array = np.array([[0, 257, 1000], [32768, 65534, 65535]], np.uint16)
    if name == "a.png":
        png(tmp_path / name, 3, 2, b"".join(b"\0" + row.astype(">u2").tobytes() for row in array), bits=16)
    else:
        tifffile.imwrite(tmp_path / name, array, byteorder=byteorder)
    np.testing.assert_array_equal(iio.imread(tmp_path / name), array)
    read = read_picture(tmp_path / name)
    assert read.array.dtype == np.float32
    np.testing.assert_allclose(stored(read), array / 257, rtol=1e-6)
    assert stored(read)[1, 2] == 255


def test_sixteen_bits_of_colour_are_reduced_to_the_upper_eight(tmp_path):
    array = np.array([[[0, 255, 256], [65535, 32768, 511]]], ">u2")
    path = png(tmp_path / "a.png", 2, 1, b"\0" + array.tobytes(), bits=16, colour=2)
    assert stored(read_picture(path)).tolist() == [[[0, 0, 1], [255, 128, 1]]]
    with pytest.raises(InputError, match=r"a\.png: a mask of 16 bits is grey, without alpha, found RGB"):
        load_picture(path, exact=True)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int16])
def test_integers_are_as_sixteen_bits(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 257, 32639]], dtype))
    assert stored(read_picture(tmp_path / "a.tif")).tolist() == [[0, 1, 127]]


def test_floats_stay_as_they_are(tmp_path):
    array = np.array([[0, 0.25, 254.5]], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", array)
    read = read_picture(tmp_path / "a.tif")
    assert read.array.dtype == np.float32
    np.testing.assert_array_equal(stored(read), array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[-1.0, 3]], np.float32), r"floats of a picture lie in 0\.\.255, found -1\.\.3"),
        (np.array([[0, 300]], np.float32), r"found 0\.\.300"),
        (np.array([[0, 0.5]], np.float32), r"found 0\.\.0\.5; scale them"),
        (np.array([[0, np.nan]], np.float32), "finite numbers, found 1 NaN"),
        (np.array([[-1000, 300]], np.int16), r"values of 0\.\.65535, found -1000\.\.300"),
        (np.array([[0, 70_000]], np.int32), r"found 0\.\.70000"),
    ],
)
def test_values_that_are_no_grey_are_refused(tmp_path, array, message):
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(InputError, match=rf"a\.tif: .*{message}"):
        read_picture(tmp_path / "a.tif")


def test_black_floats_are_a_picture(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3), np.float32))
    assert not read_picture(tmp_path / "a.tif").array.any()


def test_sixteen_bits_that_hold_eight_get_a_warning(tmp_path, warned):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.uint16))
    read_picture(tmp_path / "a.tif")
    assert len(warned) == 1 and "16 bits, but no value above 255 of 65535" in warned[0]


def test_white_is_zero(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(stored(read_picture(tmp_path / "a.tif")), 255 - GREY)
    tifffile.imwrite(tmp_path / "b.tif", GREY.astype(np.uint16), photometric="miniswhite")
    with pytest.raises(InputError, match=r"b\.tif: .* 0 is black, found a TIFF where it is white"):
        read_picture(tmp_path / "b.tif")


def alpha_files(path):
    alpha = Image.fromarray(np.array([[255, 255, 254], [255, 0, 255]], np.uint8))
    for mode in ("LA", "RGBA"):
        image = Image.fromarray(GREY).convert(mode)
        image.putalpha(alpha)
        image.save(path / f"{mode}.png")
    Image.fromarray(GREY).save(path / "key.png", transparency=50)
    Image.fromarray(GREY).convert("1").save(path / "key 1.png", transparency=0)
    Image.fromarray(COLOURS).save(path / "colour key.png", transparency=(50, 200, 50))
    indices = Image.fromarray(GREY // 50)
    indices.putpalette([0, 0, 0, 1, 2, 3])
    indices.save(path / "index.png", transparency=1)
    indices.save(path / "indices.png", transparency=bytes([255, 128, 255]))
    row = struct.pack(">HHH", 0, 1000, 65535)
    png(path / "key 16.png", 3, 1, b"\0" + row, bits=16, extra=chunk(b"tRNS", struct.pack(">H", 1000)))
    return sorted(path.iterdir())


def test_alpha_is_dropped_with_a_warning(tmp_path, warned):
    files = alpha_files(tmp_path)
    assert len(files) == 8
    for path in files:
        warned.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = stored(read_picture(path))
        assert len(warned) == 1 and "alpha is ignored" in warned[0] and path.name in warned[0]
        if path.name in ("LA.png", "RGBA.png", "key.png"):
            np.testing.assert_array_equal(read, GREY)


def test_opaque_alpha_is_dropped_without_a_word(tmp_path, warned):
    for mode in ("LA", "RGBA"):
        saved(tmp_path / "a.png", GREY, mode)
        np.testing.assert_array_equal(stored(read_picture(tmp_path / "a.png")), GREY)
    saved(tmp_path / "a.png", GREY, transparency=51)  # a key that no pixel has
    read_picture(tmp_path / "a.png")
    assert not warned


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, warned, name, orientation):
    smooth = np.add.outer(np.arange(16) * 8, np.arange(24) * 2).astype(np.uint8)
    turned = {
        1: smooth, 2: smooth[:, ::-1], 3: smooth[::-1, ::-1], 4: smooth[::-1],
        5: smooth.T, 6: np.rot90(smooth, -1), 7: smooth[::-1, ::-1].T, 8: np.rot90(smooth),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    saved(tmp_path / name, smooth, exif=exif)
    read = stored(read_picture(tmp_path / name)).astype(int)
    assert read.shape == turned.shape
    assert np.abs(read - turned).max() <= (8 if name == "a.jpg" else 0)
    assert ["its mask must be turned alike" in text for text in warned] == [True] * (orientation > 1)


def test_one_pixel(tmp_path):
    assert read_picture(saved(tmp_path / "a.png", GREY[1:, 2:])).array.tolist() == [[[255]]]


def test_the_content_chooses_the_format(tmp_path):
    saved(tmp_path / "a.jpg", GREY, format="PNG")
    np.testing.assert_array_equal(stored(read_picture(tmp_path / "a.jpg")), GREY)


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colours_are_refused(tmp_path, mode):
    name = "a.jpg" if mode == "CMYK" else "a.tif"
    Image.new(mode, (3, 2)).save(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: a picture is grey, RGB or has a palette, found {mode}; convert"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_animated_files_and_pages_are_refused(tmp_path, name):
    first, *others = (Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (1, 2, 3))
    first.save(tmp_path / name, save_all=True, append_images=others)
    with pytest.raises(InputError, match=rf"{name}: a file holds one picture, found 3"):
        read_picture(tmp_path / name)


def test_a_photograph_with_its_preview_is_one_picture(tmp_path):
    image = Image.fromarray(np.full((16, 16), 100, np.uint8))
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[image])
    with Image.open(tmp_path / "a.jpg") as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)
    assert (read_picture(tmp_path / "a.jpg").array == 100).all()


@pytest.mark.parametrize("size", [(8193, 8192), (10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, size):
    path = png(tmp_path / "a.png", *size)
    with pytest.raises(InputError, match=r"a\.png: a picture has at most 67108864 pixels, found"):
        read_picture(path)


def test_a_size_that_the_file_cannot_hold_is_refused(tmp_path, monkeypatch):
    path = png(tmp_path / "a.png", 8000, 8000)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"a\.png: .* 8000 x 8000 pixels do not fit into \d+ bytes"):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp"])
@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.9, -12, -20])
def test_truncated_files_are_refused(tmp_path, name, left):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    content = saved(tmp_path / name, noise).read_bytes()
    (tmp_path / name).write_bytes(content[: int(left * len(content)) if left >= 0 else int(left)])
    with pytest.raises(InputError, match=rf"{name}: .*; copy it again"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("place", [20, 40, 60, 2000])
def test_a_corrupt_png_is_refused(tmp_path, place):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    content = bytearray(saved(tmp_path / "a.png", noise).read_bytes())
    content[place] ^= 0x55
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png: .*copy it again"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"no picture", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0\x08\0\0\0"])
def test_other_content_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png: .*copy it again"):
        read_picture(tmp_path / "a.png")


def test_other_formats_are_refused_whatever_their_suffix(tmp_path):
    content = io.BytesIO()
    Image.fromarray(GREY).save(content, "GIF")
    (tmp_path / "a.png").write_bytes(content.getvalue())
    with pytest.raises(InputError, match=r"a\.png: a picture is PNG, JPEG, TIFF or BMP, found another format"):
        read_picture(tmp_path / "a.png")


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.png: no such file"):
        read_picture(tmp_path / "a.png")


def test_pixels_become_a_volume_and_pixels_again():
    for array in (GREY, COLOURS):
        np.testing.assert_array_equal(stored(picture_volume(array)), array)
        np.testing.assert_array_equal(pixels(Image.fromarray(array)), array)


def test_real_pictures(real_data):
    files = sorted((real_data / "sirm100" / "images").glob("*.png"))
    assert len(files) == 82
    for path in files:
        read = read_picture(path)
        assert read.array.dtype == np.uint8
        np.testing.assert_array_equal(stored(read), iio.imread(path))
