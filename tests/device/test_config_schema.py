"""The published JSON Schema of the configuration is what the agent reads; `make schemas` writes it again."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sonyc_device.cli import main as cli
from sonyc_device.config_schema import main, schema_text

FOLDER = Path(__file__).parents[2] / "firmware_config"


def test_published_schema_is_that_of_the_configuration() -> None:
    assert (FOLDER / "node.schema.json").read_text() == schema_text(), "a setting changed: make schemas"


def test_every_documented_key_is_in_the_schema_with_its_default() -> None:
    schema = json.loads(schema_text())
    for name, value in tomllib.loads((FOLDER / "node.toml").read_text()).items():
        for path, default in leaves(name, value):
            found = at(schema, path)
            assert found.get("default", default) == default, path


def leaves(name: str, value: Any) -> list[tuple[tuple[str, ...], Any]]:
    """Each key with its place."""
    if not isinstance(value, dict):
        return [((name,), value)]
    return [((name, *path), leaf) for key, inner in value.items() for path, leaf in leaves(key, inner)]


def at(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """What the schema says of a key."""
    found = schema
    for name in path:
        if "$ref" in found:
            found = schema["$defs"][found["$ref"].removeprefix("#/$defs/")]
        assert found["additionalProperties"] is False
        found = found["properties"][name]
    return found


def test_nothing_is_null_because_toml_has_no_such_thing() -> None:
    assert "null" not in schema_text()


def test_commands_write_and_print_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run([sys.executable, "-m", "sonyc_device.config_schema", tmp_path / "schema.json"], check=True)
    assert (tmp_path / "schema.json").read_text() == schema_text()
    assert cli(["config", "schema"]) == 0
    assert capsys.readouterr().out == schema_text()
    assert main([]) == 2
    assert main([str(tmp_path / "absent" / "schema.json")]) == 1
