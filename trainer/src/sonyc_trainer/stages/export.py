"""Stage `export`: the files that nodes will run, released only if both runtimes agree with Keras."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from sonyc_contract.bundle import EMBEDDING, Agreement, head_member
from sonyc_contract.files import write_whole
from sonyc_contract.levels import Level
from sonyc_contract.runtime import Runtime
from sonyc_trainer.agreement import ComparisonJob, HeadFiles, compare
from sonyc_trainer.context import StageContext
from sonyc_trainer.embeddings.embedding import Embedding, load_embedding
from sonyc_trainer.errors import ExportError
from sonyc_trainer.execution import run_one
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import ExportSettings
from sonyc_trainer.tables import CLIPS, CODED, read_table

MAX_CLIPS: Final = 200
"""Validation clips that each head is compared on; more are thinned evenly."""


def run(folder: StudyFolder, context: StageContext) -> None:
    """Compare every file with Keras on both runtimes, then write the files.

    Nothing is compared or written where the embedding stays in the trainer.

    Raises:
        ExportError: a file does not agree with Keras; nothing is written.
        ModelError: a file does not load on a runtime; nothing is written.
    """
    embedding = load_embedding(folder.embedding_model)
    if not isinstance(embedding, Embedding):
        write_whole(folder.agreement, _document({}).encode())
        return
    heads = [_head(folder, name) for name in folder.head_names]
    log = folder.of(Stage.EXPORT) / "tensorflow.log"
    job = ComparisonJob(embedding, heads, folder.study.embedding.node_pooling, log)
    with context.progress.task("export: compare with Keras", 1) as advance, context.executor() as executor:
        agreement = run_one(executor, compare, job)
        advance(1)
    check_agreement(agreement, folder.study.export)
    write_whole(folder.exported(EMBEDDING), embedding.model)
    for head in heads:
        write_whole(folder.exported(head_member(head.name)), head.tflite)
    write_whole(folder.agreement, _document(agreement).encode())


def check_agreement(agreement: Mapping[Runtime, Mapping[str, Agreement]], settings: ExportSettings) -> None:
    """Hold the agreement against the bounds of `[export]`.

    Raises:
        ExportError: naming runtime, head, both figures and the settings.
    """
    for of_heads in agreement.values():
        for name, found in of_heads.items():
            if (
                found.top1_agreement < settings.min_top1_agreement
                or found.max_probability_difference > settings.max_probability_difference
            ):
                raise ExportError(
                    f"head-{name} on {found.runtime_version} does not agree with Keras on {found.n_clips} validation "
                    f"clips: top-1 agreement {found.top1_agreement:.3f} ([export] min_top1_agreement = "
                    f"{settings.min_top1_agreement:g}), largest probability difference "
                    f"{found.max_probability_difference:.3f} ([export] max_probability_difference = "
                    f"{settings.max_probability_difference:g})"
                )


def _head(folder: StudyFolder, name: str) -> HeadFiles:
    clips = _validation_clips(folder, folder.levels_served(name))
    return HeadFiles(name, folder.head(name).read_bytes(), folder.head_model(name).read_bytes(), clips)


def _validation_clips(folder: StudyFolder, levels: tuple[Level, ...]) -> list[tuple[Level, Path]]:
    """Choose validation clips, a head's levels in turn; of background any of eight low outputs may be the largest."""
    tables = [read_table(folder.coded(level), CODED) for level in levels]
    listed = read_table(folder.clips, CLIPS)
    is_background = tables[0]["clip_id"].isin(listed.loc[listed["is_background"], "clip_id"])
    chosen = np.flatnonzero((tables[0]["split"] == "validation") & ~is_background)
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), MAX_CLIPS)).round().astype(int)]
    turns = [(levels[k % len(levels)], tables[k % len(levels)]["file"].iloc[row]) for k, row in enumerate(chosen)]
    return [(level, folder.of(Stage.COMPRESS) / file) for level, file in turns]


def _document(agreement: Mapping[Runtime, Mapping[str, Agreement]]) -> str:
    found = {
        runtime: {name: one.model_dump(mode="json") for name, one in of_heads.items()}
        for runtime, of_heads in agreement.items()
    }
    return json.dumps(found, indent=1)
