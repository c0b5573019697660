"""Patients, studies and series in a tree of DICOM files, by their headers alone.

UIDs and PatientID rule, in whatever folders files lie. Where a PatientID is empty, each study is a patient of its own;
where a UID is empty or a placeholder, files are told apart by other values of their headers, and by their folders.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.folders import SERIES_UID
from pneumoseg.data_io.formats.dicom.series import Series, series_of
from pneumoseg.data_io.formats.dicom.slices import Slice
from pneumoseg.data_io.formats.dicom.study_files import KEYWORDS, Skipped, StudyFile, study_files
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid

DESCRIBING = ("ImageType", "ConvolutionKernel", "SliceThickness", "RescaleType")
IDENTIFYING = ("PatientID", "AccessionNumber", "StudyInstanceUID")
EXAMPLES = 3


@dataclass(frozen=True)
class StudySeries:
    """One series of a study.

    `patient`, `study`, `order`: numbers from 1 on that stand for the patient, the study (within the whole tree) and the
    series (within its study). `series`: its images; of a series of localizers alone, these; of files without image,
    the files. `has_images`, `localizers`: whether it holds images beside localizers, and how many of these. `folders`:
    where its files lie, relative to the tree. `copies`: files left out because they repeat a slice. `values`: what its
    headers say most often, by DICOM keyword. `ids`: what identifies a person. `valid_uids`: whether study, series and
    all images have valid UIDs.
    """

    patient: int
    study: int
    order: int
    series: Series
    has_images: bool
    localizers: int
    folders: tuple[Path, ...]
    copies: int
    values: Mapping[str, str]
    ids: Mapping[str, str] = field(repr=False)
    valid_uids: bool


@dataclass(frozen=True)
class Studies:
    """The series of a tree by patient, study and order; how many files were skipped for which reason, and the first of
    them, relative to the tree."""

    series: tuple[StudySeries, ...]
    skipped: Mapping[str, int]
    examples: Mapping[str, tuple[Path, ...]]

    @property
    def of_each(self) -> list[list[StudySeries]]:
        """The series of each study."""
        numbers = dict.fromkeys(one.study for one in self.series)
        return [[one for one in self.series if one.study == number] for number in numbers]


def find_studies(folder: str | Path, reference_tag: str = "PatientID") -> Studies:
    """All series in the files below `folder`; needs about 2 kB of memory for each file, none for its pixels.

    `reference_tag`: a DICOM keyword whose values become part of the series' `ids`.
    Raises InputError where there is no such folder, and where it holds no DICOM file but lists of them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "nothing"
        raise InputError(f"{folder}: a folder or zip archive of DICOM files is needed, found {kind}; give another one")
    buckets: dict[tuple, _Bucket] = {}
    skipped: Counter[str] = Counter()
    examples: dict[str, tuple[Path, ...]] = {}
    further = [] if reference_tag in KEYWORDS else [reference_tag]
    for found in track(study_files(folder, further), "reading DICOM headers"):
        if isinstance(found, Skipped):
            skipped[found.reason] += 1
            if skipped[found.reason] <= EXAMPLES:
                examples[found.reason] = (*examples.get(found.reason, ()), found.path.relative_to(folder))
            continue
        buckets.setdefault(_keys(found), _Bucket()).add(found, (*IDENTIFYING, reference_tag))
    if not buckets:
        raise InputError(f"{folder}: {_nothing(skipped)}")
    return Studies(tuple(_numbered(buckets, folder)), skipped, examples)


@dataclass
class _Bucket:
    """The files of one series, as they are found."""

    images: list[Slice] = field(default_factory=list)
    localizers: list[Slice] = field(default_factory=list)
    objects: list[Slice] = field(default_factory=list)
    values: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in DESCRIBING})
    ids: dict[str, str] = field(default_factory=dict)
    valid_uids: bool = True
    seen: set[int] = field(default_factory=set)
    copies: int = 0

    def add(self, found: StudyFile, identifying: tuple[str, ...]) -> None:
        one, values = found.slice, found.values
        # An anonymiser may have given all slices one UID: copies lie in one place, too.
        uid = values["SOPInstanceUID"]
        identity = hash((uid, one.position_mm, one.cosines))
        if uid and identity in self.seen:
            self.copies += 1
            return
        self.seen.add(identity)
        self.ids = self.ids or {name: values[name] for name in identifying}
        uids = (one.uid, uid, values["StudyInstanceUID"])
        self.valid_uids = self.valid_uids and all(map(is_valid_uid, uids))
        if not one.rows:
            self.objects.append(one)
        elif one.localizer:
            self.localizers.append(one)
        else:
            self.images.append(one)
            for name in DESCRIBING:
                self.values[name][values[name]] += 1

    def every_series(self) -> list[tuple[Series, bool, int]]:
        """Series of images and objects; whether of images; how many localizers are counted with it."""
        images = series_of(self.images)
        counted = [(one, True, 0 if at else len(self.localizers)) for at, one in enumerate(images)]
        if self.localizers and not images:
            counted = [(one, False, len(one.slices)) for one in series_of(self.localizers)]
        return counted + [(one, False, 0) for one in series_of(self.objects)]


def _keys(found: StudyFile) -> tuple[tuple, tuple, tuple]:
    """What patients, studies and series are told apart by."""
    one, values = found.slice, found.values
    folder = str(one.file.parent)
    uid = values["StudyInstanceUID"]
    told = (one.study_date, values["StudyID"], values["AccessionNumber"])
    study: tuple = (folder,)
    if SERIES_UID.fullmatch(uid):
        study = (uid,)
    elif one.patient and any(told):  # a date alone would join the studies of different patients
        study = told
    patient = (one.patient,) if one.patient else ("study", *study)
    series: tuple = (one.uid,)
    if not SERIES_UID.fullmatch(one.uid):
        series = (folder, one.uid, one.number, one.description, values["ConvolutionKernel"], values["SliceThickness"])
    return patient, study, (*series, one.modality)


def _numbered(buckets: Mapping[tuple, _Bucket], folder: Path) -> list[StudySeries]:
    """Patients are numbered as they are found, their studies by date, series by their own numbers."""
    patients = {patient: at for at, patient in enumerate(dict.fromkeys(key[0] for key in buckets), start=1)}
    dates: dict[tuple, str] = {}
    for key, bucket in buckets.items():
        dates.setdefault(key[:2], _date(bucket))
    studies = sorted(dict.fromkeys(key[:2] for key in buckets), key=lambda key: (patients[key[0]], dates[key]))
    numbered = []
    for number, (patient, study) in enumerate(studies, start=1):
        parts = [bucket for key, bucket in buckets.items() if key[:2] == (patient, study)]
        every = [(bucket, *series) for bucket in parts for series in bucket.every_series()]
        every.sort(key=lambda found: (found[1].number is None, found[1].number))
        for order, (bucket, series, has_images, localizers) in enumerate(every, start=1):
            places = dict.fromkeys(one.file.parent for one in series.slices)
            numbered.append(
                StudySeries(
                    patient=patients[patient],
                    study=number,
                    order=order,
                    series=series,
                    has_images=has_images,
                    localizers=localizers,
                    folders=tuple(sorted(place.relative_to(folder) for place in places)),
                    copies=bucket.copies,
                    values={name: _usual(counts) for name, counts in bucket.values.items()},
                    ids=bucket.ids,
                    valid_uids=bucket.valid_uids,
                )
            )
    return numbered


def _date(bucket: _Bucket) -> str:
    return next(one.study_date for kind in (bucket.images, bucket.localizers, bucket.objects) for one in kind)


def _usual(counts: Counter[str]) -> str:
    return max(counts, key=lambda value: counts[value]) if counts else ""


def _nothing(skipped: Counter[str]) -> str:
    """What is wrong with a tree without DICOM files."""
    if skipped["files removed while they were read"]:
        return "the folder was removed while it was read; copy it again"
    if skipped["lists of files (DICOMDIR)"] and not skipped["damaged DICOM files"]:
        return (
            "a DICOMDIR lists the files of a medium, but the files themselves were not found; copy the whole medium, "
            "not its list alone"
        )
    found = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "no files"
    return f"holds no readable DICOM file, found {found}; give the folder of a study"
