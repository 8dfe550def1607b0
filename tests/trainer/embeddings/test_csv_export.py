"""Embeddings as CSV: the same numbers as in the Parquet tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sonyc_contract.levels import Level
from sonyc_trainer.cli import main
from sonyc_trainer.embeddings.csv_export import export_csv
from sonyc_trainer.errors import StageError
from sonyc_trainer.folder import StudyFolder


def test_csv_holds_every_window_to_the_bit(
    finished: StudyFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embeddings", str(finished.root), "--csv", str(tmp_path / "csv")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "csv" / f"{level}.csv") for level in ("pcm", "v5", "v9")]
    table, text = pd.read_parquet(finished.embeddings(Level.V5)), pd.read_csv(tmp_path / "csv" / "v5.csv")
    assert text.columns[-17:].tolist() == ["window", *(f"e{n}" for n in range(16))]
    assert text.columns[:-17].tolist() == table.columns[:-2].tolist()
    assert text["clip_id"].tolist() == table["clip_id"].tolist()
    assert text["window"].tolist() == table["window"].tolist()
    numbers = text.filter(regex=r"^e\d+$").to_numpy(np.float32)
    np.testing.assert_array_equal(numbers, np.stack(table["embedding"].to_list()))


def test_missing_level_is_named(own_copy: StudyFolder, tmp_path: Path) -> None:
    own_copy.embeddings(Level.V9).unlink()
    with pytest.raises(StageError, match=r"v9.parquet is missing: run stage 'embed'"):
        export_csv(own_copy, tmp_path / "csv")
