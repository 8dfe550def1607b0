"""What is known of a study's figures beside the figures: intervals, differences, flips, calibration, a verdict.

Stage `evaluate` writes them, as a CSV file per kind of record; report, summary and planner read them here. All are of
the split that the study reports.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sonyc_contract.files import write_whole
from sonyc_trainer.records import read_records, write_records
from sonyc_trainer.statistics.bootstrap import Estimate

if TYPE_CHECKING:
    from sonyc_trainer.folder import StudyFolder

ANY_CLASS: Final = "any"
MICRO: Final = "micro"
MACRO: Final = "macro"


class Comparison(StrEnum):
    """What is set against what."""

    DEPLOYED = "deployed"
    """A level with the head that nodes use there, against `pcm` with its own: what a level costs."""
    TESTED = "tested"
    """The same head at a level and at `pcm`."""
    TRAINED = "trained"
    """At the same tested level, a head and the one that was trained on `pcm`."""


@dataclass(frozen=True)
class CellFinding:
    """A trained level at a tested level.

    Attributes:
        trained: Name of the head.
        tested: The level.
        n_clips: How many clips were tested.
        n_groups: Of how many recordings or sensors.
        n_classes: Macro-F1 is over these.
        accuracy: Share of clips with exactly their classes, mean over seeds.
        macro_f1: Mean F1 of the classes, mean over seeds.
        n_seeds: Heads that were trained with other seeds, the first among them.
        macro_f1_seed_sd: Standard deviation of macro-F1 over seeds; NaN for one.
    """

    trained: str
    tested: str
    n_clips: int
    n_groups: int
    n_classes: int
    accuracy: Estimate
    macro_f1: Estimate
    n_seeds: int
    macro_f1_seed_sd: float


@dataclass(frozen=True)
class ClassFinding:
    """F1 of one class in one cell, of the classes that are there; the mean over seeds."""

    trained: str
    tested: str
    label: str
    n_clips: int
    n_groups: int
    f1: Estimate
    is_measurable: bool


@dataclass(frozen=True)
class Difference:
    """One cell minus another.

    Attributes:
        comparison: What is compared.
        trained: Head of the one.
        tested: Level of the one.
        reference_trained: Head of the other.
        reference_tested: Level of the other.
        n_clips: How many clips both were tested with.
        n_groups: Of how many recordings or sensors.
        accuracy: Difference of accuracy; below 0 is worse than the other.
        macro_f1: Difference of macro-F1.
        p: That the difference of macro-F1 is 0, by the cluster bootstrap.
        p_holm: The same, corrected for the number of differences of this comparison.
        n_lost: Clips that only the other decides right, with the heads of the first seed.
        n_won: Clips that only the one decides right.
        mcnemar_p: Mid-p of McNemar's test, which takes clips as independent.
        mcnemar_p_holm: The same, corrected.
        differs: Whether `p_holm` is below 0.05.
    """

    comparison: Comparison
    trained: str
    tested: str
    reference_trained: str
    reference_tested: str
    n_clips: int
    n_groups: int
    accuracy: Estimate
    macro_f1: Estimate
    p: float
    p_holm: float
    n_lost: int
    n_won: int
    mcnemar_p: float
    mcnemar_p_holm: float
    differs: bool


@dataclass(frozen=True)
class Flips:
    """Clips whose largest output is another at a level than the same head's at `pcm`, with Wilson's interval."""

    trained: str
    tested: str
    n_clips: int
    n_flips: int
    share: Estimate


@dataclass(frozen=True)
class Cosine:
    """How alike a clip's mean embedding at a level is to that at `pcm`, over all clips of the split."""

    level: str
    n_clips: int
    mean: float
    median: float
    p05: float
    lowest: float


@dataclass(frozen=True)
class Auprc:
    """Area under the precision-recall curve of a class, or `micro` or `macro`; NaN where a class has one value."""

    trained: str
    tested: str
    label: str
    n_clips: int
    n_positive: int
    auprc: float
    is_measurable: bool


@dataclass(frozen=True)
class CalibratedClass:
    """What was chosen for a class of a head on the validation clips at the levels that it serves.

    Attributes:
        head: Its name.
        label: The class.
        method: Of calibration.
        n_clips: Validation clips, each counted at every level.
        n_positive: Those of the class.
        slope: Of the logit.
        offset: Added to it.
        brier_before: Mean squared error of the probabilities as the head gives them.
        brier_after: The same of the calibrated ones.
        threshold: Of the calibrated probability.
        target_precision: What was wanted; NaN where thresholds are those of the highest F1.
        is_reached: Whether the threshold has that precision.
    """

    head: str
    label: str
    method: str
    n_clips: int
    n_positive: int
    slope: float
    offset: float
    brier_before: float
    brier_after: float
    threshold: float
    target_precision: float
    is_reached: bool


@dataclass(frozen=True)
class StudyAccuracy:
    """Train and validation accuracy of a head at the levels it learned from, as the original study gave them."""

    head: str
    n_train: int
    train_accuracy: float
    n_validation: int
    n_validation_right: int
    validation_accuracy: Estimate


@dataclass(frozen=True)
class SeedFinding:
    """One cell with the head of one seed; index 0 is the one in the bundle."""

    trained: str
    seed: int
    tested: str
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class BackgroundFinding:
    """Background clips of a dataset in which a head of the first seed detects something.

    Attributes:
        split: `test` or `validation`; the thresholds were chosen on the latter.
        dataset: Where the clips are from.
        trained: Name of the head.
        tested: The level.
        label: The class that is detected; `any` for one or more of them.
        n_clips: How many background clips there are.
        n_groups: Of how many recordings.
        n_detected: How many of them have the detection.
        share: Their share, with Wilson's interval, which takes clips as independent.
    """

    split: str
    dataset: str
    trained: str
    tested: str
    label: str
    n_clips: int
    n_groups: int
    n_detected: int
    share: Estimate


@dataclass(frozen=True)
class Facts:
    """What all findings have in common.

    Attributes:
        split: `test`, or `validation` where the study has no test clips.
        labels: `single` or `multi`.
        confidence: Of every interval.
        n_resamples: Of the bootstrap.
        n_clips: Clips of the split.
        n_groups: Recordings or sensors among them.
        reference: The level that the others are compared with.
        n_seeds: Heads per trained level.
        verdict: Which levels differ from the reference, in words; a sentence or two each.
    """

    split: str
    labels: str
    confidence: float
    n_resamples: int
    n_clips: int
    n_groups: int
    reference: str
    n_seeds: int
    verdict: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """All of them.

    Attributes:
        facts: What they have in common.
        cells: By trained and tested level.
        classes: By trained and tested level and class.
        differences: In the order of `Comparison`.
        flips: By trained and tested level.
        cosines: By level.
        auprc: By trained and tested level and class, `micro` or `macro`.
        calibration: By head and class.
        accuracies: By head.
        seeds: Every seed's figures.
        background: Detections on background clips, by split, dataset, head, level and class; empty without such clips.
    """

    facts: Facts
    cells: dict[tuple[str, str], CellFinding]
    classes: dict[tuple[str, str, str], ClassFinding]
    differences: tuple[Difference, ...]
    flips: dict[tuple[str, str], Flips]
    cosines: dict[str, Cosine]
    auprc: dict[tuple[str, str, str], Auprc]
    calibration: dict[tuple[str, str], CalibratedClass]
    accuracies: dict[str, StudyAccuracy]
    seeds: tuple[SeedFinding, ...]
    background: tuple[BackgroundFinding, ...] = ()

    def reported_background(self) -> tuple[BackgroundFinding, ...]:
        """Give those of a dataset's test clips; of its validation clips where it has no others."""
        tested = {one.dataset for one in self.background if one.split == "test"}
        return tuple(one for one in self.background if one.split == "test" or one.dataset not in tested)


_FACTS_FILE: Final = "statistics.json"


def read_findings(folder: "StudyFolder") -> Findings:
    """Read what stage `evaluate` wrote.

    Raises:
        StageError: it has not been run.
    """
    from sonyc_trainer.stages import Stage

    return findings_in(folder.of(Stage.EVALUATE))


def findings_in(target: Path) -> Findings:
    """Read the findings of a folder.

    Raises:
        StageError: a table is missing, or is another one.
    """
    seeds = read_records(target / "seeds.csv", SeedFinding)
    document = json.loads((target / _FACTS_FILE).read_text())
    return Findings(
        facts=Facts(**{**document, "verdict": tuple(document["verdict"])}),
        cells={(one.trained, one.tested): one for one in read_records(target / "cells.csv", CellFinding)},
        classes={
            (one.trained, one.tested, one.label): one
            for one in read_records(target / "class_intervals.csv", ClassFinding)
        },
        differences=read_records(target / "differences.csv", Difference),
        flips={(one.trained, one.tested): one for one in read_records(target / "flips.csv", Flips)},
        cosines={one.level: one for one in read_records(target / "cosines.csv", Cosine)},
        auprc={
            (one.trained, one.tested, one.label): one for one in read_records(target / "precision_recall.csv", Auprc)
        },
        calibration={(one.head, one.label): one for one in read_records(target / "calibration.csv", CalibratedClass)},
        accuracies={one.head: one for one in read_records(target / "accuracies.csv", StudyAccuracy)},
        seeds=seeds,
        background=read_records(target / "background.csv", BackgroundFinding),
    )


def write_findings(target: Path, findings: Findings) -> None:
    """Write the findings into a folder, each file whole, the facts last."""
    write_records(target / "cells.csv", CellFinding, list(findings.cells.values()))
    write_records(target / "class_intervals.csv", ClassFinding, list(findings.classes.values()))
    write_records(target / "differences.csv", Difference, findings.differences)
    write_records(target / "flips.csv", Flips, list(findings.flips.values()))
    write_records(target / "cosines.csv", Cosine, list(findings.cosines.values()))
    write_records(target / "precision_recall.csv", Auprc, list(findings.auprc.values()))
    write_records(target / "calibration.csv", CalibratedClass, list(findings.calibration.values()))
    write_records(target / "accuracies.csv", StudyAccuracy, list(findings.accuracies.values()))
    write_records(target / "seeds.csv", SeedFinding, findings.seeds)
    write_records(target / "background.csv", BackgroundFinding, findings.background)
    write_whole(target / _FACTS_FILE, (json.dumps(vars(findings.facts), indent=1) + "\n").encode())
