"""What every dataset format comes down to: clips, what was left out and why, and notes for the report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sonyc_contract.files import sha256_hex
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetSettings

if TYPE_CHECKING:
    import pandas as pd

NO_FOLD: Final = -1

AUDIO_SUFFIXES: Final = frozenset(
    {".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav"}
)
"""Endings of what libsndfile reads, in lower case; in folders of classes other files are passed over."""

_N_SHOWN = 3


class Clip(NamedTuple):
    """A row of `tables.CLIPS`."""

    clip_id: str
    dataset: str
    path: str
    labels: list[str]
    group: str
    fold: int = NO_FOLD
    is_background: bool = False
    only_trains: bool = False


class Dropped(NamedTuple):
    """A clip that is left out: by which rule, and what exactly was found."""

    clip_id: str
    rule: str
    detail: str = ""


@dataclass(frozen=True)
class Listing:
    """What a dataset holds.

    Attributes:
        clips: A row per clip that may be used.
        dropped: Clips that the format itself leaves out.
        notes: What a reader of the report must know, a line each.
    """

    clips: Sequence[Clip]
    dropped: Sequence[Dropped] = ()
    notes: Sequence[str] = ()


def dataset_folder(settings: DatasetSettings) -> Path:
    """Give the folder that the study located.

    Raises:
        DatasetError: the study was not loaded with `load_study`.
    """
    if settings.path is None:
        raise DatasetError(f"dataset {settings.name!r} has no folder: load the study with load_study")
    return settings.path


def read_csv(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Read columns of a CSV file as text, stripped.

    Raises:
        DatasetError: the file is missing, not CSV, without rows, or lacks columns.
    """
    import pandas as pd

    try:
        header = pd.read_csv(path, nrows=0).columns
        check_columns(path, header, columns)
        frame = pd.read_csv(path, usecols=list(columns), dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas raises kinds of ValueError for what is not CSV
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise DatasetError(f"{path}: cannot be read: {reason}") from error
    if frame.empty:
        raise DatasetError(f"{path}: has no rows")
    return pd.DataFrame({column: frame[column].str.strip() for column in columns})


def check_columns(path: Path, header: Iterable[str], columns: Iterable[str]) -> None:
    """Check that a table has its columns.

    Raises:
        DatasetError: naming the first that are missing, and how many there are.
    """
    present = set(header)
    if missing := [name for name in columns if name not in present]:
        raise DatasetError(f"{path}: {_some('column', missing)} missing; is this the dataset's own file?")


def check_files(source: Path, paths: Iterable[Path]) -> None:
    """Check that audio files are there.

    Args:
        source: The file that names them.
        paths: The files.

    Raises:
        DatasetError: naming the first that are missing, and how many there are.
    """
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DatasetError(f"{source}: {_some('audio file', missing)} not there; download or unpack the rest")


def audio_below(folder: Path) -> list[Path]:
    """List the audio files in a folder and all below it, hidden ones left out, in the order of their paths."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def files_digest(files: Iterable[Path]) -> str:
    """Give a digest of names, sizes and times of files, by which one sees whether they are still the same."""
    statuses = ((str(path), path.stat()) for path in files)
    listed = [(name, status.st_size, status.st_mtime_ns) for name, status in statuses]
    return sha256_hex(repr(listed).encode())


def check_class_names(settings: DatasetSettings, known: Iterable[str], mapped: Iterable[str]) -> None:
    """Check that the classes which the study names are the dataset's, and none both something and nothing.

    Args:
        settings: The dataset's, with its `classes` and `background`.
        known: The dataset's classes.
        mapped: Those that are one of SONYC's.

    Raises:
        DatasetError: naming the first that it has not, and those that it has; the first that is mapped and background.
    """
    names = set(known)
    for what, named in (("'classes' maps", settings.classes), ("'background' names", settings.background)):
        if unknown := sorted(set(named) - names):
            raise DatasetError(
                f"dataset {settings.name!r}: {what} {unknown[0]!r}, which is no class of it; it has "
                f"{', '.join(sorted(names))}"
            )
    if both := sorted(set(settings.background) & set(mapped)):
        raise DatasetError(
            f"dataset {settings.name!r}: 'background' names {both[0]!r}, which is one of the eight classes: give "
            "'classes' without it"
        )


def labels_of(name: str, classes: Mapping[str, str]) -> list[str]:
    """Give SONYC's class for a dataset's class, as a list that is empty where there is none."""
    return [classes[name]] if name in classes else []


def line_of(index: object) -> int:
    """Give the line in the file of a row of `read_csv`."""
    return int(str(index)) + 2  # counted from one, after the header


def _some(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_N_SHOWN])
    if len(names) == 1:
        return f"{what} {shown} is"
    more = ", ..." if len(names) > _N_SHOWN else ""
    return f"{len(names)} {what}s ({shown}{more}) are"
