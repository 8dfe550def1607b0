"""Stage `embed`: the embeddings of every clip's windows at every level, made with the file that nodes run."""

import shutil
from functools import partial
from pathlib import Path

from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.embeddings.vectors import join_vectors, write_vectors
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.shards import Row, Shard, make_shards, run_missing, whole_folder
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, read_clip, read_table, rows_of

_KEPT_COLUMNS = ("clip_id", "labels", "group", "split", "file")
_VECTORS_FILE = "vectors.parquet"


def run(folder: StudyFolder, context: StageContext) -> None:
    """Embed every coded clip.

    Raises:
        StageError: the coded clips are missing.
        EmbeddingError: the embedding is missing.
        ModelError: the runtime cannot load it.
    """
    levels = folder.study.compress.levels
    shards = {level: make_shards(_part(folder, level), _rows(folder.coded(level))) for level in levels}
    for level in levels:
        _part(folder, level).mkdir(exist_ok=True)
    work = partial(embed_shard, audio=folder.of(Stage.COMPRESS), embedding=folder.embedding_model)
    everything = [shard for of_level in shards.values() for shard in of_level]
    run_missing(everything, work, context, description=f"embed at {len(levels)} levels")
    for level in levels:
        join_vectors([shard.folder / _VECTORS_FILE for shard in shards[level]], folder.embeddings(level))
    for level in levels:
        shutil.rmtree(_part(folder, level))


def embed_shard(shard: Shard[Row], *, audio: Path, embedding: Path) -> int:
    """Embed the clips of a shard into its folder; returns how many there were."""
    loaded = load_embedding(embedding)
    embedder = loaded.open()
    rows = []
    for item in shard.items:
        samples, rate_hz = read_clip(audio / item["file"])
        rows.append({**item, "vectors": embedder.embed(samples, rate_hz)})
    with whole_folder(shard.folder) as part:
        write_vectors(part / _VECTORS_FILE, rows, loaded.id)
    return len(shard.items)


def _part(folder: StudyFolder, level: str) -> Path:
    return folder.of(Stage.EMBED) / level


def _rows(path: Path) -> list[Row]:
    return rows_of(read_table(path, CODED), _KEPT_COLUMNS)
