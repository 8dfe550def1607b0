"""What a node says: one label event per clip, as versioned JSON."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level

LABEL_SCHEMA: Final = "sonyc.label/1"
CLIP_SCHEMA: Final = "sonyc.clip/1"
SPL_SCHEMA: Final = "sonyc.spl/1"

# fmt: off
BANDS_HZ: Final = (
    25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0, 125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0, 800.0, 1_000.0,
    1_250.0, 1_600.0, 2_000.0, 2_500.0, 3_150.0, 4_000.0, 5_000.0, 6_300.0, 8_000.0, 10_000.0, 12_500.0,
)
# fmt: on
"""Nominal mid-band frequencies of the third-octave bands; a rate below 43.5 kHz does not reach the highest ones."""

NODE_ID_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""As a host name: it is part of topics and file names."""


class ClockQuality(StrEnum):
    """How far a node's wall clock can be trusted."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSET = "unset"


class AudioReason(StrEnum):
    """Why a clip's audio was kept, or why not."""

    MODE_ALL = "mode-all"
    DETECTION = "detection"
    FRACTION = "fraction"
    MODE_NONE = "mode-none"
    NO_DETECTION = "no-detection"
    NOT_IN_FRACTION = "not-in-fraction"
    VETO = "veto"
    NO_SPACE = "no-space"
    WRITE_FAILED = "write-failed"


def _named(values: dict[str, float]) -> dict[str, float]:
    if set(values) != set(LABELS):
        raise ValueError(f"must have exactly the classes {', '.join(LABELS)}")
    return {name: values[name] for name in LABELS}


def _known(values: dict[str, float]) -> dict[str, float]:
    if set(values) - set(LABELS):
        raise ValueError(f"must have only classes of {', '.join(LABELS)}")
    return {name: values[name] for name in LABELS if name in values}


def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    if list(names) != [name for name in LABELS if name in names]:
        raise ValueError(f"must be some of {', '.join(LABELS)}, in this order")
    return names


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must carry a time zone")
    return moment.astimezone(UTC)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


Unit = Annotated[float, Field(ge=0, le=1)]
_SOME_CLASSES_SCHEMA = {
    "type": "object",
    "properties": {label: {"type": "number", "minimum": 0, "maximum": 1} for label in LABELS},
    "additionalProperties": False,
}
_PER_CLASS_SCHEMA = {
    "type": "object",
    "properties": _SOME_CLASSES_SCHEMA["properties"],
    "required": list(LABELS),
    "additionalProperties": False,
}
PerClass = Annotated[dict[str, Unit], AfterValidator(_named), WithJsonSchema(_PER_CLASS_SCHEMA)]
PerSomeClasses = Annotated[dict[str, Unit], AfterValidator(_known), WithJsonSchema(_SOME_CLASSES_SCHEMA)]
"""Probabilities of some of the classes, in taxonomy order."""
_RFC3339_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"
ClassNames = Annotated[
    tuple[str, ...],
    AfterValidator(_in_order),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(LABELS)}, "uniqueItems": True}),
]
"""Some of the classes, in taxonomy order."""
UtcTime = Annotated[
    datetime,
    AfterValidator(_utc),
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _RFC3339_PATTERN}),
]
NodeId = Annotated[str, Field(pattern=NODE_ID_PATTERN)]
HeadName = Annotated[str, Field(pattern=r"^(any|pcm|v[0-9])$")]
RandomId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Of an age recipient: the first 16 digits of the SHA-256 of its text."""
ConfigHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
LevelUnit = Literal["dBFS", "dB re 20 uPa"]
"""dB re a full-scale square wave (a full-scale sine has -3.01), or re 20 micropascals: calibrated."""


class Message(BaseModel):
    """Base of every message: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )


class Levels(Message):
    """Levels of a stretch of time, weighted as IEC 61672-1:2013 says; means of energy, never of decibels."""

    laeq: float = Field(description="equivalent level, weighted A")
    lceq: float = Field(description="equivalent level, weighted C")
    lzeq: float = Field(description="equivalent level, not weighted, from 1 Hz")
    lafmax: float = Field(description="highest level, weighted A and F")
    l10: float = Field(description="level, weighted A and F, exceeded for 10 % of the time")
    l50: float = Field(description="exceeded for 50 %")
    l90: float = Field(description="exceeded for 90 %")
    bands: tuple[float, ...] = Field(
        max_length=len(BANDS_HZ),
        description="equivalent levels of third-octave bands (IEC 61260-1:2014) from 25 Hz upwards; none if not taken",
    )


class SoundLevel(Message):
    """Sound level of a clip. Named dBFS (re a full-scale square wave) unless the microphone was calibrated."""

    leq: float = Field(description="equivalent level of all that was recorded, not weighted, with any offset")
    unit: LevelUnit
    calibration: RandomId | None = Field(default=None, description="id of the calibration; null without one, in dBFS")
    levels: Levels | None = Field(default=None, description="null while [level] is not enabled")


class MinuteLevel(Message):
    """Sound level of a minute of a run's samples. Receivers drop duplicates by (node, session, seq)."""

    schema_id: Literal["sonyc.spl/1"] = Field(default=SPL_SCHEMA, alias="schema")
    node: NodeId
    session: RandomId
    seq: int = Field(ge=1, description="monotonic within the session, counted apart from labels")
    run: RandomId
    start_utc: UtcTime
    clock: ClockQuality
    sample_index: int = Field(ge=0, description="of the first sample, counted within the run at the capture rate")
    capture_rate_hz: int = Field(gt=0)
    covered_s: float = Field(gt=0, le=60, description="seconds of the minute that were recorded and measured")
    unit: LevelUnit
    calibration: RandomId | None = Field(default=None, description="id of the calibration; null without one, in dBFS")
    levels: Levels
    agent_version: str


class AudioRecord(Message):
    """Whether a clip's audio was kept, and why or why not."""

    kept: bool
    reason: AudioReason
    n_bytes: int = Field(ge=0, description="size of the encoded clip, kept or not")


class Clip(Message):
    """What a clip is: identity, time, and how it was coded."""

    node: NodeId
    session: RandomId = Field(description="made with the outbox database; a re-flashed card gets a new one")
    seq: int = Field(ge=1, description="monotonic within the session")
    run: RandomId = Field(description="one run of the agent")
    clip_id: str = Field(pattern=r"^[0-9a-f]{16}-[1-9][0-9]*$", description="<session>-<seq>; names the clip's files")
    start_utc: UtcTime
    clock: ClockQuality
    sample_index: int = Field(ge=0, description="of the first sample, counted within the run at the capture rate")
    capture_rate_hz: int = Field(gt=0)
    duration_s: float = Field(gt=0)
    level: Level
    storage_rate_hz: int = Field(gt=0)

    @model_validator(mode="after")
    def _is_named_after_itself(self) -> Self:
        if self.clip_id != f"{self.session}-{self.seq}":
            raise ValueError(f"clip_id {self.clip_id} is not that of session {self.session}, seq {self.seq}")
        return self


class LabelEvent(Clip):
    """One clip's label. Receivers drop duplicates by (node, session, seq)."""

    schema_id: Literal["sonyc.label/1"] = Field(default=LABEL_SCHEMA, alias="schema")
    agent_version: str
    config_hash: ConfigHash = Field(description="of the settings in effect, as in state, health and acknowledgements")
    bundle: Sha256 = Field(description="SHA-256 of the bundle")
    frontend: str = Field(description="id of the front end")
    head: HeadName = Field(description="the head that was used: a level's, or any")
    classified: Literal["stored", "pcm"] = Field(description="what was classified: the coded clip, or the raw one")
    n_windows: int = Field(ge=1)
    probabilities: PerClass
    thresholds: PerClass
    detections: ClassNames = Field(description="classes whose probability reaches its threshold")
    sound_level: SoundLevel
    audio: AudioRecord
    short: bool
    silent: bool


class Sealed(Message):
    """The form in which a clip lies on the disk when it is encrypted with age."""

    file: str = Field(pattern=r"^[0-9a-f]{16}-[1-9][0-9]*\.(mp3|flac)\.age$", description="<audio_file>.age")
    sha256: Sha256 = Field(description="of the sealed file")
    n_bytes: int = Field(gt=0, description="of the sealed file")
    recipients: tuple[Fingerprint, ...] = Field(
        min_length=1, description="whose keys open it: of each recipient the first 16 digits of its text's SHA-256"
    )


class StoredClip(Clip):
    """The sidecar beside a stored clip's audio. It is never sealed, and says no more of the sound than the label."""

    schema_id: Literal["sonyc.clip/1"] = Field(default=CLIP_SCHEMA, alias="schema")
    audio_file: str = Field(pattern=r"^[0-9a-f]{16}-[1-9][0-9]*\.(mp3|flac)$", description="<clip_id>.<mp3 or flac>")
    sha256: Sha256 = Field(description="of the audio file, unsealed")
    n_bytes: int = Field(gt=0, description="of the audio file, unsealed")
    encoder: str
    bundle: Sha256 = Field(description="SHA-256 of the bundle")
    head: HeadName = Field(description="the head that gave the probabilities: a level's, or any")
    probabilities: PerClass
    reason: AudioReason = Field(description="why the clip was kept")
    sealed: Sealed | None = Field(default=None, description="null where the audio lies there in clear")

    @model_validator(mode="after")
    def _files_are_named_after_clip(self) -> Self:
        if self.audio_file != f"{self.clip_id}{self.level.suffix}":
            raise ValueError(f"audio_file {self.audio_file} is not that of clip {self.clip_id} at level '{self.level}'")
        if self.sealed is not None and self.sealed.file != f"{self.audio_file}.age":
            raise ValueError(f"sealed.file {self.sealed.file} is not that of {self.audio_file}")
        return self


def dump_message(message: Message) -> bytes:
    """Give a message as UTF-8 JSON in one line."""
    return message.model_dump_json(by_alias=True).encode()
