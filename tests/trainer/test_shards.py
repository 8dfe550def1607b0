"""Shards: what is finished is not done again, what is half-done never shows."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonyc_trainer.context import StageContext
from sonyc_trainer.errors import StageError
from sonyc_trainer.execution import process_pool
from sonyc_trainer.progress import Advance
from sonyc_trainer.shards import (
    Shard,
    file_name,
    make_shards,
    read_rows,
    run_missing,
    shard_size,
    whole_folder,
    write_rows,
)


class Recorder:
    """A progress that remembers how far tasks came."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        yield self.steps.append


@contextmanager
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def square(shard: Shard[int], *, done: list[str]) -> int:
    done.append(shard.folder.name)
    with whole_folder(shard.folder) as part:
        write_rows(part, [{"item": item, "square": item / 3} for item in shard.items])
    return len(shard.items)


def die(shard: Shard[int]) -> int:
    os._exit(1)


@given(n=st.integers(0, 300_000))
def test_shards_are_neither_too_many_nor_too_large(n: int) -> None:
    assert 1 <= shard_size(n) <= 500
    assert n / shard_size(n) <= max(100, n / 500)


def test_every_item_is_done_once_and_in_order(tmp_path: Path) -> None:
    done: list[str] = []
    progress = Recorder()
    shards = make_shards(tmp_path, range(30))
    run_missing(shards, partial(square, done=done), StageContext(threads, progress), description="square")
    assert read_rows(shards) == [{"item": item, "square": item / 3} for item in range(30)]
    assert sorted(done) == [shard.folder.name for shard in shards]
    assert sum(progress.steps) == 30


def test_finished_shards_are_kept_and_remains_removed(tmp_path: Path) -> None:
    done: list[str] = []
    shards = make_shards(tmp_path, range(30))
    square(shards[2], done=[])
    remains = tmp_path / ".0001.x.part"
    remains.mkdir()
    (remains / "half.flac").touch()
    progress = Recorder()
    run_missing(shards, partial(square, done=done), StageContext(threads, progress), description="square")
    assert "0002" not in done
    assert len(done) == len(shards) - 1
    assert not remains.exists()
    assert progress.steps[0] == len(shards[2].items)
    assert sum(progress.steps) == 30


def test_folder_of_failed_work_never_shows(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_folder(tmp_path / "0000") as part:
            (part / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_worker_that_dies_is_an_error_of_one_line(tmp_path: Path) -> None:
    context = StageContext(partial(process_pool, 1), Recorder())
    with pytest.raises(StageError, match="a worker process died"):
        run_missing(make_shards(tmp_path, range(4)), die, context, description="die")


@pytest.mark.parametrize(
    ("clip_id", "name"),
    [
        ("d/fold1/100-3-0-0", "007-100-3-0-0.flac"),
        ("d/a b/Straße, früh", "007-Stra_e_fr_h.flac"),
        ("d/" + "x" * 300, "007-" + "x" * 80 + ".flac"),
    ],
)
def test_file_names_are_plain(clip_id: str, name: str) -> None:
    assert file_name(7, clip_id, ".flac") == name
