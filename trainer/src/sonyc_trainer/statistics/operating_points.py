"""Calibration and thresholds of a head, chosen on the validation clips at the levels that it serves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonyc_contract.labels import LABELS, N_LABELS
from sonyc_contract.recognise import Calibration, HeadSpec, Probabilities, calibrated
from sonyc_trainer.findings import CalibratedClass
from sonyc_trainer.metrics import best_thresholds
from sonyc_trainer.statistics.calibration import (
    CalibrationMethod,
    Threshold,
    brier,
    fit_calibration,
    threshold_for_precision,
)
from sonyc_trainer.statistics.counts import Flags


@dataclass(frozen=True)
class Wanted:
    """How calibration and thresholds are chosen.

    Attributes:
        method: Of calibration.
        target_precision: Of the thresholds; None chooses those of the highest F1.
    """

    method: CalibrationMethod
    target_precision: float | None


def operating_point(
    head: str, logits: NDArray[np.float32], truth: Flags, wanted: Wanted
) -> tuple[HeadSpec, list[CalibratedClass]]:
    """Choose calibration and thresholds of one head.

    Args:
        head: Its name.
        logits: float32 [n_clips, 8] of validation clips.
        truth: bool [n_clips, 8].
        wanted: How.

    Returns:
        What goes into the bundle, and a record per class.
    """
    calibration = fit_calibration(wanted.method, np.asarray(logits, np.float64), truth)
    before, after = calibrated(logits, Calibration()), calibrated(logits, calibration)
    thresholds = _thresholds(after, truth, wanted.target_precision)
    records = [
        CalibratedClass(
            head=head,
            label=LABELS[k],
            method=wanted.method.value,
            n_clips=len(truth),
            n_positive=int(np.count_nonzero(truth[:, k])),
            slope=calibration.slope[k],
            offset=calibration.offset[k],
            brier_before=brier(before[:, k], truth[:, k]),
            brier_after=brier(after[:, k], truth[:, k]),
            threshold=thresholds[k].value,
            target_precision=float("nan") if wanted.target_precision is None else wanted.target_precision,
            is_reached=thresholds[k].is_reached,
        )
        for k in range(N_LABELS)
    ]
    return HeadSpec(thresholds=tuple(one.value for one in thresholds), calibration=calibration), records


def _thresholds(probabilities: Probabilities, truth: Flags, target: float | None) -> list[Threshold]:
    if target is None:
        return [Threshold(value, is_reached=True) for value in best_thresholds(probabilities, truth)]
    return [threshold_for_precision(probabilities[:, k], truth[:, k], target=target) for k in range(N_LABELS)]
