"""Calibration against the parameters that made the data and against a brute-force search; thresholds by definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonyc_contract.recognise import Calibration, calibrated
from sonyc_trainer.statistics.calibration import (
    MIN_POSITIVES,
    UNREACHED_THRESHOLD,
    CalibrationMethod,
    brier,
    fit_calibration,
    platt,
    temperature,
    threshold_for_precision,
)


def overconfident(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits [n, 8] and truth drawn with sigmoid(0.5 logit - 1)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (n, 8))
    return logits, rng.random((n, 8)) < 1 / (1 + np.exp(-(0.5 * logits - 1)))


def test_platt_finds_what_made_the_data() -> None:
    found = platt(*overconfident(20_000))
    np.testing.assert_allclose(found.slope, 0.5, atol=0.03)
    np.testing.assert_allclose(found.offset, -1.0, atol=0.12)


def test_platt_is_the_minimum_of_its_cost() -> None:
    """A grid over slope and offset finds no cheaper place; the cost is written out here once more."""
    logits, truth = overconfident(60, seed=2)
    slope, offset = platt(logits, truth).slope[0], platt(logits, truth).offset[0]
    wanted = np.where(truth[:, 0], (truth[:, 0].sum() + 1) / (truth[:, 0].sum() + 2), 1 / ((~truth[:, 0]).sum() + 2))

    def cost(a: float, b: float) -> float:
        p = 1 / (1 + np.exp(-(a * logits[:, 0] + b)))
        loss = -np.sum(wanted * np.log(p) + (1 - wanted) * np.log1p(-p))
        return float(loss + 0.5 * ((a - 1) / 0.5) ** 2 + 0.5 * (b / 2) ** 2)

    here = cost(slope, offset)
    assert min(cost(a, b) for a in np.linspace(0.05, 2, 60) for b in np.linspace(-4, 4, 60)) >= here - 1e-6
    assert min(cost(slope + da, offset + db) for da in (-1e-3, 0, 1e-3) for db in (-1e-3, 0, 1e-3)) >= here - 1e-8


def test_separable_classes_do_not_explode() -> None:
    """Six clips of each class, all parted perfectly: without the prior the best slope is infinite."""
    truth = np.tile(np.eye(8, dtype=bool), (6, 1))
    found = platt(np.where(truth, 3.0, -3.0), truth)
    assert max(found.slope) < 2.5
    assert max(map(abs, found.offset)) < 2


def test_rare_class_stays_as_it_is() -> None:
    logits, truth = overconfident(400)
    truth[:, 7] = np.arange(400) < MIN_POSITIVES - 1
    found = platt(logits, truth)
    assert (found.slope[7], found.offset[7]) == (1.0, 0.0)
    assert found.slope[0] != 1.0


def test_class_that_is_the_wrong_way_round_is_not_turned() -> None:
    """A negative slope would turn the order of the clips."""
    logits, truth = overconfident(400)
    assert min(platt(-logits, truth).slope) > 0


def test_temperature_keeps_the_largest_output() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, (5_000, 8))
    truth = rng.random((5_000, 8)) < 1 / (1 + np.exp(-0.4 * logits))
    found = temperature(logits, truth)
    assert len(set(found.slope)) == 1
    assert found.slope[0] == pytest.approx(0.4, abs=0.02)
    assert set(found.offset) == {0.0}
    largest = calibrated(logits.astype(np.float32), found).argmax(axis=1)
    np.testing.assert_array_equal(largest, logits.argmax(axis=1))


def test_temperature_of_almost_nothing_is_one() -> None:
    assert temperature(np.full((2, 8), 9.0), np.ones((2, 8), bool)) == Calibration()


@pytest.mark.parametrize("method", [CalibrationMethod.PLATT, CalibrationMethod.TEMPERATURE])
def test_probabilities_of_other_clips_get_better(method: CalibrationMethod) -> None:
    logits, truth = overconfident(600, seed=3)
    others, other_truth = overconfident(600, seed=4)
    found = fit_calibration(method, logits, truth)
    before = brier(calibrated(others, Calibration()), other_truth)
    assert brier(calibrated(others, found), other_truth) < before - 0.01


def test_no_calibration_changes_nothing() -> None:
    assert fit_calibration(CalibrationMethod.NONE, *overconfident(100)) == Calibration()


RANKED = st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=80)


@settings(max_examples=60)
@given(RANKED, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_threshold_has_the_precision_and_is_monotone(clips: list[tuple[int, bool]], one: float, two: float) -> None:
    probabilities, truth = np.array([p / 50 for p, _ in clips]), np.array([flag for _, flag in clips])
    low, high = (threshold_for_precision(probabilities, truth, target=target) for target in sorted((one, two)))
    assert low.value <= high.value
    detected = probabilities >= low.value
    if low.is_reached:
        assert truth[detected].mean() >= min(one, two)
        assert np.count_nonzero(truth[detected]) >= MIN_POSITIVES
    else:
        assert low.value == UNREACHED_THRESHOLD


@settings(max_examples=60)
@given(RANKED, st.floats(0.05, 1.0))
def test_no_lower_threshold_would_do(clips: list[tuple[int, bool]], target: float) -> None:
    probabilities, truth = np.array([p / 50 for p, _ in clips]), np.array([flag for _, flag in clips])
    found = threshold_for_precision(probabilities, truth, target=target)
    for lower in {p for p in probabilities.tolist() if p < found.value and p <= UNREACHED_THRESHOLD}:
        detected = probabilities >= lower
        assert truth[detected].mean() < target or np.count_nonzero(truth[detected]) < MIN_POSITIVES


def test_threshold_lies_between_neighbours() -> None:
    probabilities = np.array([0.9, 0.85, 0.8, 0.75, 0.7, 0.4, 0.3])
    truth = np.array([True] * 5 + [False] * 2)
    assert threshold_for_precision(probabilities, truth, target=0.9).value == pytest.approx(0.55)
    assert threshold_for_precision(probabilities, truth, target=0.8).value == pytest.approx(0.35)
