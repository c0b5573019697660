"""Uploads as people send them, and as they should not."""

import gzip
import struct
import zipfile

import nibabel as nib
import numpy as np
from PIL import Image

from pneumoseg.data_io.volumes.volume import Volume

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def patient() -> Volume:
    """A CT (RAS+) with a small left lung, a large right lung and infection in the left one."""
    rng = np.random.default_rng(0)
    array = rng.integers(-20, 20, (24, 20, 16)).astype(np.int16)
    array[3:8, 6:14, 3:12] = -900
    array[14:22, 5:15, 2:14] = -800
    array[4:7, 7:9, 4:8] = -400
    affine = AFFINE.copy()
    affine[:3, 3] = (5, -7, 90)
    return Volume.from_source(array, affine)


def nifti_bytes(array=None, affine=AFFINE, *, packed=True, **text) -> bytes:
    image = nib.Nifti1Image(patient().array if array is None else array, affine)
    for name, value in text.items():
        image.header[name] = value
    content = image.to_bytes()
    return gzip.compress(content, mtime=0) if packed else content


def nrrd_bytes(sizes="24 20 16", content=None, extra="") -> bytes:
    content = patient().array.tobytes(order="F") if content is None else content
    header = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (2,0,0) (0,2,0) (0,0,3)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        f"space origin: (0,0,0)\n{extra}\n"
    )
    return header.encode() + content


def mha_bytes() -> bytes:
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 2 2 3\nDimSize = 24 20 16\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    return header.encode() + patient().array.tobytes(order="F")


def declared_nifti(shape, spacing=1.0, *, voxels=1 << 20) -> bytes:
    """A header that declares more voxels than follow."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([spacing] * 3 + [1.0]), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4) + bytes(voxels)


def zip_of(path, files: dict[str, bytes], *, links=(), encrypted=False):
    """Writes a zip archive; names as they are given, be they absolute or climb out."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name in links else 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    if encrypted:
        content = bytearray(path.read_bytes())
        for start, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = content.find(start)
            while place >= 0:
                flags = struct.unpack_from("<H", content, place + at)[0]
                struct.pack_into("<H", content, place + at, flags | 1)
                place = content.find(start, place + 4)
        path.write_bytes(bytes(content))
    return path


def zip_of_folder(path, folder):
    return zip_of(path, {f"series/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())})


def png(path, array):
    Image.fromarray(array).save(path, "PNG")
    return path
