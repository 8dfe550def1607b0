"""What a clip holds, drawn before anything is heard: sensor, time, and the events with their place and loudness."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from sonyc_contract.labels import LABELS
from sonyc_trainer.scenes.sensors import Sensor, draw_sensor
from sonyc_trainer.scenes.settings import CLIP_S, Rng, ScenesConfig, Stream, random_stream
from sonyc_trainer.scenes.taxonomy import FINE


class Proximity(StrEnum):
    """How far away an event is, as annotators say it."""

    NEAR = "near"
    FAR = "far"
    NOT_SURE = "notsure"


class Split(StrEnum):
    """SONYC-UST's own splits: sensors of `validate` are not those of `train`; `test` is later in time."""

    TRAIN = "train"
    VALIDATE = "validate"
    TEST = "test"


@dataclass(frozen=True)
class Event:
    """One event of a scene.

    Attributes:
        label: One of the eight classes.
        kind: Id of the fine class that it sounds like.
        fine: Id of the fine class that is agreed on: `kind`, or `X` where it cannot be told.
        proximity: Near or far.
        distance_m: From source to sensor.
        is_hidden: Whether it is behind a corner, so that only its low frequencies come undiminished.
        start_s, length_s: When it sounds.
        snr_db: Its active level over the steady background.
    """

    label: str
    kind: str
    fine: str
    proximity: Proximity
    distance_m: float
    is_hidden: bool
    start_s: float
    length_s: float
    snr_db: float


@dataclass(frozen=True)
class Moment:
    """When a clip was recorded, as V2.3 writes it: `week` of the year from 1, `day` from Monday = 0, `hour`."""

    year: int
    week: int
    day: int
    hour: int

    @property
    def is_day(self) -> bool:
        """Whether birds would sing."""
        return 6 <= self.hour < 19

    @property
    def traffic(self) -> float:
        """Traffic relative to the busiest hour, 0 ... 1."""
        rush = max(np.exp(-(((self.hour - peak) / 2.5) ** 2)) for peak in (8.5, 17.5))
        weekend = 0.7 if self.day >= 5 else 1.0
        return float(weekend * (0.25 + 0.75 * rush if 6 <= self.hour < 23 else 0.12))


@dataclass(frozen=True)
class SceneSpec:
    """What one clip holds.

    Attributes:
        index: Its number, from 0.
        sensor: The sensor that recorded it.
        moment: When.
        split: Its published split.
        is_verified: Whether it has an agreed row.
        events: What is to be heard besides the background; classes do not repeat.
    """

    index: int
    sensor: Sensor
    moment: Moment
    split: Split
    is_verified: bool
    events: tuple[Event, ...]

    @property
    def file_name(self) -> str:
        """As SONYC-UST names files: sensor, then number of the recording."""
        return f"{self.sensor.sensor_id:02d}_{self.index:06d}.wav"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes present, in taxonomy order."""
        return tuple(label for label in LABELS if any(event.label == label for event in self.events))


_TEST_SHARE: Final = 0.1
_VALIDATE_EVERY: Final = 4
"""Every fourth sensor belongs to split `validate`."""

KIND_WEIGHTS: Final = {
    "engine": {"1": 0.3, "2": 0.4, "3": 0.3},
    "machinery-impact": {"1": 0.25, "2": 0.35, "3": 0.15, "4": 0.1, "X": 0.15},
    "non-machinery-impact": {"1": 1.0},
    "powered-saw": {"1": 0.3, "2": 0.4, "3": 0.3},
    "alert-signal": {"1": 0.35, "2": 0.15, "3": 0.25, "4": 0.2, "X": 0.05},
    "music": {"1": 0.5, "2": 0.35, "3": 0.15},
    "human-voice": {"1": 0.4, "2": 0.25, "3": 0.15, "4": 0.1, "X": 0.1},
    "dog": {"1": 1.0},
}
"""Of each class what it sounds like, by id of the fine class, and how often."""

_LENGTH_S: Final = {
    "engine": (4.0, 10.0),
    "machinery-impact": (3.0, 10.0),
    "non-machinery-impact": (0.8, 7.0),
    "powered-saw": (2.5, 10.0),
    "alert-signal": (1.5, 10.0),
    "music": (5.0, 10.0),
    "human-voice": (1.5, 10.0),
    "dog": (0.6, 8.0),
}
_ALL_THROUGH: Final = 0.35
"""Chance that what can last is heard all through the clip."""
_MOMENTARY: Final = ("non-machinery-impact", "dog")
_WORKING_HOURS: Final = ("machinery-impact", "powered-saw")


def plan_clip(index: int, config: ScenesConfig) -> SceneSpec:
    """Draw what clip `index` holds; takes 0.15 ms and does not depend on `config.n_clips`."""
    rng = random_stream(config.seed, Stream.PLAN, index)
    labels = _draw_labels(index, config, rng)
    sensor_id = int(rng.integers(config.n_sensors))
    is_later = bool(rng.random() < _TEST_SHARE)
    moment = _draw_moment(labels, rng, is_later=is_later)
    is_verified = bool(rng.random() < config.verified_fraction) or is_later
    split = Split.TEST if is_later else _development_split(sensor_id)
    events = tuple(_draw_event(label, config, rng) for label in labels)
    return SceneSpec(index, draw_sensor(config.seed, sensor_id), moment, split, is_verified, events)


def draw_span(label: str, rng: Rng) -> tuple[float, float]:
    """Draw when a sound of a class begins in a clip, and how long it lasts, in seconds."""
    if label not in _MOMENTARY and rng.random() < _ALL_THROUGH:
        return 0.0, float(CLIP_S)
    length_s = rng.uniform(*_LENGTH_S[label])
    return rng.uniform(0, CLIP_S - length_s), length_s


def _draw_labels(index: int, config: ScenesConfig, rng: Rng) -> list[str]:
    """Draw the classes; the first ones of every eight clips in a row are all eight, so that classes are balanced."""
    order = random_stream(config.seed, Stream.BLOCK, index // len(LABELS)).permutation(len(LABELS))
    first = LABELS[order[index % len(LABELS)]]
    lot = rng.random()
    if lot < config.none_fraction:
        return []
    if lot >= config.none_fraction + config.multi_label_fraction:
        return [first]
    others = [label for label in LABELS if label != first]
    return [first, *rng.permutation(others)[: 2 if rng.random() < 0.25 else 1]]


def _draw_moment(labels: list[str], rng: Rng, *, is_later: bool) -> Moment:
    works = any(label in _WORKING_HOURS for label in labels)
    return Moment(
        year=2019 if is_later else int(rng.integers(2016, 2019)),
        week=int(rng.integers(1, 53)),
        day=int(rng.integers(0, 5 if works else 7)),
        hour=int(rng.integers(7, 18) if works else rng.integers(0, 24)),
    )


def _development_split(sensor_id: int) -> Split:
    return Split.VALIDATE if sensor_id % _VALIDATE_EVERY == _VALIDATE_EVERY - 1 else Split.TRAIN


def _draw_event(label: str, config: ScenesConfig, rng: Rng) -> Event:
    weights = KIND_WEIGHTS[label]
    kind = str(rng.choice(list(weights), p=list(weights.values())))
    is_near = bool(rng.random() < 0.55)
    start_s, length_s = draw_span(label, rng)
    low, high = (0.3, 1.0) if is_near else (0.0, 0.65)
    snr_range_db = config.snr_high_db - config.snr_low_db
    uncertain = "X" in FINE[label] and rng.random() < (0.05 if is_near else 0.2)
    return Event(
        label=label,
        kind=kind,
        fine="X" if uncertain else kind,
        proximity=Proximity.NEAR if is_near else Proximity.FAR,
        distance_m=float(np.exp(rng.uniform(*np.log((3, 20) if is_near else (25, 150))))),
        is_hidden=bool(not is_near and rng.random() < 0.4),
        start_s=start_s,
        length_s=length_s,
        snr_db=config.snr_low_db + snr_range_db * rng.uniform(low, high),
    )
