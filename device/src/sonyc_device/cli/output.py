"""What all commands share: exit codes, printed reports, and arguments that several take."""

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sonyc_contract.errors import LevelError
from sonyc_contract.levels import Level, parse_level
from sonyc_device.places import CONFIG

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction[argparse.ArgumentParser]

OK, FAILURE, USAGE, DEGRADED = 0, 1, 2, 3

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_MAX_DURATION_S = 30 * 86_400.0


def add_config(parser: argparse.ArgumentParser) -> None:
    """Let a command take the node's configuration."""
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="the node's TOML file (default %(default)s)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command print JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Let a command take the TFLite runtime."""
    parser.add_argument(
        "--runtime", choices=("litert", "tflite"), default="litert", help="TFLite runtime (default %(default)s)"
    )


def report(document: Mapping[str, object], *, as_json: bool) -> None:
    """Print a document as JSON, or as a line per value."""
    if as_json:
        print(json.dumps(document))
        return
    rows = list(_rows(document))
    width = max(len(key) for key, _ in rows)
    for key, text in rows:
        print(f"{key:<{width}} {text}")


def level(text: str) -> Level:
    """Read an argument as a level."""
    try:
        return parse_level(text)
    except LevelError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def seconds(text: str) -> float:
    """Read an argument as a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def duration(text: str) -> float:
    """Read an argument such as 1h, 30m or 90s, in seconds."""
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])", text)
    value_s = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < value_s <= _MAX_DURATION_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 1h, 30m or 90s, of at most 30d")
    return value_s


def fail(error: Exception | str, code: int) -> int:
    """Print an error in one line, and give the exit code."""
    sys.stdout.flush()
    print(f"sonyc-device: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _rows(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", text) for inner, text in _rows(value))
        else:
            yield key, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
