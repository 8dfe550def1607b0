"""Measures what is captured, all the time, and keeps what clips and minutes are to be told."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sonyc_contract.messages import Levels, SoundLevel
from sonyc_device.capture.source import Block, End, Gap
from sonyc_device.level.calibration import Reference
from sonyc_device.level.figures import Figures, Periods, Sum
from sonyc_device.level.meter import Meter, Ticks

MINUTE_S: Final = 60
MAX_WAITING_MINUTES: Final = 1_000
_SPARE_S: Final = 5.0


@dataclass(frozen=True)
class Minute:
    """Levels of one minute of a run.

    Attributes:
        start_sample: Index of its first sample.
        covered_s: Seconds of it that were measured; the others were lost, or the run ended.
        levels: Its levels.
    """

    start_sample: int
    covered_s: float
    levels: Levels


class LevelWatch:
    """Takes every block, clip or not. One thread pushes and asks for clips, another may take minutes.

    After a gap the filters and F begin anew: what was heard before it says nothing of what comes after. A minute is a
    minute of the sample counter, which counts lost samples too.
    """

    def __init__(
        self, rate_hz: int, *, with_bands: bool, with_minutes: bool, keep_s: float, reference: Reference
    ) -> None:
        """Begin before sample 0.

        Args:
            rate_hz: Samples per second.
            with_bands: Whether third-octave bands are taken.
            with_minutes: Whether minutes are kept for who takes them.
            keep_s: Length of the longest clip that is asked for.
            reference: What levels are related to.
        """
        self._rate_hz = rate_hz
        self._meter = Meter(rate_hz, with_bands=with_bands)
        self._next_sample = 0
        self._kept: deque[Ticks] = deque()
        self._keep_samples = round((keep_s + _SPARE_S) * rate_hz)
        self._periods = Periods(rate_hz, period_samples=MINUTE_S * rate_hz) if with_minutes else None
        self._minutes: deque[Minute] = deque(maxlen=MAX_WAITING_MINUTES)
        self._reference = reference

    def push(self, item: Block | Gap | End) -> None:
        """Take what was captured next."""
        if isinstance(item, Block):
            self._measure(item)
        elif isinstance(item, Gap):
            self._next_sample = -1
        elif self._periods is not None:
            self._finish(self._periods.end())

    def levels_of(self, start_sample: int, n_samples: int) -> Levels | None:
        """Give the levels of a clip whose last sample has been pushed; None for one of less than a tenth of a second.

        A clip is measured by the ticks of 10 ms that lie wholly in it.
        """
        total = Sum(self._rate_hz)
        for ticks in self._kept:
            total.add(ticks.between(start_sample, start_sample + n_samples))
        figures = total.figures()
        return None if figures is None else levels_message(figures, self._reference)

    def sound_level(self, leq_dbfs: float, levels: Levels | None) -> SoundLevel:
        """Put together what a label says."""
        return SoundLevel(
            leq=leq_dbfs + self._reference.offset_db,
            unit=self._reference.unit,
            calibration=self._reference.calibration,
            levels=levels,
        )

    @property
    def reference(self) -> Reference:
        """What levels are related to."""
        return self._reference

    def take_minutes(self) -> Iterator[Minute]:
        """Give the minutes that ended; one is forgotten only when the next is asked for."""
        while self._minutes:
            yield self._minutes[0]
            self._minutes.popleft()

    def _measure(self, block: Block) -> None:
        if block.start_sample != self._next_sample:
            self._meter.restart(block.start_sample)
        self._next_sample = block.start_sample + len(block.samples)
        ticks = self._meter.push(block.samples)
        if not len(ticks):
            return
        if self._periods is not None:
            self._finish(self._periods.add(ticks))
        self._kept.append(ticks)
        while self._kept[0].end_sample < self._next_sample - self._keep_samples:
            self._kept.popleft()

    def _finish(self, ended: Iterator[tuple[int, Figures]]) -> None:
        for number, figures in ended:
            start_sample = number * MINUTE_S * self._rate_hz
            covered_s = min(figures.covered_s, MINUTE_S)
            self._minutes.append(Minute(start_sample, covered_s, levels_message(figures, self._reference)))


def levels_message(figures: Figures, reference: Reference) -> Levels:
    """Give figures re full scale as they are sent: re `reference`, in hundredths of a decibel."""
    shifted = figures.shifted(reference.offset_db)
    return Levels(
        laeq=round(shifted.laeq, 2),
        lceq=round(shifted.lceq, 2),
        lzeq=round(shifted.lzeq, 2),
        lafmax=round(shifted.lafmax, 2),
        l10=round(shifted.l10, 2),
        l50=round(shifted.l50, 2),
        l90=round(shifted.l90, 2),
        bands=tuple(round(level, 2) for level in shifted.bands),
    )
