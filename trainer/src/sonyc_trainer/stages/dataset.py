"""Stage `dataset`: every clip of every dataset of the study, as one table."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sonyc_contract.files import write_whole
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets import class_folders, sonyc_ust, urbansound8k
from sonyc_trainer.datasets.listing import Clip, Listing
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.folder import StudyFolder
from sonyc_trainer.ledger import DROPPED, write_csv, write_notes
from sonyc_trainer.stages import Stage
from sonyc_trainer.study import DatasetFormat, DatasetSettings
from sonyc_trainer.tables import CLIPS, write_table

FORMATS: Final[dict[DatasetFormat, Callable[[DatasetSettings], Listing]]] = {
    DatasetFormat.SONYC_UST: sonyc_ust.list_clips,
    DatasetFormat.URBANSOUND8K: urbansound8k.list_clips,
    DatasetFormat.CLASS_FOLDERS: class_folders.list_clips,
}


def run(folder: StudyFolder, context: StageContext) -> None:
    """List the clips of all datasets; make those that the generator makes.

    Raises:
        DatasetError: a dataset that is not in its format, lacks files, or has no clips; a file that is listed twice.
    """
    import pandas as pd

    listings = [_listing(folder, settings, context) for settings in folder.study.dataset]
    clips = sorted(clip for listing in listings for clip in listing.clips)
    _check_listed_once(clips)
    dropped = sorted(row for listing in listings for row in listing.dropped)
    write_csv(folder.dropped(Stage.DATASET), dropped, DROPPED)
    write_notes(folder.notes(Stage.DATASET), [note for listing in listings for note in listing.notes])
    write_table(folder.clips, pd.DataFrame(clips, columns=list(CLIPS)), CLIPS)
    # Last, because later stages go by it: after an interrupt before it they are still those of the old table.
    write_whole(folder.fingerprint, fingerprint(clips).encode())


def fingerprint(clips: Sequence[Clip]) -> str:
    """Digest of what is listed, and of size and time of every audio file."""
    digest = hashlib.sha256()
    for clip in clips:
        status = Path(clip.path).stat()
        digest.update(repr((tuple(clip), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _listing(folder: StudyFolder, settings: DatasetSettings, context: StageContext) -> Listing:
    target = folder.of(Stage.DATASET) / settings.name
    if settings.format is DatasetFormat.SCENES:
        from sonyc_trainer.datasets import generated

        listing = generated.list_clips(settings, target, context)
    elif settings.format is DatasetFormat.BACKGROUND:
        from sonyc_trainer.datasets import made_background

        listing = made_background.list_clips(settings, target, context)
    else:
        listing = FORMATS[settings.format](settings)
    if not listing.clips:
        raise DatasetError(f"dataset {settings.name!r}: {settings.path} holds no clip that can be used")
    clips = [clip._replace(only_trains=settings.only_trains) for clip in listing.clips]
    return Listing(clips, listing.dropped, listing.notes)


def _check_listed_once(clips: Sequence[Clip]) -> None:
    """One file under two names could be trained on and tested with."""
    names: dict[str, str] = {}
    for clip in clips:
        path = os.path.realpath(clip.path)
        if path in names:
            raise DatasetError(f"{path} is listed twice, as {names[path]!r} and as {clip.clip_id!r}: leave one")
        names[path] = clip.clip_id
