"""The benchmark's options: read once, checked, and named where they are wrong."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from sonyc_contract.codec import STORAGE_RATES_HZ
from sonyc_contract.errors import LevelError
from sonyc_contract.levels import parse_level
from sonyc_contract.runtime import Runtime
from sonyc_tools.bench.settings import BenchSettings, Judging

_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Given:
    """The options as they were typed; see `BenchSettings` for what they mean."""

    bundles: Sequence[Path]
    audio: Path | None
    levels: Sequence[str]
    rates_hz: Sequence[int] | None
    runtimes: Sequence[str]
    threads: Sequence[int]
    hop_s: float | None
    card: str
    n_reps: int | None
    n_agent_clips: int
    max_load: float
    peers: Path | None
    study: Path | None
    data: Sequence[str]
    models: Sequence[str]
    cache: Path | None
    by_fold: Sequence[str]


def parse(given: Given) -> BenchSettings:
    """Check what was typed.

    Raises:
        typer.BadParameter: an option has a value that is none; names it.
    """
    with _of("--level"):
        levels = tuple(dict.fromkeys(map(parse_level, given.levels))) or None
    with _of("--runtime"):
        runtimes = tuple(dict.fromkeys(map(_runtime, given.runtimes))) or None
    with _of("--rate"):
        rates_hz = tuple(map(_rate, given.rates_hz)) if given.rates_hz is not None else BenchSettings.rates_hz
    with _of("--card"):
        card_bytes = _size(given.card)
    with _of("--hop"):
        hop_s = None if given.hop_s is None else _positive(given.hop_s)
    with _of("--max-load"):
        max_load = _positive(given.max_load)
    if given.study is not None and given.peers is None:
        raise typer.BadParameter("needs --peers DIR, whose models are judged", param_hint="'--yardstick'")
    if given.study is not None and not given.study.is_file():
        raise typer.BadParameter(f"{given.study}: no such file", param_hint="'--yardstick'")
    return BenchSettings(
        bundles=tuple(given.bundles),
        audio=given.audio,
        levels=levels,
        rates_hz=rates_hz,
        runtimes=runtimes,
        threads=tuple(dict.fromkeys(given.threads)),
        hop_s=hop_s,
        card_bytes=card_bytes,
        n_reps=given.n_reps or BenchSettings.n_reps,
        max_timing_s=BenchSettings.max_timing_s if given.n_reps is None else math.inf,
        n_agent_clips=given.n_agent_clips,
        max_load=max_load,
        peers=given.peers,
        judging=Judging(
            given.study,
            _named(given.data, "--data"),
            _named(given.models, "--model"),
            given.cache,
            tuple(given.by_fold),
        ),
    )


@contextmanager
def _of(option: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LevelError) as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from error


def _runtime(text: str) -> Runtime:
    if text not in set(Runtime):
        raise ValueError(f"{text!r} is not one of {', '.join(Runtime)}")
    return Runtime(text)


def _rate(rate_hz: int) -> int:
    if rate_hz not in STORAGE_RATES_HZ:
        raise ValueError(f"{rate_hz} is not one of {', '.join(map(str, STORAGE_RATES_HZ))}")
    return rate_hz


def _positive(value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{value:g} is not above 0")
    return value


def _size(text: str) -> int:
    """Read a size in bytes; GB counts in thousands as on cards, GiB in 1024."""
    match = _SIZE.fullmatch(text)
    n_bytes = 0.0
    if match is not None and (match[2] or not match[3]):
        n_bytes = float(match[1]) * (1024.0 if match[3] else 1000.0) ** _POWERS[match[2].lower()]
    if n_bytes < 1:
        raise ValueError(f"{text!r} is not a size such as 64GB, 32GiB or 500MB")
    return round(n_bytes)


def _named(texts: Sequence[str], option: str) -> dict[str, Path]:
    """Read NAME=PATH of an option that may be repeated."""
    found = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=PATH", param_hint=f"'{option}'")
        found[name] = Path(path)
    return found
