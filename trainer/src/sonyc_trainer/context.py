"""What a stage is given to work with."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from sonyc_trainer.execution import process_pool
from sonyc_trainer.progress import Progress, progress_for_terminal


@dataclass(frozen=True)
class StageContext:
    """What a stage is given to work with.

    Attributes:
        executor: Opens the executor that shards of clips are submitted to.
        progress: Where a stage says how far it has come.
        cache: Folder of embeddings that studies share; None where nothing is kept.
    """

    executor: Callable[[], AbstractContextManager[Executor]] = process_pool
    progress: Progress = field(default_factory=progress_for_terminal)
    cache: Path | None = None
