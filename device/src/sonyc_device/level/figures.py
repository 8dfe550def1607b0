"""Levels of a stretch of time, from the energies of its ticks: means of energy, never of decibels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_device.level.meter import Ticks
from sonyc_device.level.sections import Float64Array

FLOOR_DB: Final = -200.0
"""Given for silence, whose level is minus infinity; as `sonyc_contract.audio.leq_dbfs` does."""
PERCENTAGES: Final = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class Figures:
    """Levels in dB re a full-scale square wave, or another reference after `shifted`.

    Attributes:
        covered_s: Seconds that were measured.
        laeq: Equivalent level, weighted A.
        lceq: Weighted C.
        lzeq: Weighted Z.
        lafmax: Highest level, weighted A and F.
        l10: Level, weighted A and F, that was exceeded for 10 % of the time; read every 10 ms.
        l50: For 50 %.
        l90: For 90 %.
        bands: Equivalent levels of third-octave bands from 25 Hz upwards; empty where they were not taken.
    """

    covered_s: float
    laeq: float
    lceq: float
    lzeq: float
    lafmax: float
    l10: float
    l50: float
    l90: float
    bands: tuple[float, ...]

    def shifted(self, by_db: float) -> "Figures":
        """Give them in dB re another reference, which is `by_db` below this one."""
        levels = {name: getattr(self, name) + by_db for name in ("laeq", "lceq", "lzeq", "lafmax", "l10", "l50", "l90")}
        return replace(self, **levels, bands=tuple(level + by_db for level in self.bands))


class Sum:
    """Adds up ticks. Grows by 1.4 MB per hour, for the readings of F that L10, L50 and L90 are taken from."""

    def __init__(self, rate_hz: int) -> None:
        """Begin with nothing measured.

        Args:
            rate_hz: Samples per second of the stream.
        """
        self._rate_hz = rate_hz
        self._n_samples = 0
        self._energies: Float64Array = np.zeros(3)
        self._bands: Float64Array = np.zeros(0)
        self._fast_max = 0.0
        self._readings: dict[bool, list[NDArray[np.float32]]] = {False: [], True: []}

    def add(self, ticks: Ticks) -> None:
        """Add ticks."""
        if not len(ticks):
            return
        self._n_samples += len(ticks) * ticks.tick_samples
        self._energies = self._energies + ticks.energies.sum(axis=0)
        bands = ticks.bands.sum(axis=0)
        self._bands = bands if not len(self._bands) else self._bands + bands
        self._fast_max = max(self._fast_max, float(ticks.fast_max.max()))
        for is_settled, readings in self._readings.items():
            readings.append(ticks.fast[ticks.is_settled == is_settled].astype(np.float32))

    def figures(self) -> Figures | None:
        """Give the levels of all that was added; None where that was nothing."""
        if not self._n_samples:
            return None
        laeq, lceq, lzeq = _decibels(self._energies / self._n_samples)
        l10, l50, l90 = _decibels(np.percentile(self._fast(), [100.0 - percentage for percentage in PERCENTAGES]))
        (lafmax,) = _decibels(np.array([self._fast_max]))
        bands = _decibels(self._bands / self._n_samples)
        covered_s = self._n_samples / self._rate_hz
        return Figures(covered_s, laeq, lceq, lzeq, lafmax, l10, l50, l90, bands)

    def _fast(self) -> NDArray[np.float32]:
        """Give the readings since F had settled; where it never had, those there are."""
        settled = np.concatenate(self._readings[True])
        return settled if len(settled) else np.concatenate(self._readings[False])


class Periods:
    """Sums of a stream's periods of equal length, such as its seconds or its minutes.

    A tick belongs to the period that its first sample lies in.
    """

    def __init__(self, rate_hz: int, *, period_samples: int) -> None:
        """Begin with sample 0, in the first period."""
        self._rate_hz = rate_hz
        self._period_samples = period_samples
        self._index = 0
        self._sum = Sum(rate_hz)

    def add(self, ticks: Ticks) -> Iterator[tuple[int, Figures]]:
        """Add ticks that come after those before, and give the periods that they end: number, from 0, and levels.

        A period in which nothing was measured is left out.
        """
        while len(ticks):
            end_sample = (self._index + 1) * self._period_samples
            n_here = max(0, min(len(ticks), -(-(end_sample - ticks.start_sample) // ticks.tick_samples)))
            self._sum.add(ticks[:n_here])
            ticks = ticks[n_here:]
            if len(ticks):
                yield from self.end()
                self._index = ticks.start_sample // self._period_samples

    def end(self) -> Iterator[tuple[int, Figures]]:
        """Give what the period in work holds, if that is anything, and begin the next."""
        figures = self._sum.figures()
        if figures is not None:
            yield self._index, figures
        self._index += 1
        self._sum = Sum(self._rate_hz)


def _decibels(energies: Float64Array) -> tuple[float, ...]:
    """Give energies [n] in dB re 1, silence as FLOOR_DB."""
    with np.errstate(divide="ignore"):
        return tuple(np.maximum(10.0 * np.log10(energies), FLOOR_DB).tolist())
