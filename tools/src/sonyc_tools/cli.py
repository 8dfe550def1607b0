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
