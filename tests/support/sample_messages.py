"""A label event and a sidecar as an agent would send and store them, to be changed by a test."""

from datetime import UTC, datetime
from typing import Any, Final

from sonyc_contract.labels import by_label
from sonyc_contract.levels import Level
from sonyc_contract.messages import (
    BANDS_HZ,
    AudioReason,
    AudioRecord,
    ClockQuality,
    LabelEvent,
    Levels,
    MinuteLevel,
    SoundLevel,
    StoredClip,
)

_CLIP: Final[dict[str, Any]] = {
    "node": "node-7",
    "session": "0123456789abcdef",
    "seq": 12,
    "run": "fedcba9876543210",
    "clip_id": "0123456789abcdef-12",
    "start_utc": datetime(2026, 11, 23, 14, 5, 6, 789_000, tzinfo=UTC),
    "clock": ClockQuality.SYNCED,
    "sample_index": 480_000,
    "capture_rate_hz": 48_000,
    "duration_s": 10.0,
    "level": Level.V5,
    "storage_rate_hz": 48_000,
}
LABEL: Final[dict[str, Any]] = {
    **_CLIP,
    "agent_version": "0.1.0",
    "config_hash": "c" * 16,
    "bundle": "a" * 64,
    "frontend": "compact-0123456789ab",
    "head": "v5",
    "classified": "stored",
    "n_windows": 10,
    "probabilities": by_label([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
    "thresholds": by_label([0.5] * 8),
    "detections": ("alert-signal", "music", "human-voice", "dog"),
    "sound_level": SoundLevel(leq=-31.5, unit="dBFS"),
    "audio": AudioRecord(kept=False, reason=AudioReason.MODE_NONE, n_bytes=71_000),
    "short": False,
    "silent": False,
}
STORED: Final[dict[str, Any]] = {
    **_CLIP,
    "audio_file": "0123456789abcdef-12.mp3",
    "sha256": "b" * 64,
    "n_bytes": 71_000,
    "encoder": "pedalboard-0.9.26",
    "bundle": "a" * 64,
    "head": "v5",
    "probabilities": by_label([0.5] * 8),
    "reason": AudioReason.MODE_ALL,
}
LEVELS: Final = Levels(
    laeq=61.2, lceq=66.0, lzeq=67.3, lafmax=74.9, l10=64.1, l50=59.8, l90=55.0, bands=(40.0,) * len(BANDS_HZ)
)
MINUTE: Final[dict[str, Any]] = {
    **{key: _CLIP[key] for key in ("node", "session", "seq", "run", "start_utc", "clock", "sample_index")},
    "capture_rate_hz": 48_000,
    "covered_s": 58.5,
    "unit": "dB re 20 uPa",
    "calibration": "0a1b2c3d4e5f6789",
    "levels": LEVELS,
    "agent_version": "0.1.0",
}


def label_event(**changes: object) -> LabelEvent:
    """A label event that is right but for `changes`."""
    return LabelEvent.model_validate(LABEL | changes)


def stored_clip(**changes: object) -> StoredClip:
    """A sidecar that is right but for `changes`."""
    return StoredClip.model_validate(STORED | changes)


def minute_level(**changes: object) -> MinuteLevel:
    """A minute's sound level that is right but for `changes`."""
    return MinuteLevel.model_validate(MINUTE | changes)
