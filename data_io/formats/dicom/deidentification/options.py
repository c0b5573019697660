"""What a de-identification keeps beyond the Basic Profile of DICOM PS3.15 Annex E, and the marks that say so."""

from dataclasses import dataclass
from typing import Literal

Dates = Literal["remove", "shift"]

EDITION = "2026c"
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEANED_DESCRIPTORS = ("113105", "Clean Descriptors Option")
MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
KEPT_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
KEPT_UIDS = ("113110", "Retain UIDs Option")


@dataclass(frozen=True)
class Options:
    """`dates`: removed, or shifted by a number of days of the patient. `descriptors`: the known words of descriptions
    stay. `characteristics`: sex, age, size, weight and the like stay. `uids`: valid UIDs stay. `release`: kinds of
    objects, as of `pixels_at_risk.RELEASABLE`, that are otherwise held back."""

    dates: Dates = "remove"
    descriptors: bool = False
    characteristics: bool = False
    uids: bool = False
    release: frozenset[str] = frozenset()

    @property
    def codes(self) -> list[tuple[str, str]]:
        """Value and meaning (DCM) of the profile and of each of its options in use, for (0012,0064)."""
        chosen = {
            BASIC_PROFILE: True,
            CLEANED_DESCRIPTORS: self.descriptors,
            MODIFIED_DATES: self.dates == "shift",
            KEPT_CHARACTERISTICS: self.characteristics,
            KEPT_UIDS: self.uids,
        }
        return [code for code, used in chosen.items() if used]

    @property
    def method(self) -> str:
        """The text of (0012,0063)."""
        return f"pneumoseg: PS3.15 {EDITION} table E.1-1, codes in (0012,0064)"

    @property
    def longitudinal(self) -> str:
        """The value of (0028,0303): what became of dates."""
        return "MODIFIED" if self.dates == "shift" else "REMOVED"
