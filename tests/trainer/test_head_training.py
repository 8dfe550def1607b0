"""Heads learn with the pooling that nodes use, and from every level that they are given."""

from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest

from sonyc_contract.levels import Level
from sonyc_contract.recognise import Pooling, pooled_logits
from sonyc_contract.runtime import open_interpreter
from sonyc_trainer.deciding import LabelMode
from sonyc_trainer.embeddings.vectors import ClipVectors, read_vectors, write_vectors
from sonyc_trainer.errors import TrainingError
from sonyc_trainer.head_training import HeadJob, TrainedHead, train_head
from sonyc_trainer.learning import class_flags
from sonyc_trainer.study import ClassWeights, TrainSettings

N_DIMENSIONS = 6
LABELS = ("dog", "music", "engine")


def write_level(path: Path, *, shift: float, splits: tuple[str, ...] = ("train", "validation")) -> Path:
    """Clips of 1 to 3 windows whose class is where they lie, moved by `shift`: what another level might do."""
    rng = np.random.default_rng(7)
    rows = []
    for index in range(60):
        label = LABELS[index % 3]
        centre = 3.0 * np.eye(N_DIMENSIONS)[index % 3] + shift
        vectors = (centre + rng.normal(0, 0.7, (1 + index % 4 % 3, N_DIMENSIONS))).astype(np.float32)
        split = splits[index % 5 % len(splits)]
        rows.append({"clip_id": f"d/{index}", "labels": [label], "group": "g", "split": split, "vectors": vectors})
    write_vectors(path, rows, "id")
    return path


def train(folder: Path, tables: dict[Level, Path], pool: Executor, *, seed: int = 1, **options: object) -> TrainedHead:
    settings = TrainSettings.model_validate({"levels": [Level.PCM], "epochs": 60, "patience": 60} | options)
    pooling = Pooling(folder.name) if folder.name in set(Pooling) else Pooling.MEAN_EMBEDDING
    job = HeadJob("pcm", tables, "id", pooling, settings, LabelMode.SINGLE, seed, folder / "curve.csv", folder / "log")
    return pool.submit(train_head, job).result()


def accuracy(head: TrainedHead, vectors: ClipVectors, pooling: Pooling) -> float:
    interpreter = open_interpreter(head.tflite)
    predicted = [pooled_logits(of_clip, interpreter, pooling).argmax() for of_clip in vectors.per_clip()]
    return float(np.mean(class_flags(vectors.clips["labels"]).argmax(axis=1) == predicted))


@pytest.mark.parametrize("pooling", list(Pooling))
@pytest.mark.parametrize("hidden_units", [0, 8])
def test_recorded_accuracy_is_that_of_the_exported_file(
    tmp_path: Path, tensorflow_pool: Executor, pooling: Pooling, hidden_units: int
) -> None:
    folder = tmp_path / pooling
    folder.mkdir()
    table = write_level(tmp_path / "pcm.parquet", shift=0.0)
    head = train(folder, {Level.PCM: table}, tensorflow_pool, hidden_units=hidden_units)
    vectors = read_vectors(table, embedding_id="id")
    for split in ("train", "validation"):
        assert head.record[f"{split}_accuracy"] == pytest.approx(accuracy(head, vectors.of_split(split), pooling))
    assert head.record["validation_accuracy"] > 0.8
    assert head.record["n_epochs"] == len((folder / "curve.csv").read_text().splitlines()) - 1


def test_robust_head_serves_levels_that_a_level_head_does_not(tmp_path: Path, tensorflow_pool: Executor) -> None:
    pcm = write_level(tmp_path / "pcm.parquet", shift=0.0)
    v9 = write_level(tmp_path / "v9.parquet", shift=-4.0)
    of_pcm = train(tmp_path, {Level.PCM: pcm}, tensorflow_pool)
    of_both = train(tmp_path, {Level.PCM: pcm, Level.V9: v9}, tensorflow_pool, epochs=200)
    coded = read_vectors(v9, embedding_id="id").of_split("validation")
    assert accuracy(of_both, coded, Pooling.MEAN_EMBEDDING) > accuracy(of_pcm, coded, Pooling.MEAN_EMBEDDING) + 0.1


def test_head_is_the_same_for_the_same_seed_only(tmp_path: Path, tensorflow_pool: Executor) -> None:
    tables = {Level.PCM: write_level(tmp_path / "pcm.parquet", shift=0.0)}
    first, second, other = (train(tmp_path, tables, tensorflow_pool, epochs=5, seed=seed) for seed in (1, 1, 2))
    assert first.tflite == second.tflite
    assert first.tflite != other.tflite


def test_split_without_clips_is_refused(tmp_path: Path, tensorflow_pool: Executor) -> None:
    tables = {Level.PCM: write_level(tmp_path / "pcm.parquet", shift=0.0, splits=("train",))}
    with pytest.raises(TrainingError, match="no validation clips to train heads with"):
        train(tmp_path, tables, tensorflow_pool)


def test_multi_label_head_learns_each_class_by_itself(tmp_path: Path, tensorflow_pool: Executor) -> None:
    """Clips have any set of three classes, each in a dimension of its own."""
    rng = np.random.default_rng(3)
    rows = []
    for index in range(160):
        flags = [bool(index >> bit & 1) for bit in range(3)]
        vector = 3.0 * np.pad(flags, (0, N_DIMENSIONS - 3)) + rng.normal(0, 0.4, (1, N_DIMENSIONS))
        labels = [label for label, is_there in zip(LABELS, flags, strict=True) if is_there]
        split = "validation" if index % 5 == 0 else "train"
        clip = {"clip_id": f"d/{index}", "labels": labels, "group": "g", "split": split}
        rows.append({**clip, "vectors": vector.astype(np.float32)})
    write_vectors(tmp_path / "pcm.parquet", rows, "id")
    job = HeadJob(
        name="pcm",
        tables={Level.PCM: tmp_path / "pcm.parquet"},
        embedding_id="id",
        pooling=Pooling.MEAN_EMBEDDING,
        settings=TrainSettings(levels=(Level.PCM,), epochs=80, class_weights=ClassWeights.NONE),
        labels=LabelMode.MULTI,
        seed=1,
        curve=tmp_path / "curve.csv",
        log=tmp_path / "log",
    )
    record = tensorflow_pool.submit(train_head, job).result().record
    assert record["n_validation"] == 32
    assert record["validation_accuracy"] > 0.9, "exactly the right set of eight"
