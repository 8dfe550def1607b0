"""TOML files: validated at the edge, and every error names file, key, value and what is allowed."""

from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from sonyc_contract.errors import ConfigError
from sonyc_contract.settings import Settings, load_toml


class Colour(StrEnum):
    """An enum in a table."""

    RED = "red"
    BLUE = "blue"


class Inner(Settings):
    """An inner table."""

    threshold: float = Field(default=0.5, ge=0, le=1)
    folder: Path = Path("out")


class Outer(Settings):
    """A file."""

    n_threads: int = Field(ge=1)
    is_on: bool = False
    colour: Colour = Colour.RED
    rates_hz: tuple[int, ...] = ()
    tables: tuple[Inner, ...] = Field(default=(Inner(),), min_length=1)
    inner: Inner = Inner()


def _load(tmp_path: Path, text: str | bytes) -> Outer:
    path = tmp_path / "node.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_toml(path, Outer)


def _refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'node.toml'}: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 500
    return message.removeprefix(f"{tmp_path / 'node.toml'}: ")


def test_read(tmp_path: Path) -> None:
    top = 'n_threads = 2\nis_on = true\ncolour = "blue"\nrates_hz = [16000, 48000]'
    settings = _load(tmp_path, f'{top}\n[inner]\nthreshold = 1\nfolder = "x"\n')
    inner = Inner(threshold=1.0, folder=Path("x"))
    assert settings == Outer(n_threads=2, is_on=True, colour=Colour.BLUE, rates_hz=(16_000, 48_000), inner=inner)


def test_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, "n_threads = 1") == Outer(n_threads=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "key 'n_threads' is missing"),
        ("n_threads = 1\nn_thread = 2", "unknown key 'n_thread'"),
        ("n_threads = 1\n[inner]\nfoldr = 'x'", "unknown key 'inner.foldr'"),
        ("n_threads = 1\n[iner]", "unknown key 'iner'"),
        ("n_threads = 0", "key 'n_threads': Input should be greater than or equal to 1 (it is 0)"),
        ("n_threads = '2'", "key 'n_threads': Input should be a valid integer (it is '2')"),
        ("n_threads = 2.0", "key 'n_threads'"),
        ("n_threads = true", "key 'n_threads'"),
        ("n_threads = 1\nis_on = 1", "key 'is_on': Input should be a valid boolean (it is 1)"),
        ("n_threads = 1\nis_on = 'yes'", "key 'is_on'"),
        ("n_threads = 1\ncolour = 'green'", "key 'colour': Input should be 'red' or 'blue' (it is 'green')"),
        ("n_threads = 1\nrates_hz = 16000", "key 'rates_hz'"),
        ("n_threads = 1\nrates_hz = [16000, '48000']", "key 'rates_hz.1'"),
        ("n_threads = 1\n[inner]\nthreshold = 1.5", "key 'inner.threshold'"),
        ("n_threads = 1\n[inner]\nthreshold = nan", "key 'inner.threshold'"),
        ("n_threads = 1\n[inner]\nthreshold = inf", "key 'inner.threshold'"),
        ("n_threads = 1\n[inner]\nfolder = 7", "key 'inner.folder'"),
        ("n_threads = 1\ninner = 3", "key 'inner'"),
        ("n_threads = 1\ntables = []", "key 'tables': Tuple should have at least 1 item"),
        ("n_threads = 2026-11-23", "key 'n_threads'"),
        (f"n_threads = '{'x' * 5_000}'", "key 'n_threads'"),
    ],
)
def test_wrong_values(text: str, message: str, tmp_path: Path) -> None:
    assert message in _refusal(tmp_path, text)


def test_every_fault_is_named(tmp_path: Path) -> None:
    refusal = _refusal(tmp_path, "n_threads = 0\ncolour = 'green'\nmore = 1")
    assert refusal.count("; ") == 2
    for key in ("n_threads", "colour", "more"):
        assert f"'{key}'" in refusal


def test_array_of_one_wrong_table_is_not_called_short_too(tmp_path: Path) -> None:
    assert _refusal(tmp_path, "n_threads = 1\n[[tables]]\nfoldr = 'x'") == "unknown key 'tables.0.foldr'"


@pytest.mark.parametrize(
    "text",
    [
        b"n_threads",
        b"n_threads = 1\nn_threads = 2",
        b"\xff\xfe",
        b"x = " + b"9" * 5_000,
        b"x = " + b"[" * 20_000,
    ],
)
def test_not_toml(text: bytes, tmp_path: Path) -> None:
    assert _refusal(tmp_path, text).startswith("not a TOML file: ")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file or directory"):
        load_toml(tmp_path / "absent.toml", Outer)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_toml(tmp_path, Outer)


def test_settings_are_frozen() -> None:
    settings = Outer(n_threads=1)
    with pytest.raises(ValidationError, match="frozen"):
        settings.n_threads = 2  # type: ignore[misc]
