"""The weekly schedule: what the clock on the wall must show for clips to begin."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MINUTES_PER_DAY: Final = 24 * 60
_MINUTES_PER_WEEK: Final = len(DAYS) * _MINUTES_PER_DAY
_MINUTE: Final = timedelta(minutes=1)
_EXAMPLE: Final = "'mon-fri 06:00-22:00' or 'sat,sun 22:00-02:00'"
_WINDOW: Final = re.compile(r"([a-z,-]+) +([0-9]{2}):([0-9]{2}) ?- ?([0-9]{2}):([0-9]{2})", re.ASCII)


class Schedule:
    """Windows of the week, by the clock on the wall of a time zone; no windows at all are the whole week.

    The clock on the wall decides, minute by minute. An hour that it skips in spring is not recorded, and one that it
    shows twice in autumn is recorded twice; the rest of a window that such an hour cuts is as it stands. A window that
    ends at or before its start ends on the next day.
    """

    def __init__(self, windows: Iterable[str] = (), *, time_zone: str = "UTC") -> None:
        """Take the windows.

        Args:
            windows: As `minutes_of` reads them; they may overlap.
            time_zone: Name in the IANA database.

        Raises:
            ValueError: a window or the time zone is none.
        """
        windows = tuple(windows)
        self._zone = zone_of(time_zone)
        self.is_always = not windows
        self._minutes = bytearray(_MINUTES_PER_WEEK)
        for window in windows:
            for minute in minutes_of(window):
                self._minutes[minute] = True

    def is_open(self, moment: datetime) -> bool:
        """Whether a clip may begin at `moment`, which carries a time zone."""
        if self.is_always:
            return True
        local = moment.astimezone(self._zone)
        return bool(self._minutes[local.weekday() * _MINUTES_PER_DAY + local.hour * 60 + local.minute])

    def first_open(self, start: datetime, end: datetime) -> datetime | None:
        """Give the first moment from `start` to before `end` at which a clip may begin; None where there is none.

        It looks at every minute in between, which takes 1.5 us each: every offset from UTC in use is of whole minutes.
        """
        moment = start.astimezone(UTC)
        while moment < end:
            if self.is_open(moment):
                return moment
            moment = moment.replace(second=0, microsecond=0) + _MINUTE
        return None


def minutes_of(window: str) -> list[int]:
    """Give the minutes of a week, counted from Monday 00:00, that `DAYS HH:MM-HH:MM` holds.

    Days are names or ranges of them, joined by commas. 24:00 is the end of a day.

    Raises:
        ValueError: it is not of that form, or empty.
    """
    match = _WINDOW.fullmatch(window.strip().lower())
    if match is None:
        raise ValueError(f"{window!r} is not of the form {_EXAMPLE}")
    start, end = (_minute_of_day(int(match[n]), int(match[n + 1]), window) for n in (2, 4))
    if start in (end, _MINUTES_PER_DAY):
        raise ValueError(f"{window!r} holds no minute; the whole day is 00:00-24:00")
    length = end - start if end > start else end - start + _MINUTES_PER_DAY
    starts = [day * _MINUTES_PER_DAY + start for day in _days(match[1], window)]
    return [minute % _MINUTES_PER_WEEK for first in starts for minute in range(first, first + length)]


def zone_of(name: str) -> tzinfo:
    """Give the time zone of a name in the IANA database; UTC needs none.

    Raises:
        ValueError: there is no such zone, or no database.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # OSError: the name of a folder in the database
        raise ValueError(
            f"time zone {name!r} is not known here: give its name in the IANA database, as 'Europe/Berlin'; the "
            "database itself is Debian's package tzdata"
        ) from None


def _minute_of_day(hour: int, minute: int, window: str) -> int:
    total = 60 * hour + minute
    if minute >= 60 or total > _MINUTES_PER_DAY:
        raise ValueError(f"{window!r}: {hour:02}:{minute:02} is no time of day (00:00 to 24:00)")
    return total


def _days(text: str, window: str) -> Sequence[int]:
    return [day for part in text.split(",") for day in _range(part, window)]


def _range(text: str, window: str) -> Sequence[int]:
    """Give the days of `fri` or of `fri-mon`."""
    first, dash, last = text.partition("-")
    ends = (first, last) if dash else (first, first)
    for name in ends:
        if name not in DAYS:
            raise ValueError(f"{window!r}: {name!r} is no day; days are {', '.join(DAYS)}")
    start, end = (DAYS.index(name) for name in ends)
    return [day % len(DAYS) for day in range(start, end + 1 if end >= start else end + 1 + len(DAYS))]
