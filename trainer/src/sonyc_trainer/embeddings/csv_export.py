"""Embeddings as CSV files, as the study that this project grows from exported them."""

from pathlib import Path
from typing import Final

from sonyc_contract.files import whole_file
from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import StudyFolder

_ROWS_AT_ONCE: Final = 4096


def export_csv(folder: StudyFolder, target: Path) -> list[Path]:
    """Write a CSV file per level: a row per window, with clip, class, group, split and every dimension.

    Numbers have nine digits, which give back the same float32.

    Args:
        folder: A study whose stage `embed` is finished.
        target: Folder for the files, which is made.

    Raises:
        StageError: a level has no embeddings yet.
    """
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for level in folder.study.compress.levels:
        source = folder.embeddings(level)
        if not source.is_file():
            raise StageError(f"{source} is missing: run stage 'embed'")
        written.append(target / f"{level}.csv")
        _export(source, written[-1])
    return written


def _export(source: Path, target: Path) -> None:
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    with whole_file(target) as part, part.open("w", newline="") as file:
        is_first = True
        for batch in pq.ParquetFile(source).iter_batches(_ROWS_AT_ONCE):
            vectors = np.stack(batch["embedding"].to_numpy(zero_copy_only=False))
            names = [f"e{index}" for index in range(vectors.shape[1])]
            clips = batch.drop_columns(["embedding"]).to_pandas()
            if "labels" in clips:
                clips["labels"] = clips["labels"].map(" + ".join)
            frame = pd.concat([clips, pd.DataFrame(vectors, columns=names)], axis=1)
            frame.to_csv(file, index=False, header=is_first, float_format="%.9g")
            is_first = False
