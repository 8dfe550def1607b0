"""How far a stage has come: bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Reports the progress of one task after the other."""

    def task(self, description: str, total: int) -> AbstractContextManager[Advance]:
        """Begin a task of `total` items; the function given is called with how many more are done."""


class PlainProgress:
    """A line at every tenth, the last of which is the end, on standard error."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Begin a task of `total` items."""
        done = tenths = 0

        def advance(n: int) -> None:
            nonlocal done, tenths
            done += n
            if total and done * 10 // total > tenths:
                tenths = done * 10 // total
                sys.stderr.write(f"{description}: {done} of {total}\n")
                sys.stderr.flush()

        yield advance


class BarProgress:
    """A bar per task, with the time that remains, on standard error."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Advance]:
        """Begin a task of `total` items."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            identity = bar.add_task(description, total=total)
            yield lambda n: bar.advance(identity, n)


def progress_for_terminal() -> Progress:
    """Choose bars where standard error is a terminal, else plain lines."""
    return BarProgress() if sys.stderr.isatty() else PlainProgress()
