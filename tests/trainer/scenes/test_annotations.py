"""The table: columns and rows as SONYC-UST V2.3 publishes them."""

import csv
import io
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from sonyc_contract.labels import LABELS
from sonyc_trainer.scenes import ScenesConfig, plan_clip
from sonyc_trainer.scenes.annotations import Presence, annotate, annotations_csv
from sonyc_trainer.scenes.taxonomy import COLUMNS, FINE_KEYS, coarse_key, fine_key, taxonomy_yaml

# The head of the published annotations.csv of V2.3, a column a line.
PUBLISHED = (Path(__file__).parent / "published_columns.txt").read_text().split()

CONFIG = ScenesConfig(n_clips=600, seed=11)


@pytest.fixture(scope="module")
def specs():
    return [plan_clip(index, CONFIG) for index in range(CONFIG.n_clips)]


@pytest.fixture(scope="module")
def rows(specs):
    return list(csv.DictReader(io.StringIO(annotations_csv(specs, CONFIG))))


def test_columns_are_those_published():
    assert len(PUBLISHED) == 78
    assert list(COLUMNS) == PUBLISHED


def test_taxonomy_is_the_published_file(shared_data):
    assert taxonomy_yaml().encode() == (shared_data / "sonyc" / "dcase-ust-taxonomy.yaml").read_bytes()


def test_taxonomy_lists_every_class_once():
    text = taxonomy_yaml()
    assert text.count("\n        ") == len(FINE_KEYS) == 29
    assert [line.split(": ")[1] for line in text.splitlines()[-8:]] == list(LABELS)


def test_each_clip_has_several_volunteers_and_at_most_one_agreed_row(specs, rows):
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        annotator = int(row["annotator_id"])
        kinds[row["audio_filename"]]["volunteer" if annotator > 0 else "team" if annotator < 0 else "agreed"] += 1
    assert len(kinds) == CONFIG.n_clips
    for spec in specs:
        expected = Counter(volunteer=3, team=2, agreed=1) if spec.is_verified else Counter(volunteer=3)
        assert kinds[spec.file_name] == expected


def test_no_annotator_has_two_rows_of_a_clip(rows):
    assert len({(row["audio_filename"], row["annotator_id"]) for row in rows}) == len(rows)


def test_agreed_rows_say_what_is_there(specs, rows):
    agreed = {row["audio_filename"]: row for row in rows if row["annotator_id"] == "0"}
    for spec in specs:
        if spec.is_verified:
            row = agreed[spec.file_name]
            present = tuple(label for label in LABELS if row[f"{coarse_key(label)}_presence"] == "1")
            assert present == spec.labels
            fine = {key for key in FINE_KEYS if row[f"{key}_presence"] == "1"}
            assert fine == {fine_key(event.label, event.fine) for event in spec.events}
        else:
            assert spec.file_name not in agreed


def test_fractions_are_about_those_asked_for(specs):
    n = len(specs)
    assert sum(not spec.labels for spec in specs) / n == pytest.approx(CONFIG.none_fraction, abs=0.04)
    assert sum(len(spec.labels) > 1 for spec in specs) / n == pytest.approx(CONFIG.multi_label_fraction, abs=0.05)
    development = [spec for spec in specs if spec.split != "test"]
    verified = sum(spec.is_verified for spec in development) / len(development)
    assert verified == pytest.approx(CONFIG.verified_fraction, abs=0.04)
    assert sum(spec.is_verified and len(spec.labels) == 1 for spec in specs) / n > 0.6


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_extreme_fractions_are_exact(fraction):
    config = ScenesConfig(n_clips=40, verified_fraction=fraction, multi_label_fraction=fraction, none_fraction=0)
    planned = [plan_clip(index, config) for index in range(40)]
    assert {len(spec.labels) > 1 for spec in planned} == {bool(fraction)}
    assert {spec.is_verified for spec in planned if spec.split != "test"} == {bool(fraction)}


def test_classes_are_balanced(specs):
    counts = Counter(label for spec in specs for label in spec.labels if len(spec.labels) == 1)
    assert set(counts) == set(LABELS)
    assert max(counts.values()) < 1.4 * min(counts.values())


def test_rows_of_a_clip_share_place_and_time_and_a_sensor_stays_where_it_is(rows):
    places, moments = defaultdict(set), defaultdict(set)
    for row in rows:
        places[row["sensor_id"]].add(tuple(row[k] for k in ("borough", "block", "latitude", "longitude")))
        moments[row["audio_filename"]].add(tuple(row[k] for k in ("split", "year", "week", "day", "hour")))
        assert row["audio_filename"].startswith(f"{int(row['sensor_id']):02d}_")
        assert 1 <= int(row["week"]) <= 52
        assert 0 <= int(row["day"]) <= 6
        assert 0 <= int(row["hour"]) <= 23
    assert len(places) == CONFIG.n_sensors
    assert all(len(found) == 1 for found in (*places.values(), *moments.values()))
    assert len({next(iter(place)) for place in places.values()}) == CONFIG.n_sensors


def test_splits_part_sensors_and_years_as_published(specs):
    sensors = {split: {s.sensor.sensor_id for s in specs if s.split == split} for split in ("train", "validate")}
    assert sensors["train"]
    assert sensors["validate"]
    assert not sensors["train"] & sensors["validate"]
    assert min(s.moment.year for s in specs if s.split == "test") > max(
        s.moment.year for s in specs if s.split != "test"
    )
    assert all(spec.is_verified for spec in specs if spec.split == "test")


def test_cells_have_published_values(rows):
    for row in rows:
        annotator = int(row["annotator_id"])
        presences = {row[column] for column in COLUMNS if column.endswith("_presence")}
        proximities = {row[f"{key}_proximity"] for key in FINE_KEYS}
        assert presences <= {"-1", "0", "1"}
        assert proximities <= ({"-1", "near", "far", "notsure"} if annotator > 0 else {"-1"})
        if annotator >= 0:
            assert "-1" not in presences
    assert any(row[f"{coarse_key('dog')}_presence"] == "-1" for row in rows)


def test_volunteers_err_more_on_faint_events_than_on_loud_ones(specs):
    heard: dict[str, list[bool]] = {"faint": [], "loud": []}
    false_alarms = 0
    for spec in specs:
        for row in annotate(spec, CONFIG):
            if row.annotator_id > 0:
                for event in spec.events:
                    if event.snr_db < 5 or event.snr_db > 15:
                        group = heard["faint" if event.snr_db < 5 else "loud"]
                        group.append(row.coarse[event.label] is Presence.PRESENT)
                false_alarms += sum(
                    row.coarse[label] is Presence.PRESENT for label in LABELS if label not in spec.labels
                )
    recall = {name: sum(found) / len(found) for name, found in heard.items()}
    assert 0.5 < recall["faint"] < 0.93 < recall["loud"] < 1.0
    assert 0 < false_alarms / (3 * len(specs)) < 0.25


def test_a_volunteer_gives_proximity_to_what_is_present_only(rows):
    for row in rows:
        if int(row["annotator_id"]) > 0:
            for key in FINE_KEYS:
                assert (row[f"{key}_presence"] == "1") == (row[f"{key}_proximity"] != "-1")
