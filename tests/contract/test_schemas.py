"""The published JSON Schemas are what the messages are; a change of either shows here.

They are written again by `python -m sonyc_contract.schemas docs/schemas`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sonyc_contract.labels import LABELS
from sonyc_contract.messages import dump_message
from sonyc_contract.schemas import SCHEMA_FILES, main, schema_text, write_schemas
from support.sample_messages import label_event, stored_clip
from support.sample_reports import REPORTS

_CLIPS = {
    "label-v1.json": json.loads(dump_message(label_event())),
    "clip-v1.json": json.loads(dump_message(stored_clip())),
}
_SENT = _CLIPS | {name: json.loads(dump_message(report)) for name, report in REPORTS.items()}
_TAKEN: dict[str, list[dict[str, Any]]] = {
    "command-set-level-v1.json": [{"level": "v7"}, {"level": None, "schema": "sonyc.command/1"}],
    "command-set-thresholds-v1.json": [{"thresholds": {"dog": 0.5}}, {"thresholds": {}}, {"thresholds": None}],
    "command-set-capture-mode-v1.json": [{"mode": "sampled"}, {"mode": None}],
    "command-set-store-mode-v1.json": [{"mode": "none"}, {"mode": None}],
    "command-status-v1.json": [{}],
}
_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip
_SAID_BY_OTHERS = {"type", "properties", "items", "title", "description", "format", "$defs", "$schema", "default"}


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_published_schema_is_the_message(name: str, repository: Path) -> None:
    published = (repository / "docs" / "schemas" / name).read_text()
    assert published == schema_text(SCHEMA_FILES[name]), "a message changed: raise its schema id, then make schemas"


def test_no_other_schema_is_published(repository: Path, tmp_path: Path) -> None:
    write_schemas(tmp_path)
    published = sorted(path.name for path in (repository / "docs" / "schemas").iterdir())
    assert published == sorted(path.name for path in tmp_path.iterdir())


def test_every_schema_has_a_message_here() -> None:
    assert {*_SENT, *_TAKEN} == set(SCHEMA_FILES)


@pytest.mark.parametrize("name", _SENT)
def test_every_key_is_required_and_no_other_allowed(name: str) -> None:
    schema = json.loads(schema_text(SCHEMA_FILES[name]))
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", _CLIPS)
def test_schema_of_a_clip_names_every_class(name: str) -> None:
    schema = json.loads(schema_text(SCHEMA_FILES[name]))
    assert schema["properties"]["probabilities"]["required"] == list(LABELS)
    assert schema["properties"]["start_utc"]["format"] == "date-time"


@pytest.mark.parametrize("name", _SENT)
def test_message_as_sent_fits_its_schema(name: str) -> None:
    assert list(_errors(_SENT[name], json.loads(schema_text(SCHEMA_FILES[name])))) == []


@pytest.mark.parametrize("name", _TAKEN)
def test_command_fits_its_schema(name: str) -> None:
    schema = json.loads(schema_text(SCHEMA_FILES[name]))
    for command in _TAKEN[name]:
        assert list(_errors(command, schema)) == []
        assert list(_errors(command | {"clear": True}, schema))
        assert list(_errors(command | {"schema": "sonyc.command/2"}, schema))
        for key in command.keys() - {"schema"}:
            assert list(_errors({other: command[other] for other in command if other != key}, schema))
            assert list(_errors(command | {key: 7}, schema))


@pytest.mark.parametrize("name", REPORTS)
def test_schema_of_a_report_refuses_what_is_wrong(name: str) -> None:
    schema, sent = json.loads(schema_text(SCHEMA_FILES[name])), _SENT[name]
    wrong: list[dict[str, Any]] = [{key: value for key, value in sent.items() if key != left_out} for left_out in sent]
    wrong += [sent | {"colour": "red"}, sent | {"schema": "sonyc.label/1"}, sent | {"node": "Node 7"}]
    for key in ("session", "run", "utc", "hours", "settings", "first_seq", "state", "covered_s", "levels", "unit"):
        wrong += [sent | {key: -1.5}] if key in sent else []
    for message in wrong:
        assert list(_errors(message, schema)), message


@pytest.mark.parametrize("name", _CLIPS)
def test_schema_refuses_what_is_wrong(name: str) -> None:
    schema = json.loads(schema_text(SCHEMA_FILES[name]))
    sent = _SENT[name]
    wrong: list[dict[str, Any]] = [{key: value for key, value in sent.items() if key != left_out} for left_out in sent]
    wrong += [sent | {"colour": "red"}, sent | {"schema": "sonyc.label/9"}, sent | {"level": "v10"}]
    wrong += [sent | {"node": "Node 7"}, sent | {"seq": 0}, sent | {"seq": "12"}, sent | {"duration_s": 0}]
    wrong += [sent | {"clip_id": "12"}, sent | {"start_utc": 0}, sent | {"probabilities": {"dog": 0.5}}]
    wrong += [sent | {"probabilities": sent["probabilities"] | {"cat": 0.5}}]
    wrong += [sent | {"probabilities": sent["probabilities"] | {"dog": 1.5}}]
    if "detections" in sent:
        wrong += [sent | {"detections": ["cat"]}, sent | {"detections": ["dog", "dog"]}, sent | {"head": "v10"}]
        wrong += [sent | {"audio": {"kept": True}}, sent | {"sound_level": {"leq": 1, "unit": "dB"}}]
    for message in wrong:
        assert list(_errors(message, schema)), message


def test_command(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "sonyc_contract.schemas", tmp_path], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SCHEMA_FILES)


def test_command_that_cannot_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([str(tmp_path / "absent")]) == 1
    usage, failure = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert failure == f"{tmp_path / 'absent'}: cannot be written: No such file or directory"


def _errors(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> Iterator[str]:
    """Check a value against the part of JSON Schema that our schemas use; an unknown keyword raises KeyError."""
    root = root or schema
    if alternatives := schema.get("anyOf"):
        if all(list(_errors(value, alternative, root)) for alternative in alternatives):
            yield f"{value!r} fits none of {alternatives}"
        return
    if reference := schema.get("$ref"):
        schema = root["$defs"][reference.removeprefix("#/$defs/")]
    if choices := schema.get("anyOf"):
        if all(list(_errors(value, choice, root)) for choice in choices):
            yield f"{value!r} is none of {choices}"
        return
    wanted_type = schema["type"]
    if not isinstance(value, _TYPES[wanted_type]) or (isinstance(value, bool) and wanted_type != "boolean"):
        yield f"{value!r} is no {wanted_type}"
        return
    for keyword in schema.keys() - _SAID_BY_OTHERS:
        if not _holds(keyword, schema[keyword], value, schema):
            yield f"{value!r}: {keyword} {schema[keyword]!r}"
    properties: dict[str, Any] = schema.get("properties", {})
    for key in properties.keys() & set(value if isinstance(value, dict) else ()):
        yield from _errors(value[key], properties[key], root)
    if isinstance(rest := schema.get("additionalProperties"), dict):
        for key in value.keys() - properties.keys():
            yield from _errors(value[key], rest, root)
    for item in value if isinstance(value, list) else ():
        yield from _errors(item, schema["items"], root)


def _holds(keyword: str, wanted: Any, value: Any, schema: dict[str, Any]) -> bool:
    checks = {
        "required": lambda: set(wanted) <= set(value),
        "additionalProperties": lambda: wanted is not False or set(value) <= set(schema["properties"]),
        "enum": lambda: value in wanted,
        "const": lambda: value == wanted,
        "pattern": lambda: re.search(wanted, value) is not None,
        "minimum": lambda: value >= wanted,
        "maximum": lambda: value <= wanted,
        "exclusiveMinimum": lambda: value > wanted,
        "minItems": lambda: len(value) >= wanted,
        "maxItems": lambda: len(value) <= wanted,
        "uniqueItems": lambda: len(set(value)) == len(value),
    }
    return checks[keyword]()
