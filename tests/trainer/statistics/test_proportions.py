"""Wilson's interval on the figures of the study that this project grows from, and against scipy's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from sonyc_trainer.statistics.proportions import MIN_CLIPS, is_measurable, poisson_rate, wilson


@pytest.mark.parametrize(
    ("n_right", "percent", "low", "high"), [(91, 59.87, 52, 67), (86, 56.58, 49, 64), (78, 51.32, 43, 59)]
)
def test_the_original_study(n_right: int, percent: float, low: int, high: int) -> None:
    """Its validation accuracies at levels 0, 3 and 5 are of 152 clips; their intervals overlap."""
    found = wilson(n_right, 152)
    assert round(100 * found.value, 2) == percent
    assert (round(100 * found.low), round(100 * found.high)) == (low, high)


@given(st.integers(0, 80), st.integers(0, 80), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_that_of_scipy(n_hits: int, n_misses: int, confidence: float) -> None:
    if n_hits + n_misses == 0:
        return
    found = wilson(n_hits, n_hits + n_misses, confidence=confidence)
    expected = binomtest(n_hits, n_hits + n_misses).proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_tried_can_be_anything() -> None:
    found = wilson(0, 0)
    assert found.value != found.value
    assert (found.low, found.high) == (0.0, 1.0)


def test_more_hits_than_trials() -> None:
    with pytest.raises(ValueError, match="3 hits of 2 trials"):
        wilson(3, 2)


def test_measurable_from_thirty_clips() -> None:
    assert (is_measurable(29), is_measurable(30)) == (False, True)
    interval = wilson(24, MIN_CLIPS - 1)
    assert 100 * (interval.high - interval.low) == pytest.approx(27, abs=0.5)


@pytest.mark.parametrize(("n", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)])
def test_rate_is_that_of_garwoods_table(n: int, low: float, high: float) -> None:
    found = poisson_rate(n, 2.0)
    assert found.value == n / 2
    assert (2 * found.low, 2 * found.high) == pytest.approx((low, high), abs=1e-3)


def test_rate_needs_time() -> None:
    with pytest.raises(ValueError, match=r"1 events in 0\.0 hours"):
        poisson_rate(1, 0.0)
