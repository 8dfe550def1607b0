"""The one seam for parallel work: a `concurrent.futures` executor over independent shards of clips."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Final, TypeVar

from sonyc_trainer.errors import StageError

T = TypeVar("T")
R = TypeVar("R")

ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
"""What a worker's libraries are told, so that one process keeps one core busy."""

_DIED = "a worker process died (out of memory?); the same command goes on where it stopped"
_POLL_S = 0.2


@contextmanager
def process_pool(n_processes: int | None = None) -> Iterator[Executor]:
    """Give a pool of spawned processes, one per core by default, one native thread each.

    Where the body is left by an error or an interrupt, the processes are ended at once, and where this process is
    killed they end by themselves; what they were writing was not whole yet, and stays so.
    """
    before = set(multiprocessing.active_children())
    n = n_processes or n_cores()
    opened = ProcessPoolExecutor(n, mp_context=_Context(), initializer=_leave_with_parent)
    with _environment(ONE_THREAD), opened as pool:
        try:
            yield pool
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise


def run_shards(
    executor: Executor, work: Callable[[T], R], shards: Sequence[T], *, on_done: Callable[[R], None]
) -> None:
    """Run `work` over every shard and hand each result to `on_done` as it comes.

    The first error is raised; who opened the executor then ends what has not begun (not here: Python 3.11's process
    pool stumbles over cancelled work when its processes end).

    Raises:
        StageError: a process that worked on it died.
    """
    futures = [executor.submit(work, shard) for shard in shards]
    try:
        for future in as_completed(futures):
            on_done(future.result())
    except BrokenExecutor as error:
        raise StageError(_DIED) from error


def run_one(executor: Executor, work: Callable[[T], R], item: T, *, meanwhile: Callable[[], None] | None = None) -> R:
    """Run one long piece of work elsewhere, and call `meanwhile` a few times a second until it ends.

    Raises:
        StageError: the process that worked on it died.
    """
    future = executor.submit(work, item)
    try:
        while meanwhile is not None and not wait_for([future], timeout=_POLL_S).done:
            meanwhile()
        return future.result()
    except BrokenExecutor as error:
        raise StageError(_DIED) from error


def sharded(items: Sequence[T], shard_size: int) -> list[Sequence[T]]:
    """Cut items into consecutive shards of at most `shard_size`."""
    return [items[start : start + shard_size] for start in range(0, len(items), shard_size)]


def n_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _leave_with_parent() -> None:
    """End this worker when its parent is gone: it would wait for work for ever, or write beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), name="parent watch", daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class _Process(SpawnProcess):
    """A process that never hears Ctrl-C, not even while it starts: its parent does, and ends it."""

    def start(self) -> None:
        """Start it with interrupts blocked, which it inherits."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class _Context(SpawnContext):
    """Makes such processes."""

    Process = _Process


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are spawned meanwhile; what the user set already stays."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
