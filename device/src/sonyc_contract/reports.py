"""What a node says of itself: whether it is there, how it is, what it recorded of each hour, and what it lost."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from sonyc_contract.levels import Level
from sonyc_contract.messages import (
    ClockQuality,
    ConfigHash,
    Message,
    NodeId,
    PerSomeClasses,
    RandomId,
    Sha256,
    UtcTime,
)

STATE_SCHEMA: Final = "sonyc.state/1"
HEALTH_SCHEMA: Final = "sonyc.health/1"
COMPLETENESS_SCHEMA: Final = "sonyc.completeness/1"
CLOCK_SET_SCHEMA: Final = "sonyc.clock/1"
EVICTED_SCHEMA: Final = "sonyc.evicted/1"

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Presence(StrEnum):
    """Whether a node is connected."""

    ONLINE = "online"
    OFFLINE = "offline"


class SettingsInEffect(Message):
    """What clips are recorded, kept and labelled under: the node's file, with what commands changed."""

    level: Level
    store_mode: str = Field(description="[store] mode")
    capture_mode: str = Field(description="[capture] mode")
    thresholds: PerSomeClasses = Field(description="by class, where they are not the bundle's")
    overridden: tuple[str, ...] = Field(description="what commands changed, as keys of the node's file")
    config_hash: ConfigHash = Field(description="of all settings in effect but the node's id")


class NodeState(Message):
    """Retained, and the last will: whether the node is there. Later words of an older connection are to be ignored."""

    schema_id: Literal["sonyc.state/1"] = Field(default=STATE_SCHEMA, alias="schema")
    node: NodeId
    connection: RandomId = Field(description="random for each connection; birth and will of one share it")
    connected_utc: UtcTime = Field(description="when this connection was begun")
    clock: ClockQuality
    state: Presence
    reason: str = Field(description="connected, stopped, or connection lost, which is the last will's")
    session: RandomId
    run: RandomId
    agent_version: str
    bundle: Sha256
    settings: SettingsInEffect


class QueueHealth(Message):
    """What waits."""

    messages: Count = Field(description="in the outbox")
    n_bytes: Count = Field(description="their payloads")
    oldest_s: Seconds | None = Field(description="for how long the oldest has waited; null where none waits")
    in_memory: Count = Field(description="of them, those that the disk did not take")
    clips: Count = Field(description="recorded, and not classified yet")
    lag_s: Seconds | None = Field(description="from the end of the last labelled clip to its label; null before it")


class LabelHealth(Message):
    """What became of the labels of this run."""

    written: Count
    published: Count = Field(description="messages of any kind that the broker has acknowledged")
    failed: Count = Field(description="clips that have no label")
    lost: Count = Field(description="that neither disk nor memory could keep")
    evicted: dict[str, Count] = Field(description="unpublished messages by kind, since the session began")


class CaptureHealth(Message):
    """What was recorded in this run."""

    captured_s: Seconds
    lost_s: Seconds
    unscheduled_s: Seconds = Field(description="left out on purpose")
    gaps: Count
    clips_shed: Count
    schedule: str | None


class MicrophoneHealth(Message):
    """The microphone."""

    name: str = Field(description="as it is configured; empty is the system's default")
    state: str = Field(description="starting, delivering or missing")
    detail: str = Field(description="why it is missing")
    faults: tuple[str, ...] = Field(description="what is wrong with what it delivers")
    reopened: Count


class StoreHealth(Message):
    """The clips on the card."""

    clips: Count
    n_bytes: Count
    quota_bytes: Count
    oldest_utc: UtcTime | None
    evicted: dict[str, Count] = Field(description="clips by cause, since the store's index was made")
    stored: Count = Field(description="clips kept in this run")
    vetoed: Count = Field(description="clips not kept in this run because of a vetoed class")
    failed: Count = Field(description="clips that were to be kept in this run, and could not be written")


class BrokerHealth(Message):
    """The connection to the broker; a message that says it is not connected was made while it was not."""

    connected: bool
    state: str = Field(description="connected, or why not")
    failures: Count = Field(description="connections that failed or were lost in this run")
    refused: tuple[str, ...] = Field(description="kinds of message that the broker forbids")
    certificate_expires_utc: UtcTime | None


class MachineHealth(Message):
    """The machine that the agent runs on; null is not known."""

    uptime_s: Seconds | None
    temperature_c: float | None
    disk_free_bytes: Count | None = Field(description="where the state folder lies")
    disk_total_bytes: Count | None
    memory_bytes: Count | None = Field(description="resident set of the agent")
    load_1min: float | None


class CommandHealth(Message):
    """What became of commands in this run."""

    applied: Count
    refused: Count
    ignored: Count = Field(description="without a usable id, or more at a time than are taken")


class Hour(Message):
    """Seconds of audio of one UTC hour; for what captured, lost and unscheduled leave of 3600 the agent was off."""

    start_utc: UtcTime
    dated: bool = Field(description="false: by a clock that was never set in that run")
    captured_s: Seconds
    lost_s: dict[str, Seconds] = Field(description="by cause")
    unscheduled_s: Seconds
    classified_s: Seconds
    stored_s: Seconds
    published_s: Seconds = Field(description="whose labels the broker has acknowledged")


class NodeHealth(Message):
    """How a node is, every minute; what counts, counts from the start of the run unless said otherwise."""

    schema_id: Literal["sonyc.health/1"] = Field(default=HEALTH_SCHEMA, alias="schema")
    node: NodeId
    session: RandomId
    run: RandomId
    utc: UtcTime
    clock: ClockQuality
    run_s: Seconds = Field(description="for how long this run has lasted")
    agent_version: str
    runtime: str = Field(description="what executes the models, and its version")
    bundle: Sha256
    settings: SettingsInEffect
    capture: CaptureHealth
    microphone: MicrophoneHealth | None = Field(description="null where files are replayed")
    labels: LabelHealth
    queues: QueueHealth
    broker: BrokerHealth
    store: StoreHealth
    commands: CommandHealth
    machine: MachineHealth
    hours: tuple[Hour, ...] = Field(description="the hour before this one, and this one so far")
    problems: tuple[str, ...] = Field(description="what is wrong now, in words")


class Completeness(Message):
    """Hours that are over and whose figures changed; receivers replace by (node, session, start_utc, dated)."""

    schema_id: Literal["sonyc.completeness/1"] = Field(default=COMPLETENESS_SCHEMA, alias="schema")
    node: NodeId
    session: RandomId
    hours: tuple[Hour, ...]


class ClockSet(Message):
    """The clock was set, which dates the run's labels with `clock` unset.

    One began at `utc` + (its `sample_index` - this one) / `rate_hz`.
    """

    schema_id: Literal["sonyc.clock/1"] = Field(default=CLOCK_SET_SCHEMA, alias="schema")
    node: NodeId
    session: RandomId
    run: RandomId
    sample_index: Count
    utc: UtcTime = Field(description="when the sample was taken")
    rate_hz: int = Field(gt=0)


class Evicted(Message):
    """Labels that were deleted unpublished, because the outbox was full or they were too old."""

    schema_id: Literal["sonyc.evicted/1"] = Field(default=EVICTED_SCHEMA, alias="schema")
    node: NodeId
    session: RandomId
    first_seq: int = Field(ge=1)
    last_seq: int = Field(ge=1)
    n_labels: int = Field(ge=1, description="how many of this range; the others were published or never made")
