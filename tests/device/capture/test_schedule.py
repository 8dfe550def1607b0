"""The weekly schedule, minute by minute over whole weeks, against what a clock on the wall shows."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_device.capture.schedule import DAYS, Schedule, minutes_of

MINUTE = timedelta(minutes=1)
WEEK = 7 * 24 * 60
MONDAY = datetime(2026, 5, 4, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
# Weeks with a day of 23 hours, of 25, of 24.5 (Lord Howe), and one that is skipped as a whole (Apia, 2011-12-30).
WEEKS = {
    "plain": ("UTC", MONDAY),
    "spring": ("Europe/Berlin", datetime(2026, 3, 23, tzinfo=UTC)),
    "autumn": ("America/New_York", datetime(2026, 10, 26, tzinfo=UTC)),
    "half-hour": ("Australia/Lord_Howe", datetime(2026, 3, 30, tzinfo=UTC)),
    "skipped-day": ("Pacific/Apia", datetime(2011, 12, 26, tzinfo=UTC)),
}

Window = tuple[list[int], int, int]
minutes = st.integers(0, 24 * 60 - 1)
windows = st.lists(
    st.tuples(
        st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True), minutes, st.integers(1, 24 * 60)
    ).filter(lambda window: window[1] != window[2]),
    min_size=1,
    max_size=4,
)


def written(window: Window) -> str:
    days, start, end = window
    return f"{','.join(DAYS[day] for day in days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def shows(window: Window, local: datetime) -> bool:
    """Whether a clock on the wall shows a time in a window: today's, or what is left of yesterday's."""
    days, start, end = window
    minute = local.hour * 60 + local.minute
    if start < end:
        return local.weekday() in days and start <= minute < end
    yesterday = (local.weekday() - 1) % 7
    return (local.weekday() in days and minute >= start) or (yesterday in days and minute < end)


@settings(max_examples=30)
@given(windows, st.sampled_from(sorted(WEEKS)), st.integers(0, 59))
def test_row_24_every_minute_of_a_week_is_as_the_clock_on_the_wall_shows(
    drawn: list[Window], week: str, second: int
) -> None:
    zone_name, monday = WEEKS[week]
    schedule, zone = Schedule([written(window) for window in drawn], time_zone=zone_name), ZoneInfo(zone_name)
    for n in range(WEEK):
        moment = monday + n * MINUTE + timedelta(seconds=second)
        local = moment.astimezone(zone)
        assert schedule.is_open(moment) == any(shows(window, local) for window in drawn), (moment, local)


@given(windows, st.sampled_from(sorted(WEEKS)), st.integers(0, WEEK), st.integers(0, 3 * 24 * 60), st.integers(0, 59))
def test_row_24_first_open_moment_is_the_first(
    drawn: list[Window], week: str, n_minutes: int, length: int, second: int
) -> None:
    zone_name, monday = WEEKS[week]
    schedule = Schedule([written(window) for window in drawn], time_zone=zone_name)
    start = monday + n_minutes * MINUTE + timedelta(seconds=second)
    end = start + length * MINUTE
    found = schedule.first_open(start, end)
    if found is None:
        assert not any(schedule.is_open(start + n * MINUTE) for n in range(length))
        return
    assert start <= found < end
    assert schedule.is_open(found)
    if found != start:
        assert found.second == found.microsecond == 0
        assert not schedule.is_open(found - timedelta(microseconds=1))
        n_before = int((found - start) / MINUTE)
        assert not any(schedule.is_open(start + n * MINUTE) for n in range(n_before))


def test_row_24_half_a_day_is_half_a_week() -> None:
    """As acoupi's 06:00-22:30 was, which recorded 24 hours."""
    schedule = Schedule(["mon-sun 06:00-22:30"], time_zone="Europe/Berlin")
    n_open = sum(schedule.is_open(MONDAY + n * MINUTE) for n in range(WEEK))
    assert n_open == 7 * 16.5 * 60


def opens_and_closes(schedule: Schedule, start: datetime, end: datetime) -> list[str]:
    """Local times at which a schedule changes."""
    n = int((end - start) / MINUTE)
    moments = [start + k * MINUTE for k in range(n + 1)]
    return [
        after.astimezone(BERLIN).strftime("%a %H:%M%z")
        for before, after in pairwise(moments)
        if schedule.is_open(before) != schedule.is_open(after)
    ]


def test_row_24_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    schedule = Schedule(["sat,sun 22:00-02:00"], time_zone="Europe/Berlin")
    assert opens_and_closes(schedule, MONDAY, MONDAY + timedelta(days=7)) == [
        "Sat 22:00+0200", "Sun 02:00+0200", "Sun 22:00+0200", "Mon 02:00+0200",
    ]  # fmt: skip
    assert not schedule.is_open(datetime.combine(MONDAY, time(1), BERLIN) - timedelta(days=2))  # Saturday, 01:00
    assert schedule.is_open(datetime.combine(MONDAY, time(1), BERLIN))


@pytest.mark.parametrize(
    ("window", "day", "changes"),
    [
        # 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        ("sun 01:30-02:30", "2026-03-29", ["Sun 01:30+0100", "Sun 03:00+0200"]),
        ("sun 02:10-02:50", "2026-03-29", []),
        ("sun 02:30-04:00", "2026-03-29", ["Sun 03:00+0200", "Sun 04:00+0200"]),
        ("sat 22:00-06:00", "2026-03-29", ["Sat 22:00+0100", "Sun 06:00+0200"]),
        ("sun 02:10-02:50", "2026-10-25", ["Sun 02:10+0200", "Sun 02:50+0200", "Sun 02:10+0100", "Sun 02:50+0100"]),
        ("sun 01:00-02:30", "2026-10-25", ["Sun 01:00+0200", "Sun 02:30+0200", "Sun 02:00+0100", "Sun 02:30+0100"]),
        ("sat 22:00-06:00", "2026-10-25", ["Sat 22:00+0200", "Sun 06:00+0100"]),
        ("sun 00:00-24:00", "2026-10-25", ["Sun 00:00+0200", "Mon 00:00+0100"]),
    ],
)
def test_row_24_hours_that_the_clock_skips_or_shows_twice(window: str, day: str, changes: list[str]) -> None:
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    schedule = Schedule([window], time_zone="Europe/Berlin")
    assert opens_and_closes(schedule, noon - timedelta(days=1), noon + timedelta(days=1)) == changes


def test_no_window_is_always() -> None:
    schedule = Schedule()
    assert schedule.is_always
    assert schedule.is_open(MONDAY)
    assert schedule.first_open(MONDAY, MONDAY + MINUTE) == MONDAY
    assert schedule.first_open(MONDAY, MONDAY) is None


@pytest.mark.parametrize(
    ("window", "n_days", "n_minutes"),
    [
        ("mon-fri 06:00-22:00", 5, 960),
        ("fri-mon 00:00-24:00", 4, 1440),
        ("Sat,Sun 22:00 - 02:00", 2, 240),
        ("mon,wed-thu,mon 00:00-00:01", 3, 1),
    ],
)
def test_days_are_names_and_ranges_of_them(window: str, n_days: int, n_minutes: int) -> None:
    assert len(set(minutes_of(window))) == n_days * n_minutes


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("always", "'always' is not of the form 'mon-fri 06:00-22:00'"),
        ("mon 6:00-22:00", "is not of the form"),
        ("mon 06:00-22:00:00", "is not of the form"),
        ("", "is not of the form"),
        ("mon-moon 06:00-22:00", "'moon' is no day; days are mon, tue"),
        ("mon-tue-wed 06:00-22:00", "'tue-wed' is no day"),
        ("mon,,tue 06:00-22:00", "'' is no day"),
        ("mon 06:00-24:01", "24:01 is no time of day"),
        ("mon 06:60-07:00", "06:60 is no time of day"),
        ("mon 06:00-06:00", "holds no minute; the whole day is 00:00-24:00"),
        ("mon 24:00-06:00", "holds no minute"),
        ("mon \u0660\u0666:\u0660\u0660-22:00", "is not of the form"),
    ],
)
def test_what_is_no_window_is_refused(window: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minutes_of(window)


@given(st.text(max_size=30))
def test_any_text_is_refused_by_name(text: str) -> None:
    refused = ""
    try:
        minutes_of(text)
    except ValueError as error:
        refused = str(error)
    assert repr(text) in refused


@pytest.mark.parametrize("name", ["Europe", "", "../etc", "Nowhere/City", "/etc/passwd", "Europe/Berlin\0"])
def test_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not known here: give its name in the IANA database"):
        Schedule([], time_zone=name)
