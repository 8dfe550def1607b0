"""From a clip to its label: encode, classify, decide what is kept, store, and commit to the outbox."""

import logging

from sonyc_contract.audio import FloatArray, from_int16, leq_dbfs
from sonyc_contract.messages import AudioReason, AudioRecord, LabelEvent, SoundLevel, dump_message
from sonyc_contract.messages import Clip as ClipFacts
from sonyc_contract.recognise import Scores
from sonyc_device.booking import Booking
from sonyc_device.capture.clips import TimedClip
from sonyc_device.classification import encode_and_score
from sonyc_device.config import StoreSettings
from sonyc_device.errors import OutboxError, StoreError, StoreFullError
from sonyc_device.labelling import Verdict, detected_at, label_event, stored_clip, thresholds_in_effect
from sonyc_device.messaging.outbox import LABEL
from sonyc_device.messaging.rows import Draft, Identity
from sonyc_device.parts import Parts
from sonyc_device.storing.policy import decide

_LOGGER = logging.getLogger(__name__)


class Labeller:
    """Labels clips one after the other; one thread calls it."""

    def __init__(self, parts: Parts, booking: Booking) -> None:
        self._parts = parts
        self._booking = booking
        self._lag_s: float | None = None

    @property
    def lag_s(self) -> float | None:
        """How long the last label came after the end of its clip; None where none did, or files are replayed."""
        return self._lag_s

    def label(self, timed: TimedClip) -> None:
        """Classify a clip, keep its audio where that is wanted, and commit its label.

        Raises:
            ContractError, DeviceError: it cannot be encoded or classified.
        """
        parts, effective = self._parts, self._parts.in_effect.now
        span, identity = self._booking.clip(timed), parts.outbox.identify(LABEL)
        clip = parts.facts.clip(identity, timed, level=effective.config.store.level)
        samples = from_int16(timed.clip.samples)
        data, scores = encode_and_score(parts.classifier, samples, parts.facts.rate_hz, effective.config)
        thresholds = thresholds_in_effect(parts.classifier.bundle.manifest.heads[scores.head], effective.thresholds)
        scores = detected_at(scores, thresholds)
        classified = effective.config.classify.what.value
        verdict = Verdict(scores, classified, self._sound_level(timed, samples), thresholds, effective.config_hash)
        audio = self._keep(clip, data, scores, effective.config.store)
        labels: list[LabelEvent] = []

        def make(known: Identity) -> Draft:
            named = clip if known == identity else parts.facts.clip(known, timed, level=clip.level)
            labels.append(label_event(named, parts.classifier.bundle, verdict, audio))
            return Draft(LABEL, dump_message(labels[-1]), identity=known, span=span, is_stored=audio.kept)

        parts.outbox.put_as(LABEL, identity, make)
        self._parts.counters.labels_written += 1
        if parts.source.is_live:
            n_since = parts.ring.arrival.n_samples - timed.clip.start_sample - len(timed.clip.samples)
            self._lag_s = max(0.0, n_since / parts.facts.rate_hz)
        parts.publisher.wake()
        _log_label(labels[-1])

    def _sound_level(self, timed: TimedClip, samples: FloatArray) -> SoundLevel:
        leq, levels = leq_dbfs(samples), self._parts.levels
        return SoundLevel(leq=leq, unit="dBFS") if levels is None else levels.sound_level(leq, timed.levels)

    def _keep(self, clip: ClipFacts, data: bytes, scores: Scores, settings: StoreSettings) -> AudioRecord:
        """Store the clip where it is to be stored; it is on the disk before its label is in the outbox."""
        decision = decide(settings, clip.clip_id, scores)
        if not decision.is_kept:
            self._parts.counters.clips_vetoed += decision.reason is AudioReason.VETO
            return AudioRecord(kept=False, reason=decision.reason, n_bytes=len(data))
        try:
            # Files are named by the number, which must never come twice.
            self._parts.outbox.secure(LABEL, Identity(clip.session, clip.seq))
            bundle = self._parts.classifier.bundle
            sidecar = stored_clip(clip, data, scores, bundle=bundle, reason=decision.reason)
            self._parts.store.write(sidecar, data)
        except (StoreError, OutboxError) as error:
            self._parts.counters.clips_not_stored += 1
            _LOGGER.error("audio not kept: %s", error)
            is_full = isinstance(error, StoreFullError)
            reason = AudioReason.NO_SPACE if is_full else AudioReason.WRITE_FAILED
            return AudioRecord(kept=False, reason=reason, n_bytes=len(data))
        self._parts.counters.clips_stored += 1
        return AudioRecord(kept=True, reason=decision.reason, n_bytes=len(data))


def _log_label(label: LabelEvent) -> None:
    _LOGGER.info(
        "label",
        extra={"clip_id": label.clip_id, "detections": label.detections, "leq": round(label.sound_level.leq, 1)},
    )
