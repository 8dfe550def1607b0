"""A desk for an agent or a test, with what it sends kept in a list."""

from collections.abc import Callable
from pathlib import Path

from sonyc_device.clock import Clock, SystemClock
from sonyc_device.config import NodeConfig
from sonyc_device.effective import Effective
from sonyc_device.messaging.command_memory import CommandMemory
from sonyc_device.messaging.commands import Desk, Surroundings

TOPIC = "sonyc/v1/node-1"


def make_desk(
    path: Path,
    config: NodeConfig,
    keep: Callable[..., object],
    *,
    require_possible: Callable[[Effective], None] = lambda _effective: None,
    clock: Clock | None = None,
) -> Desk:
    """Make a desk that remembers commands in `path`."""
    clock = clock or SystemClock(is_disciplined=lambda: True)
    around = Surroundings(TOPIC, config.node_id, "ab" * 8, clock, require_possible, keep)
    return Desk(config, CommandMemory(path), around)
