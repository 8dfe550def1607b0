"""Stage `select`: clips of one class, or of any number for `labels = "multi"`, and clips that hold none of them.

They are divided into train, validation and test here, before they are compressed.
"""

from collections import Counter
from typing import TYPE_CHECKING, Final

from sonyc_contract.labels import LABELS
from sonyc_trainer.background_clips import BACKGROUND, is_background
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import Dropped
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.errors import SelectionError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import DROPPED, LEDGER, ledger_rows, read_dropped, write_csv, write_notes
from sonyc_trainer.splitting import SPLITS, TEST, Example, divide
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat, SplitMode, SplitSettings, Study
from sonyc_trainer.tables import CLIPS, SELECTION, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS: Final = "none of the eight classes"
SEVERAL_CLASSES: Final = "more than one class"
IN_TEST_FOLD: Final = "recording is also in a test fold"
JUDGED: Final = "only trains, and its recording or fold is in validation or test"

_NAMES_EVERY_CLASS: Final = (DatasetFormat.SONYC_UST, DatasetFormat.SCENES)
"""Formats whose clips were listened to for all eight classes; a clip of the others is named by one sound in it."""

_OF_LEAKING: Final = ("clip_id", "group", "only_trains")

BREAKDOWN: Final = ("label", *SPLITS)
"""Clips per class and split; a last row for background clips where there are any."""


def run(folder: StudyFolder, context: StageContext) -> None:
    """Select, divide, and say what was dropped.

    Raises:
        SelectionError: too few groups, folds that do not exist, or a class that nothing is left of to train on.
    """
    usable, dropped = _usable(read_table(folder.clips, CLIPS), folder.study)
    usable["split"] = _splits(usable, folder.study)
    leaking = usable[usable["split"] == ""]
    dropped += [
        Dropped(str(clip_id), JUDGED if only_trains else IN_TEST_FOLD, str(group))
        for clip_id, group, only_trains in zip(*(leaking[column] for column in _OF_LEAKING), strict=True)
    ]
    _write(folder, usable[usable["split"] != ""], dropped)


def _usable(clips: "pd.DataFrame", study: Study) -> tuple["pd.DataFrame", list[Dropped]]:
    """Leave out the clips whose classes are not known, and of a single-label study those of none or several.

    What the study says to be background stays, in both kinds of study.
    """
    n_labels = clips["labels"].map(len)
    without, several = (n_labels == 0) & ~clips["is_background"], n_labels > 1
    if study.labels is LabelMode.MULTI:
        # A clip that was listened to for all classes and has none is an example of each one's absence.
        listened = {dataset.name for dataset in study.dataset if dataset.format in _NAMES_EVERY_CLASS}
        without, several = without & ~clips["dataset"].isin(listened), several & False
    dropped = [Dropped(str(clip_id), NO_CLASS) for clip_id in clips["clip_id"][without]]
    dropped += [
        Dropped(str(clip_id), SEVERAL_CLASSES, " + ".join(labels))
        for clip_id, labels in zip(clips["clip_id"][several], clips["labels"][several], strict=True)
    ]
    return clips[~without & ~several].copy(), dropped


def _splits(clips: "pd.DataFrame", study: Study) -> list[str]:
    rows = zip(clips["labels"], clips["group"], clips["fold"], clips["only_trains"], strict=True)
    examples = [Example(tuple(labels), str(group), int(fold), bool(trains)) for labels, group, fold, trains in rows]
    if not any(example.labels for example in examples if not example.only_trains):
        number = "exactly one" if study.labels is LabelMode.SINGLE else "any"
        raise SelectionError(f"no clip has {number} of the eight classes: check the dataset and its 'classes'")
    return divide(examples, study.split, seed=study.seed)


def _write(folder: StudyFolder, selected: "pd.DataFrame", dropped: list[Dropped]) -> None:
    rows = zip(selected["labels"], selected["split"], strict=True)
    counts = Counter((label, split) for labels, split in rows for label in labels)
    numbers = {label: [counts[label, split] for split in SPLITS] for label in LABELS}
    empty = Counter(selected.loc[is_background(selected["labels"]), "split"])
    rows_of_none = [(BACKGROUND, *(empty[split] for split in SPLITS))] if empty else []
    write_csv(folder.dropped(Stage.SELECT), dropped, DROPPED)
    write_csv(folder.breakdown, [*((label, *row) for label, row in numbers.items()), *rows_of_none], BREAKDOWN)
    write_csv(folder.ledger, ledger_rows(read_dropped(folder), len(selected)), LEDGER)
    write_notes(
        folder.notes(Stage.SELECT),
        [
            *_notes(folder.study.split, numbers),
            *_mixture_notes(selected, folder.study.labels),
            *_only_trains_notes(selected),
        ],
    )
    write_table(folder.selection, selected, SELECTION)


def _only_trains_notes(selected: "pd.DataFrame") -> list[str]:
    numbers = selected.loc[selected["only_trains"], "dataset"].value_counts(sort=False)
    return [
        f"The {n} clips of dataset {name} are learned from only: no figure is of them." for name, n in numbers.items()
    ]


def _mixture_notes(selected: "pd.DataFrame", labels: LabelMode) -> list[str]:
    """Say how many clips have several classes or none; nothing where each has one."""
    n_labels = selected["labels"].map(len)
    if (n_labels == 1).all():
        return []
    if labels is LabelMode.SINGLE:
        return [
            f"Of {len(n_labels)} clips {int((n_labels == 0).sum())} are background, none of the eight classes: heads "
            "and thresholds learn from them; accuracy, macro-F1 and what is compared are of the others."
        ]
    return [
        f"Of {len(n_labels)} clips {int((n_labels > 1).sum())} have several classes and {int((n_labels == 0).sum())} "
        "none: the numbers per class count a clip once for each of its classes."
    ]


def _notes(settings: SplitSettings, numbers: dict[str, list[int]]) -> list[str]:
    notes = []
    for label, row in numbers.items():
        missing = [
            split for split, n in zip(SPLITS, row, strict=True) if n == 0 and (split != TEST or settings.has_test)
        ]
        if not any(row):
            notes.append(f"Class {label} has no clip at all: the models cannot learn it.")
        elif missing:
            notes.append(f"Class {label} has no clip for {' and '.join(missing)}: too few recordings of it.")
    if settings.mode is SplitMode.RANDOM:
        notes.append("The split is random by clip: pieces of one recording or sensor can be in training and in test.")
    return notes
