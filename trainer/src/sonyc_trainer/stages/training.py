"""Stage `train`: a head per trained level, and the level-robust one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_contract.files import write_whole
from sonyc_contract.levels import Level
from sonyc_contract.recognise import ANY_HEAD
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import load_embedding
from sonyc_trainer.execution import run_shards
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.head_training import HeadJob, train_head
from sonyc_trainer.ledger import write_csv
from sonyc_trainer.stages import Stage

HEADS: Final = (
    *("head", "seed", "n_epochs", "best_epoch"),
    *("n_train", "train_accuracy", "n_validation", "validation_accuracy"),
)
"""A row per head and seed; seeds are counted from 0."""


@dataclass(frozen=True)
class HeadFiles:
    """A head to be trained, and where its files go."""

    job: HeadJob
    keras: Path
    model: Path
    record: Path


def run(folder: StudyFolder, context: StageContext) -> None:
    """Train the heads that are not there yet.

    Raises:
        StageError: embeddings are missing, or are of another embedding.
        TrainingError: there is nothing to train on or to stop by, or the training went astray.
    """
    chosen = [(name, seed) for name in folder.head_names for seed in range(folder.study.train.seeds)]
    heads = [_head(folder, name, seed) for name, seed in chosen]
    missing = [head for head in heads if not head.record.is_file()]
    with context.progress.task("train: heads", len(heads)) as advance:
        advance(len(heads) - len(missing))
        if missing:
            with context.executor() as executor:
                run_shards(executor, train_and_write, missing, on_done=advance)
    records = [json.loads(head.record.read_text()) for head in heads]
    rows = [(*of, *(record[column] for column in HEADS[2:])) for of, record in zip(chosen, records, strict=True)]
    write_csv(folder.of(Stage.TRAIN) / "heads.csv", rows, HEADS)


def train_and_write(head: HeadFiles) -> int:
    """Train one head and write its files, the record last; returns 1, the number of heads trained."""
    trained = train_head(head.job)
    write_whole(head.keras, trained.keras)
    write_whole(head.model, trained.tflite)
    write_whole(head.record, json.dumps(trained.record).encode())
    return 1


def _head(folder: StudyFolder, name: str, seed: int) -> HeadFiles:
    study = folder.study
    levels = study.compress.levels if name == ANY_HEAD else (Level(name),)
    job = HeadJob(
        name=name,
        tables={level: folder.embeddings(level) for level in levels},
        embedding_id=load_embedding(folder.embedding_model).id,
        pooling=study.embedding.pooling,
        settings=study.train,
        labels=study.labels,
        seed=study.seed + seed,
        curve=folder.head_curve(name, seed),
        log=folder.head_curve(name, seed).with_suffix(".log"),
    )
    return HeadFiles(job, *(of(name, seed) for of in (folder.head, folder.head_model, folder.head_record)))
