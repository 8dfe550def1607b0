"""Stages run in tests as the pipeline runs them, in threads of this process."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from sonyc_trainer.context import StageContext
from sonyc_trainer.progress import Advance


class Quiet:
    """A progress that says nothing."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Begin a task of `total` items."""
        yield lambda n: None


@contextmanager
def threads() -> Iterator[Executor]:
    """Give an executor within this process."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


QUIET = StageContext(threads, Quiet())
