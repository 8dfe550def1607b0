"""Decides whether a clip is kept, before anything of it is written."""

import hashlib
from dataclasses import dataclass
from typing import Final

from sonyc_contract.labels import LABEL_INDEX
from sonyc_contract.messages import AudioReason
from sonyc_contract.recognise import Scores
from sonyc_device.config import StoreMode, StoreSettings

_KEEPING: Final = frozenset({AudioReason.MODE_ALL, AudioReason.DETECTION, AudioReason.FRACTION})


@dataclass(frozen=True)
class Decision:
    """What was decided of one clip, and why."""

    reason: AudioReason

    @property
    def is_kept(self) -> bool:
        """Whether the clip is to be written."""
        return self.reason in _KEEPING


def decide(store: StoreSettings, clip_id: str, scores: Scores) -> Decision:
    """Say whether a clip is to be kept.

    Args:
        store: The settings in effect.
        clip_id: The clip's id, which is all that a `fraction` is drawn by.
        scores: What was found in it; the veto looks at all of it, not only at what was detected.
    """
    if store.mode is StoreMode.NONE:
        return Decision(AudioReason.MODE_NONE)
    if store.mode is StoreMode.ALL:
        return Decision(AudioReason.MODE_ALL)
    if any(_is_vetoed(name, scores, store.veto_threshold) for name in store.veto):
        return Decision(AudioReason.VETO)
    if store.mode is StoreMode.DETECTIONS:
        is_wanted = not set(store.classes).isdisjoint(scores.detections)
        return Decision(AudioReason.DETECTION if is_wanted else AudioReason.NO_DETECTION)
    return Decision(AudioReason.FRACTION if draw(clip_id) < store.fraction else AudioReason.NOT_IN_FRACTION)


def draw(clip_id: str) -> float:
    """Give a clip's lot, 0 <= lot < 1: the first 53 bits of its id's SHA-256, the same on every machine."""
    return (int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8]) >> 11) / 2.0**53


def _is_vetoed(name: str, scores: Scores, threshold: float) -> bool:
    peak = scores.peaks[LABEL_INDEX[name]]
    return name in scores.detections or not peak < threshold  # NaN is not below anything
