"""Deciding: the largest output, or every output that reaches its threshold."""

import numpy as np
import pytest

from sonyc_trainer.deciding import LabelMode, decided, is_judged, share_right

PROBABILITIES = np.array([[0.9, 0.8, *[0.1] * 6], [0.4, 0.3, *[0.1] * 6]])


def test_single_label_takes_the_largest() -> None:
    assert decided(PROBABILITIES, LabelMode.SINGLE).argmax(axis=1).tolist() == [0, 0]
    assert decided(PROBABILITIES, LabelMode.SINGLE).sum() == 2


def test_multi_label_takes_what_reaches_its_threshold() -> None:
    flags = decided(PROBABILITIES, LabelMode.MULTI, (0.95, 0.3, *[0.5] * 6))
    assert np.argwhere(flags).tolist() == [[0, 1], [1, 1]]


def test_share_right_before_thresholds_are_chosen() -> None:
    logits = np.log(PROBABILITIES / (1 - PROBABILITIES))[np.newaxis]
    truth = np.zeros((2, 8), bool)
    truth[0, :2] = True
    assert share_right(logits, truth, LabelMode.MULTI) == 1.0
    assert share_right(logits, truth, LabelMode.SINGLE) == 0.0
    truth[0, 1] = False
    truth[1, 5] = True
    assert share_right(logits, truth, LabelMode.SINGLE) == pytest.approx(0.5)


def test_largest_output_is_not_judged_where_there_is_no_class() -> None:
    logits = np.log(PROBABILITIES / (1 - PROBABILITIES))[np.newaxis]
    truth = np.zeros((2, 8), bool)
    truth[0, 0] = True
    assert is_judged(truth, LabelMode.SINGLE).tolist() == [True, False]
    assert is_judged(truth, LabelMode.MULTI).tolist() == [True, True]
    assert share_right(logits, truth, LabelMode.SINGLE) == 1.0
