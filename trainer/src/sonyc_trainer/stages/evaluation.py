"""Stage `evaluate`: every trained level at every tested level, with the heads and the pooling that nodes use.

Background clips count where calibration and thresholds are chosen. Whether anything is detected in them is a figure of
its own; the others of a single-label study, where the largest output decides, are of clips with a class.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sonyc_contract.files import write_whole
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD, HeadSpec, Probabilities
from sonyc_trainer.background_clips import background_findings
from sonyc_trainer.context import StageContext
from sonyc_trainer.deciding import LabelMode, decided, is_judged
from sonyc_trainer.findings import CalibratedClass, Cosine, Facts, Findings, StudyAccuracy, write_findings
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.head_outputs import TEST, VALIDATION, SplitOutputs, head_outputs
from sonyc_trainer.learning import class_flags
from sonyc_trainer.ledger import write_csv, write_notes
from sonyc_trainer.metrics import absent, accuracy, class_figures, confusion, macro_f1
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.bootstrap import CONFIDENCE, N_RESAMPLES
from sonyc_trainer.statistics.comparison import Comparisons, Decisions, auprc_of, flips_of
from sonyc_trainer.statistics.counts import Flags
from sonyc_trainer.statistics.operating_points import Wanted, operating_point
from sonyc_trainer.statistics.proportions import wilson
from sonyc_trainer.statistics.stability import cosines
from sonyc_trainer.statistics.verdict import of_flips, verdict
from sonyc_trainer.tables import CODED, PREDICTIONS, SELECTION, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

MATRIX: Final = ("trained", "tested", "split", "n_clips", "n_classes", "accuracy", "macro_f1")
CLASSES: Final = ("trained", "tested", "split", "label", "support", "tp", "fp", "fn", "precision", "recall", "f1")
CONFUSION: Final = ("trained", "tested", "split", "label", *LABELS)
LEVELS: Final = ("level", "n_clips", "duration_s", "bytes_per_hour")

_NO_TEST: Final = (
    "There are no test clips: all figures are of the validation clips, which also chose epochs and thresholds."
)


@dataclass(frozen=True)
class Scored:
    """What all heads say of the clips of one split, and what nodes make of it.

    Attributes:
        outputs: Clips and logits.
        probabilities: float64 [n_seeds, n_heads, n_levels, n_clips, 8], calibrated.
        decided: bool, same shape: classes that are decided for a clip.
    """

    outputs: SplitOutputs
    probabilities: Probabilities
    decided: Flags

    def judged(self, mode: LabelMode) -> "Scored":
        """Give the clips for which what is decided can be right."""
        chosen = is_judged(self.outputs.truth, mode)
        of_clips = self.outputs.of_clips(chosen)
        return Scored(of_clips, self.probabilities[..., chosen, :], self.decided[..., chosen, :])


class Cell(NamedTuple):
    """True and decided classes, bool [n_clips, 8], of one trained level at one tested level."""

    trained: str
    tested: str
    split: str
    truth: Flags
    decided: Flags


def run(folder: StudyFolder, context: StageContext) -> None:
    """Predict the validation and test clips at all levels, count, and compare.

    Raises:
        StageError: embeddings are missing, or are of another embedding.
        ModelError: a head does not load.
    """
    outputs = head_outputs(folder, context)
    specs, calibration = _operating_points(folder, outputs[VALIDATION])
    of_all = {split: _scored(folder, of, specs) for split, of in outputs.items()}
    write_table(folder.predictions, _predictions(of_all), PREDICTIONS)
    background = [
        one
        for split, of in of_all.items()
        for one in background_findings(split, of.outputs, of.probabilities[0], specs[0])
    ]
    scored = {split: of.judged(folder.study.labels) for split, of in of_all.items()}
    cells = [cell for split, of in scored.items() for cell in _cells(split, of)]
    target = folder.of(Stage.EVALUATE)
    write_csv(target / "matrix.csv", [_matrix_row(cell) for cell in cells], MATRIX)
    write_csv(target / "classes.csv", [row for cell in cells for row in _class_rows(cell)], CLASSES)
    is_single = folder.study.labels is LabelMode.SINGLE
    confusions = [row for cell in cells for row in _confusion_rows(cell)] if is_single else []
    write_csv(target / "confusion.csv", confusions, CONFUSION)
    write_csv(target / "levels.csv", [_level_row(folder, level) for level in folder.study.compress.levels], LEVELS)
    write_findings(target, replace(_findings(folder, scored, calibration), background=tuple(background)))
    write_whole(folder.head_specs, json.dumps(_document(specs[0]), indent=1).encode())
    write_notes(folder.notes(Stage.EVALUATE), [*_notes(cells), *_source_notes(folder, scored)])


def _scored(folder: StudyFolder, of: SplitOutputs, specs: Sequence[Mapping[str, HeadSpec]]) -> Scored:
    probabilities = of.probabilities(specs)
    flags = np.zeros(probabilities.shape, dtype=bool)
    for seed, of_heads in enumerate(specs):
        for h, name in enumerate(of.heads):
            flags[seed, h] = decided(probabilities[seed, h], folder.study.labels, of_heads[name].thresholds)
    return Scored(of, probabilities, flags)


def _predictions(scored: Mapping[str, Scored]) -> "pd.DataFrame":
    """Give every clip with every head of every seed at every level."""
    import pandas as pd

    frames = [
        of.outputs.clips.assign(trained=head, tested=level, seed=seed, probabilities=list(of.probabilities[seed, h, k]))
        for of in scored.values()
        for k, level in enumerate(of.outputs.levels)
        for h, head in enumerate(of.outputs.heads)
        for seed in range(len(of.probabilities))
    ]
    return pd.concat(frames, ignore_index=True)


def _cells(split: str, of: Scored) -> Iterator[Cell]:
    """Give what the heads of the first seed decide."""
    for h, head in enumerate(of.outputs.heads):
        for k, level in enumerate(of.outputs.levels):
            yield Cell(head, level, split, of.outputs.truth, of.decided[0, h, k])


def _matrix_row(cell: Cell) -> tuple[Any, ...]:
    n_classes = len(LABELS) - len(absent(cell.truth))
    figures = accuracy(cell.truth, cell.decided), macro_f1(cell.truth, cell.decided)
    return (*cell[:3], len(cell.truth), n_classes, *figures)


def _class_rows(cell: Cell) -> list[tuple[Any, ...]]:
    return [
        (*cell[:3], c.label, c.support, c.tp, c.fp, c.fn, c.precision, c.recall, c.f1)
        for c in class_figures(cell.truth, cell.decided)
    ]


def _confusion_rows(cell: Cell) -> list[tuple[Any, ...]]:
    matrix = confusion(cell.truth.argmax(axis=1), cell.decided.argmax(axis=1))
    return [(*cell[:3], label, *row) for label, row in zip(LABELS, matrix.tolist(), strict=True)]


def _level_row(folder: StudyFolder, level: Level) -> tuple[Any, ...]:
    coded = read_table(folder.coded(level), CODED)
    duration_s = float(coded["duration_s"].sum())
    bytes_per_hour = round(3_600 * float(coded["n_bytes"].sum()) / duration_s)
    return level.value, len(coded), duration_s, bytes_per_hour


def _operating_points(
    folder: StudyFolder, validation: SplitOutputs
) -> tuple[list[dict[str, HeadSpec]], list[CalibratedClass]]:
    """Choose calibration and thresholds at the levels that a head serves, by seed and head; records of the first."""
    settings = folder.study.calibration
    wanted = Wanted(settings.method, settings.target_precision)
    specs: list[dict[str, HeadSpec]] = [{} for _ in range(folder.study.train.seeds)]
    records = []
    for seed, of_seed in enumerate(specs):
        for name in folder.head_names:
            logits, truth = validation.served(seed, name, [level.value for level in folder.levels_served(name)])
            of_seed[name], of_head = operating_point(name, logits, truth, wanted)
            records += of_head if seed == 0 else []
    return specs, records


def _document(specs: Mapping[str, HeadSpec]) -> dict[str, Any]:
    return {name: spec.model_dump(mode="json") for name, spec in specs.items()}


def _findings(folder: StudyFolder, scored: Mapping[str, Scored], calibration: Sequence[CalibratedClass]) -> Findings:
    """Compare the heads on the test clips, on the validation clips where there are none."""
    split = TEST if TEST in scored else VALIDATION
    decisions = _decisions(scored[split])
    compared = Comparisons(decisions, seed=folder.study.seed)
    cells, classes, differences = compared.cells(), compared.classes(), compared.differences()
    flips = flips_of(decisions)
    lines = [*verdict(cells, classes, differences, split=split), of_flips(flips, decisions.served_by)]
    return Findings(
        facts=Facts(
            split=split,
            labels=folder.study.labels.value,
            confidence=CONFIDENCE,
            n_resamples=N_RESAMPLES,
            n_clips=len(decisions.truth),
            n_groups=decisions.n_groups,
            reference=decisions.reference,
            n_seeds=decisions.n_seeds,
            verdict=tuple(line for line in lines if line),
        ),
        cells={(one.trained, one.tested): one for one in cells},
        classes={(one.trained, one.tested, one.label): one for one in classes},
        differences=tuple(differences),
        flips={(one.trained, one.tested): one for one in flips},
        cosines={one.level: one for one in _cosines(scored[split].outputs, decisions.reference)},
        auprc={(one.trained, one.tested, one.label): one for one in auprc_of(decisions)},
        calibration={(one.head, one.label): one for one in calibration},
        accuracies={name: _accuracy(folder, name) for name in folder.head_names},
        seeds=tuple(compared.seeds()),
    )


def _decisions(scored: Scored) -> Decisions:
    of = scored.outputs
    robust = ANY_HEAD if ANY_HEAD in of.heads else None
    serving = {level: level if level in of.heads else robust for level in of.levels}
    return Decisions(
        heads=of.heads,
        levels=of.levels,
        reference=Level.PCM.value if Level.PCM.value in of.levels else of.levels[0],
        served_by={level: head for level, head in serving.items() if head is not None},
        groups=list(of.clips["group"]),
        truth=of.truth,
        probabilities=scored.probabilities,
        decided=scored.decided,
    )


def _cosines(of: SplitOutputs, reference: str) -> list[Cosine]:
    uncoded = of.embeddings[of.levels.index(reference)]
    found = []
    for level, embeddings in zip(of.levels, of.embeddings, strict=True):
        alike = cosines(embeddings, uncoded)
        figures = (np.mean(alike), np.median(alike), np.quantile(alike, 0.05), np.min(alike))
        found.append(Cosine(level, len(alike), *map(float, figures)))
    return found


def _accuracy(folder: StudyFolder, name: str) -> StudyAccuracy:
    """Give a head's accuracies in the original study's form; of several levels, their mean over the clips."""
    record = json.loads(folder.head_record(name).read_text())
    n_validation = int(record["n_validation"])
    n_right = round(n_validation * float(record["validation_accuracy"]))
    interval = wilson(n_right, n_validation)
    return StudyAccuracy(name, int(record["n_train"]), float(record["train_accuracy"]), n_validation, n_right, interval)


def _notes(cells: Sequence[Cell]) -> list[str]:
    """Say over which classes the macro-F1 is, and of which clips where there is no test split."""
    truths = {cell.split: cell.truth for cell in cells}
    split, truth = (TEST, truths[TEST]) if TEST in truths else (VALIDATION, truths[VALIDATION])
    notes = [] if split == TEST else [_NO_TEST]
    if labels := absent(truth):
        n = len(LABELS) - len(labels)
        notes.append(f"There is no {split} clip of {', '.join(labels)}: macro-F1 is over the other {n} classes.")
    return notes


def _source_notes(folder: StudyFolder, scored: Mapping[str, Scored]) -> list[str]:
    """Name the classes that only a smaller dataset has: they may be known by how that set was recorded."""
    selected = read_table(folder.selection, SELECTION)
    selected = selected[is_judged(class_flags(selected["labels"]), folder.study.labels)]
    largest = selected["dataset"].mode()[0]
    of = scored[TEST if TEST in scored else VALIDATION]
    datasets = selected.explode("labels").groupby("labels")["dataset"].unique()
    return [
        f"Only dataset {names[0]} has {label}, so that its sound may give the class away: macro-F1 of head "
        f"{of.outputs.heads[0]} at {of.outputs.levels[0]} is {_macro_f1(of, without=str(label)):.3f} without that "
        f"class, {_macro_f1(of):.3f} with it."
        for label, names in datasets.items()
        if len(names) == 1 and names[0] != largest
    ]


def _macro_f1(of: Scored, *, without: str | None = None) -> float:
    """Give that of the first head at the first level, mean over seeds."""
    return float(np.mean([macro_f1(of.outputs.truth, of_seed[0, 0], without=without) for of_seed in of.decided]))
