"""The published JSON Schemas are what the messages are; a change of either shows here."""

import json
from pathlib import Path

import pytest

from sonyc_contract.labels import LABELS
from sonyc_contract.schemas import SCHEMA_FILES, schema_text, write_schemas


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_published_schema_is_the_message(name: str, repository: Path) -> None:
    published = (repository / "docs" / "schemas" / name).read_text()
    assert published == schema_text(SCHEMA_FILES[name]), "a message changed: raise its schema id, then make schemas"


def test_no_other_schema_is_published(repository: Path, tmp_path: Path) -> None:
    write_schemas(tmp_path)
    published = sorted(path.name for path in (repository / "docs" / "schemas").iterdir())
    assert published == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_every_key_is_required_and_no_other_allowed(name: str) -> None:
    schema = json.loads(schema_text(SCHEMA_FILES[name]))
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["probabilities"]["required"] == list(LABELS)
    assert schema["properties"]["start_utc"]["format"] == "date-time"
