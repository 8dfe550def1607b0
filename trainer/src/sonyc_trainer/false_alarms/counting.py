"""False alarms counted: per class and hour with their intervals, and the thresholds that would leave few enough."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.bundle import Manifest
from sonyc_contract.labels import LABELS
from sonyc_contract.recognise import head_for
from sonyc_trainer.false_alarms.hearing import Heard
from sonyc_trainer.statistics.bootstrap import Estimate
from sonyc_trainer.statistics.proportions import poisson_rate, wilson

_STEP: Final = 1_000
"""Thresholds are proposed in thousandths."""


@dataclass(frozen=True)
class ClassAlarms:
    """One class.

    Attributes:
        label: Its name.
        threshold: The bundle's.
        n_alarms: Clips in which it was detected.
        per_hour: The same per hour of background.
        wanted_threshold: The lowest in thousandths that would have left few enough alarms; None where even 1 leaves
            more.
    """

    label: str
    threshold: float
    n_alarms: int
    per_hour: Estimate
    wanted_threshold: float | None


@dataclass(frozen=True)
class Alarms:
    """What was detected in the background of one source at one level.

    Attributes:
        source: Where the clips are from.
        level: The level.
        head: The head that hears it.
        n_clips: How many clips.
        hours: How long they are together.
        n_any: Clips in which any class was detected.
        share_any: Their share.
        classes: The eight of them.
    """

    source: str
    level: str
    head: str
    n_clips: int
    hours: float
    n_any: int
    share_any: Estimate
    classes: tuple[ClassAlarms, ...]

    def as_document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)

    def as_text(self, *, wanted_per_hour: float) -> str:
        """Give it as a table for a terminal."""
        share = self.share_any
        spread = f"({100 * share.low:.2f} to {100 * share.high:.2f} %)"
        head = f"{self.source}, {self.level}, head {self.head}: {self.hours:.2f} hours, {self.n_clips} clips"
        any_line = f"with any detection: {self.n_any} clips, {100 * share.value:.2f} % {spread}"
        rows = [("class", "threshold", "alarms", "per hour", f"for {wanted_per_hour:g} per hour")]
        for one in self.classes:
            wanted = "none" if one.wanted_threshold is None else f"{one.wanted_threshold:.3f}"
            rate = f"{one.per_hour.value:.2f} ({one.per_hour.low:.2f} to {one.per_hour.high:.2f})"
            rows.append((one.label, f"{one.threshold:.3f}", str(one.n_alarms), rate, wanted))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if wanted_per_hour * self.hours < 1:
            lines.append(f"too little for {wanted_per_hour:g} per hour: the last column is above everything heard")
        return "\n".join([head, any_line, *lines])


def count_alarms(heard: Heard, manifest: Manifest, *, wanted_per_hour: float) -> Alarms:
    """Count the detections at a bundle's thresholds.

    Args:
        heard: What the recogniser said of clips that hold nothing.
        manifest: The bundle's.
        wanted_per_hour: How many alarms of a class would be few enough.
    """
    head = head_for(heard.level, manifest.heads)
    thresholds, hours = manifest.heads[head].thresholds, heard.duration_s / 3_600
    flags = heard.probabilities >= np.asarray(thresholds)
    n_any = int(np.count_nonzero(flags.any(axis=1)))
    return Alarms(
        source=heard.source,
        level=heard.level.value,
        head=head,
        n_clips=len(flags),
        hours=hours,
        n_any=n_any,
        share_any=wilson(n_any, len(flags)),
        classes=tuple(
            ClassAlarms(
                label,
                thresholds[k],
                n_alarms := int(np.count_nonzero(flags[:, k])),
                poisson_rate(n_alarms, hours),
                threshold_for(heard.probabilities[:, k], n_allowed=math.floor(wanted_per_hour * hours)),
            )
            for k, label in enumerate(LABELS)
        ),
    )


def threshold_for(probabilities: NDArray[np.float64], *, n_allowed: int) -> float | None:
    """Give the lowest threshold, in thousandths, that at most `n_allowed` of float64 [n] reach; None where none is."""
    if n_allowed >= len(probabilities):
        return 0.0
    highest_too_many = float(np.sort(probabilities)[::-1][n_allowed])
    step = math.floor(highest_too_many * _STEP) + 1
    return step / _STEP if step <= _STEP else None


def as_document(
    alarms: Sequence[Alarms], unread: Sequence[str], *, bundle: str, wanted_per_hour: float
) -> dict[str, Any]:
    """Give everything as one JSON object."""
    return {
        "bundle": bundle,
        "wanted_per_hour": wanted_per_hour,
        "alarms": [one.as_document() for one in alarms],
        "unread": list(unread),
    }
