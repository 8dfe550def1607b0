"""Engines: a harmonic series of the firing rate that drifts with the speed, exhaust resonances, combustion noise."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import point_times_s, to_samples, wander
from sonyc_trainer.scenes.noise import band, coloured, mixed
from sonyc_trainer.scenes.oscillators import MAX_HARMONIC_HZ, TABLE_SIZE, harmonic_table, pulse_table, tone
from sonyc_trainer.scenes.resonance import resonated
from sonyc_trainer.scenes.settings import Rng


class Drive(StrEnum):
    """What an engine does."""

    IDLING = "idling"
    REVVING = "revving"
    ACCELERATING = "accelerating"
    PASSING = "passing"


@dataclass(frozen=True)
class Engine:
    """An engine at work.

    Attributes:
        firing_hz: Ignitions per second at the beginning.
        n_cylinders: Ignitions per cycle; they differ, so that the cycle is heard below the firing rate.
        unevenness: How much, 0 ... 1.
        n_strong: Harmonics of the firing rate before they begin to fall.
        slope: Power by which they then fall.
        exhaust_hz: Resonances of exhaust and body.
        clatter: Share of noise in the pulse of the ignitions.
        hiss: Share of steady noise of air and fan.
        drive: What the engine does.
        closest: When a passing one is closest, as a share of the time.
        breadth_s: How long it then is close.
    """

    firing_hz: float
    n_cylinders: int
    unevenness: float
    n_strong: float
    slope: float
    exhaust_hz: tuple[float, ...]
    clatter: float
    hiss: float
    drive: Drive = Drive.IDLING
    closest: float = 0.5
    breadth_s: float = 1.0


_FIRING_HZ: Final = {"1": (42.0, 125.0), "2": (22.0, 46.0), "3": (16.0, 34.0)}
_CYLINDERS: Final = {"1": (1, 2), "2": (4, 4, 6), "3": (6, 6, 8)}
_CLUTCH: Final = np.hanning(33)[1:-1] / np.hanning(33).sum()
"""Smooths the change of gear over 0.3 s."""
_TOP_SPEED: Final = 3.0
"""Relative to idling; no drive goes faster."""
_EXHAUST_HZ: Final = {"1": (220.0, 900.0), "2": (90.0, 420.0), "3": (60.0, 300.0)}


def draw_engine(fine: str, rng: Rng) -> Engine:
    """Draw a small (`1`), medium (`2`) or large (`3`) engine."""
    low_hz, high_hz = _EXHAUST_HZ[fine]
    return Engine(
        firing_hz=float(np.exp(rng.uniform(*np.log(_FIRING_HZ[fine])))),
        n_cylinders=int(rng.choice(_CYLINDERS[fine])),
        unevenness=rng.uniform(0.1, 0.5),
        n_strong=rng.uniform(1.0, 6.0),
        slope=rng.uniform(1.1, 2.2),
        exhaust_hz=tuple(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), 2))),
        clatter=rng.uniform(0.05, 0.6),
        hiss=rng.uniform(0.02, 0.25),
        drive=Drive(rng.choice(list(Drive), p=(0.45, 0.15, 0.2, 0.2))),
        closest=rng.uniform(0.3, 0.7),
        breadth_s=rng.uniform(0.5, 1.6),
    )


def engine_sound(engine: Engine, n_samples: int, rng: Rng) -> FloatArray:
    """Run an engine: float32 [n_samples]."""
    speed = _speed(engine, n_samples, rng)
    cycle_hz = to_samples(speed * np.float32(engine.firing_hz / engine.n_cylinders), n_samples)
    firing = tone(_cycle_table(engine, rng), cycle_hz, n_samples)
    firing = resonated(firing, [(hz, rng.uniform(1.5, 5.0), rng.uniform(5, 14)) for hz in engine.exhaust_hz])
    pulse = np.tile(pulse_table(decay=rng.uniform(0.08, 0.35))[:: engine.n_cylinders], engine.n_cylinders)
    clatter = coloured(rng, n_samples, band(rng.uniform(500, 1500), rng.uniform(2000, 4500), slope_db=9.0))
    pulses = tone(np.resize(pulse, TABLE_SIZE), cycle_hz, n_samples)
    noise = clatter * (np.float32(3.0 * engine.clatter) * pulses + np.float32(engine.hiss))
    return mixed([(1.0, firing), (0.35, noise)]) * to_samples(_loudness(engine, speed, n_samples), n_samples)


def _cycle_table(engine: Engine, rng: Rng) -> FloatArray:
    """Give one cycle: pulses of unequal strength and timing, whose harmonics fall beyond `n_strong`."""
    n = engine.n_cylinders
    places = (np.arange(n) + 0.12 * engine.unevenness * rng.standard_normal(n)) / n
    strengths = np.maximum(0.2, 1.0 + engine.unevenness * rng.standard_normal(n))
    highest = MAX_HARMONIC_HZ / (_TOP_SPEED * engine.firing_hz / n)
    k = np.arange(1, int(min(highest, TABLE_SIZE // 8)))
    comb = (strengths[:, None] * np.exp(-2j * np.pi * places[:, None] * k)).sum(axis=0)
    fall = (1.0 + (k / n / engine.n_strong) ** 2) ** (-engine.slope / 2)
    return harmonic_table(comb * fall * np.exp(2j * np.pi * rng.random(len(k)) * 0.4))


def _speed(engine: Engine, n_samples: int, rng: Rng) -> FloatArray:
    """Give the engine's speed relative to its idling: float32 [n_points], at most 3."""
    times_s = point_times_s(n_samples)
    drift = np.exp(0.012 * wander(rng, n_samples, hz=0.6))
    return np.asarray(np.minimum(_COURSES[engine.drive](engine, times_s, rng), 2.8) * drift, dtype=np.float32)


def _idling(_: Engine, times_s: FloatArray, __: Rng) -> NDArray[np.float64]:
    return np.ones(len(times_s))


def _revving(_: Engine, times_s: FloatArray, rng: Rng) -> NDArray[np.float64]:
    speed = np.ones(len(times_s))
    for peak_s in np.arange(rng.uniform(0.3, 1.5), times_s[-1], rng.uniform(1.2, 3.0)):
        speed += rng.uniform(0.5, 1.6) * np.exp(-(((times_s - peak_s) / rng.uniform(0.25, 0.5)) ** 2))
    return speed


def _accelerating(_: Engine, times_s: FloatArray, rng: Rng) -> NDArray[np.float64]:
    gear = (times_s / rng.uniform(1.8, 4.0) + rng.random()) % 1.0
    speed = 1.2 + rng.uniform(0.6, 1.6) * gear**0.8
    return np.convolve(np.pad(speed, 15, mode="edge"), _CLUTCH, mode="valid")


def _passing(engine: Engine, times_s: FloatArray, rng: Rng) -> NDArray[np.float64]:
    doppler = 1.0 - rng.uniform(0.02, 0.06) * np.tanh((times_s - engine.closest * times_s[-1]) / engine.breadth_s)
    return np.asarray(rng.uniform(1.3, 2.2) * doppler)


_COURSES: Final[dict[Drive, Callable[[Engine, FloatArray, Rng], NDArray[np.float64]]]] = {
    Drive.IDLING: _idling,
    Drive.REVVING: _revving,
    Drive.ACCELERATING: _accelerating,
    Drive.PASSING: _passing,
}


def _loudness(engine: Engine, speed: FloatArray, n_samples: int) -> FloatArray:
    """Give the loudness: with the speed, or of a passing one with its distance."""
    if engine.drive is Drive.PASSING:
        times_s = point_times_s(n_samples)
        away = (times_s - engine.closest * times_s[-1]) / engine.breadth_s
        return np.asarray(1.0 / (1.0 + away**2), dtype=np.float32)
    return np.asarray(speed / speed.min(), dtype=np.float32)
