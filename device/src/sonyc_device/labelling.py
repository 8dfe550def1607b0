"""Puts together what a node says of one clip: its label, and the sidecar of its audio."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import sonyc_device
from sonyc_contract.bundle import Bundle
from sonyc_contract.codec import encoder_version
from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import LABELS, by_label
from sonyc_contract.levels import Level
from sonyc_contract.messages import AudioReason, AudioRecord, Clip, LabelEvent, SoundLevel, StoredClip
from sonyc_contract.recognise import HeadSpec, Scores, detections
from sonyc_device.capture.clips import TimedClip


class Known(Protocol):
    """What a label is known by, together with its node."""

    @property
    def session(self) -> str:
        """Whose number it is."""

    @property
    def seq(self) -> int:
        """Its number within the session."""


@dataclass(frozen=True)
class NodeFacts:
    """What is the same in every label of one run.

    Attributes:
        node: The node's id.
        session: The outbox's id at the start of the run.
        run: This run's id.
        storage_rate_hz: The rate clips are stored at.
        rate_hz: The rate they are captured at.
    """

    node: str
    session: str
    run: str
    storage_rate_hz: int
    rate_hz: int

    def clip(self, identity: Known, timed: TimedClip, *, level: Level) -> Clip:
        """Give identity, time and coding of a clip."""
        return Clip(
            node=self.node,
            session=identity.session,
            seq=identity.seq,
            run=self.run,
            clip_id=f"{identity.session}-{identity.seq}",
            start_utc=timed.start_utc,
            clock=timed.clock,
            sample_index=timed.clip.start_sample,
            capture_rate_hz=self.rate_hz,
            duration_s=len(timed.clip.samples) / self.rate_hz,
            level=level,
            storage_rate_hz=self.storage_rate_hz,
        )


@dataclass(frozen=True)
class Verdict:
    """What was found in one clip.

    Attributes:
        scores: Probabilities, detections and head.
        classified: Whether the coded clip was scored (`stored`) or the raw one (`pcm`).
        sound_level: How loud the clip was, as recorded.
        thresholds: What the detections were made at, in taxonomy order.
        config_hash: Of the settings in effect.
    """

    scores: Scores
    classified: str
    sound_level: SoundLevel
    thresholds: tuple[float, ...]
    config_hash: str


def thresholds_in_effect(head: HeadSpec, changed: Mapping[str, float]) -> tuple[float, ...]:
    """Give a head's thresholds, in taxonomy order, with those of some classes changed."""
    return tuple(changed.get(name, threshold) for name, threshold in zip(LABELS, head.thresholds, strict=True))


def detected_at(scores: Scores, thresholds: tuple[float, ...]) -> Scores:
    """Give scores whose detections are made at other thresholds."""
    return replace(scores, detections=detections(scores.probabilities, thresholds))


def label_event(clip: Clip, bundle: Bundle, verdict: Verdict, audio: AudioRecord) -> LabelEvent:
    """Make the label of a clip that `bundle` scored, and whose audio was kept or not."""
    scores = verdict.scores
    return LabelEvent.model_validate(
        {
            **clip.model_dump(),
            "agent_version": sonyc_device.__version__,
            "config_hash": verdict.config_hash,
            "bundle": bundle.digest,
            "frontend": bundle.manifest.embedding.frontend.id,
            "head": scores.head,
            "classified": verdict.classified,
            "n_windows": scores.n_windows,
            "probabilities": by_label(scores.probabilities),
            "thresholds": by_label(verdict.thresholds),
            "detections": scores.detections,
            "sound_level": verdict.sound_level,
            "audio": audio,
            "short": scores.is_short,
            "silent": scores.is_silent,
        }
    )


def stored_clip(clip: Clip, data: bytes, scores: Scores, *, bundle: Bundle, reason: AudioReason) -> StoredClip:
    """Make the sidecar of a clip's encoded audio, which `bundle` scored and which is kept for `reason`."""
    return StoredClip.model_validate(
        {
            **clip.model_dump(),
            "audio_file": f"{clip.clip_id}{clip.level.suffix}",
            "sha256": sha256_hex(data),
            "n_bytes": len(data),
            "encoder": encoder_version() if clip.level.is_lossy else "flac",
            "bundle": bundle.digest,
            "head": scores.head,
            "probabilities": by_label(scores.probabilities),
            "reason": reason,
        }
    )
