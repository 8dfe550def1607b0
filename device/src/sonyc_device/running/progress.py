"""What the agent's threads get done: each writes its own part, the supervisor reads."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Samples taken and clips worked on.

    Attributes:
        n_samples: Samples that were taken from the source and passed on.
        is_over: Whether no more will come: the source is at its end.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._took_s: float | None = None
        self._working_since_s: float | None = None
        self.n_samples = 0
        self.is_over = False

    def took(self, n_samples: int) -> None:
        """Note that so many samples were passed on."""
        self.n_samples += n_samples
        self._took_s = self._monotonic()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Note that a clip is worked on meanwhile."""
        self._working_since_s = self._monotonic()
        try:
            yield
        finally:
            self._working_since_s = None

    @property
    def idle_s(self) -> float | None:
        """How long ago the last samples were passed on; None where none ever were."""
        took_s = self._took_s
        return None if took_s is None else self._monotonic() - took_s

    @property
    def busy_s(self) -> float:
        """For how long the clip in work has been worked on; 0 where there is none."""
        since_s = self._working_since_s
        return 0.0 if since_s is None else self._monotonic() - since_s
