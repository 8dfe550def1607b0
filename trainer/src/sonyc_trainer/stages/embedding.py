"""Stage `embed`: the embeddings of every clip's windows at every level, made with the file that nodes run."""

import shutil
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sonyc_contract.audio import FloatArray
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.cache import EmbeddingCache, shrink
from sonyc_trainer.embeddings.embedding import AnyEmbedding, load_embedding
from sonyc_trainer.embeddings.vectors import join_vectors, write_vectors
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.shards import Row, Shard, make_shards, run_missing, whole_folder
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, TRIMMED, read_clip, read_table, rows_of

_KEPT_COLUMNS = ("clip_id", "labels", "group", "split", "file")
_VECTORS_FILE = "vectors.parquet"

_THREAD = threading.local()
"""The model that this thread of this worker has open: models are no work for two threads at once."""


@dataclass(frozen=True)
class EmbedPlan:
    """What a worker needs beside its clips.

    Attributes:
        study: Whose coded and trimmed clips they are.
        cache: Folder of embeddings that studies share; None where nothing is kept.
    """

    study: StudyFolder
    cache: Path | None


def run(folder: StudyFolder, context: StageContext) -> None:
    """Embed every coded clip.

    Raises:
        StageError: the coded clips are missing.
        EmbeddingError: the embedding is missing.
        ModelError: the runtime cannot load it.
    """
    levels = folder.study.compress.levels
    shards = {level: make_shards(_part(folder, level), _rows(folder, level)) for level in levels}
    for level in levels:
        _part(folder, level).mkdir(exist_ok=True)
    work = partial(embed_shard, plan=EmbedPlan(folder, context.cache))
    everything = [shard for of_level in shards.values() for shard in of_level]
    run_missing(everything, work, context, description=f"embed at {len(levels)} levels")
    for level in levels:
        join_vectors([shard.folder / _VECTORS_FILE for shard in shards[level]], folder.embeddings(level))
    for level in levels:
        shutil.rmtree(_part(folder, level))
    if context.cache is not None:
        shrink(context.cache)


def embed_shard(shard: Shard[Row], *, plan: EmbedPlan) -> int:
    """Embed the clips of a shard into its folder; returns how many there were."""
    embedding = load_embedding(plan.study.embedding_model)
    rows = [{**item, "vectors": _vectors(item, embedding, plan)} for item in shard.items]
    with whole_folder(shard.folder) as part:
        write_vectors(part / _VECTORS_FILE, rows, embedding.id)
    return len(shard.items)


def _vectors(item: Row, embedding: AnyEmbedding, plan: EmbedPlan) -> FloatArray:
    """Give the embeddings of a clip's windows, from the cache where they are in it."""
    if plan.cache is None:
        return _embedded(item, embedding, plan.study)
    cache = EmbeddingCache(plan.cache, embedding.id)
    key = cache.key((plan.study.of(Stage.TRIM) / item["trimmed"]).read_bytes(), item["level"])
    vectors = cache.get(key, embedding.spec.n_dimensions)
    if vectors is None:
        vectors = _embedded(item, embedding, plan.study)
        cache.put(key, vectors)
    return vectors


def _embedded(item: Row, embedding: AnyEmbedding, study: StudyFolder) -> FloatArray:
    """Embed a clip with the model that this worker loaded for the first one."""
    if getattr(_THREAD, "embedding_id", None) != embedding.id:
        _THREAD.embedder, _THREAD.embedding_id = embedding.open(), embedding.id
    samples, rate_hz = read_clip(study.of(Stage.COMPRESS) / item["file"])
    vectors: FloatArray = _THREAD.embedder.embed(samples, rate_hz)
    return vectors


def _part(folder: StudyFolder, level: str) -> Path:
    return folder.of(Stage.EMBED) / level


def _rows(folder: StudyFolder, level: Level) -> list[Row]:
    """Give the clips of a level, each with the file that it was coded from."""
    trimmed = read_table(folder.trimmed, TRIMMED).set_index("clip_id")["file"]
    coded = read_table(folder.coded(level), CODED).assign(level=level.value)
    return rows_of(coded.assign(trimmed=coded["clip_id"].map(trimmed)), (*_KEPT_COLUMNS, "level", "trimmed"))
