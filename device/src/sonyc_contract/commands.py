"""What a node can be told, and how it answers.

A command is published on `<prefix>/v1/<node>/cmd/<op>/<id>`, the answer comes on the same topic with `/ack` behind.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from sonyc_contract.levels import Level
from sonyc_contract.messages import ClockQuality, Message, NodeId, PerSomeClasses, RandomId, UtcTime
from sonyc_contract.reports import SettingsInEffect

COMMAND_SCHEMA: Final = "sonyc.command/1"
ACKNOWLEDGEMENT_SCHEMA: Final = "sonyc.ack/1"
COMMAND_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
MAX_COMMAND_BYTES: Final = 4_096

_Mode = Annotated[str, Field(pattern=r"^[a-z-]{1,32}$")]


class Operation(StrEnum):
    """What can be told."""

    SET_LEVEL = "set-level"
    SET_THRESHOLDS = "set-thresholds"
    SET_CAPTURE_MODE = "set-capture-mode"
    SET_STORE_MODE = "set-store-mode"
    STATUS = "status"


class Command(Message):
    """Base of every command; null in the place of a value is as the node's own file has it."""

    schema_id: Literal["sonyc.command/1"] = Field(default=COMMAND_SCHEMA, alias="schema")


class SetLevel(Command):
    """Store, or classify as if stored, at another level."""

    level: Level | None


class SetThresholds(Command):
    """Detect at other thresholds, by class; others get those of the node's file, or else the bundle's."""

    thresholds: PerSomeClasses | None


class SetCaptureMode(Command):
    """Record in another mode."""

    mode: _Mode | None = Field(description="[capture] mode")


class SetStoreMode(Command):
    """Keep other clips. A mode that the node's file could not have is refused."""

    mode: _Mode | None = Field(description="[store] mode")


class Status(Command):
    """Publish a health message now."""


COMMANDS: Final[dict[Operation, type[Command]]] = {
    Operation.SET_LEVEL: SetLevel,
    Operation.SET_THRESHOLDS: SetThresholds,
    Operation.SET_CAPTURE_MODE: SetCaptureMode,
    Operation.SET_STORE_MODE: SetStoreMode,
    Operation.STATUS: Status,
}


class Result(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    """It holds from the next clip on, and after a restart."""
    REFUSED = "refused"
    """Nothing has changed."""


class Acknowledgement(Message):
    """The answer to a command, retained; the same again where the command comes twice."""

    schema_id: Literal["sonyc.ack/1"] = Field(default=ACKNOWLEDGEMENT_SCHEMA, alias="schema")
    node: NodeId
    op: str
    id: str = Field(pattern=COMMAND_ID_PATTERN)
    result: Result
    reason: str = Field(description="why it was refused; empty where it was not")
    run: RandomId
    utc: UtcTime
    clock: ClockQuality
    settings: SettingsInEffect = Field(description="after the command")
