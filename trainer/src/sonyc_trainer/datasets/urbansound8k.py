"""UrbanSound8K: `metadata/UrbanSound8K.csv`, and the audio in `audio/fold1` ... `audio/fold10`."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_trainer.datasets.listing import (
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


def list_clips(settings: DatasetSettings) -> Listing:
    """List every clip of the metadata, with its fold and, as its group, the Freesound recording it was cut from.

    Raises:
        DatasetError: a missing column, an unknown class, a fold that does not exist, a clip that is listed twice, or
            audio files that are not there.
    """
    folder = dataset_folder(settings)
    path = folder / "metadata" / "UrbanSound8K.csv"
    if not path.is_file():
        raise DatasetError(
            f"{folder}: has no metadata/UrbanSound8K.csv; give the folder UrbanSound8K was unpacked into"
        )
    classes = settings.classes or DEFAULT_CLASSES
    check_class_names(settings, CLASSES, classes)
    frame = read_csv(path, _COLUMNS)
    _check_rows(path, frame)
    prefix = settings.sources or _SOURCES
    clips = [
        Clip(
            clip_id=f"{settings.name}/fold{fold}/{Path(name).stem}",
            dataset=settings.name,
            path=str(folder / "audio" / f"fold{fold}" / name),
            labels=labels_of(class_name, classes),
            group=f"{prefix}/{source}",
            fold=int(fold),
            is_background=class_name in settings.background,
        )
        for name, source, fold, class_name in zip(*(frame[column] for column in _COLUMNS), strict=True)
    ]
    check_files(path, (Path(clip.path) for clip in clips))
    return Listing(clips)


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
