"""A study on a Dask cluster: the same tables as in a process pool, and clear words where there is no cluster."""

import os
from pathlib import Path

import pandas as pd
import pytest

from sonyc_trainer.cli import main
from sonyc_trainer.context import StageContext
from sonyc_trainer.dask_cluster import dask_cluster, is_dask_address
from sonyc_trainer.errors import StageError
from sonyc_trainer.execution import run_one, run_shards
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.pipeline import run_study
from sonyc_trainer.stages import Stage
from support.small_study import small_study
from support.stage_runs import Quiet


@pytest.mark.parametrize("address", ["local", "local:2", "tcp://127.0.0.1:8786", "tls://node.example.org:8786"])
def test_addresses(address: str) -> None:
    assert is_dask_address(address)


@pytest.mark.parametrize("address", ["", "local:0", "local:two", "127.0.0.1:8786", "tcp://host", "http://host:80"])
def test_other_texts_are_a_wrong_call(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_dask_address(address)
    (tmp_path / "s.toml").write_text('name = "s"\n[[dataset]]\nname = "d"\nformat = "scenes"\nscenes = {}\n')
    assert main(["run", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out"), "--dask", address]) == 2
    assert "is not tcp://HOST:PORT, local or local:N" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_cluster_that_does_not_answer() -> None:
    message = r"--dask tcp://127.0.0.1:9: no scheduler with a worker answers"
    with pytest.raises(StageError, match=message), dask_cluster("tcp://127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_workers_that_die_are_an_error_in_words() -> None:
    with dask_cluster("local:1") as executor:
        with pytest.raises(StageError, match="--dask local:1: workers died at a task"), executor() as pool:
            run_shards(pool, os._exit, [1], on_done=print)
        with executor() as pool:
            assert run_one(pool, abs, -1) == 1, "the cluster goes on"


@pytest.mark.slow
def test_two_workers_give_the_tables_of_the_process_pool(finished: StudyFolder, tones: Path, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "dask", small_study(tones))
    with dask_cluster("local:2") as executor:
        run_study(folder, StageContext(executor, Quiet()))
    for stage in (Stage.SELECT, Stage.TRIM, Stage.COMPRESS, Stage.EMBED, Stage.EVALUATE):
        paths = sorted(path.relative_to(finished.root) for path in finished.of(stage).glob("*.parquet"))
        assert paths
        for path in paths:
            pd.testing.assert_frame_equal(timeless(folder.root / path), timeless(finished.root / path))
    assert folder.bundle.read_bytes() == finished.bundle.read_bytes()


def timeless(path: Path) -> pd.DataFrame:
    """A table without the columns that say how long something took."""
    table = pd.read_parquet(path)
    return table.drop(columns=[name for name in table if str(name).endswith("_ms")])
