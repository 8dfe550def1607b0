"""What each stage's results depend on, so that a finished stage is kept exactly as long as it is still true."""

from dataclasses import dataclass
from typing import Final

from sonyc_trainer.stages import Stage
from sonyc_trainer.study import EmbeddingSettings, Study


@dataclass(frozen=True)
class StageInputs:
    """What a stage's results depend on: tables of the study, and stages before it.

    Attributes:
        settings: Names of `Study` fields, or of fields in them.
        after: Stages whose results it reads.
        version: Raised when the stage's code changes its results.
    """

    settings: tuple[str, ...] = ()
    after: tuple[Stage, ...] = ()
    version: int = 1


_EMBEDDING: Final = tuple(f"embedding.{name}" for name in EmbeddingSettings.model_fields if name != "pooling")

INPUTS: Final[dict[Stage, StageInputs]] = {
    Stage.DATASET: StageInputs(settings=("dataset",), version=3),
    Stage.SELECT: StageInputs(settings=("labels", "split", "seed"), after=(Stage.DATASET,), version=4),
    Stage.TRIM: StageInputs(settings=("trim", "compress.storage_rate_hz"), after=(Stage.SELECT,), version=2),
    Stage.COMPRESS: StageInputs(settings=("compress",), after=(Stage.TRIM,)),
    Stage.PRETRAIN: StageInputs(settings=(*_EMBEDDING, "pretrain", "seed"), after=(Stage.COMPRESS,), version=6),
    Stage.EMBED: StageInputs(after=(Stage.PRETRAIN,)),
    Stage.TRAIN: StageInputs(settings=("train", "seed", "embedding.pooling"), after=(Stage.EMBED,), version=2),
    Stage.EVALUATE: StageInputs(settings=("calibration", "seed"), after=(Stage.TRAIN,), version=4),
    Stage.EXPORT: StageInputs(
        settings=("export.min_top1_agreement", "export.max_probability_difference"), after=(Stage.TRAIN,)
    ),
    Stage.BUNDLE: StageInputs(settings=("export", "name"), after=(Stage.EXPORT, Stage.EVALUATE), version=2),
    Stage.SPECTROGRAMS: StageInputs(after=(Stage.COMPRESS,)),
    Stage.COSTS: StageInputs(settings=("costs",), after=(Stage.EVALUATE,), version=2),
    Stage.COMPARE: StageInputs(settings=("compare", "seed"), after=(Stage.EVALUATE,)),
    Stage.REPORT: StageInputs(
        settings=("name",), after=(Stage.BUNDLE, Stage.SPECTROGRAMS, Stage.COSTS, Stage.COMPARE), version=3
    ),
}


def have_same_results(one: Study, other: Study, stage: Stage) -> bool:
    """Whether a stage's results are the same in two studies of the same clips."""
    inputs = INPUTS[stage]
    return all(setting(one, name) == setting(other, name) for name in inputs.settings) and all(
        have_same_results(one, other, before) for before in inputs.after
    )


def setting(study: Study, name: str) -> object:
    """Give a field of a study, or a field in it, as JSON has it; `name` is as in `StageInputs.settings`."""
    value: object = study.model_dump(mode="json")
    for part in name.split("."):
        value = value[part]  # type: ignore[index]
    return value
