"""The one seam for parallel work: a `concurrent.futures` executor over independent shards of clips."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}


@contextmanager
def process_pool(n_processes: int | None = None) -> Iterator[Executor]:
    """Give a pool of spawned processes, one per core by default, one native thread each."""
    for name, value in _ONE_THREAD.items():
        os.environ.setdefault(name, value)
    context = multiprocessing.get_context("spawn")
    n = n_processes or os.cpu_count() or 1
    with ProcessPoolExecutor(n, mp_context=context) as pool:
        yield pool


def run_shards(
    executor: Executor, work: Callable[[T], R], shards: Sequence[T], *, on_done: Callable[[R], None]
) -> None:
    """Run `work` over every shard and hand each result to `on_done` as it comes.

    The first error cancels what has not begun and is raised.
    """
    futures = [executor.submit(work, shard) for shard in shards]
    try:
        for future in as_completed(futures):
            on_done(future.result())
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def sharded(items: Sequence[T], shard_size: int) -> list[Sequence[T]]:
    """Cut items into consecutive shards of at most `shard_size`."""
    return [items[start : start + shard_size] for start in range(0, len(items), shard_size)]
