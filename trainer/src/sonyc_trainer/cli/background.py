"""`sonyc-trainer false-alarms`: what a bundle detects where there is nothing."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sonyc_trainer.cli.options import JsonOption

if TYPE_CHECKING:
    from sonyc_contract.levels import Level

_HOURS: Final = 10.0
_CLIP_S: Final = (1.0, 60.0)
_CAPTION: Final = (
    "Intervals: 95 %, Wilson for shares, Garwood for rates; they take clips as independent. Made background is not "
    "a site's: set thresholds on hours of its own, with --audio."
)


def add_commands(app: typer.Typer) -> None:
    """Add it."""
    app.command("false-alarms")(false_alarms)


def false_alarms(  # noqa: PLR0913, PLR0917 - a command has as many parameters as options
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's file.", show_default=False)],
    hours: Annotated[
        float | None, typer.Option("--hours", metavar="H", help="Hours of made background.  [10, or 0 with --audio]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Other seeds make another background.")] = 1_000,
    audio: Annotated[
        list[Path] | None,
        typer.Option("--audio", metavar="DIR", help="Recordings that hold none of the classes; may be repeated."),
    ] = None,
    level: Annotated[
        list[str] | None, typer.Option("--level", metavar="LEVEL", help="pcm, v0 ... v9; may be repeated.  [pcm]")
    ] = None,
    clip: Annotated[float, typer.Option("--clip", metavar="S", help="Seconds of a node's clip.")] = 10.0,
    wanted: Annotated[float, typer.Option("--wanted", metavar="N", help="Alarms per class and hour to allow.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Count what a bundle detects where there is nothing.

    Made background and recordings of a site, heard as a node hears them; the
    thresholds that would leave few enough alarms.
    """
    from sonyc_contract.bundle import read_bundle
    from sonyc_trainer.cli.running import resumable
    from sonyc_trainer.context import StageContext
    from sonyc_trainer.false_alarms.counting import as_document, count_alarms
    from sonyc_trainer.false_alarms.hearing import Listener, listen
    from sonyc_trainer.scenes.settings import background_config

    hours = (0.0 if audio else _HOURS) if hours is None else hours
    _check(hours, clip, wanted, has_audio=bool(audio))
    made = background_config(hours=hours, seed=seed) if hours else None
    listener = Listener(bundle.resolve(), _levels(level), clip)
    with resumable("nothing was counted"):
        found = listen(listener, made, [folder.resolve() for folder in audio or []], StageContext())
    manifest = read_bundle(bundle).manifest
    counted = [count_alarms(heard, manifest, wanted_per_hour=wanted) for heard in found.heard]
    if as_json:
        print(json.dumps(as_document(counted, found.unread, bundle=manifest.name, wanted_per_hour=wanted)))
        return
    for reason in found.unread:
        print(f"left out: {reason}", file=sys.stderr)
    print("\n\n".join([*(one.as_text(wanted_per_hour=wanted) for one in counted), _CAPTION]))


def _check(hours: float, clip_s: float, wanted: float, *, has_audio: bool) -> None:
    if not (math.isfinite(hours) and hours >= 0) or (hours == 0 and not has_audio):
        raise typer.BadParameter(f"{hours:g} is not over 0, and there is no --audio", param_hint="'--hours'")
    if not _CLIP_S[0] <= clip_s <= _CLIP_S[1]:
        raise typer.BadParameter(f"{clip_s:g} is not within {_CLIP_S[0]:g} and {_CLIP_S[1]:g}", param_hint="'--clip'")
    if not (math.isfinite(wanted) and wanted > 0):
        raise typer.BadParameter(f"{wanted:g} is not over 0", param_hint="'--wanted'")


def _levels(texts: list[str] | None) -> "tuple[Level, ...]":
    from sonyc_contract.levels import Level

    for text in texts or []:
        if text not in set(Level):
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(Level)}", param_hint="'--level'")
    return tuple(dict.fromkeys(Level(text) for text in texts or [Level.PCM]))
