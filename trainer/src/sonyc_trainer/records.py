"""Small tables as CSV whose columns are the fields of a dataclass, so that who writes and who reads agree."""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from sonyc_trainer.errors import StageError
from sonyc_trainer.ledger import write_csv
from sonyc_trainer.statistics.bootstrap import Estimate

T = TypeVar("T")

_PARSERS: Final[dict[type, Callable[[str], Any]]] = {
    str: str,
    int: int,
    float: lambda text: float(text) if text else float("nan"),
    bool: lambda text: {"True": True, "False": False}[text],
    # every other kind, such as an enumeration, is made from its text
}


def columns_of(kind: type) -> tuple[str, ...]:
    """Name the columns of a dataclass: its fields; an `Estimate` takes three, such as `f1`, `f1_low`, `f1_high`."""
    return tuple(column for name, hint in get_type_hints(kind).items() for column in _columns(name, hint))


def write_records(path: Path, kind: type[T], records: Sequence[T]) -> None:
    """Write a table whole, a row per record; NaN is an empty field."""
    write_csv(path, [_row(kind, record) for record in records], columns_of(kind))


def read_records(path: Path, kind: type[T]) -> tuple[T, ...]:
    """Read what `write_records` wrote.

    Raises:
        StageError: the file is missing, or is another table.
    """
    if not path.is_file():
        raise StageError(f"{path} is missing: run the stage that writes it")
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        found, expected = tuple(reader.fieldnames or ()), columns_of(kind)
        if found != expected:
            raise StageError(f"{path} has the columns {', '.join(found)}; expected {', '.join(expected)}")
        return tuple(_record(kind, row) for row in reader)


def _columns(name: str, hint: type) -> tuple[str, ...]:
    return (name, f"{name}_low", f"{name}_high") if hint is Estimate else (name,)


def _row(kind: type[T], record: T) -> list[object]:
    values: list[object] = []
    for name in get_type_hints(kind):
        value = getattr(record, name)
        values += dataclasses.astuple(value) if isinstance(value, Estimate) else [value]
    return values


def _record(kind: type[T], row: dict[str, str]) -> T:
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        parse = _PARSERS[float] if hint is Estimate else _PARSERS.get(hint, hint)
        parts = [parse(row[column]) for column in _columns(name, hint)]
        values[name] = Estimate(*parts) if hint is Estimate else parts[0]
    return kind(**values)
