"""Thresholds that background seldom reaches, and how sure they are."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonyc_device.false_alarms import MIN_CLIPS, Allowed, Tail, propose

TEN_A_DAY = Allowed(10.0, 8_640.0)
Array = NDArray[np.float64]


def probabilities(logits: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def background(n_clips: int, *, seed: int = 1) -> Array:
    """Logits that fall off exponentially above -4, one e-fold in 0.8."""
    return -4.0 + 0.8 * np.random.default_rng(seed).exponential(size=n_clips)


def test_rate_that_cannot_be_counted_is_extended_from_the_tail() -> None:
    true = -4.0 + 0.8 * math.log(8_640 / 10)  # which 10 of 8,640 clips exceed
    found = propose(probabilities(background(5_000)), 0.0, TEN_A_DAY).threshold_if_false
    assert found is not None
    assert abs(math.log(found.value / (1 - found.value)) - true) < 0.3
    assert found.low < found.value < found.high


def test_an_hours_proposals_give_about_the_wanted_rate() -> None:
    rates = []
    for seed in range(20):
        found = propose(probabilities(background(360, seed=seed)), 0.0, TEN_A_DAY).threshold_if_false
        assert found is not None
        rates.append(8_640 * math.exp(-(math.log(found.value / (1 - found.value)) + 4.0) / 0.8))
    assert 4 < np.median(rates) < 20
    assert max(rates) < 60


def test_a_few_real_events_change_nothing_but_what_is_said_if_they_were_false() -> None:
    quiet = probabilities(background(360) - 3.0)
    own = float(quiet.max()) + 0.05
    barks = quiet.copy()
    barks[100:104] = [0.97, 0.99, 0.98, 0.96]
    before, after = propose(quiet, own, TEN_A_DAY), propose(barks, own, TEN_A_DAY)
    assert before.threshold is not None
    assert after.threshold is not None
    assert (before.n_alarms, after.n_alarms) == (0, 4)
    assert after.threshold.value == pytest.approx(before.threshold.value, abs=0.05)
    assert before.threshold_if_false is None
    assert after.threshold_if_false is not None
    assert after.threshold_if_false.value > 0.99
    assert after.alarms_per_day.value >= 4 * 8_640 / 360


def test_alarms_that_the_proposal_would_miss_are_counted() -> None:
    heard = probabilities(background(360))
    heard[:3] = [0.2, 0.3, 0.99]
    found = propose(heard, 0.15, Allowed(1.0, 8_640.0))
    assert found.threshold is not None
    reached = heard[heard >= 0.15]
    assert found.n_lost == int((reached < found.threshold.value).sum()) > 0


@settings(max_examples=25, deadline=None)
@given(
    logits=st.lists(st.floats(-30, 30), min_size=MIN_CLIPS, max_size=200),
    own=st.floats(0, 1),
    per_day=st.floats(0.01, 20_000),
)
def test_what_was_heard_reaches_a_proposal_no_more_often_than_allowed(
    logits: list[float], own: float, per_day: float
) -> None:
    heard, allowed = probabilities(np.array(logits)), Allowed(per_day, 8_640.0)
    found = propose(heard, own, allowed)
    strict = found.threshold_if_false or found.threshold
    assert strict is not None
    assert strict.value >= own
    assert strict.low <= strict.high
    n_reached = int((heard >= strict.value).sum())
    if strict.value < 1.0:  # beyond which no threshold goes
        assert n_reached <= allowed.share * len(heard) + 1e-6


def test_the_more_is_allowed_the_lower_the_threshold() -> None:
    tail = Tail(background(360))
    thresholds = [tail.threshold(share) for share in (1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.9)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert tail.threshold(1.0) == 0.0


def test_share_over_falls_and_is_never_less_than_what_was_heard() -> None:
    logits = background(360)
    tail = Tail(logits)
    shares = [tail.share_over(logit) for logit in np.linspace(-5, 3, 50)]
    assert shares == sorted(shares, reverse=True)
    assert all(share >= np.mean(logits >= logit) for share, logit in zip(shares, np.linspace(-5, 3, 50), strict=True))


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_scores_that_never_change_are_no_error(value: float) -> None:
    found = propose(np.full(MIN_CLIPS, value), 0.9, TEN_A_DAY)
    strict = found.threshold_if_false or found.threshold
    assert strict is not None
    assert strict.value == (1.0 if value == 1.0 else 0.9)


def test_class_that_is_heard_all_the_time_gets_no_proposal_but_one_if_false() -> None:
    found = propose(np.full(MIN_CLIPS, 0.8), 0.5, TEN_A_DAY)
    assert found.threshold is None
    assert found.threshold_if_false is not None
    assert found.threshold_if_false.value == pytest.approx(0.801)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="59 clips: at least 60 are needed"):
        propose(np.zeros(MIN_CLIPS - 1), 0.5, TEN_A_DAY)
