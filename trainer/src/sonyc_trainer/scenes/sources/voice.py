"""Human voices: a glottal wave with a pitch contour, syllables, and formants that move from vowel to vowel."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.envelopes import gates, point_times_s, to_samples, wander
from sonyc_trainer.scenes.noise import band, coloured, filtered, white
from sonyc_trainer.scenes.oscillators import falling_table, tone
from sonyc_trainer.scenes.resonance import bins_hz, filtered_over_time, formant_gains, overlay
from sonyc_trainer.scenes.settings import RATE_HZ, Rng


class Manner(StrEnum):
    """How a person uses the voice."""

    TALKING = "talking"
    SHOUTING = "shouting"
    LAUGHING = "laughing"
    CRYING = "crying"


@dataclass(frozen=True)
class Speaker:
    """A person's voice.

    Attributes:
        pitch_hz: Mean pitch.
        tract: Formants relative to a man's.
        manner: How the voice is used.
        breath: Share of noise in the voice.
        slope: Power by which the harmonics of the glottal wave, as radiated, fall.
        syllable_s: Mean length of a syllable.
        range: Standard deviation of the pitch, in nepers.
    """

    pitch_hz: float
    tract: float
    manner: Manner
    breath: float
    slope: float
    syllable_s: float
    range: float


@dataclass(frozen=True)
class Syllable:
    """One syllable: when it begins, its vowel's length, which vowel, and how long its consonant hisses before it."""

    start_s: float
    length_s: float
    vowel: int
    hiss_s: float


VOWELS_HZ: Final = np.array([
    (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440),
    (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690),
], dtype=np.float64)  # fmt: skip
"""First three formants of ten vowels of men: Peterson and Barney 1952, table II."""

_UPPER_FORMANTS_HZ: Final = (3500.0, 4500.0)
_BANDWIDTHS_HZ: Final = np.array([90.0, 110.0, 170.0, 250.0, 400.0])
_OPEN_VOWELS: Final = (3, 4, 8)
_N_CROWD: Final = 7


def draw_speaker(rng: Rng, manner: Manner) -> Speaker:
    """Draw a man, a woman or a child."""
    low_hz, high_hz, tract = ((85, 150, 1.0), (165, 250, 1.17), (240, 380, 1.35))[
        int(rng.choice(3, p=(0.42, 0.4, 0.18)))
    ]
    is_loud = manner in (Manner.SHOUTING, Manner.CRYING)
    lift = {Manner.SHOUTING: rng.uniform(1.5, 2.2), Manner.CRYING: rng.uniform(1.2, 1.6), Manner.LAUGHING: 1.3}
    return Speaker(
        pitch_hz=rng.uniform(low_hz, high_hz) * lift.get(manner, 1.0),
        tract=tract * rng.uniform(0.95, 1.05),
        manner=manner,
        breath=rng.uniform(0.02, 0.15) * (4.0 if manner is Manner.LAUGHING else 1.0),
        slope=rng.uniform(0.5, 0.8) if is_loud else rng.uniform(0.8, 1.25),
        syllable_s={Manner.TALKING: 0.17, Manner.SHOUTING: 0.32, Manner.LAUGHING: 0.11, Manner.CRYING: 0.9}[manner]
        * rng.uniform(0.8, 1.25),
        range=rng.uniform(0.08, 0.2),
    )


def voices(fine: str, n_samples: int, rng: Rng) -> FloatArray:
    """Let people talk (`1`), shout (`2`), be a crowd (`3`), speak amplified (`4`), laugh or cry (`X`)."""
    if fine == "3":
        return _crowd(n_samples, rng)
    manner = {"2": Manner.SHOUTING, "X": Manner(rng.choice((Manner.LAUGHING, Manner.CRYING)))}.get(fine, Manner.TALKING)
    n_speakers = int(rng.choice((1, 1, 2))) if fine in ("1", "2") else 1
    total = np.zeros(n_samples, dtype=np.float32)
    for _ in range(n_speakers):
        speaker = draw_speaker(rng, manner)
        total += speech(speaker, syllables(speaker, n_samples, rng), n_samples, rng) * np.float32(rng.uniform(0.5, 1))
    return _amplified(total, rng) if fine == "4" else total


def syllables(speaker: Speaker, n_samples: int, rng: Rng) -> list[Syllable]:
    """Draw phrases of syllables with pauses between them."""
    found, time_s, end_s = [], rng.uniform(0.02, 0.15), n_samples / RATE_HZ
    in_phrase = 0
    laughs = speaker.manner is Manner.LAUGHING
    while time_s < end_s - 0.08:
        in_phrase = in_phrase or int(rng.integers(3, 14))
        hiss_s = rng.uniform(0.03, 0.06) if laughs else float(rng.choice((0.0, 0.0, rng.uniform(0.03, 0.12))))
        length_s = min(speaker.syllable_s * float(np.exp(0.35 * rng.standard_normal())), end_s - time_s)
        vowel = (
            int(rng.choice(_OPEN_VOWELS)) if speaker.manner is not Manner.TALKING else int(rng.integers(len(VOWELS_HZ)))
        )
        found.append(Syllable(time_s + hiss_s, length_s, vowel, hiss_s))
        in_phrase -= 1
        time_s += hiss_s + length_s + (rng.uniform(0.0, 0.04) if in_phrase else rng.uniform(0.2, 0.9))
    return found


def speech(speaker: Speaker, spoken: Sequence[Syllable], n_samples: int, rng: Rng) -> FloatArray:
    """Speak syllables: float32 [n_samples]."""
    if not spoken:
        return np.zeros(n_samples, dtype=np.float32)
    level = gates([(s.start_s, s.start_s + s.length_s) for s in spoken], n_samples, edge_s=0.035)
    hiss = gates([(s.start_s - s.hiss_s, s.start_s + 0.01) for s in spoken if s.hiss_s], n_samples, edge_s=0.015)
    pitch = to_samples(_contour(speaker, spoken, n_samples, rng), n_samples)
    table = falling_table(rng, hz=float(pitch.max()) * 1.5, slope=speaker.slope)
    source = tone(table, pitch, n_samples) + np.float32(speaker.breath) * white(rng, n_samples)
    source *= to_samples(level * (1 + 0.2 * wander(rng, n_samples, hz=2.0)), n_samples)
    times_s, gains = _articulation(speaker, spoken)
    voiced = filtered_over_time(source, times_s, gains)
    low_hz = rng.uniform(2500, 5000)
    sibilant = coloured(rng, n_samples, band(low_hz, low_hz * 2, slope_db=9.0))
    return voiced + sibilant * to_samples(hiss, n_samples) * np.float32(rng.uniform(0.05, 0.2))


def _contour(speaker: Speaker, spoken: Sequence[Syllable], n_samples: int, rng: Rng) -> FloatArray:
    """Give the pitch: falling over a phrase, with an accent on some syllables and a slight tremor."""
    times_s = point_times_s(n_samples)
    middles = [s.start_s + s.length_s / 2 for s in spoken]
    accents = speaker.range * rng.standard_normal(len(spoken)) * (rng.random(len(spoken)) < 0.6)
    if speaker.manner in (Manner.LAUGHING, Manner.CRYING):
        accents -= 0.35 * ((np.arange(len(spoken)) % 7) / 7)
    tremor = 0.01 * wander(rng, n_samples, hz=6.0) + 0.5 * speaker.range * wander(rng, n_samples, hz=0.5)
    return np.asarray(speaker.pitch_hz * np.exp(np.interp(times_s, middles, accents) + tremor), dtype=np.float32)


def _articulation(speaker: Speaker, spoken: Sequence[Syllable]) -> tuple[FloatArray, FloatArray]:
    """Give times and filter responses: each vowel is held for the middle half of its syllable."""
    vowels = np.array([s.vowel for s in spoken])
    upper = np.broadcast_to(np.array(_UPPER_FORMANTS_HZ), (len(spoken), 2))
    formants = np.concatenate([VOWELS_HZ[vowels], upper], axis=1) * speaker.tract
    if speaker.manner in (Manner.SHOUTING, Manner.CRYING):
        formants[:, 0] *= 1.2
    gains = np.repeat(formant_gains(bins_hz(), formants, _BANDWIDTHS_HZ * speaker.tract), 2, axis=0)
    held = [s.start_s + share * s.length_s for s in spoken for share in (0.25, 0.75)]
    return np.asarray(held, dtype=np.float32), gains


def _crowd(n_samples: int, rng: Rng) -> FloatArray:
    """Mix two voices and their echoes at other times into a babble of many."""
    total = np.zeros(n_samples, dtype=np.float32)
    for manner in (Manner.TALKING, Manner(rng.choice((Manner.TALKING, Manner.SHOUTING)))):
        speaker = draw_speaker(rng, manner)
        voice = speech(speaker, syllables(speaker, n_samples, rng), n_samples, rng)
        for _ in range(_N_CROWD):
            total += np.float32(rng.uniform(0.2, 1.0)) * np.roll(voice, int(rng.integers(n_samples)))
    return total


def _amplified(samples: FloatArray, rng: Rng) -> FloatArray:
    """Play through an overdriven horn loudspeaker with an echo from across the street."""
    loud = samples / np.float32(np.sqrt(np.mean(samples**2)) + 1e-9)
    horn = filtered(
        np.tanh(loud * np.float32(rng.uniform(0.5, 1.5))), band(rng.uniform(350, 600), rng.uniform(3000, 5000))
    )
    return horn + overlay(len(samples), [rng.uniform(0.08, 0.3)], [rng.uniform(0.2, 0.5)], [horn])
