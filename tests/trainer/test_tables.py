"""Files of stages that are not as the stage left them: one line that names the file and the way out."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.codec import encode
from sonyc_contract.levels import Level
from sonyc_trainer.embeddings.vectors import read_vectors
from sonyc_trainer.errors import StageError
from sonyc_trainer.shards import ROWS_FILE, Shard, read_rows
from sonyc_trainer.tables import SELECTION, read_clip, read_table

DAMAGED = r"{name} is damaged \(.+\): delete its stage's folder and give the same command again"


def test_table_that_was_cut_short(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "selection.parquet"
    pd.DataFrame({column: ["x"] for column in SELECTION}).to_parquet(path)
    assert len(read_table(path, SELECTION)) == 1
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StageError, match=DAMAGED.format(name="selection.parquet")):
        read_table(path, SELECTION)
    with pytest.raises(StageError, match=DAMAGED.format(name="selection.parquet")):
        read_vectors(path, embedding_id="any")


def test_missing_and_foreign_tables(tmp_path: Path) -> None:
    import pandas as pd

    with pytest.raises(StageError, match="is missing: run the stage that writes it"):
        read_table(tmp_path / "t", SELECTION)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t")
    with pytest.raises(StageError, match="has the columns a; expected clip_id, "):
        read_table(tmp_path / "t", SELECTION)


def test_audio_that_was_cut_short_or_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    data = encode(np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32), 16_000, level=Level.PCM)
    path.write_bytes(data)
    assert len(read_clip(path)[0]) == 16_000
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StageError, match=DAMAGED.format(name=r"a\.flac")):
        read_clip(path)
    path.unlink()
    with pytest.raises(StageError, match=DAMAGED.format(name=r"a\.flac")):
        read_clip(path)


def test_shard_without_its_rows(tmp_path: Path) -> None:
    (tmp_path / ROWS_FILE).write_text('[{"clip_id": ')
    with pytest.raises(StageError, match=DAMAGED.format(name=ROWS_FILE)):
        read_rows([Shard(tmp_path, ())])
