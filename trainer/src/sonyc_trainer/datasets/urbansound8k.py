"""UrbanSound8K: `metadata/UrbanSound8K.csv`, and the audio in `audio/fold1` ... `audio/fold10`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sonyc_trainer.datasets.clip_lists import ClipList, read_clip_list
from sonyc_trainer.datasets.listing import (
    AUDIO_SUFFIXES,
    Clip,
    Listing,
    check_class_names,
    check_files,
    dataset_folder,
    labels_of,
    line_of,
    read_csv,
)
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetSettings

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_CLASSES: Final = {
    "car_horn": "alert-signal",
    "children_playing": "human-voice",
    "dog_bark": "dog",
    "drilling": "machinery-impact",
    "engine_idling": "engine",
    "gun_shot": "non-machinery-impact",
    "jackhammer": "machinery-impact",
    "siren": "alert-signal",
    "street_music": "music",
}
"""From the dataset's classes to SONYC's; the tenth, air_conditioner, is none of them."""

CLASSES: Final = ("air_conditioner", *DEFAULT_CLASSES)

_COLUMNS = ("slice_file_name", "fsID", "fold", "class")
_N_FOLDS = 10
_SOURCES = "freesound"
_METADATA = "UrbanSound8K.csv"
_EXTRA_METADATA = "UrbanSound8K-extra.csv"


class _Row(NamedTuple):
    """A row of the metadata, and where its audio is said to be."""

    file: Path
    name: str
    source: str
    fold: int
    class_name: str


def list_clips(settings: DatasetSettings) -> Listing:
    """List every clip of the metadata, with its fold and, as its group, the Freesound recording it was cut from.

    Where the study has a list of clips, only these: from the further clips of a copy that has some, too, and from
    files that have another ending than in the metadata.

    Raises:
        DatasetError: a missing column, an unknown class, a fold that does not exist, a clip that is listed twice, or
            audio files that are not there.
    """
    folder = dataset_folder(settings)
    path = folder / "metadata" / _METADATA
    if not path.is_file():
        raise DatasetError(
            f"{folder}: has no metadata/UrbanSound8K.csv; give the folder UrbanSound8K was unpacked into"
        )
    classes = settings.classes or DEFAULT_CLASSES
    check_class_names(settings, CLASSES, classes)
    wanted = read_clip_list(settings)
    rows = _rows(path, folder / "audio")
    notes: list[str] = []
    if wanted is not None:
        rows = [*rows, *_further_rows(folder)]
        notes = wanted.notes(settings.name, len(rows))
        rows = _listed(rows, wanted, folder)
    check_files(path, (row.file for row in rows))
    return Listing([_clip(settings, row, classes) for row in rows], notes=notes)


def _clip(settings: DatasetSettings, row: _Row, classes: Mapping[str, str]) -> Clip:
    return Clip(
        clip_id=f"{settings.name}/{row.name}",
        dataset=settings.name,
        path=str(row.file),
        labels=labels_of(row.class_name, classes),
        group=f"{settings.sources or _SOURCES}/{row.source}",
        fold=row.fold,
        is_background=row.class_name in settings.background,
    )


def _rows(path: Path, audio: Path) -> list[_Row]:
    frame = read_csv(path, _COLUMNS)
    _check_rows(path, frame)
    return [
        _Row(audio / f"fold{fold}" / name, f"fold{fold}/{Path(name).stem}", source, int(fold), class_name)
        for name, source, fold, class_name in zip(*(frame[column] for column in _COLUMNS), strict=True)
    ]


def _further_rows(folder: Path) -> list[_Row]:
    path = folder / "metadata" / _EXTRA_METADATA
    return _rows(path, folder / "extra") if path.is_file() else []


def _listed(rows: list[_Row], wanted: ClipList, folder: Path) -> list[_Row]:
    """Take the rows that a list names, each with the file that is there."""
    taken = [row for row in rows if row.name in wanted.names]
    names = {row.name for row in taken}
    if len(names) < len(taken):
        twice = next(name for name, n in Counter(row.name for row in taken).items() if n > 1)
        raise DatasetError(f"{folder}: {twice} is in the metadata twice, with several endings or in both tables")
    wanted.check_found(names, folder)
    return [row._replace(file=_file(row.file)) for row in taken]


def _file(stated: Path) -> Path:
    """Give the file that is there instead of the one that is stated, where only its ending differs."""
    if stated.is_file():
        return stated
    others = (stated.with_suffix(suffix) for suffix in sorted(AUDIO_SUFFIXES))
    return next((path for path in others if path.is_file()), stated)


def _check_rows(path: Path, frame: "pd.DataFrame") -> None:
    folds = [str(fold) for fold in range(1, _N_FOLDS + 1)]
    for column, allowed in (("class", CLASSES), ("fold", folds)):
        bad = frame[column][~frame[column].isin(allowed)]
        if len(bad):
            raise DatasetError(
                f"{path}, line {line_of(bad.index[0])}: {column} is {bad.iloc[0]!r}; it must be one of "
                f"{', '.join(allowed)}"
            )
    names = frame["slice_file_name"]
    twice = names[names.duplicated()]
    if len(twice):
        raise DatasetError(f"{path}, line {line_of(twice.index[0])}: {twice.iloc[0]} is listed a second time")
