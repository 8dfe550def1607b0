"""What goes into the bundle for a head: calibration, thresholds, and the record of them."""

import numpy as np
import pytest

from sonyc_contract.recognise import Calibration, calibrated
from sonyc_trainer.statistics.calibration import UNREACHED_THRESHOLD, CalibrationMethod
from sonyc_trainer.statistics.operating_points import Wanted, operating_point


def validation_clips(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are three times too large, and truth; class 7 has no clip."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (n, 8))
    truth = rng.random((n, 8)) < 1 / (1 + np.exp(-logits))
    truth[:, 7] = False
    return (3 * logits).astype(np.float32), truth


@pytest.mark.parametrize("method", list(CalibrationMethod))
def test_thresholds_are_of_calibrated_probabilities(method: CalibrationMethod) -> None:
    logits, truth = validation_clips()
    spec, records = operating_point("v5", logits, truth, Wanted(method, 0.8))
    probabilities = calibrated(logits, spec.calibration)
    for k, record in enumerate(records):
        assert (record.threshold, record.slope, record.offset) == (
            spec.thresholds[k],
            spec.calibration.slope[k],
            spec.calibration.offset[k],
        )
        if record.is_reached:
            assert truth[probabilities[:, k] >= record.threshold, k].mean() >= 0.8
    assert [record.is_reached for record in records] == [True] * 7 + [False]
    assert spec.thresholds[7] == UNREACHED_THRESHOLD


def test_calibration_makes_probabilities_better_and_is_recorded() -> None:
    logits, truth = validation_clips()
    _, records = operating_point("v5", logits, truth, Wanted(CalibrationMethod.PLATT, None))
    assert all(record.brier_after < record.brier_before for record in records[:7])
    assert [record.n_positive for record in records] == truth.sum(axis=0).tolist()
    assert np.isnan(records[0].target_precision)


def test_without_calibration_and_target_the_head_is_as_trained() -> None:
    spec, _ = operating_point("v5", *validation_clips(), Wanted(CalibrationMethod.NONE, None))
    assert spec.calibration == Calibration()
    assert all(0.3 <= threshold <= 0.7 for threshold in spec.thresholds)
