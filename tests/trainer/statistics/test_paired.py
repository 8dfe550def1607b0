"""McNemar's test against the sum over all outcomes, Holm's correction against its published form."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from sonyc_trainer.statistics.paired import holm, mcnemar, mcnemar_of

COUNTS = st.integers(0, 40)


def test_discordant_clips_are_counted() -> None:
    reference = np.array([True, True, True, False, False])
    other = np.array([True, False, False, True, False])
    found = mcnemar(reference, other)
    assert (found.n_lost, found.n_won) == (2, 1)


@given(COUNTS, COUNTS)
def test_exact_p_is_the_binomial_test(n_lost: int, n_won: int) -> None:
    expected = binomtest(n_lost, n_lost + n_won).pvalue if n_lost + n_won else 1.0
    assert mcnemar_of(n_lost, n_won).exact_p == pytest.approx(expected)


@given(COUNTS, COUNTS)
def test_mid_p_counts_half_of_what_was_seen(n_lost: int, n_won: int) -> None:
    """By brute force: twice the chance of fewer, and the chance of exactly as many."""
    n, fewer = n_lost + n_won, min(n_lost, n_won)
    chances = [comb(n, k) / 2**n for k in range(n + 1)]
    assert mcnemar_of(n_lost, n_won).mid_p == pytest.approx(min(2 * sum(chances[:fewer]) + chances[fewer], 1.0))


def test_published_example() -> None:
    """Fagerland, Lydersen and Laake 2013, airway hyper-responsiveness: 1 against 7, exact 0.070, mid-p 0.039."""
    found = mcnemar_of(1, 7)
    assert found.exact_p == pytest.approx(0.070, abs=5e-4)
    assert found.mid_p == pytest.approx(0.039, abs=5e-4)


def test_holm_multiplies_by_what_is_left() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_is_not_known() -> None:
    corrected = holm([0.02, float("nan"), 0.6])
    assert corrected[0] == pytest.approx(0.04)
    assert np.isnan(corrected[1])
    assert corrected[2] == pytest.approx(0.6)
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_order_and_bounds(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= min(len(p_values) * p, 1.0) + 1e-12 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
