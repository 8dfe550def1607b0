"""Scenes that the generator makes into the study's folder, to be read as SONYC-UST."""

from pathlib import Path

from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets import sonyc_ust
from sonyc_trainer.datasets.listing import Listing
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.scenes import ScenesConfig, is_complete, write_dataset
from sonyc_trainer.study import DatasetSettings


def list_clips(settings: DatasetSettings, folder: Path, context: StageContext) -> Listing:
    """Make the scenes that `folder` lacks, and list them; a note says that they are synthetic.

    Raises:
        DatasetError: the folder holds something that the generator did not write.
        OSError: it cannot be written.
    """
    if settings.scenes is None:
        raise DatasetError(f"dataset {settings.name!r} has no table 'scenes'")
    write_scenes(folder, settings.scenes, context)
    listing = sonyc_ust.list_clips(settings.model_copy(update={"path": folder.resolve()}))
    note = f"Dataset {settings.name} is synthetic: its figures say nothing about real streets."
    return Listing(listing.clips, listing.dropped, [*listing.notes, note])


def write_scenes(folder: Path, config: ScenesConfig, context: StageContext) -> None:
    """Write a dataset of scenes, or what is missing of it, with all cores.

    Raises:
        DatasetError: the folder holds something that the generator did not write.
        OSError: it cannot be written.
    """
    if is_complete(folder, config):
        return
    n_reported = 0
    with context.progress.task("generate scenes", config.n_clips) as advance, context.executor() as executor:

        def report(n_done: int, _: int) -> None:
            nonlocal n_reported
            advance(n_done - n_reported)
            n_reported = n_done

        write_dataset(folder, config, executor=executor, on_progress=report)
