"""The node's configuration: one TOML file, read once into frozen tables.

`firmware_config/node.toml` explains every key.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from sonyc_contract.audio import MAX_RATE_HZ, MIN_RATE_HZ
from sonyc_contract.codec import DEFAULT_STORAGE_RATE_HZ
from sonyc_contract.labels import LABELS
from sonyc_contract.levels import Level
from sonyc_contract.messages import NodeId, PerSomeClasses
from sonyc_contract.runtime import Runtime
from sonyc_contract.settings import Settings, load_toml
from sonyc_device.capture.schedule import minutes_of, zone_of

MAX_PREFIX_CHARS: Final = 200

_RECIPIENT: Final = "age1[02-9ac-hj-np-z]{58}"
"""An X25519 recipient, in Bech32; its checksum is for age to see."""

_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_MAX_GAP_S: Final = 7 * 86_400.0


def _expanded(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("a path cannot hold the character NUL")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no user {path.parts[0][1:]!r} whose folder it could be in") from None


def _topic(text: str) -> str:
    # A broker keeps `$...` for itself: mosquitto acknowledges what is published there with MQTT 3.1.1, and drops it.
    is_plain = text.isprintable() and not set(text) & set(" +#") and not text.startswith("$")
    if not is_plain or "" in text.split("/") or len(text) > MAX_PREFIX_CHARS:
        raise ValueError(
            f"must be words joined by '/', of at most {MAX_PREFIX_CHARS} characters, without spaces, '+', '#' or '$' "
            "in front"
        )
    return text


def _window(text: str) -> str:
    minutes_of(text)
    return text


def _time_zone(name: str) -> str:
    zone_of(name)
    return name


def _calendar_time(moment: datetime) -> datetime:
    if not _FIRST_YEAR <= moment.astimezone(UTC).year <= _LAST_YEAR:
        raise ValueError(f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


def _classes(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in LABELS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no class: use some of {', '.join(LABELS)}")
    return tuple(name for name in LABELS if name in names)


def _recipients(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(_RECIPIENT, name):
            raise ValueError(f"{name!r} is no age recipient: `age-keygen` prints one, 'age1' and 58 characters")
    if len(set(names)) < len(names):
        raise ValueError("the same recipient stands there twice")
    return names


Classes = Annotated[tuple[str, ...], AfterValidator(_classes)]
"""Some of the classes; whatever order they were named in, here in taxonomy order."""
UsablePath = Annotated[Path, AfterValidator(_expanded)]
"""A path that the system takes, `~` expanded."""


class CaptureKind(StrEnum):
    """Where samples come from."""

    MICROPHONE = "microphone"
    FILES = "files"


class CaptureMode(StrEnum):
    """Which part of the time is recorded."""

    CONTINUOUS = "continuous"
    SAMPLED = "sampled"
    """Clips with a random gap before each."""


class GapShape(StrEnum):
    """How the gaps between sampled clips are distributed."""

    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"


class WithoutClock(StrEnum):
    """What a schedule means while the clock was never set."""

    RECORD = "record"
    WAIT = "wait"


class StoreMode(StrEnum):
    """Which clips are written to the disk."""

    NONE = "none"
    ALL = "all"
    """Every clip, the vetoed classes' too."""
    DETECTIONS = "detections"
    """Clips with a detection of some classes."""
    FRACTION = "fraction"
    """A share of the clips, drawn by their ids."""


class Classified(StrEnum):
    """What is given to the recogniser."""

    STORED = "stored"
    """The clip after its way through the codec, as stored or as it would have been."""
    PCM = "pcm"
    """The clip as recorded; the codec is skipped."""


class CaptureSettings(Settings):
    """`[capture]`: where samples come from, and how they are cut."""

    source: CaptureKind = CaptureKind.MICROPHONE
    device: str = ""
    rate_hz: int = Field(default=48_000, ge=MIN_RATE_HZ, le=MAX_RATE_HZ)
    channels: int = Field(default=1, ge=1, le=64)
    channel: int = Field(default=1, ge=1, le=64)
    stalled_after_s: float = Field(default=5.0, ge=1.0, le=3_600.0)
    give_up_after_s: float = Field(default=300.0, ge=1.0, le=86_400.0)
    clip_s: float = Field(default=10.0, ge=1.0, le=60.0)
    files: tuple[UsablePath, ...] = ()
    speed: float = Field(default=1.0, ge=0.0, le=1000.0)
    loop: bool = False
    files_start: Annotated[AwareDatetime, AfterValidator(_calendar_time)] | None = None
    mode: CaptureMode = CaptureMode.CONTINUOUS
    mean_gap_s: float | None = Field(default=None, gt=0.0, le=_MAX_GAP_S)
    duty_cycle: float | None = Field(default=None, ge=0.0001, lt=1.0)
    gap_shape: GapShape = GapShape.EXPONENTIAL
    schedule: tuple[Annotated[str, AfterValidator(_window)], ...] = ()
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    without_clock: WithoutClock = WithoutClock.RECORD

    @property
    def mean_pause_s(self) -> float:
        """Mean length of the gaps between sampled clips in seconds; 0 where none is set."""
        if self.duty_cycle is not None:
            return self.clip_s * (1.0 / self.duty_cycle - 1.0)
        return self.mean_gap_s or 0.0

    @model_validator(mode="after")
    def _says_one_gap(self) -> "CaptureSettings":
        if self.mean_gap_s is not None and self.duty_cycle is not None:
            raise ValueError("mean_gap_s and duty_cycle say the same in two ways: set one of them")
        if self.mode is CaptureMode.SAMPLED and not self.mean_pause_s:
            raise ValueError("mode = 'sampled' needs mean_gap_s or duty_cycle")
        return self

    @model_validator(mode="after")
    def _fits_source(self) -> "CaptureSettings":
        if self.source is CaptureKind.FILES and not self.files:
            raise ValueError("source = 'files' needs `files`, a list of audio files or folders")
        if self.channel > self.channels:
            raise ValueError(f"channel = {self.channel}, but the device is opened with channels = {self.channels}")
        return self


class FaultSettings(Settings):
    """`[faults]`: what counts as a fault of the microphone."""

    after_s: float = Field(default=10.0, ge=1.0, le=3_600.0)
    dead_below_dbfs: float = Field(default=-90.0, ge=-200.0, le=0.0)
    clipping_share: float = Field(default=0.001, gt=0.0, le=1.0)
    dc_offset: float = Field(default=0.05, gt=0.0, le=1.0)


class StoreSettings(Settings):
    """`[store]`: how clips are coded, which are kept, in what form, and for how long."""

    mode: StoreMode = StoreMode.NONE
    recipients: Annotated[tuple[str, ...], AfterValidator(_recipients)] = Field(default=(), max_length=20)
    clear: bool = False
    classes: Classes = LABELS
    fraction: float = Field(default=0.1, gt=0.0, le=1.0)
    veto: Classes = ("human-voice",)
    veto_threshold: float = Field(default=0.2, gt=0.0, le=1.0)
    level: Level = Level.V5
    storage_rate_hz: int = Field(default=DEFAULT_STORAGE_RATE_HZ, gt=0)
    folder: UsablePath = Path("/var/lib/sonyc-device/clips")
    max_bytes: int = Field(default=16_000_000_000, ge=1_000_000)
    reserve_bytes: int = Field(default=1_000_000_000, ge=0)
    retention_days: float = Field(default=90.0, gt=0.0, le=36_500.0)

    @model_validator(mode="after")
    def _is_permitted(self) -> "StoreSettings":
        if self.clear and self.recipients:
            raise ValueError("clear = true and recipients contradict each other: clips are either sealed or in clear")
        if self.mode is not StoreMode.NONE and not self.clear and not self.recipients:
            raise ValueError(
                f"mode = '{self.mode}' keeps recordings that anybody with the card can hear: name age `recipients` to "
                "seal them to, or set clear = true to permit it, or mode = 'none'"
            )
        return self

    @model_validator(mode="after")
    def _can_keep_something(self) -> "StoreSettings":
        if self.mode is StoreMode.DETECTIONS and not set(self.classes) - set(self.veto):
            raise ValueError(
                "mode = 'detections' would never keep a clip: `classes` names none that is not in `veto` as well"
            )
        return self


class LevelSettings(Settings):
    """`[level]`: what is measured of the sound, beside its classes."""

    enabled: bool = False
    bands: bool = True
    spl: bool = True


class ClassifySettings(Settings):
    """`[classify]`: what is classified, and by what."""

    what: Classified = Classified.STORED
    bundle: UsablePath | None = None
    runtime: Runtime = Runtime.LITERT
    n_threads: int = Field(default=1, ge=1, le=16)
    thresholds: PerSomeClasses = Field(default_factory=dict)


class TlsSettings(Settings):
    """`[mqtt.tls]`: whom to trust, and as whom to be known."""

    enabled: bool = False
    ca_file: UsablePath | None = None
    certificate_file: UsablePath | None = None
    key_file: UsablePath | None = None

    @model_validator(mode="after")
    def _is_used(self) -> "TlsSettings":
        named = [key for key in ("ca_file", "certificate_file", "key_file") if getattr(self, key) is not None]
        if named and not self.enabled:
            raise ValueError(f"{named[0]} is set, but enabled = false: what is sent could be read on the way")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs `certificate_file`, the certificate that it belongs to")
        return self


class MqttSettings(Settings):
    """`[mqtt]`: where labels are published."""

    host: str = Field(default="localhost", max_length=255, pattern=r"^\S+$")
    port: int = Field(default=1883, ge=1, le=65_535)
    prefix: Annotated[str, AfterValidator(_topic)] = "sonyc"
    username: str = Field(default="", max_length=1_000)
    password_file: UsablePath | None = None
    keepalive_s: int = Field(default=60, ge=2, le=3_600)
    reconnect_max_s: float = Field(default=60.0, ge=0.1, le=3_600.0)
    max_in_flight: int = Field(default=20, ge=1, le=1_000)
    tls: TlsSettings = TlsSettings()

    @model_validator(mode="after")
    def _names_whose_password(self) -> "MqttSettings":
        if self.password_file is not None and not self.username:
            raise ValueError("password_file needs `username`: a broker takes no password without one")
        return self


class OutboxSettings(Settings):
    """`[outbox]`: how many unpublished labels are kept, at most."""

    max_rows: int = Field(default=500_000, ge=1)
    max_bytes: int = Field(default=1_000_000_000, ge=10_000)
    max_age_days: float = Field(default=90.0, gt=0.0)
    drain_per_s: float = Field(default=50.0, ge=0.1, le=10_000.0)


class HealthSettings(Settings):
    """`[health]`: how often the node says how it is, and how long it keeps its books."""

    every_s: float = Field(default=60.0, ge=1.0, le=3_600.0)
    keep_days: float = Field(default=400.0, ge=1.0, le=36_500.0)


class CommandSettings(Settings):
    """`[commands]`: whether the node may be told anything over MQTT."""

    enabled: bool = True


class NodeConfig(Settings):
    """The whole file."""

    node_id: NodeId
    state_folder: UsablePath = Path("/var/lib/sonyc-device")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    capture: CaptureSettings = CaptureSettings()
    faults: FaultSettings = FaultSettings()
    store: StoreSettings = StoreSettings()
    classify: ClassifySettings = ClassifySettings()
    level: LevelSettings = LevelSettings()
    mqtt: MqttSettings = MqttSettings()
    outbox: OutboxSettings = OutboxSettings()
    health: HealthSettings = HealthSettings()
    commands: CommandSettings = CommandSettings()

    @property
    def served_level(self) -> Level:
        """The level whose head classifies."""
        return self.store.level if self.classify.what is Classified.STORED else Level.PCM


def load_config(path: Path) -> NodeConfig:
    """Read a node's configuration; relative paths in it are meant from the folder it lies in.

    Raises:
        ConfigError: the file is missing, not TOML, or has an unknown key, a wrong type or a value out of range; the
            message names file, key, value and what is allowed.
    """
    return _anchored(load_toml(path, NodeConfig), path.parent)


def _anchored(config: NodeConfig, folder: Path) -> NodeConfig:
    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path

    tls = config.mqtt.tls
    capture = config.capture.model_copy(update={"files": tuple(at(path) for path in config.capture.files)})
    return config.model_copy(
        update={
            "state_folder": at(config.state_folder),
            "capture": capture,
            "store": config.store.model_copy(update={"folder": at(config.store.folder)}),
            "classify": config.classify.model_copy(update={"bundle": at(config.classify.bundle)}),
            "mqtt": config.mqtt.model_copy(
                update={
                    "password_file": at(config.mqtt.password_file),
                    "tls": tls.model_copy(
                        update={key: at(getattr(tls, key)) for key in ("ca_file", "certificate_file", "key_file")}
                    ),
                }
            ),
        }
    )
