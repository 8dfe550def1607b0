"""SONYC-UST as published: `annotations.csv` of V1 (70 columns) or V2.3, and the audio below the same folder.

A row of annotations.csv is one annotation act. `annotator_id` 0 is the agreed ground truth, a negative one a team
member, a positive one a volunteer; only the agreed row of a clip is used here. A presence is 1, 0, or -1 where the row
says nothing of the class; it may be written as a float.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.labels import LABELS
from sonyc_trainer.datasets.listing import (
    Clip,
    Dropped,
    Listing,
    check_files,
    dataset_folder,
    line_of,
    read_csv,
)
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.study import DatasetSettings

if TYPE_CHECKING:
    import pandas as pd

PRESENCE_COLUMNS: Final = tuple(f"{number}_{label}_presence" for number, label in enumerate(LABELS, start=1))
"""Columns of the eight coarse classes, such as `1_engine_presence`."""

NO_AGREED_ROW: Final = "no agreed annotation"

_ANNOTATIONS = "annotations.csv"
_AGREED = 0
_USED_COLUMNS = ("sensor_id", "audio_filename", "annotator_id", *PRESENCE_COLUMNS)
_COARSE_PRESENCE = re.compile(r"\d+_.+_presence")


def list_clips(settings: DatasetSettings) -> Listing:
    """List the clips that have an agreed annotation, each with the coarse classes that are present in it.

    The group of a clip is its sensor. Clips without an agreed annotation are dropped by rule `no agreed annotation`.

    Raises:
        DatasetError: a missing column, an unknown class, a value that is not allowed, two agreed rows for one clip,
            or audio files that are not there.
    """
    folder = dataset_folder(settings)
    path = folder / _ANNOTATIONS
    if not path.is_file():
        raise DatasetError(f"{folder}: has no {_ANNOTATIONS}; give the folder that SONYC-UST was unpacked into")
    frame = read_csv(path, _USED_COLUMNS)
    _check_classes(path)
    annotators = _numbers(path, frame["annotator_id"], "a whole number")
    agreed = frame[annotators == _AGREED]
    _check_agreed_once(path, agreed)
    names = frame["audio_filename"].drop_duplicates()
    audio = _locate(folder, names)
    check_files(path, audio.values())
    clips = _clips(settings, agreed, _present(path, agreed), audio)
    with_row = set(agreed["audio_filename"])
    dropped = [Dropped(_clip_id(settings, name), NO_AGREED_ROW) for name in names if name not in with_row]
    return Listing(clips, dropped)


def _clips(
    settings: DatasetSettings, agreed: "pd.DataFrame", present: "pd.DataFrame", audio: dict[str, Path]
) -> list[Clip]:
    prefix = settings.sources or settings.name
    rows = zip(agreed["audio_filename"], agreed["sensor_id"], present.to_numpy(), strict=True)
    return [
        Clip(
            clip_id=_clip_id(settings, name),
            dataset=settings.name,
            path=str(audio[name]),
            labels=[label for label, is_present in zip(LABELS, flags, strict=True) if is_present],
            group=f"{prefix}/{sensor}",
        )
        for name, sensor, flags in rows
    ]


def _clip_id(settings: DatasetSettings, name: str) -> str:
    return f"{settings.name}/{Path(name).with_suffix('')}"


def _check_classes(path: Path) -> None:
    import pandas as pd

    header = [str(name) for name in pd.read_csv(path, nrows=0).columns]
    coarse = [name for name in header if _COARSE_PRESENCE.fullmatch(name)]
    if unknown := [name for name in coarse if name not in PRESENCE_COLUMNS]:
        raise DatasetError(f"{path}: unknown class in column {unknown[0]!r}; SONYC-UST has {', '.join(LABELS)}")


def _numbers(path: Path, texts: "pd.Series[str]", wanted: str) -> "pd.Series[float]":
    import pandas as pd

    numbers = pd.to_numeric(texts, errors="coerce")
    bad = texts[numbers.isna() | (numbers % 1 != 0)]
    if len(bad):
        raise DatasetError(
            f"{path}, line {line_of(bad.index[0])}: {texts.name} is {bad.iloc[0]!r}; it must be {wanted}"
        )
    return numbers


def _check_agreed_once(path: Path, agreed: "pd.DataFrame") -> None:
    names = agreed["audio_filename"]
    twice = names[names.duplicated(keep=False)]
    if len(twice):
        lines = [line_of(index) for index in twice[twice == twice.iloc[0]].index]
        raise DatasetError(
            f"{path}: {twice.iloc[0]} has {len(lines)} agreed rows (annotator_id 0), lines "
            f"{', '.join(map(str, lines))}; leave one"
        )


def _present(path: Path, agreed: "pd.DataFrame") -> "pd.DataFrame":
    """Give bool [n_agreed, 8]; an empty field says as little as -1."""
    import pandas as pd

    flags = {}
    for column in PRESENCE_COLUMNS:
        texts = agreed[column].replace("", "-1")
        numbers = pd.to_numeric(texts, errors="coerce")
        bad = agreed[column][~numbers.isin([-1, 0, 1])]
        if len(bad):
            raise DatasetError(
                f"{path}, line {line_of(bad.index[0])}: {column} is {bad.iloc[0]!r}; allowed are 1, 0 and -1"
            )
        flags[column] = numbers == 1
    return pd.DataFrame(flags)


def _locate(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Find audio in `audio/`, where both versions unpack it, or in folders below it or beside it."""
    located = {name: folder / "audio" / name for name in names}
    lost = {name for name, path in located.items() if not path.is_file()}
    if lost:
        for path in sorted(folder.rglob("*")):
            if path.name in lost and path.is_file():
                located[path.name] = path
    return located
