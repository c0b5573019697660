"""What one server takes: sizes, counts, rates and times."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """`upload_bytes`, `files`: of one upload; `uploads`: at once; `queue`: jobs that wait, uploads that arrive
    included; `jobs_per_minute`: new ones; `connections`, `listeners`: open ones, and those of them that listen to
    events; `request_s`: until a request's headers are there; `patience_s` and `least_bytes_per_s`: of a body, as
    `body.Patience`, and of a reader of answers; `small_body_bytes`: of bodies that are no uploads; `reserve_bytes`:
    free space of the disk that uploads leave.
    """

    upload_bytes: int = 4 * 2**30
    files: int = 5_000
    uploads: int = 64
    queue: int = 100
    jobs_per_minute: int = 120
    connections: int = 512
    listeners: int = 64
    request_s: float = 15.0
    patience_s: float = 30.0
    least_bytes_per_s: int = 16 * 1024
    small_body_bytes: int = 64 * 1024
    reserve_bytes: int = 2**30
