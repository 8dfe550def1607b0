"""The command line `sonyc-trainer`: it parses, wires and maps errors to exit codes."""

import errno
import sys
from typing import Final

import typer

from sonyc_trainer.cli import background, datasets, distilling, embeddings, planning, stages
from sonyc_trainer.cli.stages import STAGE_HELP

__all__ = ["STAGE_HELP", "main"]

EXIT_FAILURE: Final = 1

_GROUPS: Final = (stages, datasets, embeddings, distilling, planning, background)

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
for _group in _GROUPS:
    _group.add_commands(app)


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
