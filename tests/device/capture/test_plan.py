"""The recording plan: every sample goes out once, in a clip, a gap or a pause, whatever the blocks were."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_contract.messages import ClockQuality
from sonyc_device.capture.assembly import make_plan
from sonyc_device.capture.clips import Clip, Pause, PauseCause
from sonyc_device.capture.plan import Piece, RecordingPlan
from sonyc_device.capture.schedule import Schedule
from sonyc_device.capture.source import Block, End, Gap, GapCause
from sonyc_device.capture.starts import (
    ClipStarts,
    Continuous,
    Sampled,
    ScheduleState,
    gap_drawer,
)
from sonyc_device.capture.timeline import ReplayTimeline
from sonyc_device.config import CaptureMode, CaptureSettings, GapShape, WithoutClock

CLIP, MIN = 50, 8
RATE_HZ = 1  # a sample is a second: weeks are cheap
MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)

Item = Block | Gap | End


@dataclass
class SetTimeline:
    """Time by position from a start that a test may move, as good as it says."""

    start_utc: datetime = MIDNIGHT
    is_good: ClockQuality = ClockQuality.SYNCED

    def utc(self, sample: int) -> datetime:
        return ReplayTimeline(self.start_utc, rate_hz=RATE_HZ, quality=self.is_good).utc(sample)

    def quality(self) -> ClockQuality:
        return self.is_good


def always() -> ClipStarts:
    return Continuous(Schedule(), SetTimeline(), rate_hz=RATE_HZ)


def sampled(mean_samples: float, *, allowed: Continuous | None = None, seed: int = 1) -> Sampled:
    draw = gap_drawer(np.random.default_rng(seed), mean_samples=mean_samples, shape=GapShape.EXPONENTIAL)
    return Sampled(allowed or Continuous(Schedule(), SetTimeline(), rate_hz=RATE_HZ), draw_gap=draw)


def windows(*texts: str, timeline: SetTimeline | None = None, zone: str = "UTC") -> Continuous:
    return Continuous(Schedule(texts, time_zone=zone), timeline or SetTimeline(), rate_hz=RATE_HZ)


@st.composite
def streams(draw: st.DrawFn) -> list[Item]:
    """Blocks and gaps with one counter, and the end."""
    items: list[Item] = []
    n = 0
    for is_gap, length in draw(st.lists(st.tuples(st.booleans(), st.integers(1, 130)), max_size=30)):
        items.append(Gap(n, length, GapCause.RING_FULL) if is_gap else block(n, length))
        n += length
    return [*items, End()]


ALL_STARTS: dict[str, Callable[[], ClipStarts]] = {
    "continuous": always,
    "scheduled": lambda: windows("mon-sun 00:01-00:02", "mon-sun 00:05-00:12"),
    "sampled": lambda: sampled(60),
    "sampled in windows": lambda: sampled(30, allowed=windows("mon-sun 00:01-00:05", "mon-sun 00:06-00:12")),
}
starts_names = st.sampled_from(sorted(ALL_STARTS))


def ramp(start: int, n: int) -> np.ndarray:
    """Samples that tell their own index, modulo 2^15."""
    return (np.arange(start, start + n) % 2**15).astype(np.int16)


def block(start: int, n: int) -> Block:
    return Block(start, ramp(start, n))


def cut(items: list[Item], starts: ClipStarts | None = None) -> list[Piece]:
    plan = RecordingPlan(starts or always(), clip_samples=CLIP, min_samples=MIN)
    return [piece for item in items for piece in plan.push(item)]


def length(piece: Piece) -> int:
    return len(piece.samples) if isinstance(piece, Clip) else piece.n_samples


@given(streams(), starts_names)
def test_every_index_goes_out_once_in_order(items: list[Item], starts: str) -> None:
    n = 0
    for piece in cut(items, ALL_STARTS[starts]()):
        assert piece.start_sample == n
        assert length(piece) > 0
        if isinstance(piece, Clip):
            np.testing.assert_array_equal(piece.samples, ramp(n, len(piece.samples)))
        n += length(piece)
    assert n == sum(len(item.samples) for item in items if isinstance(item, Block)) + sum(
        item.n_samples for item in items if isinstance(item, Gap)
    )


@given(streams(), starts_names)
def test_only_the_clip_before_a_gap_or_the_end_is_short(items: list[Item], starts: str) -> None:
    gaps_begin = {item.start_sample for item in items if isinstance(item, Gap)}
    pieces = cut(items, ALL_STARTS[starts]())
    end = sum(map(length, pieces))
    for piece in pieces:
        if isinstance(piece, Clip) and length(piece) != CLIP:
            assert length(piece) < CLIP
            stops = piece.start_sample + length(piece)
            assert stops == end or (stops in gaps_begin and length(piece) >= MIN)


@given(streams(), starts_names)
def test_no_fragment_is_labelled_between_gaps(items: list[Item], starts: str) -> None:
    pieces = cut(items, ALL_STARTS[starts]())
    fragments = [piece for piece in pieces if isinstance(piece, Gap) and piece.cause is GapCause.FRAGMENT]
    assert all(fragment.n_samples < MIN for fragment in fragments)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=20), starts_names)
def test_without_gaps_the_clips_do_not_depend_on_the_blocks(lengths: list[int], starts: str) -> None:
    edges = [0, *np.cumsum(lengths).tolist()]
    blocks = [block(a, n) for a, n in zip(edges, lengths, strict=False)]
    many = cut([*blocks, End()], ALL_STARTS[starts]())
    one = cut([block(0, edges[-1]), End()], ALL_STARTS[starts]())
    clips_of_many, clips_of_one = (
        [(piece.start_sample, length(piece)) for piece in pieces if isinstance(piece, Clip)] for pieces in (many, one)
    )
    assert clips_of_many == clips_of_one


def test_a_single_last_sample_is_a_clip() -> None:
    (clip,) = cut([block(0, 1), End()])
    assert isinstance(clip, Clip)


def test_a_gap_over_many_clips_is_one_gap() -> None:
    pieces = cut([block(0, 20), Gap(20, 1000, GapCause.STALLED), block(1020, 50)])
    assert [(piece.start_sample, length(piece)) for piece in pieces] == [(0, 20), (20, 1000), (1020, 50)]
    assert pieces[1] == Gap(20, 1000, GapCause.STALLED)


def test_what_the_schedule_would_not_have_recorded_is_not_lost() -> None:
    starts = windows("mon 00:01-00:02", "mon 00:04-00:05")
    pieces = cut([block(0, 30), Gap(30, 270, GapCause.STALLED), block(300, 20)], starts)
    assert pieces == [
        Pause(0, 30, PauseCause.NOT_SCHEDULED),
        Pause(30, 30, PauseCause.NOT_SCHEDULED),
        Gap(60, 100, GapCause.STALLED),  # two clips began before 00:02, and the second would have been completed
        Pause(160, 80, PauseCause.NOT_SCHEDULED),
        Gap(240, 60, GapCause.STALLED),
        Pause(300, 20, PauseCause.NOT_SCHEDULED),
    ]


def test_sampled_clip_that_a_gap_cuts_has_lost_what_it_would_have_held() -> None:
    starts = Sampled(Continuous(Schedule(), SetTimeline(), rate_hz=RATE_HZ), draw_gap=iter([10, 400]).__next__)
    pieces = cut([block(0, 40), Gap(40, 100, GapCause.RING_FULL), block(140, 10)], starts)
    assert [(type(piece), piece.start_sample, length(piece)) for piece in pieces] == [
        (Pause, 0, 10), (Clip, 10, 30), (Gap, 40, 20), (Pause, 60, 80), (Pause, 140, 10),
    ]  # fmt: skip


def clips_in(starts: ClipStarts, n_samples: int) -> Iterator[int]:
    """First samples of the clips in a stream without gaps."""
    plan = RecordingPlan(starts, clip_samples=CLIP, min_samples=MIN)
    silence = np.zeros(600, np.int16)
    for start in range(0, n_samples, len(silence)):
        for piece in plan.push(Block(start, silence)):
            if isinstance(piece, Clip):
                yield piece.start_sample


@pytest.mark.parametrize("shape", GapShape)
def test_mean_gap_and_duty_cycle_are_as_asked_for(shape: GapShape) -> None:
    settings = CaptureSettings(mode=CaptureMode.SAMPLED, clip_s=50.0, duty_cycle=0.25, rate_hz=8000, gap_shape=shape)
    assert settings.mean_pause_s == 150.0
    draw = gap_drawer(np.random.default_rng(5), mean_samples=settings.mean_pause_s, shape=shape)
    starts = Sampled(Continuous(Schedule(), SetTimeline(), rate_hz=RATE_HZ), draw_gap=draw)
    found = np.array(list(clips_in(starts, 1_000_000)))
    gaps = np.diff(found) - CLIP
    assert gaps.mean() == pytest.approx(150, rel=0.05)
    assert gaps.std() == pytest.approx({GapShape.EXPONENTIAL: 150, GapShape.UNIFORM: 300 / 12**0.5}[shape], rel=0.05)
    assert len(found) * CLIP / 1_000_000 == pytest.approx(0.25, rel=0.05)
    assert gaps.min() >= 0
    assert shape is GapShape.EXPONENTIAL or gaps.max() <= 300


def test_same_seed_gives_the_same_clips_and_another_gives_others() -> None:
    first, again, other = (list(clips_in(sampled(100, seed=seed), 50_000)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("zone", "month"),
    [("Europe/Berlin", 3), ("Europe/Berlin", 10), ("America/New_York", 11), ("Australia/Lord_Howe", 4)],
)
def test_row_24_clips_begin_only_in_windows_through_weeks_with_long_and_short_days(zone: str, month: int) -> None:
    texts, timeline = ("mon-fri 06:00-22:00", "sat,sun 22:00-03:00"), SetTimeline(datetime(2026, month, 1, tzinfo=UTC))
    schedule = Schedule(texts, time_zone=zone)
    n_samples = 35 * 86_400
    for starts in (windows(*texts, timeline=timeline, zone=zone), sampled(500, allowed=windows(
        *texts, timeline=timeline, zone=zone
    ))):  # fmt: skip
        begins = list(clips_in(starts, n_samples))
        assert all(schedule.is_open(timeline.utc(sample)) for sample in begins)
        if isinstance(starts, Continuous):  # without a hole in a window, and each window from its first second on
            openings = [
                sample
                for sample in range(60, n_samples, 60)
                if schedule.is_open(timeline.utc(sample)) and not schedule.is_open(timeline.utc(sample - 60))
            ]
            assert set(openings) <= set(begins) | {sample for start in begins for sample in range(start, start + CLIP)}
            n_open = sum(schedule.is_open(timeline.utc(sample)) for sample in range(0, n_samples, 60)) * 60
            assert len(begins) * CLIP == pytest.approx(n_open, abs=CLIP * (len(openings) + 1))


def test_clip_that_began_in_its_window_is_completed() -> None:
    pieces = cut([block(n, 7) for n in range(0, 210, 7)], windows("mon 00:01-00:02"))
    clips = [(piece.start_sample, length(piece)) for piece in pieces if isinstance(piece, Clip)]
    assert clips == [(60, 50), (110, 50)]


def test_sampled_clips_are_drawn_anew_when_the_schedule_opens() -> None:
    gaps = iter([100, 25])
    starts = Sampled(windows("mon 00:01-00:02", "mon 00:03-00:04"), draw_gap=gaps.__next__)
    pieces = cut([block(0, 600)], starts)
    assert [piece.start_sample for piece in pieces if isinstance(piece, Clip)] == [205]
    assert next(gaps, None) is None


def test_pause_says_whether_the_schedule_or_the_gap_is_its_cause() -> None:
    starts = Sampled(windows("mon 00:01-00:03"), draw_gap=iter([70, 999]).__next__)
    pieces = [piece for piece in cut([block(n, 10) for n in range(0, 220, 10)], starts) if isinstance(piece, Pause)]
    between = [piece.start_sample for piece in pieces if piece.cause is PauseCause.BETWEEN_CLIPS]
    closed = [piece.start_sample for piece in pieces if piece.cause is PauseCause.NOT_SCHEDULED]
    assert between == list(range(60, 130, 10))
    assert closed == [*range(0, 60, 10), *range(180, 220, 10)]


@pytest.mark.parametrize(("without_clock", "n_clips"), [(WithoutClock.RECORD, 2), (WithoutClock.WAIT, 0)])
def test_while_the_clock_is_unset_the_configuration_decides(without_clock: WithoutClock, n_clips: int) -> None:
    timeline = SetTimeline(is_good=ClockQuality.UNSET)
    starts = Continuous(Schedule(["sun 00:00-24:00"]), timeline, rate_hz=RATE_HZ, without_clock=without_clock)
    plan = RecordingPlan(starts, clip_samples=CLIP, min_samples=MIN)
    assert sum(isinstance(piece, Clip) for piece in plan.push(block(0, 100))) == n_clips
    states = [plan.schedule_state]
    timeline.is_good = ClockQuality.HOLDOVER
    assert [type(piece) for piece in plan.push(block(100, 100))] == [Pause]
    states.append(plan.schedule_state)
    timeline.start_utc += timedelta(days=6)
    assert any(isinstance(piece, Clip) for piece in plan.push(block(200, 100)))
    states.append(plan.schedule_state)
    assert states == [ScheduleState.CLOCK_UNSET, ScheduleState.CLOSED, ScheduleState.OPEN]


def test_clock_that_jumps_is_followed_at_the_next_clip() -> None:
    timeline = SetTimeline()
    plan = RecordingPlan(windows("mon 00:00-00:10", timeline=timeline), clip_samples=CLIP, min_samples=MIN)
    assert list(plan.push(block(0, 30))) == []
    timeline.start_utc += timedelta(days=365)  # a Tuesday
    clip, pause = plan.push(block(30, 100))
    assert (length(clip), length(pause)) == (50, 80)
    timeline.start_utc = MIDNIGHT
    assert [length(piece) for piece in plan.push(block(130, 100))] == [50, 50]


@dataclass
class Settings:
    """Capture settings that a test changes."""

    now: CaptureSettings = field(default_factory=lambda: CaptureSettings(rate_hz=8000))


def test_change_of_mode_counts_from_the_next_clip_on() -> None:
    settings, timeline = Settings(), ReplayTimeline(MIDNIGHT, rate_hz=8000, quality=ClockQuality.SYNCED)
    plan = make_plan(settings.now, timeline, in_effect=lambda: settings.now)
    silence = np.zeros(40_000, np.int16)
    assert list(plan.push(Block(0, silence))) == []
    settings.now = CaptureSettings(rate_hz=8000, mode=CaptureMode.SAMPLED, mean_gap_s=7 * 86_400.0)
    assert [length(piece) for piece in plan.push(Block(40_000, silence))] == [80_000]
    assert [type(piece) for piece in plan.push(Block(80_000, silence))] == [Pause]
    settings.now = CaptureSettings(rate_hz=8000)
    assert list(plan.push(Block(120_000, silence))) == []
    settings.now = CaptureSettings(rate_hz=8000, schedule=("tue 00:00-24:00",))
    clip, pause = [*plan.push(Block(160_000, silence)), *plan.push(Block(200_000, silence))]
    assert isinstance(clip, Clip)
    assert pause == Pause(200_000, 40_000, PauseCause.NOT_SCHEDULED)


def test_rate_and_length_of_a_run_are_not_changed_with_its_schedule() -> None:
    settings, timeline = Settings(), ReplayTimeline(MIDNIGHT, rate_hz=8000, quality=ClockQuality.SYNCED)
    plan = make_plan(settings.now, timeline, in_effect=lambda: settings.now)
    settings.now = CaptureSettings(rate_hz=96_000, clip_s=60.0, schedule=("mon 00:01-00:02",))
    pieces = list(plan.push(Block(0, np.zeros(75 * 8_000, np.int16))))
    assert [(type(piece), length(piece) / 8_000) for piece in pieces] == [(Pause, 60.0), (Clip, 10.0)]
