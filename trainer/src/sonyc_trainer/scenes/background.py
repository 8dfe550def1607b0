"""What a street sounds like when none of the eight classes is heard: rumble, hum, tyres, wind, rain, birds, steps."""

from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import course, gates, point_times_s, to_samples, wander
from sonyc_trainer.scenes.noise import Spectrum, band, coloured, white
from sonyc_trainer.scenes.oscillators import falling_table, harmonic_table, tone
from sonyc_trainer.scenes.plan import SceneSpec
from sonyc_trainer.scenes.resonance import draw_modes, overlay, ringing
from sonyc_trainer.scenes.sensors import Sensor
from sonyc_trainer.scenes.settings import CLIP_S, N_SAMPLES, RATE_HZ, Rng

_TYRES: Final = Spectrum(
    (63.0, 250.0, 700.0, 1_200.0, 2_500.0, 5_000.0, 10_000.0, 20_000.0),
    (-8.0, -6.0, 0.0, 0.0, -7.0, -17.0, -27.0, -40.0),
)
_WIND: Final = Spectrum((20.0, 60.0, 200.0, 500.0, 2_000.0), (0.0, -3.0, -20.0, -40.0, -70.0))
_RAIN: Final = Spectrum((20.0, 500.0, 2_000.0, 5_000.0, 12_000.0, 20_000.0), (-40.0, -18.0, -4.0, 0.0, -3.0, -12.0))
_STEPS_CHANCE: Final = 0.2
_RAIN_CHANCE: Final = 0.05
_WIND_CHANCE: Final = 0.3
_NEPER: Final = np.log(10) / 10
"""What decibels are multiplied by to become natural logarithms of power."""


def steady_dbfs(spec: SceneSpec) -> float:
    """RMS level of the steady background: the sensor's own, louder with the hour's traffic."""
    return spec.sensor.level_dbfs + 5.0 * spec.moment.traffic


def background(spec: SceneSpec, rng: Rng) -> FloatArray:
    """Make a clip's background as the sensor's microphone gives it: float32 [N_SAMPLES]."""
    sensor = spec.sensor
    gain = np.float32(10 ** (steady_dbfs(spec) / 20))
    rumble = coloured(rng, N_SAMPLES, _steady_spectrum(sensor, rng))
    total = rumble * to_samples(10 ** (0.075 * wander(rng, N_SAMPLES, hz=0.4)), N_SAMPLES)
    total += _hum(sensor, rng)
    total += _gusts(sensor, spec.moment.traffic, rng)
    if spec.moment.is_day and rng.random() < sensor.character.birds:
        total += _birds(rng) * np.float32(10 ** (rng.uniform(-18, -4) / 20))
    if rng.random() < _STEPS_CHANCE:
        total += _steps(rng) * np.float32(10 ** (rng.uniform(-16, -2) / 20))
    total *= gain
    return total + white(rng, N_SAMPLES) * np.float32(10 ** (sensor.floor_dbfs / 20))


def _steady_spectrum(sensor: Sensor, rng: Rng) -> Spectrum:
    """Give the sensor's spectrum as it is in this clip: tilted a little, now and then with rain."""
    tilt_db = rng.normal(0, 1.5)
    tilted = Spectrum((60.0, 600.0, 6_000.0), (-tilt_db, 0.0, tilt_db))
    spectrum = sensor.background.plus(tilted).plus(sensor.response)
    if rng.random() < _RAIN_CHANCE:
        rain_db = rng.uniform(-30, -14)
        hz = tuple(sorted({*spectrum.hz, *_RAIN.hz}))
        louder = np.logaddexp(spectrum.at(hz) * _NEPER, (_RAIN.at(hz) + rain_db) * _NEPER) / _NEPER
        spectrum = Spectrum(hz, tuple(louder))
    return spectrum


def _hum(sensor: Sensor, rng: Rng) -> FloatArray:
    level = np.float32(10 ** ((sensor.hum_db + rng.normal(0, 2)) / 20))
    return tone(harmonic_table(sensor.hum_harmonics), sensor.hum_hz, N_SAMPLES, phase=rng.random()) * level


def _gusts(sensor: Sensor, traffic: float, rng: Rng) -> FloatArray:
    """Let vehicles pass on their tyres, or else the wind blow."""
    n_vehicles = int(rng.poisson(sensor.character.traffic * traffic))
    times_s = point_times_s(N_SAMPLES)
    level = np.zeros(len(times_s))
    for _ in range(n_vehicles):
        closest_s, breadth_s = rng.uniform(-1, CLIP_S + 1), rng.uniform(0.4, 1.6)
        level += 10 ** (rng.uniform(-6, 10) / 20) / (1 + ((times_s - closest_s) / breadth_s) ** 2)
    spectrum = _TYRES.plus(Spectrum((200.0, 5_000.0), (0.0, rng.uniform(-10, 2))))
    if n_vehicles == 0:
        if rng.random() >= _WIND_CHANCE:
            return np.zeros(N_SAMPLES, dtype=np.float32)
        level = 10 ** (rng.uniform(-4, 10) / 20) * np.clip(0.5 + 0.5 * wander(rng, N_SAMPLES, hz=0.8), 0, 2) ** 2
        spectrum = _WIND
    noise = coloured(rng, N_SAMPLES, spectrum.plus(sensor.response))
    return noise * to_samples(level.astype(np.float32), N_SAMPLES)


def _birds(rng: Rng) -> FloatArray:
    """Sing a few phrases of short swept chirps."""
    n = round(0.12 * RATE_HZ)
    points = course(n)
    base_hz, span = rng.uniform(2_500, 5_500), rng.uniform(-0.35, 0.35)
    hz = to_samples(
        (base_hz * np.exp(span * points + 0.06 * np.sin(points * rng.uniform(6, 40)))).astype(np.float32), n
    )
    chirp = tone(falling_table(rng, hz=9_000.0, slope=3.0), hz, n) * to_samples(np.sin(np.pi * points) ** 2, n)
    starts: list[float] = []
    for phrase_s in np.sort(rng.uniform(0, CLIP_S, int(rng.integers(1, 5)))):
        starts += list(phrase_s + np.arange(int(rng.integers(2, 9))) * rng.uniform(0.13, 0.3))
    return overlay(N_SAMPLES, starts, list(rng.uniform(0.4, 1.0, len(starts))), [chirp])


def _steps(rng: Rng) -> FloatArray:
    """Let somebody walk by, or something tick faintly."""
    n = round(0.08 * RATE_HZ)
    step = ringing(rng, draw_modes(rng, 5, hz=(150.0, 3_500.0), decay_s=(0.01, 0.05), tilt=0.4), n)
    click = coloured(rng, n, band(400, 5_000, slope_db=6.0)) * np.exp(np.arange(n, dtype=np.float32) / np.float32(-150))
    begin_s, pace_s = rng.uniform(0, 5), rng.uniform(0.45, 0.65)
    starts = np.arange(begin_s, min(CLIP_S, begin_s + rng.uniform(1, 6)), pace_s)
    starts = starts + 0.02 * rng.standard_normal(len(starts))
    near = gates([(begin_s, float(starts[-1]))], N_SAMPLES, edge_s=1.0)
    gains = 0.3 + 0.7 * np.interp(starts, point_times_s(N_SAMPLES), near)
    return overlay(N_SAMPLES, list(starts), list(gains), [step + click])
