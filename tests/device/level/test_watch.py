"""Levels of clips and minutes from the blocks that the plan takes, across gaps."""

import numpy as np
import pytest

from sonyc_contract.messages import Levels
from sonyc_device.capture.source import Block, End, Gap, GapCause, Int16Array
from sonyc_device.level.calibration import FULL_SCALE, Reference
from sonyc_device.level.figures import Sum
from sonyc_device.level.meter import Meter
from sonyc_device.level.watch import LevelWatch, Minute, levels_message

RATE_HZ = 8_000
CALIBRATED = Reference(120.0, "dB re 20 uPa", "0123456789abcdef")


def watch(*, reference: Reference = FULL_SCALE, with_bands: bool = True) -> LevelWatch:
    return LevelWatch(RATE_HZ, with_bands=with_bands, with_minutes=True, keep_s=10, reference=reference)


def tone(duration_s: float, *, amplitude: float = 0.1, start: int = 0) -> Int16Array:
    times_s = (start + np.arange(round(duration_s * RATE_HZ))) / RATE_HZ
    return np.rint(32_768 * amplitude * np.sin(2 * np.pi * 500 * times_s)).astype(np.int16)


def hear(levels: LevelWatch, samples: Int16Array, *, start: int = 0, block: int = RATE_HZ) -> int:
    """Push samples in blocks, and give the index of the next one."""
    for first in range(0, len(samples), block):
        levels.push(Block(start + first, samples[first : first + block]))
    return start + len(samples)


def test_a_clip_is_measured_as_it_was_heard() -> None:
    levels = watch()
    hear(levels, np.concatenate([tone(4, amplitude=0.5), tone(6, amplitude=0.05), tone(3, amplitude=0.5)]))
    found = levels.levels_of(5 * RATE_HZ, 5 * RATE_HZ)
    assert found is not None
    assert found.lzeq == pytest.approx(20 * np.log10(0.05) - 3.01, abs=0.02)
    assert found.lafmax < -25
    assert levels.levels_of(3 * RATE_HZ, 5 * RATE_HZ) != found


def test_a_whole_stream_is_measured_as_a_file_is() -> None:
    samples = tone(10)
    levels = watch()
    hear(levels, samples, block=1_234)
    total = Sum(RATE_HZ)
    total.add(Meter(RATE_HZ, with_bands=True).push(samples))
    figures = total.figures()
    assert figures is not None
    assert levels.levels_of(0, len(samples)) == levels_message(figures, FULL_SCALE)


def test_clip_that_is_too_short_has_no_levels() -> None:
    levels = watch()
    hear(levels, tone(0.05))
    levels.push(End())
    assert levels.levels_of(0, 400) is None
    assert list(levels.take_minutes()) == []


def test_minutes_come_when_they_are_over_and_once() -> None:
    levels = watch(with_bands=False)
    hear(levels, tone(130))
    first, second = levels.take_minutes()
    assert [(minute.start_sample, minute.covered_s) for minute in (first, second)] == [(0, 60), (60 * RATE_HZ, 60)]
    assert first.levels.bands == ()
    assert list(levels.take_minutes()) == []
    levels.push(End())
    (last,) = levels.take_minutes()
    assert last.start_sample == 120 * RATE_HZ
    assert last.covered_s == pytest.approx(10)


def test_minute_says_how_much_of_it_was_measured() -> None:
    levels = watch()
    next_sample = hear(levels, tone(20))
    lost = 25 * RATE_HZ
    levels.push(Gap(next_sample, lost, GapCause.DEVICE_OVERFLOW))
    hear(levels, tone(20), start=next_sample + lost)
    (minute,) = levels.take_minutes()
    assert minute.covered_s == pytest.approx(35)
    assert minute.levels.laeq == pytest.approx(-23.01 - 3.2, abs=0.3)  # A at 500 Hz


def test_minutes_without_a_sample_are_left_out() -> None:
    levels = watch()
    hear(levels, tone(2))
    levels.push(Gap(2 * RATE_HZ, 300 * RATE_HZ, GapCause.DEVICE_OVERFLOW))
    hear(levels, tone(60), start=302 * RATE_HZ)
    levels.push(End())
    minutes = [(minute.start_sample // RATE_HZ, minute.covered_s) for minute in levels.take_minutes()]
    assert minutes == [(0, 2), (300, 58), (360, 2)]


@pytest.mark.parametrize("n_lost", [0, 1, 1_001])
def test_what_was_heard_before_a_gap_is_not_heard_after_it(n_lost: int) -> None:
    levels = watch()
    loud = hear(levels, tone(5, amplitude=0.9))
    levels.push(Gap(loud, n_lost, GapCause.RING_FULL))
    start = loud + n_lost
    hear(levels, tone(3, amplitude=0.001), start=start)
    found = levels.levels_of(start, 3 * RATE_HZ)
    assert found is not None
    assert found.lafmax == pytest.approx(-63.01 - 3.2, abs=0.3)


def test_field_failure_23_levels_are_named_dbfs_unless_calibrated() -> None:
    plain, calibrated = watch(), watch(reference=CALIBRATED)
    found = []
    for levels in (plain, calibrated):
        hear(levels, tone(2))
        found.append(levels.sound_level(-23.0, levels.levels_of(0, 2 * RATE_HZ)))
    assert (found[0].unit, found[0].calibration, found[0].leq) == ("dBFS", None, -23.0)
    assert (found[1].unit, found[1].calibration, found[1].leq) == ("dB re 20 uPa", "0123456789abcdef", 97.0)
    weighted = [sound_level.levels for sound_level in found]
    assert isinstance(weighted[0], Levels)
    assert isinstance(weighted[1], Levels)
    assert weighted[1].laeq - weighted[0].laeq == pytest.approx(120)
    assert weighted[1].bands[10] - weighted[0].bands[10] == pytest.approx(120)


def test_minutes_are_bounded_when_nobody_takes_them() -> None:
    levels = LevelWatch(RATE_HZ, with_bands=False, with_minutes=True, keep_s=1, reference=FULL_SCALE)
    for minute in range(1_005):
        levels.push(Block(minute * 60 * RATE_HZ, tone(0.2)))
    waiting: list[Minute] = list(levels.take_minutes())
    assert len(waiting) == 1_000
    assert waiting[-1].start_sample == 1_003 * 60 * RATE_HZ
