"""The command line `sonyc-trainer`: it parses, wires and maps errors to exit codes."""

import errno
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sonyc_trainer.stages import Stage

if TYPE_CHECKING:
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.folder import StudyFolder
    from sonyc_trainer.pipeline import StageOutcome
    from sonyc_trainer.study import Study

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

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

app = typer.Typer(
    name="sonyc-trainer",
    help="How far can street sound be compressed before the recogniser stops recognising? A study answers: one TOML "
    "file, one command, one report, and a bundle for the nodes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)

StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study's settings.", show_default=False)]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder of the study's results.  [default: out/NAME]", show_default=False
    ),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="NAME=DIR", help="Folder of a dataset of the study; may be repeated."),
]
UrbanSound8KOption = Annotated[
    Path | None, typer.Option("--urbansound8k", metavar="DIR", help="Short for --data urbansound8k=DIR.")
]
Esc10Option = Annotated[Path | None, typer.Option("--esc10", metavar="DIR", help="Short for --data esc10=DIR.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME=FILE", help="File of an embedding or a comparison; may be repeated."),
]
OpenL3Option = Annotated[
    Path | None, typer.Option("--openl3-weights", metavar="FILE", help="Short for --model openl3=FILE.")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="MODE",
        help="Instead of the study's: single (clips of one class) or multi (every clip with all its classes).",
        show_default=False,
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDRESS", help="Work on a Dask cluster: tcp://HOST:PORT, local or local:N."),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Folder of embeddings that studies share.  [default: .cache beside the results]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the outcome as one JSON object.")]


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        0, 1 for a failure, 2 for a wrong call, 130 for an interrupt or a request to end.
    """
    from sonyc_contract.errors import ContractError
    from sonyc_trainer.errors import TrainerError

    try:
        app(args=argv, prog_name="sonyc-trainer")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILURE
    except (ContractError, TrainerError) as error:
        return _failed(str(error))
    except OSError as error:
        return _failed(_in_words(error))
    return 0


def _failed(message: str) -> int:
    print(f"sonyc-trainer: {' '.join(message.split())}", file=sys.stderr)
    return EXIT_FAILURE


def _in_words(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{reason}: free some, or give another folder; the same command goes on where this one stopped"
    return f"{error.filename}: {reason}" if error.filename else reason


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

        folders = _named(data, "--data", {"urbansound8k": urbansound8k, "esc10": esc10})
        models = _named(model, "--model", {"openl3": openl3_weights})
        folder = _study_folder(load_study(study, folders=folders, models=models), out, labels)
        with _resumable(), _stage_context(dask, cache or folder.root.parent / ".cache") as context:
            if stage is None:
                outcomes = run_study(folder, context, on_stage=_say)
            else:
                outcomes = [run_stage(folder, context, stage, on_stage=_say)]
        _conclude(folder, outcomes, as_json=as_json)

    return command


app.command("run", help=RUN_HELP)(_command(None))
for _stage, _help in STAGE_HELP.items():
    app.command(_stage.value, help=_help)(_command(_stage))


@app.command()
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


@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write the dataset.", show_default=False)],
    clips: Annotated[int, typer.Option("--clips", metavar="N", help="Number of clips of 10 s.")] = 400,
    sensors: Annotated[int, typer.Option("--sensors", metavar="N", help="Number of sensors.")] = 12,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Other seeds make other scenes.")] = 1,
) -> None:
    """Make synthetic street scenes in SONYC-UST's format."""
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.datasets.generated import write_scenes
    from sonyc_trainer.scenes import scenes_config

    config = scenes_config(n_clips=clips, n_sensors=sensors, seed=seed)
    with _resumable():
        write_scenes(folder, config, StageContext())
    print(f"{clips} synthetic clips are in {folder}")


@app.command()
def download(
    dataset: Annotated[str, typer.Argument(metavar="sonyc-ust", help="The dataset.", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it.", show_default=False)],
    address: Annotated[str, typer.Option("--address", metavar="URL", help="Server to ask.")] = "https://zenodo.org",
) -> None:
    """Fetch SONYC-UST V2.3 (16 GB unpacked) from Zenodo.

    What is there is kept; what was interrupted goes on.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.datasets.download import download_sonyc_ust

    if dataset != "sonyc-ust":
        raise typer.BadParameter(f"{dataset!r} cannot be downloaded; only sonyc-ust can", param_hint="'sonyc-ust'")
    with _resumable():
        names = download_sonyc_ust(folder, StageContext(), address=address)
    print(f"{len(names)} files of SONYC-UST are in {folder}")


@app.command()
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


@app.command("convert-sea")
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


@app.command()
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
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge embeddings by one yardstick, fold by fold.

    Logistic regression on clip means of recordings that nothing was learned
    from; predictions of the folds are pooled.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.pipeline import run_embeddings
    from sonyc_trainer.study import load_study
    from sonyc_trainer.yardstick import check_fair, judge, read_contest
    from sonyc_trainer.yardstick_tables import as_document, as_text

    folders = _named(data, "--data", {"urbansound8k": urbansound8k, "esc10": esc10})
    loaded = load_study(study, folders=folders, models=_named(model, "--model", {}))
    folder = _study_folder(loaded, out, None)
    check_fair(folder)
    with _resumable():
        run_embeddings(folder, StageContext(cache=cache or folder.root.parent / ".cache"), on_stage=_say)
    joined = {name: str(members).split(",") for name, members in _named(by_fold, "--by-fold", {}).items()}
    judged = judge(read_contest(folder, fold or [1, 2, 3], by_fold=joined), reference=reference, seed=loaded.seed)
    print(json.dumps(as_document(judged)) if as_json else as_text(judged, reference))


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    card: Annotated[str, typer.Option("--card", metavar="SIZE", help="Space for audio, such as 64GB or 32GiB.")],
    study: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder of a finished study's results.", show_default=False)
    ] = None,
    duty: Annotated[float, typer.Option("--duty", metavar="SHARE", help="Share of the time that is recorded.")] = 1.0,
    min_f1: Annotated[
        float | None, typer.Option("--min-f1", metavar="F1", help="Macro-F1 that is wanted.", show_default=False)
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option("--audio", metavar="DIR", help="Measure recordings instead of a study's.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how long a card lasts, and what is still recognised.

    With a study: the smallest level and rate that keep the macro-F1. Without
    one: bytes and days, measured on recordings.
    """
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.folder import open_folder
    from sonyc_trainer.planning.planner import Wish, plan_of_sample, plan_of_study
    from sonyc_trainer.planning.sampling import SAMPLED_RATES_HZ, sample_audio
    from sonyc_trainer.planning.sizes import parse_size

    if (study is None) == (audio is None):
        raise typer.BadParameter("give either the folder of a study or --audio DIR")
    if audio is not None and min_f1 is not None:
        raise typer.BadParameter("needs the folder of a study: sizes alone say nothing of it", param_hint="'--min-f1'")
    if not 0 < duty <= 1:
        raise typer.BadParameter(f"{duty:g} is not over 0 and at most 1", param_hint="'--duty'")
    if min_f1 is not None and not 0 < min_f1 <= 1:
        raise typer.BadParameter(f"{min_f1:g} is not over 0 and at most 1", param_hint="'--min-f1'")
    try:
        wish = Wish(parse_size(card), duty, min_f1)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--card'") from error
    if audio is not None:
        found = plan_of_sample(sample_audio(audio, SAMPLED_RATES_HZ, StageContext()), wish)
    elif study is not None:
        found = plan_of_study(open_folder(study), wish)
    print(json.dumps(found.as_document()) if as_json else found.as_text())


def _study_folder(study: "Study", out: Path | None, labels: str | None) -> "StudyFolder":
    from sonyc_trainer.deciding import LabelMode
    from sonyc_trainer.folder import StudyFolder

    if labels is not None:
        if labels not in set(LabelMode):
            raise typer.BadParameter(f"{labels!r} is not one of {', '.join(LabelMode)}", param_hint="'--labels'")
        study = study.model_copy(update={"labels": LabelMode(labels)})
    return StudyFolder(out or Path("out") / study.name, study)


def _named(texts: list[str] | None, option: str, short: dict[str, Path | None]) -> dict[str, Path]:
    """Read NAME=PATH of an option that may be repeated, after those that have an option of their own."""
    found = {name: path for name, path in short.items() if path}
    for text in texts or []:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=PATH", param_hint=f"'{option}'")
        found[name] = Path(path)
    return found


def _say(outcome: "StageOutcome") -> None:
    done = "kept" if outcome.is_kept else f"{outcome.duration_s:.1f} s"
    of = f" ({outcome.variant})" if outcome.variant else ""
    print(f"{outcome.stage:<12} {done}{of}", file=sys.stderr)


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


@contextmanager
def _stage_context(dask: str | None, cache: Path) -> "Iterator[StageContext]":
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.dask_cluster import dask_cluster, is_dask_address

    if dask is None:
        yield StageContext(cache=cache)
        return
    if not is_dask_address(dask):
        raise typer.BadParameter(f"{dask!r} is not tcp://HOST:PORT, local or local:N", param_hint="'--dask'")
    with dask_cluster(dask) as executor:
        yield StageContext(executor=executor, cache=cache)


@contextmanager
def _resumable() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
