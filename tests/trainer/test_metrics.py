"""Figures from confusion matrices, held against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from sonyc_contract.labels import LABELS
from sonyc_trainer.metrics import absent, accuracy, best_thresholds, class_figures, confusion, macro_f1
from sonyc_trainer.statistics.counts import one_hot

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    expected_matrix = confusion_matrix(truth, predicted, labels=range(8))
    np.testing.assert_array_equal(confusion(truth, predicted), expected_matrix)
    flags, decided = one_hot(truth), one_hot(predicted)
    present = sorted(set(truth.tolist()))
    assert accuracy(flags, decided) == pytest.approx(np.mean(truth == predicted))
    expected = f1_score(truth, predicted, labels=present, average="macro", zero_division=0.0)
    assert macro_f1(flags, decided) == pytest.approx(expected)
    assert absent(flags) == tuple(label for k, label in enumerate(LABELS) if k not in present)


def test_class_without_prediction_has_no_precision() -> None:
    figures = class_figures(one_hot(np.array([0, 0, 1])), one_hot(np.array([1, 1, 1])))
    assert (figures[0].precision, figures[0].recall, figures[0].f1) == (0.0, 0.0, 0.0)
    assert [figures[1].precision, figures[1].recall, figures[1].f1] == pytest.approx([1 / 3, 1.0, 0.5])


def one_class(values: list[float]) -> np.ndarray:
    """Probabilities of class 0 as given, of the others 0.1."""
    probabilities = np.full((len(values), 8), 0.1)
    probabilities[:, 0] = values
    return probabilities


def test_threshold_parts_a_class_where_f1_is_highest() -> None:
    truth = np.array([0] * 5 + [1] * 5)
    thresholds = best_thresholds(one_class([0.9, 0.8, 0.7, 0.62, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]), one_hot(truth))
    assert thresholds[0] == pytest.approx(0.55)


def test_thresholds_stay_within_bounds() -> None:
    truth = np.array([0] * 5 + [1] * 5)
    assert best_thresholds(one_class([0.99] * 5 + [0.96] * 5), one_hot(truth))[0] == 0.7
    assert best_thresholds(one_class([0.04] * 5 + [0.01] * 5), one_hot(truth))[0] == 0.3


def test_rare_class_keeps_the_middle() -> None:
    truth = np.array([0] * 4 + [1] * 6)
    assert best_thresholds(one_class([0.9] * 4 + [0.6] * 6), one_hot(truth))[0] == 0.5


def test_equal_probabilities_are_not_parted() -> None:
    """Four of class 0 and four others share 0.6: the threshold lies above or below all eight."""
    truth = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    probabilities = one_class([0.9, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    threshold = best_thresholds(probabilities, one_hot(truth))[0]
    assert threshold != 0.6
