"""`sonyc-trainer generate` and `download`: datasets that are not there yet."""

from pathlib import Path
from typing import Annotated

import typer

from sonyc_trainer.cli.running import resumable


def add_commands(app: typer.Typer) -> None:
    """Add them."""
    app.command()(generate)
    app.command()(download)


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
    with resumable():
        write_scenes(folder, config, StageContext())
    print(f"{clips} synthetic clips are in {folder}")


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
    with resumable():
        names = download_sonyc_ust(folder, StageContext(), address=address)
    print(f"{len(names)} files of SONYC-UST are in {folder}")
