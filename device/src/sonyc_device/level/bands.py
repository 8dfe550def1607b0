"""Third-octave bands of IEC 61260-1:2014: Butterworth band passes of order 8, after up to five halvings of the rate.

Order 8, because order 6 leaves class 1 in the highest band (by 1.1 dB at 48 kHz, 2.2 dB at 44.1 kHz) and costs as much:
the filter's loop waits for its own results up to four sections.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_device.level.sections import Cascade, Float64Array, response

G: Final = 10.0**0.3
"""The octave of IEC 61260-1, base ten."""
MID_HZ: Final = tuple(1_000.0 * G ** (number / 3) for number in range(-16, 12))
"""Exact mid-band frequencies of the bands whose nominal ones are `sonyc_contract.messages.BANDS_HZ`."""

MAX_EDGE: Final = 0.325
"""Up to this fraction of the rate a band's upper edge may lie: the bilinear transform still keeps it in class 1."""
MAX_HALVINGS: Final = 5

_ORDER: Final = 8
_LOW_PASS_EDGE: Final = float(np.arctan(0.75) / np.pi)
"""-3 dB, as a fraction of the rate: 0.03 dB at the upper edge of the highest band kept, and -60 dB at its image."""


@dataclass(frozen=True)
class Stage:
    """What runs at one rate.

    Attributes:
        rate_hz: The rate; not a whole number after some halvings.
        bands: Sections of each band that is taken here, float64 [4, 6], the highest band first.
        halving: Sections of the low pass before the next halving, float64 [4, 6].
    """

    rate_hz: float
    bands: tuple[Float64Array, ...]
    halving: Float64Array


def n_bands(rate_hz: int) -> int:
    """Say how many of the bands, from 25 Hz upwards, a rate reaches; all 28 from 43.5 kHz."""
    return sum(_edges_hz(mid_hz)[1] <= MAX_EDGE * rate_hz for mid_hz in MID_HZ)


def design(rate_hz: int) -> tuple[Stage, ...]:
    """Design the stages, each of half the rate of the one before; every band is taken as late as it can be."""
    stages, left = [], list(MID_HZ[: n_bands(rate_hz)])
    for halvings in range(MAX_HALVINGS + 1):
        rate = rate_hz / 2**halvings
        here = []
        while left and (halvings == MAX_HALVINGS or _edges_hz(left[-1])[1] > MAX_EDGE * rate / 2):
            here.append(_band_pass(*_edges_hz(left.pop()), rate))
        stages.append(Stage(rate, tuple(here), _low_pass(rate)))
    return tuple(stages)


class BandBank:
    """Gives the energies of the bands of a stream."""

    def __init__(self, rate_hz: int, *, tick_samples: int) -> None:
        """Make a bank at rest.

        Args:
            rate_hz: The stream's rate.
            tick_samples: How many samples one row of energies is made of, at least 32.
        """
        stages = design(rate_hz)
        self._tick_samples = tick_samples
        self._bands = [[Cascade(sections) for sections in stage.bands] for stage in stages]
        self._halvings = [Cascade(stage.halving) for stage in stages[:-1]]
        self._n_ticks = 0

    def run(self, samples: Float64Array) -> Float64Array:
        """Give the energies of whole ticks that follow those of the last call.

        Args:
            samples: float64 [n_ticks * tick_samples], full scale 1.

        Returns:
            float64 [n_ticks, n_bands], sums of squares, the lowest band first.
        """
        n_ticks = len(samples) // self._tick_samples
        if n_ticks == 0:
            return np.empty((0, self.n_bands))
        columns: list[Float64Array] = []
        for halvings, bands in enumerate(self._bands):
            first, begins, weights = self._ticks(n_ticks, halvings)
            columns += [_sums_of_squares(band.run(samples), begins) * weights for band in bands]
            if halvings < len(self._halvings):
                samples = self._halvings[halvings].run(samples)[first % 2 :: 2]
        self._n_ticks += n_ticks
        return np.stack(columns[::-1], axis=1)

    @property
    def n_bands(self) -> int:
        """How many bands there are."""
        return sum(map(len, self._bands))

    def _ticks(self, n_ticks: int, halvings: int) -> tuple[int, NDArray[np.int64], Float64Array]:
        """Say which samples are left of the next ticks after so many halvings.

        Returns:
            The first one's index; int64 [n_ticks], where each tick begins after it; float64 [n_ticks], for how many
            samples of the full rate one of it stands. Ticks may differ by one sample.
        """
        ticks = np.arange(self._n_ticks, self._n_ticks + n_ticks + 1, dtype=np.int64)
        begins = -(-ticks * self._tick_samples >> halvings)
        return int(begins[0]), begins[:-1] - begins[0], self._tick_samples / np.diff(begins)


def _sums_of_squares(samples: Float64Array, begins: NDArray[np.int64]) -> Float64Array:
    return np.asarray(np.add.reduceat(np.square(samples, out=samples), begins))


def _edges_hz(mid_hz: float) -> tuple[float, float]:
    return mid_hz * G ** (-1 / 6), mid_hz * G ** (1 / 6)


def _band_pass(low_hz: float, high_hz: float, rate_hz: float) -> Float64Array:
    """Butterworth band pass, by the bilinear transform with both edges prewarped; float64 [4, 6]."""
    low, high = np.tan(np.pi * np.array([low_hz, high_hz]) / rate_hz)
    shifted = _prototype(_ORDER // 2) * (high - low) / 2
    spread = np.sqrt(shifted**2 - low * high + 0j)
    poles = np.concatenate([shifted + spread, shifted - spread])
    middle_hz = np.arctan(np.sqrt(low * high)) * rate_hz / np.pi
    return _sections(poles, [1.0, 0.0, -1.0], unity_at_hz=float(middle_hz), rate_hz=rate_hz)


def _low_pass(rate_hz: float) -> Float64Array:
    """Butterworth low pass before a halving of the rate; float64 [4, 6]."""
    poles = _prototype(_ORDER) * np.tan(np.pi * _LOW_PASS_EDGE)
    return _sections(poles, [1.0, 2.0, 1.0], unity_at_hz=0.0, rate_hz=rate_hz)


def _prototype(order: int) -> NDArray[np.complex128]:
    """Poles of the analogue Butterworth low pass with corner 1."""
    return np.asarray(np.exp(0.5j * np.pi * (2 * np.arange(order) + order + 1) / order))


def _sections(
    analogue_poles: NDArray[np.complex128], numerator: list[float], *, unity_at_hz: float, rate_hz: float
) -> Float64Array:
    """Pair conjugate poles, the lowest resonance first, and make every section's gain one at one frequency."""
    poles = (1.0 + analogue_poles) / (1.0 - analogue_poles)
    upper = sorted((pole for pole in poles if pole.imag > 0), key=abs)
    sections = np.array([[*numerator, 1.0, -2.0 * pole.real, abs(pole) ** 2] for pole in upper])
    for section in sections:
        section[:3] /= np.abs(response(section[np.newaxis], np.array([unity_at_hz]), rate_hz))[0]
    return sections
