"""What several commands are given alike, and how it is read."""

from pathlib import Path
from typing import Annotated

import typer

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
    Path | None,
    typer.Option(
        "--urbansound8k", metavar="DIR", help="UrbanSound8K's folder, for all datasets of its format without one."
    ),
]
Esc10Option = Annotated[
    Path | None,
    typer.Option("--esc10", metavar="DIR", help="ESC-10's folder, for all datasets named esc10... without one."),
]
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


def named(texts: list[str] | None, option: str, short: dict[str, Path | None]) -> dict[str, Path]:
    """Read NAME=PATH of an option that may be repeated, after those that have an option of their own.

    Raises:
        BadParameter: a text of another form.
    """
    found = {name: path for name, path in short.items() if path}
    for text in texts or []:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=PATH", param_hint=f"'{option}'")
        found[name] = Path(path)
    return found
