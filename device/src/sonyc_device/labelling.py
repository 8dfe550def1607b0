"""Puts together what a node says of one clip: its label, and the sidecar of its audio."""

from dataclasses import dataclass

import sonyc_device
from sonyc_contract.bundle import Bundle
from sonyc_contract.codec import encoder_version
from sonyc_contract.files import sha256_hex
from sonyc_contract.labels import by_label
from sonyc_contract.levels import Level
from sonyc_contract.messages import AudioReason, AudioRecord, Clip, LabelEvent, SoundLevel, StoredClip
from sonyc_contract.recognise import Scores
from sonyc_device.capture.clips import TimedClip


@dataclass(frozen=True)
class NodeFacts:
    """What is the same in every label of one run.

    Attributes:
        node: The node's id.
        session: The outbox's id.
        run: This run's id.
        level: The level clips are stored at.
        storage_rate_hz: The rate they are stored at.
        rate_hz: The rate they are captured at.
    """

    node: str
    session: str
    run: str
    level: Level
    storage_rate_hz: int
    rate_hz: int

    def clip(self, seq: int, timed: TimedClip) -> Clip:
        """Give identity, time and coding of a clip."""
        return Clip(
            node=self.node,
            session=self.session,
            seq=seq,
            run=self.run,
            clip_id=f"{self.session}-{seq}",
            start_utc=timed.start_utc,
            clock=timed.clock,
            sample_index=timed.clip.start_sample,
            capture_rate_hz=self.rate_hz,
            duration_s=len(timed.clip.samples) / self.rate_hz,
            level=self.level,
            storage_rate_hz=self.storage_rate_hz,
        )


@dataclass(frozen=True)
class Verdict:
    """What was found in one clip.

    Attributes:
        scores: Probabilities, detections and head.
        classified: Whether the coded clip was scored (`stored`) or the raw one (`pcm`).
        leq_dbfs: Equivalent level of the clip as recorded.
    """

    scores: Scores
    classified: str
    leq_dbfs: float


def label_event(clip: Clip, bundle: Bundle, verdict: Verdict, audio: AudioRecord) -> LabelEvent:
    """Make the label of a clip that `bundle` scored, and whose audio was kept or not."""
    scores = verdict.scores
    head = bundle.manifest.heads[scores.head]
    return LabelEvent.model_validate(
        {
            **clip.model_dump(),
            "agent_version": sonyc_device.__version__,
            "bundle": bundle.digest,
            "frontend": bundle.manifest.embedding.frontend.id,
            "head": scores.head,
            "classified": verdict.classified,
            "n_windows": scores.n_windows,
            "probabilities": by_label(scores.probabilities),
            "thresholds": by_label(head.thresholds),
            "detections": scores.detections,
            "sound_level": SoundLevel(leq=verdict.leq_dbfs, unit="dBFS"),
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
