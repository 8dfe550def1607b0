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

HEADS: Final = ("head", "n_epochs", "best_epoch", "train_accuracy", "validation_accuracy")
"""A row per head."""


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
    heads = [_head(folder, name) for name in folder.head_names]
    missing = [head for head in heads if not head.record.is_file()]
    with context.progress.task("train: heads", len(heads)) as advance:
        advance(len(heads) - len(missing))
        if missing:
            with context.executor() as executor:
                run_shards(executor, train_and_write, missing, on_done=advance)
    records = {head.job.name: json.loads(head.record.read_text()) for head in heads}
    rows = [(name, *(record[column] for column in HEADS[1:])) for name, record in records.items()]
    write_csv(folder.of(Stage.TRAIN) / "heads.csv", rows, HEADS)


def train_and_write(head: HeadFiles) -> int:
    """Train one head and write its files, the record last; returns 1, the number of heads trained."""
    trained = train_head(head.job)
    write_whole(head.keras, trained.keras)
    write_whole(head.model, trained.tflite)
    write_whole(head.record, json.dumps(trained.record).encode())
    return 1


def _head(folder: StudyFolder, name: str) -> HeadFiles:
    study = folder.study
    levels = study.compress.levels if name == ANY_HEAD else (Level(name),)
    job = HeadJob(
        name=name,
        tables={level: folder.embeddings(level) for level in levels},
        embedding_id=load_embedding(folder.embedding_model).id,
        pooling=study.embedding.pooling,
        settings=study.train,
        seed=study.seed,
        curve=folder.of(Stage.TRAIN) / f"curve-{name}.csv",
        log=folder.of(Stage.TRAIN) / f"tensorflow-{name}.log",
    )
    return HeadFiles(job, folder.head(name), folder.head_model(name), folder.head_record(name))
