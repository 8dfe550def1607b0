"""Impacts: machines that hammer at a steady rate, and things that bang, slam or drop once or a few times."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import CONTROL_HZ, on_off
from sonyc_trainer.scenes.noise import Spectrum, band, coloured, mixed, white
from sonyc_trainer.scenes.resonance import Modes, draw_modes, overlay, ringing
from sonyc_trainer.scenes.settings import RATE_HZ, Rng

N_VARIANTS: Final = 4
"""How many different hits a hammer has; no two in a row are the same."""


@dataclass(frozen=True)
class Hammer:
    """A machine that hammers.

    Attributes:
        rate_hz: Hits per second.
        jitter: Deviation of the interval between hits, as a share of it.
        hit_s: Length of one hit.
        thump: What the ground and the machine ring with.
        steel: What the chisel or the pile rings with.
        noise: Spectrum of the burst of each hit.
        noise_decay_s: Time constant of that burst.
        noise_gain: Its amplitude.
        air: Amplitude of steady compressed air or engine noise.
        pauses: Whether the operator stops now and then.
    """

    rate_hz: float
    jitter: float
    hit_s: float
    thump: Modes
    steel: Modes
    noise: Spectrum
    noise_decay_s: float
    noise_gain: float
    air: float
    pauses: bool


_RATE_HZ: Final = {"1": (26.0, 42.0), "2": (12.0, 24.0), "3": (5.0, 10.0), "4": (0.7, 1.8), "X": (2.0, 12.0)}
_THUMP_HZ: Final = {"1": (120.0, 500.0), "2": (70.0, 300.0), "3": (50.0, 250.0), "4": (40.0, 200.0), "X": (60.0, 400.0)}
_STEEL_HZ: Final = {
    "1": (1500.0, 9000.0), "2": (700.0, 5000.0), "3": (500.0, 4500.0), "4": (300.0, 3500.0), "X": (400.0, 6000.0),
}  # fmt: skip


def draw_hammer(fine: str, rng: Rng) -> Hammer:
    """Draw a rock drill (`1`), jackhammer (`2`), hoe ram (`3`), pile driver (`4`) or another machine (`X`)."""
    rate_hz = float(np.exp(rng.uniform(*np.log(_RATE_HZ[fine]))))
    is_slow = rate_hz < 4
    ring_s = (0.1, 0.9) if is_slow else (0.02, 0.12)
    return Hammer(
        rate_hz=rate_hz,
        jitter=rng.uniform(0.005, 0.03),
        hit_s=1.0 if is_slow else 0.16,
        thump=draw_modes(rng, 4, hz=_THUMP_HZ[fine], decay_s=(0.05, 0.5 if is_slow else 0.12), tilt=0.3),
        steel=draw_modes(rng, 8, hz=_STEEL_HZ[fine], decay_s=ring_s, tilt=rng.uniform(0.2, 0.9)),
        noise=band(rng.uniform(200, 900), rng.uniform(2500, 7000), slope_db=6.0),
        noise_decay_s=rng.uniform(0.004, 0.012) * (3.0 if is_slow else 1.0),
        noise_gain=rng.uniform(0.8, 3.0),
        air=0.0 if is_slow else rng.uniform(0.02, 0.25),
        pauses=bool(rng.random() < 0.4),
    )


def hammering(hammer: Hammer, n_samples: int, rng: Rng) -> FloatArray:
    """Run a hammer: float32 [n_samples]."""
    intervals_s = 1.0 / hammer.rate_hz * (1.0 + hammer.jitter * rng.standard_normal(_n_hits(hammer, n_samples)))
    starts_s = np.cumsum(intervals_s) - intervals_s[0] * rng.random()
    gains = rng.uniform(0.75, 1.0, len(starts_s))
    if hammer.pauses and hammer.rate_hz > 4:
        work = on_off(rng, n_samples, on_s=(1.2, 4.0), off_s=(0.3, 1.2))
        gains *= np.interp(starts_s, np.arange(len(work)) / CONTROL_HZ, work)
    hits = [_hit(hammer, rng) for _ in range(N_VARIANTS)]
    sound = overlay(n_samples, list(starts_s), list(gains), hits)
    if hammer.air:
        air = coloured(rng, n_samples, band(rng.uniform(800, 2500), rng.uniform(5000, 12000), slope_db=6.0))
        sound += air * np.float32(hammer.air * np.sqrt(np.mean(sound**2)) * 2.0)
    return sound


def _n_hits(hammer: Hammer, n_samples: int) -> int:
    return int(n_samples / RATE_HZ * hammer.rate_hz * 1.2) + 3


def _hit(hammer: Hammer, rng: Rng) -> FloatArray:
    n = round(hammer.hit_s * RATE_HZ)
    burst = coloured(rng, n, hammer.noise) * _decay(n, hammer.noise_decay_s)
    steel = ringing(rng, hammer.steel, n)
    return mixed([(0.8, ringing(rng, hammer.thump, n)), (0.5, steel), (hammer.noise_gain, burst)]) * _onset(n)


class Impact(StrEnum):
    """What hits what, without a machine."""

    BANG = "bang"
    DOOR = "door"
    METAL = "metal"
    WOOD = "wood"
    BOUNCE = "bounce"


def draw_impact(rng: Rng) -> Impact:
    """Draw a kind of impact."""
    return Impact(rng.choice(list(Impact)))


def impacts(kind: Impact, n_samples: int, rng: Rng) -> FloatArray:
    """Let things bang, slam or drop at irregular times: float32 [n_samples]."""
    starts_s, gains = _irregular(kind, n_samples / RATE_HZ, rng)
    pieces = [_IMPACTS[kind](rng) for _ in range(min(len(starts_s), 3))]
    return overlay(n_samples, starts_s, gains, pieces)


def _irregular(kind: Impact, length_s: float, rng: Rng) -> tuple[list[float], list[float]]:
    if kind is Impact.BOUNCE:
        # A ball's times: each interval is the one before times the restitution.
        n = int(rng.integers(4, 10))
        steps = rng.uniform(0.25, 0.5) * rng.uniform(0.7, 0.85) ** np.arange(n)
        return [0.02, *(0.02 + np.cumsum(steps))], list(rng.uniform(0.65, 0.85) ** np.arange(n + 1))
    n = int(rng.choice((1, 1, 2, 2, 3, 4, 5)))
    starts_s = 0.02 + np.sort(rng.uniform(0, max(0.05, length_s - 0.6), n))
    starts_s -= starts_s[0] - 0.02
    return list(starts_s), list(rng.uniform(0.35, 1.0, n))


def _bang(rng: Rng) -> FloatArray:
    n = round(rng.uniform(0.5, 1.2) * RATE_HZ)
    high_hz = rng.uniform(1500, 9000)
    blast = coloured(rng, n, band(60, high_hz, slope_db=6.0)) * _decay(n, rng.uniform(0.01, 0.05))
    tail = coloured(rng, n, band(80, high_hz / 4, slope_db=6.0)) * _decay(n, rng.uniform(0.1, 0.25))
    return mixed([(1.0, blast), (0.15, tail)]) * _onset(n)


def _door(rng: Rng) -> FloatArray:
    n = round(0.6 * RATE_HZ)
    body = ringing(rng, draw_modes(rng, 7, hz=(55.0, 420.0), decay_s=(0.08, 0.35), tilt=0.4), n)
    slam = coloured(rng, n, band(120, rng.uniform(900, 2500), slope_db=6.0)) * _decay(n, 0.02)
    latch = ringing(rng, draw_modes(rng, 5, hz=(1400.0, 6500.0), decay_s=(0.02, 0.06), tilt=0.2), n)
    delayed = overlay(n, [rng.uniform(0.02, 0.12)], [0.5], [latch])
    return mixed([(0.6, body), (1.0, slam), (0.4, latch), (0.6, delayed)]) * _onset(n)


def _metal(rng: Rng) -> FloatArray:
    n = round(rng.uniform(0.7, 1.6) * RATE_HZ)
    modes = draw_modes(rng, 14, hz=(rng.uniform(250, 900), 11_000.0), decay_s=(0.08, rng.uniform(0.4, 1.6)), tilt=0.15)
    click = white(rng, n) * _decay(n, 0.003)
    return mixed([(0.4, ringing(rng, modes, n)), (0.8, click)]) * _onset(n)


def _wood(rng: Rng) -> FloatArray:
    n = round(0.4 * RATE_HZ)
    modes = draw_modes(rng, 6, hz=(140.0, 1800.0), decay_s=(0.03, 0.14), tilt=0.4)
    crack = coloured(rng, n, band(500, 5000, slope_db=6.0)) * _decay(n, 0.006)
    return mixed([(0.6, ringing(rng, modes, n)), (1.2, crack)]) * _onset(n)


_IMPACTS: Final = {
    Impact.BANG: _bang, Impact.DOOR: _door, Impact.METAL: _metal, Impact.WOOD: _wood, Impact.BOUNCE: _wood,
}  # fmt: skip


def _decay(n_samples: int, constant_s: float) -> FloatArray:
    return np.asarray(np.exp(np.arange(n_samples, dtype=np.float32) * np.float32(-1.0 / (constant_s * RATE_HZ))))


def _onset(n_samples: int) -> FloatArray:
    """Rise within 1 ms and end without a click."""
    curve = np.minimum(1.0, np.arange(n_samples, dtype=np.float32) / np.float32(0.001 * RATE_HZ))
    end = round(0.03 * RATE_HZ)
    curve[-end:] *= np.linspace(1, 0, end, dtype=np.float32)
    return np.asarray(curve, dtype=np.float32)
