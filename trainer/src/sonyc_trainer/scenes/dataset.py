"""A dataset of scenes on the disk: audio, annotations and taxonomy as SONYC-UST V2.3 publishes them."""

import io
import json
import re
import wave
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.files import write_whole
from sonyc_trainer.errors import DatasetError
from sonyc_trainer.execution import run_shards, sharded
from sonyc_trainer.scenes.annotations import annotations_csv
from sonyc_trainer.scenes.plan import plan_clip
from sonyc_trainer.scenes.rendering import render_clip
from sonyc_trainer.scenes.settings import GENERATOR_VERSION, N_SAMPLES, RATE_HZ, ScenesConfig
from sonyc_trainer.scenes.taxonomy import taxonomy_yaml

AUDIO_FOLDER: Final = "audio"
ANNOTATIONS_FILE: Final = "annotations.csv"
TAXONOMY_FILE: Final = "dcase-ust-taxonomy.yaml"
COMPLETE_FILE: Final = "scenes.json"
"""Written last: the settings and that everything is there."""

_BEGUN_FILE: Final = "scenes-begun.json"
_SHARD_SIZE: Final = 8
_FILE_BYTES: Final = 44 + 2 * N_SAMPLES
_FILE_NAME: Final = re.compile(r"\d{2}_\d{6}\.wav|\.\d{2}_\d{6}\.wav\..+\.part")
"""A clip, or what a kill left of one."""


def write_dataset(
    folder: Path,
    config: ScenesConfig,
    *,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a dataset, or what is missing of it.

    A run that was interrupted goes on where it stopped. With other settings every clip in the folder's `audio/` is
    replaced; where only their number changes, those that both have stay.

    Args:
        folder: Made if need be. Either empty, or written by an earlier call.
        config: What to make.
        executor: Where clips are rendered, such as a process pool; here, one after the other, when there is none.
        on_progress: Called with how many clips are done, and of how many.

    Returns:
        `folder`, which now holds `audio/`, `annotations.csv`, `dcase-ust-taxonomy.yaml` and `scenes.json`.

    Raises:
        DatasetError: the folder holds something that the generator did not write.
        OSError: it cannot be written; what is there already stays and is used by the next call.
    """
    if is_complete(folder, config):
        on_progress(config.n_clips, config.n_clips)
    else:
        _begin(folder, config)
        _write_audio(folder, config, executor, on_progress)
        specs = (plan_clip(index, config) for index in range(config.n_clips))
        write_whole(folder / ANNOTATIONS_FILE, annotations_csv(specs, config).encode())
        write_whole(folder / TAXONOMY_FILE, taxonomy_yaml().encode())
        write_whole(folder / COMPLETE_FILE, _record(config))
    (folder / _BEGUN_FILE).unlink(missing_ok=True)
    return folder


def is_complete(folder: Path, config: ScenesConfig) -> bool:
    """Whether a folder holds the whole dataset of these settings."""
    if _read_record(folder / COMPLETE_FILE).get("digest") != config.digest:
        return False
    names = _file_names(config)
    return (folder / ANNOTATIONS_FILE).is_file() and all(_is_whole(folder / AUDIO_FOLDER / name) for name in names)


def wav_bytes(samples: NDArray[np.int16]) -> bytes:
    """Give int16 [n] as a mono 44.1 kHz WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def _begin(folder: Path, config: ScenesConfig) -> None:
    """Make the folder ready: keep the clips of the same recipe, remove other ones that the generator wrote."""
    audio = folder / AUDIO_FOLDER
    record = _read_record(folder / _BEGUN_FILE) or _read_record(folder / COMPLETE_FILE)
    if not record and folder.is_dir() and any(folder.iterdir()):
        raise DatasetError(f"{folder}: holds files that the generator did not write; name an empty folder or a new one")
    audio.mkdir(parents=True, exist_ok=True)
    (folder / COMPLETE_FILE).unlink(missing_ok=True)
    kept = set(_file_names(config)) if record.get("recipe") == config.recipe_digest else set()
    for path in audio.iterdir():
        if _FILE_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()
    write_whole(folder / _BEGUN_FILE, _record(config))


def _write_audio(
    folder: Path, config: ScenesConfig, executor: Executor | None, on_progress: Callable[[int, int], None]
) -> None:
    names = _file_names(config)
    missing = [index for index, name in enumerate(names) if not _is_whole(folder / AUDIO_FOLDER / name)]
    done = config.n_clips - len(missing)
    on_progress(done, config.n_clips)

    def advance(n_written: int) -> None:
        nonlocal done
        done += n_written
        on_progress(done, config.n_clips)

    shards = [_Shard(folder, config, tuple(indices)) for indices in sharded(missing, _SHARD_SIZE)]
    if executor is None:
        for shard in shards:
            advance(_write_shard(shard))
    else:
        run_shards(executor, _write_shard, shards, on_done=advance)


@dataclass(frozen=True)
class _Shard:
    """Some clips to be written, as a worker is given them."""

    folder: Path
    config: ScenesConfig
    indices: tuple[int, ...]


def _write_shard(shard: _Shard) -> int:
    for index in shard.indices:
        scene = render_clip(index, shard.config)
        write_whole(shard.folder / AUDIO_FOLDER / scene.spec.file_name, wav_bytes(scene.samples))
    return len(shard.indices)


def _file_names(config: ScenesConfig) -> list[str]:
    return [plan_clip(index, config).file_name for index in range(config.n_clips)]


def _is_whole(path: Path) -> bool:
    try:
        return path.stat().st_size == _FILE_BYTES
    except OSError:
        return False


def _record(config: ScenesConfig) -> bytes:
    document = {
        "generator": GENERATOR_VERSION,
        "digest": config.digest,
        "recipe": config.recipe_digest,
        "config": config.model_dump(mode="json"),
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _read_record(path: Path) -> dict[str, object]:
    """Read a record, or an empty one where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
