"""TOML files, read once at the edge into frozen, validated objects."""

import json
import reprlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sonyc_contract.errors import ConfigError


class Settings(BaseModel):
    """Base of every configuration table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


_Model = TypeVar("_Model", bound=BaseModel)

_Location = tuple[int | str, ...]

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 120


def load_toml(path: Path, model: type[_Model]) -> _Model:
    """Read `path` and validate it as `model`.

    Raises:
        ConfigError: the file is missing, not TOML, or has an unknown key, a wrong type or a value out of range; the
            message names file, key, value and what is allowed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not TOML, or a number of 4,300 digits
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    try:
        # JSON's strict mode: a string is a path or an enum's value, but never a number or a boolean.
        return model.model_validate_json(json.dumps(document, default=str), strict=True)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """Say in one line what pydantic found: key, what is wrong, and the offending value, shortened where it is long."""
    items = error.errors(include_url=False)
    locations = [item["loc"] for item in items]
    # An array whose only element is wrong is, to pydantic, also too short.
    said = [item for item in items if item["type"] != "too_short" or not _has_inner(item["loc"], locations)]
    return "; ".join(_describe_one(dict(item)) for item in said)


def _has_inner(location: _Location, locations: Sequence[_Location]) -> bool:
    n = len(location)
    return any(len(inner) > n and inner[:n] == location for inner in locations)


def _describe_one(item: dict[str, object]) -> str:
    location = item["loc"]
    key = ".".join(str(part) for part in location) if isinstance(location, tuple) else ""
    if item["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    if item["type"] == "missing":
        return f"key '{key}' is missing"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"key '{key}': {message} (it is {_REPR.repr(item['input'])})" if key else message
