"""`sonyc-trainer embeddings`, `convert-sea` and `yardstick`: embeddings alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sonyc_trainer.cli.options import (
    CacheOption,
    DataOption,
    Esc10Option,
    JsonOption,
    ModelOption,
    OutOption,
    StudyArgument,
    UrbanSound8KOption,
    named,
)
from sonyc_trainer.cli.running import resumable, say, study_folder


def add_commands(app: typer.Typer) -> None:
    """Add them."""
    app.command()(embeddings)
    app.command("convert-sea")(convert_sea)
    app.command()(yardstick)


def embeddings(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.", show_default=False)],
    csv: Annotated[
        Path, typer.Option("--csv", metavar="FOLDER", help="Where to write a CSV file per level.", show_default=False)
    ],
) -> None:
    """Write a study's embeddings as CSV, a row per window."""
    from sonyc_trainer.embeddings.csv_export import export_csv
    from sonyc_trainer.folder import open_folder

    for path in export_csv(open_folder(folder), csv):
        print(path)


def convert_sea(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="EdgeL3's .h5 or .h5.gz.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The TFLite file.", show_default=False)],
) -> None:
    """Convert the Keras weights of EdgeL3's SEA to TFLite.

    It gives 64 numbers, and takes windows of 1 s of front end edgel3-sea, [64, 50, 1].
    """
    from sonyc_contract.files import write_whole
    from sonyc_trainer.embeddings.edgel3 import convert_weights
    from sonyc_trainer.quiet import NOWHERE

    network, _ = convert_weights(weights, log=NOWHERE)
    write_whole(out, network)
    print(f"{out}: {len(network)} bytes")


def yardstick(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    study: StudyArgument,
    out: OutOption = None,
    data: DataOption = None,
    urbansound8k: UrbanSound8KOption = None,
    esc10: Esc10Option = None,
    model: ModelOption = None,
    fold: Annotated[list[int] | None, typer.Option("--fold", metavar="K", help="Leave this out.  [1 2 3]")] = None,
    by_fold: Annotated[
        list[str] | None,
        typer.Option("--by-fold", metavar="NAME=A,B,C", help="Judge variants A, B, C as one, a fold each."),
    ] = None,
    reference: Annotated[str, typer.Option("--reference", metavar="NAME", help="Compare with this one.")] = "yamnet",
    robust: Annotated[
        list[str] | None,
        typer.Option("--robust", metavar="NAME", help="Judge this with one classifier for all levels, too."),
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge embeddings by one yardstick, fold by fold.

    Logistic regression on clip means of recordings that nothing was learned
    from; predictions of the folds are pooled.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.study import load_study
    from sonyc_trainer.yardstick import check_fair, embed_contestants, judge, read_contest
    from sonyc_trainer.yardstick_tables import as_document, as_text

    folders = named(data, "--data", {"urbansound8k": urbansound8k, "esc10": esc10})
    loaded = load_study(study, folders=folders, models=named(model, "--model", {}))
    folder = study_folder(loaded, out, None)
    folds = fold or [1, 2, 3]
    joined = {name: str(members).split(",") for name, members in named(by_fold, "--by-fold", {}).items()}
    check_fair(folder, folds, by_fold=joined)
    with resumable():
        context = StageContext(cache=cache or folder.root.parent / ".cache")
        embed_contestants(folder, context, folds, on_stage=say)
    judged = judge(
        read_contest(folder, folds, by_fold=joined), reference=reference, seed=loaded.seed, robust=robust or ()
    )
    print(json.dumps(as_document(judged)) if as_json else as_text(judged, reference))
