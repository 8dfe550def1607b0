"""`sonyc-trainer run`, a command per stage, and `show`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sonyc_trainer.cli.options import (
    CacheOption,
    DaskOption,
    DataOption,
    Esc10Option,
    JsonOption,
    LabelsOption,
    ModelOption,
    OpenL3Option,
    OutOption,
    StudyArgument,
    UrbanSound8KOption,
    named,
)
from sonyc_trainer.cli.running import resumable, say, stage_context, study_folder
from sonyc_trainer.stages import Stage

if TYPE_CHECKING:
    from sonyc_trainer.folder import StudyFolder
    from sonyc_trainer.pipeline import StageOutcome

RUN_HELP: Final = """Run the whole study, or what is left of it.

What is finished is kept; what was interrupted goes on.
"""
STAGE_HELP: Final[dict[Stage, str]] = {
    Stage.DATASET: "List the clips of the study's datasets.",
    Stage.SELECT: "Choose clips of one class; divide train, validation, test.",
    Stage.TRIM: "Cut every clip to its loudest moment.",
    Stage.COMPRESS: "Code every clip at every level.",
    Stage.PRETRAIN: "Train the embedding, or fetch the one that is given.",
    Stage.EMBED: "Compute the embeddings of every clip at every level.",
    Stage.TRAIN: "Train a head per trained level, and one for all.",
    Stage.EVALUATE: "Test every trained level at every tested level.",
    Stage.EXPORT: "Convert to TFLite, and compare the files with Keras.",
    Stage.BUNDLE: "Write the bundle for the nodes.",
    Stage.SPECTROGRAMS: "Show one clip per class at every level.",
    Stage.COSTS: "Measure bytes and times, other rates and Opus too.",
    Stage.COMPARE: "Run the study's variants, and compare them with it.",
    Stage.REPORT: "Write the report.",
}


def add_commands(app: typer.Typer) -> None:
    """Add them."""
    app.command("run", help=RUN_HELP)(_command(None))
    for stage, text in STAGE_HELP.items():
        app.command(stage.value, help=text)(_command(stage))
    app.command()(show)


def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show how far a study has come.

    The stages that are finished, clips that were dropped and why, clips per class.
    """
    from sonyc_trainer.folder import open_folder
    from sonyc_trainer.status import study_status

    status = study_status(open_folder(folder))
    print(json.dumps(status.as_document()) if as_json else status.as_text())


def _command(stage: Stage | None) -> Callable[..., None]:
    """Make the command that runs one stage, or all."""

    def command(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
        study: StudyArgument,
        out: OutOption = None,
        data: DataOption = None,
        urbansound8k: UrbanSound8KOption = None,
        esc10: Esc10Option = None,
        model: ModelOption = None,
        openl3_weights: OpenL3Option = None,
        labels: LabelsOption = None,
        dask: DaskOption = None,
        cache: CacheOption = None,
        as_json: JsonOption = False,
    ) -> None:
        from sonyc_trainer.pipeline import run_stage, run_study
        from sonyc_trainer.study import load_study

        folders = named(data, "--data", {"urbansound8k": urbansound8k, "esc10": esc10})
        models = named(model, "--model", {"openl3": openl3_weights})
        folder = study_folder(load_study(study, folders=folders, models=models), out, labels)
        with resumable(), stage_context(dask, cache or folder.root.parent / ".cache") as context:
            if stage is None:
                outcomes = run_study(folder, context, on_stage=say)
            else:
                outcomes = [run_stage(folder, context, stage, on_stage=say)]
        _conclude(folder, outcomes, as_json=as_json)

    return command


def _conclude(folder: "StudyFolder", outcomes: "list[StageOutcome]", *, as_json: bool) -> None:
    from sonyc_trainer.summary import print_summary

    stages = {
        f"{o.variant}/{o.stage}" if o.variant else str(o.stage): {"kept": o.is_kept, "duration_s": o.duration_s}
        for o in outcomes
    }
    if as_json:
        print(json.dumps({"study": folder.study.name, "folder": str(folder.root), "stages": stages}))
    elif outcomes[-1].stage is Stage.REPORT:
        print_summary(folder)
    else:
        print(f"{folder.study.name}: results are in {folder.root}")
