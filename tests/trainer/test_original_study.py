"""The original study's protocol, from its TOML to its report, with OpenL3's network and random weights.

The figures mean nothing; that every step works on a dataset in SONYC-UST's format does.
"""

import csv
import json
from concurrent.futures import Executor
from pathlib import Path

import pandas as pd
import pytest

from sonyc_trainer.cli import main
from support.openl3_weights import write_openl3_weights
from support.small_datasets import Annotation, write_burst, write_sonyc_ust

pytestmark = pytest.mark.slow

CLASSES = {"engine": 150.0, "alert-signal": 1_200.0, "dog": 600.0}
N_CLIPS = 10


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Clips of one class, one of two, one that only a volunteer heard, as SONYC-UST has them."""
    annotations = [
        Annotation(f"{label}-{clip}.wav", present=[label], sensor=str(clip % 3))
        for label in CLASSES
        for clip in range(N_CLIPS)
    ]
    annotations.append(Annotation("mixture.wav", present=["dog", "engine"]))
    annotations.append(Annotation("volunteer.wav", present=["dog"], annotator="17"))
    folder = write_sonyc_ust(tmp_path / "sonyc-ust", annotations)
    for seed, (label, hz) in enumerate(CLASSES.items()):
        for clip in range(N_CLIPS):
            path = folder / "audio" / f"{label}-{clip}.wav"
            write_burst(path, hz=hz, start_s=0.1 * clip, duration_s=2.0, rate_hz=44_100, seed=100 * seed + clip)
    return folder


def test_protocol_of_the_original_study(
    openl3: None, dataset: Path, repository: Path, tmp_path: Path, tensorflow_pool: Executor
) -> None:
    weights = tensorflow_pool.submit(write_openl3_weights, tmp_path / "openl3_audio_mel256_env.h5").result()
    out = tmp_path / "out"
    study = str(repository / "trainer" / "studies" / "sonyc-ust-openl3.toml")
    options = ["--data", f"sonyc-ust={dataset}", "--openl3-weights", str(weights), "--out", str(out)]
    assert main(["run", study, *options]) == 0

    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["matrix"]) == ["pcm", "v3", "v5"]
    assert all(list(row) == ["pcm", "v3", "v5", "v7", "v9"] for row in summary["matrix"].values())
    assert summary["bundle"] is None
    assert [note for note in summary["notes"] if "no bundle: " in note and "openl3-env-mel256-512" in note]
    assert summary["split"] == "test"
    assert ledger(next(out.glob("*-select")) / "ledger.csv") >= {("listed", "32"), ("used", "30")}

    assert main(["embeddings", str(out), "--csv", str(tmp_path / "csv")]) == 0
    exported = pd.read_csv(tmp_path / "csv" / "v9.csv")
    assert len(exported) == len(CLASSES) * N_CLIPS, "one window of a second each"
    assert exported.columns[-1] == "e511"


def ledger(path: Path) -> set[tuple[str, str]]:
    with path.open(newline="") as file:
        return {(row["rule"], row["n_clips"]) for row in csv.DictReader(file)}
