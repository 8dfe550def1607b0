"""Stage `costs`: bytes and milliseconds of every level, of other storage rates and of Opus, and what each leaves.

The bytes are of the study's own audio. Macro-F1 is of the same test clips for all, heard through the level-robust head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonyc_contract.audio import FloatArray
from sonyc_contract.codec import decode
from sonyc_contract.labels import N_LABELS
from sonyc_contract.recognise import ANY_HEAD, HeadSpec, Pooling, Probabilities, calibrated, pooled_logits
from sonyc_trainer.context import StageContext
from sonyc_trainer.deciding import decided, is_judged
from sonyc_trainer.embeddings.embedding import load_embedding, open_quietly
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.learning import class_flags
from sonyc_trainer.ledger import write_csv
from sonyc_trainer.planning.codings import Coding, at_rate, level_codings, opus_codings
from sonyc_trainer.planning.costs import COSTS, TIMINGS, CostRow, pareto_front
from sonyc_trainer.planning.measuring import joined_pieces, measure
from sonyc_trainer.shards import Shard, read_rows, run_missing, whole_folder, write_rows
from sonyc_trainer.stages import Stage
from sonyc_trainer.statistics.bootstrap import MIN_CLUSTERS, N_RESAMPLES, Estimate, draws, estimate, resampled
from sonyc_trainer.statistics.counts import Flags, cluster_counts, cluster_indices, figures
from sonyc_trainer.tables import PREDICTIONS, TRIMMED, read_table

if TYPE_CHECKING:
    import pandas as pd

_NOTHING_HEARD: Probabilities = np.empty((0, N_LABELS))


@dataclass(frozen=True)
class CostJob:
    """What a coding is measured with.

    Attributes:
        files: Trimmed clips.
        embedding: Folder of the embedding.
        head: TFLite file of the head.
        spec: Its calibration and thresholds.
        pooling: How windows become a clip.
        max_pieces: Pieces of 10 s that bytes and times are measured on.
    """

    files: tuple[Path, ...]
    embedding: Path
    head: Path
    spec: HeadSpec
    pooling: Pooling
    max_pieces: int


def run(folder: StudyFolder, context: StageContext) -> None:
    """Measure every coding, a shard each, and write the table and the times.

    Raises:
        StageError: the trimmed clips, the embedding or the head are missing.
        CodecError: what comes out of a codec is not as long as what went in.
    """
    study, target = folder.study, folder.of(Stage.COSTS)
    clips = _clips(folder)
    head = ANY_HEAD if ANY_HEAD in folder.head_names else folder.head_names[0]
    files = tuple(folder.trimmed.parent / file for file in clips["file"])
    job = CostJob(
        files=files,
        embedding=folder.embedding_model,
        head=folder.head_model(head),
        spec=folder.read_head_specs()[head],
        pooling=study.embedding.node_pooling,
        max_pieces=study.costs.max_pieces,
    )
    own = level_codings(study.compress.levels, study.compress.storage_rate_hz)
    others = _others(folder) if study.costs.max_clips else []
    shards = [Shard(target / f"coding-{coding.key}", (coding,)) for coding in [*own, *others]]
    work = partial(measure_shard, job=job, own_rate_hz=study.compress.storage_rate_hz)
    # Opus first: it takes eight times as long as LAME, and would keep one core busy at the end.
    run_missing(sorted(shards, key=lambda shard: shard.items[0].level is not None), work, context, description="costs")
    measured = dict(zip((shard.items[0] for shard in shards), read_rows(shards), strict=True))
    heard = {c: _known(folder, clips, c, head) for c in own} | {c: _heard(measured[c]) for c in others}
    decisions = {c: decided(of_clips, study.labels, job.spec.thresholds) for c, of_clips in heard.items()}
    rows = _rows(clips, measured, decisions, head, seed=study.seed)
    write_csv(folder.costs, [row.as_csv() for row in rows], COSTS)
    write_csv(folder.cost_timings, [_timing(coding, row) for coding, row in measured.items()], TIMINGS)


def measure_shard(shard: Shard[Coding], *, job: CostJob, own_rate_hz: int) -> int:
    """Measure one coding into the shard's folder; the study's own codings were recognised by `evaluate` already."""
    (coding,) = shard.items
    loaded = [decode(path.read_bytes()) for path in job.files]
    rate_hz = loaded[0][1]
    clips = [samples for samples, _ in loaded]
    cost = measure(joined_pieces(clips, rate_hz, max_pieces=job.max_pieces), rate_hz, coding)
    is_known = coding.level is not None and coding.rate_hz == own_rate_hz
    row = {
        "bytes_per_hour": cost.bytes_per_hour,
        "encode_ms_per_s": cost.encode_ms_per_s,
        "decode_ms_per_s": cost.decode_ms_per_s,
        "probabilities": [] if is_known else _recognised(clips, rate_hz, coding, job),
    }
    with whole_folder(shard.folder) as part:
        write_rows(part, [row])
    return 1


def _clips(folder: StudyFolder) -> "pd.DataFrame":
    """Choose the clips of the reported split, thinned evenly where there are more than the settings allow."""
    trimmed = read_table(folder.trimmed, TRIMMED)
    trimmed = trimmed[is_judged(class_flags(trimmed["labels"]), folder.study.labels)]
    split = "test" if (trimmed["split"] == "test").any() else "validation"
    rows = trimmed[trimmed["split"] == split].sort_values("clip_id").reset_index(drop=True)
    n = min(len(rows), max(folder.study.costs.max_clips, folder.study.costs.max_pieces))
    return rows.iloc[np.linspace(0, len(rows) - 1, n).round().astype(int)].reset_index(drop=True)


def _others(folder: StudyFolder) -> list[Coding]:
    """Name the codings beside the study's own."""
    costs, compress = folder.study.costs, folder.study.compress
    rates = [rate for rate in costs.storage_rates_hz if rate < compress.storage_rate_hz]
    levels = [coding for rate in rates for coding in level_codings(compress.levels, rate)]
    return levels + opus_codings(costs.opus_kbps, compress.storage_rate_hz)


def _recognised(clips: Sequence[FloatArray], rate_hz: int, coding: Coding, job: CostJob) -> list[list[float]]:
    """Give the probabilities of each clip after the coding, as the head hears it."""
    embedder, head = load_embedding(job.embedding).open(), open_quietly(job.head.read_bytes())
    probabilities = []
    for clip in clips:
        samples = at_rate(clip, rate_hz, coding)
        decoded = coding.decode(coding.encode(samples), len(samples))
        logits = pooled_logits(embedder.embed(decoded, coding.rate_hz), head, job.pooling)
        probabilities.append(calibrated(logits, job.spec.calibration).tolist())
    return probabilities


def _known(folder: StudyFolder, clips: "pd.DataFrame", coding: Coding, head: str) -> Probabilities:
    """Give the probabilities of each clip at a level of the study, from what `evaluate` found."""
    if not folder.study.costs.max_clips:
        return _NOTHING_HEARD
    table = read_table(folder.predictions, PREDICTIONS)
    of_cell = (table["trained"] == head) & (table["tested"] == coding.setting) & (table["seed"] == table["seed"].min())
    found = table[of_cell].set_index("clip_id")["probabilities"]
    return np.stack([found[clip_id] for clip_id in clips["clip_id"]])


def _heard(row: dict[str, Any]) -> Probabilities:
    return np.array(row["probabilities"], dtype=np.float64)


def _rows(
    clips: "pd.DataFrame",
    measured: dict[Coding, dict[str, Any]],
    decisions: dict[Coding, Flags],
    head: str,
    *,
    seed: int,
) -> list[CostRow]:
    truth, clusters = class_flags(clips["labels"]), cluster_indices(list(clips["group"]))
    n_clusters = int(clusters.max()) + 1
    drawn = draws(n_clusters, n_resamples=N_RESAMPLES if n_clusters >= MIN_CLUSTERS else 0, seed=seed)
    estimates = {}
    for coding, flags in decisions.items():
        if len(flags) == 0:
            estimates[coding] = Estimate(float("nan"), float("nan"), float("nan"))
            continue
        counts = cluster_counts(truth, flags, clusters)
        value = float(figures(counts.sum(axis=0)).macro_f1)
        estimates[coding] = estimate(value, resampled(counts, drawn).macro_f1)
    sizes = {coding: int(row["bytes_per_hour"]) for coding, row in measured.items()}
    front = pareto_front([(sizes[coding], estimates[coding].value) for coding in measured])
    n_clips = {coding: len(flags) for coding, flags in decisions.items()}
    return [
        CostRow(coding, head, sizes[coding], n_clips[coding], estimates[coding], is_on_front and n_clips[coding] > 0)
        for coding, is_on_front in zip(measured, front, strict=True)
    ]


def _timing(coding: Coding, row: dict[str, Any]) -> tuple[object, ...]:
    times = (row["encode_ms_per_s"], row["decode_ms_per_s"])
    return (coding.family.value, coding.setting, coding.rate_hz, *times)
