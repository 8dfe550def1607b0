"""`sonyc-tools`: parses, wires, and maps errors to exit codes (0 ok, 1 failure, 2 usage, 3 degraded)."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sonyc_contract.errors import ContractError
from sonyc_tools.errors import ToolsError

app = typer.Typer(
    name="sonyc-tools",
    help="Workstation commands around the street-noise sensor.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("out/demo"),
) -> None:
    """Run the whole chain on made street scenes: study, bundle, node, broker, subscriber."""
    from sonyc_tools.demo import run_demo

    raise typer.Exit(run_demo(out))


@app.command()
def unseal(
    clips: Annotated[list[Path], typer.Argument(help="Sealed clips, and folders of them.", show_default=False)],
    identity: Annotated[Path, typer.Option(help="The key file that age-keygen wrote.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Folder for the opened clips; made if missing.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts and errors as JSON.")] = False,
) -> None:
    """Open clips that nodes sealed, and check every digest. Nothing is overwritten; run it again to go on.

    Exit codes: 0 all are open, 1 none is, 3 some are not.
    """
    from sonyc_tools.unsealing import unseal_all

    raise typer.Exit(unseal_all(clips, identity, output, as_json=as_json))


@app.command()
def bench(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="A bundle; may be repeated.  [default: the shipped one]", show_default=False),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(
            help="Audio: a folder, a folder per class, or a CSV of file,label[,source].  [default: built-in scenes]",
            show_default=False,
        ),
    ] = None,
    level: Annotated[list[str] | None, typer.Option(help="A level; may be repeated.  [default: the bundle's]")] = None,
    rate: Annotated[list[int] | None, typer.Option(help="Storage rates beside the bundle's.  [default: 16000]")] = None,
    runtime: Annotated[list[str] | None, typer.Option(help="litert or tflite.  [default: those installed]")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Threads of the runtime.  [default: 1]", min=1)] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds from window to window.  [default: the bundle's]")] = None,
    card: Annotated[str, typer.Option(help="Size of a card.")] = "64GB",
    reps: Annotated[
        int | None,
        typer.Option(help="How often everything is repeated.  [default: 20, or what a minute allows]", min=1),
    ] = None,
    agent_clips: Annotated[
        int, typer.Option(help="Clips of 10 s that an agent replays at real time, per level; 0 starts none.", min=0)
    ] = 3,
    max_load: Annotated[
        float, typer.Option(help="Share of the time that coding and recognising may take, over 0.", min=0.0)
    ] = 0.8,
    peers: Annotated[Path | None, typer.Option(help="Folder of models to compare with.", show_default=False)] = None,
    yardstick: Annotated[
        Path | None,
        typer.Option(help="Study of `sonyc-trainer yardstick`.  [default: one of the labelled audio]"),
    ] = None,
    data: Annotated[list[str] | None, typer.Option(help="NAME=DIR of its datasets; may be repeated.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="NAME=FILE of its models beside the peers'.")] = None,
    by_fold: Annotated[
        list[str] | None, typer.Option(help="NAME=A,B,C: its variants that are judged as one, a fold each.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder of embeddings that its runs share.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every figure to this file.", show_default=False)] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw a PNG file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")] = False,
    paste: Annotated[bool, typer.Option("--paste", help="Print a block for a bug report instead.")] = False,
) -> None:
    """Measure what levels, bundles, runtimes and other models cost on this machine; under five minutes by default.

    Exit codes: 0, 1 failure, 2 usage, 3 this machine cannot keep up with real time.
    """
    from sonyc_tools.bench import options
    from sonyc_tools.bench.command import Outputs
    from sonyc_tools.bench.command import bench as run_bench

    if as_json and paste:
        raise typer.BadParameter("give either --json or --paste")
    settings = options.parse(
        options.Given(
            bundles=bundle or [], audio=audio, levels=level or [], rates_hz=rate, runtimes=runtime or [],
            threads=threads or [1], hop_s=hop, card=card, n_reps=reps, n_agent_clips=agent_clips, max_load=max_load,
            peers=peers, study=yardstick, data=data or [], models=model or [], cache=cache,
            by_fold=by_fold or [],
        )
    )  # fmt: skip
    raise typer.Exit(run_bench(settings, Outputs(as_json=as_json, paste=paste, csv=csv, figure=figure)))


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        app(argv)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except (ToolsError, ContractError) as error:
        print(f"sonyc-tools: {error}", file=sys.stderr)
        return 1
    return 0
