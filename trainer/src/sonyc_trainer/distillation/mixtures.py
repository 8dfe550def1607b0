"""Mixtures of clips as windows of log-mel: what the teacher hears, and what the student hears instead.

The student's clips have gone through a random level's codec, the teacher's have not, so that the student learns to
make nothing of the level. Sounds are stretched, shifted in pitch, turned round, filtered and added in the power domain,
where they add on the average.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.labels import N_LABELS
from sonyc_trainer.learning import Indices
from sonyc_trainer.study import MixtureSettings

NONE: Final = N_LABELS
"""The ninth class: none of the eight."""
N_CLASSES: Final = N_LABELS + 1
UNKNOWN: Final = N_CLASSES
"""Instead of a class: nobody knows."""

_NEPER_PER_DB: Final = math.log(10) / 20
_N_EQUALISER_POINTS: Final = 5
_LARGEST_RATIO: Final = 30.0
"""A sound that is as good as silent is not brought up to any other."""


@dataclass(frozen=True)
class Sounds:
    """Clips to mix.

    Attributes:
        frames: float16 [n_levels, n_clips, n_frames, n_mels], natural logarithms; the first level is `pcm`.
        classes: int64 [n_clips], 0 to 7, `NONE` or `UNKNOWN`.
        n_heard: int64 [n_clips], frames up to the last that is not silent.
        is_labelled: bool [n_clips]; of the others only the sound is learned from, and how often they are drawn depends
            on their class.
    """

    frames: NDArray[np.float16]
    classes: Indices
    n_heard: Indices
    is_labelled: NDArray[np.bool_]


@dataclass(frozen=True)
class Mixed:
    """A batch of mixtures.

    Attributes:
        heard: float32 [n, n_frames, n_mels], at random levels: for the student.
        original: float32 [n, n_frames, n_mels], the same without the codec: for the teacher.
        targets: float32 [n, 9], the classes' shares of the sound; zeros where a part has no label.
    """

    heard: FloatArray
    original: FloatArray
    targets: FloatArray


class Mixer:
    """Draws mixtures."""

    def __init__(
        self, sounds: Sounds, settings: MixtureSettings, *, n_frames: int, floor: float, rng: np.random.Generator
    ) -> None:
        """Take the clips, how far they are altered, frames per window, and what the front end adds to magnitudes."""
        self._sounds, self._settings, self._rng = sounds, settings, rng
        self._n_frames, self._floor = n_frames, np.float32(floor)
        counts = np.bincount(sounds.classes, minlength=UNKNOWN + 1)
        weights = counts[sounds.classes] ** -0.5
        self._chances = weights / weights.sum()

    def draw(self, n: int) -> Mixed:
        """Draw `n` mixtures."""
        settings, rng = self._settings, self._rng
        first, second = self._windows(n), self._windows(n)
        is_mixed = rng.random((n, 1, 1)) < settings.mix_probability
        loudness = [np.sqrt((one.original**2).mean(axis=(1, 2), keepdims=True) + 1e-6) for one in (first, second)]
        gain = np.minimum(loudness[0] / loudness[1], _LARGEST_RATIO) * _amplitude(
            rng.uniform(-settings.mix_db, settings.mix_db, (n, 1, 1))
        )
        gain = (gain * is_mixed).astype(np.float32)
        overall = self._gains(n)
        heard, original = (
            np.log(overall * np.sqrt(a**2 + (gain * b) ** 2) + self._floor)
            for a, b in ((first.heard, second.heard), (first.original, second.original))
        )
        share = (gain * loudness[1] / (loudness[0] + gain * loudness[1]))[:, 0]
        targets = _one_hot(first.classes) * (1 - share) + _one_hot(second.classes) * share
        has_label = first.is_labelled & (second.is_labelled | ~is_mixed[:, 0, 0])
        return Mixed(heard, original, (targets * has_label[:, np.newaxis]).astype(np.float32))

    def _windows(self, n: int) -> "_Windows":
        """Draw windows of single clips as magnitudes, stretched and shifted."""
        sounds, rng = self._sounds, self._rng
        clips = rng.choice(len(sounds.classes), n, p=self._chances)
        levels = rng.integers(len(sounds.frames), size=n)
        levels[rng.random(n) < self._settings.last_level] = len(sounds.frames) - 1
        frames, mels = self._frames_of(clips), self._mels_of(n)
        curve = self._filters(n)
        heard, original = (
            np.maximum(
                np.exp(sounds.frames[at, clips[:, None, None], frames, mels].astype(np.float32)) - self._floor, 0
            )
            * curve
            for at in (levels[:, None, None], 0)
        )
        return _Windows(heard, original, sounds.classes[clips], sounds.is_labelled[clips])

    def _frames_of(self, clips: Indices) -> Indices:
        """Choose frames [n, n_frames, 1]: a stretch of each clip, slower or faster, some backwards."""
        n, rng, settings = len(clips), self._rng, self._settings
        rates = np.exp(rng.uniform(-settings.stretch, settings.stretch, n))
        rates[rng.random(n) < settings.unaltered] = 1.0
        steps = np.arange(self._n_frames)[np.newaxis].repeat(n, axis=0)
        turned = rng.random(n) < settings.turn_probability
        steps[turned] = steps[turned, ::-1]
        latest = np.maximum(self._sounds.n_heard[clips] - self._n_frames // 2, 1)
        starts = np.floor(rng.random(n) * np.minimum(latest, self._sounds.frames.shape[2] - self._n_frames + 1))
        frames = np.rint(starts[:, np.newaxis] + steps * rates[:, np.newaxis]).astype(np.int64)
        last = self._sounds.frames.shape[2] - 1
        return np.asarray(np.minimum(frames, last)[..., np.newaxis], np.int64)

    def _mels_of(self, n: int) -> Indices:
        """Choose mels [n, 1, n_mels], shifted and spread around the middle one."""
        rng, settings, n_mels = self._rng, self._settings, self._sounds.frames.shape[3]
        spread = np.exp(rng.uniform(-settings.spread, settings.spread, (n, 1)))
        shift = rng.uniform(-settings.shift_mels, settings.shift_mels, (n, 1))
        unaltered = rng.random(n) < settings.unaltered
        spread[unaltered], shift[unaltered] = 1.0, 0.0
        mels = np.rint((np.arange(n_mels) - n_mels // 2) * spread + n_mels // 2 + shift).astype(np.int64)
        return np.asarray(np.clip(mels, 0, n_mels - 1)[:, np.newaxis], np.int64)

    def _filters(self, n: int) -> FloatArray:
        """Give gains of a random smooth filter, float32 [n, 1, n_mels]."""
        n_mels, most = self._sounds.frames.shape[3], self._settings.equaliser_db
        points = self._rng.uniform(-most, most, (n, _N_EQUALISER_POINTS))
        places = np.linspace(0, _N_EQUALISER_POINTS - 1, n_mels)
        low = np.minimum(places.astype(int), _N_EQUALISER_POINTS - 2)
        curve = points[:, low] * (1 - (places - low)) + points[:, low + 1] * (places - low)
        return _amplitude(curve)[:, np.newaxis].astype(np.float32)

    def _gains(self, n: int) -> FloatArray:
        settings = self._settings
        return _amplitude(self._rng.uniform(-settings.softer_db, settings.louder_db, (n, 1, 1))).astype(np.float32)


@dataclass(frozen=True)
class _Windows:
    heard: FloatArray
    original: FloatArray
    classes: Indices
    is_labelled: NDArray[np.bool_]


def heard_frames(frames: NDArray[np.float16], *, floor: float) -> Indices:
    """Count the frames of each clip up to the last one that is not silent: int64 [n_clips] for [n_clips, n, n_mels]."""
    sounds = frames.max(axis=2) > math.log(floor) + 0.02
    return np.asarray(np.where(sounds.any(axis=1), frames.shape[1] - sounds[:, ::-1].argmax(axis=1), 0), np.int64)


def _amplitude(decibels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(decibels * _NEPER_PER_DB), np.float64)


def _one_hot(classes: Indices) -> FloatArray:
    return np.eye(UNKNOWN + 1, N_CLASSES, dtype=np.float32)[classes]
