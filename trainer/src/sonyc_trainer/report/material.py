"""Everything that the report tells, read from the tables of the stages."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_trainer.compared import Compared, read_compared
from sonyc_trainer.findings import Findings, read_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import read_dropped, read_notes
from sonyc_trainer.planning.costs import CostRow, read_costs
from sonyc_trainer.report.charts import Curve
from sonyc_trainer.report.spectrograms import ClassSpectrograms, read_spectrograms
from sonyc_trainer.results import Results, read_results
from sonyc_trainer.stages import Stage

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Material:
    """What the report is written from.

    Attributes:
        folder: The study's.
        results: Its matrix.
        findings: Intervals and differences.
        costs: What every coding takes and leaves.
        timings: Milliseconds per coding.
        ledger: Rows of stage, rule and clips.
        breakdown: Clips per class and split.
        dropped: Rows of stage, clip, rule and detail.
        confusion: Rows of the confusion matrices, of the reported split.
        classes: Rows of counts per class, trained and tested level, of the same.
        curves: Losses of each head over epochs.
        spectrograms: One clip per class.
        cutoffs_hz: Where each level cuts off.
        notes: What a reader must know.
        compared: The study beside its variants.
    """

    folder: StudyFolder
    results: Results
    findings: Findings
    costs: list[CostRow]
    timings: Rows
    ledger: Rows
    breakdown: list[tuple[str, dict[str, int]]]
    dropped: Rows
    confusion: Rows
    classes: Rows
    curves: list[Curve]
    spectrograms: list[ClassSpectrograms]
    cutoffs_hz: dict[Level, float | None]
    notes: list[str]
    compared: Compared

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads, in the order in which they are shown."""
        return self.results.heads

    @property
    def levels(self) -> tuple[str, ...]:
        """The tested levels."""
        return self.results.levels

    def confusion_of(self, head: str, level: str) -> list[list[int]]:
        """Give one confusion matrix, true classes down; empty where there is none."""
        rows = [row for row in self.confusion if (row["trained"], row["tested"]) == (head, level)]
        return [[int(row[label]) for label in LABELS] for row in rows]


def read_material(folder: StudyFolder) -> Material:
    """Read the tables of a study whose stages before `report` are finished.

    Raises:
        StageError: a table is missing.
    """
    results = read_results(folder)
    confusion = _rows(folder.of(Stage.EVALUATE) / "confusion.csv")
    classes = _rows(folder.of(Stage.EVALUATE) / "classes.csv")
    dropped = read_dropped(folder).astype(str).to_dict(orient="records")
    return Material(
        folder=folder,
        results=results,
        findings=read_findings(folder),
        costs=read_costs(folder.costs),
        timings=_rows(folder.cost_timings),
        ledger=_rows(folder.ledger),
        breakdown=[(row.pop("label"), {k: int(n) for k, n in row.items()}) for row in _rows(folder.breakdown)],
        dropped=[{str(key): str(value) for key, value in row.items()} for row in dropped],
        confusion=[row for row in confusion if row["split"] == results.split],
        classes=[row for row in classes if row["split"] == results.split],
        curves=[curve for head in results.heads for curve in _curves(folder, head)],
        spectrograms=[read_spectrograms(folder.spectrogram(label), label) for label in _shown(folder)],
        cutoffs_hz={
            Level(row["level"]): float(row["cutoff_hz"]) if row["cutoff_hz"] else None for row in _rows(folder.cutoffs)
        },
        notes=read_notes(folder),
        compared=read_compared(folder.of(Stage.COMPARE)),
    )


def head_title(head: str) -> str:
    """Name a head for a reader."""
    return "level-robust" if head == "any" else head


def first_seed(material: Material) -> str:
    """Say, in a caption, that counts are not means over seeds; nothing where there is one seed."""
    return ", with the heads of the first seed" if material.findings.facts.n_seeds > 1 else ""


def known(value: float) -> float | None:
    """Give a number, or None for NaN."""
    return None if isnan(value) else value


def _curves(folder: StudyFolder, head: str) -> Sequence[Curve]:
    kinds = (("training", "train_loss"), ("validation", "validation_loss"))
    rows = _rows(folder.of(Stage.TRAIN) / f"curve-{head}.csv")
    return [
        Curve(head_title(head), name, int(row["epoch"]), float(row[column])) for name, column in kinds for row in rows
    ]


def _shown(folder: StudyFolder) -> list[str]:
    return [row["label"] for row in _rows(folder.spectrogram_clips)]


def _rows(path: Path) -> Rows:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
