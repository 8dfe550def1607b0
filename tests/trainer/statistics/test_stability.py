"""Cosines and flips."""

import numpy as np
import pytest

from sonyc_trainer.statistics.stability import cosines, flips


def test_cosines_are_those_of_the_angle() -> None:
    reference = np.array([[1, 0], [1, 0], [1, 0], [2, 2]], np.float32)
    coded = np.array([[3, 0], [0, 5], [-1, 0], [1, 0]], np.float32)
    assert cosines(coded, reference) == pytest.approx([1, 0, -1, np.sqrt(0.5)])


def test_zero_vectors_are_alike() -> None:
    zeros, ones = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert cosines(zeros, zeros) == 1.0
    assert cosines(zeros, ones) == 0.0


def test_flips_are_where_the_largest_output_changes() -> None:
    reference = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    coded = np.array([[0.51, 0.5], [0.4, 0.6], [0.1, 0.3]])
    assert flips(coded, reference).tolist() == [False, True, False]
