"""A study that is killed in every stage goes on, and ends with the same bytes as one that never was."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import load_study
from support.processes import wait_until
from support.small_study import write_tones

pytestmark = pytest.mark.slow

SEED = 7
STUDY = """
name = "killed"

[[dataset]]
name = "tones"
format = "class-folders"
path = "audio"
file_pattern = '^(?P<source>\\d+)-'

[trim]
mode = "whole"

[compress]
storage_rate_hz = 16000
levels = ["pcm", "v5", "v9"]

[pretrain]
epochs = 20
n_channels = 4
n_dimensions = 16
batch_size = 16

[train]
levels = ["pcm", "v5"]
epochs = 60

[costs]
max_clips = 4
max_pieces = 2

[[compare]]
name = "attention"
embedding = { pooling = "attention" }
"""

# Durations and what the machine did meanwhile; Keras writes the time into its files. `rows.json` has milliseconds in
# the rows of which the tables are made, and those are compared.
NOT_COMPARED = {"run.json", "done.json", "timings.csv", "rows.json", "report.html", ".lock"}
NOT_COMPARED_SUFFIXES = {".keras", ".log"}


def start(root: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sonyc_trainer.cli", "run", str(root / "study.toml"), "--out", str(out)]
    with (root / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def results(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in files
        if path.name not in NOT_COMPARED and path.suffix not in NOT_COMPARED_SUFFIXES
    }


def kill_within(process: subprocess.Popen[bytes], folder: StudyFolder, stage: Stage, after_s: float) -> bool:
    """Kill a run so many seconds after a stage began; False where the run was over before."""
    begun = folder.of(stage) / "key.json"
    wait_until(lambda: begun.is_file() or process.poll() is not None, what=f"{stage} to begin", timeout_s=180)
    time.sleep(after_s)
    workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    if was_running := process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Workers end by themselves when their pipe breaks; nobody tidies up after a power cut either.
    psutil.wait_procs(workers, timeout=60)
    return was_running


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    write_tones(root / "audio")
    (root / "study.toml").write_text(STUDY)
    return root


@pytest.fixture(scope="module")
def uninterrupted(root: Path) -> Path:
    assert start(root, root / "whole").wait(timeout=300) == 0, (root / "whole.log").read_text()
    return root / "whole"


def folders(root: Path, out: Path) -> Iterator[tuple[StudyFolder, Stage]]:
    """Every stage of the study and of its variant, with the folder that it writes."""
    study = StudyFolder(out, load_study(root / "study.toml"))
    variant = study.variants()["attention"]
    for stage in Stage:
        if stage is Stage.COMPARE:
            yield from ((variant, own) for own in (Stage.TRAIN, Stage.EVALUATE))
        yield study, stage


def test_killed_in_every_stage_it_ends_with_the_same_bytes(root: Path, uninterrupted: Path) -> None:
    rng, out = np.random.default_rng(SEED), root / "killed"
    n_kills = 0
    for (folder, stage), (whole, _) in zip(folders(root, out), folders(root, uninterrupted), strict=True):
        took_s = json.loads((whole.of(stage) / "done.json").read_text())["duration_s"]
        n_kills += kill_within(start(root, out), folder, stage, rng.uniform(0, took_s))
    last = start(root, out)
    assert last.wait(timeout=300) == 0, (root / "killed.log").read_text()
    assert n_kills >= len(Stage) - 2, "a stage may be over before the signal comes, but not many"
    found, wanted = results(out), results(uninterrupted)
    assert set(found) == set(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert sum(name.endswith((".parquet", ".tflite", ".bundle")) for name in wanted) > 20
