"""`sonyc-trainer plan`: what a card holds."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sonyc_trainer.cli.options import JsonOption


def add_commands(app: typer.Typer) -> None:
    """Add it."""
    app.command()(plan)


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
