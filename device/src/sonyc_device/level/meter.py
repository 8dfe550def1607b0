"""The meter: from samples to energies of ticks of 10 ms, the grain that every level here is made of."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_device.level.bands import BandBank
from sonyc_device.level.sections import Cascade, Float64Array
from sonyc_device.level.weighting import Weighting, stages

TICKS_PER_S: Final = 100
READS_PER_TICK: Final = 10
"""F is read every millisecond: its highest reading is at most 0.035 dB below its maximum."""
FAST_S: Final = 0.125
"""Time weighting F of IEC 61672-1."""
SETTLED_AFTER_S: Final = 0.5
"""F begins at zero; it is 0.08 dB below a steady level after four time constants."""
MEAN_TICKS: Final = 10
"""A stream's mean over its first ticks is taken from all of it, so that an offset does not begin with a step."""

Samples = NDArray[np.int16] | NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Ticks:
    """Energies of consecutive ticks, full scale 1.

    Attributes:
        start_sample: Index of the first tick's first sample.
        tick_samples: Samples in a tick.
        energies: float64 [n_ticks, 3], sums of squares weighted A, C and Z.
        fast: float64 [n_ticks], mean square weighted A and F, at the end of each tick.
        fast_max: float64 [n_ticks], its highest reading in each tick.
        is_settled: bool [n_ticks], whether F had settled.
        bands: float64 [n_ticks, n_bands], sums of squares in third-octave bands.
    """

    start_sample: int
    tick_samples: int
    energies: Float64Array
    fast: Float64Array
    fast_max: Float64Array
    is_settled: NDArray[np.bool_]
    bands: Float64Array

    def __len__(self) -> int:
        return len(self.fast)

    @property
    def end_sample(self) -> int:
        """Index of the first sample after the last tick."""
        return self.start_sample + len(self) * self.tick_samples

    def __getitem__(self, part: slice) -> "Ticks":
        begin, end, _ = part.indices(len(self))
        return Ticks(
            self.start_sample + begin * self.tick_samples,
            self.tick_samples,
            self.energies[begin:end],
            self.fast[begin:end],
            self.fast_max[begin:end],
            self.is_settled[begin:end],
            self.bands[begin:end],
        )

    def between(self, first_sample: int, end_sample: int) -> "Ticks":
        """Give the ticks that lie wholly in a range of samples."""
        begin = max(0, -(-(first_sample - self.start_sample) // self.tick_samples))
        end = max(begin, (end_sample - self.start_sample) // self.tick_samples)
        return self[begin:end]


class Meter:
    """Weights a stream of samples, and sums its energies tick by tick; the result does not depend on the blocks.

    A tick is a hundredth of a second, or a little less where the rate is no multiple of 1000 Hz. What is left of a
    stream at its end, less than a tick, is not measured, nor is a stream shorter than ten ticks.
    """

    def __init__(self, rate_hz: int, *, with_bands: bool) -> None:
        """Make a meter for the stream that begins at sample 0.

        Args:
            rate_hz: Samples per second, from 8000.
            with_bands: Whether third-octave bands are taken.
        """
        self._rate_hz = rate_hz
        self._with_bands = with_bands
        self._read_samples = rate_hz // (TICKS_PER_S * READS_PER_TICK)
        self.tick_samples = self._read_samples * READS_PER_TICK
        self.restart(0)

    def restart(self, start_sample: int) -> None:
        """Begin anew, after a gap: what was heard before it says nothing of what comes after."""
        self._stages = {weighting: Cascade(sections) for weighting, sections in stages(self._rate_hz).items()}
        self._bank = BandBank(self._rate_hz, tick_samples=self.tick_samples) if self._with_bands else None
        keep = float(np.exp(-1.0 / (FAST_S * self._rate_hz)))
        self._fast_weights = (1.0 - keep) * keep ** np.arange(self._read_samples - 1, -1, -1)
        self._fast = Cascade(np.array([[1.0, 0.0, 0.0, 1.0, -(keep**self._read_samples), 0.0]]))
        self._mean: float | None = None
        self._pending: list[Float64Array] = []
        self._n_pending = 0
        self._next_sample = start_sample
        self._n_ticks = 0

    def push(self, samples: Samples) -> Ticks:
        """Take the next samples, int16 [n] or float [n] of full scale 1, and give the ticks that they complete."""
        self._pending.append(full_scale_one(samples))
        self._n_pending += len(samples)
        n_ticks = self._n_pending // self.tick_samples
        if self._mean is None and n_ticks < MEAN_TICKS:
            n_ticks = 0
        return self._measure(self._take(n_ticks * self.tick_samples))

    def _take(self, n_samples: int) -> Float64Array:
        if n_samples == 0:
            return np.empty(0)
        joined = np.concatenate(self._pending)
        self._pending = [joined[n_samples:]]
        self._n_pending -= n_samples
        if self._mean is None:
            self._mean = float(joined[: MEAN_TICKS * self.tick_samples].mean())
        return joined[:n_samples] - self._mean

    def _measure(self, samples: Float64Array) -> Ticks:
        n_ticks = len(samples) // self.tick_samples
        weighted, sums = samples, {}
        for weighting, cascade in self._stages.items():
            weighted = cascade.run(weighted)
            squares = np.square(weighted)  # after the last of them, those of A
            sums[weighting] = squares.reshape(n_ticks, self.tick_samples).sum(axis=1)
        reads = self._fast.run(squares.reshape(-1, self._read_samples) @ self._fast_weights)
        reads = reads.reshape(n_ticks, READS_PER_TICK)
        ticks = Ticks(
            start_sample=self._next_sample,
            tick_samples=self.tick_samples,
            energies=np.stack([sums[Weighting.A], sums[Weighting.C], sums[Weighting.Z]], axis=1),
            fast=reads[:, -1],
            fast_max=reads.max(axis=1, initial=0.0),
            is_settled=np.arange(self._n_ticks, self._n_ticks + n_ticks) >= SETTLED_AFTER_S * TICKS_PER_S,
            bands=np.empty((n_ticks, 0)) if self._bank is None else self._bank.run(samples),
        )
        self._next_sample += len(samples)
        self._n_ticks += n_ticks
        return ticks


def full_scale_one(samples: Samples) -> Float64Array:
    """Give int16 [n], or float [n] of full scale 1, as float64 [n] of full scale 1."""
    return np.asarray(samples / 32_768.0 if samples.dtype == np.int16 else samples, np.float64)
