"""Tables of embeddings: written shard by shard, stamped with the embedding they are of, read as one matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.audio import FloatArray
from sonyc_contract.files import whole_file
from sonyc_trainer.errors import StageError
from sonyc_trainer.tables import EMBEDDINGS, damaged

if TYPE_CHECKING:
    import pandas as pd

_CLIP_COLUMNS: Final = EMBEDDINGS[:4]
_LABELS: Final = "labels"
_STAMP: Final = b"sonyc_embedding"


@dataclass(frozen=True)
class ClipVectors:
    """Embeddings of the windows of many clips.

    Attributes:
        clips: A row per clip: `clip_id`, `labels`, `group`, `split`.
        n_windows: int64 [n_clips], how many windows each clip has, all at least 1.
        vectors: float32 [sum of n_windows, n_dimensions], clip after clip.
        embedding_id: `Embedding.id` of what they were made with.
    """

    clips: "pd.DataFrame"
    n_windows: NDArray[np.int64]
    vectors: FloatArray
    embedding_id: str

    def of_split(self, split: str) -> "ClipVectors":
        """Give the clips of one split, in the same order."""
        chosen = (self.clips["split"] == split).to_numpy()
        return ClipVectors(
            self.clips[chosen].reset_index(drop=True),
            self.n_windows[chosen],
            self.vectors[np.repeat(chosen, self.n_windows)],
            self.embedding_id,
        )

    def per_clip(self) -> list[FloatArray]:
        """Give each clip's embeddings, float32 [n_windows, n_dimensions]."""
        return np.split(self.vectors, np.cumsum(self.n_windows)[:-1]) if len(self.n_windows) else []


def write_vectors(path: Path, rows: Sequence[dict[str, Any]], embedding_id: str) -> None:
    """Write the embeddings of some clips.

    Args:
        path: A Parquet file.
        rows: Per clip the clip's columns of `EMBEDDINGS`, and `vectors`, float32 [n_windows, n_dimensions].
        embedding_id: What they were made with.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_windows = [len(row["vectors"]) for row in rows]
    of_clip, names = np.repeat(np.arange(len(rows)), n_windows), pa.list_(pa.string())
    vectors = np.concatenate([row["vectors"] for row in rows])
    columns: dict[str, Any] = {
        name: pa.array([row[name] for row in rows], names if name == _LABELS else pa.string()).take(of_clip)
        for name in _CLIP_COLUMNS
    }
    columns["window"] = pa.array(np.concatenate([np.arange(n, dtype=np.int32) for n in n_windows]))
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    columns["embedding"] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.ravel()))
    table = pa.table(columns).replace_schema_metadata({_STAMP: embedding_id.encode()})
    with whole_file(path) as part:
        pq.write_table(table, part)


def join_vectors(paths: Sequence[Path], target: Path) -> None:
    """Write shards one after the other into one table, never holding more than one."""
    import pyarrow.parquet as pq

    with whole_file(target) as part, pq.ParquetWriter(part, pq.read_schema(paths[0])) as writer:
        for path in paths:
            writer.write_table(pq.read_table(path))


def read_vectors(path: Path, *, embedding_id: str) -> ClipVectors:
    """Read a table of embeddings.

    Raises:
        StageError: it is missing, damaged, another table, or of another embedding than `embedding_id`.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise StageError(f"{path} is missing: run stage 'embed'")
    try:
        table = pq.read_table(path)
    except ValueError as error:  # pyarrow's ArrowInvalid among them
        raise damaged(path, error) from error
    if tuple(table.column_names) != EMBEDDINGS:
        raise StageError(f"{path} has the columns {', '.join(table.column_names)}; expected {', '.join(EMBEDDINGS)}")
    found = (table.schema.metadata or {}).get(_STAMP, b"unknown").decode()
    if found != embedding_id:
        raise StageError(f"{path} is of embedding {found}, not {embedding_id}: run stage 'embed' again")
    flat = table["embedding"].combine_chunks().flatten().to_numpy()
    starts = np.flatnonzero(table["window"].to_numpy() == 0)
    clips = table.select(list(_CLIP_COLUMNS)).take(starts).to_pandas()
    n_windows = np.diff(np.append(starts, table.num_rows))
    return ClipVectors(clips, n_windows, flat.reshape(table.num_rows, -1), found)
