"""The order of the stages, and how a study runs: what is finished is kept, what was interrupted goes on."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast

from sonyc_contract.files import write_whole
from sonyc_trainer.context import StageContext
from sonyc_trainer.errors import EmbeddingError, TrainerError
from sonyc_trainer.folder import LAST_OF_VARIANTS, StudyFolder
from sonyc_trainer.stages import Stage

MODULES: Final[dict[Stage, str]] = {
    Stage.DATASET: "dataset",
    Stage.SELECT: "selection",
    Stage.TRIM: "trimming",
    Stage.COMPRESS: "compression",
    Stage.PRETRAIN: "pretraining",
    Stage.EMBED: "embedding",
    Stage.TRAIN: "training",
    Stage.EVALUATE: "evaluation",
    Stage.EXPORT: "export",
    Stage.BUNDLE: "bundling",
    Stage.SPECTROGRAMS: "spectrograms",
    Stage.COSTS: "costing",
    Stage.COMPARE: "comparing",
    Stage.REPORT: "reporting",
}
"""The module of each stage, below `sonyc_trainer.stages`."""


@dataclass(frozen=True)
class StageOutcome:
    """What became of a stage.

    Attributes:
        stage: Which.
        is_kept: Whether its results were there already.
        duration_s: How long it took, now or when it ran.
        variant: Name of the comparison that it belongs to; empty for the study's own.
    """

    stage: Stage
    is_kept: bool
    duration_s: float
    variant: str = ""


Listener = Callable[[StageOutcome], None]


class StageModule(Protocol):
    """What every module of a stage has."""

    def run(self, folder: StudyFolder, context: StageContext) -> None:
        """Read the results of earlier stages and write the stage's own, whole."""


def run_study(
    folder: StudyFolder, context: StageContext, *, until: Stage | None = None, on_stage: Listener | None = None
) -> list[StageOutcome]:
    """Run the stages that are not finished, in order.

    Args:
        folder: The study and its folder, which is made where it is missing.
        context: What the stages are given to work with.
        until: The last stage to run; all by default.
        on_stage: Told of each stage when it is finished or kept.

    Raises:
        StageError: another run is at work in the folder, or it holds another study.
        TrainerError, ContractError: what a stage could not do; those before it stay finished.
        OSError: the folder cannot be written.
    """
    stages = list(Stage)
    wanted = stages[: stages.index(until) + 1] if until else stages
    outcomes = []
    with folder.locked():
        folder.claim()
        if Stage.PRETRAIN in wanted:
            _check_files(folder)
        for stage in wanted:
            if stage is Stage.COMPARE:
                outcomes += _variants(folder, context, on_stage)
            outcomes.append(_outcome(folder, stage, context, on_stage))
    return outcomes


def run_stage(
    folder: StudyFolder, context: StageContext, stage: Stage, *, on_stage: Listener | None = None
) -> StageOutcome:
    """Run one stage, unless it is finished; arguments as of `run_study`.

    Raises:
        StageError: a stage that it reads from is not finished; another run is at work in the folder, or it holds
            another study.
        TrainerError, ContractError: what the stage could not do.
        OSError: the folder cannot be written.
    """
    with folder.locked():
        folder.claim()
        if stage is Stage.COMPARE:
            _variants(folder, context, on_stage)
        return _outcome(folder, stage, context, on_stage)


def finished(folder: StudyFolder) -> list[StageOutcome]:
    """Give the stages that are finished."""
    done = [stage for stage in Stage if folder.is_done(stage)]
    return [StageOutcome(stage, is_kept=True, duration_s=folder.duration_s(stage)) for stage in done]


def stage_module(stage: Stage) -> StageModule:
    """Import the module of a stage, and with it what the stage alone needs."""
    return cast(StageModule, importlib.import_module(f"sonyc_trainer.stages.{MODULES[stage]}"))


def run_embeddings(folder: StudyFolder, context: StageContext, *, on_stage: Listener | None = None) -> None:
    """Run a study and its variants up to their embeddings; arguments and errors as of `run_study`."""
    run_study(folder, context, until=Stage.EMBED, on_stage=on_stage)
    with folder.locked():
        _variants(folder, context, on_stage, until=Stage.EMBED)


def _check_files(folder: StudyFolder) -> None:
    from sonyc_trainer.embeddings.registry import check_files

    needed = [folder.variants()[comparison.name] for comparison in folder.study.compare if not comparison.optional]
    for one in [folder, *needed]:
        if not one.is_done(Stage.PRETRAIN):
            check_files(one.study)


def _variants(
    folder: StudyFolder, context: StageContext, on_stage: Listener | None, *, until: Stage = LAST_OF_VARIANTS
) -> list[StageOutcome]:
    """Run the comparisons of a study up to a stage; an optional one whose embedding cannot be had is left out."""
    outcomes = []
    for comparison in folder.study.compare:
        variant = folder.variants()[comparison.name]
        variant.root.mkdir(parents=True, exist_ok=True)
        variant.claim()
        variant.left_out.unlink(missing_ok=True)
        try:
            outcomes += [
                _outcome(variant, stage, context, on_stage, variant=comparison.name)
                for stage in list(Stage)[: list(Stage).index(until) + 1]
                if stage not in variant.shared
            ]
        except TrainerError as error:
            if not (comparison.optional and isinstance(error, EmbeddingError)):
                raise type(error)(f"[[compare]] {comparison.name!r}: {error}") from error
            write_whole(variant.left_out, str(error).encode())
    return outcomes


def _outcome(
    folder: StudyFolder, stage: Stage, context: StageContext, on_stage: Listener | None, *, variant: str = ""
) -> StageOutcome:
    was_done, listed = folder.is_done(stage), folder.listed()
    is_kept = was_done
    # The dataset is listed again each time: that is cheap, and notices audio that has changed since.
    if stage is Stage.DATASET or not was_done:
        duration_s = _run(folder, stage, context)
        is_kept = was_done and folder.listed() == listed
        if not is_kept:
            folder.finish(stage, duration_s=duration_s)
    outcome = StageOutcome(stage, is_kept, folder.duration_s(stage), variant)
    if on_stage:
        on_stage(outcome)
    return outcome


def _run(folder: StudyFolder, stage: Stage, context: StageContext) -> float:
    folder.begin(stage)
    started = time.monotonic()
    stage_module(stage).run(folder, context)
    return time.monotonic() - started
