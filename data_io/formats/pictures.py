"""Pictures (PNG, JPEG, TIFF, BMP) to volumes of one slice, by Pillow.

Columns go to the patient's left and rows to the back, as radiological pictures are shown; pixels are 1 mm wide, for
want of a size. Pillow reduces colour of 16 bits a channel, and grey of 16 bits with alpha, to the upper 8 bits; grey
of 16 bits stays whole.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.compression import DEFLATE_MOST
from pneumoseg.data_io.volumes.grid_limits import MOST_PIXELS
from pneumoseg.data_io.volumes.lazy_volume import checked
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Volume

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""Pillow's readers that may open a file, whatever its suffix; others are not asked."""

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I", "F")
LEAST_BITS = {"1": 1, "P": 1, "L": 1, "LA": 8, "I;16": 16, "RGB": 24, "RGBA": 24}
"""At least so many bits a pixel has in a PNG file, by Pillow's mode."""

WHITE_16 = 65535
DARK_16 = 4096
"""Pictures of 16 bits without a value so high are likely to have 8 or 12 bits that were not scaled."""

TIFF_PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
UPRIGHT = 1
PLACE = nib.affines.from_matvec(LPS_TO_RAS)


def is_picture(path: str | Path) -> bool:
    """Whether the name of `path` is that of a picture, and no folder's."""
    return Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir()


def read_picture(path: str | Path) -> Volume:
    """Reads a picture as (x, y, 1) where it is grey, (x, y, 1, 3) where it has colours; 0 is black and 255 white.

    8 bits are uint8. 16 bits, and integers of 32 bits, are float32: the value / 257, so that 65535 is 255. Floats of
    0..255 are float32 as they are. Palettes are looked up, and colours that are all equal are grey. Alpha is dropped,
    with a warning where it is not opaque. The picture is upright, as its EXIF orientation says.

    Raises InputError as `load_picture`, and for values beyond these.
    """
    path = Path(path)
    return picture_volume(_as_grey(pixels(load_picture(path)), path))


def picture_volume(array: np.ndarray) -> Volume:
    """A copy of pixels, (rows, columns) or (rows, columns, 3), as a volume (x, y, 1) or (x, y, 1, 3)."""
    return Volume.from_source(np.array(array.swapaxes(0, 1)[:, :, np.newaxis]), PLACE)


def load_picture(path: Path, *, exact: bool = False) -> Image.Image:
    """Decodes a picture in one of MODES, and turns it as its EXIF orientation says; a warning for that and for alpha.

    `exact`: refuses what Pillow reduces to 8 bits. Raises InputError for a file that is missing, damaged, truncated or
    of another format, for more than MOST_PIXELS, more than one picture, and another mode, such as CMYK.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with open(path, "rb") as file:
            header = Image.open(file, formats=FORMATS)
            _check_header(header, path, exact=exact)
            header.verify()  # the checksums of a PNG, up to its end
            image = Image.open(file, formats=FORMATS)
            orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)  # a TIFF is turned when it is loaded
            image.load()
        if orientation != UPRIGHT:
            log.warning("%s: turned as its EXIF orientation says; its mask must be turned alike", path)
        ImageOps.exif_transpose(image, in_place=True)
        if not _is_opaque(image):
            log.warning("%s: alpha is ignored, the picture is read as if it were opaque", path)
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        message = f"{path}: a picture has at most {MOST_PIXELS} pixels, found more; crop or shrink it"
        raise InputError(message) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}: a picture is {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, found another format or a damaged "
            "header; copy it again or convert it"
        ) from error
    except Exception as error:  # over damaged files Pillow raises errors of many classes
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: the picture is damaged or truncated ({type(error).__name__}: {reason}); copy it again"
        ) from error
    return image


def pixels(image: Image.Image) -> np.ndarray:
    """The pixels as they are stored, (rows, columns) or (rows, columns, 3): without alpha, palettes looked up, 1 bit as
    0 and 255, colours that are all equal as grey."""
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    array = np.asarray(image.convert("RGBA") if image.mode in ("P", "PA") else image)
    if array.ndim == 2:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    colours = array[..., :1] if image.mode == "LA" else array[..., :3]
    return colours[..., 0] if (colours == colours[..., :1]).all() else colours


def _check_header(image: ImageFile.ImageFile, path: Path, *, exact: bool) -> None:
    count = image.width * image.height
    if count > MOST_PIXELS:
        raise InputError(
            f"{path}: a picture has at most {MOST_PIXELS} pixels, found {image.width} x {image.height}; crop or "
            "shrink it"
        )
    size = path.stat().st_size
    if image.format == "PNG" and count * LEAST_BITS.get(image.mode, 1) // 8 > size * DEFLATE_MOST:
        raise InputError(
            f"{path}: the picture is truncated or its header damaged: {image.width} x {image.height} pixels do not fit "
            f"into {size} bytes; copy it again"
        )
    pictures = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photograph and its previews
    if pictures != 1:
        raise InputError(f"{path}: a file holds one picture, found {pictures} (animated, or pages); split it")
    if image.mode not in MODES:
        raise InputError(f"{path}: a picture is grey, RGB or has a palette, found {image.mode}; convert it to RGB")
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith(("I", "F")) and tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
        raise InputError(
            f"{path}: in a picture of 16 bits or more 0 is black, found a TIFF where it is white; invert it"
        )
    if exact and not image.mode.startswith("I") and any(";16" in str(tile) for tile in image.tile):
        raise InputError(f"{path}: a mask of 16 bits is grey, without alpha, found {image.mode}; convert it to grey")


def _is_opaque(image: Image.Image) -> bool:
    if "A" in image.getbands():
        return image.getchannel("A").getextrema()[0] == 255
    if (transparent := image.info.get("transparency")) is None:
        return True
    if image.mode.startswith("I"):
        return not (np.asarray(image) == transparent).any()
    return image.convert("RGBA").getchannel("A").getextrema()[0] == 255


def _as_grey(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    array = checked(array, path)
    least, most = array.min(), array.max()
    if array.dtype.kind == "f":
        if least < 0 or most > 255 or 0 < most <= 1:
            raise InputError(
                f"{path}: floats of a picture lie in 0..255, found {least:g}..{most:g}; scale them so that 255 is white"
            )
        return array
    if least < 0 or most > WHITE_16:
        raise InputError(
            f"{path}: a picture of more than 8 bits has values of 0..{WHITE_16}, found {least}..{most}; scale them so "
            f"that {WHITE_16} is white"
        )
    if 0 < most < DARK_16:
        log.warning("%s: 16 bits, but no value above %d of %d: dark; scale it to all of these", path, most, WHITE_16)
    return array.astype(np.float32) / np.float32(WHITE_16 / 255)
