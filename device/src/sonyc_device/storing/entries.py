"""What the index knows of a clip, and of those that are gone."""

from dataclasses import dataclass
from enum import StrEnum

from sonyc_device.storing.clip_files import ClipName


class Cause(StrEnum):
    """Why clips are evicted."""

    QUOTA = "quota"
    RESERVE = "reserve"
    RETENTION = "retention"


@dataclass(frozen=True)
class Evicted:
    """How many clips were evicted for one cause, and what they occupied."""

    n_clips: int = 0
    n_bytes: int = 0


@dataclass(frozen=True)
class Entry:
    """One clip on the disk.

    Attributes:
        folder: Its folder, below the store's.
        name: Its identity.
        claimed_s: When it was recorded, in seconds of UTC, by a clock that may never have been set.
        is_dated: Whether it had been set.
        n_bytes: What its files occupy.
    """

    folder: str
    name: ClipName
    claimed_s: float
    is_dated: bool
    n_bytes: int
