"""Areas under the precision-recall curve, held against scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sonyc_trainer.statistics.precision_recall import average_precision, precision_recall


def random_scores(seed: int, *, n: int = 60, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores of eight classes; rounding makes equal scores."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 8)) < 0.3
    return truth, np.round(np.clip(0.3 * truth + 0.5 * rng.random((n, 8)), 0, 1), decimals)


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_areas_are_those_of_scikit_learn(decimals: int) -> None:
    truth, scores = random_scores(decimals, decimals=decimals)
    found = precision_recall(truth, scores)
    assert found.micro == pytest.approx(average_precision_score(truth, scores, average="micro"))
    assert found.macro == pytest.approx(average_precision_score(truth, scores, average="macro"))
    np.testing.assert_allclose(found.per_class, average_precision_score(truth, scores, average=None))
    assert found.n_positive.tolist() == truth.sum(axis=0).tolist()


def test_low_scores_count() -> None:
    """All under 0.01, where the published baselines stop looking."""
    truth, scores = random_scores(4)
    np.testing.assert_allclose(
        precision_recall(truth, scores / 1_000).per_class, precision_recall(truth, scores).per_class
    )


def test_class_of_one_value_has_no_area_and_stops_nothing() -> None:
    truth, scores = random_scores(5)
    truth[:, 3], truth[:, 4] = False, True
    found = precision_recall(truth, scores)
    assert np.flatnonzero(np.isnan(found.per_class)).tolist() == [3, 4]
    others = [k for k in range(8) if k not in (3, 4)]
    with warnings.catch_warnings():
        expected = average_precision_score(truth[:, others], scores[:, others], average="macro")
    assert found.macro == pytest.approx(expected)
    assert not np.isnan(found.micro)


def test_no_class_at_all() -> None:
    found = precision_recall(np.zeros((5, 8), bool), np.zeros((5, 8)))
    assert np.isnan([found.micro, found.macro]).all()


def test_equal_scores_give_the_share_of_positives() -> None:
    assert average_precision(np.array([True, False, False, True]), np.full(4, 0.5)) == pytest.approx(0.5)


def test_perfect_order() -> None:
    assert average_precision(np.array([False, True, True]), np.array([0.1, 0.8, 0.9])) == 1.0
