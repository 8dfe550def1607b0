"""What is in effect: the node's file, with what commands changed on top of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from pydantic import ValidationError

from sonyc_contract.bundle import Bundle
from sonyc_contract.errors import ConfigError
from sonyc_contract.files import sha256_hex
from sonyc_contract.levels import Level
from sonyc_contract.messages import PerSomeClasses
from sonyc_contract.reports import SettingsInEffect
from sonyc_contract.settings import Settings, describe
from sonyc_device.config import CaptureMode, NodeConfig, StoreMode

HASH_CHARS: Final = 16

_KEYS: Final = {
    "level": "store.level", "store_mode": "store.mode", "capture_mode": "capture.mode",
    "thresholds": "classify.thresholds",
}  # fmt: skip
"""Keys of the node's file that commands change."""

_Table = TypeVar("_Table", bound=Settings)


class Overrides(Settings):
    """What commands changed; None is as the node's file has it.

    Attributes:
        level: Of `[store]`.
        store_mode: Of `[store]`.
        capture_mode: Of `[capture]`.
        thresholds: By class; classes that are not named keep those of the node's file, or else the bundle's.
    """

    level: Level | None = None
    store_mode: StoreMode | None = None
    capture_mode: CaptureMode | None = None
    thresholds: PerSomeClasses | None = None


@dataclass(frozen=True)
class Effective:
    """What a clip is recorded, kept and labelled under: one object, taken once per clip, so that a change is whole.

    Attributes:
        config: The node's file, with what commands changed.
        thresholds: By class, where they are not the bundle's.
        overridden: What commands changed, as keys of the file.
    """

    config: NodeConfig
    thresholds: Mapping[str, float] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()

    @cached_property
    def config_hash(self) -> str:
        """16 hexadecimal digits, the same for two nodes that differ in nothing but their id."""
        return config_hash(self.config, self.thresholds)

    def said(self) -> SettingsInEffect:
        """Give what messages say of it."""
        return SettingsInEffect(
            level=self.config.store.level,
            store_mode=self.config.store.mode,
            capture_mode=self.config.capture.mode,
            thresholds=dict(self.thresholds),
            overridden=self.overridden,
            config_hash=self.config_hash,
        )


class InEffect:
    """Holds what is in effect, for threads that take it and one that changes it."""

    def __init__(self, first: Effective) -> None:
        self._now = first

    @property
    def now(self) -> Effective:
        """What is in effect; take it once per clip, and keep it for no other."""
        return self._now

    def change(self, new: Effective) -> None:
        """Let something else be in effect, from the next clip on."""
        self._now = new


def effective_of(config: NodeConfig, overrides: Overrides | None = None) -> Effective:
    """Put what commands changed on top of the node's file.

    Raises:
        ConfigError: the file could not have it so: a store mode that it does not permit, for example.
    """
    overrides = overrides or Overrides()
    store = _with(config.store, {"level": overrides.level, "mode": overrides.store_mode})
    capture = _with(config.capture, {"mode": overrides.capture_mode})
    changed = config.model_copy(update={"store": store, "capture": capture})
    overridden = [_KEYS[key] for key in Overrides.model_fields if getattr(overrides, key) is not None]
    thresholds = {**config.classify.thresholds, **(overrides.thresholds or {})}
    return Effective(changed, thresholds, tuple(overridden))


def require_head(effective: Effective, bundle: Bundle) -> None:
    """See that the bundle has a head for what would be in effect.

    Raises:
        LevelError: it has none for the level.
    """
    bundle.head_for(effective.config.served_level)


def config_hash(config: NodeConfig, thresholds: Mapping[str, float]) -> str:
    """Give the first 16 hexadecimal digits of the SHA-256 of all settings but the node's id, as JSON in key order."""
    document = {**config.model_dump(mode="json", exclude={"node_id"}), "thresholds": dict(thresholds)}
    return sha256_hex(json.dumps(document, sort_keys=True).encode())[:HASH_CHARS]


def _with(table: _Table, changes: Mapping[str, object]) -> _Table:
    """Change keys of a table, and check all of it again."""
    changes = {key: value for key, value in changes.items() if value is not None}
    try:
        return type(table).model_validate({**dict(table), **changes})
    except ValidationError as error:
        raise ConfigError(describe(error)) from error
