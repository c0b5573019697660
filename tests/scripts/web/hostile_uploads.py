"""Uploads as they should not be."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoseg.data_io.phantoms.dicom_series import write_series
from tests.evaluation.jobs.uploads import declared_nifti, mha_bytes, nifti_bytes, nrrd_bytes, patient, zip_of
from tests.scripts.web.served import RAW

MOST_BYTES = 20_000_000
"""Of an upload, to the server of the test."""
LARGE_BYTES = 160_000_000
"""Of what bombs unpack to."""
CT, MASK = nifti_bytes(), nifti_bytes((patient().array < -500).astype(np.uint8) * 3)
MHA = mha_bytes()
FORM = "multipart/form-data; boundary=b"


@dataclass(frozen=True)
class Hostile:
    """An upload of `content`, or of what that writes with a folder at hand; `status`: of the answer; `words`: in the
    sentence; `reference`: whether it is sent as that of a mask."""

    name: str
    content: bytes | Callable[[Path], bytes]
    status: int
    words: str
    kind: str = RAW
    reference: bool = False
    parameters: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def changed(content: bytes, place: int, form: str, *values: float) -> bytes:
    """The content with other values at a place."""
    array = bytearray(content)
    struct.pack_into(form, array, place, *values)
    return bytes(array)


def header(place: int, form: str, *values: float) -> bytes:
    """A NIfTI file with other values in its header."""
    return changed(nifti_bytes(packed=False), place, form, *values)


def zipped(files: dict[str, bytes], **options) -> Callable[[Path], bytes]:
    return lambda folder: zip_of(folder / "z", files, **options).read_bytes()


def series(cut: int = 0, patients: tuple[str, ...] = ("one",), more: dict | None = None, **elements):
    """A zip of a DICOM series of each patient; of one file the last `cut` bytes are missing."""

    def content(folder: Path) -> bytes:
        files = dict(more or {})
        for name in patients:
            place = write_series(folder / name, patient(), patient_id=name, elements=elements)
            files |= {f"{name}/{file.name}": file.read_bytes() for file in sorted(place.iterdir())}
        if cut:
            files[max(files)] = files[max(files)][:-cut]
        return zip_of(folder / "z", files).read_bytes()

    return content


def picture(form: str, array: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, form)
    return content.getvalue()


SHADES = np.arange(256, dtype=np.uint8).reshape(16, 16)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)


def large_png() -> bytes:
    content = changed(picture("PNG", SHADES), 16, ">2I", 60_000, 60_000)
    return changed(content, 29, ">I", zlib.crc32(content[12:29]))


def large_jpeg() -> bytes:
    content = picture("JPEG", SHADES)
    return changed(content, content.index(b"\xff\xc0") + 5, ">2H", 65_000, 65_000)


def zip_bomb(folder: Path) -> bytes:
    return zip_of(folder / "z", {"ct.nii": bytes(LARGE_BYTES)}).read_bytes()


def gzip_bomb(_: Path) -> bytes:
    return gzip.compress(declared_nifti((512, 512, 300), voxels=LARGE_BYTES))


def nrrd_bomb(_: Path) -> bytes:
    return nrrd_bytes(content=gzip.compress(bytes(LARGE_BYTES))).replace(b"encoding: raw", b"encoding: gzip")


def metaimage_bomb(_: Path) -> bytes:
    start = MHA.partition(b"LOCAL\n")[0].replace(b"CompressedData = False", b"CompressedData = True")
    return start + b"LOCAL\n" + zlib.compress(bytes(LARGE_BYTES))


def png_bomb(_: Path) -> bytes:
    """A picture of 12000 x 12000 zeros."""
    return picture("PNG", np.zeros((12_000, 12_000), np.uint8))


def many_entries(folder: Path) -> bytes:
    """An archive that says that its list of entries is long."""
    content = zip_of(folder / "z", {"ct.nii.gz": CT}).read_bytes()
    return changed(content, content.rindex(b"PK\x05\x06") + 12, "<I", 1 << 30)


def damaged_entry(folder: Path) -> bytes:
    content = zip_of(folder / "z", {"ct.nii": nifti_bytes(packed=False)}).read_bytes()
    return content[:100] + bytes(100) + content[200:]


def other_grid() -> bytes:
    return nifti_bytes(np.ones((24, 20, 15), np.uint8))


HOSTILE = [
    # What the first bytes tell, or the list of an archive.
    Hostile("empty", b"", 422, "the upload is empty"),
    Hostile("text", b"text", 415, "the content is none of"),
    Hostile("page", b"<html><script>", 415, "the content is none of"),
    Hostile("document", b"%PDF-1.7" + bytes(9000), 415, "the content is none of"),
    Hostile("program", b"\x7fELF" + bytes(9000), 415, "the content is none of"),
    Hostile("zeros", bytes(10_000), 415, "the content is none of"),
    Hostile("gzip of text", gzip.compress(b"text" * 999), 415, "the content is none of"),
    Hostile("gzip that ends early", gzip.compress(CT)[:15], 415, "the content is none of"),
    Hostile("gzip of gzip", gzip.compress(CT), 415, "the content is none of"),
    Hostile("zip without list", b"PK\x03\x04" + bytes(5000), 422, "damaged or truncated"),
    Hostile("zip that ends early", lambda folder: zipped({"a.nii.gz": CT})(folder)[:-30], 422, "damaged or truncated"),
    Hostile("empty zip", zipped({}), 422, "holds no file"),
    Hostile("encrypted zip", zipped({"ct.nii.gz": CT}, encrypted=True), 422, "encrypted"),
    Hostile("zip of zips", zipped({"a.zip": b"PK"}), 422, "holds zip archives"),
    Hostile("zip bomb", zip_bomb, 422, "more than 100 times as much"),
    Hostile("zip with many entries", many_entries, 422, "at most 20000 files"),
    Hostile("zip that climbs out", zipped({"../../x.nii.gz": CT}), 422, "outside the folder"),
    Hostile("zip with an absolute name", zipped({"/etc/x.nii.gz": CT}), 422, "outside the folder"),
    Hostile("zip with a drive", zipped({"C:\\x.nii.gz": CT}), 422, "outside the folder"),
    Hostile("zip with a link", zipped({"a": b"/etc/passwd", "ct.nii.gz": CT}, links=["a"]), 422, "is a link"),
    Hostile("too large", bytes(MOST_BYTES + 1), 413, "at most"),
    Hostile("JSON", b"{}", 415, "is sent as", kind="application/json"),
    Hostile("no type", CT, 415, "is sent as", kind=""),
    Hostile("compressed by HTTP", CT, 415, "compressed by HTTP", headers={"Content-Encoding": "gzip"}),
    Hostile("form without boundary", CT, 400, "no boundary", kind="multipart/form-data"),
    Hostile("form that is none", b"no form", 400, "damaged", kind=FORM),
    Hostile("form without files", b"--b--\r\n", 400, "no part file", kind=FORM),
    Hostile("form with long headers", b"--b\r\nX: " + b"z" * 20_000, 400, "damaged", kind=FORM),
    Hostile("form with another part", b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nv\r\n--b--', 400,
            "not file", kind=FORM),
    Hostile("form that ends early", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + CT, 400,
            "ends before", kind=FORM),
    Hostile("long name", CT, 400, "at most 1000 characters", parameters={"filename": "x" * 1001}),
    Hostile("no such model", CT, 422, "no model of that name", parameters={"model": "../../covid"}),
    # What reading it tells.
    Hostile("4 GB declared", declared_nifti((1024, 1024, 2048)), 422, "truncated or its header damaged"),
    Hostile("4 GB declared in gzip", gzip.compress(declared_nifti((1024, 1024, 2048))), 422, "truncated"),
    Hostile("negative size", header(40, "<8h", 3, -24, 20, 16, 1, 1, 1, 1), 422, "3 axes"),
    Hostile("dimensions", header(40, "<8h", 7, 32767, 32767, 32767, 32767, 32767, 32767, 32767), 422, "3 axes"),
    Hostile("spacing in metres", declared_nifti((64, 64, 8), spacing=900.0), 422, "0.05 to 50 mm apart"),
    Hostile("placement that is no number", header(280, "<4f", *[float("nan")] * 4), 422, "correct the header"),
    Hostile("voxels far away", header(108, "<f", 3e9), 422, "damaged or truncated"),
    Hostile("voxels nowhere", header(108, "<f", float("nan")), 422, "not a readable NIfTI"),
    Hostile("complex numbers", nifti_bytes(np.zeros((8, 8, 4), np.complex64)), 422, "plain numbers"),
    Hostile("unknown numbers", header(70, "<h", 4096), 422, "not a readable NIfTI"),
    Hostile("four dimensions", nifti_bytes(np.zeros((8, 8, 4, 2), np.int16)), 422, "one volume per file"),
    Hostile("NaN", nifti_bytes(np.full((8, 8, 4), np.nan, np.float32)), 422, "NaN"),
    Hostile("truncated", CT[:-1500], 422, "damaged or truncated"),
    Hostile("header alone", nifti_bytes(packed=False)[:400], 422, "truncated or its header damaged"),
    Hostile("mask", MASK, 422, "found a mask"),
    Hostile("gzip bomb", gzip_bomb, 422, "found a mask"),
    Hostile("large NRRD", nrrd_bytes("99999999999999 9999999999 9999999"), 422, "truncated or its header damaged"),
    Hostile("negative NRRD", nrrd_bytes("-1 20 16"), 422, "at least 1"),
    Hostile("NRRD of another file", nrrd_bytes(extra="data file: ../../etc/passwd\n"), 422, "header's own folder"),
    Hostile("NRRD bomb", nrrd_bomb, 422, "found a mask"),
    Hostile("NRRD without voxels", nrrd_bytes(content=b""), 422, "truncated or its header damaged"),
    Hostile("large MetaImage", MHA.replace(b"= 24 20 16", b"= 2048 2048 999"), 422, "truncated or its header damaged"),
    Hostile("MetaImage of another file", MHA.replace(b"= LOCAL", b"= /etc/passwd"), 422, "header's own folder"),
    Hostile("MetaImage bomb", metaimage_bomb, 422, "found a mask"),
    Hostile("large PNG", large_png(), 422, "at most"),
    Hostile("large JPEG", large_jpeg(), 422, "at most"),
    Hostile("PNG bomb", png_bomb, 422, "at most"),
    Hostile("truncated PNG", picture("PNG", NOISE)[:2000], 422, "damaged or truncated"),
    Hostile("truncated JPEG", picture("JPEG", NOISE)[:2000], 422, "damaged or truncated"),
    Hostile("mask of a picture", picture("PNG", (SHADES > 99).astype(np.uint8) * 255), 422, "found two at most"),
    Hostile("several patients", series(patients=("one", "two")), 422, "found slices of 2"),
    Hostile("truncated slice", series(cut=200), 422, "damaged or truncated"),
    Hostile("magnetic resonance", series(Modality="MR"), 422, "no plain CT"),
    Hostile("large slices", series(Rows=65535, Columns=65535), 422, "truncated or its header damaged"),
    Hostile("slices of no size", series(Rows=0, Columns=0), 422, "damaged or truncated"),
    Hostile("spacing of no number", series(PixelSpacing=[0, 0]), 422, "no plain CT"),
    Hostile("slices and a volume", series(more={"ct.nii.gz": CT}), 422, "taken at a time"),
    Hostile("two volumes", zipped({"a.nii.gz": CT, "b.nii.gz": CT}), 422, "taken at a time"),
    Hostile("zip within, without suffix", lambda folder: zipped({"a": zipped({"ct.nii": CT})(folder)})(folder), 422,
            "holds zip archives"),
    Hostile("file and folder of a name", zipped({"a": CT, "a/b": CT}), 422, "a file and a folder"),
    Hostile("damaged entry", damaged_entry, 422, "damaged"),
    # References.
    Hostile("reference: empty", b"", 422, "empty", reference=True),
    Hostile("reference: text", b"text", 415, "the content is none of", reference=True),
    Hostile("reference: of another CT", other_grid(), 422, "must have one shape", reference=True),
    Hostile("reference: a CT", nifti_bytes(affine=patient().grid.affine), 422, "labels must be", reference=True),
    Hostile("reference: 4 GB declared", declared_nifti((1024, 1024, 2048)), 422, "truncated", reference=True),
    Hostile("reference: truncated", MASK[:-30], 422, "truncated or damaged", reference=True),
    Hostile("reference: a picture", picture("PNG", SHADES), 422, "a volume", reference=True),
    Hostile("reference: zip", zipped({"mask.nii.gz": MASK}), 415, "another kind", reference=True),
]  # fmt: skip
