"""The rows of `annotations.csv`: what volunteers, team members and all together would say of a clip."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from sonyc_contract.labels import LABELS
from sonyc_trainer.scenes.plan import Event, Proximity, SceneSpec
from sonyc_trainer.scenes.settings import Rng, ScenesConfig, Stream, random_stream
from sonyc_trainer.scenes.taxonomy import COLUMNS, FINE, FINE_KEYS, fine_key

AGREED_ID: Final = 0
"""`annotator_id` of the agreed row; volunteers are positive, team members negative."""


class Presence(IntEnum):
    """Whether a class is present, in one row."""

    PRESENT = 1
    ABSENT = 0
    NOT_LABELLED = -1


@dataclass(frozen=True)
class Row:
    """One annotation act.

    Attributes:
        annotator_id: Who: positive, negative or 0.
        coarse: Presence by coarse class.
        fine: Presence by fine key; a key that is missing was not labelled.
        proximity: By fine key, of what is present.
    """

    annotator_id: int
    coarse: Mapping[str, Presence]
    fine: Mapping[str, Presence]
    proximity: Mapping[str, Proximity]


_N_VOLUNTEERS: Final = 3
_VOLUNTEER_POOL: Final = 400
_TEAM_POOL: Final = 12
_FALSE_ALARM: Final = 0.015
_UNSURE: Final = 0.15


def annotate(spec: SceneSpec, config: ScenesConfig) -> list[Row]:
    """Give a clip's rows: three volunteers, and of a verified clip two team members and the agreed row, last."""
    rng = random_stream(config.seed, Stream.ANNOTATION, spec.index)
    people = rng.choice(_VOLUNTEER_POOL, _N_VOLUNTEERS, replace=False) + 1
    rows = [_volunteer(int(person), spec, rng) for person in people]
    if spec.is_verified:
        team = rng.choice(_TEAM_POOL, 2, replace=False) + 1
        rows += [_team_member(-int(member), spec, rng) for member in team]
        rows.append(_agreed(spec))
    return rows


def annotations_csv(specs: Iterable[SceneSpec], config: ScenesConfig) -> str:
    """Write the table of all clips, with V2.3's columns in V2.3's order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for spec in specs:
        for row in annotate(spec, config):
            writer.writerow(_cells(spec, row))
    return text.getvalue()


def _volunteer(annotator_id: int, spec: SceneSpec, rng: Rng) -> Row:
    """Hear what is loud enough, mistake a fine class now and then, and hear what is not there."""
    coarse = dict.fromkeys(LABELS, Presence.ABSENT)
    fine = dict.fromkeys(FINE_KEYS, Presence.ABSENT)
    proximity: dict[str, Proximity] = {}
    for event in spec.events:
        if rng.random() < _chance_to_hear(event):
            key = fine_key(event.label, _heard_fine(event, rng))
            coarse[event.label] = fine[key] = Presence.PRESENT
            proximity[key] = Proximity.NOT_SURE if rng.random() < _UNSURE else event.proximity
    for label in LABELS:
        if coarse[label] is Presence.ABSENT and rng.random() < _FALSE_ALARM:
            key = fine_key(label, str(rng.choice(list(FINE[label]))))
            coarse[label] = fine[key] = Presence.PRESENT
            proximity[key] = Proximity.FAR
    return Row(annotator_id, coarse, fine, proximity)


def _team_member(annotator_id: int, spec: SceneSpec, rng: Rng) -> Row:
    """Label coarse classes nearly without error, and fine ones only within those that are present."""
    present = {event.label: event for event in spec.events if rng.random() < 0.97}
    coarse = {label: Presence(int(label in present)) for label in LABELS}
    for label in LABELS:
        if label not in present and rng.random() < 0.05:
            coarse[label] = Presence.NOT_LABELLED
    fine = {
        fine_key(label, fine): Presence(int(fine == event.fine))
        for label, event in present.items()
        for fine in FINE[label]
    }
    return Row(annotator_id, coarse, fine, {})


def _agreed(spec: SceneSpec) -> Row:
    present = {fine_key(event.label, event.fine) for event in spec.events}
    coarse = {label: Presence(int(label in spec.labels)) for label in LABELS}
    return Row(AGREED_ID, coarse, {key: Presence(int(key in present)) for key in FINE_KEYS}, {})


def _chance_to_hear(event: Event) -> float:
    return float(0.96 / (1 + np.exp(-(event.snr_db + 3) / 3)))


def _heard_fine(event: Event, rng: Rng) -> str:
    return str(rng.choice(list(FINE[event.label]))) if rng.random() < 0.2 else event.fine


def _cells(spec: SceneSpec, row: Row) -> list[object]:
    sensor, moment = spec.sensor, spec.moment
    return [
        spec.split.value, sensor.sensor_id, spec.file_name, row.annotator_id,
        sensor.borough, sensor.block, sensor.latitude, sensor.longitude,
        moment.year, moment.week, moment.day, moment.hour,
        *(int(row.fine.get(key, Presence.NOT_LABELLED)) for key in FINE_KEYS),
        *(row.proximity[key].value if key in row.proximity else int(Presence.NOT_LABELLED) for key in FINE_KEYS),
        *(int(row.coarse[label]) for label in LABELS),
    ]  # fmt: skip
