"""Axes: round numbers that hold all values, whatever these are."""

import pytest

from sonyc_trainer.report.svg import ticks, twentieths_around


@pytest.mark.parametrize(
    ("values", "span"), [([0.31, 0.62], (0.3, 0.65)), ([1.0], (1.0, 1.05)), ([0.0, 0.0], (0.0, 0.05))]
)
def test_axis_holds_its_values_and_has_ticks(values: list[float], span: tuple[float, float]) -> None:
    low, high = twentieths_around(values)
    assert (low, high) == span
    assert len(ticks(low, high)) >= 2
