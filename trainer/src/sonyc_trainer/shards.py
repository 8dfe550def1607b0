"""Work over many clips, cut into shards that appear whole, so that an interrupted stage loses a shard at most.

A shard is a folder: the files that a stage makes for its clips, and `rows.json` with a row per clip. It is written
under another name, synced and renamed (250 files of 20 kB: 0.07 s synced, 0.04 s not, on a virtual disk).
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from sonyc_trainer.context import StageContext
from sonyc_trainer.execution import run_shards, sharded
from sonyc_trainer.tables import damaged

T = TypeVar("T")

Row = dict[str, Any]

ROWS_FILE: Final = "rows.json"

_MIN_CLIPS, _MAX_CLIPS, _SHARDS_WANTED = 4, 500, 64
_MAX_NAME_CHARS = 80


@dataclass(frozen=True)
class Shard(Generic[T]):
    """A piece of work that can be sent to another process.

    Attributes:
        folder: Where its results will be; a folder that exists is finished.
        items: What is to be worked on.
    """

    folder: Path
    items: tuple[T, ...]


def make_shards(folder: Path, items: Sequence[T]) -> list[Shard[T]]:
    """Cut `items` into shards below `folder`; the same items always give the same shards, whatever the machine."""
    size = shard_size(len(items))
    return [Shard(folder / f"{index:04d}", tuple(part)) for index, part in enumerate(sharded(items, size))]


def shard_size(n_items: int) -> int:
    """Give the number of clips in a shard: small enough that the last shards do not leave cores idle."""
    return min(_MAX_CLIPS, max(_MIN_CLIPS, n_items // _SHARDS_WANTED))


def run_missing(
    shards: Sequence[Shard[T]], work: Callable[[Shard[T]], int], context: StageContext, *, description: str
) -> None:
    """Run `work` over the shards that are not finished yet.

    Args:
        shards: All shards of the stage.
        work: A function of a module (it is sent to other processes) that writes the shard's folder with
            `whole_folder` and gives back the number of items done.
        context: Its executor does the work, its progress says how far it has come.
        description: What the progress is of.
    """
    for folder in {shard.folder.parent for shard in shards}:
        _remove_parts(folder)
    missing = [shard for shard in shards if not shard.folder.is_dir()]
    n_items = sum(len(shard.items) for shard in shards)
    with context.progress.task(description, n_items) as advance:
        advance(n_items - sum(len(shard.items) for shard in missing))
        if missing:
            with context.executor() as executor:
                run_shards(executor, work, missing, on_done=advance)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success its files are synced and it takes the name `path`.

    Raises:
        OSError: the parent is missing, read-only or full; nothing is left behind.
    """
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        part.chmod(0o755)
        yield part
        for member in [*part.rglob("*"), part]:
            _sync(member)
        part.rename(path)
        _sync(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_rows(folder: Path, rows: Sequence[Row]) -> None:
    """Write the rows of a shard; floats come back exactly as they are."""
    (folder / ROWS_FILE).write_text(json.dumps(rows, allow_nan=False))


def read_rows(shards: Sequence[Shard[T]]) -> list[Row]:
    """Read the rows of finished shards, in order.

    Raises:
        StageError: a shard is not as it was left.
    """
    return [row for shard in shards for row in _rows_in(shard.folder / ROWS_FILE)]


def file_name(position: int, clip_id: str, suffix: str) -> str:
    """Name a clip's file in its shard: unique by its position, and readable."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", clip_id.rpartition("/")[2])[:_MAX_NAME_CHARS]
    return f"{position:03d}-{stem}{suffix}"


def _rows_in(path: Path) -> list[Row]:
    try:
        return list(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error


def _remove_parts(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
