"""Says how much of a span of time a node covered, from the books in its state folder."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sonyc_contract.reports import Hour
from sonyc_device.errors import OutboxError
from sonyc_device.messaging.books import read_hours

_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Coverage:
    """What became of the seconds of a span of time.

    Attributes:
        from_utc: Its first hour.
        until_utc: The end of its last one, or now.
        hours: What the books say of its hours, those without an entry left out.
    """

    from_utc: datetime
    until_utc: datetime
    hours: tuple[Hour, ...]

    @property
    def span_s(self) -> float:
        """How long the span is."""
        return max(0.0, (self.until_utc - self.from_utc).total_seconds())

    def total_s(self, what: str) -> float:
        """Add up one of the figures over all hours that are dated: `captured_s`, `published_s` ..."""
        return round(sum(float(getattr(hour, what)) for hour in self._dated), 3)

    @property
    def lost_s(self) -> dict[str, float]:
        """What was lost, by cause."""
        lost: dict[str, float] = defaultdict(float)
        for hour in self._dated:
            for cause, seconds in hour.lost_s.items():
                lost[cause] += seconds
        return {cause: round(seconds, 3) for cause, seconds in sorted(lost.items())}

    @property
    def off_s(self) -> float:
        """What nothing is known of: the agent did not run."""
        known_s = self.total_s("captured_s") + self.total_s("unscheduled_s") + sum(self.lost_s.values())
        return round(max(0.0, self.span_s - known_s), 3)

    @property
    def undated_s(self) -> float:
        """What was captured in the span by a clock that was never set."""
        return round(sum(hour.captured_s for hour in self.hours if not hour.dated), 3)

    @property
    def share(self) -> float | None:
        """The share that was captured of what was to be recorded, at most 1; None where nothing was to be."""
        return self._share_of(self.total_s("captured_s"))

    @property
    def share_with_undated(self) -> float | None:
        """The share if a clock that was never set was right, as that of a machine without a time server may be."""
        by_hour: dict[datetime, float] = defaultdict(float)
        for hour in self.hours:
            by_hour[hour.start_utc] += hour.captured_s
        return self._share_of(sum(min(_HOUR.total_seconds(), seconds) for seconds in by_hour.values()))

    def _share_of(self, seconds: float) -> float | None:
        wanted_s = self.span_s - self.total_s("unscheduled_s")
        return None if wanted_s <= 0 else min(1.0, seconds / wanted_s)

    @property
    def _dated(self) -> list[Hour]:
        return [hour for hour in self.hours if hour.dated]


def read_coverage(path: Path, *, from_utc: datetime | None, until_utc: datetime | None, now: datetime) -> Coverage:
    """Read the books of a node, whether its agent runs or not.

    Args:
        path: The outbox.
        from_utc: Where the span begins, rounded down to the hour; None is the first hour in the books.
        until_utc: Where it ends, rounded up to the hour; None, or later than now, is now.
        now: The time.

    Raises:
        OutboxError: the file is missing, or cannot be read.
    """
    from_hour = None if from_utc is None else _floor(from_utc)
    until = now if until_utc is None else min(now, -((_EPOCH - until_utc) // _HOUR) * _HOUR + _EPOCH)
    hours = _read(path, from_hour or _EPOCH, until)
    first = next((hour.start_utc for hour in hours if hour.dated), hours[0].start_utc if hours else _floor(until))
    return Coverage(from_hour or first, until, tuple(hours))


def _floor(moment: datetime) -> datetime:
    return moment - (moment - _EPOCH) % _HOUR


def _read(path: Path, from_utc: datetime, until_utc: datetime) -> list[Hour]:
    if not path.is_file():
        raise OutboxError(f"{path}: there is no such file: no agent has run with this state folder")
    try:
        with closing(_open(path)) as connection:
            return read_hours(connection, from_s=from_utc.timestamp(), until_s=until_utc.timestamp())
    except sqlite3.Error as error:
        raise OutboxError(f"{path}: the books cannot be read: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    """Open the file for reading; where its log cannot be opened because nobody has it open, without the log."""
    address = f"file:{quote(str(path))}"
    try:
        connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=5.0)
        connection.execute("SELECT 1 FROM identity")
    except sqlite3.OperationalError:
        connection = sqlite3.connect(f"{address}?immutable=1", uri=True)
    return connection
