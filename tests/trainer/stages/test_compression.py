"""Stage `compress` through its files: the real codec at every level, and going on after a kill."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sonyc_contract.codec import decode
from sonyc_contract.levels import Level
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from sonyc_trainer.tables import CODED, TRIMMED, read_table, rows_of
from support.small_datasets import burst_study
from support.stage_runs import QUIET


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study of 24 clips that was compressed at pcm, v5 and v9."""
    folder = StudyFolder(tmp_path / "out", burst_study(tmp_path / "audio"))
    run_study(folder, QUIET, until=Stage.COMPRESS)
    return folder


def coded(folder: StudyFolder) -> dict[Level, pd.DataFrame]:
    return {level: read_table(folder.coded(level), CODED) for level in folder.study.compress.levels}


def test_every_clip_is_there_at_every_level(folder: StudyFolder) -> None:
    trimmed = read_table(folder.trimmed, TRIMMED)
    columns = ["clip_id", "labels", "group", "split", "duration_s"]
    for level, table in coded(folder).items():
        pd.testing.assert_frame_equal(table[columns], trimmed[columns])
        assert all(Path(name).suffix == level.suffix for name in table["file"])


def test_times_are_kept_beside_the_tables(folder: StudyFolder) -> None:
    times = pd.read_csv(folder.timings).set_index("level")
    assert list(times.index) == ["pcm", "v5", "v9"]
    assert (times[["encode_ms_per_s", "decode_ms_per_s"]] > 0).all(axis=None)


def test_files_have_their_bytes_and_as_many_samples_as_went_in(folder: StudyFolder) -> None:
    trimmed = read_table(folder.trimmed, TRIMMED)
    originals = {
        row["clip_id"]: decode((folder.trimmed.parent / row["file"]).read_bytes())[0]
        for row in rows_of(trimmed, ("clip_id", "file"))
    }
    for level, table in coded(folder).items():
        for row in rows_of(table, ("clip_id", "file", "n_bytes")):
            data = (folder.coded(level).parent / row["file"]).read_bytes()
            samples, rate_hz = decode(data)
            original = originals[row["clip_id"]]
            assert len(data) == row["n_bytes"]
            assert (rate_hz, len(samples)) == (16000, len(original))
            if level is Level.PCM:
                np.testing.assert_array_equal(samples, original)
            else:
                assert np.corrcoef(samples, original)[0, 1] > 0.95


def test_smaller_levels_make_smaller_files(folder: StudyFolder) -> None:
    sizes = {level: table["n_bytes"].sum() for level, table in coded(folder).items()}
    assert sizes[Level.PCM] > sizes[Level.V5] > sizes[Level.V9]


def test_killed_run_goes_on_with_the_shards_that_are_missing(folder: StudyFolder) -> None:
    """What a kill leaves: some shards whole, one half-written under its temporary name, and no tables."""
    before = coded(folder)
    root = folder.of(Stage.COMPRESS)
    shards = sorted(path for path in root.iterdir() if path.is_dir())
    assert len(shards) == 6
    (root / "done.json").unlink()
    for level in before:
        folder.coded(level).unlink()
    half = root / ".0004.abc.part"
    shutil.move(shards[4], half)
    (half / "rows.json").unlink()
    kept = {path: path.stat().st_ino for path in shards[:4] + shards[5:]}
    run_study(folder, QUIET, until=Stage.COMPRESS)
    assert not half.exists()
    assert {path: path.stat().st_ino for path in kept} == kept
    for level, table in coded(folder).items():
        pd.testing.assert_frame_equal(table, before[level])


def test_other_levels_begin_anew(folder: StudyFolder, tmp_path: Path) -> None:
    study = burst_study(tmp_path / "audio", compress={"storage_rate_hz": 16000, "levels": ["pcm", "v7"]})
    other = StudyFolder(folder.root, study)
    run_study(other, QUIET, until=Stage.COMPRESS)
    assert not folder.coded(Level.V9).exists()
    assert not list(other.of(Stage.COMPRESS).glob("*/v9"))
    assert len(read_table(other.coded(Level.V7), CODED)) == 24
