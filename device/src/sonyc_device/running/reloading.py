"""Takes a changed configuration while the agent runs: all of it, or nothing."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sonyc_contract.errors import ConfigError, ContractError
from sonyc_device.config import NodeConfig, load_config
from sonyc_device.running.notify import ServiceManager

_LOGGER = logging.getLogger(__name__)

CHANGEABLE: Final = frozenset(
    {
        "log_level",
        *(f"capture.{key}" for key in ("mode", "mean_gap_s", "duty_cycle", "gap_shape", "schedule", "time_zone")),
        "capture.without_clock",
        *(f"store.{key}" for key in ("mode", "level", "classes", "fraction", "veto", "veto_threshold")),
        "classify.thresholds",
    }
)
"""What a clip is recorded, kept and labelled under. All else is read once, at the start."""


class Reloader:
    """Reads the file again when it was asked to; what cannot be used, or needs a restart, is refused and named."""

    def __init__(
        self, path: Path, current: NodeConfig, apply: Callable[[NodeConfig], None], *, manager: ServiceManager
    ) -> None:
        """Take what it needs.

        Args:
            path: The node's file.
            current: As it was read at the start.
            apply: Lets another be in effect, from the next clip on; raises ContractError where it cannot be.
            manager: Is told about it.
        """
        self._path = path
        self._current = current
        self._apply = apply
        self._manager = manager
        self._is_requested = False

    def request(self) -> None:
        """Ask for it; a signal handler may."""
        self._is_requested = True

    def look(self) -> None:
        """Do it, if it was asked for."""
        if not self._is_requested:
            return
        self._is_requested = False
        self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            self._reload()
        except ContractError as error:
            _LOGGER.error("the configuration is not taken, the old one goes on: %s", error)
        self._manager.tell(READY=1)

    def _reload(self) -> None:
        new = load_config(self._path)
        changed = sorted(changed_keys(self._current, new))
        if fixed := [key for key in changed if key not in CHANGEABLE]:
            raise ConfigError(f"{self._path}: needs a restart, because of {', '.join(fixed)}")
        self._apply(new)
        self._current = new
        logging.getLogger().setLevel(new.log_level.upper())
        _LOGGER.info("configuration reloaded", extra={"changed": changed})


def changed_keys(old: NodeConfig, new: NodeConfig) -> Iterator[str]:
    """Give the keys, such as `store.mode`, in which two configurations differ."""
    one, other = _flat(old.model_dump()), _flat(new.model_dump())
    return (key for key in one if one[key] != other[key])


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    plain = {name: value for name, value in document.items() if name not in tables}
    return plain | {f"{name}.{key}": value for name, table in tables.items() for key, value in table.items()}
