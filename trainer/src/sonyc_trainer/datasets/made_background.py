"""Background that the generator makes into the study's folder: clips that hold none of the eight classes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sonyc_contract.audio import from_int16
from sonyc_contract.codec import encode
from sonyc_contract.files import write_whole
from sonyc_contract.levels import Level
from sonyc_trainer.context import StageContext
from sonyc_trainer.datasets.listing import Clip, Listing
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.execution import run_shards, sharded
from sonyc_trainer.scenes.made_background import made_background
from sonyc_trainer.scenes.settings import RATE_HZ, BackgroundConfig
from sonyc_trainer.study import DatasetSettings

_RECORD_FILE: Final = "made.json"
_SHARD_SIZE: Final = 16


def list_clips(settings: DatasetSettings, folder: Path, context: StageContext) -> Listing:
    """Make the clips that `folder` lacks, and list them; each is a recording of its own.

    Raises:
        DatasetError: the study does not say what to make.
        OSError: the folder cannot be written.
    """
    if settings.made is None:
        raise DatasetError(f"dataset {settings.name!r} has no table 'made'")
    clips = [
        Clip(clip_id, settings.name, str(path.resolve()), [], group=clip_id, is_background=True)
        for path in write_clips(folder, settings.made, context)
        if (clip_id := f"{settings.name}/{path.stem}")
    ]
    note = f"Dataset {settings.name} is made noise: that nothing is detected in it says little of a site's background."
    return Listing(clips, notes=[note])


def write_clips(folder: Path, config: BackgroundConfig, context: StageContext) -> list[Path]:
    """Write the clips of a folder, or what is missing of them, with all cores; clips of other settings are removed.

    Raises:
        OSError: the folder cannot be written.
    """
    record = folder / _RECORD_FILE
    if folder.is_dir() and not (record.is_file() and json.loads(record.read_text())["digest"] == config.digest):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps({"digest": config.digest}).encode())
    paths = [folder / f"{index:06d}{Level.PCM.suffix}" for index in range(config.n_clips)]
    missing = [index for index, path in enumerate(paths) if not path.is_file()]
    if missing:
        shards = [_Shard(folder, config, tuple(part)) for part in sharded(missing, _SHARD_SIZE)]
        with context.progress.task("make background", len(missing)) as advance, context.executor() as executor:
            run_shards(executor, write_shard, shards, on_done=advance)
    return paths


@dataclass(frozen=True)
class _Shard:
    """Some clips to be written, as a worker is given them."""

    folder: Path
    config: BackgroundConfig
    indices: tuple[int, ...]


def write_shard(shard: _Shard) -> int:
    """Write some clips; returns how many."""
    for index in shard.indices:
        samples = from_int16(made_background(index, shard.config))
        write_whole(shard.folder / f"{index:06d}{Level.PCM.suffix}", encode(samples, RATE_HZ, level=Level.PCM))
    return len(shard.indices)
