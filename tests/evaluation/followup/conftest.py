"""Generated patients at two dates; not to be changed."""

import functools
from dataclasses import dataclass

import pytest

from pneumoseg.data_io.phantoms.follow_up import FollowUp, make_follow_up
from pneumoseg.evaluation.followup import comparison, registration
from pneumoseg.evaluation.followup.comparison import Comparison, compare
from pneumoseg.evaluation.followup.examination import Examination

GRID_MM = registration.GRID_MM
"""As in use."""


@dataclass(frozen=True, eq=False)
class Patient:
    """What is known of a generated patient, and what the comparison of the true masks found."""

    pair: FollowUp
    found: Comparison


@functools.cache
def pair_of(index: int, *, still: bool = False) -> FollowUp:
    """The patient of this number."""
    return make_follow_up(1, index, (104, 104, 68), still=still)


def dates_of(pair: FollowUp, *, with_ct: bool = True) -> tuple[Examination, Examination]:
    images = (pair.baseline_ct, pair.follow_up_ct) if with_ct else (None, None)
    return (
        Examination("baseline", pair.baseline_mask, images[0]),
        Examination("follow-up", pair.follow_up_mask, images[1]),
    )


@pytest.fixture(scope="session", autouse=True)
def quick():
    """The registration ends sooner and its grid is coarser, with nearly the same result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration, "GRID_MM", 4.0)
        patch.setattr(registration, "SAMPLES", 4000)
        patch.setattr(registration, "BSPLINE_STEPS", 20)
        yield


@pytest.fixture
def registered(patient, monkeypatch):
    """The registration of the patient's dates is known, which spares the search for it."""
    monkeypatch.setattr(comparison, "register", lambda *arguments: patient.found.registration)


@pytest.fixture(scope="session")
def patient(quick) -> Patient:
    pair = pair_of(0)
    return Patient(pair, compare(*dates_of(pair)))
