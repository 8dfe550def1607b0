"""Powered saws: harmonics of motor and teeth that sag under load, whine, and the noise of the cut."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import on_off, point_times_s, to_samples, wander
from sonyc_trainer.scenes.noise import band, coloured, mixed
from sonyc_trainer.scenes.oscillators import falling_table, tone
from sonyc_trainer.scenes.resonance import resonated
from sonyc_trainer.scenes.settings import Rng


@dataclass(frozen=True)
class Saw:
    """A saw at work.

    Attributes:
        motor_hz: Firing rate of the motor, or of an electric one its whine, without load.
        motor_slope: Power by which the motor's harmonics fall.
        teeth_hz: Rate at which teeth pass, without load.
        sag: Share of the speed that is lost in the cut.
        motor, teeth, cut: Amplitudes of motor, teeth and cutting noise.
        cut_hz: Band of the cutting noise.
        body_hz: Resonance of guard and blade.
        spin_up_s: Time to reach full speed at the beginning, and to come to rest at the end; 0 when it runs on.
    """

    motor_hz: float
    motor_slope: float
    teeth_hz: float
    sag: float
    motor: float
    teeth: float
    cut: float
    cut_hz: tuple[float, float]
    body_hz: float
    spin_up_s: float


_MOTOR_HZ: Final = {"1": (85.0, 180.0), "2": (280.0, 620.0), "3": (38.0, 75.0)}
_TEETH_HZ: Final = {"1": (500.0, 1100.0), "2": (1800.0, 5200.0), "3": (700.0, 2400.0)}
_MIX: Final = {"1": (1.0, 0.25, 0.5), "2": (0.35, 0.8, 0.9), "3": (0.6, 0.6, 1.0)}


def draw_saw(fine: str, rng: Rng) -> Saw:
    """Draw a chainsaw (`1`), a hand-held rotating saw or grinder (`2`) or a walk-behind concrete saw (`3`)."""
    motor, teeth, cut = np.array(_MIX[fine]) * rng.uniform(0.6, 1.4, 3)
    return Saw(
        motor_hz=float(np.exp(rng.uniform(*np.log(_MOTOR_HZ[fine])))),
        motor_slope=rng.uniform(0.5, 1.1),
        teeth_hz=float(np.exp(rng.uniform(*np.log(_TEETH_HZ[fine])))),
        sag=rng.uniform(0.08, 0.3),
        motor=float(motor),
        teeth=float(teeth),
        cut=float(cut),
        cut_hz=(rng.uniform(1500, 4500), rng.uniform(9000, 15000)),
        body_hz=rng.uniform(1200, 4500),
        spin_up_s=float(rng.choice((0.0, rng.uniform(0.3, 1.2)))),
    )


def sawing(saw: Saw, n_samples: int, rng: Rng) -> FloatArray:
    """Run a saw through a few cuts: float32 [n_samples]."""
    load = _load(n_samples, rng)
    speed = (1.0 - saw.sag * load) * np.exp(0.008 * wander(rng, n_samples, hz=2.0)) * _spin(saw, n_samples)
    rate = to_samples(speed.astype(np.float32), n_samples)
    effort = to_samples((0.35 + 0.65 * load).astype(np.float32), n_samples)
    motor = tone(falling_table(rng, hz=saw.motor_hz, slope=saw.motor_slope, roughness=0.5),
                 rate * np.float32(saw.motor_hz), n_samples)  # fmt: skip
    teeth = tone(falling_table(rng, hz=saw.teeth_hz, slope=0.8, roughness=0.5),
                 rate * np.float32(saw.teeth_hz), n_samples)  # fmt: skip
    # Teeth do not cut alike: their tone trembles with the blade's turns.
    tremble = 1.0 + 0.4 * tone(falling_table(rng, hz=500.0, slope=1.5), rate * np.float32(saw.teeth_hz / 40), n_samples)
    cut = coloured(rng, n_samples, band(*saw.cut_hz, slope_db=6.0)) * tremble
    sound = mixed([(saw.motor, motor), (saw.teeth, teeth * effort * tremble), (saw.cut, cut * effort)])
    return resonated(sound, [(saw.body_hz, 3.0, 7.0)]) * np.minimum(rate, 1.0) ** 2


def _load(n_samples: int, rng: Rng) -> FloatArray:
    cuts = on_off(rng, n_samples, on_s=(0.8, 3.5), off_s=(0.3, 1.5))
    rough = np.clip(0.75 + 0.25 * wander(rng, n_samples, hz=3.0), 0.2, 1.2)
    smooth = np.convolve(cuts, np.ones(15) / 15, mode="same")
    return np.asarray(smooth * rough, dtype=np.float32)


def _spin(saw: Saw, n_samples: int) -> FloatArray:
    times_s = point_times_s(n_samples)
    if saw.spin_up_s == 0.0:
        return np.ones(len(times_s), dtype=np.float32)
    up = 1.0 - np.exp(-3.0 * (times_s + 0.05) / saw.spin_up_s)
    down = 1.0 - np.exp(-3.0 * np.maximum(times_s[-1] - times_s, 0.05) / saw.spin_up_s)
    return np.asarray(up * down, dtype=np.float32)
