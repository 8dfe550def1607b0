"""Label events and sidecars: as they are sent, read back, and refused."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from sonyc_contract.labels import LABELS, by_label
from sonyc_contract.messages import LabelEvent, MinuteLevel, StoredClip, dump_message
from support.sample_messages import LABEL, LEVELS, label_event, minute_level, stored_clip


def test_label_as_it_is_sent() -> None:
    data = dump_message(label_event())
    assert b"\n" not in data
    assert json.loads(data) == {
        **LABEL,
        "start_utc": "2026-11-23T14:05:06.789000Z",
        "clock": "synced",
        "level": "v5",
        "schema": "sonyc.label/1",
        "detections": ["alert-signal", "music", "human-voice", "dog"],
        "sound_level": {"leq": -31.5, "unit": "dBFS", "calibration": None, "levels": None},
        "audio": {"kept": False, "reason": "mode-none", "n_bytes": 71_000},
    }


def test_round_trips() -> None:
    event, stored = label_event(), stored_clip()
    assert LabelEvent.model_validate_json(dump_message(event), strict=True) == event
    assert StoredClip.model_validate_json(dump_message(stored), strict=True) == stored


def test_classes_are_sent_in_taxonomy_order() -> None:
    turned = dict(reversed(list(LABEL["probabilities"].items())))
    event = label_event(probabilities=turned)
    assert list(json.loads(dump_message(event))["probabilities"]) == list(LABELS)
    assert event == label_event()


def test_time_is_sent_in_utc() -> None:
    in_new_york = datetime(2026, 11, 23, 9, 5, 6, tzinfo=timezone(timedelta(hours=-5)))
    assert json.loads(dump_message(label_event(start_utc=in_new_york)))["start_utc"] == "2026-11-23T14:05:06.000000Z"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"colour": "red"}, "colour"),
        ({"node": "Node 7"}, "node"),
        ({"node": "-7"}, "node"),
        ({"node": "a/b"}, "node"),
        ({"node": "x" * 64}, "node"),
        ({"session": "0123"}, "session"),
        ({"run": "x" * 16}, "run"),
        ({"seq": 0}, "seq"),
        ({"start_utc": datetime(2026, 11, 23)}, "start_utc"),
        ({"clock": "good"}, "clock"),
        ({"sample_index": -1}, "sample_index"),
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": float("inf")}, "duration_s"),
        ({"level": "v10"}, "level"),
        ({"bundle": "A" * 64}, "bundle"),
        ({"head": "v10"}, "head"),
        ({"classified": "raw"}, "classified"),
        ({"n_windows": 0}, "n_windows"),
        ({"probabilities": by_label([0.5] * 7 + [1.1])}, "probabilities"),
        ({"probabilities": by_label([0.5] * 7 + [float("nan")])}, "probabilities"),
        ({"probabilities": {"dog": 0.5}}, "probabilities"),
        ({"probabilities": by_label([0.5] * 8) | {"cat": 0.5}}, "probabilities"),
        ({"thresholds": {}}, "thresholds"),
        ({"detections": ("cat",)}, "detections"),
        ({"detections": ("dog", "engine")}, "detections"),
        ({"detections": ("dog", "dog")}, "detections"),
        ({"sound_level": {"leq": -30, "unit": "dB"}}, "sound_level"),
        ({"sound_level": {"leq": float("-inf"), "unit": "dBFS"}}, "sound_level"),
        ({"sound_level": {"leq": -30, "unit": "dBFS", "calibration": "1"}}, "sound_level"),
        ({"sound_level": {"leq": -30, "unit": "dBFS", "levels": {"laeq": -33}}}, "sound_level"),
        ({"audio": {"kept": True, "reason": "because", "n_bytes": 1}}, "audio"),
        ({"schema": "sonyc.label/2"}, "schema"),
    ],
)
def test_label_that_is_wrong(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        label_event(**changes)
    assert {str(error["loc"][0]) for error in caught.value.errors()} == {key}


@pytest.mark.parametrize("seq", [13, 120])
def test_clip_id_of_another_clip(seq: int) -> None:
    with pytest.raises(ValidationError, match="clip_id 0123456789abcdef-12 is not that of session"):
        label_event(seq=seq)


@pytest.mark.parametrize("clip_id", ["0123456789abcdef-012", "0123456789abcdef", "../0123456789abcdef-12"])
def test_clip_id_of_another_form(clip_id: str) -> None:
    with pytest.raises(ValidationError):
        label_event(clip_id=clip_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"audio_file": "0123456789abcdef-13.mp3"},
        {"audio_file": "0123456789abcdef-12.flac"},
        {"audio_file": "../0123456789abcdef-12.mp3"},
        {"level": "pcm"},
        {"n_bytes": 0},
        {"sha256": "b" * 63},
    ],
)
def test_sidecar_that_is_wrong(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        stored_clip(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"covered_s": 0.0},
        {"covered_s": 60.1},
        {"unit": "dB"},
        {"calibration": "x"},
        {"levels": None},
        {"levels": LEVELS.model_dump() | {"bands": [40.0] * 29}},
        {"levels": LEVELS.model_dump() | {"laeq": float("-inf")}},
        {"start_utc": datetime(2026, 11, 23)},
    ],
)
def test_minute_level_that_is_wrong(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        minute_level(**changes)


def test_minute_level_round_trips() -> None:
    minute = minute_level(levels=LEVELS.model_copy(update={"bands": (40.0, 41.5)}))
    assert MinuteLevel.model_validate_json(dump_message(minute), strict=True) == minute


def test_messages_are_frozen() -> None:
    event = label_event()
    with pytest.raises(ValidationError, match="frozen"):
        event.seq = 13  # type: ignore[misc]
