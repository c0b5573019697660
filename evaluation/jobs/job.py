"""A job: one upload and what is made of it, as people and programs see it."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from pneumoseg.data_io.errors import InputError

Kind = Literal["segmentation", "scores", "follow-up"]
State = Literal["queued", "running", "finished", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("finished", "failed", "cancelled")
LONGEST_NAME = 80
NAMELESS = "upload"
PARENTS: dict[Kind, int] = {"segmentation": 0, "scores": 1, "follow-up": 2}
"""How many other jobs a job of each kind works on."""


@dataclass(frozen=True)
class JobRequest:
    """What is asked for: `model` by name, or None for the default of its kind; `parents`: the ids of the jobs whose
    results are used, of a follow-up the baseline's and the follow-up's.

    Raises InputError for an unknown kind and where the number of parents is not that of the kind.
    """

    kind: Kind
    model: str | None = None
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(f"a job is one of {', '.join(get_args(Kind))}, found {self.kind[:40]!r}")
        if len(self.parents) != PARENTS[self.kind]:
            raise InputError(
                f"a job of kind {self.kind} works on {PARENTS[self.kind]} other jobs, found {len(self.parents)}"
            )

    def to_json(self) -> str:
        """As text, for the table of jobs."""
        return json.dumps({"kind": self.kind, "model": self.model, "parents": self.parents})

    @classmethod
    def from_json(cls, text: str) -> "JobRequest":
        """From text that `to_json` wrote."""
        content = json.loads(text)
        return cls(content["kind"], content["model"], tuple(content["parents"]))


@dataclass(frozen=True)
class Job:
    """A job as it is at one moment.

    `name`: for people; `stage`: what is being done, while it runs; `progress`: 0..1; `position`: how many jobs are
    done before it, while it is queued; `error`: one sentence, where it failed; `warnings`: of what was read and found;
    `attempts`: how often it was begun. Times are UTC.
    """

    id: str
    request: JobRequest
    state: State
    name: str
    stage: str | None
    progress: float
    position: int | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    error: str | None
    warnings: tuple[str, ...]
    attempts: int

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        return self.request.kind

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in ENDED

    def public_dict(self) -> dict[str, Any]:
        """What others may know of it, for JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "name": self.name,
            "model": self.request.model,
            "parents": list(self.request.parents),
            "stage": self.stage,
            "progress": round(self.progress, 3),
            "position": self.position,
            "created": self.created.isoformat(),
            "started": None if self.started is None else self.started.isoformat(),
            "finished": None if self.finished is None else self.finished.isoformat(),
            "error": self.error,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class ResultFile:
    """A file among the results of a job: its `name`, `title` for people, `media_type` and size in `bytes`."""

    name: str
    title: str
    media_type: str
    bytes: int


def shown_name(file_name: str) -> str:
    """The name of an uploaded file as it is shown: without folders, control characters, marks that turn the direction
    of text, and surplus blanks; at most 80 characters.

    >>> shown_name('C:\\\\scans\\\\ct "1".nii.gz'), shown_name("a\\u202egnp.\\nb"), shown_name("/")
    ('ct "1".nii.gz', 'agnp. b', 'upload')
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", file_name))[-1]
    name = " ".join(re.sub(r"\s", " ", name).split())
    name = "".join(one for one in name if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    return " ".join(name[:LONGEST_NAME].split()) or NAMELESS
