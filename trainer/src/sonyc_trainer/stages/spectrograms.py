"""Stage `spectrograms`: one clip per class at every level, and where each level cuts off."""

from typing import TYPE_CHECKING, Any

from sonyc_contract.codec import decode
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import write_csv
from sonyc_trainer.report.spectrograms import ClassSpectrograms
from sonyc_trainer.report.spectrum import cutoff_hz, peak_power, spectrogram
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, TRIMMED, read_table

if TYPE_CHECKING:
    import pandas as pd

CLIPS = ("label", "clip_id", "split", "snr_db")
CUTOFFS = ("level", "cutoff_hz")

_ABOVE_BAND_LIMIT = 1.15
"""How far above the study's band limit the spectrograms go: there is nothing higher."""


def run(folder: StudyFolder, context: StageContext) -> None:
    """Write a table of decibels per class, the clips chosen, and the cut-offs.

    Raises:
        StageError: the coded clips are missing.
    """
    study = folder.study
    chosen = _chosen(read_table(folder.trimmed, TRIMMED))
    with context.progress.task("spectrograms", len(chosen) + len(study.compress.levels)) as advance:
        for row in chosen:
            _of_clip(folder, row).write_csv(folder.spectrogram(str(row["label"])))
            advance(1)
        edges = []
        for level in study.compress.levels:
            edges.append((level.value, cutoff_hz(level, study.compress.storage_rate_hz)))
            advance(1)
    write_csv(folder.spectrogram_clips, [[row[name] for name in CLIPS] for row in chosen], CLIPS)
    write_csv(folder.cutoffs, edges, CUTOFFS)


def _chosen(trimmed: "pd.DataFrame") -> list[dict[str, Any]]:
    """Choose for each class the clip that stands out most from its background, from those kept for the end if it can.

    A clip of the class alone goes before mixtures. Ties go to the first name.
    """
    order = {"test": 0, "validation": 1, "train": 2}
    ranked = trimmed.assign(rank=trimmed["split"].map(order), loss=-trimmed["snr_db"])
    ranked = ranked.assign(n_labels=ranked["labels"].map(len)).sort_values(["n_labels", "rank", "loss", "clip_id"])
    chosen = []
    for label in LABELS:
        rows = ranked[ranked["labels"].map(lambda labels, wanted=label: wanted in labels)]
        if len(rows):
            chosen.append({"label": label, **{name: rows[name].iloc[0] for name in CLIPS[1:]}})
    return chosen


def _of_clip(folder: StudyFolder, row: dict[str, Any]) -> ClassSpectrograms:
    decoded = {level: _decoded(folder, level, str(row["clip_id"])) for level in folder.study.compress.levels}
    reference = peak_power(decoded[Level.PCM] if Level.PCM in decoded else next(iter(decoded.values())))
    rate_hz = folder.study.compress.storage_rate_hz
    limit_hz = folder.study.trim.band_limit_hz or rate_hz
    max_hz = min(rate_hz / 2, _ABOVE_BAND_LIMIT * limit_hz)
    levels = {
        level: spectrogram(samples, rate_hz, max_hz=max_hz, reference=reference) for level, samples in decoded.items()
    }
    return ClassSpectrograms(str(row["label"]), str(row["clip_id"]), levels)


def _decoded(folder: StudyFolder, level: Level, clip_id: str) -> Any:
    table = read_table(folder.coded(level), CODED)
    file = table.loc[table["clip_id"] == clip_id, "file"].iloc[0]
    samples, _ = decode((folder.of(Stage.COMPRESS) / file).read_bytes())
    return samples
