"""Takes commands: checks them, lets them be in effect from the next clip on, keeps them, and answers each of them."""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from sonyc_contract.commands import (
    COMMAND_ID_PATTERN,
    COMMANDS,
    MAX_COMMAND_BYTES,
    Acknowledgement,
    Command,
    Operation,
    Result,
    SetCaptureMode,
    SetLevel,
    SetStoreMode,
    SetThresholds,
    Status,
)
from sonyc_contract.errors import ConfigError, ContractError
from sonyc_contract.messages import dump_message
from sonyc_contract.settings import describe
from sonyc_device.clock import Clock
from sonyc_device.config import NodeConfig
from sonyc_device.effective import Effective, InEffect, Overrides, effective_of
from sonyc_device.errors import CommandError, DeviceError
from sonyc_device.messaging.command_memory import CommandMemory, Kept
from sonyc_device.messaging.messenger import Received
from sonyc_device.messaging.rows import Draft

_LOGGER = logging.getLogger(__name__)

ACK: Final = "ack"
CLEARED: Final = "cleared"
_MAX_REASON_CHARS: Final = 500


@dataclass(frozen=True)
class Surroundings:
    """What a command has to do with.

    Attributes:
        topic: What the node's topics begin with.
        node: The node's id.
        run: This run's id.
        clock: The node's clocks.
        require_possible: Raises ContractError for what this node cannot have: a level without a head.
        keep: Takes messages for the broker.
    """

    topic: str
    node: str
    run: str
    clock: Clock
    require_possible: Callable[[Effective], None]
    keep: Callable[..., object]


def _nobody() -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Listeners:
    """Who is told.

    Attributes:
        on_change: When other settings are in effect.
        on_status: When a health message is wanted now.
    """

    on_change: Callable[[], None] = _nobody
    on_status: Callable[[], None] = _nobody


@dataclass
class CommandCounts:
    """What became of commands."""

    applied: int = 0
    refused: int = 0
    ignored: int = 0


class Desk:
    """Decides on commands, and on changes of the node's file. Safe for several threads.

    Attributes:
        in_effect: What clips are recorded, kept and labelled under.
        counts: What became of commands.
        problems: What of earlier commands does not hold any more, and why.
        listeners: Who is told of changes.
    """

    def __init__(self, local: NodeConfig, memory: CommandMemory, surroundings: Surroundings) -> None:
        """Let the node's file be in effect, with what earlier commands changed where that is still possible.

        Args:
            local: The node's file.
            memory: What was commanded before.
            surroundings: What commands have to do with.

        Raises:
            ConfigError: the file itself cannot be in effect.
        """
        self._local = local
        self._memory = memory
        self._around = surroundings
        self._lock = threading.RLock()
        self.counts = CommandCounts()
        self.problems: tuple[str, ...] = ()
        self.listeners = Listeners()
        self.in_effect = InEffect(effective_of(local))
        self._take_up()

    def take(self, received: Received) -> None:
        """Take what was published on a command's topic, and answer it."""
        if not received.payload:  # so a retained command is cleared
            return
        match = re.fullmatch(rf"{re.escape(self._around.topic)}/cmd/([a-z-]{{1,32}})/([^/]+)", received.topic)
        if match is None or not re.fullmatch(COMMAND_ID_PATTERN, match[2]):
            self.counts.ignored += 1
            _LOGGER.warning("command without a usable operation and id ignored: %.200r", received.topic)
            return
        with self._lock:
            answer = self._memory.answer(match[1], match[2]) or self._decide(match[1], match[2], received.payload)
        drafts = [Draft(ACK, dump_message(answer), topic=f"cmd/{answer.op}/{answer.id}/ack", retain=True)]
        if received.retained:
            drafts.append(Draft(CLEARED, b"", topic=f"cmd/{answer.op}/{answer.id}", retain=True))
        self._around.keep(*drafts)

    def reload(self, local: NodeConfig) -> None:
        """Let a changed file be in effect: what it changes is as it says, other commands go on to hold.

        Raises:
            ContractError: it cannot be in effect; nothing has changed.
        """
        with self._lock:
            self._around.require_possible(effective_of(local))
            self._local = local
            self._take_up()
        self.listeners.on_change()

    def _take_up(self) -> None:
        """Let the file and what was commanded be in effect; drop what does not hold any more, and say so."""
        kept = self._memory.kept
        held = what_holds(self._local, kept, self._around.require_possible)
        self.in_effect.change(held.effective)
        self.problems = (*([self._memory.problem] if self._memory.problem else []), *held.problems)
        if held.problems:
            _LOGGER.warning("%s", "; ".join(held.problems))
            with suppress(CommandError):  # else it is dropped again at the next start
                self._memory.keep(held.overrides, kept.replaced)

    def _decide(self, operation: str, command_id: str, payload: bytes) -> Acknowledgement:
        try:
            command = _parse(operation, payload)
            if isinstance(command, Status):
                self.listeners.on_status()
                answer = self._answer(operation, command_id, self.in_effect.now)
            else:
                answer = self._apply(operation, command_id, command)
        except (ContractError, DeviceError) as error:
            answer = self._answer(operation, command_id, self.in_effect.now, reason=str(error))
        self._memory.note(answer)
        self.counts.applied += answer.result is Result.APPLIED
        self.counts.refused += answer.result is Result.REFUSED
        _LOGGER.info(
            "command", extra={"op": operation, "id": command_id, "result": answer.result, "reason": answer.reason}
        )
        return answer

    def _apply(self, operation: str, command_id: str, command: Command) -> Acknowledgement:
        """Let a change be in effect, once it is known to survive a restart."""
        kept, (key, value) = self._memory.kept, _change(command)
        overrides = _validated({**dict(kept.overrides), key: value})
        effective = self._possible(overrides)
        answer = self._answer(operation, command_id, effective)
        self._memory.keep(overrides, {**kept.replaced, key: _local_value(self._local, key)}, answer)
        self.in_effect.change(effective)
        self.listeners.on_change()
        return answer

    def _possible(self, overrides: Overrides) -> Effective:
        effective = effective_of(self._local, overrides)
        self._around.require_possible(effective)
        return effective

    def _answer(self, operation: str, command_id: str, effective: Effective, *, reason: str = "") -> Acknowledgement:
        return Acknowledgement(
            node=self._around.node,
            op=operation,
            id=command_id,
            result=Result.REFUSED if reason else Result.APPLIED,
            reason=reason[:_MAX_REASON_CHARS],
            run=self._around.run,
            utc=self._around.clock.utc(),
            clock=self._around.clock.quality(),
            settings=effective.said(),
        )


@dataclass(frozen=True)
class Held:
    """What of earlier commands still holds.

    Attributes:
        overrides: What they change.
        effective: The node's file with it.
        problems: What does not hold any more, and why.
    """

    overrides: Overrides
    effective: Effective
    problems: tuple[str, ...]


def what_holds(local: NodeConfig, kept: Kept, require_possible: Callable[[Effective], None]) -> Held:
    """Put what was commanded on top of the node's file, where the file was not changed since and it is possible.

    Args:
        local: The node's file.
        kept: What was commanded before.
        require_possible: Raises ContractError for what this node cannot have.
    """
    overrides, effective, problems = Overrides(), effective_of(local), []
    for key, value in kept.overrides:
        if value is None:
            continue
        try:
            if kept.replaced.get(key) != _local_value(local, key):
                raise ConfigError("the node's file was changed there since")
            changed = overrides.model_copy(update={key: value})
            possible = effective_of(local, changed)
            require_possible(possible)
            overrides, effective = changed, possible
        except ContractError as error:
            problems.append(f"a command for {key} holds no more: {error}")
    return Held(overrides, effective, tuple(problems))


def _parse(operation: str, payload: bytes) -> Command:
    if operation not in list(Operation):
        raise ConfigError(f"unknown command '{operation}': there are {', '.join(Operation)}")
    if len(payload) > MAX_COMMAND_BYTES:
        raise ConfigError(f"a command has at most {MAX_COMMAND_BYTES} bytes")
    try:
        return COMMANDS[Operation(operation)].model_validate_json(payload, strict=True)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _change(command: Command) -> tuple[str, object]:
    """Give what a command changes, and to what; None is to what the node's file has."""
    match command:
        case SetLevel():
            return "level", command.level
        case SetThresholds():
            return "thresholds", command.thresholds
        case SetCaptureMode():
            return "capture_mode", command.mode
        case SetStoreMode():
            return "store_mode", command.mode
    raise ConfigError(f"no command: {type(command).__name__}")


def _validated(overrides: Mapping[str, object]) -> Overrides:
    try:
        return Overrides.model_validate(overrides)
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def _local_value(local: NodeConfig, key: str) -> str:
    """Give what the node's file has in the place of what a command changes; of no thresholds, an empty text."""
    values: dict[str, str] = {
        "level": local.store.level, "store_mode": local.store.mode, "capture_mode": local.capture.mode
    }  # fmt: skip
    if thresholds := local.classify.thresholds:
        values["thresholds"] = json.dumps(thresholds, sort_keys=True)
    return str(values.get(key, ""))
