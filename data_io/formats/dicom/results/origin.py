"""Who made a result, and the identifiers that it gets: the same result of the same CT always has the same ones."""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.formats.dicom.uids import uid_from

MANUFACTURER = "pneumoseg"
FIRST_SERIES_NUMBER = 9000
"""Results come after the scanner's own series in a list of them."""
KINDS = ("segmentation", "report", "secondary capture")


@dataclass(frozen=True)
class Origin:
    """The program and the model that made a result. `recipe`: a digest of models and settings; `result`: of the mask,
    its encoding and the measurements, as the same recipe may give others by rounding or another calibration."""

    model: str
    recipe: str
    result: str

    @property
    def version(self) -> str:
        """Of the program."""
        return importlib.metadata.version("pneumoseg")

    def equipment(self, source: Source, kind: str) -> dict[str, Any]:
        """Identifiers and equipment of a result of one of KINDS, as highdicom's classes take them."""
        return {
            "series_instance_uid": self.uid(source, kind, "series"),
            "series_number": FIRST_SERIES_NUMBER + 1 + KINDS.index(kind),
            "sop_instance_uid": self.uid(source, kind, "instance"),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.model[:64],
            "software_versions": self.version[:64],
            "device_serial_number": self.recipe[:16],
        }

    def uid(self, source: Source, *parts: str) -> str:
        """A UID that depends on the CT's content and identity, on recipe and result, and on `parts`."""
        series = str(source.headers[0].SeriesInstanceUID)
        return uid_from(MANUFACTURER, self.version, source.digest, series, self.recipe, self.result, *parts)
