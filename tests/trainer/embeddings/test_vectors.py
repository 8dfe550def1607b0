"""Tables of embeddings: exact, joined without a difference, and never of another embedding."""

from pathlib import Path

import numpy as np
import pytest

from sonyc_trainer.embeddings.vectors import join_vectors, read_vectors, write_vectors
from sonyc_trainer.errors import StageError
from sonyc_trainer.tables import EMBEDDINGS, read_table


def rows(first: int, n: int) -> list[dict]:
    rng = np.random.default_rng(first)
    return [
        {
            "clip_id": f"d/{k}",
            "labels": ["dog", "music"][: k % 3],
            "group": f"g{k // 2}",
            "split": "test" if k % 2 else "train",
            "vectors": rng.standard_normal((1 + k % 3, 5)).astype(np.float32),
        }
        for k in range(first, first + n)
    ]


def test_vectors_come_back_bit_for_bit(tmp_path: Path) -> None:
    written = rows(0, 7)
    write_vectors(tmp_path / "t.parquet", written, "id-1")
    read = read_vectors(tmp_path / "t.parquet", embedding_id="id-1")
    assert read.clips["clip_id"].tolist() == [row["clip_id"] for row in written]
    assert [list(labels) for labels in read.clips["labels"]] == [row["labels"] for row in written]
    assert read.n_windows.tolist() == [1, 2, 3, 1, 2, 3, 1]
    for got, row in zip(read.per_clip(), written, strict=True):
        np.testing.assert_array_equal(got, row["vectors"])


def test_table_has_the_columns_that_stages_agree_on(tmp_path: Path) -> None:
    write_vectors(tmp_path / "t.parquet", rows(0, 3), "id-1")
    table = read_table(tmp_path / "t.parquet", EMBEDDINGS)
    assert table["window"].tolist() == [0, 0, 1, 0, 1, 2]


def test_joined_shards_are_all_clips_in_order(tmp_path: Path) -> None:
    write_vectors(tmp_path / "0", rows(0, 4), "id-1")
    write_vectors(tmp_path / "1", rows(4, 3), "id-1")
    join_vectors([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    read = read_vectors(tmp_path / "all", embedding_id="id-1")
    expected = [row["vectors"] for part in (rows(0, 4), rows(4, 3)) for row in part]
    np.testing.assert_array_equal(read.vectors, np.concatenate(expected))


def test_split_keeps_clips_and_windows_together(tmp_path: Path) -> None:
    written = rows(0, 7)
    write_vectors(tmp_path / "t", written, "id-1")
    test = read_vectors(tmp_path / "t", embedding_id="id-1").of_split("test")
    assert test.clips["clip_id"].tolist() == ["d/1", "d/3", "d/5"]
    np.testing.assert_array_equal(test.per_clip()[2], written[5]["vectors"])
    empty = read_vectors(tmp_path / "t", embedding_id="id-1").of_split("validation")
    assert empty.per_clip() == []


def test_another_embedding_is_refused(tmp_path: Path) -> None:
    write_vectors(tmp_path / "t", rows(0, 2), "compact-1+a")
    with pytest.raises(StageError, match=r"is of embedding compact-1\+a, not compact-1\+b: run stage 'embed' again"):
        read_vectors(tmp_path / "t", embedding_id="compact-1+b")


def test_missing_and_foreign_tables_are_refused(tmp_path: Path) -> None:
    import pandas as pd

    with pytest.raises(StageError, match="is missing: run stage 'embed'"):
        read_vectors(tmp_path / "t", embedding_id="x")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t")
    with pytest.raises(StageError, match="has the columns a; expected"):
        read_vectors(tmp_path / "t", embedding_id="x")
