"""Music: chords, bass and melody in a key and a metre, drums, and the music box of an ice-cream truck."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_trainer.scenes.noise import Spectrum, band, coloured, filtered, white
from sonyc_trainer.scenes.oscillators import falling_table, tone
from sonyc_trainer.scenes.resonance import overlay
from sonyc_trainer.scenes.settings import RATE_HZ, Rng


class Timbre(StrEnum):
    """How a note begins, lasts and what harmonics it has."""

    ORGAN = "organ"
    PLUCKED = "plucked"
    BRASS = "brass"
    FLUTE = "flute"
    BOX = "box"


@dataclass(frozen=True)
class Tune:
    """A piece of music.

    Attributes:
        tempo_bpm: Beats per minute.
        root_midi: The key's root as a MIDI note.
        is_minor: Whether its third is minor.
        degrees: Degree of the scale that each bar's chord stands on.
        lead, backing: Timbres of melody and chords.
        notes_per_beat: Density of the melody.
        drums: Loudness of the drums.
        bass: Loudness of the bass.
        loudspeaker: What it is played through.
    """

    tempo_bpm: float
    root_midi: int
    is_minor: bool
    degrees: tuple[int, ...]
    lead: Timbre
    backing: Timbre
    notes_per_beat: int
    drums: float
    bass: float
    loudspeaker: Spectrum


@dataclass(frozen=True)
class Note:
    """One note of a tune: when, how long, how high, how loud."""

    start_s: float
    length_s: float
    midi: int
    gain: float


_PROGRESSIONS: Final = ((0, 5, 3, 4), (0, 3, 4, 4), (5, 3, 0, 4), (0, 4, 5, 3), (0, 0, 3, 0), (1, 4, 0, 0))
_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_MINOR: Final = (0, 2, 3, 5, 7, 8, 10)
_SLOPES: Final = {Timbre.ORGAN: 1.4, Timbre.PLUCKED: 1.3, Timbre.BRASS: 0.9, Timbre.FLUTE: 2.6, Timbre.BOX: 3.0}
_DECAYS_S: Final = {Timbre.ORGAN: 9.0, Timbre.PLUCKED: 0.45, Timbre.BRASS: 3.0, Timbre.FLUTE: 6.0, Timbre.BOX: 0.35}
_ATTACKS_S: Final = {
    Timbre.ORGAN: 0.02,
    Timbre.PLUCKED: 0.003,
    Timbre.BRASS: 0.05,
    Timbre.FLUTE: 0.07,
    Timbre.BOX: 0.002,
}
_BAR_BEATS: Final = 4


def draw_tune(fine: str, rng: Rng) -> Tune:
    """Draw music that stands (`1`), drives by (`2`) or is an ice-cream truck's (`3`)."""
    is_box = fine == "3"
    leads = (Timbre.BOX,) if is_box else (Timbre.ORGAN, Timbre.PLUCKED, Timbre.BRASS, Timbre.FLUTE)
    full = Spectrum((40.0, 90.0, 9_000.0, 16_000.0), (-18.0, 0.0, -2.0, -20.0))
    return Tune(
        tempo_bpm=rng.uniform(110, 160) if is_box else rng.uniform(72, 138),
        root_midi=int(rng.integers(72, 80) if is_box else rng.integers(45, 57)),
        is_minor=bool(not is_box and rng.random() < 0.45),
        degrees=_PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))],
        lead=Timbre(rng.choice(leads)),
        backing=Timbre(rng.choice((Timbre.ORGAN, Timbre.PLUCKED, Timbre.BRASS))),
        notes_per_beat=int(rng.choice((1, 2, 2) if not is_box else (2,))),
        drums=0.0 if is_box or rng.random() < 0.3 else rng.uniform(0.4, 1.0),
        bass=0.0 if is_box else rng.uniform(0.3, 1.0),
        loudspeaker={"1": full, "2": band(45, rng.uniform(300, 3000), slope_db=6.0), "3": band(500, 5500)}[fine],
    )


def playing(tune: Tune, n_samples: int, rng: Rng) -> FloatArray:
    """Play a tune: float32 [n_samples]."""
    bars = range(int(n_samples / RATE_HZ / _bar_s(tune)) + 2)
    begin_s = rng.uniform(0, _bar_s(tune))
    sound = np.zeros(n_samples, dtype=np.float32)
    _add(sound, melody(tune, len(bars), rng), tune.lead, begin_s, rng)
    if tune.lead is not Timbre.BOX:
        _add(sound, _chords(tune, len(bars)), tune.backing, begin_s, rng)
    if tune.bass:
        _add(sound, _bass_line(tune, len(bars), rng), Timbre.PLUCKED, begin_s, rng)
    if tune.drums:
        sound += _drums(tune, n_samples, begin_s, rng) * np.float32(tune.drums)
    return filtered(sound, tune.loudspeaker)


def midi_hz(midi: int) -> float:
    """Frequency of a MIDI note in equal temperament, A4 = 69 = 440 Hz."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


def melody(tune: Tune, n_bars: int, rng: Rng) -> list[Note]:
    """Draw a melody that walks over the scale and meets each bar's chord on its first beat."""
    step_s = 60.0 / tune.tempo_bpm / tune.notes_per_beat
    notes, degree = [], int(rng.integers(0, 7))
    for bar in range(n_bars):
        for step in range(_BAR_BEATS * tune.notes_per_beat):
            degree = _next_degree(tune, bar, step, degree, rng)
            if step == 0 or rng.random() < 0.8:
                start_s = bar * _bar_s(tune) + step * step_s
                notes.append(
                    Note(start_s, step_s * rng.choice((0.8, 1.0)), _midi(tune, degree) + 12, rng.uniform(0.6, 1))
                )
    return notes


def _next_degree(tune: Tune, bar: int, step: int, degree: int, rng: Rng) -> int:
    if step == 0:
        return tune.degrees[bar % len(tune.degrees)] + int(rng.choice((0, 2, 4)))
    return int(np.clip(degree + rng.choice((-2, -1, -1, 0, 1, 1, 2)), -3, 11))


def _chords(tune: Tune, n_bars: int) -> list[Note]:
    strokes = 2 if tune.backing is Timbre.PLUCKED else 1
    length_s = _bar_s(tune) / strokes
    starts = [(bar, bar * _bar_s(tune) + stroke * length_s) for bar in range(n_bars) for stroke in range(strokes)]
    return [
        Note(start_s, length_s * 0.97, _midi(tune, tune.degrees[bar % len(tune.degrees)] + third), 0.4)
        for bar, start_s in starts
        for third in (0, 2, 4)
    ]


def _bass_line(tune: Tune, n_bars: int, rng: Rng) -> list[Note]:
    beat_s = 60.0 / tune.tempo_bpm
    pattern = rng.random(_BAR_BEATS * 2) < 0.6
    pattern[0] = True
    return [
        Note(
            bar * _bar_s(tune) + eighth * beat_s / 2,
            beat_s * 0.6,
            _midi(tune, tune.degrees[bar % 4]) - 12,
            tune.bass * 1.3,
        )
        for bar in range(n_bars)
        for eighth in np.flatnonzero(pattern)
    ]


def _midi(tune: Tune, degree: int) -> int:
    scale = _MINOR if tune.is_minor else _MAJOR
    return tune.root_midi + 12 * (degree // 7) + scale[degree % 7]


def _bar_s(tune: Tune) -> float:
    return _BAR_BEATS * 60.0 / tune.tempo_bpm


def _add(sound: FloatArray, notes: list[Note], timbre: Timbre, begin_s: float, rng: Rng) -> None:
    """Play notes into `sound`, which begins `begin_s` after the tune."""
    table = falling_table(rng, hz=max(midi_hz(note.midi) for note in notes), slope=_SLOPES[timbre], roughness=0.25)
    for note in notes:
        start = round((note.start_s - begin_s) * RATE_HZ)
        if start < len(sound):
            piece = _note(note, timbre, table)[max(0, -start) : len(sound) - start]
            sound[max(0, start) : max(0, start) + len(piece)] += piece


def _note(note: Note, timbre: Timbre, table: FloatArray) -> FloatArray:
    n = round((note.length_s + (0.4 if timbre is Timbre.BOX else 0.0)) * RATE_HZ)
    times_s = np.arange(n, dtype=np.float32) / np.float32(RATE_HZ)
    hz = midi_hz(note.midi)
    wave = tone(table, hz, n) * np.exp(times_s * np.float32(-1 / _DECAYS_S[timbre]))
    if timbre is Timbre.BOX:
        # The second and third partial of a clamped bar.
        wave += np.float32(0.35) * tone(table, hz * 2.756, n) * np.exp(times_s * np.float32(-1 / 0.12))
        wave += np.float32(0.2) * tone(table, hz * 5.404, n) * np.exp(times_s * np.float32(-1 / 0.05))
    edges = np.minimum(times_s / np.float32(_ATTACKS_S[timbre]), (times_s[-1] - times_s) / np.float32(0.03))
    return np.asarray(wave * np.clip(edges, 0, 1) * np.float32(note.gain), dtype=np.float32)


def _drums(tune: Tune, n_samples: int, begin_s: float, rng: Rng) -> FloatArray:
    beat_s = 60.0 / tune.tempo_bpm
    beats = np.arange(int(n_samples / RATE_HZ / beat_s) + _BAR_BEATS + 2)
    times_s = beats * beat_s - begin_s
    is_backbeat = beats % 2 == 1
    hats_s = np.concatenate([times_s, times_s + beat_s / 2])
    total = overlay(n_samples, list(times_s[~is_backbeat]), [2.0] * int((~is_backbeat).sum()), [_kick()])
    total += overlay(n_samples, list(times_s[is_backbeat]), [1.0] * int(is_backbeat.sum()), [_snare(rng)])
    return total + overlay(n_samples, list(hats_s), list(rng.uniform(0.25, 0.5, len(hats_s))), [_hat(rng)])


def _kick() -> FloatArray:
    times_s = np.arange(round(0.25 * RATE_HZ), dtype=np.float32) / np.float32(RATE_HZ)
    # The pitch falls from 150 to 45 Hz within 40 ms.
    cycles = 45 * times_s + 105 * 0.04 * (1 - np.exp(-times_s / 0.04))
    return np.asarray(np.sin(2 * np.pi * cycles) * np.exp(-times_s / 0.07), dtype=np.float32)


def _snare(rng: Rng) -> FloatArray:
    n = round(0.2 * RATE_HZ)
    times_s = np.arange(n, dtype=np.float32) / np.float32(RATE_HZ)
    body = np.sin(np.float32(2 * np.pi * 185) * times_s) * np.exp(-times_s / np.float32(0.05))
    return np.asarray(0.7 * body + 0.8 * white(rng, n) * np.exp(-times_s / np.float32(0.06)), dtype=np.float32)


def _hat(rng: Rng) -> FloatArray:
    n = round(0.08 * RATE_HZ)
    fall = np.exp(np.arange(n, dtype=np.float32) / np.float32(-0.02 * RATE_HZ))
    return np.asarray(coloured(rng, n, band(7_000, 14_000)) * fall)
