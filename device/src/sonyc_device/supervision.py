"""What the main thread does while others record, label and publish: small duties, each at its own pace."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sonyc_contract.errors import ContractError
from sonyc_device.errors import DeviceError

_LOGGER = logging.getLogger(__name__)

TICK_S: Final = 1.0
"""How often it is looked what is due."""


@dataclass(frozen=True)
class Duty:
    """Something to be done again and again. It should take milliseconds: the others wait meanwhile.

    Attributes:
        name: What it is, for the log.
        every_s: How long to wait from one time to the next; the first time comes after as long.
        run: Does it.
        is_last: Whether it is done once more when all is labelled, before the agent hangs up.
    """

    name: str
    every_s: float
    run: Callable[[], None]
    is_last: bool = False


class Supervision:
    """Runs duties when they are due; one that fails is counted and logged, and comes again when it is due.

    Attributes:
        n_failures: How often each duty failed.
    """

    def __init__(self, duties: Sequence[Duty], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._duties = tuple(duties)
        self._monotonic = monotonic
        self._due_s = [monotonic() + duty.every_s for duty in self._duties]
        self._said: dict[str, str] = {}
        self.n_failures: dict[str, int] = {}

    def run_due(self) -> None:
        """Run what is due. Times that were missed, while the machine slept, are not made up for."""
        for n, duty in enumerate(self._duties):
            now_s = self._monotonic()
            if now_s >= self._due_s[n]:
                self._due_s[n] += duty.every_s * (1 + (now_s - self._due_s[n]) // duty.every_s)
                self._run(duty)

    def run_last(self) -> None:
        """Run what is to be done once more at the end."""
        for duty in self._duties:
            if duty.is_last:
                self._run(duty)

    def _run(self, duty: Duty) -> None:
        try:
            duty.run()
        except Exception as error:  # noqa: BLE001 - the other duties go on, whatever happened
            self.n_failures[duty.name] = self.n_failures.get(duty.name, 0) + 1
            self._log(duty.name, error)
        else:
            self._said.pop(duty.name, None)

    def _log(self, name: str, error: Exception) -> None:
        """Log a failure once, not every second; with a traceback where it is none that we know."""
        if self._said.get(name) != str(error):
            self._said[name] = str(error)
            is_known = isinstance(error, DeviceError | ContractError)
            _LOGGER.error("duty %r failed: %s", name, error, exc_info=not is_known)
