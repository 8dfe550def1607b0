"""`sonyc-trainer distill`: the embedding that a study distils, and the yardstick for it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sonyc_trainer.cli.options import (
    CacheOption,
    DataOption,
    Esc10Option,
    JsonOption,
    OutOption,
    StudyArgument,
    UrbanSound8KOption,
    named,
)
from sonyc_trainer.cli.running import resumable, say, study_folder


def add_commands(app: typer.Typer) -> None:
    """Add it."""
    app.command()(distill)


def distill(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    study: StudyArgument,
    teacher: Annotated[Path, typer.Option("--teacher", metavar="FILE", help="YAMNet's TFLite.", show_default=False)],
    sounds: Annotated[
        Path | None,
        typer.Option("--sounds", metavar="DIR", help="Recordings of anything, to be heard, too.", show_default=False),
    ] = None,
    out: OutOption = None,
    data: DataOption = None,
    urbansound8k: UrbanSound8KOption = None,
    esc10: Esc10Option = None,
    yardstick: Annotated[
        bool, typer.Option("--yardstick", help="Judge it: distil once for every fold, without the fold.")
    ] = False,
    fold: Annotated[list[int] | None, typer.Option("--fold", metavar="K", help="Judge by this one.  [1 2 3]")] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Distil 'compact' from a teacher, and make a bundle of it.

    With --yardstick it makes no bundle: the embedding is distilled once for
    every fold that is left out, and judged beside its teacher and log-mels.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.distillation.judging import judged_study
    from sonyc_trainer.pipeline import run_study
    from sonyc_trainer.study import load_study
    from sonyc_trainer.yardstick import check_fair, embed_contestants, judge, read_contest
    from sonyc_trainer.yardstick_tables import as_document, as_text

    folders = named(data, "--data", {"urbansound8k": urbansound8k, "esc10": esc10})
    heard = {"teacher": teacher, **({"sounds": sounds} if sounds else {})}
    loaded = load_study(study, folders=folders, models=heard)
    folds = fold or [1, 2, 3]
    judged = judged_study(loaded, folds) if yardstick else None
    folder = study_folder(judged.study if judged else loaded, out, None)
    with resumable():
        context = StageContext(cache=cache or folder.root.parent / ".cache")
        if judged is None:
            run_study(folder, context, on_stage=say)
            print(json.dumps({"bundle": str(folder.bundle)}) if as_json else folder.bundle)
            return
        check_fair(folder, folds, by_fold=judged.by_fold)
        embed_contestants(folder, context, folds, on_stage=say)
    contest = read_contest(folder, folds, by_fold=judged.by_fold)
    found = judge(contest, reference=judged.reference, seed=loaded.seed, robust=list(judged.by_fold))
    print(json.dumps(as_document(found)) if as_json else as_text(found, judged.reference))
