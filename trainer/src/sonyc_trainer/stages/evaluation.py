"""Stage `evaluate`: every trained level at every tested level, with the heads and the pooling that nodes use."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sonyc_contract.files import write_whole
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.recognise import Calibration, calibrated, pooled_logits
from sonyc_contract.runtime import Interpreter
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import load_embedding, open_quietly
from sonyc_trainer.embeddings.vectors import ClipVectors, read_vectors
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import label_indices
from sonyc_trainer.ledger import write_csv, write_notes
from sonyc_trainer.metrics import Confusion, absent, accuracy, best_thresholds, class_figures, confusion, macro_f1
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.counts import one_hot
from sonyc_trainer.tables import CODED, PREDICTIONS, read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

SPLITS: Final = ("validation", "test")
MATRIX: Final = ("trained", "tested", "split", "n_clips", "n_classes", "accuracy", "macro_f1")
CLASSES: Final = ("trained", "tested", "split", "label", "support", "tp", "fp", "fn", "precision", "recall", "f1")
CONFUSION: Final = ("trained", "tested", "split", "label", *LABELS)
LEVELS: Final = ("level", "n_clips", "duration_s", "bytes_per_hour", "encode_ms_per_s", "decode_ms_per_s")

Count = tuple[str, str, str, Confusion]
"""Trained and tested level, split, and the confusion matrix."""

_NO_TEST: Final = (
    "There are no test clips: all figures are of the validation clips, which also chose epochs and thresholds."
)


def run(folder: StudyFolder, context: StageContext) -> None:
    """Predict the validation and test clips at all levels, and count.

    Raises:
        StageError: embeddings are missing, or are of another embedding.
        ModelError: a head does not load.
    """
    predictions = _predictions(folder, context)
    write_table(folder.predictions, predictions, PREDICTIONS)
    counts = list(_confusions(predictions))
    target = folder.of(Stage.EVALUATE)
    write_csv(target / "matrix.csv", [_matrix_row(*count) for count in counts], MATRIX)
    write_csv(target / "classes.csv", [row for count in counts for row in _class_rows(*count)], CLASSES)
    write_csv(target / "confusion.csv", [row for count in counts for row in _confusion_rows(*count)], CONFUSION)
    write_csv(target / "levels.csv", [_level_row(folder, level) for level in folder.study.compress.levels], LEVELS)
    write_whole(folder.thresholds, json.dumps(_thresholds(folder, predictions), indent=1).encode())
    write_notes(folder.notes(Stage.EVALUATE), _notes(counts))


def _predictions(folder: StudyFolder, context: StageContext) -> "pd.DataFrame":
    import pandas as pd

    heads = {name: open_quietly(folder.head_model(name).read_bytes()) for name in folder.head_names}
    embedding_id = load_embedding(folder.embedding_model).id
    levels = folder.study.compress.levels
    frames = []
    with context.progress.task("evaluate: trained x tested", len(heads) * len(levels)) as advance:
        for level in levels:
            vectors = read_vectors(folder.embeddings(level), embedding_id=embedding_id)
            for split in SPLITS:
                frames += [_predicted(folder, vectors.of_split(split), level, name, heads[name]) for name in heads]
            advance(len(heads))
    return pd.concat(frames, ignore_index=True)


def _predicted(folder: StudyFolder, vectors: ClipVectors, level: Level, name: str, head: Interpreter) -> "pd.DataFrame":
    pooling = folder.study.embedding.pooling
    probabilities = [calibrated(pooled_logits(of_clip, head, pooling), Calibration()) for of_clip in vectors.per_clip()]
    return vectors.clips.assign(
        trained=name, tested=level.value, seed=folder.study.seed, probabilities=[p.tolist() for p in probabilities]
    )


def _confusions(predictions: "pd.DataFrame") -> Iterator[Count]:
    """Give trained and tested level, split, and the confusion matrix of each largest output."""
    for (trained, tested, split), group in predictions.groupby(["trained", "tested", "split"], sort=False):
        predicted = np.stack(list(group["probabilities"])).argmax(axis=1)
        yield str(trained), str(tested), str(split), confusion(label_indices(group["label"]), predicted)


def _matrix_row(trained: str, tested: str, split: str, matrix: Confusion) -> tuple[Any, ...]:
    n_classes = len(LABELS) - len(absent(matrix))
    return trained, tested, split, int(matrix.sum()), n_classes, accuracy(matrix), macro_f1(matrix)


def _class_rows(trained: str, tested: str, split: str, matrix: Confusion) -> list[tuple[Any, ...]]:
    return [
        (trained, tested, split, c.label, c.support, c.tp, c.fp, c.fn, c.precision, c.recall, c.f1)
        for c in class_figures(matrix)
    ]


def _confusion_rows(trained: str, tested: str, split: str, matrix: Confusion) -> list[tuple[Any, ...]]:
    return [(trained, tested, split, label, *row) for label, row in zip(LABELS, matrix.tolist(), strict=True)]


def _level_row(folder: StudyFolder, level: Level) -> tuple[Any, ...]:
    coded = read_table(folder.coded(level), CODED)
    duration_s = float(coded["duration_s"].sum())
    bytes_per_hour = round(3_600 * float(coded["n_bytes"].sum()) / duration_s)
    times = (float(coded[column].sum()) / duration_s for column in ("encode_ms", "decode_ms"))
    return level.value, len(coded), duration_s, bytes_per_hour, *times


def _thresholds(folder: StudyFolder, predictions: "pd.DataFrame") -> dict[str, tuple[float, ...]]:
    """Choose each head's thresholds on the validation clips at the levels that it serves."""
    validation = predictions[predictions["split"] == "validation"]
    chosen = {}
    for name in folder.head_names:
        rows = validation[(validation["trained"] == name) & validation["tested"].isin(folder.levels_served(name))]
        chosen[name] = best_thresholds(np.stack(list(rows["probabilities"])), one_hot(label_indices(rows["label"])))
    return chosen


def _notes(counts: Sequence[Count]) -> list[str]:
    """Say over which classes the macro-F1 is, and of which clips where there is no test split."""
    of_split = {split: matrix for _, _, split, matrix in counts}
    split, matrix = ("test", of_split["test"]) if "test" in of_split else ("validation", of_split["validation"])
    notes = [] if split == "test" else [_NO_TEST]
    if labels := absent(matrix):
        n = len(LABELS) - len(labels)
        notes.append(f"There is no {split} clip of {', '.join(labels)}: macro-F1 is over the other {n} classes.")
    return notes
