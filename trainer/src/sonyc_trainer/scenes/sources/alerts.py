"""Alert signals: horns in chords, alarms and sirens that sweep, beepers that repeat."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import gates, n_points, point_times_s, to_samples
from sonyc_trainer.scenes.oscillators import falling_table, tone
from sonyc_trainer.scenes.settings import RATE_HZ, Rng


class Sweep(StrEnum):
    """How a signal's pitch moves."""

    WAIL = "wail"
    YELP = "yelp"
    TWO_TONE = "two-tone"
    STEADY = "steady"


@dataclass(frozen=True)
class Signal:
    """An alert signal.

    Attributes:
        low_hz, high_hz: Between which its pitch moves.
        sweep: How.
        period_s: Time of one movement.
        slope: Power by which harmonics fall.
        chord: Pitches that sound together, relative to the first.
        spans_s: When it sounds (start, end); empty for always.
    """

    low_hz: float
    high_hz: float
    sweep: Sweep
    period_s: float
    slope: float
    chord: tuple[float, ...] = (1.0,)
    spans_s: tuple[tuple[float, float], ...] = ()


def draw_signal(fine: str, n_samples: int, rng: Rng) -> Signal:
    """Draw a car horn (`1`), car alarm (`2`), siren (`3`), reverse beeper (`4`) or another signal (`X`)."""
    return _DRAWS[fine](n_samples / RATE_HZ, rng)


def signalling(signal: Signal, n_samples: int, rng: Rng) -> FloatArray:
    """Sound a signal: float32 [n_samples]."""
    hz = to_samples(pitch_hz(signal, n_samples), n_samples)
    total = np.zeros(n_samples, dtype=np.float32)
    for ratio in signal.chord:
        table = falling_table(rng, hz=signal.high_hz * ratio, slope=signal.slope, roughness=0.35)
        total += tone(table, hz * np.float32(ratio), n_samples, phase=rng.random())
    if signal.spans_s:
        total *= to_samples(gates(signal.spans_s, n_samples, edge_s=0.015), n_samples)
    return total


def pitch_hz(signal: Signal, n_samples: int) -> FloatArray:
    """Frequency of a signal's fundamental at every point of a curve: float32 [n_points]."""
    turn = (point_times_s(n_samples) / signal.period_s) % 1.0
    if signal.sweep is Sweep.STEADY:
        height = np.zeros(n_points(n_samples))
    elif signal.sweep is Sweep.TWO_TONE:
        height = np.where(turn < 0.5, 0.0, 1.0)
    elif signal.sweep is Sweep.WAIL:
        # A wail rises faster than it falls.
        height = np.where(turn < 0.4, np.sin(np.pi / 2 * turn / 0.4), np.cos(np.pi / 2 * (turn - 0.4) / 0.6))
    else:
        height = np.where(turn < 0.7, turn / 0.7, (1.0 - turn) / 0.3)
    return np.asarray(signal.low_hz * (signal.high_hz / signal.low_hz) ** height, dtype=np.float32)


def _horn(length_s: float, rng: Rng) -> Signal:
    hz = rng.uniform(300, 480)
    spans: list[tuple[float, float]] = []
    time_s = 0.0
    while time_s < length_s and len(spans) < 4:
        honk_s = rng.choice((rng.uniform(0.12, 0.35), rng.uniform(0.5, 2.5)))
        spans.append((time_s, time_s + honk_s))
        time_s += honk_s + rng.uniform(0.1, 0.8)
    chord = (1.0, rng.uniform(1.18, 1.28)) if rng.random() < 0.8 else (1.0,)
    return Signal(hz, hz, Sweep.STEADY, 1.0, rng.uniform(0.3, 0.8), chord, tuple(spans))


def _alarm(length_s: float, rng: Rng) -> Signal:
    sweep = Sweep(rng.choice((Sweep.YELP, Sweep.TWO_TONE, Sweep.STEADY)))
    low_hz = rng.uniform(600, 1200)
    high_hz = low_hz * rng.uniform(1.25, 2.2)
    spans: tuple[tuple[float, float], ...] = ()
    if sweep is Sweep.STEADY:
        spans = _repeated(length_s, period_s=rng.uniform(0.4, 1.0), share=rng.uniform(0.4, 0.6))
    return Signal(low_hz, high_hz, sweep, rng.uniform(0.2, 0.9), rng.uniform(0.7, 1.4), spans_s=spans)


def _siren(length_s: float, rng: Rng) -> Signal:
    sweep = Sweep(rng.choice((Sweep.WAIL, Sweep.WAIL, Sweep.YELP, Sweep.TWO_TONE)))
    period_s = {
        Sweep.WAIL: rng.uniform(2.5, 7),
        Sweep.YELP: rng.uniform(0.22, 0.45),
        Sweep.TWO_TONE: rng.uniform(0.8, 1.4),
    }
    low_hz = rng.uniform(420, 750)
    ratio = rng.uniform(1.25, 1.5) if sweep is Sweep.TWO_TONE else rng.uniform(1.8, 2.8)
    return Signal(low_hz, low_hz * ratio, sweep, period_s[sweep], rng.uniform(1.0, 1.8))


def _beeper(length_s: float, rng: Rng) -> Signal:
    hz = rng.uniform(950, 1450)
    spans = _repeated(length_s, period_s=rng.uniform(0.7, 1.3), share=rng.uniform(0.4, 0.6))
    return Signal(hz, hz, Sweep.STEADY, 1.0, rng.uniform(1.4, 2.4), spans_s=spans)


def _other(length_s: float, rng: Rng) -> Signal:
    hz = rng.uniform(1800, 3600)
    spans = _repeated(length_s, period_s=rng.uniform(0.12, 0.7), share=rng.uniform(0.3, 0.7))
    return Signal(hz, hz * rng.uniform(1.0, 1.15), Sweep.YELP, rng.uniform(0.03, 0.08), 2.0, spans_s=spans)


_DRAWS: Final = {"1": _horn, "2": _alarm, "3": _siren, "4": _beeper, "X": _other}


def _repeated(length_s: float, *, period_s: float, share: float) -> tuple[tuple[float, float], ...]:
    starts_s = np.arange(0.0, length_s, period_s)
    return tuple((float(start), float(start + share * period_s)) for start in starts_s)
