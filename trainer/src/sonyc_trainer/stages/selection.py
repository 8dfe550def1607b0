"""Stage `select`: clips of exactly one class, divided into train, validation and test before anything is compressed."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from sonyc_contract.labels import LABELS
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import Dropped
from sonyc_trainer.errors import SelectionError
from sonyc_trainer.folder import Stage, StudyFolder
from sonyc_trainer.ledger import DROPPED, LEDGER, ledger_rows, read_dropped, write_csv, write_notes
from sonyc_trainer.splitting import SPLITS, TEST, Example, divide
from sonyc_trainer.study import SplitMode, SplitSettings
from sonyc_trainer.tables import CLIPS, SELECTION, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

NO_CLASS: Final = "none of the eight classes"
SEVERAL_CLASSES: Final = "more than one class"
IN_TEST_FOLD: Final = "recording is also in a test fold"

BREAKDOWN: Final = ("label", *SPLITS)
"""Clips per class and split."""


def run(folder: StudyFolder, context: StageContext) -> None:
    """Select, divide, and say what was dropped.

    Raises:
        SelectionError: too few groups, folds that do not exist, or a class that nothing is left of to train on.
    """
    clips = read_table(folder.clips, CLIPS)
    n_labels = clips["labels"].map(len)
    dropped = [Dropped(str(clip_id), NO_CLASS) for clip_id in clips["clip_id"][n_labels == 0]]
    several = clips[n_labels > 1]
    dropped += [
        Dropped(str(clip_id), SEVERAL_CLASSES, " + ".join(labels))
        for clip_id, labels in zip(several["clip_id"], several["labels"], strict=True)
    ]
    single = clips[n_labels == 1].copy()
    single["label"] = single["labels"].map(lambda labels: str(labels[0]))
    single["split"] = _splits(single, folder.study.split, folder.study.seed)
    leaking = single[single["split"] == ""]
    dropped += [
        Dropped(str(clip_id), IN_TEST_FOLD, str(group))
        for clip_id, group in zip(leaking["clip_id"], leaking["group"], strict=True)
    ]
    _write(folder, single[single["split"] != ""], dropped)


def _splits(clips: "pd.DataFrame", settings: SplitSettings, seed: int) -> list[str]:
    rows = zip(clips["label"], clips["group"], clips["fold"], strict=True)
    examples = [Example(str(label), str(group), int(fold)) for label, group, fold in rows]
    if not examples:
        raise SelectionError("no clip has exactly one of the eight classes: check the dataset and its 'classes'")
    return divide(examples, settings, seed=seed)


def _write(folder: StudyFolder, selected: "pd.DataFrame", dropped: list[Dropped]) -> None:
    counts = Counter(zip(selected["label"], selected["split"], strict=True))
    numbers = {label: [counts[label, split] for split in SPLITS] for label in LABELS}
    write_csv(folder.dropped(Stage.SELECT), dropped, DROPPED)
    write_csv(folder.breakdown, [(label, *row) for label, row in numbers.items()], BREAKDOWN)
    write_csv(folder.ledger, ledger_rows(read_dropped(folder), len(selected)), LEDGER)
    write_notes(folder.notes(Stage.SELECT), [*_notes(folder.study.split, numbers), *_source_notes(selected)])
    write_table(folder.selection, selected, SELECTION)


def _source_notes(selected: "pd.DataFrame") -> list[str]:
    """Name the classes that only a smaller dataset has: a recogniser may know them by how that set was recorded."""
    largest = selected["dataset"].mode()[0]
    notes = []
    for label, datasets in selected.groupby("label")["dataset"].unique().items():
        if len(datasets) == 1 and datasets[0] != largest:
            notes.append(
                f"Class {label} is in dataset {datasets[0]} only, whose sound may give it away: judge without it, too."
            )
    return notes


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
